//! Idempotency keys of all queues, kept within one bound.

use kew_model::{QueueNumber, Timestamp};

use super::State;

impl State {
    /// Counts the idempotency keys of a queue, and keeps all of them within the store's bound.
    pub(crate) fn count_keys(&mut self, number: QueueNumber) {
        self.key_counts.set(number, self.queues.get(&number).map_or(0, |queue| queue.keys.len()));
        while let Some(largest) = self.key_counts.beyond() {
            let Some(queue) = self.queues.get_mut(&largest) else { return };
            queue.keys.forget_oldest();
            self.key_counts.set(largest, queue.keys.len());
        }
    }

    /// Bounds how many idempotency keys are remembered, over all queues.
    pub(crate) fn bound_keys(&mut self, most: usize) {
        self.key_counts.most = most;
        for number in self.queues.keys().copied().collect::<Vec<_>>() {
            self.count_keys(number);
        }
    }

    /// Forgets idempotency keys of a queue whose time is over by `now`, some at a time; says whether there are more.
    pub(crate) fn forget_old_keys(&mut self, number: QueueNumber, now: Timestamp, most: usize) -> bool {
        let queue = self.queues.get_mut(&number);
        let has_more = queue.is_some_and(|queue| queue.keys.forget_old(now, most));
        self.count_keys(number);
        has_more
    }
}
