//! What time alone brings: leases that end, and the burial of messages whose last attempt failed.
//!
//! A lease that ends is decided at the moment it ended, not at the moment it was noticed, so that it makes no
//! difference when somebody looks. Burial follows in frames of bounded size, each of which takes its messages out of
//! the one queue and into the other, so that nobody sees a message in neither queue or in both.

use kew_journal::FrameBuffer;
use kew_model::{DeadLetterLink, Limits, Queue, QueueId, QueueNumber, Sequence, Timestamp};

use super::consumers::dead_letter_queue;
use super::loaded::Loaded;
use super::settle::is_exhausted;
use super::{Undecided, compose, locate};
use crate::fetch::{Fetch, Purpose, Wish};
use crate::queue::QueueState;
use crate::queue::runs::Phase;
use crate::record::batch::{Moving, put_moved};
use crate::record::ranges::Ranges;
use crate::record::{BatchKind, Record};
use crate::state::State;

/// After so many messages a frame ends no further run of leases. Each run holds 128 messages at the most.
const ENDED_PER_FRAME: u64 = 10_000;

/// A frame that ends the leases of a queue that end at a moment.
pub(crate) fn end_leases(
    state: &State,
    (deadline, number): (Timestamp, QueueNumber),
    now: Timestamp,
) -> Option<FrameBuffer> {
    let queue = state.queues.get(&number)?;
    let mut returned = Ranges::default();
    let mut exhausted = Ranges::default();
    let mut ended = 0;
    for (_, run) in queue.runs.due(Phase::Leased, deadline) {
        if ended >= ENDED_PER_FRAME {
            break;
        }
        ended += run.mask.count();
        let ranges = if is_exhausted(queue, run.attempts) { &mut exhausted } else { &mut returned };
        run.sequences().for_each(|sequence| {
            ranges.insert(sequence);
        });
    }
    let retry_delay =
        queue.object.consumer.as_ref().map(|consumer| consumer.kind.retry_delay()).unwrap_or_default();
    Some(compose(now, 64, |frame| {
        if !returned.is_empty() {
            let available_at = deadline.after(retry_delay);
            frame.put(&Record::Returned { queue: number, available_at, messages: returned });
        }
        if !exhausted.is_empty() {
            frame.put(&Record::Exhausted { queue: number, at: deadline, messages: exhausted });
        }
    }))
}

/// How many messages of a queue are put in order for one burial, unless more became exhausted in one moment.
const CONSIDERED: usize = 10_000;

/// After so many bytes of frames a read for a burial ends. One for which that was not enough takes what was read along.
const READ_BYTES: usize = 16 << 20;

/// Messages of one queue to bury together, by the time of their exhaustion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Burial {
    pub(crate) source: QueueNumber,
    /// With what each counts for in the backlog, in bytes.
    messages: Vec<(Timestamp, Sequence, u64)>,
    /// What was read for it.
    pub(crate) wish: Wish,
}

impl Burial {
    /// The burial that comes next, of at most `bytes` of bodies: in the order of (time, queue, sequence) over all
    /// queues that may bury, as far as that stays within one queue and goes before what others owe.
    pub(crate) fn next(
        state: &State,
        bytes: u64,
        now: Timestamp,
        may_bury: impl Fn(QueueNumber) -> bool,
    ) -> Option<Self> {
        let mut queues = next_to_bury(state, now, may_bury);
        let (_, source) = queues.next()?;
        let end = [queues.next(), owed_first(state, source, now)].into_iter().flatten().min();
        let runs = &state.queues.get(&source)?.runs;
        let mut waiting: Vec<(Timestamp, Sequence, u64)> = Vec::new();
        let mut latest = Timestamp(0);
        for (_, run) in runs.due(Phase::Exhausted, Timestamp::NEVER) {
            let is_enough = waiting.len() > CONSIDERED && run.due > latest;
            if is_enough || end.is_some_and(|end| end < (run.due, source)) {
                break;
            }
            latest = run.due;
            let each = |sequence| (run.due, sequence, run.span(sequence).accounted_bytes());
            waiting.extend(run.sequences().map(each));
        }
        waiting.sort_unstable();
        let mut total = 0;
        let fits = |(at, (.., size)): &(usize, (Timestamp, Sequence, u64))| {
            total += size;
            *at == 0 || (total <= bytes && *at < usize::from(u16::MAX))
        };
        let messages = waiting.into_iter().enumerate().take_while(fits).map(|(_, entry)| entry).collect();
        Some(Self { source, messages, wish: Wish::default() })
    }

