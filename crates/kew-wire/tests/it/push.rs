//! Push and batch push (spec §2.11 rows 15 and 16).

use kew_model::{Backlog, ContentType, PushBatch, Pushed, Seconds, Timestamp};
use kew_wire::Fault;
use kew_wire::messages::{JsonBodies, read_batch, read_push, write_pushed};

use crate::{shown, text};

fn push(body: &str) -> Result<PushBatch, Fault> {
    read_push(body.as_bytes(), JsonBodies::Any)
}

fn batch(body: &str) -> Result<PushBatch, Fault> {
    read_batch(body.as_bytes(), JsonBodies::Any)
}

/// Content type, delay and body of the only message.
fn only(batch: &PushBatch) -> (ContentType, Option<u32>, &[u8]) {
    assert_eq!(batch.len(), 1);
    let (message, body) = batch.iter().next().unwrap();
    (message.content_type, message.delay.map(|delay| delay.0), body)
}

#[test]
fn text_is_unescaped_and_json_keeps_its_bytes() {
    let read = push(r#"{"body":"a\n\u00e9\ud83d\ude00\/","content_type":"text"}"#).unwrap();
    assert_eq!(only(&read), (ContentType::Text, None, "a\né😀/".as_bytes()));
    let read = push(r#"{"body": {"b": 1.0,  "a":"\u00e9"} ,"delay_seconds":60}"#).unwrap();
    assert_eq!(only(&read), (ContentType::Json, Some(60), br#"{"b": 1.0,  "a":"\u00e9"}"#.as_slice()));
    let read = push(r#"{"body":"","content_type":"text","delay_seconds":null}"#).unwrap();
    assert_eq!(only(&read), (ContentType::Text, None, b"".as_slice()));
}

#[test]
fn bytes_come_as_padded_base64() {
    let read = push(r#"{"body":"AP\/+","content_type":"bytes"}"#).unwrap();
    assert_eq!(only(&read), (ContentType::Bytes, None, [0, 0xff, 0xfe].as_slice()));
    for wrong in ["AP_-", "AP", "A", "AP/+\\n", "é"] {
        let refused = shown(push(&format!(r#"{{"body":"{wrong}","content_type":"bytes"}}"#)));
        assert_eq!((refused.0, refused.2.as_str()), (10_207, "/body"), "{wrong}");
    }
}

#[test]
fn any_json_value_is_a_body_unless_strict() {
    for value in ["null", "true", "1", "\"text\"", "[1]", "{}"] {
        let request = format!(r#"{{"body":{value}}}"#);
        assert_eq!(only(&push(&request).unwrap()).2, value.as_bytes());
        let strict = read_push(request.as_bytes(), JsonBodies::Strict);
        assert_eq!(strict.is_ok(), value.starts_with(['[', '{']), "{value}");
    }
    let refused = read_push(br#"{"body":"text","content_type":"json"}"#, JsonBodies::Strict);
    assert_eq!(
        shown(refused),
        (10_207, r#"Validation error: Expected object, received string at "body""#.into(), "/body".into())
    );
}

#[test]
fn what_is_not_json_is_malformed_and_what_is_no_message_is_invalid() {
    for malformed in
        ["", " ", "{", "body", r#"{"body":1,}"#, "{\"body\":\"\u{1}\"}", r#"{"body":"\x"}"#, "{} {}", "[1"]
    {
        assert_eq!(shown(push(malformed)).0, 10_208, "{malformed}");
        assert_eq!(shown(batch(malformed)).0, 10_208, "{malformed}");
    }
    assert_eq!(shown(read_push(b"{\"body\":\"\xff\"}", JsonBodies::Any)).0, 10_208);
    assert_eq!(shown(read_push(b"{\"other\":\"\xff\",\"body\":1}", JsonBodies::Any)).0, 10_208);
    for invalid in ["[]", "1", "\"x\"", "null", r#"[1,"text",0]"#] {
        assert_eq!(shown(push(invalid)).0, 10_207, "{invalid}");
        assert_eq!(shown(batch(invalid)).0, 10_207, "{invalid}");
    }
    let required = (10_207, r#"Validation error: Required at "body""#.to_owned(), "/body".to_owned());
    assert_eq!(shown(push("{}")), required);
    assert_eq!(shown(push(r#"{"messages":[{"body":1}]}"#)), required);
}

#[test]
fn text_needs_a_string_of_whole_characters() {
    let refused = shown(push(r#"{"body":{"a":1},"content_type":"text"}"#));
    assert_eq!(
        refused,
        (10_207, r#"the body of a text message must be a string, not {"a":1}"#.into(), "/body".into())
    );
    assert_eq!(shown(push(r#"{"body":"\ud800","content_type":"text"}"#)).0, 10_207);
}

#[test]
fn other_content_types_are_named_and_refused() {
    for other in ["\"v8\"", "\"TEXT\"", "\"\"", "1", "{}"] {
        let refused = shown(push(&format!(r#"{{"body":"x","content_type":{other}}}"#)));
        let text = format!(r#"content_type must be "text", "json" or "bytes", not {other}"#);
        assert_eq!(refused, (10_203, text, "/content_type".into()));
    }
}

#[test]
fn delays_are_whole_seconds_up_to_a_day() {
    for (text, delay) in [("0", 0), ("86400", 86_400), ("60.0", 60)] {
        let read = push(&format!(r#"{{"body":1,"delay_seconds":{text}}}"#)).unwrap();
        assert_eq!(only(&read).1, Some(delay));
    }
    for wrong in ["-1", "86401", "1.5", "1e9", "99999999999999999999", "\"60\"", "true", "[1]"] {
        let refused = shown(push(&format!(r#"{{"body":1,"delay_seconds":{wrong}}}"#)));
        let text = format!("delay_seconds must be a whole number from 0 to 86400, not {wrong}");
        assert_eq!(refused, (10_203, text, "/delay_seconds".into()));
        let refused = shown(batch(&format!(r#"{{"messages":[{{"body":1}}],"delay_seconds":{wrong}}}"#)));
        assert_eq!((refused.0, refused.2.as_str()), (10_202, "/delay_seconds"));
    }
}

#[test]
fn a_field_given_twice_is_refused_and_an_unknown_one_passed_over() {
    assert_eq!(shown(push(r#"{"body":1,"body":2}"#)).0, 10_207);
    assert_eq!(shown(push(r#"{"body":1,"b\u006fdy":2}"#)).0, 10_207);
    assert_eq!(only(&push(r#"{"b\u006fdy":2,"id":[{}],"id":3}"#).unwrap()).2, b"2");
}

#[test]
fn a_body_counts_with_its_metadata() {
    let message = |bytes: usize| format!(r#"{{"body":"{}","content_type":"text"}}"#, "x".repeat(bytes));
    assert!(push(&message(127_900)).is_ok());
    let text = "body counts for 128001 bytes with 100 of metadata, at most 128000 are allowed";
    assert_eq!(shown(push(&message(127_901))), (10_204, text.into(), "/body".into()));
    // Escapes count for what they mean, not for how they are written.
    let escaped = format!(r#"{{"body":"{}","content_type":"text"}}"#, "\\u0041".repeat(127_900));
    assert!(push(&escaped).is_ok());
}

#[test]
fn json_bodies_are_nested_32_deep_at_most() {
    let nested = |depth: usize| format!(r#"{{"body":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(push(&nested(32)).is_ok());
    assert_eq!(
        shown(push(&nested(33))),
        (10_207, "a JSON body is nested at most 32 deep".into(), "/body".into())
    );
    assert_eq!(shown(push(&nested(300_000))).0, 10_207);
    assert!(
        push(&format!(r#"{{"body":["{}\\",{}]}}"#, "[\\\"".repeat(40), vec!["[]"; 40].join(","))).is_ok()
    );
    // Fields that mean nothing may be as deep as they like; nobody looks.
    assert!(push(&format!(r#"{{"body":1,"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000))).is_ok());
}

#[test]
fn a_batch_lends_its_delay_to_messages_without_one() {
    let read = batch(
        r#"{"messages":[{"body":1},{"body":2,"delay_seconds":0},{"body":3,"delay_seconds":null}],"delay_seconds":9}"#,
    );
    let delays: Vec<_> = read.unwrap().messages().iter().map(|message| message.delay).collect();
    assert_eq!(delays, [Some(Seconds(9)), Some(Seconds(0)), Some(Seconds(9))]);
}

#[test]
fn a_batch_holds_1_to_100_messages() {
    let of = |count: usize| format!(r#"{{"messages":[{}]}}"#, vec![r#"{"body":1}"#; count].join(","));
    assert_eq!(batch(&of(1)).unwrap().len(), 1);
    assert_eq!(batch(&of(100)).unwrap().len(), 100);
    assert_eq!(
        shown(batch(&of(0))),
        (10_206, "a batch holds 1 to 100 messages, not 0".into(), "/messages".into())
    );
    assert_eq!(shown(batch(&of(101))).1, "a batch holds 1 to 100 messages, not 101");
    for absent in ["{}", r#"{"messages":null}"#] {
        let text = r#"Validation error: Required at "messages""#.to_owned();
        assert_eq!(shown(batch(absent)), (10_207, text, "/messages".into()), "{absent}");
    }
    for (wrong, text, pointer) in [
        (r#"{"messages":{}}"#, "messages must be a list, not an object", "/messages"),
        (
            r#"{"messages":[{"body":1},null]}"#,
            "each entry of messages must be an object with a body, not null",
            "/messages/1",
        ),
        (
            r#"{"messages":[[1]]}"#,
            "each entry of messages must be an object with a body, not an array",
            "/messages/0",
        ),
    ] {
        assert_eq!(shown(batch(wrong)), (10_207, text.into(), pointer.into()), "{wrong}");
    }
}

#[test]
fn a_batch_counts_256_000_bytes_at_most() {
    let of = |last: usize| {
        let message = |bytes: usize| format!(r#"{{"body":"{}","content_type":"text"}}"#, "x".repeat(bytes));
        format!(r#"{{"messages":[{},{},{}]}}"#, message(100_000), message(100_000), message(last))
    };
    assert!(batch(&of(55_700)).is_ok());
    assert_eq!(shown(batch(&of(55_701))).0, 10_205);
}

#[test]
fn errors_of_a_batch_point_at_the_message() {
    let refused = shown(batch(r#"{"messages":[{"body":1},{"body":1,"delay_seconds":86401}]}"#));
    assert_eq!((refused.0, refused.2.as_str()), (10_203, "/messages/1/delay_seconds"));
    let refused = shown(batch(r#"{"messages":[{"body":1},{}]}"#));
    assert_eq!(
        refused,
        (10_207, r#"Validation error: Required at "messages.1.body""#.into(), "/messages/1/body".into())
    );
}

#[test]
fn the_answer_tells_the_backlog() {
    let backlog = Backlog { count: 5, bytes: 1024, oldest: Some(Timestamp(1_710_950_954_154)) };
    assert_eq!(
        text(write_pushed(&Pushed { backlog, repeated: false })),
        concat!(
            r#"{"success":true,"errors":[],"messages":[],"result":{"metadata":{"metrics":{"backlog_bytes":1024,"#,
            r#""backlog_count":5,"oldest_message_timestamp_ms":1710950954154}}}}"#
        )
    );
}
