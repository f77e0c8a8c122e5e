//! Settle and extend: judge leases one by one, by the matrix of spec §4.5.

use std::collections::BTreeMap;

use kew_journal::seeded::{self, Bug};
use kew_model::{
    AckOutcome, Consumer, Extend, ExtendOutcome, Extended, Lease, Limits, Milliseconds, Place, Retry,
    RetryOutcome, Seconds, Sequence, Settled, Settlement, Timestamp,
};

use super::{Decided, Decision, Outcome, queue_at};
use crate::command::Reply;
use crate::queue::QueueState;
use crate::queue::runs::{Phase, Run};
use crate::record::Record;
use crate::record::ranges::Ranges;
use crate::state::State;

/// Whether a failed attempt was the last one allowed, by the consumer of this moment.
pub(crate) fn is_exhausted(queue: &QueueState, attempts: u16) -> bool {
    let more = u16::from(seeded::is(Bug::OneRetryTooMany));
    queue.object.consumer.as_ref().is_some_and(|consumer| attempts > consumer.kind.max_retries() + more)
}

/// What the settlement does to messages that were delivered.
#[derive(Default)]
struct Effects {
    acked: Ranges,
    /// By the time at which they become available again.
    returned: BTreeMap<Timestamp, Ranges>,
    exhausted: Ranges,
    /// The fate of each message retried so far, for a second retry in the same request.
    retried: BTreeMap<Sequence, Fate>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Waits(Timestamp),
    Exhausted,
}

/// Ends leases.
pub(crate) fn settle(state: &State, place: Place, settlement: &Settlement, now: Timestamp) -> Decided {
    let queue = queue_at(state, place)?;
    let number = queue.object.number;
    let mut effects = Effects::default();
    let acks = settlement.acks.iter().map(|lease| ack(queue, *lease, &mut effects)).collect();
    let retries = settlement.retries.iter().map(|entry| retry(queue, *entry, now, &mut effects)).collect();
    for (message, fate) in &effects.retried {
        match fate {
            Fate::Waits(at) => effects.returned.entry(*at).or_default().insert(*message),
            Fate::Exhausted => effects.exhausted.insert(*message),
        };
    }
    let outcome = Outcome::Reply(Reply::Settled(Settled { acks, retries }));
    if effects.acked.is_empty() && effects.retried.is_empty() {
        return Ok(Decision::nothing(outcome));
    }
    Ok(Decision::write(now, 64, outcome, |frame| {
        if !effects.acked.is_empty() {
            frame.put(&Record::Acked { queue: number, messages: effects.acked });
        }
        for (available_at, messages) in effects.returned {
            frame.put(&Record::Returned { queue: number, available_at, messages });
        }
        if !effects.exhausted.is_empty() {
            frame.put(&Record::Exhausted { queue: number, at: now, messages: effects.exhausted });
        }
    }))
}

/// By message: any genuine lease of a message, however old, removes it. One whose last attempt failed is on its way
/// out, and answered for as if it had left.
fn ack(queue: &QueueState, lease: Lease, effects: &mut Effects) -> AckOutcome {
    if lease.queue != queue.object.number {
        return AckOutcome::OtherQueue;
    }
    if effects.acked.contains(lease.message) {
        return AckOutcome::AlreadyGone;
    }
    match queue.runs.find(lease.message) {
        Some((_, run)) if run.phase == Phase::Exhausted => AckOutcome::Exhausted,
        Some(_) => {
            effects.acked.insert(lease.message);
            AckOutcome::Acked
        }
        None => queue.departures.outcome(lease.message),
    }
}

/// By delivery: only the newest lease of a message may give it back.
fn retry(queue: &QueueState, entry: Retry, now: Timestamp, effects: &mut Effects) -> RetryOutcome {
    let lease = entry.lease;
    if lease.queue != queue.object.number {
        return RetryOutcome::OtherQueue;
    }
    let run = match queue.runs.find(lease.message) {
        Some((_, run)) if run.phase != Phase::Exhausted && !effects.acked.contains(lease.message) => run,
        _ => return RetryOutcome::Gone,
    };
    let earlier = effects.retried.get(&lease.message).copied();
    if earlier == Some(Fate::Exhausted) {
        return RetryOutcome::Gone;
    }
    if run.fence != lease.fence && !seeded::is(Bug::HonourOldLease) {
        return RetryOutcome::Redelivered;
    }
    let ends_now = run.phase == Phase::Leased && earlier.is_none();
    let fate = if ends_now && is_exhausted(queue, run.attempts) {
        Fate::Exhausted
    } else {
        let default =
            queue.object.consumer.as_ref().map_or(Seconds(0), |consumer| consumer.kind.retry_delay());
        let delay = entry.delay.unwrap_or(default);
        Fate::Waits(if seeded::is(Bug::ForgetRetryDelay) { now } else { now.after(delay) })
    };
    effects.retried.insert(lease.message, fate);
    RetryOutcome::Retried
}

/// Moves the ends of leases.
pub(crate) fn extend(state: &State, place: Place, extend: &Extend, now: Timestamp) -> Decided {
    let queue = queue_at(state, place)?;
    let number = queue.object.number;
    let mut messages = Ranges::default();
    let leases = extend.leases.iter().map(|lease| {
        let outcome = judge_extension(queue, *lease);
        if outcome == ExtendOutcome::Extended {
            messages.insert(lease.message);
        }
        outcome
    });
    let outcome = Outcome::Reply(Reply::Extended(Extended { leases: leases.collect() }));
    if messages.is_empty() {
        return Ok(Decision::nothing(outcome));
    }
    let timeout =
        extend.visibility_timeout.unwrap_or_else(|| visibility_timeout(queue.object.consumer.as_ref()));
    let record = Record::Extended { queue: number, deadline: now.after(timeout), messages };
    Ok(Decision::write(now, 64, outcome, |frame| frame.put(&record)))
}

/// Whether the extension ends leases, since it gives them no time at all.
pub(crate) fn ends_leases(state: &State, place: Place, extend: &Extend) -> bool {
    lasts_no_time(state, place, extend.visibility_timeout)
}

/// Whether a lease that is given for so long, or as long as the consumer says, ends when it begins.
pub(crate) fn lasts_no_time(state: &State, place: Place, timeout: Option<Milliseconds>) -> bool {
    let timeout = timeout.or_else(|| {
        let queue = queue_at(state, place).ok()?;
        Some(visibility_timeout(queue.object.consumer.as_ref()))
    });
    timeout == Some(Milliseconds(0))
}

fn judge_extension(queue: &QueueState, lease: Lease) -> ExtendOutcome {
    if lease.queue != queue.object.number {
        return ExtendOutcome::OtherQueue;
    }
    match queue.runs.find(lease.message) {
        None | Some((_, Run { phase: Phase::Exhausted, .. })) => ExtendOutcome::Gone,
        Some((_, Run { phase: Phase::Leased, fence, .. })) if *fence == lease.fence => {
            ExtendOutcome::Extended
        }
        Some(_) => ExtendOutcome::Ended,
    }
}

/// How long a lease lasts that does not say.
fn visibility_timeout(consumer: Option<&Consumer>) -> Milliseconds {
    match consumer.map(|consumer| &consumer.kind) {
        Some(kew_model::ConsumerKind::HttpPull(settings)) => settings.visibility_timeout,
        _ => Milliseconds(Limits::VISIBILITY_TIMEOUT_MS_DEFAULT),
    }
}
