//! A few words of JSON Schema (2020-12), as OpenAPI 3.1 speaks it.

use core::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use crate::fields::Names;

/// A schema.
#[derive(Debug, Clone)]
pub(super) struct Schema(Value);

impl Schema {
    pub(super) fn into_value(self) -> Value {
        self.0
    }

    /// Says what it is for.
    pub(super) fn that(mut self, text: &str) -> Self {
        self.0["description"] = json!(text);
        self
    }

    /// Absent and `null` mean the same for optional fields.
    pub(super) fn or_null(self) -> Self {
        Self(json!({ "anyOf": [self.0, { "type": "null" }] }))
    }
}

/// A schema kept under a name.
pub(super) fn named(name: &str) -> Schema {
    Schema(json!({ "$ref": format!("#/components/schemas/{name}") }))
}

pub(super) fn text() -> Schema {
    Schema(json!({ "type": "string" }))
}

/// A text of so many characters.
pub(super) fn text_of(characters: RangeInclusive<usize>) -> Schema {
    Schema(json!({ "type": "string", "minLength": characters.start(), "maxLength": characters.end() }))
}

pub(super) fn matching(pattern: &str) -> Schema {
    Schema(json!({ "type": "string", "pattern": pattern }))
}

/// 32 hexadecimal digits.
pub(super) fn id() -> Schema {
    matching("^[0-9a-fA-F]{32}$")
}

pub(super) fn one_of(words: &[&str]) -> Schema {
    Schema(json!({ "type": "string", "enum": words }))
}

pub(super) fn flag() -> Schema {
    Schema(json!({ "type": "boolean" }))
}

pub(super) fn number(range: RangeInclusive<u64>) -> Schema {
    Schema(json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() }))
}

pub(super) fn count() -> Schema {
    Schema(json!({ "type": "integer", "minimum": 0 }))
}

/// Any JSON value.
pub(super) fn anything() -> Schema {
    Schema(json!({}))
}

pub(super) fn nothing() -> Schema {
    Schema(json!({ "type": "null" }))
}

pub(super) fn list(items: Schema, length: RangeInclusive<usize>) -> Schema {
    Schema(json!({ "type": "array", "items": items.0, "minItems": length.start(), "maxItems": length.end() }))
}

pub(super) fn any_of(schemas: impl IntoIterator<Item = Schema>) -> Schema {
    Schema(json!({ "anyOf": schemas.into_iter().map(Schema::into_value).collect::<Vec<_>>() }))
}

/// Texts by texts.
pub(super) fn map_of_texts() -> Schema {
    Schema(json!({ "type": "object", "additionalProperties": { "type": "string" } }))
}

/// An object of an answer: all of its fields, always.
pub(super) fn answered<const N: usize>(fields: [(&str, Schema); N]) -> Schema {
    let names: Vec<_> = fields.iter().map(|(name, _)| (*name).to_owned()).collect();
    let properties = Map::from_iter(fields.map(|(name, schema)| (name.to_owned(), schema.0)));
    Schema(
        json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false }),
    )
}

/// One of an answer's objects with some of its fields left out at times.
pub(super) fn answered_partly<const N: usize>(fields: [(&str, Schema); N], always: &[&str]) -> Schema {
    let mut schema = answered(fields);
    schema.0["required"] = json!(always);
    schema
}

/// A request's object, as `T` reads it: `required` first. Unknown fields are passed over.
///
/// # Panics
/// When the fields described are not those that `T` reads.
pub(super) fn asked<T: Names>(required: &[(&str, Schema)], optional: &[(&str, Schema)]) -> Schema {
    let described = required.iter().chain(optional).map(|(name, _)| *name);
    let mut described: Vec<_> = described.collect();
    let mut read = T::NAMES.to_vec();
    described.sort_unstable();
    read.sort_unstable();
    assert_eq!(described, read, "the description and the reader of a request differ");
    let own = |(name, schema): &(&str, Schema)| ((*name).to_owned(), schema.0.clone());
    let or_null = |(name, schema): &(&str, Schema)| ((*name).to_owned(), schema.clone().or_null().0);
    let properties: Map<_, _> = required.iter().map(own).chain(optional.iter().map(or_null)).collect();
    let names: Vec<_> = required.iter().map(|(name, _)| *name).collect();
    Schema(json!({ "type": "object", "properties": properties, "required": names }))
}
