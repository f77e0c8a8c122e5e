//! What a verb waits for that must not come before the end of a drain: the messages that were exhausted when it came, and
//! none that fail after it. So it is answered however fast messages go on failing.
//!
//! A verb that takes its queue's messages along, or changes where they go, must not meet any that failed after it
//! either: no message fails for the last time in a queue on which such a verb waits.

use kew_model::{QueueNumber, Sequence, Timestamp};

use crate::command::Verb;
use crate::decide::due::burial_target;
use crate::queue::runs::Phase;
use crate::state::State;

/// For each queue the last message that was exhausted, by time and sequence: the order in which they leave. Queues that the
/// verb is not about are among them, since what failed in one moment leaves as if in one step.
#[derive(Debug, Clone)]
pub(crate) struct Fence {
    last: Vec<(QueueNumber, (Timestamp, Sequence))>,
    /// The queue in which nothing fails for the last time meanwhile.
    pub(crate) holds: Option<QueueNumber>,
}

impl Fence {
    /// What a verb that comes now has to wait for.
    ///
    /// A rest in the middle of a drain would show such verbs more than that it takes its time: they would delete what is
    /// on its way, lose its way, or be overtaken in line by what was there before them.
    pub(crate) fn around(state: &State, verb: &Verb) -> Option<Self> {
        let number = verb.place().and_then(|place| state.catalog.queue(place)).map(|queue| queue.number);
        let goes_there = |source: QueueNumber| number.is_some() && burial_target(state, source) == number;
        let sources = || state.exhausted.iter().map(|(_, source)| source);
        let is_concerned = || {
            let is_source = number.is_some_and(|number| state.exhausted.has(number));
            is_source || sources().any(goes_there)
        };
        let waits = match verb {
            Verb::Housekeep | Verb::Redrive { .. } => true,
            Verb::Push { .. } => sources().any(goes_there),
            _ => stops_failures(verb) && is_concerned(),
        };
        let last = |queue: QueueNumber| {
            let runs = &state.queues.get(&queue)?.runs;
            Some((queue, runs.last(Phase::Exhausted)?))
        };
        waits.then(|| Self {
            last: sources().filter_map(last).collect(),
            holds: number.filter(|_| stops_failures(verb)),
        })
    }

    /// Whether all that was exhausted has left.
    pub(crate) fn is_passed(&self, state: &State) -> bool {
        let is_left = |(queue, last): &(QueueNumber, (Timestamp, Sequence))| {
            state.queues.get(queue).is_some_and(|queue| queue.runs.holds_until(Phase::Exhausted, *last))
        };
        !self.last.iter().any(is_left)
    }
}

/// Whether a verb takes along what fails in its queue, or changes where it goes.
pub(super) fn stops_failures(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Purge { .. }
            | Verb::DeleteQueue { .. }
            | Verb::CreateConsumer { .. }
            | Verb::ReplaceConsumer { .. }
            | Verb::DeleteConsumer { .. }
    )
}
