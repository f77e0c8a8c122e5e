//! The only door to randomness.

/// Fills bytes at random, for ids and secrets.
pub trait Chance: Send + Sync + 'static {
    /// Overwrites all of `bytes`. The real one is unpredictable; a test's repeats itself.
    fn fill(&self, bytes: &mut [u8]);

    /// Sixteen random bytes: an id.
    fn id(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        bytes
    }
}
