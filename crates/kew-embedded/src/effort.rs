//! Counts what the writer looks at, for the tests that bound it. In the product it is nothing and costs nothing.

#[cfg(feature = "test-util")]
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many things were looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effort {
    #[cfg(feature = "test-util")]
    looked_at: Arc<AtomicU64>,
}

#[cfg(feature = "test-util")]
impl Effort {
    /// Something was looked at.
    pub(crate) fn note(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, count: u64) {
        self.looked_at.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn total(&self) -> u64 {
        self.looked_at.load(Ordering::Relaxed)
    }
}

#[cfg(not(feature = "test-util"))]
impl Effort {
    /// Something was looked at.
    pub(crate) fn note(&self) {}
}
