//! The writers: threads that take turns at the desk and make durable what they took, more than one at a time.
//!
//! Whoever finds something to do takes it, and the others wait for more; so while one waits for its sync, another may
//! take the next group. What they took is given out in the order in which it was taken (`driver/turn.rs`).
//!
//! Whoever asks may take a turn, too, where a sync is swift: to wake a writer, and to be woken by it, would take as long.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kew_model::Error;

use crate::driver::{Begun, Driver, Failed, Message, Turn};
use crate::mailbox::Taken;
use crate::shared::{Alarm, Shared};

/// What the writers share.
pub(crate) struct Writers {
    shared: Arc<Shared>,
    /// Held by whoever begins a turn. Gone once the store is closed or has failed.
    driver: Mutex<Option<Box<Driver>>>,
}

impl Writers {
    pub(crate) fn new(driver: Box<Driver>) -> Self {
        Self { shared: Arc::clone(&driver.shared), driver: Mutex::new(Some(driver)) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Driver>>> {
        self.driver.lock().unwrap_or_else(|poisoned| {
            // Whoever began a turn left it half done, and has told everybody (`Alarm`).
            let mut driver = poisoned.into_inner();
            driver.take();
            driver
        })
    }

    /// Looks at the driver, while there is one.
    #[cfg(test)]
    pub(crate) fn with_driver<T>(&self, look: impl FnOnce(&mut Driver) -> T) -> Option<T> {
        self.lock().as_mut().map(|driver| look(driver))
    }

    /// Takes turns until the store is told to close or fails.
    pub(crate) fn run(&self) {
        let _alarm = Alarm { shared: Arc::clone(&self.shared), thread: "writer" };
        loop {
            let Some(patience) = self.lock().as_mut().map(|driver| driver.patience()) else { return };
            if !self.turn(patience) {
                return;
            }
        }
    }

    /// Waits for something to do and does it; false when that was the last time.
    pub(crate) fn turn(&self, patience: Option<Duration>) -> bool {
        let taken = self.shared.orders.take(patience);
        let slot = self.lock();
        if slot.is_some() {
            return self.take_turn(slot, taken);
        }
        self.come_late(taken.items);
        false
    }

    /// Makes durable what has gathered on the thread of whoever asks; false when a writer has to do it, because one is
    /// at it, was told something else, or has more to do than that.
    pub(crate) fn turn_here(&self) -> bool {
        let Ok(mut slot) = self.driver.try_lock() else { return false };
        let Some(driver) = slot.as_mut().filter(|driver| driver.has_nothing_else_to_do()) else {
            return false;
        };
        // In this order: whatever is noted from here on is for the next turn.
        if !self.shared.orders.heed() {
            return false;
        }
        driver.progress.is_restless = true;
        self.take_turn(slot, Taken::nothing());
        // Whoever holds it now looks at the same desk before they sleep; they may be at it for long, and this thread serves.
        let wakes_in_time = self
            .driver
            .try_lock()
            .ok()
            .is_none_or(|slot| slot.as_ref().is_none_or(|driver| driver.sleeps_short_enough()));
        if !wakes_in_time || self.shared.orders.has_news() {
            self.shared.orders.wake();
        }
        true
    }

    /// Does what there is to do; false when that was the last time.
    fn take_turn(&self, mut slot: MutexGuard<'_, Option<Box<Driver>>>, taken: Taken<Message>) -> bool {
        let Some(driver) = slot.as_mut() else { return false };
        let Begun { turn, close } = driver.begin(taken);
        let is_last = !close.is_empty();
        // While it is the last one nobody begins another.
        let held = (is_last || turn.is_err()).then_some(slot);
        let finished = turn.and_then(Turn::finish);
        if finished.is_ok() && !is_last {
            return true;
        }
        // To the very end: another writer that was asked to close answers when it is done.
        let mut slot = held.unwrap_or_else(|| self.lock());
        match (finished, slot.take()) {
            (Ok(()), Some(driver)) => driver.close(close),
            (Ok(()), None) => {}
            (Err(failed), Some(mut driver)) => driver.fail(failed, close),
            // Another writer has failed before, and told everybody but these.
            (Err(Failed { cause, waiting }), None) => {
                let error = Error::OutcomeUnknown { cause };
                waiting.into_iter().for_each(|reply_to| reply_to.send(Err(error.clone())));
            }
        }
        false
    }

    /// Answers whoever asked this writer to close, when another has closed the store meanwhile, or has failed.
    fn come_late(&self, messages: Vec<Message>) {
        for message in messages {
            if let Message::Close(reply_to) = message {
                drop(reply_to.send(self.shared.ended()));
            }
        }
    }
}
