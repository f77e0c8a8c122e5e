//! Redrive: move messages out of a dead-letter queue in one frame.
//!
//! What leaves is written as a deletion by name, what arrives as a move that has no origin. Both stand in one frame, so
//! a message is in the one queue or in the other, whatever happens.
//!
//! Messages that are in no memory are read for it, some at a time: those that may move in this step, without those that an
//! earlier read has shown to have no origin.

use std::collections::BTreeMap;

use kew_model::{Destination, Error, Place, QueueNumber, Redrive, Redriven, Sequence, Timestamp};

use super::loaded::Loaded;
use super::merge::{Candidate, Merge};
use super::pull::{RunsBuilder, next_of_line};
use super::{Decided, Decision, Outcome, Undecided, locate, queue_at};
use crate::command::Reply;
use crate::fetch::{Fetch, Purpose};
use crate::queue::QueueState;
use crate::queue::window::Head;
use crate::record::batch::{Moving, Stored, put_moved};
use crate::record::{BatchKind, Record};
use crate::state::State;

/// How many messages one step looks at, of which some may have nowhere to go.
const LOOKED_AT_MAX: u64 = 100_000;

/// How many messages that are not in memory one step looks at. A step that comes to more moves what it has found.
const READ_MAX: usize = 1_000;

/// After so many bytes of frames a read ends. A step for which that was not enough moves what it has found.
const READ_BYTES: usize = 16 << 20;

/// Where messages that were read for a redrive came from: stretches of their frames by the first sequence, with their ends
/// and the queues that dead-lettered them. No stretch overlaps another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins(BTreeMap<u64, (u64, Option<QueueNumber>)>);

impl Origins {
    /// Remembers what was read.
    pub(crate) fn learn(&mut self, loaded: &Loaded) {
        for head in loaded.heads() {
            let (batch, _) = head.batch();
            let mut open = None;
            for stored in batch.messages() {
                let (sequence, origin) = (stored.sequence.0, batch.origin(&stored));
                match self.0.range_mut(..=sequence).next_back() {
                    // It was read before, in this frame or in one that it moved from: it came from there all the same.
                    Some((_, (end, _))) if sequence < *end => {}
                    Some((first, (end, of))) if open == Some(*first) && *of == origin => *end = sequence + 1,
                    _ => {
                        open = Some(sequence);
                        self.0.insert(sequence, (sequence + 1, origin));
                    }
                }
            }
        }
    }

    /// What is known of a message, if its frame was read.
    fn of(&self, sequence: Sequence) -> Option<Option<QueueNumber>> {
        let (_, (end, origin)) = self.0.range(..=sequence.0).next_back()?;
        (sequence.0 < *end).then_some(*origin)
    }
}

