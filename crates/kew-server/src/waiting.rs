//! Who waits for messages of which queue: a line for each.
//!
//! Only the first of a line listens for news and looks for messages; the others wait for their turn, which comes when the
//! first has got some or has left, and then look at once. So news costs one look and not one for each waiter, and those
//! who came first are served first.
//!
//! Invariants: a line exists as long as somebody stands in it; there are never more waiters than allowed; whoever is
//! dropped, at whatever point, has left the line.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Lock, MutexGuard as LockGuard, PoisonError};

use kew_model::Place;
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

/// A line: its lock is the turn, and is handed on in the order of asking.
type Line = Mutex<()>;

/// All lines.
pub(crate) struct Waiting {
    waiters_max: usize,
    room: Semaphore,
    lines: Lock<HashMap<Place, Arc<Line>>>,
}

/// One who waits.
pub(crate) struct Waiter<'a> {
    waiting: &'a Waiting,
    queue: Place,
    line: Arc<Line>,
    _room: SemaphorePermit<'a>,
}

impl Waiting {
    pub(crate) fn new(waiters_max: usize) -> Self {
        let waiters_max = waiters_max.min(Semaphore::MAX_PERMITS);
        let room = Semaphore::new(waiters_max);
        Self { waiters_max, room, lines: Lock::default() }
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.waiters_max - self.room.available_permits()
    }

    /// Lets one more wait for messages of a queue; nobody when there are as many waiters as allowed.
    pub(crate) fn enter(&self, queue: Place) -> Option<Waiter<'_>> {
        let room = self.room.try_acquire().ok()?;
        let line = Arc::clone(self.lines().entry(queue).or_default());
        Some(Waiter { waiting: self, queue, line, _room: room })
    }

    fn lines(&self) -> LockGuard<'_, HashMap<Place, Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter<'_> {
    /// The turn, when nobody else has it.
    pub(crate) fn turn_if_first(&self) -> Option<MutexGuard<'_, ()>> {
        self.line.try_lock().ok()
    }

    /// The turn, once it comes.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.line.lock().await
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut lines = self.waiting.lines();
        // Lines are shared out and given back under this lock only: one in the table and one here means that nobody else
        // has it.
        let line = core::mem::take(&mut self.line);
        if Arc::strong_count(&line) == 2 {
            lines.remove(&self.queue);
        }
        drop(line);
    }
}

#[cfg(test)]
mod tests {
    use kew_model::{AccountId, QueueId};

    use super::*;

    fn place(queue: u8) -> Place {
        Place { account: AccountId([1; 16]), queue: QueueId([queue; 16]) }
    }

    #[test]
    fn each_queue_has_its_own_line_and_an_empty_line_is_forgotten() {
        let waiting = Waiting::new(10);
        let (one, other) = (waiting.enter(place(1)).unwrap(), waiting.enter(place(2)).unwrap());
        let second = waiting.enter(place(1)).unwrap();
        let turn = one.turn_if_first().unwrap();
        assert!(other.turn_if_first().is_some() && second.turn_if_first().is_none());
        drop(turn);
        drop(one);
        assert!(second.turn_if_first().is_some());
        drop((second, other));
        assert!(waiting.lines().is_empty());
    }

    #[test]
    fn no_more_wait_than_allowed_and_who_leaves_makes_room() {
        let waiting = Waiting::new(2);
        let waiters = [waiting.enter(place(1)).unwrap(), waiting.enter(place(2)).unwrap()];
        assert!(waiting.enter(place(1)).is_none());
        drop(waiters);
        assert!(waiting.enter(place(1)).is_some());
        assert!(waiting.lines().is_empty());
    }
}
