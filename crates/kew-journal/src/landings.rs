//! The order in which flights land.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::error::Error;
use crate::shared::{Shared, locked};

/// How many flights have landed, and who waits for that.
#[derive(Debug, Default)]
pub(crate) struct Landings {
    landed: Mutex<u64>,
    news: Condvar,
}

impl Landings {
    /// Waits until so many have landed.
    ///
    /// # Errors
    /// [`Error::Poisoned`] when one of them never will.
    pub(crate) fn wait_for(&self, count: u64, shared: &Shared) -> Result<(), Error> {
        let mut landed = locked(&self.landed);
        while *landed < count {
            shared.alive()?;
            landed = self.news.wait(landed).unwrap_or_else(PoisonError::into_inner);
        }
        drop(landed);
        shared.alive()
    }

    /// A flight has landed, and the next one may.
    pub(crate) fn pass(&self, number: u64) {
        *locked(&self.landed) = number + 1;
        self.news.notify_all();
    }

    /// The journal has ended: nobody waits any more.
    pub(crate) fn end(&self) {
        // Whoever looked before the failure waits by now.
        drop(locked(&self.landed));
        self.news.notify_all();
    }
}
