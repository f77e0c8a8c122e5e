//! Messages held back when they came, by when they are available.
//!
//! A batch with one delay is one entry. Entries stand in the order of delivery, in leaves of neighbouring times. All but
//! a leaf's newest entries are packed (`delays/packed.rs`), so that ten million messages of which no two are alike fit in
//! memory, whether they wait in one queue or in ten thousand, for a minute or for a day. The first leaf is unpacked as soon
//! as messages are taken from it. A new entry is put among some that are not packed, and packing comes once in so
//! many; so both cost the same however many wait.
//!
//! A message that is discarded meanwhile is only counted, since no record says until when it was held back; when half as
//! many were discarded as there are entries, those of which nothing lives are swept out. So these never outnumber the
//! others.

mod leaf;
mod packed;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use kew_journal::seeded::{self, Bug};
use kew_model::{Sequence, Timestamp};

use crate::queue::chunks::Chunks;
use crate::record::run::Span;
pub(crate) use leaf::Leaf;

/// How many entries are searched for one message.
const SEARCHED: usize = 1_000;

/// How many entries a leaf holds at the most.
const LEAF: usize = 256;

/// How many entries of a leaf are packed together.
const LOOSE: usize = 16;

/// How many of the last leaf, which entries that come in order fill: each would be packed as often as there are such
/// steps behind it.
const LOOSE_AT_THE_END: usize = 64;

/// The place of an entry in the order of delivery: when it is available, and its first sequence.
pub(crate) type Key = (Timestamp, u64);

/// The key of the leaf that stands before all others.
const FIRST: Key = (Timestamp(0), 0);

/// Messages in a row, alike, available at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delayed {
    pub(crate) available_at: Timestamp,
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) span: Span,
}

impl Delayed {
    fn key(&self) -> Key {
        (self.available_at, self.first)
    }

    fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    fn holds(&self, sequence: u64) -> bool {
        (self.first..self.end()).contains(&sequence)
    }

    /// Whether another is only more of the same.
    fn is_continued_by(&self, other: &Self) -> bool {
        self.available_at == other.available_at && self.end() == other.first && self.span == other.span
    }
}

/// The delayed messages of a queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delays {
    /// By a key that no entry of theirs is below; never empty ones.
    leaves: Chunks<Key, Leaf>,
    /// The leaves by a sequence below which they hold nothing.
    by_lowest: BTreeSet<(u64, Key)>,
    /// How many entries there are.
    entries: usize,
    /// How many messages were discarded since entries were last swept out.
    discarded: usize,
}

impl Delays {
    /// Adds a message, or lengthens the entry that it continues.
    pub(crate) fn insert(&mut self, available_at: Timestamp, sequence: Sequence, span: Span) {
        self.restore(Delayed { available_at, first: sequence.0, count: 1, span: Span { from: 0, ..span } });
    }

    /// Adds an entry, as one of [`Delays::iter`].
    pub(crate) fn restore(&mut self, entry: Delayed) {
        let at = self.leaf_for(entry.key());
        let is_last = self.leaves.last().is_some_and(|(last, _)| *last == at);
        let Some(leaf) = self.leaves.get_mut(&at) else { return };
        if leaf.lengthen(&entry) {
            return;
        }
        if leaf.len() >= LEAF {
            self.split(at, is_last, entry.key());
            return self.restore(entry);
        }
        let loose_max = if is_last { LOOSE_AT_THE_END } else { LOOSE };
        if leaf.loose_len() >= loose_max && !leaf.is_near() {
            leaf.pack();
        }
        let before = leaf.lowest();
        leaf.insert(entry);
        let after = leaf.lowest();
        self.note_lowest(at, before, after);
        self.entries += 1;
    }

    /// The leaf that an entry belongs to; a new one if none is there.
    fn leaf_for(&mut self, key: Key) -> Key {
        if let Some((at, _)) = self.leaves.last_up_to(key) {
            return *at;
        }
        // Nothing is taken any more from what was the first.
        let former = self.first_leaf().and_then(|at| self.leaves.get_mut(&at));
        former.into_iter().for_each(Leaf::pack);
        self.leaves.insert(FIRST, Leaf::default());
        FIRST
    }

    fn first_leaf(&self) -> Option<Key> {
        self.leaves.first().map(|(at, _)| *at)
    }

    /// Splits a full leaf to which an entry with this key is to be added.
    fn split(&mut self, at: Key, is_last: bool, added: Key) {
        let Some(leaf) = self.leaves.get_mut(&at) else { return };
        let before = leaf.lowest();
        let mut entries: Vec<_> = leaf.iter().collect();
        // Entries that come in order leave full leaves behind.
        let is_behind = is_last && entries.last().is_some_and(|last| last.key() < added);
        let behind = entries.split_off(if is_behind { LEAF } else { LEAF / 2 });
        *leaf = Leaf::of(entries, leaf.is_near());
        let after = leaf.lowest();
        let key = behind.first().map_or(added, Delayed::key);
        let behind = Leaf::of(behind, false);
        self.note_lowest(at, before, after);
        self.by_lowest.insert((behind.lowest(), key));
        self.leaves.insert(key, behind);
    }

