//! What every refusal owes to the one who is refused.
//!
//! It is a failure of the request and not of the server, it names a row that this door documents, its text is short
//! however long the request is, its pointer leads to a place in the request, and the envelope around it says the same.

use kew_wire::{Fault, Kind, envelope};
use serde_json::Value;

use crate::request;

/// The longest text of a refusal, in bytes, however long the request is. A list of 100 names, each cut to 40
/// characters, is the longest there is.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Checks a refusal of a request body.
///
/// # Panics
/// When it is not in order.
pub fn check(fault: &Fault, body: &str, kinds: &[Kind]) {
    let line = fault.line();
    assert!(kinds.contains(&fault.kind()), "{} is none of this door's refusals", line.name);
    assert!((400..500).contains(&line.status), "{}: status {}", line.name, line.status);
    let size = fault.text().len();
    assert!((1..=TEXT_BYTES_MAX).contains(&size), "{}: a text of {size} bytes", line.name);
    if let Some(pointer) = fault.pointer() {
        assert!(leads_somewhere(body, pointer), "{}: {pointer} is not in the request", line.name);
    }
    if !request::is_json(body.as_bytes()) {
        let malformed = [Kind::JsonMalformed, Kind::BodyInvalid].contains(&fault.kind());
        assert!(malformed && fault.pointer().is_none(), "{}: said of what is no JSON", line.name);
    }
    check_envelope(fault);
}

/// Whether a pointer leads to a value, or to a field that its object lacks.
fn leads_somewhere(body: &str, pointer: &str) -> bool {
    let Some((parent, _)) = pointer.rsplit_once('/') else { return false };
    let is_object = || request::find(body, parent).is_some_and(|value| value.starts_with('{'));
    request::find(body, pointer).is_some() || is_object()
}

fn check_envelope(fault: &Fault) {
    let answer: Value = serde_json::from_slice(&envelope::failure(fault)).expect("an envelope is JSON");
    let error = &answer["errors"][0];
    assert_eq!(answer["success"], false);
    assert!(answer["messages"].is_array() && answer["result"].is_null());
    assert_eq!(error["code"], fault.line().code);
    assert_eq!(error["message"], fault.text());
    assert_eq!(error["source"]["pointer"].as_str(), fault.pointer());
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"messages":[{"body":1}],"delay_seconds":-1}"#;

    fn is_in_order(fault: &Fault, body: &str) -> bool {
        std::panic::catch_unwind(|| check(fault, body, &[Kind::BodyInvalid, Kind::InternalError])).is_ok()
    }

    #[test]
    fn refusals_that_are_in_order_pass() {
        let fault = Fault::new(Kind::BodyInvalid);
        assert!(is_in_order(&fault, BODY) && is_in_order(&fault, "{"));
        for pointer in ["/delay_seconds", "/messages/0/body", "/messages/0/content_type", "/absent"] {
            assert!(is_in_order(&fault.clone().at(pointer), BODY), "{pointer}");
        }
    }

    #[test]
    fn refusals_that_are_not_in_order_are_caught() {
        let fault = Fault::new(Kind::BodyInvalid);
        for (name, bent, body) in [
            ("of another door", Fault::new(Kind::JsonInvalid), BODY),
            ("of the server", Fault::new(Kind::InternalError), BODY),
            ("past the list", fault.clone().at("/messages/1/body"), BODY),
            ("within a number", fault.clone().at("/delay_seconds/x"), BODY),
            ("no pointer", fault.clone().at("messages"), BODY),
            ("into what is no JSON", fault.clone().at("/messages"), "{"),
            ("too long", fault.clone().detailed("x".repeat(2 * TEXT_BYTES_MAX)), BODY),
            ("empty", fault.detailed(""), BODY),
        ] {
            assert!(!is_in_order(&bent, body), "{name}");
        }
    }
}
