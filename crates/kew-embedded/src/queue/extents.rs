//! Where a queue's messages lie: stretches of sequences, each with the segment that holds what lives of it.
//!
//! Q6: within an extent, messages lie in the order of their sequences. New ones are appended to the last extent;
//! survivors of a segment that is cleaned (`decide/relocate.rs`) leave its extents from the front, in their order, and
//! join an extent before them only. So whoever reads a segment from its beginning meets each extent's messages rising.
//!
//! An extent remembers how old its messages are, so that most of what is too old is known without a look at it. It ends
//! when its segment does, or when it holds enough that one read brings what is left to look at. What an older version's
//! checkpoint says of an extent is only what lives of it.

use std::collections::VecDeque;

use kew_journal::SegmentId;
use kew_model::{Sequence, Timestamp};

use crate::record::run::{Mask, RUN_WIDTH};

/// After so many live messages another extent begins. A read brings no fewer frames (`FRAMES_AHEAD`).
const FULL_MESSAGES: u64 = 1_000;

/// After so many bytes another extent begins: about what a read brings.
const FULL_BYTES: u64 = 1024 * 1024;

/// Messages that live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) messages: u64,
    /// What they count for in the backlog.
    pub(crate) bytes: u64,
}

impl Live {
    pub(crate) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }

    /// Takes messages away, and says by how much it shrank: where bytes were guessed, by what was left of them.
    fn take(&mut self, gone: Self) -> Self {
        let before = *self;
        self.messages -= gone.messages;
        self.bytes = if self.messages == 0 { 0 } else { before.bytes.saturating_sub(gone.bytes) };
        Self { messages: gone.messages, bytes: before.bytes - self.bytes }
    }
}

/// What the messages of an extent are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    /// How many are in line.
    pub(crate) in_line: u64,
    /// What those count for in the backlog, in bytes.
    pub(crate) bytes: u64,
    /// None of them came into the queue before this time.
    pub(crate) oldest: Timestamp,
    /// None of them came into the queue after this time.
    pub(crate) newest: Timestamp,
}

impl Summary {
    fn with(&self, other: &Self) -> Self {
        Self {
            in_line: self.in_line + other.in_line,
            bytes: self.bytes + other.bytes,
            oldest: self.oldest.min(other.oldest),
            newest: self.newest.max(other.newest),
        }
    }

    /// Without some that were in line.
    fn without(&self, in_line: u64, bytes: u64) -> Self {
        Self {
            in_line: self.in_line.saturating_sub(in_line),
            bytes: self.bytes.saturating_sub(bytes),
            ..*self
        }
    }
}

/// The messages from `first` up to the next extent's that live are in `segment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) first: u64,
    pub(crate) segment: SegmentId,
    pub(crate) live: Live,
    /// What they are like; absent when an older version did not say.
    pub(crate) summary: Option<Summary>,
}

/// A queue's extents, by rising sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extents {
    list: VecDeque<Extent>,
    /// Whether bytes are guesses, since they come from a checkpoint of a version that did not tell them.
    pub(crate) guessed: bool,
}

impl Extents {
    /// New messages from `first` on lie in `segment`.
    pub(crate) fn push(&mut self, first: u64, segment: SegmentId, live: Live, summary: Summary) {
        let new = Extent { first, segment, live, summary: Some(summary) };
        let is_full = |live: &Live| live.messages >= FULL_MESSAGES || live.bytes >= FULL_BYTES;
        match self.list.back_mut().filter(|last| last.segment == segment) {
            Some(last) if last.live.messages == 0 => *last = new,
            Some(Extent { live: known, summary: Some(like), .. }) if !is_full(known) => {
                known.add(live);
                *like = like.with(&summary);
            }
            _ => self.list.push_back(new),
        }
    }

    fn at(&self, sequence: u64) -> Option<usize> {
        self.list.partition_point(|extent| extent.first <= sequence).checked_sub(1)
    }

    /// The extent of a message.
    pub(crate) fn of(&self, sequence: u64) -> Option<&Extent> {
        self.at(sequence).map(|at| &self.list[at])
    }

    /// Where the extent of a message ends; the last one has no end.
    pub(crate) fn end_of(&self, sequence: u64) -> Option<u64> {
        self.list.get(self.at(sequence)? + 1).map(|next| next.first)
    }

