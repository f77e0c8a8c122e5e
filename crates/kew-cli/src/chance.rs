//! The real source of randomness, for ids and secrets.

use kew_model::Chance;
use rand::Rng;

/// The process's cryptographic generator, which is seeded by the operating system and seeds itself anew.
#[derive(Debug)]
pub(crate) struct SystemChance;

impl Chance for SystemChance {
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ids_differ() {
        assert_ne!(SystemChance.id(), SystemChance.id());
    }
}
