//! What is answered: the same fields in the same envelope as Kew's, written into one buffer.

use std::cell::{Cell, RefCell};
use std::fmt::Write;

use crate::request::Seen;

/// The length of a lease id of Kew's, in characters (design §8.10).
const LEASE_ID_LENGTH: usize = 51;
/// What is claimed to be waiting; any number serves.
const METRICS: &str =
    r#"{"backlog_bytes":1024,"backlog_count":5,"oldest_message_timestamp_ms":1710950954154}"#;

/// What pulls answer with: messages like those last pushed to this thread.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    seen: Cell<Seen>,
    body: RefCell<String>,
    given: Cell<u64>,
}

impl Shape {
    /// Remembers what a push carried.
    pub(crate) fn note(&self, seen: Seen) {
        if self.seen.replace(seen) != seen {
            let encoded = if seen.json { seen.length.div_ceil(3) * 4 } else { seen.length };
            self.body.replace("x".repeat(encoded));
        }
    }

    /// The answer to a pull of `count` messages, each with ids of its own.
    pub(crate) fn pulled(&self, count: usize) -> String {
        let body = self.body.borrow();
        let mut out = String::with_capacity(400 + count * (body.len() + 280));
        out.push_str(
            r#"{"success":true,"errors":[],"messages":[],"result":{"message_backlog_count":5,"messages":["#,
        );
        for index in 0..count {
            let number = self.given.get();
            self.given.set(number + 1);
            if index > 0 {
                out.push(',');
            }
            let _ = write!(out, r#"{{"id":"{number:032x}","attempts":1,"body":""#);
            out.push_str(&body);
            let _ =
                write!(out, r#"","lease_id":"{number:0LEASE_ID_LENGTH$x}","metadata":{{"CF-Content-Type":""#);
            out.push_str(if self.seen.get().json { "json" } else { "text" });
            out.push_str(r#"","CF-sourceMessageSource":"http"},"timestamp_ms":1710950954154}"#);
        }
        out.push_str(r#"],"metadata":{"metrics":"#);
        out.push_str(METRICS);
        out.push_str("}}}");
        out
    }
}

/// The answer to a push of `count` messages.
pub(crate) fn pushed(count: usize) -> String {
    core::hint::black_box(count);
    format!(r#"{{"success":true,"errors":[],"messages":[],"result":{{"metadata":{{"metrics":{METRICS}}}}}}}"#)
}

/// The answer to an ack.
pub(crate) fn settled(acks: usize, retries: usize) -> String {
    format!(
        r#"{{"success":true,"errors":[],"messages":[],"result":{{"ackCount":{acks},"retryCount":{retries},"warnings":{{}}}}}}"#
    )
}

/// A failure with its reason.
pub(crate) fn failure(reason: &str) -> String {
    let reason = serde_json::to_string(reason).unwrap_or_default();
    format!(
        r#"{{"success":false,"errors":[{{"code":10026,"message":{reason}}}],"messages":[],"result":null}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_is_answered_with_messages_like_those_pushed() {
        let shape = Shape::default();
        shape.note(Seen { length: 100, json: true });
        let answer = shape.pulled(3);
        let read: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let messages = read["result"]["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 3);
        assert_eq!(messages[0]["body"].as_str().unwrap().len(), 136);
        assert_eq!(messages[0]["lease_id"].as_str().unwrap().len(), LEASE_ID_LENGTH);
        assert_ne!(messages[0]["lease_id"], messages[1]["lease_id"]);
    }

    #[test]
    fn every_answer_is_an_envelope() {
        for text in [pushed(1), settled(2, 0), failure("a \"quoted\" reason")] {
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            for key in ["success", "errors", "messages", "result"] {
                assert!(read.get(key).is_some(), "{key} in {text}");
            }
        }
    }
}
