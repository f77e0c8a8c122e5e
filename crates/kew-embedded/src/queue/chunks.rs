//! An ordered map in chunks that copies share.
//!
//! A copy costs by the chunk, not by the entry, so that a checkpoint can be taken of a queue with a million leases
//! between two groups of verbs. What is changed afterwards is copied first, a chunk at a time, as long as the copy is
//! there; without one a change costs what it costs in a tree.

use core::fmt::Debug;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many entries a chunk holds at the most.
const CHUNK: usize = 128;

/// The entries of a chunk, by rising key.
type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// A map. Clones share what neither has changed since.
#[derive(Debug, Clone)]
pub(crate) struct Chunks<K, V> {
    /// By a key that is not above their first; never empty ones.
    chunks: BTreeMap<K, Chunk<K, V>>,
}

impl<K, V> Default for Chunks<K, V> {
    fn default() -> Self {
        Self { chunks: BTreeMap::new() }
    }
}

impl<K: Ord + Copy + Debug, V: Clone> Chunks<K, V> {
    /// How many chunks there are: what a clone costs.
    pub(crate) fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// The lowest key.
    pub(crate) fn first_key(&self) -> Option<K> {
        self.chunks.values().next().map(|chunk| chunk[0].0)
    }

    /// The highest key.
    pub(crate) fn last_key(&self) -> Option<K> {
        self.chunks.values().next_back().and_then(|chunk| chunk.last()).map(|(key, _)| *key)
    }

    pub(crate) fn clear(&mut self) {
        self.chunks.clear();
    }

    /// The chunk that holds a key if any does.
    fn chunk(&self, key: &K) -> Option<(&K, &Chunk<K, V>)> {
        self.chunks.range(..=key).next_back()
    }

    fn chunk_mut(&mut self, key: &K) -> Option<(K, &mut Chunk<K, V>)> {
        self.chunks.range_mut(..=key).next_back().map(|(at, chunk)| (*at, chunk))
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let (_, chunk) = self.chunk(key)?;
        let at = chunk.binary_search_by_key(key, |(key, _)| *key).ok()?;
        Some(&chunk[at].1)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (_, chunk) = self.chunk_mut(key)?;
        let at = chunk.binary_search_by_key(key, |(key, _)| *key).ok()?;
        Some(&mut Arc::make_mut(chunk)[at].1)
    }

