//! What is kept in memory of queues that are pulled from.

use kew_model::{Place, QueueNumber};

use super::Shard;
use crate::queue::QueueState;

/// A window that no pull has used for so many steps is idle. What was read for pulls may exceed the budget until
/// then: by a read of about 1 MiB for each step.
pub(super) const STEPS_IDLE: u64 = 32;

impl Shard {
    /// Notes that a queue's window is in use.
    pub(super) fn use_window(&mut self, place: Place) {
        let Some(number) = self.state.catalog.queue(place).map(|queue| queue.number) else { return };
        let used = self.steps;
        self.state.queues.entry(number).and_modify(|queue| queue.window.used = used);
    }

    /// Empties windows that nobody has pulled from for a while, so that busy queues have the room.
    pub(super) fn drop_idle_windows(&mut self) {
        let since = self.steps.saturating_sub(STEPS_IDLE);
        let waits = &self.line_waits;
        let idle = |number: &QueueNumber, queue: &QueueState| {
            queue.window.used < since && !waits.contains_key(number)
        };
        for (_, queue) in self.state.queues.iter_mut().filter(|(number, queue)| idle(number, queue)) {
            self.state.window_bytes -= queue.window.bytes();
            queue.window.clear();
        }
    }
}
