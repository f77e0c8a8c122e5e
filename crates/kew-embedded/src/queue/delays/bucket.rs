//! The delays that end in one second.

use core::cmp::Reverse;
use std::sync::Arc;

use kew_model::Timestamp;

use super::Delayed;

/// Entries of one second. Copies share them until one changes.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    /// In order when `sorted`; the last is the earliest, so that taking from the front is popping.
    entries: Arc<Vec<Delayed>>,
    sorted: bool,
    /// No entry is available before.
    earliest: Timestamp,
    /// No entry holds a sequence below.
    lowest: u64,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { entries: Arc::default(), sorted: true, earliest: Timestamp::NEVER, lowest: u64::MAX }
    }
}

impl Bucket {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A sequence below which it holds nothing.
    pub(super) fn lowest(&self) -> u64 {
        self.lowest
    }

    pub(super) fn push(&mut self, entry: Delayed) {
        self.earliest = self.earliest.min(entry.available_at);
        self.lowest = self.lowest.min(entry.first);
        Arc::make_mut(&mut self.entries).push(entry);
        self.sorted = self.entries.len() == 1;
    }

    /// The entry that was added last, unless they were put in order since.
    pub(super) fn last_mut(&mut self) -> Option<&mut Delayed> {
        // What is not there need not be copied.
        if self.entries.is_empty() { None } else { Arc::make_mut(&mut self.entries).last_mut() }
    }

    pub(super) fn sort(&mut self) {
        if !self.sorted {
            Arc::make_mut(&mut self.entries)
                .sort_unstable_by_key(|entry| Reverse((entry.available_at, entry.first)));
            self.sorted = true;
        }
    }

    /// Takes the first entry out.
    pub(super) fn pop(&mut self) -> Option<Delayed> {
        self.sort();
        Arc::make_mut(&mut self.entries).pop()
    }

    /// Puts back what is left of an entry that was taken out.
    pub(super) fn put_back(&mut self, entry: Delayed) {
        Arc::make_mut(&mut self.entries).push(entry);
    }

    /// Keeps the entries that `keep` says, as it leaves them.
    pub(super) fn retain(&mut self, keep: impl FnMut(&mut Delayed) -> bool) {
        let entries = Arc::make_mut(&mut self.entries);
        entries.retain_mut(keep);
        self.lowest = entries.iter().map(|entry| entry.first).min().unwrap_or(u64::MAX);
        if entries.capacity() > 4 * entries.len() {
            entries.shrink_to(2 * entries.len());
        }
    }

    /// The first time after `since` in it.
    pub(super) fn next_after(&mut self, since: Timestamp) -> Option<Timestamp> {
        if self.earliest > since {
            // Taken entries do not count any more, so it may be too early, but never too late.
            return Some(self.earliest);
        }
        self.sort();
        let later = self.entries.partition_point(|entry| entry.available_at > since);
        Some(self.entries[later.checked_sub(1)?].available_at)
    }

    /// The entries, which have been put in order, by time and sequence.
    pub(super) fn in_order(&self) -> impl Iterator<Item = Delayed> {
        debug_assert!(self.sorted, "sorting comes first");
        self.entries.iter().rev().copied()
    }

    /// The entries, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Delayed> {
        self.entries.iter()
    }
}
