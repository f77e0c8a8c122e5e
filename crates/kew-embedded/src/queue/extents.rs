//! Where a queue's messages lie: one entry for each segment that holds some, with how many of them live.

use std::collections::VecDeque;

use kew_journal::SegmentId;

/// The messages from `first` up to the next extent's are in `segment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) first: u64,
    pub(crate) segment: SegmentId,
    pub(crate) live: u64,
}

/// A queue's extents, by rising sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extents(VecDeque<Extent>);

impl Extents {
    /// New messages from `first` on lie in `segment`.
    pub(crate) fn push(&mut self, first: u64, segment: SegmentId, count: u64) {
        match self.0.back_mut() {
            Some(last) if last.segment == segment => last.live += count,
            _ => self.0.push_back(Extent { first, segment, live: count }),
        }
    }

    /// The segment of a message.
    pub(crate) fn segment(&self, sequence: u64) -> Option<SegmentId> {
        let after = self.0.partition_point(|extent| extent.first <= sequence);
        after.checked_sub(1).map(|at| self.0[at].segment)
    }

    /// Messages of `from..to` are gone, all of which lived: tells `left` how many in which segment.
    pub(crate) fn forget(&mut self, from: u64, to: u64, mut left: impl FnMut(SegmentId, u64)) {
        let mut at = self.0.partition_point(|extent| extent.first <= from).saturating_sub(1);
        let mut start = from;
        while start < to && at < self.0.len() {
            let end = self.0.get(at + 1).map_or(to, |next| next.first.min(to));
            let extent = &mut self.0[at];
            extent.live -= end - start;
            left(extent.segment, end - start);
            start = end;
            at += 1;
        }
    }

    /// All messages before a sequence are gone; `live` counts those that lived from one sequence to another.
    pub(crate) fn expire(
        &mut self,
        before: u64,
        live: impl Fn(u64, u64) -> u64,
        left: &mut dyn FnMut(SegmentId, u64),
    ) {
        let affected = self.0.partition_point(|extent| extent.first < before);
        for at in 0..affected {
            let ends_before = self.0.get(at + 1).is_some_and(|next| next.first <= before);
            let extent = &mut self.0[at];
            let count = if ends_before { extent.live } else { live(extent.first, before) };
            extent.live -= count;
            if count > 0 {
                left(extent.segment, count);
            }
        }
    }

    /// Drops the extents that lie wholly below `floor`.
    pub(crate) fn raise(&mut self, floor: u64) {
        while self.0.get(1).is_some_and(|next| next.first <= floor) {
            self.0.pop_front();
        }
    }

    /// Everything is gone: tells `left` how many lived in which segment.
    pub(crate) fn clear(&mut self, mut left: impl FnMut(SegmentId, u64)) {
        self.0
            .drain(..)
            .filter(|extent| extent.live > 0)
            .for_each(|extent| left(extent.segment, extent.live));
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Extent> {
        self.0.iter()
    }

    pub(crate) fn restore(&mut self, extent: Extent) {
        self.0.push_back(extent);
    }
}
