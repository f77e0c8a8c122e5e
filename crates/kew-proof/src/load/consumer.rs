//! Pulls messages and does with them what consumers do.

use core::time::Duration;

use kew_testkit::history::Learned;
use rand::RngExt;
use serde_json::Value;

use crate::load::client::{Client, Outcome, Wrong};
use crate::load::producer::key_of;
use crate::record::{Event, Message};

/// How long leases last, in milliseconds: short, so that many end by themselves.
const VISIBILITY_MS: core::ops::Range<u64> = 300..1_500;
/// How long leases that are extended last from then on, in milliseconds: longer than any that was not.
const EXTENDED_MS: core::ops::Range<u64> = 1_500..3_000;
/// How many messages a pull asks for.
const BATCH: core::ops::RangeInclusive<u64> = 1..=100;
/// How many of the retries ask for a delay of a second.
const DELAYED: f64 = 0.2;
/// How often the leases that were kept are acked at last.
const SETTLING: f64 = 0.05;
/// How many leases are kept at most.
const KEPT_MAX: usize = 200;
/// How many of the acks whose outcome is unknown are sent again.
const SENT_AGAIN: f64 = 0.5;

/// What a consumer does, each as a share of its messages. What remains is forgotten until its lease ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    /// Acked at once.
    ack: f64,
    /// Given back.
    retry: f64,
    /// Kept, and acked later: in time, after the lease's end, or after a restart.
    keep: f64,
    /// Extended, and then forgotten.
    extend: f64,
}

impl Habits {
    /// Of `work`: enough failures that some messages exhaust their attempts.
    pub(super) const WORK: Self = Self { ack: 0.68, retry: 0.14, keep: 0.06, extend: 0.04 };
    /// Of `dead`.
    pub(super) const DEAD: Self = Self { ack: 0.85, retry: 0.05, keep: 0.0, extend: 0.02 };
    /// Of `once`, where whatever is not acked becomes a dead letter.
    pub(super) const ONCE: Self = Self { ack: 0.6, retry: 0.25, keep: 0.02, extend: 0.02 };
    /// Of `purged`.
    pub(super) const PURGED: Self = Self { ack: 0.4, retry: 0.2, keep: 0.1, extend: 0.1 };
}

/// A retry that is to be sent: the lease and the delay in seconds.
type Back = (String, u64);

/// Pulls until the run is over.
pub(super) fn consume(mut client: Client<'_>, habits: Habits, queue: &str) -> Result<Vec<Event>, Wrong> {
    let mut kept = Vec::new();
    while client.has_server() {
        round(&mut client, habits, queue, &mut kept)?;
    }
    Ok(client.events)
}

/// Pulls once, and does with what comes as its habits are; `kept` are the leases to ack some day.
pub(super) fn round(
    client: &mut Client<'_>,
    habits: Habits,
    queue: &str,
    kept: &mut Vec<String>,
) -> Result<(), Wrong> {
    let delivered = pull(client, queue)?;
    let mut acks: Vec<String> = Vec::new();
    let mut retries: Vec<Back> = Vec::new();
    let mut extensions: Vec<String> = Vec::new();
    let Habits { ack, retry, keep, extend: extended } = habits;
    for message in delivered {
        let choice: f64 = client.random.random();
        if choice < ack {
            acks.push(message.lease);
        } else if choice < ack + retry {
            let delay_seconds = u64::from(client.random.random_bool(DELAYED));
            retries.push((message.lease, delay_seconds));
        } else if choice < ack + retry + keep && kept.len() < KEPT_MAX {
            kept.push(message.lease);
        } else if choice < ack + retry + keep + extended {
            extensions.push(message.lease);
        }
    }
    if client.random.random_bool(SETTLING) {
        acks.append(kept);
    }
    if !extensions.is_empty() {
        extend(client, queue, extensions)?;
    }
    if !acks.is_empty() || !retries.is_empty() {
        let unsure = settle(client, queue, acks, retries)?;
        kept.extend(unsure);
    }
    Ok(())
}

