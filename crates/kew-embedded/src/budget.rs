//! How many bytes of requests wait inside the store, wherever they wait: in the inbox, for the disk, for a burial, or
//! for their answer to be read.
//!
//! Whoever asks takes room first and is refused when there is none. The room travels with what it was taken for and is
//! given back when that is dropped, so that no place of waiting can be forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may wait.
#[derive(Debug)]
pub(crate) struct Budget {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
}

/// A part of the budget, until it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(limit_bytes: usize) -> Arc<Self> {
        Arc::new(Self { limit_bytes, used_bytes: AtomicUsize::new(0) })
    }

    /// Room for a request; `None` when too much waits. One above the limit passes when nothing waits.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        let fits = |used: usize| {
            let after = used.saturating_add(bytes);
            (used == 0 || after <= self.limit_bytes).then_some(after)
        };
        let taken = self.used_bytes.try_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        taken.ok().map(|_| Room { budget: Arc::clone(self), bytes })
    }

    /// How much of it is taken, in bytes.
    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Room for what must not be refused any more, beyond the limit if need be.
    pub(crate) fn take_anyway(self: &Arc<Self>, bytes: usize) -> Room {
        self.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        Room { budget: Arc::clone(self), bytes }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_room_comes_back() {
        let budget = Budget::new(100);
        let first = budget.take(60).unwrap();
        assert!(budget.take(60).is_none());
        let second = budget.take(40).unwrap();
        drop(first);
        assert!(budget.take(60).is_some());
        drop(second);
    }

    #[test]
    fn one_request_above_the_limit_passes_when_nothing_waits() {
        let budget = Budget::new(100);
        let room = budget.take(200).unwrap();
        assert!(budget.take(1).is_none());
        drop(room);
        assert!(budget.take(1).is_some());
    }

    #[test]
    fn what_is_never_refused_counts_all_the_same() {
        let budget = Budget::new(100);
        let rooms = [budget.take_anyway(80), budget.take_anyway(80)];
        assert!(budget.take(1).is_none());
        drop(rooms);
        assert!(budget.take(100).is_some());
    }
}
