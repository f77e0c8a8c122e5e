//! The store without threads, for simulation: whoever asks does the work, on the spot, in the same order every time.
//!
//! It is the same driver, shard and keeper as in the product; only who calls them differs. With a simulated disk, a
//! manual clock and a fixed chance, a run repeats itself to the byte, so that it can be stopped at any single step.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[cfg(test)]
use crate::driver::Driver;
use crate::keeper::{Fetcher, Housekeeper};
use crate::shard::Shard;
use crate::shared::Shared;
use crate::writers::Writers;

/// What the threads would do, waiting to be called.
pub(crate) struct Inline {
    parts: Mutex<Parts>,
}

struct Parts {
    writers: Writers,
    /// Whether the store is closed or has failed.
    is_over: bool,
    fetcher: Fetcher,
    housekeeper: Housekeeper,
    /// Whether verbs gather instead of being carried out.
    held: bool,
}

impl Inline {
    pub(crate) fn new(writers: Writers, fetcher: Fetcher, housekeeper: Housekeeper) -> Self {
        let parts = Parts { writers, is_over: false, fetcher, housekeeper, held: false };
        Self { parts: Mutex::new(parts) }
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does everything that has been asked for, and all that follows from it.
    pub(crate) fn pump(&self) {
        let mut parts = self.lock();
        if !parts.held {
            parts.pump();
        }
    }

    /// Lets verbs gather, to be carried out as one group by [`Inline::release`].
    pub(crate) fn hold(&self) {
        self.lock().held = true;
    }

    /// Carries out what has gathered.
    pub(crate) fn release(&self) {
        let mut parts = self.lock();
        parts.held = false;
        parts.pump();
    }

    /// Lets the writer take one turn while nobody reads for it.
    pub(crate) fn write(&self) {
        self.idle();
    }

    /// Reads what the writer has asked for, which comes to it at its next turn.
    pub(crate) fn read(&self) {
        self.lock().fetcher.read(Some(Duration::ZERO));
    }

    /// Lets the store fall idle: what the writer does when nothing comes for a while.
    pub(crate) fn idle(&self) {
        self.lock().write();
    }

    /// What the threads would share.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.lock().fetcher.shared)
    }

    /// Looks at the driver, until the store is closed or has failed.
    #[cfg(test)]
    pub(crate) fn with_driver<T>(&self, look: impl FnOnce(&mut Driver) -> T) -> Option<T> {
        self.lock().writers.with_driver(look)
    }

    /// Looks at the shard, while there is one.
    pub(crate) fn with_shard<T>(&self, look: impl FnOnce(&mut Shard) -> T) -> Option<T> {
        self.shared().desk.lock().as_mut().map(|work| look(&mut work.shard))
    }
}

impl Parts {
    /// One turn of the writer.
    fn write(&mut self) {
        self.is_over |= self.is_over || !self.writers.turn(Some(Duration::ZERO));
    }

    fn pump(&mut self) {
        loop {
            let shared = Arc::clone(&self.fetcher.shared);
            let asked = shared.inbox.has_news() || shared.orders.has_news();
            if asked {
                // As with threads: whoever asks decides, and the writer makes it durable.
                shared.attend();
                self.write();
            }
            let read = self.fetcher.read(Some(Duration::ZERO));
            let kept = self.housekeeper.keep(Some(Duration::ZERO));
            if self.is_over || !(asked || read || kept) {
                return;
            }
        }
    }
}
