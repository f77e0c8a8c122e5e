//! Messages held back when they came, in buckets of one second each.
//!
//! A batch with one delay is one entry. Entries of a bucket are put in order when the bucket's turn comes near, which
//! costs nothing when they came in order, as they do from a queue with one delay. A message that is discarded meanwhile
//! is only counted, since no record says until when it was held back; when half as many were discarded as there are
//! entries, those of which nothing lives are swept out. So these never outnumber the others.

mod bucket;

use std::collections::BTreeSet;

use kew_journal::seeded::{self, Bug};
use kew_model::{Sequence, Timestamp};

use crate::queue::chunks::Chunks;
use crate::record::run::Span;
pub(crate) use bucket::Bucket;

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

impl Delayed {
    fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    fn holds(&self, sequence: u64) -> bool {
        (self.first..self.end()).contains(&sequence)
    }
}

/// The delayed messages of a queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delays {
    buckets: Chunks<u64, Bucket>,
    /// The buckets that may be out of order.
    unsorted: BTreeSet<u64>,
    /// The buckets by a sequence below which they hold nothing.
    by_lowest: BTreeSet<(u64, u64)>,
    /// How many entries there are.
    entries: usize,
    /// How many messages were discarded since entries were last swept out.
    discarded: usize,
}

impl Delays {
    /// Adds a message, or lengthens the entry that it continues.
    pub(crate) fn insert(&mut self, available_at: Timestamp, sequence: Sequence, span: Span) {
        let entry = Delayed { available_at, first: sequence.0, count: 1, span: Span { from: 0, ..span } };
        let last = self.buckets.get_mut(&bucket_of(available_at)).and_then(Bucket::last_mut);
        match last {
            Some(last)
                if last.available_at == available_at
                    && last.end() == sequence.0
                    && last.span == entry.span =>
            {
                last.count += 1;
            }
            _ => self.restore(entry),
        }
    }

    /// Puts in order what may be taken up to `now`. Called before [`Delays::due`] is; changes nothing that shows.
    pub(crate) fn prepare(&mut self, now: Timestamp) {
        while let Some(number) = self.unsorted.first().copied().filter(|number| *number <= bucket_of(now)) {
            self.unsorted.remove(&number);
            self.buckets.get_mut(&number).into_iter().for_each(Bucket::sort);
        }
    }