    /// The frame that carries the burial out, as far as what was read for it goes, and what its messages count for in the
    /// backlog; `drawn` is an id for the target, should it be gone.
    pub(crate) fn decide(
        &self,
        state: &State,
        loaded: &Loaded,
        drawn: QueueId,
        now: Timestamp,
    ) -> Result<(FrameBuffer, u64), Undecided> {
        let internal = || kew_model::Error::Internal { cause: "a burial in a queue that is gone".to_owned() };
        let source = state.queues.get(&self.source).ok_or_else(internal)?;
        let buried = |count: usize| {
            let leaving = || self.messages.iter().take(count);
            let messages = leaving().map(|(_, sequence, _)| *sequence).collect();
            let bytes = leaving().map(|(.., bytes)| bytes).sum();
            (Record::Buried { queue: self.source, messages }, bytes)
        };
        let link = source.object.consumer.as_ref().and_then(|consumer| consumer.dead_letter_queue.as_ref());
        let Some(link) = link else {
            let (buried, bytes) = buried(self.messages.len());
            return Ok((compose(now, 64, |frame| frame.put(&buried)), bytes));
        };
        let mut moving = self.moving(state, source, loaded)?;
        let (target, puts) = self.settle_target(state, &source.object, link, drawn);
        // A push that waited for none of them may have come before: the line is in the order of arrival.
        let there = state.queues.get(&target).filter(|queue| queue.backlog_count > 0);
        let newest = there.and_then(|queue| queue.extents.newest()).unwrap_or_default();
        for message in &mut moving {
            message.arrived_at = message.arrived_at.max(newest);
        }
        let first = Sequence(state.queues.get(&target).map_or(1, |queue| queue.next));
        let size = moving.iter().map(|message| message.body.len() + 40).sum::<usize>() + 128;
        let (buried, bytes) = buried(moving.len());
        let frame = compose(now, size, |frame| {
            for queue in puts {
                frame.put(&Record::QueuePut(Box::new(queue)));
            }
            frame.put(&buried);
            frame.messages(BatchKind::Moved, |out| put_moved(out, target, first, self.source, &moving));
        });
        Ok((frame, bytes))
    }

    /// The messages with their bodies, or the first of them if one read does not bring all, or what must be read for them.
    fn moving<'a>(
        &self,
        state: &State,
        source: &'a QueueState,
        loaded: &'a Loaded,
    ) -> Result<Vec<Moving<'a>>, Undecided> {
        let mut moving = Vec::with_capacity(self.messages.len());
        for (arrived_at, sequence, _) in &self.messages {
            let found = loaded.find(*sequence).or_else(|| {
                let head = source.window.find(*sequence)?;
                let (batch, _) = head.batch();
                batch.messages().find(|stored| stored.sequence == *sequence).map(|stored| (head, stored))
            });
            let Some((head, stored)) = found else { break };
            moving.push(Moving {
                id: stored.id,
                content_type: stored.content_type,
                sent_at: stored.sent_at,
                arrived_at: *arrived_at,
                body: head.batch().0.body(&stored),
            });
        }
        let is_cut = loaded.bytes() >= READ_BYTES && !moving.is_empty();
        if moving.len() == self.messages.len() || is_cut {
            return Ok(moving);
        }
        let messages = self.messages.iter().map(|(_, sequence, _)| locate(state, self.source, *sequence));
        let messages = messages.collect::<Result<_, _>>()?;
        Err(Undecided::Needs(Fetch::Messages {
            queue: self.source,
            messages,
            most_bytes: READ_BYTES,
            purpose: Purpose::Burial,
        }))
    }

    /// The target's number and the queues to write first: the target when it is gone, the source when its link moves.
    /// A target that is made is made at the moment of the first exhaustion.
    fn settle_target(
        &self,
        state: &State,
        source: &Queue,
        link: &DeadLetterLink,
        drawn: QueueId,
    ) -> (QueueNumber, Vec<Queue>) {
        if let Some(target) = find_target(state, source, link) {
            let moved = (target.id != link.queue).then(|| relinked(source, target.id));
            return (target.number, moved.into_iter().collect());
        }
        let at = self.messages.first().map(|(at, ..)| *at).unwrap_or_default();
        let target = dead_letter_queue(state, source, &link.name, drawn, at);
        (target.number, vec![relinked(source, target.id), target])
    }
}

