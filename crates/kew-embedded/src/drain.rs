//! The burials of a shard, in turns, and the verbs that wait for them.
//!
//! Exhausted messages leave their queues in frames of bounded size, most of which wait for bodies to be read. As many
//! as one turn allows look like one step: verbs on the queues concerned wait for the turn's end, in their order. A
//! drain that is longer rests after each turn, and whoever has waited is carried out before it goes on. Acks and longer
//! leases do not even wait for that, unless others of their queue are before them. What has not moved by then still
//! counts in the source's backlog, is delivered by nobody, and is gone for acks, retries, extensions and discards. Only
//! verbs that would take such messages along, or come before them in the target's line, wait longer: until what was
//! exhausted when they came has left (`fence.rs`). The turn in which that happens ends with it.

mod fence;

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use kew_model::{Milliseconds, Place, QueueNumber, Timestamp};

use crate::command::{Command, Verb};
use crate::decide::due::{Burial, burial_target, next_to_bury};
use crate::decide::settle::{ends_leases, lasts_no_time};
use crate::state::State;
pub(crate) use fence::Fence;
use fence::stops_failures;

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
    /// For what its fence says.
    Fence,
    /// For a verb on its queue that came before it and waits for its fence.
    Behind,
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
    for_fence: VecDeque<Command>,
    behind: VecDeque<Command>,
    /// The queues in which nothing fails for the last time, since a verb wants that: one of each queue, so that its fence is
    /// no later than what waits for its end.
    held: BTreeSet<QueueNumber>,
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

    /// The parked burial's messages could not be read. Gives back those who wait for what leaves, which nobody can tell
    /// now.
    pub(crate) fn postpone(&mut self, queue: QueueNumber, now: Timestamp) -> Vec<Command> {
        self.parked = None;
        self.postponed.insert(queue, now.after(READ_AGAIN));
        let failed = Vec::from(core::mem::take(&mut self.for_fence));
        failed.iter().for_each(|command| self.let_go(command));
        failed
    }

    /// Whether a queue's messages may be buried now.
    pub(crate) fn may_bury(&self, queue: QueueNumber) -> bool {
        !self.postponed.contains_key(&queue)
    }

    /// Whether there is anything to bury now.
    pub(crate) fn has_work(&self, state: &State, now: Timestamp) -> bool {
        next_to_bury(state, now, |queue| self.may_bury(queue)).next().is_some()
    }

    /// When burials that were postponed are tried again.
    pub(crate) fn again_at(&self) -> Option<Timestamp> {
        self.postponed.values().min().copied()
    }

    /// Whether this turn may bury no more.
    pub(crate) fn rests(&self) -> bool {
        self.spent_bytes >= TURN_BYTES || self.spent_frames >= TURN_FRAMES
    }

    /// Notes what a verb that comes waits for, unless it did so before, or stands behind one that holds its queue.
    pub(crate) fn fence_in(&mut self, state: &State, command: &mut Command) {
        let is_behind = stops_failures(&command.verb) && self.number_held(state, &command.verb).is_some();
        if command.fence.is_none() && !is_behind && !state.exhausted.is_empty() {
            command.fence = Fence::around(state, &command.verb).map(Box::new);
            self.held.extend(command.holds());
        }
    }

    /// A verb has been answered, and holds nothing up any more.
    pub(crate) fn let_go(&mut self, command: &Command) {
        if let Some(queue) = command.holds() {
            self.held.remove(&queue);
        }
    }

    /// Whether messages of a queue may not fail for the last time now.
    pub(crate) fn holds(&self, queue: QueueNumber) -> bool {
        self.held.contains(&queue)
    }

    /// Whether the fence of a verb that waits for it is passed.
    pub(crate) fn has_passed(&self, state: &State) -> bool {
        let waiting = self.for_fence.iter().chain(&self.for_turn);
        waiting.filter_map(|command| command.fence.as_ref()).any(|fence| fence.is_passed(state))
    }

    /// Ends the turn, for the sake of who waits for that.
    pub(crate) fn rest(&mut self) {
        self.spent_frames = TURN_FRAMES;
    }

    /// How long a verb waits, as things stand (D3).
    pub(crate) fn wait(&self, state: &State, command: &Command, now: Timestamp) -> Wait {
        let verb = &command.verb;
        if command.fence.is_none() && self.is_behind(state, verb, now) {
            return Wait::Behind;
        }
        let is_fenced = command.fence.as_ref().is_some_and(|fence| !fence.is_passed(state));
        if self.parked.is_none() || state.exhausted.is_empty() {
            return if is_fenced { Wait::Fence } else { Wait::No };
        }
        let waits = match verb {
            _ if is_fenced => true,
            // It takes nothing that is on its way, and comes back from each of its reads in the middle of some turn.
            Verb::Redrive { .. } => false,
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

    /// Whether a verb would make messages fail where none may, or wants that as well, or would see that none does.
    fn is_behind(&self, state: &State, verb: &Verb, now: Timestamp) -> bool {
        let Some(queue) = self.number_held(state, verb) else { return false };
        let fails = match verb {
            Verb::Settle { settlement, .. } => !settlement.retries.is_empty(),
            Verb::Pull { place, pull } => lasts_no_time(state, *place, pull.visibility_timeout),
            Verb::Extend { place, extend } => ends_leases(state, *place, extend),
            _ => stops_failures(verb),
        };
        fails || state.deadline(queue).is_some_and(|deadline| deadline <= now)
    }

    /// The queue of a verb, if it is held.
    fn number_held(&self, state: &State, verb: &Verb) -> Option<QueueNumber> {
        if self.held.is_empty() {
            return None;
        }
        let queue = verb.place().and_then(|place| state.catalog.queue(place))?;
        Some(queue.number).filter(|queue| self.holds(*queue))
    }

    /// Keeps a verb until its wait is over.
    pub(crate) fn defer(&mut self, command: Command, wait: Wait) {
        match wait {
            Wait::Fence => {
                // Somebody wants it done: what failed is tried at once.
                self.postponed.clear();
                self.for_fence.push_back(command);
            }
            Wait::Behind => self.behind.push_back(command),
            Wait::No | Wait::Turn => {
                self.places.extend(command.verb.place());
                self.for_turn.push_back(command);
            }
        }
    }

    /// Whether the wait of some verbs is over.
    pub(crate) fn may_release(&self, state: &State) -> bool {
        let is_behind = |command: &Command| self.number_held(state, &command.verb).is_some();
        self.parked.is_none()
            && (!self.for_turn.is_empty() || self.has_passed(state) || !self.behind.iter().all(is_behind))
    }

    /// The verbs whose wait is over, in their order.
    pub(crate) fn release(&mut self, state: &State) -> VecDeque<Command> {
        if self.parked.is_some() {
            return VecDeque::new();
        }
        self.places.clear();
        if self.for_fence.is_empty() && self.for_turn.is_empty() && self.behind.is_empty() {
            // Nearly always, and this is asked for each verb.
            return VecDeque::new();
        }
        let is_passed = |command: &Command| command.fence.as_ref().is_none_or(|fence| fence.is_passed(state));
        let (mut released, unpassed): (VecDeque<_>, _) =
            core::mem::take(&mut self.for_fence).into_iter().partition(is_passed);
        self.for_fence = unpassed;
        released.append(&mut self.for_turn);
        let behind = core::mem::take(&mut self.behind);
        let (still, free): (VecDeque<_>, VecDeque<_>) =
            behind.into_iter().partition(|command| self.number_held(state, &command.verb).is_some());
        self.behind = still;
        released.extend(free);
        released
    }

    /// Everybody who waits, when nothing will be carried out any more.
    pub(crate) fn abandon(&mut self) -> impl Iterator<Item = Command> + use<> {
        self.places.clear();
        let waiting = [&mut self.for_fence, &mut self.for_turn, &mut self.behind].map(core::mem::take);
        waiting.into_iter().flatten()
    }
}

/// Whether messages are on their way out of the verb's queue, or into it.
fn is_concerned(state: &State, verb: &Verb) -> bool {
    let queue = verb.place().and_then(|place| state.catalog.queue(place));
    queue.is_some_and(|queue| state.exhausted.has(queue.number) || is_target(state, queue.number))
}

fn is_target(state: &State, queue: QueueNumber) -> bool {
    state.exhausted.iter().any(|(_, source)| burial_target(state, source) == Some(queue))
}
