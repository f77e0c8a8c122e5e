//! A batch of messages on its way to the server, within the limits of one request (spec §4.12).

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kew_model::Limits;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// The most bytes of bodies in a batch, as they stand in the request: text with many escapes is longer there than what it
/// counts for. The server reads a mebibyte.
const ENCODED_BYTES_MAX: u64 = 900_000;

/// Messages that go in one request.
#[derive(Debug, Default, Serialize)]
pub(super) struct Batch {
    messages: Vec<Message>,
    /// How long they are held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delay_seconds: Option<u64>,
    #[serde(skip)]
    bytes: u64,
    #[serde(skip)]
    encoded_bytes: u64,
}

/// A message as the server takes it.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    body: Box<RawValue>,
    content_type: &'static str,
    /// What the body counts for.
    #[serde(skip)]
    bytes: u64,
}

impl Batch {
    /// Whether a message fits in, too.
    pub(super) fn has_room_for(&self, message: &Message) -> bool {
        self.messages.len() < Limits::BATCH_MESSAGES_MAX
            && self.bytes + message.counted_bytes() <= Limits::BATCH_BYTES_MAX
            && self.encoded_bytes + message.encoded_bytes() <= ENCODED_BYTES_MAX
    }

    /// Adds a message; whether it fits is the server's to judge, unless it was asked before.
    pub(super) fn add(&mut self, message: Message) {
        self.bytes += message.counted_bytes();
        self.encoded_bytes += message.encoded_bytes();
        self.messages.push(message);
    }

    /// Whether there is no message in it.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// How many messages are in it.
    pub(super) fn len(&self) -> u64 {
        self.messages.len() as u64
    }
}

impl Message {
    /// A message of text.
    ///
    /// # Errors
    /// None that is known of: every text has a JSON form.
    pub(super) fn of_text(text: &str) -> anyhow::Result<Self> {
        let body = to_raw_value(text).context("the text has no JSON form")?;
        Ok(Self { body, content_type: "text", bytes: text.len() as u64 })
    }

    /// A message of JSON, which keeps its bytes.
    ///
    /// # Errors
    /// When the text is no JSON.
    pub(super) fn of_json(text: String) -> anyhow::Result<Self> {
        let body = RawValue::from_string(text.trim().to_owned()).context("is no JSON")?;
        let bytes = body.get().len() as u64;
        Ok(Self { body, content_type: "json", bytes })
    }

    /// A message of bytes.
    ///
    /// # Errors
    /// As [`Message::of_text`].
    pub(super) fn of_bytes(bytes: &[u8]) -> anyhow::Result<Self> {
        let body = to_raw_value(&STANDARD.encode(bytes)).context("the bytes have no JSON form")?;
        Ok(Self { body, content_type: "bytes", bytes: bytes.len() as u64 })
    }

    fn counted_bytes(&self) -> u64 {
        self.bytes + u64::from(Limits::MESSAGE_OVERHEAD_BYTES)
    }

    fn encoded_bytes(&self) -> u64 {
        self.body.get().len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many messages like this one fit into a batch.
    fn capacity(message: impl Fn() -> Message) -> u64 {
        let mut batch = Batch::default();
        while batch.has_room_for(&message()) {
            batch.add(message());
        }
        batch.len()
    }

    #[test]
    fn a_batch_holds_what_one_request_may() {
        let text = |length, letter: &'static str| move || Message::of_text(&letter.repeat(length)).unwrap();
        assert_eq!(capacity(text(1, "x")), 100, "by number");
        assert_eq!(capacity(text(127_900, "x")), 2, "by bytes, each with its overhead");
        assert_eq!(capacity(text(50_000, "\u{1}")), 2, "by the length of the request");
    }

    #[test]
    fn messages_look_as_the_api_has_them() {
        let mut batch = Batch::default();
        batch.add(Message::of_text("a\"b").unwrap());
        batch.add(Message::of_json(" {\"n\": 1.50} ".to_owned()).unwrap());
        batch.add(Message::of_bytes(&[0xff, 0]).unwrap());
        let expected = r#"{"messages":[{"body":"a\"b","content_type":"text"},{"body":{"n": 1.50},"content_type":"json"},{"body":"/wA=","content_type":"bytes"}]}"#;
        assert_eq!(serde_json::to_string(&batch).unwrap(), expected);
        assert!(Message::of_json("{".to_owned()).is_err());
    }
}
