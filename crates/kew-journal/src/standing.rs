//! How the log's files stand, for whoever watches.

use crate::reader::Reader;
use crate::shared::{Shared, locked};

/// How many segments there are, by what they are for. Each is one file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// In the log, and finished.
    pub sealed: usize,
    /// In the log, and being written: one, or none before the first frame of a run.
    pub active: usize,
    /// Ready for the log to go on in.
    pub prepared: usize,
    /// Waiting for another use.
    pub spare: usize,
    /// Out of the log, and not yet disposed of.
    pub retired: usize,
    /// The size of a segment in bytes. One that is not yet filled, or was never, may be smaller.
    pub segment_bytes: u32,
}

impl Reader {
    /// How the log's files stand. Waits while a segment is being prepared.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.shared().standing()
    }
}

impl Shared {
    fn standing(&self) -> Standing {
        let pool = locked(&self.pool);
        let in_log = self.segments.read().unwrap_or_else(std::sync::PoisonError::into_inner).len();
        let active = usize::from(pool.active.is_some());
        Standing {
            sealed: in_log.saturating_sub(active),
            active,
            prepared: usize::from(pool.next.is_some()),
            spare: pool.spares.len(),
            retired: pool.retired.len(),
            segment_bytes: self.segment_bytes,
        }
    }
}
