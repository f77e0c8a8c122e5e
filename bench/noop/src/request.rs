//! What is asked: the four message endpoints and their bodies, read into borrowed values.
//!
//! JSON bodies stay raw text and text bodies are unescaped, since Kew must do as much before it can store them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One of the four message endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A single push.
    Push,
    /// A batch push.
    Batch,
    /// A pull.
    Pull,
    /// An ack.
    Ack,
}

/// What a push carried: how large its first body was, and whether it was JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    /// The length of the body, in bytes.
    pub(crate) length: usize,
    /// Whether it was JSON and not text.
    pub(crate) json: bool,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(borrow, default)]
    content_type: Option<Cow<'a, str>>,
    #[serde(default)]
    delay_seconds: Option<u32>,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
}

#[derive(Deserialize)]
struct Pull {
    #[serde(default)]
    batch_size: Option<u16>,
}

#[derive(Deserialize)]
struct Settlement<'a> {
    #[serde(borrow, default)]
    acks: Vec<Entry<'a>>,
    #[serde(borrow, default)]
    retries: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    lease_id: Cow<'a, str>,
}

/// Which endpoint a path names.
pub(crate) fn kind(path: &str) -> Option<Kind> {
    let (_, verb) = path.split_once("/messages")?;
    match verb {
        "" => Some(Kind::Push),
        "/batch" => Some(Kind::Batch),
        "/pull" => Some(Kind::Pull),
        "/ack" => Some(Kind::Ack),
        _ => None,
    }
}

/// Reads a single push.
pub(crate) fn push(body: &[u8]) -> serde_json::Result<Seen> {
    read(&serde_json::from_slice(body)?)
}

/// Reads a batch push: how many messages, and what the last one carried.
pub(crate) fn batch(body: &[u8]) -> serde_json::Result<(usize, Seen)> {
    let batch: Batch<'_> = serde_json::from_slice(body)?;
    let mut seen = Seen::default();
    for message in &batch.messages {
        seen = read(message)?;
    }
    Ok((batch.messages.len(), seen))
}

/// Reads a pull: how many messages it wants. An absent body asks for Kew's default.
pub(crate) fn pull(body: &[u8]) -> serde_json::Result<usize> {
    if body.is_empty() {
        return Ok(5);
    }
    let pull: Pull = serde_json::from_slice(body)?;
    Ok(usize::from(pull.batch_size.unwrap_or(5)).min(100))
}

/// Reads an ack: how many acks and retries that name a lease.
pub(crate) fn ack(body: &[u8]) -> serde_json::Result<(usize, usize)> {
    let settlement: Settlement<'_> = serde_json::from_slice(body)?;
    let named = |entries: &[Entry<'_>]| entries.iter().filter(|entry| !entry.lease_id.is_empty()).count();
    Ok((named(&settlement.acks), named(&settlement.retries)))
}

fn read(message: &Message<'_>) -> serde_json::Result<Seen> {
    core::hint::black_box(message.delay_seconds);
    if message.content_type.as_deref() == Some("text") {
        let text: Cow<'_, str> = serde_json::from_str(message.body.get())?;
        return Ok(Seen { length: core::hint::black_box(text).len(), json: false });
    }
    Ok(Seen { length: message.body.get().len(), json: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_a_push_are_read() {
        let text = push(br#"{"body":"a\nb","content_type":"text"}"#).unwrap();
        assert_eq!(text, Seen { length: 3, json: false });
        let json = push(br#"{"body":{"a": 1}}"#).unwrap();
        assert_eq!(json, Seen { length: 8, json: true });
        assert!(push(br#"{"content_type":"text"}"#).is_err());
    }

    #[test]
    fn entries_are_counted() {
        assert_eq!(batch(br#"{"messages":[{"body":1},{"body":[2]}]}"#).unwrap().0, 2);
        assert_eq!(ack(br#"{"acks":[{"lease_id":"a"}],"retries":[{"lease_id":"b"}]}"#).unwrap(), (1, 1));
        assert_eq!(pull(br#"{"batch_size":100,"visibility_timeout_ms":6000}"#).unwrap(), 100);
    }

    #[test]
    fn a_path_names_one_of_the_four_endpoints() {
        assert_eq!(kind("/client/v4/accounts/a/queues/q/messages/pull"), Some(Kind::Pull));
        assert_eq!(kind("/client/v4/accounts/a/queues/q/messages"), Some(Kind::Push));
        assert_eq!(kind("/client/v4/accounts/a/queues"), None);
    }
}
