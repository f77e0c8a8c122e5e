//! Who waits for news of which queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kew_model::{Change, QueueNumber};
use tokio::sync::Notify;

/// The waiters of all queues.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    waiters: Mutex<BTreeMap<QueueNumber, Arc<Notify>>>,
    /// Whether there may be a waiter at all, so that a store without any pays nothing.
    any: AtomicBool,
}

impl Signals {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<QueueNumber, Arc<Notify>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A promise kept at the next news of the queue. It counts from this call on, not from its first poll.
    pub(crate) fn wait(&self, queue: QueueNumber) -> Change {
        let notify = Arc::clone(self.lock().entry(queue).or_default());
        self.any.store(true, Ordering::Release);
        let mut notified = Box::pin(notify.notified_owned());
        notified.as_mut().enable();
        notified
    }

    /// There is news of these queues.
    pub(crate) fn tell<'a>(&self, queues: impl IntoIterator<Item = &'a QueueNumber>) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let waiters = self.lock();
        queues.into_iter().filter_map(|queue| waiters.get(queue)).for_each(|notify| notify.notify_waiters());
    }

    /// Everybody is told, since there will be no more news.
    pub(crate) fn tell_all(&self) {
        self.lock().values().for_each(|notify| notify.notify_waiters());
    }

    /// The queues that somebody waits for; those that nobody waits for any more are forgotten.
    pub(crate) fn watched(&self) -> BTreeSet<QueueNumber> {
        if !self.any.load(Ordering::Acquire) {
            return BTreeSet::new();
        }
        let mut waiters = self.lock();
        waiters.retain(|_, notify| Arc::strong_count(notify) > 1);
        self.any.store(!waiters.is_empty(), Ordering::Release);
        waiters.keys().copied().collect()
    }
}
