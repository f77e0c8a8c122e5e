//! Looks at how old the oldest messages of a queue are, as far as they wait for the disk, and the verbs that wait for
//! them.
//!
//! A message whose retention is over is in no answer (contract B8 of `kew_model`), so verbs on a queue wait while its
//! oldest frames are being read. The end of a lease that comes after the end of a retention waits, too, and with it the
//! dead letters that it may bring: so do verbs on the queue that these would go to.

mod kept;

use std::collections::{BTreeMap, VecDeque};

use kew_model::{Milliseconds, QueueNumber, Timestamp};

use crate::command::{Command, Verb};
use crate::decide::due::{burial_target, owed_first, share_dead_letters};
use crate::fetch::{Fetch, Wish};
use crate::state::State;
use kept::Kept;

/// How long after a failed read it is tried again, unless somebody asks before.
const READ_AGAIN: Milliseconds = Milliseconds(1_000);

/// How many looks read at a time. Each brings about 1 MiB, and thousands of queues may be due at once after a long stop.
const UNDER_WAY_MAX: usize = 16;

/// Whether a verb waits (D5), when all is done that could be done by `now` without reading.
///
/// A queue whose oldest message may still be too old waits for a look, or for what that look waits for.
pub(crate) fn holds_up(state: &State, verb: &Verb, now: Timestamp) -> bool {
    if state.expiries().next().is_none_or(|(at, _)| at > now) {
        return false;
    }
    let queue = verb.place().and_then(|place| state.catalog.queue(place)).map(|queue| queue.number);
    if queue.and_then(|queue| state.expiry(queue)).is_some_and(|at| at <= now) {
        return true;
    }
    // Messages are on their way out of the queue, and let others go first.
    if queue.is_some_and(|queue| state.exhausted.has(queue) && owed_first(state, queue, now).is_some()) {
        return true;
    }
    let is_due = |queue: &QueueNumber| state.expiry(*queue).is_some_and(|at| at <= now);
    let ended = state.deadlines().take_while(|(at, _)| *at <= now).map(|(_, queue)| queue);
    let mut blocked = ended.filter(is_due);
    match (verb.concerns_queues(), queue) {
        (true, _) => blocked.next().is_some(),
        (false, None) => false,
        (false, queue) => blocked.any(|source| burial_target(state, source) == queue),
    }
}

/// Whether a verb that waits may wait for the look at this queue: at its own, at one whose messages may be on their way
/// there, at one before whose dead letters its own have to wait, or at any.
pub(crate) fn concerns(state: &State, verb: &Verb, looked_at: QueueNumber) -> bool {
    let queue = verb.place().and_then(|place| state.catalog.queue(place)).map(|queue| queue.number);
    let is_target = || queue.is_some() && burial_target(state, looked_at) == queue;
    let lets_go_first = || {
        let number = queue.filter(|number| state.exhausted.has(*number));
        number.is_some_and(|number| share_dead_letters(state, looked_at, number))
    };
    verb.concerns_queues() || queue == Some(looked_at) || is_target() || lets_go_first()
}

/// A look under way.
#[derive(Debug, Default)]
struct Look {
    wish: Wish,
    /// When to try again what could not be read; absent while it is being read.
    again_at: Option<Timestamp>,
}

/// The looks under way.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// What they have read.
    pub(crate) kept: Kept,
    under_way: BTreeMap<QueueNumber, Look>,
    /// Who waits, by the queue that the verb is about, so that the end of one look concerns few of many.
    waiting: BTreeMap<Option<QueueNumber>, VecDeque<Command>>,
}

impl Looks {
    /// A look needs something read; false when the same was read before, and in vain.
    pub(crate) fn begin(&mut self, queue: QueueNumber, fetch: &Fetch) -> bool {
        let look = self.under_way.entry(queue).or_default();
        look.again_at = None;
        look.wish.goes_on(fetch.extent())
    }

