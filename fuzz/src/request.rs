//! A request body as an independent reader sees it: raw values by JSON pointer, and the judgement that all readers of
//! bodies share.
//!
//! Nothing here reads recursively, so that deep bodies can be looked into as well.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kew_wire::{Fault, Kind};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::refusal;

type Object<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// The raw value at a pointer (RFC 6901); `None` when there is none.
pub(crate) fn find<'a>(text: &'a str, pointer: &str) -> Option<&'a str> {
    let mut value = text.trim_ascii();
    for token in pointer.split('/').skip(1) {
        value = match value.as_bytes().first()? {
            b'{' => serde_json::from_str::<Object<'a>>(value).ok()?.get(token)?.get(),
            b'[' => items(value).get(token.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// The raw items of a list; none for what is no list.
pub(crate) fn items(text: &str) -> Vec<&str> {
    let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    items.into_iter().map(RawValue::get).collect()
}

/// The items of the list at a pointer; none when it is absent.
pub(crate) fn items_at<'a>(text: &'a str, pointer: &str) -> Vec<&'a str> {
    find(text, pointer).map(items).unwrap_or_default()
}

/// The raw value of a field unless it is absent or `null`.
pub(crate) fn given<'a>(text: &'a str, pointer: &str) -> Option<&'a str> {
    find(text, pointer).filter(|value| *value != "null")
}

/// The string at a pointer, its escapes unfolded.
pub(crate) fn string(text: &str, pointer: &str) -> Option<String> {
    serde_json::from_str(find(text, pointer)?).ok()
}

/// Whether bytes are JSON text.
pub(crate) fn is_json(body: &[u8]) -> bool {
    core::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// What a reader of bodies is.
pub(crate) struct Door {
    /// The rows of the table that it may name.
    pub(crate) kinds: &'static [Kind],
    /// Whether a blank body stands for an object without fields.
    pub(crate) may_be_blank: bool,
}

impl Door {
    /// Judges what every reader owes: what is no JSON object is refused, and a refusal is in order. Gives what was read,
    /// with the body as text.
    pub(crate) fn judge<'a, T>(&self, body: &'a [u8], read: Result<T, Fault>) -> Option<(T, &'a str)> {
        let is_blank = self.may_be_blank && body.trim_ascii().is_empty();
        let text = if is_blank { "{}" } else { core::str::from_utf8(body).unwrap_or_default() };
        match read {
            Ok(read) => {
                let is_object = is_json(text.as_bytes()) && text.trim_ascii().starts_with('{');
                assert!(is_object, "what is no JSON object was read");
                Some((read, text))
            }
            Err(fault) => {
                refusal::check(&fault, text, self.kinds);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_pointers() {
        let text = r#" {"a":[{"b": 1},"x"],"c":null} "#;
        assert_eq!(find(text, "/a/0/b"), Some("1"));
        assert_eq!(find(text, "/a/1"), Some("\"x\""));
        assert_eq!(string(text, "/a/1").as_deref(), Some("x"));
        assert_eq!((find(text, "/c"), given(text, "/c")), (Some("null"), None));
        for absent in ["/d", "/a/2", "/a/x", "/a/0/b/c", "/c/d"] {
            assert_eq!(find(text, absent), None, "{absent}");
        }
        assert_eq!(items_at(text, "/a"), [r#"{"b": 1}"#, "\"x\""]);
        assert_eq!(items_at(text, "/c"), [""; 0]);
    }

    #[test]
    fn deep_values_are_found_without_recursion() {
        let text = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(find(&text, "/a").map(str::len), Some(200_000));
        assert!(is_json(text.as_bytes()));
    }
}