/// Extends leases in one request.
fn extend(client: &mut Client<'_>, queue: &str, leases: Vec<String>) -> Result<(), Wrong> {
    let milliseconds = client.random.random_range(EXTENDED_MS);
    let entries: Vec<_> = leases.iter().map(|lease| format!(r#"{{"lease_id":"{lease}"}}"#)).collect();
    let body = format!(r#"{{"extend":[{}],"visibility_timeout_ms":{milliseconds}}}"#, entries.join(","));
    let (span, outcome) = client.ask(queue, "/extend", &body)?;
    if let Outcome::Answered(result) = &outcome {
        let warnings = result["warnings"].as_object().map_or(0, serde_json::Map::len);
        if result["extendCount"].as_u64() != Some((leases.len() - warnings) as u64) {
            return Err(Wrong(format!("{} extensions got {result}", leases.len())));
        }
    }
    let visibility_timeout = Duration::from_millis(milliseconds);
    client.events.extend(leases.into_iter().map(|lease| {
        let learned = learned_of(&outcome, &lease);
        Event::Extend { queue: queue.to_owned(), lease, span, learned, visibility_timeout }
    }));
    Ok(())
}

/// What an entry of an answer tells: one with a warning changed nothing.
fn learned_of(outcome: &Outcome, lease: &str) -> Learned {
    match outcome {
        Outcome::Answered(result) if result["warnings"].get(lease).is_some() => Learned::Failed,
        outcome => outcome.learned(),
    }
}

fn pull(client: &mut Client<'_>, queue: &str) -> Result<Vec<Message>, Wrong> {
    let milliseconds = client.random.random_range(VISIBILITY_MS);
    let batch = client.random.random_range(BATCH);
    let body = format!(r#"{{"batch_size":{batch},"visibility_timeout_ms":{milliseconds}}}"#);
    let (span, outcome) = client.ask(queue, "/pull", &body)?;
    match outcome {
        Outcome::Answered(result) => {
            let delivered = read_delivered(&result)?;
            if !delivered.is_empty() {
                client.events.push(Event::Pull {
                    queue: queue.to_owned(),
                    span,
                    visibility_timeout: Duration::from_millis(milliseconds),
                    delivered: delivered.clone(),
                });
            }
            Ok(delivered)
        }
        Outcome::Refused | Outcome::Repeated => Ok(Vec::new()),
        Outcome::Unknown => {
            client.events.push(Event::LostPull { queue: queue.to_owned(), invoked: span.invoked });
            Ok(Vec::new())
        }
    }
}

/// The messages of a pull's result.
pub(crate) fn read_delivered(result: &Value) -> Result<Vec<Message>, Wrong> {
    let wrong = |what: &str| Wrong(format!("a pull's answer has {what}: {result}"));
    let messages = result["messages"].as_array().ok_or_else(|| wrong("no messages"))?;
    let read = |message: &Value| {
        let key =
            message["body"].as_str().and_then(key_of).ok_or_else(|| wrong("a body that is not whole"))?;
        let lease = message["lease_id"].as_str().ok_or_else(|| wrong("no lease id"))?;
        let attempts = message["attempts"].as_u64().and_then(|attempts| u16::try_from(attempts).ok());
        let attempts = attempts.ok_or_else(|| wrong("no attempts"))?;
        let id = message["id"].as_str().ok_or_else(|| wrong("no id"))?;
        Ok(Message { key: key.to_owned(), id: id.to_owned(), lease: lease.to_owned(), attempts })
    };
    messages.iter().map(read).collect()
}

/// Sends acks and retries in one request; gives back the acks that are worth sending again.
fn settle(
    client: &mut Client<'_>,
    queue: &str,
    acks: Vec<String>,
    retries: Vec<Back>,
) -> Result<Vec<String>, Wrong> {
    let listed = |leases: Vec<String>| leases.join(",");
    let acks_text = listed(acks.iter().map(|lease| format!(r#"{{"lease_id":"{lease}"}}"#)).collect());
    let retries_text = retries
        .iter()
        .map(|(lease, delay_seconds)| format!(r#"{{"lease_id":"{lease}","delay_seconds":{delay_seconds}}}"#));
    let retries_text = listed(retries_text.collect());
    let body = format!(r#"{{"acks":[{acks_text}],"retries":[{retries_text}]}}"#);
    let (span, outcome) = client.ask(queue, "/ack", &body)?;
    if let Outcome::Answered(result) = &outcome {
        check_counts(result, acks.len(), retries.len())?;
    }
    let queue = queue.to_owned();
    for lease in &acks {
        let learned = learned_of(&outcome, lease);
        client.events.push(Event::Ack { queue: queue.clone(), lease: lease.clone(), span, learned });
    }
    for (lease, delay_seconds) in retries {
        let learned = learned_of(&outcome, &lease);
        let delay = Duration::from_secs(delay_seconds);
        client.events.push(Event::Retry { queue: queue.clone(), lease, span, learned, delay });
    }
    let again = matches!(outcome, Outcome::Unknown) && client.random.random_bool(SENT_AGAIN);
    Ok(if again { acks } else { Vec::new() })
}

/// Every lease was got from this server, so an ack always counts and a retry counts or is warned about.
fn check_counts(result: &Value, acks: usize, retries: usize) -> Result<(), Wrong> {
    let warnings = result["warnings"].as_object().map_or(0, serde_json::Map::len) as u64;
    let (acked, retried) = (result["ackCount"].as_u64(), result["retryCount"].as_u64());
    let is_right = acked == Some(acks as u64)
        && retried.is_some_and(|counted| counted <= retries as u64 && counted + warnings >= retries as u64);
    if is_right { Ok(()) } else { Err(Wrong(format!("{acks} acks and {retries} retries got {result}"))) }
}
