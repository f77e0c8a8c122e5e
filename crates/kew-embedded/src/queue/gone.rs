//! Which messages of a queue are gone: a floor, and one bit for each message above it that went out of order.
//!
//! A stuck message costs the bits of those acked behind it: 1.25 MB for ten million, less where whole blocks are gone.
//! Copies share the blocks that neither has changed since.

use std::sync::Arc;

use crate::queue::chunks::Chunks;

/// Messages of one block.
const BLOCK: u64 = 4096;
const WORDS: usize = (BLOCK / 64) as usize;

/// What a block takes of which some are gone.
#[cfg(feature = "test-util")]
pub(crate) const BLOCK_BYTES: usize = WORDS * 8;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Block {
    /// All of them are gone.
    Full,
    /// Those whose bits are set.
    Some(Arc<[u64; WORDS]>),
}

/// The set of sequences that are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Everything below it is gone; it is itself not.
    floor: u64,
    blocks: Chunks<u64, Block>,
}

impl Gone {
    /// Nothing is gone; sequences begin at 1.
    pub(crate) fn new() -> Self {
        Self { floor: 1, blocks: Chunks::default() }
    }

    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    pub(crate) fn contains(&self, sequence: u64) -> bool {
        sequence < self.floor
            || match self.blocks.get(&(sequence / BLOCK)) {
                None => false,
                Some(Block::Full) => true,
                Some(Block::Some(words)) => words[word_of(sequence)] >> (sequence % 64) & 1 == 1,
            }
    }

    /// Adds `from..to`.
    pub(crate) fn insert(&mut self, from: u64, to: u64) {
        let from = from.max(self.floor);
        if from >= to {
            return;
        }
        if from == self.floor {
            self.raise(to);
        } else {
            let mut start = from;
            while start < to {
                let end = to.min((start / BLOCK + 1) * BLOCK);
                self.set(start, end);
                start = end;
            }
        }
    }

    /// Raises the floor to `floor` and over whatever is gone from there on.
    pub(crate) fn raise(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
        self.blocks.remove_below(self.floor / BLOCK);
        while let Some(block) = self.blocks.get(&(self.floor / BLOCK)) {
            let end = (self.floor / BLOCK + 1) * BLOCK;
            let first_left = match block {
                Block::Full => end,
                Block::Some(words) => first_unset(words, self.floor, end),
            };
            self.floor = first_left;
            if first_left < end {
                break;
            }
            self.blocks.remove(&(end / BLOCK - 1));
        }
    }

    /// The first sequence at or after `from` that is not gone.
    pub(crate) fn first_left(&self, from: u64) -> u64 {
        let mut sequence = from.max(self.floor);
        while let Some(block) = self.blocks.get(&(sequence / BLOCK)) {
            let end = (sequence / BLOCK + 1) * BLOCK;
            sequence = match block {
                Block::Full => end,
                Block::Some(words) => first_unset(words, sequence, end),
            };
            if sequence < end {
                break;
            }
        }
        sequence
    }

    /// How many blocks there are.
    #[cfg(feature = "test-util")]
    pub(crate) fn block_count(&self) -> usize {
        self.blocks.iter().count()
    }

    /// How many sequences of `from..to` are gone.
    pub(crate) fn count(&self, from: u64, to: u64) -> u64 {
        let below = self.floor.clamp(from, to.max(from)) - from;
        let (mut start, mut count) = (from + below, below);
        while start < to {
            let end = to.min((start / 64 + 1) * 64);
            count += match self.blocks.get(&(start / BLOCK)) {
                None => 0,
                Some(Block::Full) => end - start,
                Some(Block::Some(words)) => {
                    let bits = words[word_of(start)] >> (start % 64);
                    let width = end - start;
                    u64::from((if width == 64 { bits } else { bits & ((1 << width) - 1) }).count_ones())
                }
            };
            start = end;
        }
        count
    }

