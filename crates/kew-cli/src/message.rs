//! Messages as `kew pull` and `kew peek` print them: one JSON object a line, with the body decoded.
//!
//! A body that is text is shown as text, and JSON as JSON: neither people nor `jq` should have to decode base64. Bytes
//! have no other form than base64.

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// A message as the server shows it (spec §2.11 rows 17 and 19).
#[derive(Debug, Deserialize)]
pub(crate) struct Received {
    id: String,
    attempts: u32,
    body: String,
    metadata: Metadata,
    timestamp_ms: u64,
    /// The lease, of a message that was pulled.
    pub(crate) lease_id: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(rename = "CF-Content-Type")]
    content_type: String,
    /// The queue that a dead letter failed in.
    #[serde(rename = "Kew-Origin-Queue")]
    origin: Option<String>,
}

/// Messages as the server shows them.
#[derive(Debug, Deserialize)]
pub(crate) struct Messages {
    /// In the order of the server.
    pub(crate) messages: Vec<Received>,
}

/// A message as it is printed.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    attempts: u32,
    content_type: &'a str,
    body: Box<RawValue>,
    timestamp_ms: u64,
    /// Of a dead letter: the queue that it failed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin_queue: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_id: Option<&'a str>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
}

impl Messages {
    /// All of them as lines, the last without its end.
    ///
    /// # Errors
    /// When a message is not in the known form.
    pub(crate) fn lines(&self) -> anyhow::Result<String> {
        let lines: Result<Vec<_>, _> = self.messages.iter().map(Received::line).collect();
        Ok(lines?.join("\n"))
    }
}

impl Received {
    fn line(&self) -> anyhow::Result<String> {
        let content_type = self.metadata.content_type.as_str();
        let decoded = if content_type == "json" { json_in(&self.body) } else { None };
        let body = decoded.map_or_else(|| to_raw_value(&self.body), Ok).context("a body has no JSON form")?;
        let line = Line {
            id: &self.id,
            attempts: self.attempts,
            content_type,
            body,
            timestamp_ms: self.timestamp_ms,
            origin_queue: self.metadata.origin.as_deref(),
            lease_id: self.lease_id.as_deref(),
            reference: self.reference.as_deref(),
        };
        serde_json::to_string(&line).context("a message has no JSON form")
    }
}

/// The JSON text of a body, on one line. A server shows it as base64 or, set to do so, plainly. No text is both: what
/// begins as JSON and is base64 stands for bytes that are no JSON.
fn json_in(body: &str) -> Option<Box<RawValue>> {
    let decoded = STANDARD.decode(body).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.and_then(to_json).or_else(|| to_json(body.to_owned()))
}

fn to_json(text: String) -> Option<Box<RawValue>> {
    // Line breaks stand between the parts of a JSON text only, where a space means the same.
    RawValue::from_string(text.replace(['\n', '\r'], " ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The printed body of a message with this body and content type.
    fn printed(body: &str, content_type: &str) -> String {
        let message = Received {
            id: "00".to_owned(),
            attempts: 2,
            body: body.to_owned(),
            metadata: Metadata { content_type: content_type.to_owned(), origin: None },
            timestamp_ms: 7,
            lease_id: None,
            reference: Some("r".to_owned()),
        };
        let line = message.line().unwrap();
        let start = format!(r#"{{"id":"00","attempts":2,"content_type":"{content_type}","body":"#);
        let body =
            line.strip_prefix(&start).and_then(|rest| rest.strip_suffix(r#","timestamp_ms":7,"ref":"r"}"#));
        body.unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    #[test]
    fn json_is_shown_as_json_whichever_way_the_server_shows_it() {
        for json in ["{\"a\": 1.50}", "1234", "true", "null", "\"x\"", "[]", "12345678901234567890", "1E+5"] {
            assert_eq!(printed(&STANDARD.encode(json), "json"), json, "as base64");
            assert_eq!(printed(json, "json"), json, "plainly");
        }
        assert_eq!(printed(&STANDARD.encode("{\n  \"a\": 1\n}"), "json"), "{   \"a\": 1 }", "on one line");
    }

    #[test]
    fn text_and_bytes_are_shown_as_they_come() {
        assert_eq!(printed("say \"hi\"\n", "text"), r#""say \"hi\"\n""#);
        assert_eq!(printed("e30=", "text"), r#""e30=""#);
        assert_eq!(printed("e30=", "bytes"), r#""e30=""#);
    }
}