    /// A leaf may hold other sequences than before.
    fn note_lowest(&mut self, at: Key, before: u64, after: u64) {
        if before != after {
            self.by_lowest.remove(&(before, at));
            self.by_lowest.insert((after, at));
        }
    }

    /// Entries available at `now`, by time and sequence.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = Delayed> {
        self.iter().take_while(move |entry| {
            entry.available_at.0 <= now.0 + u64::from(seeded::is(Bug::DelayEndsEarly))
        })
    }

    /// The first time after `since` at which a delay is over.
    pub(crate) fn next_after(&self, since: Timestamp) -> Option<Timestamp> {
        let begin = self.leaves.last_up_to((since, u64::MAX)).map_or(FIRST, |(at, _)| *at);
        let entries = self.leaves.up_from(begin).flat_map(|(_, leaf)| leaf.iter());
        entries.map(|entry| entry.available_at).find(|at| *at > since)
    }

    /// Takes out everything before `sequence` in order, and it: the messages before it were discarded.
    pub(crate) fn take(&mut self, sequence: Sequence) {
        let mut found = false;
        while !found && let Some(at) = self.first_leaf() {
            let Some(leaf) = self.leaves.get_mut(&at) else { return };
            while !found && let Some(entry) = leaf.pop() {
                found = entry.holds(sequence.0);
                let end = if found { sequence.0 + 1 } else { entry.end() };
                let left = u32::try_from(entry.end() - end).unwrap_or(0);
                if left > 0 {
                    leaf.put_back(Delayed { first: end, count: left, ..entry });
                } else {
                    self.entries -= 1;
                }
            }
            self.settle(at);
        }
    }

    /// Messages were discarded, here or elsewhere; `is_left` says whether any lives from one sequence to another.
    pub(crate) fn discard(&mut self, count: u64, is_left: impl Fn(u64, u64) -> bool) {
        self.discarded = self.discarded.saturating_add(usize::try_from(count).unwrap_or(usize::MAX));
        if self.discarded < self.entries.div_ceil(2) {
            return;
        }
        self.discarded = 0;
        for at in self.leaves.iter().map(|(at, _)| *at).collect::<Vec<_>>() {
            self.retain_in(at, |entry| is_left(entry.first, entry.end()));
        }
    }

    /// Takes all messages before a sequence out, wherever they wait.
    pub(crate) fn take_below(&mut self, before: u64) -> Vec<Delayed> {
        let mut taken = Vec::new();
        while let Some((_, at)) = self.by_lowest.first().copied().filter(|(lowest, _)| *lowest < before) {
            self.retain_in(at, |entry| {
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

    /// Keeps those entries of a leaf that `keep` says.
    fn retain_in(&mut self, at: Key, keep: impl FnMut(&mut Delayed) -> bool) {
        let Some(leaf) = self.leaves.get_mut(&at) else { return };
        let before = (leaf.len(), leaf.lowest());
        leaf.retain(keep);
        self.entries -= before.0 - leaf.len();
        let after = leaf.lowest();
        self.note_lowest(at, before.1, after);
        self.settle(at);
    }

    /// Forgets a leaf in which nothing is left.
    fn settle(&mut self, at: Key) {
        if let Some(leaf) = self.leaves.get(&at).filter(|leaf| leaf.len() == 0) {
            self.by_lowest.remove(&(leaf.lowest(), at));
            self.leaves.remove(&at);
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

    /// Every entry, by time and sequence.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Delayed> {
        self.leaves.values().flat_map(Leaf::iter)
    }

    /// All of them, to be copied.
    pub(crate) fn leaves(&self) -> &Chunks<Key, Leaf> {
        &self.leaves
    }

    /// How many entries there are.
    #[cfg(feature = "test-util")]
    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    /// What they take in memory.
    #[cfg(feature = "test-util")]
    pub(crate) fn memory_bytes(&self) -> usize {
        // A tree's nodes are two thirds full, the others' lists grow by doubling.
        let leaf = (size_of::<(Key, Leaf)>() + size_of::<(u64, Key)>()) * 3 / 2;
        self.leaves.values().map(|one| leaf + one.memory_bytes()).sum()
    }

    /// The messages that live, entered one by one in their order: what two histories of one queue have in common.
    pub(crate) fn in_order(&self, lives: impl Fn(u64) -> bool) -> Self {
        let mut ordered = Self::default();
        for entry in self.iter() {
            for sequence in (entry.first..entry.end()).filter(|sequence| lives(*sequence)) {
                ordered.insert(entry.available_at, Sequence(sequence), entry.span);
            }
        }
        ordered
    }
}
