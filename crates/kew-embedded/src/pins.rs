//! Segments that answers have yet to be read from.
//!
//! A pull is decided and durable before its bodies are read. Were its leases to end meanwhile, and its messages to leave
//! with them, their segment could be free before somebody has seen them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kew_journal::SegmentId;

/// How many answers wait to be read from each segment. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pinned(Arc<Mutex<BTreeMap<SegmentId, usize>>>);

impl Pinned {
    fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<SegmentId, usize>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps segments until what is returned is dropped.
    pub(crate) fn pin(&self, segments: impl IntoIterator<Item = SegmentId>) -> Pins {
        let mut segments: Vec<_> = segments.into_iter().collect();
        segments.dedup();
        if !segments.is_empty() {
            self.with(|pinned| segments.iter().for_each(|id| *pinned.entry(*id).or_default() += 1));
        }
        Pins { pinned: self.clone(), segments }
    }

    /// Whether an answer is yet to be read from a segment.
    pub(crate) fn holds(&self, segment: SegmentId) -> bool {
        self.with(|pinned| pinned.contains_key(&segment))
    }
}

/// The segments of one answer.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    pinned: Pinned,
    segments: Vec<SegmentId>,
}

impl Drop for Pins {
    fn drop(&mut self) {
        if self.segments.is_empty() {
            return;
        }
        self.pinned.with(|pinned| {
            for id in &self.segments {
                if let Some(count) = pinned.get_mut(id) {
                    *count -= 1;
                    if *count == 0 {
                        pinned.remove(id);
                    }
                }
            }
        });
    }
}
