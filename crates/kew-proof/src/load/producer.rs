//! Pushes messages whose bodies tell who they are.
//!
//! A body is its key, its length and as much padding: `r0p1n2a|3|xxx`. So a consumer knows a body that was cut or mixed up.
//! Some requests bear an idempotency key, the first of their messages' keys. When the answer to such a request is lost, it is
//! repeated until it is answered; and some that were answered are repeated as well.

use core::time::Duration;

use kew_testkit::history::{Learned, Span};
use rand::RngExt;

use crate::load::client::{Client, Outcome, Wrong};
use crate::record::Event;

/// How many of the requests are batches, and of how many messages.
const BATCHES: f64 = 0.3;
const BATCH_MESSAGES: core::ops::RangeInclusive<usize> = 2..=8;
/// How many of the messages are delayed, and for how many seconds.
const DELAYED: f64 = 0.05;
const DELAY_SECONDS: u64 = 1;
/// How long paddings are, in bytes: most short, a few long.
const PADDING_BYTES: core::ops::Range<usize> = 0..200;
const LONG: f64 = 0.01;
const PADDING_BYTES_LONG: usize = 20_000;
/// How many of the requests bear an idempotency key, and how many of these are repeated though they were answered.
const KEYED: f64 = 0.5;
const REPEATED: f64 = 0.2;

/// The body of the message `key`.
fn body(key: &str, padding_bytes: usize) -> String {
    format!("{key}|{padding_bytes}|{}", "x".repeat(padding_bytes))
}

/// The key of a body, if it is whole.
pub(crate) fn key_of(body: &str) -> Option<&str> {
    let (key, rest) = body.split_once('|')?;
    let (length, padding) = rest.split_once('|')?;
    let is_whole = length.parse() == Ok(padding.len()) && padding.bytes().all(|byte| byte == b'x');
    is_whole.then_some(key)
}

/// One push, as it is sent.
struct Request {
    path: String,
    body: String,
    /// Its messages' keys and delays.
    messages: Vec<(String, Duration)>,
}

impl Request {
    /// Draws one; its messages are numbered from `number` on.
    fn draw(client: &mut Client<'_>, queue: &str, name: &str, number: &mut u64) -> Self {
        let is_batch = client.random.random_bool(BATCHES);
        let count = if is_batch { client.random.random_range(BATCH_MESSAGES) } else { 1 };
        let mut texts = Vec::with_capacity(count);
        let mut messages = Vec::with_capacity(count);
        for _ in 0..count {
            let key = format!("{name}{number:x}");
            *number += 1;
            let delay_seconds = if client.random.random_bool(DELAYED) { DELAY_SECONDS } else { 0 };
            let long = client.random.random_bool(LONG);
            let padding = if long { PADDING_BYTES_LONG } else { client.random.random_range(PADDING_BYTES) };
            let text = body(&key, padding);
            texts.push(format!(
                r#"{{"body":"{text}","content_type":"text","delay_seconds":{delay_seconds}}}"#
            ));
            messages.push((key, Duration::from_secs(delay_seconds)));
        }
        let (verb, body) = if is_batch {
            ("/batch", format!(r#"{{"messages":[{}]}}"#, texts.join(",")))
        } else {
            ("", texts.remove(0))
        };
        Self { path: client.load.site.messages(queue, verb), body, messages }
    }
}

/// Pushes until the run is over. Keys are `name` and a number.
pub(super) fn produce(mut client: Client<'_>, name: &str) -> Result<Vec<Event>, Wrong> {
    let mut number = 0_u64;
    let queue = client.load.site.queues.work.clone();
    while client.has_server() {
        push(&mut client, &queue, name, &mut number)?;
    }
    Ok(client.events)
}

/// Pushes once, with repetitions if the request bears an idempotency key.
pub(super) fn push(client: &mut Client<'_>, queue: &str, name: &str, number: &mut u64) -> Result<(), Wrong> {
    let request = Request::draw(client, queue, name, number);
    let is_keyed = client.random.random_bool(KEYED);
    let key = is_keyed.then(|| request.messages[0].0.clone());
    let (mut span, mut outcome) = client.send(&request.path, key.as_deref(), &request.body)?;
    if let Some(key) = key {
        (span, outcome) = repeat(client, &request, &key, (span, outcome))?;
    }
    let learned = outcome.learned();
    if learned == Learned::Ok {
        client.load.gate.count_push();
    }
    client.events.extend(request.messages.into_iter().map(|(key, delay)| Event::Push {
        queue: queue.to_owned(),
        key,
        span,
        learned,
        delay,
    }));
    Ok(())
}

/// Repeats a request whose outcome is unknown until it is known or the run is over, and at random one that was answered.
/// Tells what became of it in all.
fn repeat(
    client: &mut Client<'_>,
    request: &Request,
    key: &str,
    (mut span, mut outcome): (Span, Outcome),
) -> Result<(Span, Outcome), Wrong> {
    let before = outcome.learned();
    let again = before == Learned::Ok && client.random.random_bool(REPEATED);
    while (again || before == Learned::Unknown) && client.has_server() {
        let (repeated, answer) = client.send(&request.path, Some(key), &request.body)?;
        if answer.learned() != Learned::Ok {
            if again {
                // What was answered stays as it was; the next server is for the next request.
                break;
            }
            continue;
        }
        let is_repeat = matches!(answer, Outcome::Repeated);
        client.events.push(Event::Repeat { key: key.to_owned(), before, is_repeat });
        if !again {
            span.answered = repeated.answered;
            outcome = answer;
        }
        break;
    }
    Ok((span, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_body_has_a_key_and_a_spoilt_one_has_none() {
        assert_eq!(key_of(&body("r0p1n2a", 3)), Some("r0p1n2a"));
        for spoilt in ["r0p1n2a|3|xx", "r0p1n2a|3|xxxx", "r0p1n2a|3|xyx", "r0p1n2a", ""] {
            assert_eq!(key_of(spoilt), None, "{spoilt}");
        }
    }
}
