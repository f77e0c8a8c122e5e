//! Randomness that repeats itself.

use std::sync::atomic::{AtomicU64, Ordering};

use kew_model::Chance;

/// Bytes that look random and are the same for the same seed, so that a failed test can be run again.
///
/// SplitMix64: a counter that steps by a fixed odd number, and a mix of it (Steele, Lea and Flood, 2014).
pub struct FixedChance {
    counter: AtomicU64,
}

impl FixedChance {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    /// The sequence of this seed, from its start.
    pub fn new(seed: u64) -> Self {
        Self { counter: AtomicU64::new(seed) }
    }

    fn next(&self) -> u64 {
        let counter = self.counter.fetch_add(Self::STEP, Ordering::Relaxed).wrapping_add(Self::STEP);
        let mixed = (counter ^ (counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Chance for FixedChance {
    fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
        let (one, same, other) = (FixedChance::new(7), FixedChance::new(7), FixedChance::new(8));
        let first = one.id();
        assert_eq!(first, same.id());
        assert_ne!(first, one.id(), "the sequence goes on");
        assert_ne!(first, other.id());
    }

    #[test]
    fn the_numbers_are_those_of_the_published_generator() {
        let mut bytes = [0; 8];
        FixedChance::new(1_234_567).fill(&mut bytes);
        assert_eq!(u64::from_le_bytes(bytes), 6_457_827_717_110_365_317);
    }
}
