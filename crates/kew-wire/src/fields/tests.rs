use super::*;

#[test]
fn whole_numbers_are_read_and_all_else_is_refused() {
    for (text, number) in
        [("0", 0), ("60", 60), ("60.0", 60), ("6e1", 60), ("-0", 0), ("18446744073709551615", u64::MAX)]
    {
        assert_eq!(whole_number(text), Some(number), "{text}");
    }
    for text in ["-1", "1.5", "1e300", "1e999", "18446744073709551616", "\"60\"", "true", "[60]", "{}"] {
        assert_eq!(whole_number(text), None, "{text}");
    }
}

#[test]
fn a_refused_number_is_named_with_its_limit_and_its_place() {
    let raw: Raw<'_> = serde_json::from_str("86401").unwrap();
    let reader = Reader::new(Kind::MessageMetadataInvalid, Within::Item("messages", 3));
    let fault = reader.number("delay_seconds", Some(raw), 0..=86_400).unwrap_err();
    assert_eq!(fault.text(), "delay_seconds must be a whole number from 0 to 86400, not 86401");
    assert_eq!(fault.pointer(), Some("/messages/3/delay_seconds"));
}

#[test]
fn a_body_that_is_no_object_is_told_what_it_is() {
    fields! {
        /// An object without any field that matters.
        struct Fields { name: Raw<'a> }
    }
    let refused = |body: &str| Refusal::PUSH.read::<Fields<'_>>(body.as_bytes()).err().unwrap();
    for empty in ["", " \r\n\t"] {
        let fault = refused(empty);
        assert_eq!(fault.text(), "the request body is empty; it must be a JSON object");
        assert_eq!(fault.kind(), Kind::JsonMalformed);
    }
    for (body, shape) in [
        ("[]", "an array"),
        (" \"a\"", "a string"),
        ("false", "a boolean"),
        ("null", "null"),
        ("-5", "a number"),
    ] {
        let fault = refused(body);
        assert_eq!(fault.text(), format!("the request body must be a JSON object, not {shape}"));
        assert_eq!(fault.kind(), Kind::JsonInvalid);
    }
    for broken in ["[", "nul", "hello", "{"] {
        let fault = refused(broken);
        assert!(fault.text().starts_with("the request body cannot be read: "), "{broken}");
        assert_eq!(fault.kind(), Kind::JsonMalformed);
    }
}

#[test]
fn what_the_parser_quotes_is_cut() {
    fields! {
        /// An object whose one field is a truth.
        struct Fields { is_on: bool }
    }
    let body = format!(r#"{{"is_on":"{}"}}"#, "é".repeat(100_000));
    let fault = Refusal::PUSH.read::<Fields<'_>>(body.as_bytes()).err().unwrap();
    assert!(fault.text().starts_with("the request body cannot be read: invalid type: string"));
    assert!(fault.text().ends_with("éé…") && fault.text().chars().count() < 340, "{}", fault.text());
    let raw: Raw<'_> = serde_json::from_str(&body).unwrap();
    let reader = Reader::new(Kind::QueueSettings, Within::Root);
    let fault = reader.object::<Fields<'_>>("settings", Some(raw)).err().unwrap();
    assert!(fault.text().starts_with("settings cannot be read: invalid type: string"));
    assert!(fault.text().ends_with("éé…") && fault.text().chars().count() < 340, "{}", fault.text());
}

#[test]
fn long_values_are_cut_in_texts() {
    assert_eq!(shorten(&"é".repeat(41)), format!("{}…", "é".repeat(40)));
    assert_eq!(shorten("short"), "short");
}
