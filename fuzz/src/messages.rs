//! The bodies of calls that put messages in and take them out: push, batch push, pull, peek, redrive, and the key of an
//! idempotent push.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kew_model::{ContentType, Limits, NewMessage, PushBatch, Seconds};
use kew_wire::Kind::{
    BatchCount, BatchDelayInvalid, BatchTooLarge, BodyInvalid, IdempotencyKeyInvalid, JsonInvalid,
    JsonMalformed, MessageMetadataInvalid, MessageTooLarge,
};
use kew_wire::messages::{JsonBodies, Pushing, idempotency, read_batch, read_peek, read_pull, read_push};
use kew_wire::redrive::read_redrive;

use crate::request::{self, Door};

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

/// A pull: a batch size, a visibility timeout and a wait in their ranges.
///
/// # Panics
/// When a property is broken.
pub fn pull(input: &[u8]) {
    let Some((asked, _)) = OTHER.judge(input, read_pull(input)) else { return };
    assert!(asked.pull.batch_size.is_none_or(|size| Limits::PULL_BATCH.contains(&u64::from(size))));
    let timeout = asked.pull.visibility_timeout;
    assert!(timeout.is_none_or(|timeout| Limits::VISIBILITY_TIMEOUT_MS.contains(&timeout.0)));
    assert!(Limits::PULL_WAIT_MS.contains(&asked.wait.0));
}

/// A peek: a batch size in its range.
///
/// # Panics
/// When a property is broken.
pub fn peek(input: &[u8]) {
    let Some((peek, _)) = OTHER.judge(input, read_peek(input)) else { return };
    assert!(peek.batch_size.is_none_or(|size| Limits::PULL_BATCH.contains(&u64::from(size))));
}

/// A redrive: a batch size in its range, and the destination that was sent.
///
/// # Panics
/// When a property is broken.
pub fn redrive(input: &[u8]) {
    let Some((asked, text)) = OTHER.judge(input, read_redrive(input)) else { return };
    assert!((1..=Limits::REDRIVE_BATCH_MAX).contains(&asked.batch_size));
    let sent = request::given(text, "/destination").and_then(|_| request::string(text, "/destination"));
    assert_eq!(asked.destination.as_deref(), sent.as_deref());
}

/// The key of an idempotent push, before a zero byte, and the body after it: keys that are taken are short and visible,
/// and the call, the key and the body each make a difference.
///
/// # Panics
/// When a property is broken.
pub fn idempotency_key(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let (key, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match idempotency(key, Pushing::Message, body) {
        Ok(name) => {
            assert!((1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic));
            assert_eq!(idempotency(key, Pushing::Message, body), Ok(name));
            let batch = idempotency(key, Pushing::Batch, body).expect("the same key");
            assert!(batch.key == name.key && batch.content != name.content);
            let other = idempotency(key, Pushing::Message, &[body, b" "].concat()).expect("the same key");
            assert!(other.key == name.key && other.content != name.content);
        }
        Err(fault) => assert_eq!(fault.kind(), IdempotencyKeyInvalid),
    }
}
