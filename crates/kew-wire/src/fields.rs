//! How a request's JSON object is read: each known field as the raw text of its value, then as what it must be.
//!
//! Raw text first, because an error has to show the value as it was sent, and because a message body must keep its
//! bytes. Unknown fields are passed over, `null` means absent, a field given twice is refused, and an array never
//! stands for an object.

use core::fmt;
use core::ops::RangeInclusive;
use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, IgnoredAny};
use serde_json::value::RawValue;

use crate::catalogue::Kind;
use crate::fault::Fault;
use crate::text;

/// The value of a field as it was sent.
pub(crate) type Raw<'a> = &'a RawValue;

/// The name of a field; owned only when the sender escaped a letter of it.
pub(crate) struct Name<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> serde::de::Visitor<'de> for Reader {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field's name")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

/// What a request's object may name, so that its description can be held to it.
#[cfg(feature = "openapi")]
pub(crate) trait Names {
    /// The names on the wire.
    const NAMES: &'static [&'static str];
}

/// Declares a struct of optional fields that reads itself from a JSON object and from nothing else; `name = "other"`
/// where the name on the wire is none that Rust allows.
macro_rules! fields {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $wire:literal) => { $wire };
    ($(#[$doc:meta])* struct $name:ident { $($field:ident $(= $wire:literal)?: $kind:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $name<'a> {
            $(pub(crate) $field: Option<$kind>,)+
            pub(crate) lifetime: core::marker::PhantomData<&'a ()>,
        }

        #[cfg(feature = "openapi")]
        impl $crate::fields::Names for $name<'_> {
            const NAMES: &'static [&'static str] = &[$($crate::fields::fields!(@name $field $($wire)?)),+];
        }

        impl<'de: 'a, 'a> serde::de::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Reader<'a>(core::marker::PhantomData<&'a ()>);
                impl<'de: 'a, 'a> serde::de::Visitor<'de> for Reader<'a> {
                    type Value = $name<'a>;
                    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut fields = $name::default();
                        while let Some($crate::fields::Name(name)) = map.next_key()? {
                            match &*name {
                                $($crate::fields::fields!(@name $field $($wire)?) => {
                                    if fields.$field.replace(map.next_value()?).is_some() {
                                        let name = $crate::fields::fields!(@name $field $($wire)?);
                                        return Err(serde::de::Error::duplicate_field(name));
                                    }
                                })+
                                _ => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(fields)
                    }
                }
                deserializer.deserialize_map(Reader(core::marker::PhantomData))
            }
        }
    };
}
pub(crate) use fields;

/// Which lines of the table a request's unreadable body gives: they differ between pushes and all else (spec §8).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    /// For what is not JSON.
    pub(crate) malformed: Kind,
    /// For JSON of the wrong shape.
    pub(crate) invalid: Kind,
}

impl Refusal {
    /// Pushes and batch pushes (spec §2.11 rows 15 and 16).
    pub(crate) const PUSH: Self = Self { malformed: Kind::JsonMalformed, invalid: Kind::JsonInvalid };
    /// Everything else (spec §8.2).
    pub(crate) const OTHER: Self = Self { malformed: Kind::BodyInvalid, invalid: Kind::BodyInvalid };

    /// Reads a body that must be one JSON object.
    pub(crate) fn read<'a, T: Deserialize<'a>>(self, body: &'a [u8]) -> Result<T, Fault> {
        let text = core::str::from_utf8(body)
            .map_err(|_| Fault::new(self.malformed).detailed("the request body is not UTF-8 text"))?;
        serde_json::from_str(text).map_err(|error| {
            // A wrong shape stops the reading at once; only the rest tells whether the body is JSON at all.
            let is_json = error.is_data() && serde_json::from_str::<IgnoredAny>(text).is_ok();
            let kind = if is_json { self.invalid } else { self.malformed };
            Fault::new(kind).detailed(match shape_of(text) {
                None => "the request body is empty; it must be a JSON object".to_owned(),
                Some(shape) if is_json && shape != "an object" => {
                    format!("the request body must be a JSON object, not {shape}")
                }
                Some(_) => format!("the request body cannot be read: {}", reason(&error)),
            })
        })
    }

    /// Reads a body that may be absent; absent means an object without fields.
    pub(crate) fn read_or_default<'a, T: Deserialize<'a> + Default>(
        self,
        body: &'a [u8],
    ) -> Result<T, Fault> {
        if body.trim_ascii().is_empty() { Ok(T::default()) } else { self.read(body) }
    }
}

/// Where in the request a field stands, for `source.pointer`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Within {
    /// At the top.
    Root,
    /// In the object of this name.
    Object(&'static str),
    /// In an item of the list of this name.
    Item(&'static str, usize),
}

impl Within {
    /// The JSON pointer (RFC 6901) to a field here. Names of fields need no escaping.
    pub(crate) fn pointer(self, field: &str) -> String {
        format!("{}/{field}", self.pointer_to_itself())
    }

    /// The same place in the vendor's spelling, with dots: `messages.3.body`.
    pub(crate) fn path(self, field: &str) -> String {
        self.pointer(field)[1..].replace('/', ".")
    }

    /// The JSON pointer to the object itself; empty for the top.
    pub(crate) fn pointer_to_itself(self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Object(name) => format!("/{name}"),
            Self::Item(list, index) => format!("/{list}/{index}"),
        }
    }
}

/// Reads fields of one object; a wrong one gives `kind` and points at the field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader {
    /// The line of the table.
    pub(crate) kind: Kind,
    /// Where the object stands.
    pub(crate) within: Within,
}

