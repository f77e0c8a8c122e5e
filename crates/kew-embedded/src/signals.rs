//! Who waits for news of which queue.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kew_model::{Change, QueueNumber};
use tokio::sync::Notify;

use crate::effort::Effort;

/// The waiters of all queues. Whoever is told is forgotten with it, so that telling costs by who is told and a turn of
/// the writer nothing by who waits.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    waiters: Mutex<Waiters>,
    /// Whether there may be a waiter at all, so that a store without any pays nothing.
    any: AtomicBool,
    pub(crate) effort: Effort,
}

#[derive(Debug, Default)]
struct Waiters {
    by_queue: HashMap<QueueNumber, Arc<Notify>>,
    /// How many queues had a waiter when those that nobody waits for any more were last forgotten.
    swept: usize,
}

/// How many queues beyond twice those of the last sweep lead to another.
const SWEEP_BEYOND: usize = 64;

impl Signals {
    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A promise kept at the next news of the queue. It counts from this call on, not from its first poll.
    pub(crate) fn wait(&self, queue: QueueNumber) -> Change {
        let mut waiters = self.lock();
        if waiters.by_queue.len() > 2 * waiters.swept + SWEEP_BEYOND {
            waiters.by_queue.retain(|_, notify| Arc::strong_count(notify) > 1);
            waiters.swept = waiters.by_queue.len();
        }
        let notify = Arc::clone(waiters.by_queue.entry(queue).or_default());
        let mut notified = Box::pin(notify.notified_owned());
        notified.as_mut().enable();
        self.any.store(true, Ordering::Release);
        notified
    }

    /// There is news of these queues.
    pub(crate) fn tell<'a>(&self, queues: impl IntoIterator<Item = &'a QueueNumber>) {
        if !self.any() {
            return;
        }
        let mut waiters = self.lock();
        let queues = queues.into_iter().inspect(|_| self.effort.note());
        let told = queues.filter_map(|queue| waiters.by_queue.remove(queue));
        told.for_each(|notify| notify.notify_waiters());
        self.any.store(!waiters.by_queue.is_empty(), Ordering::Release);
    }

    /// Everybody is told, since there will be no more news.
    pub(crate) fn tell_all(&self) {
        self.lock().by_queue.drain().for_each(|(_, notify)| notify.notify_waiters());
    }

    /// Whether anybody may wait.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn who_is_told_is_forgotten_and_who_left_is_swept() {
        let signals = Signals::default();
        let mut promise = signals.wait(QueueNumber(0));
        signals.tell(&[QueueNumber(0)]);
        assert!(promise.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(!signals.any());

        (1..10_000).for_each(|queue| drop(signals.wait(QueueNumber(queue))));
        assert!(signals.lock().by_queue.len() <= SWEEP_BEYOND + 1);
    }
}
