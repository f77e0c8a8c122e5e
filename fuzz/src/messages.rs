//! The bodies of the message calls: push, batch push, pull, ack.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kew_model::{AckOutcome, ContentType, Limits, NewMessage, PushBatch, RetryOutcome, Seconds, Settled};
use kew_wire::Kind::{
    BatchCount, BatchDelayInvalid, BatchTooLarge, BodyInvalid, JsonInvalid, JsonMalformed,
    MessageMetadataInvalid, MessageTooLarge,
};
use kew_wire::messages::{JsonBodies, read_batch, read_pull, read_push, read_settlement, write_settled};
use serde_json::Value;

use crate::request::{self, Door};
use crate::texts::{genuine, key_ring};

const PUSH: Door = Door {
    kinds: &[JsonMalformed, JsonInvalid, MessageMetadataInvalid, MessageTooLarge],
    may_be_blank: false,
};
const BATCH: Door = Door {
    kinds: &[
        JsonMalformed,
        JsonInvalid,
        MessageMetadataInvalid,
        MessageTooLarge,
        BatchDelayInvalid,
        BatchCount,
        BatchTooLarge,
    ],
    may_be_blank: false,
};
const OTHER: Door = Door { kinds: &[BodyInvalid], may_be_blank: true };

/// A push: one message, whose body is the one that was sent.
///
/// # Panics
/// When a property is broken.
pub fn push(input: &[u8]) {
    let any = PUSH.judge(input, read_push(input, JsonBodies::Any));
    if let Some((strict, _)) = PUSH.judge(input, read_push(input, JsonBodies::Strict)) {
        assert_eq!(any.as_ref().map(|(batch, _)| batch), Some(&strict), "strict takes what is not taken");
    }
    let Some((batch, text)) = any else { return };
    assert_eq!(batch.len(), 1);
    check_messages(&batch, |_| String::new(), text, None);
}

/// A batch push: 1 to 100 messages, each as it was sent, within the limit of their size.
///
/// # Panics
/// When a property is broken.
pub fn batch(input: &[u8]) {
    let any = BATCH.judge(input, read_batch(input, JsonBodies::Any));
    if let Some((strict, _)) = BATCH.judge(input, read_batch(input, JsonBodies::Strict)) {
        assert_eq!(any.as_ref().map(|(batch, _)| batch), Some(&strict), "strict takes what is not taken");
    }
    let Some((batch, text)) = any else { return };
    assert!((1..=Limits::BATCH_MESSAGES_MAX).contains(&batch.len()));
    assert_eq!(batch.len(), request::items_at(text, "/messages").len(), "messages were lost");
    assert!(batch.accounted_bytes() <= Limits::BATCH_BYTES_MAX);
    check_messages(&batch, |index| format!("/messages/{index}"), text, number(text, "/delay_seconds"));
}

/// Compares each message with what stands at its place in the request.
fn check_messages(batch: &PushBatch, place: impl Fn(usize) -> String, text: &str, delay_of_all: Option<f64>) {
    for (index, (message, body)) in batch.iter().enumerate() {
        let place = place(index);
        let raw = request::find(text, &format!("{place}/body")).expect("a message has a body");
        check_body(message, body, raw);
        let sent = number(text, &format!("{place}/delay_seconds")).or(delay_of_all);
        assert_eq!(message.delay.map(|Seconds(delay)| f64::from(delay)), sent);
        check_delay(message.delay);
    }
}

fn check_body(message: NewMessage, body: &[u8], raw: &str) {
    assert!(message.length <= Limits::BODY_BYTES_MAX);
    match message.content_type {
        ContentType::Json => assert_eq!(body, raw.as_bytes(), "a JSON body keeps its bytes"),
        ContentType::Text => {
            let sent: String = serde_json::from_str(raw).expect("a text body is a string");
            assert_eq!(body, sent.as_bytes());
        }
        ContentType::Bytes | ContentType::V8 => {
            let sent: String = serde_json::from_str(raw).expect("a bytes body is a string");
            assert_eq!(STANDARD.encode(body), sent);
        }
    }
}

/// The number at a place, unless it is absent or `null`.
fn number(text: &str, pointer: &str) -> Option<f64> {
    request::given(text, pointer).map(|raw| raw.parse().expect("a delay is a number"))
}

fn check_delay(delay: Option<Seconds>) {
    assert!(delay.is_none_or(|Seconds(delay)| Limits::DELAY_SECONDS.contains(&u64::from(delay))));
}

/// A pull: a batch size and a visibility timeout in their ranges.
///
/// # Panics
/// When a property is broken.
pub fn pull(input: &[u8]) {
    let Some((pull, _)) = OTHER.judge(input, read_pull(input)) else { return };
    assert!(pull.batch_size.is_none_or(|size| Limits::PULL_BATCH.contains(&u64::from(size))));
    let timeout = pull.visibility_timeout;
    assert!(timeout.is_none_or(|timeout| Limits::VISIBILITY_TIMEOUT_MS.contains(&timeout.0)));
}

/// An ack: only leases whose very text was sealed here, at most a thousand entries, and an answer that counts them.
///
/// # Panics
/// When a property is broken.
pub fn settlement(input: &[u8]) {
    let keys = key_ring();
    let Some((asked, text)) = OTHER.judge(input, read_settlement(input, &keys)) else { return };
    let (acks, retries) = (named(text, "acks"), named(text, "retries"));
    assert!(acks.len() + retries.len() <= Limits::SETTLE_ENTRIES_MAX);
    let settlement = &asked.settlement;
    for lease in &settlement.acks {
        assert!(genuine(*lease).iter().any(|id| acks.contains(id)), "a lease is acked that was not named");
    }
    for retry in &settlement.retries {
        assert!(
            genuine(retry.lease).iter().any(|id| retries.contains(id)),
            "a lease is retried that was not named"
        );
        check_delay(retry.delay);
    }
    let settled = Settled {
        acks: vec![AckOutcome::Exhausted; settlement.acks.len()],
        retries: vec![RetryOutcome::Gone; settlement.retries.len()],
    };
    let answer: Value = serde_json::from_slice(&write_settled(&asked, &settled)).expect("an answer is JSON");
    let result = &answer["result"];
    assert_eq!(result["ackCount"], settlement.acks.len());
    assert_eq!(result["retryCount"], 0);
    let warned: BTreeSet<&String> = acks.iter().chain(&retries).collect();
    assert_eq!(result["warnings"].as_object().map(|warnings| warnings.len()), Some(warned.len()));
}

/// The lease ids in a list of entries.
fn named(text: &str, list: &str) -> Vec<String> {
    let entries = request::items_at(text, &format!("/{list}"));
    let ids = entries.iter().map(|entry| request::string(entry, "/lease_id"));
    ids.map(|id| id.expect("an entry names a lease")).collect()
}
