//! Redrive: move messages out of a dead-letter queue in one frame.
//!
//! What leaves is written as a deletion by name, what arrives as a move that has no origin. Both stand in one frame, so
//! a message is in the one queue or in the other, whatever happens.

use std::collections::BTreeMap;

use kew_model::{Destination, Error, Place, QueueNumber, Redrive, Redriven, Sequence, Timestamp};

use super::discard::{Loaded, find_loaded};
use super::merge::{Candidate, Merge};
use super::pull::{RunsBuilder, next_of_line};
use super::{Decided, Decision, Outcome, Undecided, locate, queue_at};
use crate::command::{Fetch, Purpose, Reply};
use crate::queue::QueueState;
use crate::queue::window::Head;
use crate::record::batch::{Moving, Stored, put_moved};
use crate::record::{BatchKind, Record};
use crate::state::State;

/// How many messages one step looks at, of which some may have nowhere to go.
const LOOKED_AT_MAX: u64 = 100_000;

/// How many messages one step reads that are not in memory. A step that comes to more moves what it has found.
const READ_MAX: usize = 1_000;

/// Moves a batch, of at most `bytes` as the backlog counts them; `loaded` are the frames that an earlier call asked for.
pub(crate) fn redrive(
    state: &State,
    place: Place,
    redrive: Redrive,
    loaded: &Loaded,
    bytes: u64,
    now: Timestamp,
) -> Decided {
    let source = queue_at(state, place)?;
    let number = source.object.number;
    let named = named_target(state, place, redrive.destination)?;
    let chosen = choose(state, source, &redrive, named, loaded, (bytes, now))?;
    let moved: u64 = chosen.by_target.values().map(|messages| messages.len() as u64).sum();
    let answer =
        Redriven { moved, without_origin: chosen.without_origin, left: source.backlog_count - moved };
    let outcome = Outcome::Reply(Reply::Redriven(answer));
    if moved == 0 {
        return Ok(Decision::nothing(outcome));
    }
    let runs = chosen.runs.finish();
    let size =
        chosen.by_target.values().flatten().map(|message| message.body.len() + 64).sum::<usize>() + 256;
    Ok(Decision::write(now, size, outcome, |frame| {
        frame.put(&Record::Discarded { queue: number, runs });
        for (target, messages) in &chosen.by_target {
            let first = Sequence(state.queues.get(target).map_or(1, |queue| queue.next));
            frame.messages(BatchKind::Moved, |out| put_moved(out, *target, first, *target, messages));
        }
    }))
}

fn named_target(state: &State, place: Place, to: Destination) -> Result<Option<QueueNumber>, Error> {
    match to {
        Destination::Origin => Ok(None),
        Destination::Queue(queue) if queue == place.queue => Err(Error::RedriveCycle),
        Destination::Queue(queue) => {
            let target = state.catalog.queue(Place { account: place.account, queue });
            Ok(Some(target.ok_or(Error::DestinationNotFound)?.number))
        }
    }
}

/// What moves where.
#[derive(Default)]
struct Chosen<'a> {
    by_target: BTreeMap<QueueNumber, Vec<Moving<'a>>>,
    runs: RunsBuilder,
    without_origin: u64,
}

fn choose<'a>(
    state: &State,
    source: &'a QueueState,
    redrive: &Redrive,
    named: Option<QueueNumber>,
    loaded: &'a Loaded,
    (most_bytes, now): (u64, Timestamp),
) -> Result<Chosen<'a>, Undecided> {
    let mut chosen = Chosen::default();
    let mut merge = Merge::new(source, now);
    let mut read = Vec::new();
    let (mut wanted, mut bytes, mut looked_at, mut unread) = (0, 0, 0, false);
    while wanted < usize::from(redrive.batch_size) && looked_at < LOOKED_AT_MAX && read.len() < READ_MAX {
        let candidate = match merge.next() {
            Ok(Some(candidate)) => candidate,
            Ok(None) => break,
            Err(_) => return Err(Undecided::Needs(next_of_line(state, source)?)),
        };
        looked_at += 1;
        let in_memory = find_in_memory(source, &candidate);
        if in_memory.is_none() {
            read.push(candidate.sequence);
        }
        // One that must be read first is taken for one that moves: at worst the next look reads more.
        let target = match in_memory.or_else(|| find_loaded(loaded, candidate.sequence)) {
            None => None,
            Some((head, stored)) => match named.or_else(|| origin(state, source, head, &stored)) {
                None => {
                    chosen.without_origin += 1;
                    continue;
                }
                Some(target) => Some((target, head, stored)),
            },
        };
        bytes += candidate.span.accounted_bytes();
        let is_beyond = bytes > most_bytes && wanted > 0;
        // One that is too much only if it has an origin, and may have none, must be read as well.
        unread |= target.is_none() && !(is_beyond && named.is_some());
        if is_beyond {
            break;
        }
        wanted += 1;
        let Some((target, head, stored)) = target else { continue };
        chosen.runs.push(&candidate);
        chosen.by_target.entry(target).or_default().push(Moving {
            id: stored.id,
            content_type: stored.content_type,
            sent_at: stored.sent_at,
            arrived_at: now,
            body: head.batch().0.body(&stored),
        });
    }
    if !unread {
        return Ok(chosen);
    }
    let number = source.object.number;
    let messages = read.into_iter().map(|sequence| locate(state, number, sequence));
    let messages = messages.collect::<Result<_, _>>()?;
    Err(Undecided::Needs(Fetch::Messages { queue: number, messages, purpose: Purpose::Verb }))
}

/// A candidate's frame, and what it says of it, if it is in memory.
fn find_in_memory<'a>(source: &'a QueueState, candidate: &Candidate<'a>) -> Option<(&'a Head, Stored)> {
    let head = candidate.head.or_else(|| source.window.find(candidate.sequence))?;
    let (batch, _) = head.batch();
    batch.messages().find(|stored| stored.sequence == candidate.sequence).map(|stored| (head, stored))
}

/// The queue that dead-lettered a message, if it is still there.
fn origin(state: &State, source: &QueueState, head: &Head, stored: &Stored) -> Option<QueueNumber> {
    let origin = head.batch().0.origin(stored)?;
    let queue = state.queues.get(&origin)?;
    (queue.object.account == source.object.account).then_some(origin)
}
