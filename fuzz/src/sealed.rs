//! The bodies of calls that name what was sealed here: acks, extensions, deletions by ref, acks of previews.
//!
//! Each takes only what is, character for character, a text of this ring, and counts in its answer what it took.

use std::collections::BTreeSet;

use kew_model::{
    AckOutcome, ExtendOutcome, Extended, Lease, Limits, QueueNumber, RetryOutcome, Seconds, Sequence, Settled,
};
use kew_wire::Kind::BodyInvalid;
use kew_wire::messages::{
    read_extend, read_preview_settlement, read_references, read_settlement, write_discarded, write_extended,
    write_preview_settled, write_settled,
};
use kew_wire::reference::Reference;
use serde_json::Value;

use crate::request::{self, Door};
use crate::texts::{ids_of, key_ring, refs_of};

const DOOR: Door = Door { kinds: &[BodyInvalid], may_be_blank: true };
/// The queue whose messages are deleted. The corpus has refs of it and of others.
const QUEUE: QueueNumber = QueueNumber(7);

/// An ack: only leases that were sealed here, at most a thousand entries, and an answer that counts them.
///
/// # Panics
/// When a property is broken.
pub fn settlement(input: &[u8]) {
    let keys = key_ring();
    let Some((asked, text)) = DOOR.judge(input, read_settlement(input, &keys)) else { return };
    let (acks, retries) = (named(text, "acks", "lease_id"), named(text, "retries", "lease_id"));
    assert!(acks.len() + retries.len() <= Limits::SETTLE_ENTRIES_MAX);
    let settlement = &asked.settlement;
    for lease in &settlement.acks {
        assert!(is_named(*lease, &acks), "a lease is acked that was not named");
    }
    for retry in &settlement.retries {
        assert!(is_named(retry.lease, &retries), "a lease is retried that was not named");
        let delay = retry.delay.map(|Seconds(delay)| u64::from(delay));
        assert!(delay.is_none_or(|delay| Limits::DELAY_SECONDS.contains(&delay)));
    }
    let settled = Settled {
        acks: vec![AckOutcome::Exhausted; settlement.acks.len()],
        retries: vec![RetryOutcome::Gone; settlement.retries.len()],
    };
    let result = result_of(&write_settled(&asked, &settled));
    assert_eq!(result["ackCount"], settlement.acks.len());
    assert_eq!(result["retryCount"], 0);
    // Nothing went well, so each id has its warning.
    let warned: BTreeSet<&String> = acks.iter().chain(&retries).collect();
    assert_eq!(warnings(&result), warned.len());
}

/// An extension: only leases that were sealed here, for a time in its range.
///
/// # Panics
/// When a property is broken.
pub fn extend(input: &[u8]) {
    let keys = key_ring();
    let Some((asked, text)) = DOOR.judge(input, read_extend(input, &keys)) else { return };
    let ids = named(text, "extend", "lease_id");
    assert!(ids.len() <= Limits::SETTLE_ENTRIES_MAX);
    let leases = &asked.extend.leases;
    assert!(leases.iter().all(|lease| is_named(*lease, &ids)), "a lease is extended that was not named");
    let timeout = asked.extend.visibility_timeout;
    assert!(timeout.is_none_or(|timeout| Limits::VISIBILITY_TIMEOUT_MS.contains(&timeout.0)));
    let extended = Extended { leases: vec![ExtendOutcome::Extended; leases.len()] };
    let result = result_of(&write_extended(&asked, &extended));
    assert_eq!(result["extendCount"], leases.len());
}

/// A deletion by refs: only messages of this queue whose refs were sealed here, each once.
///
/// # Panics
/// When a property is broken.
pub fn references(input: &[u8]) {
    let keys = key_ring();
    let Some((asked, text)) = DOOR.judge(input, read_references(input, &keys, QUEUE)) else { return };
    let refs = named(text, "refs", "ref");
    assert!(refs.len() <= Limits::SETTLE_ENTRIES_MAX);
    check_messages(&asked.messages, &refs);
    let result = result_of(&write_discarded(&asked, &vec![false; asked.messages.len()]));
    assert!(warnings(&result) >= asked.messages.len() && warnings(&result) <= refs.len());
}

/// An ack of previewed messages: as a deletion by refs.
///
/// # Panics
/// When a property is broken.
pub fn preview_settlement(input: &[u8]) {
    let keys = key_ring();
    let read = read_preview_settlement(input, &keys, QUEUE);
    let Some((asked, text)) = DOOR.judge(input, read) else { return };
    let (acks, retries) = (named(text, "acks", "lease_id"), named(text, "retries", "lease_id"));
    assert!(acks.len() + retries.len() <= Limits::SETTLE_ENTRIES_MAX);
    check_messages(&asked.messages, &acks);
    let result = result_of(&write_preview_settled(&asked));
    let count = |name: &str| usize::try_from(result[name].as_u64().expect("a count")).unwrap_or(usize::MAX);
    assert!((asked.messages.len()..=acks.len()).contains(&count("ackCount")));
    assert!(count("retryCount") <= retries.len());
}

/// Checks that each message is there once and was named by a genuine ref.
fn check_messages(messages: &[Sequence], refs: &[String]) {
    let distinct: BTreeSet<&Sequence> = messages.iter().collect();
    assert_eq!(distinct.len(), messages.len(), "a message stands twice");
    for message in messages {
        let genuine = refs_of(Reference { queue: QUEUE, message: *message });
        assert!(genuine.iter().any(|text| refs.contains(text)), "a message was not named");
    }
}

fn is_named(lease: Lease, ids: &[String]) -> bool {
    ids_of(lease).iter().any(|id| ids.contains(id))
}

/// The texts in this field of the entries of a list.
fn named(text: &str, list: &str, field: &str) -> Vec<String> {
    let entries = request::items_at(text, &format!("/{list}"));
    let texts = entries.iter().map(|entry| request::string(entry, &format!("/{field}")));
    texts.map(|text| text.expect("an entry names something")).collect()
}

fn result_of(answer: &[u8]) -> Value {
    let mut answer: Value = serde_json::from_slice(answer).expect("an answer is JSON");
    assert_eq!(answer["success"], true);
    answer["result"].take()
}

fn warnings(result: &Value) -> usize {
    result["warnings"].as_object().map_or(0, |warnings| warnings.len())
}
