//! The OpenAPI document, made of the wire's own types: what every operation takes and answers.
//!
//! Answers that are views describe themselves. Requests are read field by field (`fields`), so theirs is written here,
//! with bounds from [`kew_model::Limits`]; making the document fails when a description and the fields that are read
//! differ in a name. Which operation stands at which path is the server's to say: it joins its routes with
//! [`operation`] and keeps the result as `docs/openapi.json`, which the program serves.

mod requests;
mod results;
mod schema;

use serde_json::{Map, Value, json};

use schema::Schema;

/// What an operation takes and answers, apart from where it stands.
struct Described {
    summary: &'static str,
    /// Parameters of the query: name and schema.
    query: Vec<(&'static str, Schema)>,
    /// Headers beyond the usual: name and schema.
    headers: Vec<(&'static str, Schema)>,
    body: Body,
    result: Schema,
    is_list: bool,
}

/// The body of a request.
enum Body {
    None,
    Optional(Schema),
    Required(Schema),
}

/// Describes an operation by its id, as an OpenAPI operation object without its path parameters; `None` for an unknown id.
pub fn operation(id: &str) -> Option<Value> {
    let described = requests::describe(id)?;
    let parameter = |place: &str, name: &str, schema: Schema| {
        let schema = schema.into_value();
        json!({ "name": name, "in": place, "required": false, "schema": schema })
    };
    let query = described.query.into_iter().map(|(name, schema)| parameter("query", name, schema));
    let headers = described.headers.into_iter().map(|(name, schema)| parameter("header", name, schema));
    let mut operation = json!({
        "operationId": id,
        "summary": described.summary,
        "parameters": query.chain(headers).collect::<Vec<_>>(),
        "responses": {
            "200": answer("What was asked for.", &success(described.result, described.is_list)),
            "default": answer("Why not: a line of the table of errors.", &json!({ "$ref": "#/components/schemas/Failure" })),
        },
    });
    let (schema, required) = match described.body {
        Body::None => return Some(operation),
        Body::Optional(schema) => (schema, false),
        Body::Required(schema) => (schema, true),
    };
    operation["requestBody"] = json!({
        "required": required,
        "content": { "application/json": { "schema": schema.into_value() } },
    });
    Some(operation)
}

/// The schemas that operations refer to.
pub fn components() -> Value {
    let mut schemas = results::definitions();
    schemas.insert("Failure".to_owned(), failure());
    Value::Object(Map::from_iter([("schemas".to_owned(), Value::Object(schemas))]))
}

fn answer(text: &str, schema: &Value) -> Value {
    json!({ "description": text, "content": { "application/json": { "schema": schema } } })
}

/// The envelope around a result (spec §1.2).
fn success(result: Schema, is_list: bool) -> Value {
    let mut properties = json!({
        "success": { "const": true },
        "errors": { "type": "array", "maxItems": 0 },
        "messages": { "type": "array", "items": { "type": "object" } },
        "result": result.into_value(),
    });
    let mut required = vec!["success", "errors", "messages", "result"];
    if is_list {
        properties["result_info"] = json!({ "$ref": "#/components/schemas/Page" });
        required.push("result_info");
    }
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn failure() -> Value {
    let code_and_text =
        json!({ "code": { "type": "integer", "minimum": 0 }, "message": { "type": "string" } });
    let mut error = code_and_text.clone();
    error["source"] = json!({
        "type": "object",
        "properties": { "pointer": { "type": "string" } },
        "required": ["pointer"],
        "additionalProperties": false,
    });
    error["error_chain"] = json!({
        "type": "array",
        "items": { "type": "object", "properties": code_and_text, "required": ["code", "message"] },
    });
    json!({
        "type": "object",
        "properties": {
            "success": { "const": false },
            "errors": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": error,
                    "required": ["code", "message"],
                    "additionalProperties": false,
                },
            },
            "messages": { "type": "array", "maxItems": 0 },
            "result": { "type": "null" },
        },
        "required": ["success", "errors", "messages", "result"],
        "additionalProperties": false,
    })
}