/// By id, or else by name: a deleted target is found again when somebody made a queue of its name (design §8.15).
fn find_target<'a>(state: &'a State, source: &Queue, link: &DeadLetterLink) -> Option<&'a Queue> {
    let by_id = state.catalog.queue(kew_model::Place { account: source.account, queue: link.queue });
    let found = by_id.or_else(|| state.catalog.queue_named(source.account, link.name.as_str()))?;
    Some(found)
}

fn relinked(source: &Queue, target: QueueId) -> Queue {
    let mut source = source.clone();
    if let Some(link) = source.consumer.as_mut().and_then(|consumer| consumer.dead_letter_queue.as_mut()) {
        link.queue = target;
    }
    source
}

/// The queues whose exhausted messages may be buried now, in the order of their first: those of which nothing waits for
/// what others with the same dead letters owe.
pub(crate) fn next_to_bury(
    state: &State,
    now: Timestamp,
    may_bury: impl Fn(QueueNumber) -> bool,
) -> impl Iterator<Item = (Timestamp, QueueNumber)> {
    state.exhausted.iter().filter(move |first| {
        may_bury(first.1) && owed_first(state, first.1, now).is_none_or(|owed| *first < owed)
    })
}

/// The first end of leases that is overdue in another queue with the same dead letters, since it waits for a look at that
/// queue's age. What comes of it goes into the dead-letter queue before what was exhausted later.
pub(crate) fn owed_first(
    state: &State,
    number: QueueNumber,
    now: Timestamp,
) -> Option<(Timestamp, QueueNumber)> {
    let mut overdue = state.deadlines().take_while(|(at, _)| *at <= now);
    overdue.find(|(_, other)| *other != number && share_dead_letters(state, *other, number))
}

/// Whether the exhausted messages of two queues go to the same queue, be it there or still to be made.
pub(crate) fn share_dead_letters(state: &State, one: QueueNumber, other: QueueNumber) -> bool {
    let link = |number| {
        let queue: &Queue = &state.queues.get(&number)?.object;
        Some((queue.account, queue.consumer.as_ref()?.dead_letter_queue.as_ref()?))
    };
    match (link(one), link(other)) {
        (Some((of, one)), Some((too, other))) => {
            of == too && (one.queue == other.queue || one.name == other.name)
        }
        _ => false,
    }
}

/// The queue that a queue's exhausted messages go to as things stand; `None` when they are dropped or it must be made
/// first.
pub(crate) fn burial_target(state: &State, source: QueueNumber) -> Option<QueueNumber> {
    let source = &state.queues.get(&source)?.object;
    let link = source.consumer.as_ref()?.dead_letter_queue.as_ref()?;
    find_target(state, source, link).map(|queue| queue.number)
}

/// The most bytes that one burial moves, in a log whose frames hold `largest_payload` bytes.
pub(crate) fn burial_bytes(largest_payload: usize) -> u64 {
    (largest_payload as u64 / 2).min(1024 * 1024).max(u64::from(Limits::MESSAGE_OVERHEAD_BYTES))
}