    /// When the newest message came, as far as that is known.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.list.back()?.summary.map(|summary| summary.newest)
    }

    /// Messages of a run are in line no more; `bytes` says what some of them count for in the backlog.
    pub(crate) fn take_out_of_line(&mut self, first: Sequence, mask: Mask, bytes: impl Fn(Mask) -> u64) {
        let Some(mut at) = self.at(first.0) else { return };
        let mut left = mask;
        while !left.is_empty() && at < self.list.len() {
            let end = self.list.get(at + 1).map_or(u64::MAX, |next| next.first.saturating_sub(first.0));
            let here = Mask(left.0 & Mask::between(0, end.min(RUN_WIDTH)).0);
            let extent = &mut self.list[at];
            extent.summary = extent.summary.map(|summary| summary.without(here.count(), bytes(here)));
            left = Mask(left.0 & !here.0);
            at += 1;
        }
    }

    /// The segment of a message.
    pub(crate) fn segment(&self, sequence: u64) -> Option<SegmentId> {
        self.of(sequence).map(|extent| extent.segment)
    }

    /// Messages of `from..to` are gone, all of which lived: tells `left` what went from which segment. `bytes` says
    /// what those from one sequence to another counted for.
    pub(crate) fn forget(
        &mut self,
        from: u64,
        to: u64,
        bytes: impl Fn(u64, u64) -> u64,
        left: &mut dyn FnMut(SegmentId, Live),
    ) {
        let mut at = self.list.partition_point(|extent| extent.first <= from).saturating_sub(1);
        let mut start = from;
        while start < to && at < self.list.len() {
            let end = self.list.get(at + 1).map_or(to, |next| next.first.min(to));
            let extent = &mut self.list[at];
            let gone = Live { messages: end - start, bytes: bytes(start, end) };
            left(extent.segment, extent.live.take(gone));
            start = end;
            at += 1;
        }
    }

    /// All messages before a sequence are gone, which counted for `bytes`, and those in line were so many of so many bytes;
    /// `living` counts those that lived from one sequence to another.
    pub(crate) fn expire(
        &mut self,
        before: u64,
        bytes: u64,
        (mut in_line, mut in_line_bytes): (u64, u64),
        living: impl Fn(u64, u64) -> u64,
        left: &mut dyn FnMut(SegmentId, Live),
    ) {
        let affected = self.list.partition_point(|extent| extent.first < before);
        let mut bytes_left = bytes;
        let mut all_known = true;
        for at in 0..affected {
            let ends_before = self.list.get(at + 1).is_some_and(|next| next.first <= before);
            let extent = &mut self.list[at];
            let gone = if ends_before {
                extent.live
            } else {
                // Only the last of them can be one of which some stays.
                Live { messages: living(extent.first, before), bytes: bytes_left }
            };
            let gone = extent.live.take(gone);
            bytes_left = bytes_left.saturating_sub(gone.bytes);
            extent.summary = match extent.summary {
                Some(summary) if ends_before => {
                    in_line = in_line.saturating_sub(summary.in_line);
                    in_line_bytes = in_line_bytes.saturating_sub(summary.bytes);
                    Some(summary.without(summary.in_line, summary.bytes))
                }
                Some(summary) if all_known => Some(summary.without(in_line, in_line_bytes)),
                _ => None,
            };
            all_known &= extent.summary.is_some();
            if gone.messages > 0 {
                left(extent.segment, gone);
            }
        }
    }

    /// The first messages of an extent, up to `end`, lie in another segment now; tells `left` what went from which. All
    /// that lives from `from`, in that extent, to `end` is among them. False, and nothing has changed, if there are no
    /// such messages.
    pub(crate) fn relocate(
        &mut self,
        (from, end): (u64, u64),
        segment: SegmentId,
        (moved, summary): (Live, Summary),
        left: &mut dyn FnMut(SegmentId, Live),
    ) -> bool {
        let Some(at) = self.list.partition_point(|extent| extent.first <= from).checked_sub(1) else {
            return false;
        };
        let mut rest = self.list[at];
        if rest.live.messages < moved.messages || self.list.get(at + 1).is_some_and(|next| next.first < end) {
            return false;
        }
        left(rest.segment, rest.live.take(moved));
        rest.summary = rest.summary.map(|known| known.without(summary.in_line, summary.bytes));
        let mut after = self.list.split_off(at + 1);
        self.list.pop_back();
        while self.list.back().is_some_and(|before| before.live.messages == 0) {
            self.list.pop_back();
        }
        self.push(from, segment, moved, summary);
        if rest.live.messages > 0 {
            self.list.push_back(Extent { first: end, ..rest });
        }
        self.list.append(&mut after);
        true
    }

    /// Drops the extents that lie wholly below `floor`.
    pub(crate) fn raise(&mut self, floor: u64) {
        while self.list.get(1).is_some_and(|next| next.first <= floor) {
            self.list.pop_front();
        }
    }

    /// Everything is gone: tells `left` what lived in which segment.
    pub(crate) fn clear(&mut self, left: &mut dyn FnMut(SegmentId, Live)) {
        let list = self.list.drain(..);
        list.filter(|extent| extent.live.messages > 0).for_each(|extent| left(extent.segment, extent.live));
        self.guessed = false;
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Extent> {
        self.list.iter()
    }

    pub(crate) fn restore(&mut self, extent: Extent) {
        self.list.push_back(extent);
    }

    /// Guesses what the messages of each extent count for, since only `bytes` of all of them is known.
    pub(crate) fn guess_bytes(&mut self, bytes: u64) {
        let messages: u64 = self.list.iter().map(|extent| extent.live.messages).sum();
        let mut left = Live { messages, bytes };
        for extent in &mut self.list {
            let share = u128::from(left.bytes) * u128::from(extent.live.messages);
            let share = share.checked_div(u128::from(left.messages)).unwrap_or(0);
            extent.live.bytes = u64::try_from(share).unwrap_or(u64::MAX);
            left.messages -= extent.live.messages;
            left.bytes -= extent.live.bytes;
        }
        self.guessed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(messages: u64) -> Live {
        Live { messages, bytes: messages * 10 }
    }

    fn summary(messages: u64) -> Summary {
        Summary { in_line: messages, bytes: messages * 10, oldest: Timestamp(1), newest: Timestamp(2) }
    }

    /// The extents as (first, segment, messages).
    fn listed(extents: &Extents) -> Vec<(u64, u64, u64)> {
        extents.iter().map(|extent| (extent.first, extent.segment.0, extent.live.messages)).collect()
    }

    fn extents(list: &[(u64, u64, u64)]) -> Extents {
        let mut extents = Extents::default();
        list.iter().for_each(|(first, segment, count)| {
            extents.push(*first, SegmentId(*segment), live(*count), summary(*count))
        });
        extents
    }

    #[test]
    fn what_is_relocated_leaves_its_extent_from_the_front_and_joins_the_one_before() {
        let mut extents = extents(&[(1, 1, 100), (101, 2, 100), (201, 3, 100)]);
        let mut left = Vec::new();
        let mut relocate = |extents: &mut Extents, stretch, count| {
            let moved = (live(count), summary(count));
            let done = extents.relocate(stretch, SegmentId(3), moved, &mut |segment, gone| {
                left.push((segment.0, gone));
            });
            assert!(done);
        };
        relocate(&mut extents, (1, 41), 40);
        assert_eq!(listed(&extents), [(1, 3, 40), (41, 1, 60), (101, 2, 100), (201, 3, 100)]);
        relocate(&mut extents, (41, 101), 60);
        assert_eq!(listed(&extents), [(1, 3, 100), (101, 2, 100), (201, 3, 100)]);
        relocate(&mut extents, (101, 151), 50);
        assert_eq!(listed(&extents), [(1, 3, 150), (151, 2, 50), (201, 3, 100)]);
        assert_eq!(left, [(1, live(40)), (1, live(60)), (2, live(50))]);
        assert_eq!((extents.segment(150), extents.segment(151)), (Some(SegmentId(3)), Some(SegmentId(2))));
    }

    #[test]
    fn an_extent_in_which_nothing_lives_is_given_up_when_its_neighbour_moves() {
        let mut extents = extents(&[(1, 1, 10), (11, 2, 10), (21, 3, 10), (31, 4, 10)]);
        extents.forget(11, 21, |from, to| (to - from) * 10, &mut |_, _| {});
        extents.forget(22, 31, |from, to| (to - from) * 10, &mut |_, _| {});
        assert!(extents.relocate((21, 22), SegmentId(1), (live(1), summary(1)), &mut |_, _| {}));
        assert_eq!(listed(&extents), [(1, 1, 11), (31, 4, 10)]);
    }

    #[test]
    fn what_is_not_in_one_extent_is_not_relocated() {
        let mut extents = extents(&[(11, 1, 10), (21, 2, 10)]);
        let before = extents.clone();
        for (stretch, count) in [((1, 5), 2), ((11, 21), 11), ((11, 22), 10)] {
            let moved = (live(count), summary(count));
            assert!(!extents.relocate(stretch, SegmentId(9), moved, &mut |_, _| panic!("it moved")));
        }
        assert_eq!(extents, before);
    }

    #[test]
    fn bytes_that_are_guessed_are_shared_by_messages_and_never_fall_below_nothing() {
        let mut extents = extents(&[(1, 1, 3), (4, 2, 1)]);
        extents.guess_bytes(101);
        assert_eq!(extents.iter().map(|extent| extent.live.bytes).collect::<Vec<_>>(), [75, 26]);
        let mut left = Vec::new();
        extents.forget(1, 5, |_, _| 90, &mut |segment, gone| left.push((segment.0, gone)));
        assert_eq!(left, [(1, Live { messages: 3, bytes: 75 }), (2, Live { messages: 1, bytes: 26 })]);
    }

    #[test]
    fn of_what_expires_the_last_extent_loses_what_the_others_did_not() {
        let mut extents = extents(&[(1, 1, 10), (11, 2, 10), (21, 3, 10)]);
        let mut left = Vec::new();
        extents.expire(15, 147, (12, 127), |from, to| to - from, &mut |segment, gone| {
            left.push((segment.0, gone))
        });
        assert_eq!(left, [(1, live(10)), (2, Live { messages: 4, bytes: 47 })]);
        assert_eq!(extents.iter().map(|extent| extent.live.bytes).collect::<Vec<_>>(), [0, 53, 100]);
        let in_line =
            extents.iter().map(|extent| extent.summary.map(|summary| (summary.in_line, summary.bytes)));
        assert_eq!(in_line.collect::<Vec<_>>(), [Some((0, 0)), Some((8, 73)), Some((10, 100))]);
    }
}
