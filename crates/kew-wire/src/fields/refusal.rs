//! The reading of a whole body, and how one that cannot be read is refused.

use serde::de::{Deserialize, IgnoredAny};

use super::shown::reason;
use crate::catalogue::Kind;
use crate::fault::Fault;

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