impl Reader {
    pub(crate) fn new(kind: Kind, within: Within) -> Self {
        Self { kind, within }
    }

    /// The refusal of a field.
    pub(crate) fn refuse(self, field: &str, why: impl Into<String>) -> Fault {
        Fault::new(self.kind).detailed(why).at(self.within.pointer(field))
    }

    /// A whole number in its range. Fractions, signs, exponents beyond 2^53 and other types are refused, never clamped.
    pub(crate) fn number(
        self,
        field: &str,
        raw: Option<Raw<'_>>,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Fault> {
        let Some(text) = present(raw) else { return Ok(None) };
        match whole_number(text) {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (min, max) = (range.start(), range.end());
                let shown = shorten(text);
                Err(self.refuse(
                    field,
                    format!("{field} must be a whole number from {min} to {max}, not {shown}"),
                ))
            }
        }
    }

    /// As [`Reader::number`], in a narrower type. The range must fit the type.
    pub(crate) fn narrow<T: TryFrom<u64>>(
        self,
        field: &str,
        raw: Option<Raw<'_>>,
        range: RangeInclusive<u64>,
    ) -> Result<Option<T>, Fault> {
        Ok(self.number(field, raw, range)?.and_then(|number| T::try_from(number).ok()))
    }

    /// A text, its escapes unfolded.
    pub(crate) fn text<'a>(self, field: &str, raw: Option<Raw<'a>>) -> Result<Option<Cow<'a, str>>, Fault> {
        let Some(literal) = present(raw) else { return Ok(None) };
        if !literal.starts_with('"') {
            return Err(self.refuse(field, format!("{field} must be a string, not {}", shorten(literal))));
        }
        let inside = text::inside(literal);
        if !inside.contains('\\') {
            return Ok(Some(Cow::Borrowed(inside)));
        }
        let mut bytes = Vec::with_capacity(inside.len());
        let unfolded = text::unescape(literal, &mut bytes).ok().and_then(|()| String::from_utf8(bytes).ok());
        match unfolded {
            Some(text) => Ok(Some(Cow::Owned(text))),
            None => Err(self.refuse(field, format!("{field} holds half a surrogate pair"))),
        }
    }

    /// True or false.
    pub(crate) fn flag(self, field: &str, raw: Option<Raw<'_>>) -> Result<Option<bool>, Fault> {
        match present(raw) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => {
                Err(self.refuse(field, format!("{field} must be true or false, not {}", shorten(other))))
            }
        }
    }

    /// A list with a number of items in this range.
    pub(crate) fn list<'a>(
        self,
        field: &'static str,
        raw: Option<Raw<'a>>,
        lengths: RangeInclusive<usize>,
    ) -> Result<Option<Vec<Raw<'a>>>, Fault> {
        let Some(text) = present(raw) else { return Ok(None) };
        let items: Vec<Raw<'a>> = serde_json::from_str(text)
            .map_err(|_| self.refuse(field, format!("{field} must be a list, not {}", shorten(text))))?;
        if lengths.contains(&items.len()) {
            return Ok(Some(items));
        }
        let (min, max, length) = (lengths.start(), lengths.end(), items.len());
        Err(self.refuse(field, format!("{field} must hold {min} to {max} items, not {length}")))
    }

    /// An object of its own fields; the default when absent.
    pub(crate) fn object<'a, T: Deserialize<'a> + Default>(
        self,
        field: &'static str,
        raw: Option<Raw<'a>>,
    ) -> Result<T, Fault> {
        let Some(text) = present(raw) else { return Ok(T::default()) };
        if !text.starts_with('{') {
            return Err(self.refuse(field, format!("{field} must be an object, not {}", shorten(text))));
        }
        serde_json::from_str(text)
            .map_err(|error| self.refuse(field, format!("{field} cannot be read: {}", reason(&error))))
    }
}

/// The raw text of a field unless it is absent or `null`.
pub(crate) fn present(raw: Option<Raw<'_>>) -> Option<&str> {
    raw.map(RawValue::get).filter(|text| *text != "null")
}

/// What a JSON text is by its first character; nothing when it is blank.
fn shape_of(text: &str) -> Option<&'static str> {
    Some(match text.trim_ascii_start().as_bytes().first()? {
        b'{' => "an object",
        b'[' => "an array",
        b'"' => "a string",
        b't' | b'f' => "a boolean",
        b'n' => "null",
        _ => "a number",
    })
}

/// The start of a value, for an error's text.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN_CHARACTERS: usize = 40;
    cut(text, SHOWN_CHARACTERS)
}

/// What the parser says. It may quote the request, and that can be long.
fn reason(error: &serde_json::Error) -> String {
    const REASON_CHARACTERS: usize = 300;
    cut(&error.to_string(), REASON_CHARACTERS)
}

fn cut(text: &str, characters: usize) -> String {
    let mut shown: String = text.chars().take(characters).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// A JSON number that is whole and not negative; `60.0` and `6e1` are the number 60.
fn whole_number(text: &str) -> Option<u64> {
    if let Ok(number) = text.parse::<u64>() {
        return Some(number);
    }
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    // Only numbers start so; "Infinity" and its like are no JSON, and a string starts with its quote.
    let number: f64 =
        text.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then(|| text.parse().ok())??;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, not negative and at most 2^53: exact in both types"
    )]
    let whole = ((0.0..=EXACT_MAX).contains(&number) && number.fract() == 0.0).then_some(number as u64);
    whole
}

#[cfg(test)]
mod tests {
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
}
