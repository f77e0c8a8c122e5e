//! The judgement on messages that go to a dead-letter queue after one failed delivery, and are sent back from there.
//!
//! Attempts begin anew with each return, so a history cannot judge these queues; here each message is judged as one, wherever
//! it is. After a full drain: nothing answered is lost, nothing is in two places at once, an ack in time ends a message in
//! both queues, a lease shuts others out of both, and no delivery of the first queue is a second attempt. As ever, what
//! a client did not learn counts in the server's favour. An ack after its lease's end proves nothing of where its message is.

use core::time::Duration;
use std::collections::{HashMap, HashSet};

use kew_testkit::history::{Learned, Span};

use crate::record::{Event, Message, Record};

/// What the server's clock may differ by from the clients', also across a restart.
const CLOCK_SLACK: Duration = Duration::from_millis(4);

/// One delivery, and until when its lease lasts at least.
struct Delivery<'a> {
    queue: &'a str,
    message: &'a Message,
    span: Span,
    lease_end: Duration,
}

/// What was done with a lease and may have happened.
#[derive(Default)]
struct Settled {
    /// When the first answer to an ack came.
    acked: Option<Duration>,
    may_be_acked: bool,
    /// When a retry was first sent.
    given_back: Option<Duration>,
}

/// Whatever is wrong with the record of the two queues, in words; `once` is the one that gives up after one delivery.
pub fn violations(record: &Record, once: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (pushes, lives) = (pushes(record), lives(record, &mut found));
    let settled = settled(record);
    for (key, learned) in &pushes {
        let deliveries = lives.get(key).map_or(&[][..], Vec::as_slice);
        let may_be_acked = |delivery: &Delivery<'_>| {
            settled.get(&*delivery.message.lease).is_some_and(|settled| settled.may_be_acked)
        };
        if *learned == Learned::Ok && !deliveries.iter().any(may_be_acked) {
            found.push(format!("{key} was pushed, and is neither acked nor in a queue"));
        }
    }
    for (key, deliveries) in &lives {
        if pushes.get(key).is_none_or(|learned| *learned == Learned::Failed) {
            found.push(format!("{key} was delivered, but not pushed"));
        }
        for delivery in deliveries {
            if delivery.queue == once && delivery.message.attempts != 1 {
                found.push(format!("{key} had one attempt, and came as {}", delivery.message.attempts));
            }
            let settled = settled.get(&*delivery.message.lease);
            found.extend(check_later(delivery, deliveries, settled));
        }
    }
    found.sort();
    found
}

fn pushes(record: &Record) -> HashMap<&str, Learned> {
    let of = |event| match event {
        &Event::Push { ref key, learned, .. } => Some((key.as_str(), learned)),
        _ => None,
    };
    record.events.iter().filter_map(of).collect()
}

/// Each message's deliveries; tells of those that one pull brought twice, and of leases that were issued twice.
fn lives<'a>(record: &'a Record, found: &mut Vec<String>) -> HashMap<&'a str, Vec<Delivery<'a>>> {
    let mut lives: HashMap<&str, Vec<Delivery<'_>>> = HashMap::new();
    let mut leases = HashSet::new();
    for event in &record.events {
        let &Event::Pull { ref queue, span, visibility_timeout, ref delivered } = event else { continue };
        let mut keys = HashSet::new();
        for message in delivered {
            let key = message.key.as_str();
            if !keys.insert(key) {
                found.push(format!("{key} was delivered twice at once"));
            }
            if !leases.insert(message.lease.as_str()) {
                found.push(format!("{key} came under a lease that had been issued"));
            }
            let lease_end = (span.invoked + visibility_timeout).saturating_sub(CLOCK_SLACK);
            lives.entry(key).or_default().push(Delivery { queue, message, span, lease_end });
        }
    }
    lives
}

fn settled(record: &Record) -> HashMap<&str, Settled> {
    let mut leases: HashMap<&str, Settled> = HashMap::new();
    for event in &record.events {
        match event {
            Event::Ack { lease, span, learned, .. } if *learned != Learned::Failed => {
                let settled = leases.entry(lease).or_default();
                settled.may_be_acked = true;
                if *learned == Learned::Ok {
                    let first = settled.acked.unwrap_or(Duration::MAX);
                    settled.acked = Some(first.min(span.answered));
                }
            }
            Event::Retry { lease, span, learned, .. } if *learned != Learned::Failed => {
                let settled = leases.entry(lease).or_default();
                let first = settled.given_back.unwrap_or(Duration::MAX);
                settled.given_back = Some(first.min(span.invoked));
            }
            _ => {}
        }
    }
    leases
}

/// No later delivery after an ack in time, and none during the lease unless it was given back.
fn check_later(one: &Delivery<'_>, all: &[Delivery<'_>], settled: Option<&Settled>) -> Option<String> {
    let key = &one.message.key;
    let acked = settled.and_then(|settled| settled.acked).filter(|acked| *acked < one.lease_end);
    if let Some(acked) = acked
        && let Some(later) = all.iter().find(|later| later.span.invoked > acked)
    {
        return Some(format!("{key} was acked by {acked:?}, and came at {:?}", later.span.answered));
    }
    let given_back = settled.and_then(|settled| settled.given_back).unwrap_or(Duration::MAX);
    let free = one.lease_end.min(given_back);
    let within =
        |later: &&Delivery<'_>| later.span.invoked >= one.span.answered && later.span.answered < free;
    let later = all.iter().find(within)?;
    Some(format!("{key} was leased until {:?}, and came at {:?}", one.lease_end, later.span.answered))
}

#[cfg(test)]
mod tests;
