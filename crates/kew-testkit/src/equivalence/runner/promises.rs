//! Promises of news: one made before a pull that found nothing must be kept once a pull finds something.
//!
//! A broker may keep promises on a thread of its own, a moment later; so they are looked at only before a broker is
//! closed and at the end of a script, and then waited for.

use core::time::Duration;

use kew_model::Change;

use super::super::script::{SLOTS, Slot};
use crate::wait::wait_at_most;

/// How long a promise that is due may take: ample for any machine.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Promises {
    /// Made before the last pull that found nothing, by slot.
    open: [Option<[Change; 2]>; SLOTS],
    due: Vec<[Change; 2]>,
}

impl Promises {
    /// A pull found nothing; `made` before it.
    pub(super) fn found_nothing(&mut self, slot: Slot, made: [Change; 2]) {
        self.open[slot].get_or_insert(made);
    }

    /// A pull found something: what was promised has come.
    pub(super) fn found_something(&mut self, slot: Slot) {
        self.due.extend(self.open[slot].take());
    }

    /// The queue is deleted: nobody waits for it any more.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.open[slot] = None;
    }

    /// Waits for those that are due; the open ones end here, as their brokers do.
    pub(super) fn are_kept(self) -> Result<(), String> {
        for promises in self.due {
            for (whose, promise) in ["first", "second"].into_iter().zip(promises) {
                if wait_at_most(promise, PATIENCE).is_none() {
                    return Err(format!("the {whose} broker forgot a promise"));
                }
            }
        }
        Ok(())
    }
}