    /// Adds an entry, in the place of one with the same key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        let Some((at, chunk)) = self.chunk_mut(&key) else {
            // Before all others: the first chunk takes it under a new name.
            let mut entries = match self.chunks.pop_first() {
                Some((_, chunk)) => Arc::unwrap_or_clone(chunk),
                None => Vec::new(),
            };
            entries.insert(0, (key, value));
            self.chunks.insert(key, Arc::new(entries));
            return self.split(key);
        };
        let entries = Arc::make_mut(chunk);
        match entries.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(there) => entries[there].1 = value,
            Err(there) => entries.insert(there, (key, value)),
        }
        self.split(at);
    }

    /// Splits a chunk that has become too large; one at whose end entries come stays nearly full.
    fn split(&mut self, at: K) {
        let is_last = self.chunks.last_key_value().is_some_and(|(last, _)| *last == at);
        let Some(chunk) = self.chunks.get_mut(&at).filter(|chunk| chunk.len() > CHUNK) else { return };
        let half = Arc::make_mut(chunk).split_off(if is_last { CHUNK } else { CHUNK / 2 });
        self.chunks.insert(half[0].0, Arc::new(half));
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (at, chunk) = self.chunk_mut(key)?;
        let there = chunk.binary_search_by_key(key, |(key, _)| *key).ok()?;
        let entries = Arc::make_mut(chunk);
        let (_, value) = entries.remove(there);
        let left = entries.len();
        if left == 0 {
            self.chunks.remove(&at);
        } else if left <= CHUNK / 8 {
            self.join(at);
        }
        Some(value)
    }

    /// Joins a small chunk with a neighbour if that is small, too: so there are not many more than full ones would be.
    fn join(&mut self, at: K) {
        let is_small = |(_, chunk): &(&K, &Chunk<K, V>)| chunk.len() <= CHUNK / 2;
        let before = self.chunks.range(..at).next_back().filter(is_small).map(|(before, _)| *before);
        let after = || self.chunks.range(at..).nth(1).filter(is_small).map(|(after, _)| *after);
        let (first, second) = match (before, after) {
            (Some(before), _) => (before, at),
            (None, after) => match after() {
                Some(after) => (at, after),
                None => return,
            },
        };
        let Some(entries) = self.chunks.remove(&second) else { return };
        if let Some(chunk) = self.chunks.get_mut(&first) {
            Arc::make_mut(chunk).extend(Arc::unwrap_or_clone(entries));
        }
    }

    /// The entries from the lowest key on.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.values().flat_map(|chunk| chunk.iter()).map(|(key, value)| (key, value))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The entries up to and including `last`, from the highest key down.
    pub(crate) fn down_from(&self, last: K) -> impl Iterator<Item = (&K, &V)> {
        let mut chunks = self.chunks.range(..=last).rev().map(|(_, chunk)| chunk.as_slice());
        let first = chunks.next().map(|chunk| &chunk[..chunk.partition_point(|(key, _)| *key <= last)]);
        let entries = first.into_iter().chain(chunks).flat_map(|chunk| chunk.iter().rev());
        entries.map(|(key, value)| (key, value))
    }

    /// The entries from `first` on, from the lowest key up.
    pub(crate) fn up_from(&self, first: K) -> impl Iterator<Item = (&K, &V)> {
        let begin = self.chunk(&first).map_or(first, |(at, _)| *at);
        let mut chunks = self.chunks.range(begin..).map(|(_, chunk)| chunk.as_slice());
        let head = chunks.next().map(|chunk| &chunk[chunk.partition_point(|(key, _)| *key < first)..]);
        let entries = head.into_iter().chain(chunks).flatten();
        entries.map(|(key, value)| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Change {
        Insert(u16),
        Remove(u16),
        Alter(u16),
        Copy,
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let key = 0_u16..600;
        let change = prop_oneof![
            8 => key.clone().prop_map(Change::Insert),
            5 => key.clone().prop_map(Change::Remove),
            3 => key.prop_map(Change::Alter),
            1 => Just(Change::Copy),
        ];
        prop::collection::vec(change, 1..2_000)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_a_map_and_its_copies_stay_as_they_were(changes in changes()) {
            let (mut chunks, mut map) = (Chunks::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (at, change) in changes.into_iter().enumerate() {
                match change {
                    Change::Insert(key) => {
                        chunks.insert(key, at);
                        map.insert(key, at);
                    }
                    Change::Remove(key) => prop_assert_eq!(chunks.remove(&key), map.remove(&key)),
                    Change::Alter(key) => {
                        chunks.get_mut(&key).into_iter().for_each(|value| *value += 1);
                        map.entry(key).and_modify(|value| *value += 1);
                    }
                    Change::Copy => copies.push((chunks.clone(), map.clone())),
                }
            }
            copies.push((chunks, map));
            for (chunks, map) in copies {
                prop_assert!(chunks.iter().eq(map.iter()));
                prop_assert!(chunks.up_from(77).eq(map.range(77..)));
                prop_assert!(chunks.down_from(300).eq(map.range(..=300).rev()));
                prop_assert_eq!(chunks.get(&5), map.get(&5));
                prop_assert_eq!(chunks.first_key(), map.first_key_value().map(|(key, _)| *key));
                prop_assert_eq!(chunks.last_key(), map.last_key_value().map(|(key, _)| *key));
                prop_assert!(chunks.chunks.values().all(|chunk| (1..=CHUNK).contains(&chunk.len())));
            }
        }
    }

    #[test]
    fn entries_that_come_in_order_fill_their_chunks() {
        let mut chunks = Chunks::default();
        (0..12_800_u64).for_each(|key| chunks.insert(key, ()));
        assert_eq!(chunks.chunk_count(), 100);
        (0..12_800).filter(|key| key % 20 != 0).for_each(|key| {
            chunks.remove(&key);
        });
        assert!(chunks.chunk_count() <= 30, "{} chunks of 640 entries", chunks.chunk_count());
        (0..12_800).for_each(|key| {
            chunks.remove(&key);
        });
        assert_eq!((chunks.first_key(), chunks.chunk_count()), (None, 0));
    }
}
