//! The burials of a shard, in turns, and the verbs that wait for them.
//!
//! Exhausted messages leave their queues in frames of bounded size, most of which wait for bodies to be read. As many
//! as one turn allows look like one step: verbs on the queues concerned wait for the turn's end, in their order. A
//! drain that is longer rests after each turn, and whoever has waited is carried out before it goes on. Acks and longer
//! leases do not even wait for that, unless others of their queue are before them. What has not moved by then still
//! counts in the source's backlog, is delivered by nobody, and is gone for acks, retries, extensions and discards. Only
//! verbs that would take such messages along, or come before them in the target's line, wait for the end of it all.

use std::collections::{BTreeMap, HashSet, VecDeque};

use kew_model::{Milliseconds, Place, QueueNumber, Timestamp};

use crate::command::{Command, Verb};
use crate::decide::due::{Burial, burial_target, owed_first};
use crate::decide::settle::ends_leases;
use crate::queue::runs::Phase;
use crate::state::State;

/// The most bytes of one turn, counted as the backlog counts them: some tenths of a second on a slow disk, far below
/// what a lease lasts. The burial that goes beyond is the turn's last.
const TURN_BYTES: u64 = 16 << 20;

/// The most frames of one turn. Exhaustions that alternate between queues take a frame each.
const TURN_FRAMES: u32 = 256;

/// How long after a failed read of messages to bury it is tried again.
const READ_AGAIN: Milliseconds = Milliseconds(1_000);

/// How long a verb waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all.
    No,
    /// For the end of the turn.
    Turn,
    /// For the end of the drain.
    End,
}

/// Where a shard stands in burying, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    /// The burial that waits for bodies to be read.
    pub(crate) parked: Option<Burial>,
    spent_bytes: u64,
    spent_frames: u32,
    for_turn: VecDeque<Command>,
    /// The queues of those verbs, for whom others of the same queue wait as well.
    places: HashSet<Place>,
    for_end: VecDeque<Command>,
    /// Queues whose messages could not be read, and when that is tried again.
    postponed: BTreeMap<QueueNumber, Timestamp>,
}

impl Drain {
    /// A new turn, unless one is under way.
    pub(crate) fn begin_turn(&mut self, now: Timestamp) {
        self.postponed.retain(|_, again_at| *again_at > now);
        if self.parked.is_none() {
            self.spent_bytes = 0;
            self.spent_frames = 0;
        }
    }

    /// A burial is done.
    pub(crate) fn spend(&mut self, bytes: u64) {
        self.spent_bytes += bytes;
        self.spent_frames += 1;
    }

    /// The parked burial's messages could not be read. Gives back those who wait for the end, which nobody can tell now.
    pub(crate) fn postpone(&mut self, queue: QueueNumber, now: Timestamp) -> Vec<Command> {
        self.parked = None;
        self.postponed.insert(queue, now.after(READ_AGAIN));
        core::mem::take(&mut self.for_end).into()
    }

    /// Whether a queue's messages may be buried now.
    pub(crate) fn may_bury(&self, queue: QueueNumber) -> bool {
        !self.postponed.contains_key(&queue)
    }

    /// Whether there is anything to bury now.
    pub(crate) fn has_work(&self, state: &State, now: Timestamp) -> bool {
        let comes_first = |number: QueueNumber| {
            let at = state.queues.get(&number).and_then(|queue| queue.runs.next(Phase::Exhausted));
            let owed = owed_first(state, number, now);
            at.is_some_and(|at| owed.is_none_or(|owed| (at, number) < owed))
        };
        state.exhausted.iter().any(|queue| self.may_bury(*queue) && comes_first(*queue))
    }

    /// When burials that were postponed are tried again.
    pub(crate) fn again_at(&self) -> Option<Timestamp> {
        self.postponed.values().min().copied()
    }

    /// Whether this turn may bury no more.
    pub(crate) fn rests(&self) -> bool {
        self.spent_bytes >= TURN_BYTES || self.spent_frames >= TURN_FRAMES
    }

    /// How long a verb waits, as things stand (D3).
    pub(crate) fn wait(&self, state: &State, verb: &Verb) -> Wait {
        if state.exhausted.is_empty() {
            return Wait::No;
        }
        if self.parked.is_none() {
            return if waits_for_end(state, verb) { Wait::End } else { Wait::No };
        }
        let waits = match verb {
            _ if verb.place().is_some_and(|place| self.places.contains(&place)) => true,
            // For those that exhaust no further message an exhausted one is gone, moved or not. Others would change the
            // order in which messages arrive.
            Verb::Settle { settlement, .. } if settlement.retries.is_empty() => false,
            Verb::Extend { place, extend } if !ends_leases(state, *place, extend) => false,
            // A burial may make a queue, or look for one by its name.
            _ => verb.concerns_queues() || is_concerned(state, verb),
        };
        if waits { Wait::Turn } else { Wait::No }
    }

    /// Keeps a verb until its wait is over.
    pub(crate) fn defer(&mut self, command: Command, wait: Wait) {
        if wait == Wait::End {
            // Somebody wants it done: what failed is tried at once.
            self.postponed.clear();
            self.for_end.push_back(command);
        } else {
            self.places.extend(command.verb.place());
            self.for_turn.push_back(command);
        }
    }

    /// Whether the wait of some verbs is over.
    pub(crate) fn may_release(&self, state: &State) -> bool {
        let ended = state.exhausted.is_empty() && !self.for_end.is_empty();
        self.parked.is_none() && (ended || !self.for_turn.is_empty())
    }

    /// The verbs whose wait is over, in their order.
    pub(crate) fn release(&mut self, state: &State) -> VecDeque<Command> {
        if self.parked.is_some() {
            return VecDeque::new();
        }
        self.places.clear();
        let mut released = VecDeque::new();
        if state.exhausted.is_empty() {
            released.append(&mut self.for_end);
        }
        released.append(&mut self.for_turn);
        released
    }

    /// Everybody who waits, when nothing will be carried out any more.
    pub(crate) fn abandon(&mut self) -> impl Iterator<Item = Command> + use<> {
        self.places.clear();
        core::mem::take(&mut self.for_end).into_iter().chain(core::mem::take(&mut self.for_turn))
    }
}

/// Verbs that a rest in the middle of a drain would show more of than that it takes its time: they would delete what
/// is on its way, lose its way, or be overtaken in line by what was there before them.
fn waits_for_end(state: &State, verb: &Verb) -> bool {
    match verb {
        Verb::Housekeep | Verb::Redrive { .. } => true,
        Verb::Push { place, .. } => {
            let queue = state.catalog.queue(*place);
            queue.is_some_and(|queue| is_target(state, queue.number))
        }
        Verb::Purge { .. }
        | Verb::DeleteQueue { .. }
        | Verb::CreateConsumer { .. }
        | Verb::ReplaceConsumer { .. }
        | Verb::DeleteConsumer { .. } => is_concerned(state, verb),
        _ => false,
    }
}

/// Whether messages are on their way out of the verb's queue, or into it.
fn is_concerned(state: &State, verb: &Verb) -> bool {
    let queue = verb.place().and_then(|place| state.catalog.queue(place));
    queue.is_some_and(|queue| state.exhausted.contains(&queue.number) || is_target(state, queue.number))
}

fn is_target(state: &State, queue: QueueNumber) -> bool {
    state.exhausted.iter().any(|source| burial_target(state, *source) == Some(queue))
}
