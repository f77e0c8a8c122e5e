//! Messages held back when they came, in buckets of one second each.
//!
//! A batch with one delay is one entry. Entries of a bucket are put in order when the bucket's turn comes near, which
//! costs nothing when they came in order, as they do from a queue with one delay. A message that was discarded
//! meanwhile is passed over, and stays here until one that comes after it is taken.

use std::collections::{BTreeMap, BTreeSet};

use kew_model::{Sequence, Timestamp};

use crate::record::run::Span;

/// How many entries are searched for one message.
const SEARCHED: usize = 1_000;

/// Messages in a row, alike, available at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delayed {
    pub(crate) available_at: Timestamp,
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) span: Span,
}

#[derive(Debug, Clone)]
struct Bucket {
    /// In order when `sorted`; the last is the earliest, so that taking from the front is popping.
    entries: Vec<Delayed>,
    sorted: bool,
    /// No entry is available before.
    earliest: Timestamp,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { entries: Vec::new(), sorted: true, earliest: Timestamp::NEVER }
    }
}

impl Bucket {
    fn push(&mut self, entry: Delayed) {
        self.earliest = self.earliest.min(entry.available_at);
        self.entries.push(entry);
        self.sorted = self.entries.len() == 1;
    }

    fn sort(&mut self) {
        if !self.sorted {
            self.entries.sort_unstable_by_key(|entry| core::cmp::Reverse((entry.available_at, entry.first)));
            self.sorted = true;
        }
    }

    /// The first time after `since` in it.
    fn next_after(&mut self, since: Timestamp) -> Option<Timestamp> {
        if self.earliest > since {
            // Taken entries do not count any more, so it may be too early, but never too late.
            return Some(self.earliest);
        }
        self.sort();
        let later = self.entries.partition_point(|entry| entry.available_at > since);
        Some(self.entries[later.checked_sub(1)?].available_at)
    }
}

/// The delayed messages of a queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delays {
    buckets: BTreeMap<u64, Bucket>,
    /// The buckets that may be out of order.
    unsorted: BTreeSet<u64>,
}

impl Delays {
    /// Adds a message, or lengthens the entry that it continues.
    pub(crate) fn insert(&mut self, available_at: Timestamp, sequence: Sequence, span: Span) {
        let bucket = self.buckets.entry(available_at.0 / 1000).or_default();
        let span = Span { from: 0, ..span };
        match bucket.entries.last_mut() {
            Some(last)
                if last.available_at == available_at
                    && last.first + u64::from(last.count) == sequence.0
                    && last.span == span =>
            {
                last.count += 1;
            }
            _ => {
                bucket.push(Delayed { available_at, first: sequence.0, count: 1, span });
                self.unsorted.insert(available_at.0 / 1000);
            }
        }
    }

    /// Puts in order what may be taken up to `now`. Called before [`Delays::due`] is; changes nothing that shows.
    pub(crate) fn prepare(&mut self, now: Timestamp) {
        while let Some(number) = self.unsorted.first().copied().filter(|number| *number <= now.0 / 1000) {
            self.unsorted.remove(&number);
            self.buckets.get_mut(&number).into_iter().for_each(Bucket::sort);
        }
    }

