//! Pushes messages whose bodies tell who they are.
//!
//! A body is its key, its length and as much padding: `r0p1n2a|3|xxx`. So a consumer knows a body that was cut or mixed up.

use core::time::Duration;

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

/// Pushes until the run is over. Keys are `name` and a number.
pub(super) fn produce(mut client: Client<'_>, name: &str) -> Result<Vec<Event>, Wrong> {
    let mut number = 0_u64;
    while client.has_server() {
        let batch = client.random.random_bool(BATCHES);
        let count = if batch { client.random.random_range(BATCH_MESSAGES) } else { 1 };
        let mut messages = Vec::with_capacity(count);
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            let key = format!("{name}{number:x}");
            number += 1;
            let delay_seconds = if client.random.random_bool(DELAYED) { DELAY_SECONDS } else { 0 };
            let long = client.random.random_bool(LONG);
            let padding = if long { PADDING_BYTES_LONG } else { client.random.random_range(PADDING_BYTES) };
            let text = body(&key, padding);
            messages.push(format!(
                r#"{{"body":"{text}","content_type":"text","delay_seconds":{delay_seconds}}}"#
            ));
            keys.push((key, Duration::from_secs(delay_seconds)));
        }
        let queue = &client.load.site.queues.work;
        let (span, outcome) = if batch {
            client.ask(queue, "/batch", &format!(r#"{{"messages":[{}]}}"#, messages.join(",")))?
        } else {
            client.ask(queue, "", &messages[0])?
        };
        let learned = outcome.learned();
        client.events.extend(keys.into_iter().map(|(key, delay)| Event::Push { key, span, learned, delay }));
        if matches!(outcome, Outcome::Answered(_)) {
            client.load.gate.count_push();
        }
    }
    Ok(client.events)
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