/// Moves a batch, of at most `bytes` as the backlog counts them; `loaded` are the frames that an earlier call asked for,
/// and `origins` says where those came from that any of them did.
pub(crate) fn redrive(
    state: &State,
    place: Place,
    redrive: Redrive,
    (loaded, origins): (&Loaded, Option<&Origins>),
    bytes: u64,
    now: Timestamp,
) -> Decided {
    let source = queue_at(state, place)?;
    let number = source.object.number;
    let named = named_target(state, place, redrive.destination)?;
    let chosen = choose(state, source, (&redrive, named), (loaded, origins), (bytes, now))?;
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
    (redrive, named): (&Redrive, Option<QueueNumber>),
    (loaded, origins): (&'a Loaded, Option<&Origins>),
    (most_bytes, now): (u64, Timestamp),
) -> Result<Chosen<'a>, Undecided> {
    let mut chosen = Chosen::default();
    let mut merge = Merge::new(source, now);
    let mut read = Vec::new();
    let is_cut = loaded.bytes() >= READ_BYTES;
    let (mut wanted, mut bytes, mut looked_at, mut out_of_memory, mut unread) = (0, 0, 0, 0, false);
    while wanted < usize::from(redrive.batch_size) && looked_at < LOOKED_AT_MAX && out_of_memory < READ_MAX {
        let candidate = match merge.next() {
            Ok(Some(candidate)) => candidate,
            Ok(None) => break,
            Err(_) => return Err(Undecided::Needs(next_of_line(state, source)?)),
        };
        looked_at += 1;
        let in_memory = find_in_memory(source, &candidate);
        out_of_memory += usize::from(in_memory.is_none());
        let found = in_memory.or_else(|| loaded.find(candidate.sequence));
        let known = match found {
            Some((head, stored)) => Some(head.batch().0.origin(&stored)),
            None => origins.and_then(|origins| origins.of(candidate.sequence)),
        };
        let target = named.or_else(|| home(state, source, known.flatten()));
        if target.is_none() && known.is_some() {
            chosen.without_origin += 1;
            continue;
        }
        let is_beyond = bytes + candidate.span.accounted_bytes() > most_bytes && wanted > 0;
        if is_beyond && target.is_some() {
            break;
        }
        if in_memory.is_none() {
            read.push(candidate.sequence);
        }
        unread |= found.is_none();
        // One that is too much only if it has an origin, and may have none, must be read as well.
        if is_beyond {
            break;
        }
        // One that must be read first is taken for one that moves: at worst the next look reads more.
        bytes += candidate.span.accounted_bytes();
        wanted += 1;
        let Some((target, (head, stored))) = target.zip(found) else { continue };
        chosen.runs.push(&candidate);
        chosen.by_target.entry(target).or_default().push(Moving {
            id: stored.id,
            content_type: stored.content_type,
            sent_at: stored.sent_at,
            arrived_at: now,
            body: head.batch().0.body(&stored),
        });
    }
    if !unread || (is_cut && !chosen.by_target.is_empty()) {
        return Ok(chosen);
    }
    let number = source.object.number;
    let messages = read.into_iter().map(|sequence| locate(state, number, sequence));
    let messages = messages.collect::<Result<_, _>>()?;
    Err(Undecided::Needs(Fetch::Messages {
        queue: number,
        messages,
        most_bytes: READ_BYTES,
        purpose: Purpose::Verb,
    }))
}

/// A candidate's frame, and what it says of it, if it is in memory.
fn find_in_memory<'a>(source: &'a QueueState, candidate: &Candidate<'a>) -> Option<(&'a Head, Stored)> {
    let head = candidate.head.or_else(|| source.window.find(candidate.sequence))?;
    let (batch, _) = head.batch();
    batch.messages().find(|stored| stored.sequence == candidate.sequence).map(|stored| (head, stored))
}

/// The queue that dead-lettered messages, if it is still there.
fn home(state: &State, source: &QueueState, origin: Option<QueueNumber>) -> Option<QueueNumber> {
    let origin = origin?;
    let queue = state.queues.get(&origin)?;
    (queue.object.account == source.object.account).then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::super::loaded::tests::{ORIGIN, frame};
    use super::*;

    #[test]
    fn what_was_learnt_of_a_frame_stays_known_when_a_part_of_it_is_read_elsewhere() {
        let reads = [(1, 31), (1, 11), (11, 21), (5, 25), (25, 40)];
        for at in 0..5 * 4 * 3 {
            let mut left = reads.to_vec();
            let order = [left.remove(at % 5), left.remove(at / 5 % 4), left.remove(at / 20)];
            let mut origins = Origins::default();
            for (count, (first, end)) in order.into_iter().enumerate() {
                origins.learn(&Loaded::from_iter([frame(first, end)]));
                for sequence in 1..=40 {
                    let was_read =
                        order[..=count].iter().any(|(first, end)| (*first..*end).contains(&sequence));
                    let expected = was_read.then_some(Some(ORIGIN));
                    assert_eq!(origins.of(Sequence(sequence)), expected, "{sequence} of {order:?}");
                }
            }
        }
    }
}