    /// Entries available at `now`, by time and sequence.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = Delayed> {
        let buckets = self.buckets.range(..=now.0 / 1000).map(|(_, bucket)| bucket);
        debug_assert!(buckets.clone().all(|bucket| bucket.sorted), "prepare(now) comes first");
        let entries = buckets.flat_map(|bucket| bucket.entries.iter().rev().copied());
        entries.take_while(move |entry| entry.available_at <= now)
    }

    /// The first time after `since` at which a delay is over, or one before that.
    pub(crate) fn next_after(&mut self, since: Timestamp) -> Option<Timestamp> {
        self.buckets.range_mut(since.0 / 1000..).find_map(|(_, bucket)| bucket.next_after(since))
    }

    /// Takes out everything before `sequence` in order, and it: the messages before it were discarded.
    pub(crate) fn take(&mut self, sequence: Sequence) {
        while let Some(mut bucket) = self.buckets.first_entry() {
            bucket.get_mut().sort();
            while let Some(mut entry) = bucket.get_mut().entries.pop() {
                let end = entry.first + u64::from(entry.count);
                if !(entry.first..end).contains(&sequence.0) {
                    continue;
                }
                entry.count = u32::try_from(end - sequence.0 - 1).unwrap_or(0);
                entry.first = sequence.0 + 1;
                if entry.count > 0 {
                    bucket.get_mut().entries.push(entry);
                } else if bucket.get().entries.is_empty() {
                    bucket.remove();
                }
                return;
            }
            bucket.remove();
        }
    }

    /// Takes all messages before a sequence out, wherever they wait.
    pub(crate) fn take_below(&mut self, before: u64) -> Vec<Delayed> {
        let mut taken = Vec::new();
        self.buckets.retain(|_, bucket| {
            bucket.entries.retain_mut(|entry| {
                let below = u32::try_from(before.saturating_sub(entry.first)).unwrap_or(u32::MAX);
                let below = below.min(entry.count);
                if below > 0 {
                    taken.push(Delayed { count: below, ..*entry });
                    entry.first += u64::from(below);
                    entry.count -= below;
                }
                entry.count > 0
            });
            !bucket.entries.is_empty()
        });
        taken
    }

    /// When a message was published, if it is among the earliest entries: it is asked for the oldest message, which
    /// mostly is due before the others. Further ones are not searched, since a search costs more than a read.
    pub(crate) fn sent_at(&self, sequence: Sequence) -> Option<Timestamp> {
        let holds =
            |entry: &&Delayed| (entry.first..entry.first + u64::from(entry.count)).contains(&sequence.0);
        self.iter().take(SEARCHED).find(holds).map(|entry| entry.span.sent_at)
    }

    pub(crate) fn clear(&mut self) {
        self.buckets.clear();
        self.unsorted.clear();
    }

    /// Every entry, for a checkpoint; in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Delayed> {
        self.buckets.values().flat_map(|bucket| &bucket.entries)
    }

    /// The same messages, entered one by one in their order: what two histories of one queue have in common.
    #[cfg(feature = "test-util")]
    pub(crate) fn in_order(&self) -> Self {
        let each = self.iter().flat_map(|entry| {
            (entry.first..entry.first + u64::from(entry.count))
                .map(|sequence| (entry.available_at, sequence, entry.span))
        });
        let mut messages: Vec<_> = each.collect();
        messages.sort_unstable_by_key(|(at, sequence, _)| (*at, *sequence));
        let mut ordered = Self::default();
        messages.into_iter().for_each(|(at, sequence, span)| ordered.insert(at, Sequence(sequence), span));
        ordered
    }

    /// Puts an entry of [`Delays::iter`] back.
    pub(crate) fn restore(&mut self, entry: Delayed) {
        let bucket = self.buckets.entry(entry.available_at.0 / 1000).or_default();
        bucket.push(entry);
        self.unsorted.insert(entry.available_at.0 / 1000);
    }
}

#[cfg(test)]
mod tests {
    use kew_model::ContentType;

    use super::*;

    const SPAN: Span = Span { from: 0, content_type: ContentType::Text, length: 5, sent_at: Timestamp(1) };

    fn delays(messages: &[(u64, u64)]) -> Delays {
        let mut delays = Delays::default();
        for (at, sequence) in messages {
            delays.insert(Timestamp(*at), Sequence(*sequence), SPAN);
        }
        delays
    }

    fn listed(delays: &mut Delays, now: u64) -> Vec<(u64, u64, u32)> {
        delays.prepare(Timestamp(now));
        delays.due(Timestamp(now)).map(|entry| (entry.available_at.0, entry.first, entry.count)).collect()
    }

    #[test]
    fn a_batch_with_one_delay_is_one_entry() {
        let mut delays = delays(&[(9_000, 1), (9_000, 2), (9_000, 3)]);
        assert_eq!(listed(&mut delays, 8_999), []);
        assert_eq!(listed(&mut delays, 9_000), [(9_000, 1, 3)]);
    }

    #[test]
    fn what_is_due_comes_by_time_and_then_by_sequence() {
        let mut delays = delays(&[(9_500, 1), (9_000, 2), (3_000, 3), (9_000, 9), (12_000, 4)]);
        assert_eq!(listed(&mut delays, 9_600), [(3_000, 3, 1), (9_000, 2, 1), (9_000, 9, 1), (9_500, 1, 1)]);
        assert_eq!(delays.next_after(Timestamp(0)), Some(Timestamp(3_000)));
        assert_eq!(delays.next_after(Timestamp(3_000)), Some(Timestamp(9_000)));
        assert_eq!(delays.next_after(Timestamp(9_500)), Some(Timestamp(12_000)));
    }

    #[test]
    fn taking_passes_over_what_was_discarded_before_it() {
        let mut delays = delays(&[(1_000, 1), (1_000, 2), (1_000, 3), (2_000, 4), (2_000, 7)]);
        delays.take(Sequence(2));
        assert_eq!(listed(&mut delays, 9_000), [(1_000, 3, 1), (2_000, 4, 1), (2_000, 7, 1)]);
        delays.take(Sequence(7));
        assert_eq!((listed(&mut delays, 9_000), delays.next_after(Timestamp(0))), (vec![], None));
    }
}