    /// A look came to its end.
    pub(crate) fn end(&mut self, queue: QueueNumber) {
        self.under_way.remove(&queue);
    }

    /// What a look needs could not be read. Gives back those who waited for it, whom nobody can answer now.
    pub(crate) fn postpone(&mut self, state: &State, queue: QueueNumber, now: Timestamp) -> Vec<Command> {
        self.under_way.insert(queue, Look { wish: Wish::default(), again_at: Some(now.after(READ_AGAIN)) });
        self.concerned(state, queue)
    }

    /// Takes out those who may wait for the look at this queue.
    pub(crate) fn concerned(&mut self, state: &State, queue: QueueNumber) -> Vec<Command> {
        let mut taken = Vec::new();
        for waiting in self.waiting.values_mut() {
            let (concerned, others) =
                waiting.drain(..).partition(|command| concerns(state, &command.verb, queue));
            *waiting = others;
            taken.extend(VecDeque::into_iter(concerned));
        }
        self.waiting.retain(|_, waiting| !waiting.is_empty());
        taken
    }

    /// Whether as many looks read as may.
    pub(crate) fn is_full(&self) -> bool {
        self.under_way.len() >= UNDER_WAY_MAX
    }

    /// Whether a look waits for the disk.
    pub(crate) fn is_under_way(&self, queue: QueueNumber) -> bool {
        self.under_way.contains_key(&queue)
    }

    /// Forgets looks that are to be tried again by now.
    pub(crate) fn retry(&mut self, now: Timestamp) {
        self.under_way.retain(|_, look| look.again_at.is_none_or(|again_at| again_at > now));
    }

    /// When a look that failed is tried again.
    pub(crate) fn again_at(&self) -> Option<Timestamp> {
        self.under_way.values().filter_map(|look| look.again_at).min()
    }

    /// Keeps a verb until the looks are over. Somebody wants it done: what failed of it is tried at once.
    pub(crate) fn defer(&mut self, state: &State, command: Command) {
        self.under_way
            .retain(|queue, look| look.again_at.is_none() || !concerns(state, &command.verb, *queue));
        let queue =
            command.verb.place().and_then(|place| state.catalog.queue(place)).map(|queue| queue.number);
        self.waiting.entry(queue).or_default().push_back(command);
    }

    /// The queues on which verbs wait.
    pub(crate) fn waited_for(&self) -> Vec<QueueNumber> {
        self.waiting.keys().filter_map(|queue| *queue).collect()
    }

    /// Whether somebody waits though no look is under way.
    pub(crate) fn may_release(&self) -> bool {
        self.under_way.is_empty() && !self.waiting.is_empty()
    }

    /// Those whose wait may be over now that a look at this queue is: who waited for it, for the dead letters that it held
    /// up, or for all of them.
    pub(crate) fn release_after(&mut self, state: &State, looked_at: QueueNumber) -> VecDeque<Command> {
        let mut released = VecDeque::new();
        for queue in [Some(looked_at), burial_target(state, looked_at), None] {
            released.extend(self.waiting.remove(&queue).into_iter().flatten());
        }
        released
    }

    /// Those whose own queue holds nothing that is too old by `now`; they may wait for others still.
    pub(crate) fn release(&mut self, state: &State, now: Timestamp) -> VecDeque<Command> {
        // What waits for exhausted messages to leave is tried again, for no look tells of their end.
        let is_over = |queue: &QueueNumber| {
            state.expiry(*queue).is_none_or(|at| at > now) || state.exhausted.has(*queue)
        };
        let over: Vec<_> =
            self.waiting.keys().filter(|queue| queue.as_ref().is_none_or(is_over)).copied().collect();
        over.into_iter().filter_map(|queue| self.waiting.remove(&queue)).flatten().collect()
    }

    /// Everybody who waits, when nothing will be carried out any more.
    pub(crate) fn abandon(&mut self) -> impl Iterator<Item = Command> + use<> {
        core::mem::take(&mut self.waiting).into_values().flatten()
    }
}
