//! The OpenAPI document says what the table of routes and the wire's types say, and the server serves it.
//!
//! `KEW_WRITE_DOCS=1 cargo test -p kew-server openapi` writes `docs/openapi.json` anew.

use std::fs;
use std::path::{Path, PathBuf};

use kew_server::RouteSummary;
use kew_wire::openapi;
use serde_json::{Map, Value, json};

use crate::kew::Kew;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json")
}

/// The document as routes and wire make it.
fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut ids: Vec<String> = Vec::new();
    for route in kew_server::routes() {
        // What has no envelope is not described.
        if matches!(route.id, "kew-openapi" | "kew-metrics") {
            continue;
        }
        let taken = ids.iter().any(|id| id == route.id);
        let id = if taken { route.id.replace("user-", "account-") } else { route.id.to_owned() };
        let mut operation = openapi::operation(&id)
            .unwrap_or_else(|| panic!("{id} is not described in kew-wire/src/openapi"));
        let parameters = operation["parameters"].as_array_mut().expect("a list of parameters");
        parameters.extend(path_parameters(&route));
        if route.right == "none" {
            operation["security"] = json!([]);
        }
        operation["description"] = json!(format!("Needs: {}.", route.right));
        let item = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
        item[route.method.to_lowercase()] = operation;
        ids.push(id);
    }
    let mut components = openapi::components();
    components["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer" },
        "email": { "type": "apiKey", "in": "header", "name": "X-Auth-Email" },
        "key": { "type": "apiKey", "in": "header", "name": "X-Auth-Key" },
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Kew",
            "version": "1",
            "description": "A durable message queue that speaks the Cloudflare Queues API. Paths under /kew are its own.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:7790" }],
        "security": [{ "token": [] }, { "email": [], "key": [] }],
        "paths": paths,
        "components": components,
    })
}

fn path_parameters(route: &RouteSummary) -> impl Iterator<Item = Value> {
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
}

#[test]
fn openapi_document_is_what_routes_and_wire_say() {
    let mut written = serde_json::to_string_pretty(&document()).expect("a document is JSON");
    written.push('\n');
    if std::env::var_os("KEW_WRITE_DOCS").is_some() {
        fs::write(file(), &written).expect("docs/ can be written");
    }
    let kept = fs::read_to_string(file()).unwrap_or_default();
    assert!(
        kept == written,
        "docs/openapi.json is not up to date: KEW_WRITE_DOCS=1 cargo test -p kew-server openapi"
    );
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut references = Vec::new();
    walk(&document, &mut references);
    assert!(references.len() > 30);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("references stay in the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_server_shows_the_document_to_everybody() {
    let kew = Kew::start().await;

    let answer = kew.call_as("", "GET", "/kew/v1/openapi.json", "").await;

    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.body, fs::read_to_string(file()).unwrap());
}
