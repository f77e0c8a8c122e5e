//! What the caller decides when it opens a store.

use crate::error::Error;

/// The smallest segment: 64 KiB, used in simulation.
pub const SEGMENT_BYTES_MIN: u32 = 64 << 10;
/// The largest segment: 1 GiB.
pub const SEGMENT_BYTES_MAX: u32 = 1 << 30;
/// The segment size of a store that did not ask for another: 64 MiB.
pub const SEGMENT_BYTES_DEFAULT: u32 = 64 << 20;

/// How to open a store, and how to make it if there is none.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The store's random identity. Used only when the store is created; later the stored one counts.
    pub store_id: [u8; 16],
    /// The time of creation in milliseconds since 1970. Used only when the store is created.
    pub created_ms: u64,
    /// The size of a segment in bytes: 64 KiB to 1 GiB, a multiple of 4096. Fixed when the store is created.
    pub segment_bytes: u32,
    /// A bug to run with.
    #[cfg(feature = "mutants")]
    pub mutant: Option<Mutant>,
}

impl Options {
    /// Options with the default segment size.
    #[must_use]
    pub const fn new(store_id: [u8; 16], created_ms: u64) -> Self {
        Self {
            store_id,
            created_ms,
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }

    /// The same with another segment size in bytes.
    #[must_use]
    pub const fn with_segment_bytes(mut self, segment_bytes: u32) -> Self {
        self.segment_bytes = segment_bytes;
        self
    }

    /// The same with a seeded bug.
    #[cfg(feature = "mutants")]
    #[must_use]
    pub const fn with_mutant(mut self, mutant: Mutant) -> Self {
        self.mutant = Some(mutant);
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let in_range = (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes);
        if in_range && self.segment_bytes.is_multiple_of(4096) {
            return Ok(());
        }
        Err(Error::Option {
            option: "segment_bytes",
            value: u64::from(self.segment_bytes),
            allowed: "65536 to 1073741824, a multiple of 4096",
        })
    }
}

/// A seeded bug. The crash suite must catch each of them, which is what shows that the suite is any good.
#[cfg(feature = "mutants")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mutant {
    /// Every n-th group is answered without its sync (`every` ≥ 1).
    SkipSync {
        /// One sync in so many is skipped.
        every: u32,
    },
    /// After a torn tail the old segment is appended to, in its old epoch, instead of starting a new one.
    AppendAfterTornTail,
    /// A new segment is used without syncing the folder that names it.
    SkipFolderSync,
    /// Recovery serves the unproven tail where it lies instead of copying and syncing it.
    ServeUnprovenTail,
    /// Damage to answered data is taken for a torn tail.
    IgnoreDurableClaims,
}
