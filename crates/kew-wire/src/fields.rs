//! How a request's JSON object is read: each known field as the raw text of its value, then as what it must be.
//!
//! Raw text first, because an error has to show the value as it was sent, and because a message body must keep its
//! bytes. Unknown fields are passed over, `null` means absent, a field given twice is refused, and an array never
//! stands for an object.

mod refusal;
mod shown;
mod within;

use core::fmt;
use core::ops::RangeInclusive;
use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::catalogue::Kind;
use crate::fault::Fault;
use crate::text;
pub(crate) use refusal::Refusal;
use shown::reason;
pub(crate) use shown::shorten;
pub(crate) use within::Within;

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
mod tests;