    /// Entries available at `now`, by time and sequence.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = Delayed> {
        let buckets = self.buckets.iter().take_while(move |(number, _)| **number <= bucket_of(now));
        let entries = buckets.flat_map(|(_, bucket)| bucket.in_order());
        entries.take_while(move |entry| {
            entry.available_at.0 <= now.0 + u64::from(seeded::is(Bug::DelayEndsEarly))
        })
    }

    /// The first time after `since` at which a delay is over, or one before that.
    pub(crate) fn next_after(&mut self, since: Timestamp) -> Option<Timestamp> {
        let mut from = bucket_of(since);
        loop {
            let number = *self.buckets.up_from(from).next()?.0;
            let next = self.buckets.get_mut(&number).and_then(|bucket| bucket.next_after(since));
            if next.is_some() {
                return next;
            }
            from = number + 1;
        }
    }

    /// Takes out everything before `sequence` in order, and it: the messages before it were discarded.
    pub(crate) fn take(&mut self, sequence: Sequence) {
        let mut found = false;
        while !found && let Some(number) = self.buckets.first_key() {
            let Some(bucket) = self.buckets.get_mut(&number) else { return };
            while !found && let Some(entry) = bucket.pop() {
                found = entry.holds(sequence.0);
                let end = if found { sequence.0 + 1 } else { entry.end() };
                let left = u32::try_from(entry.end() - end).unwrap_or(0);
                if left > 0 {
                    bucket.put_back(Delayed { first: end, count: left, ..entry });
                } else {
                    self.entries -= 1;
                }
            }
            self.settle(number);
        }
    }

    /// Messages were discarded, here or elsewhere; `is_left` says whether any lives from one sequence to another.
    pub(crate) fn discard(&mut self, count: u64, is_left: impl Fn(u64, u64) -> bool) {
        self.discarded = self.discarded.saturating_add(usize::try_from(count).unwrap_or(usize::MAX));
        if self.discarded < self.entries.div_ceil(2) {
            return;
        }
        self.discarded = 0;
        for number in self.buckets.iter().map(|(number, _)| *number).collect::<Vec<_>>() {
            self.retain_in(number, |entry| is_left(entry.first, entry.end()));
        }
    }

    /// Takes all messages before a sequence out, wherever they wait.
    pub(crate) fn take_below(&mut self, before: u64) -> Vec<Delayed> {
        let mut taken = Vec::new();
        while let Some((_, number)) = self.by_lowest.first().copied().filter(|(lowest, _)| *lowest < before) {
            self.retain_in(number, |entry| {
                let below = u32::try_from(before.saturating_sub(entry.first)).unwrap_or(u32::MAX);
                let below = below.min(entry.count);
                if below > 0 {
                    taken.push(Delayed { count: below, ..*entry });
                    entry.first += u64::from(below);
                    entry.count -= below;
                }
                entry.count > 0
            });
        }
        taken
    }

    /// Keeps those entries of a bucket that `keep` says.
    fn retain_in(&mut self, number: u64, keep: impl FnMut(&mut Delayed) -> bool) {
        let Some(bucket) = self.buckets.get_mut(&number) else { return };
        let before = (bucket.len(), bucket.lowest());
        bucket.retain(keep);
        self.entries -= before.0 - bucket.len();
        let lowest = bucket.lowest();
        if before.1 != lowest {
            self.by_lowest.remove(&(before.1, number));
            self.by_lowest.insert((lowest, number));
        }
        self.settle(number);
    }

    /// Forgets a bucket in which nothing is left.
    fn settle(&mut self, number: u64) {
        if let Some(bucket) = self.buckets.get(&number).filter(|bucket| bucket.is_empty()) {
            self.by_lowest.remove(&(bucket.lowest(), number));
            self.unsorted.remove(&number);
            self.buckets.remove(&number);
        }
    }

    /// When a message was published, if it is among the earliest entries: it is asked for the oldest message, which
    /// mostly is due before the others. Further ones are not searched, since a search costs more than a read.
    pub(crate) fn sent_at(&self, sequence: Sequence) -> Option<Timestamp> {
        self.iter().take(SEARCHED).find(|entry| entry.holds(sequence.0)).map(|entry| entry.span.sent_at)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Every entry, for a checkpoint; in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Delayed> {
        self.buckets.values().flat_map(Bucket::iter)
    }

    /// All of them, to be copied.
    pub(crate) fn buckets(&self) -> &Chunks<u64, Bucket> {
        &self.buckets
    }

    /// How many entries there are.
    #[cfg(feature = "test-util")]
    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    /// The messages that live, entered one by one in their order: what two histories of one queue have in common.
    pub(crate) fn in_order(&self, lives: impl Fn(u64) -> bool) -> Self {
        let each = self.iter().flat_map(|entry| {
            (entry.first..entry.end()).map(|sequence| (entry.available_at, sequence, entry.span))
        });
        let mut messages: Vec<_> = each.filter(|(_, sequence, _)| lives(*sequence)).collect();
        messages.sort_unstable_by_key(|(at, sequence, _)| (*at, *sequence));
        let mut ordered = Self::default();
        messages.into_iter().for_each(|(at, sequence, span)| ordered.insert(at, Sequence(sequence), span));
        ordered
    }

    /// Adds an entry, as one of [`Delays::iter`].
    pub(crate) fn restore(&mut self, entry: Delayed) {
        let number = bucket_of(entry.available_at);
        if self.buckets.get(&number).is_none() {
            self.buckets.insert(number, Bucket::default());
        }
        let Some(bucket) = self.buckets.get_mut(&number) else { return };
        let before = bucket.lowest();
        bucket.push(entry);
        if before != bucket.lowest() {
            self.by_lowest.remove(&(before, number));
            self.by_lowest.insert((bucket.lowest(), number));
        }
        self.unsorted.insert(number);
        self.entries += 1;
    }
}

/// The bucket of a time.
fn bucket_of(at: Timestamp) -> u64 {
    at.0 / 1000
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
        delays.take(Sequence(3));
        assert_eq!(listed(&mut delays, 9_000), [(2_000, 4, 1), (2_000, 7, 1)]);
        delays.take(Sequence(7));
        assert_eq!((listed(&mut delays, 9_000), delays.next_after(Timestamp(0))), (vec![], None));
    }

    #[test]
    fn what_is_discarded_takes_no_more_than_what_is_left() {
        // Given messages of different times, of which one in ten stays
        let messages: Vec<_> = (1..=10_000).map(|sequence| (90_000 + sequence * 7, sequence)).collect();
        let mut delays = delays(&messages);
        let mut gone = BTreeSet::new();
        for sequence in (1..=10_000).filter(|sequence| sequence % 10 != 0) {
            gone.insert(sequence);
            delays.discard(1, |from, to| (from..to).any(|sequence| !gone.contains(&sequence)));

            // Then the entries of those that went are never more than of those that stay, and one
            let left = 10_000 - gone.len();
            assert!(delays.entries <= 2 * left + 1, "{} entries for {left} messages", delays.entries);
        }
        assert_eq!(delays.iter().count(), delays.entries);

        // And when the last has gone nothing is left at all
        delays.discard(10_000, |_, _| false);
        assert_eq!((delays.entries, delays.buckets.chunk_count(), delays.by_lowest.len()), (0, 0, 0));
        assert!(delays.unsorted.is_empty());
    }

    #[test]
    fn what_lies_below_a_sequence_is_found_without_a_walk_over_all() {
        let mut delays = delays(&[(9_000, 1), (2_000, 2), (9_100, 3), (4_000, 4), (2_500, 5)]);
        let mut below = |before| -> Vec<_> {
            let taken = delays.take_below(before);
            taken.into_iter().flat_map(|entry| entry.first..entry.end()).collect()
        };
        assert_eq!(below(1), []);
        assert_eq!(below(4), [1, 3, 2]);
        assert_eq!(below(5), [4]);
        assert_eq!(delays.by_lowest, BTreeSet::from([(5, 2)]));
        assert_eq!(listed(&mut delays, 9_999), [(2_500, 5, 1)]);
    }
}