    /// Sets the bits `from..to` of one block.
    fn set(&mut self, from: u64, to: u64) {
        let number = from / BLOCK;
        let Some(block) = self.blocks.get_mut(&number) else {
            self.blocks.insert(number, Block::Some(Arc::new([0; WORDS])));
            return self.set(from, to);
        };
        let Block::Some(words) = block else { return };
        let words = Arc::make_mut(words);
        let mut start = from;
        while start < to {
            let end = to.min((start / 64 + 1) * 64);
            let bits = if end - start == 64 { u64::MAX } else { ((1 << (end - start)) - 1) << (start % 64) };
            words[word_of(start)] |= bits;
            start = end;
        }
        if words.iter().all(|word| *word == u64::MAX) {
            *block = Block::Full;
        }
    }

    /// The words that hold bits above the floor, for a checkpoint: each with the sequence of its lowest bit.
    pub(crate) fn words(&self) -> impl Iterator<Item = (u64, u64)> {
        let floor = self.floor;
        let above_floor = move |(first, bits): (u64, u64)| match floor.saturating_sub(first) {
            0 => Some((first, bits)),
            below @ 1..64 => Some((first, bits >> below << below)).filter(|(_, bits)| *bits != 0),
            _ => None,
        };
        let words = self.blocks.iter().flat_map(|(number, block)| {
            (0..WORDS as u64).filter_map(move |word| {
                let bits = match block {
                    Block::Full => u64::MAX,
                    Block::Some(words) => words[usize::try_from(word).unwrap_or(0)],
                };
                (bits != 0).then_some((number * BLOCK + word * 64, bits))
            })
        });
        words.filter_map(above_floor)
    }

    /// Adds one word of [`Gone::words`].
    pub(crate) fn insert_word(&mut self, first: u64, bits: u64) {
        let mut bit = 0;
        while bit < 64 {
            let from = bit + u64::from((bits >> bit).trailing_zeros());
            if from >= 64 {
                return;
            }
            let to = from + u64::from((!(bits >> from)).trailing_zeros());
            self.insert(first + from, first + to);
            bit = to;
        }
    }
}

fn word_of(sequence: u64) -> usize {
    usize::try_from(sequence % BLOCK / 64).unwrap_or(0)
}

/// The first sequence of `from..end` whose bit is not set, or `end`.
fn first_unset(words: &[u64; WORDS], from: u64, end: u64) -> u64 {
    let mut start = from;
    while start < end {
        let unset = !words[word_of(start)] >> (start % 64);
        if unset != 0 {
            return start + u64::from(unset.trailing_zeros());
        }
        start = (start / 64 + 1) * 64;
    }
    end
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_set_of_what_was_inserted(
            ranges in prop::collection::vec((1_u64..20_000, 1_u64..6_000), 1..30),
        ) {
            let mut gone = Gone::new();
            let mut naive = BTreeSet::new();
            for (from, count) in ranges {
                gone.insert(from, from + count);
                naive.extend(from..from + count);
                let floor = (1..).find(|sequence| !naive.contains(sequence)).unwrap();
                prop_assert_eq!(gone.floor(), floor);
            }
            for sequence in 1..27_000 {
                prop_assert_eq!(gone.contains(sequence), naive.contains(&sequence), "{}", sequence);
            }
            for (from, to) in [(1, 1), (1, 27_000), (63, 65), (4_095, 9_000), (5_000, 5_001)] {
                let gone_there = naive.range(from..to).count() as u64;
                prop_assert_eq!(gone.count(from, to), gone_there, "{}..{}", from, to);
            }
            let mut copy = Gone::new();
            copy.raise(gone.floor());
            gone.words().for_each(|(first, bits)| copy.insert_word(first, bits));
            for sequence in 1..27_000 {
                prop_assert_eq!(copy.contains(sequence), gone.contains(sequence), "{}", sequence);
            }
        }
    }

    #[test]
    fn one_stuck_message_costs_no_words_for_full_blocks_behind_it() {
        let mut gone = Gone::new();
        gone.insert(2, 10_000_000);
        assert_eq!(gone.floor(), 1);
        let partial = gone.blocks.values().filter(|block| matches!(block, Block::Some(_))).count();
        assert_eq!(partial, 2);
        gone.insert(1, 2);
        assert_eq!(gone.floor(), 10_000_000);
        assert!(gone.block_count() <= 1, "only the block that holds the floor");
    }
}
