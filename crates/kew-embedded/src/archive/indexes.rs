//! Decoded indexes of segments, as many as fit into a budget of bytes.
//!
//! An index has an entry for each frame, so that one of small frames takes a hundred times what another takes: a bound
//! on their number would bound nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use kew_journal::SegmentId;

use crate::index::SegmentIndex;

/// How many bytes the indexes take that are kept, one larger than that aside.
const KEPT_BYTES: usize = 32 << 20;

/// The indexes that were used last, the latest at the end.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    kept: VecDeque<(SegmentId, Arc<SegmentIndex>)>,
    bytes: usize,
}

impl Indexes {
    /// A segment's index, if it is kept.
    pub(super) fn find(&mut self, segment: SegmentId) -> Option<Arc<SegmentIndex>> {
        let at = self.kept.iter().position(|(id, _)| *id == segment)?;
        let found = self.kept.remove(at)?;
        let index = Arc::clone(&found.1);
        self.kept.push_back(found);
        Some(index)
    }

    /// Keeps an index, and lets go of those that were not used for longest.
    pub(super) fn keep(&mut self, segment: SegmentId, index: Arc<SegmentIndex>) {
        self.bytes += index.memory_bytes();
        self.kept.push_back((segment, index));
        while self.bytes > KEPT_BYTES && self.kept.len() > 1 {
            self.bytes -= self.kept.pop_front().map_or(0, |(_, index)| index.memory_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use kew_model::QueueNumber;

    use super::*;

    /// An index of so many frames.
    fn index(frames: u32) -> Arc<SegmentIndex> {
        let mut index = SegmentIndex::default();
        (0..frames).for_each(|frame| index.add(QueueNumber(1), u64::from(frame) + 1, frame * 8));
        Arc::new(index)
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_and_what_was_used_last_stays() {
        // Given indexes of 1 MB and more, one of which is used again and again
        let mut indexes = Indexes::default();
        for segment in 0..100 {
            indexes.keep(SegmentId(segment), index(70_000));
            assert!(indexes.find(SegmentId(0)).is_some(), "it was used last before segment {segment}");
        }
        assert!(indexes.bytes <= KEPT_BYTES && indexes.kept.len() > 10, "{} bytes", indexes.bytes);
        assert!(indexes.find(SegmentId(1)).is_none());

        // When small ones come, then more of them fit
        (200..1_000).for_each(|segment| indexes.keep(SegmentId(segment), index(10)));
        assert!(indexes.kept.len() > 800);

        // And one that is larger than all that fits is kept alone
        indexes.keep(SegmentId(2_000), index(3_000_000));
        assert_eq!(indexes.kept.len(), 1);
    }
}
