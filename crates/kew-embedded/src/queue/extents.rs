//! Where a queue's messages lie: stretches of sequences, each with the segment that holds what lives of it.
//!
//! Q6: within an extent, messages lie in the order of their sequences. New ones are appended to the last extent;
//! survivors of a segment that is cleaned (`decide/relocate.rs`) leave its extents from the front, in their order, and
//! join an extent before them only. So whoever reads a segment from its beginning meets each extent's messages rising.
//!
//! An extent remembers how old its messages are, so that most of what is too old is known without a look at it. It ends
//! when its segment does, or when it holds enough that one read brings what is left to look at. What an older version's
//! checkpoint says of an extent is only what lives of it.

#[cfg(test)]
mod tests;

use kew_journal::SegmentId;
use kew_model::{Sequence, Timestamp};

use crate::queue::chunks::Chunks;
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

    /// Whether an extent of so many ends.
    fn is_full(&self) -> bool {
        self.messages >= FULL_MESSAGES || self.bytes >= FULL_BYTES
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
    /// By their first sequence.
    list: Chunks<u64, Extent>,
    /// Whether bytes are guesses, since they come from a checkpoint of a version that did not tell them.
    pub(crate) guessed: bool,
}

impl Extents {
    /// New messages from `first` on lie in `segment`.
    pub(crate) fn push(&mut self, first: u64, segment: SegmentId, live: Live, summary: Summary) {
        let before = self.list.last().map(|(before, _)| *before);
        self.add(before, Extent { first, segment, live, summary: Some(summary) });
    }

    /// Adds messages to the extent before them, or as a new one.
    fn add(&mut self, before: Option<u64>, new: Extent) {
        let segment = new.segment;
        let before =
            before.and_then(|before| self.list.get_mut(&before)).filter(|one| one.segment == segment);
        match (before, new.summary) {
            (Some(before), _) if before.live.messages == 0 => {
                let first = before.first;
                self.list.remove(&first);
            }
            (Some(Extent { live, summary: Some(like), .. }), Some(summary)) if !live.is_full() => {
                live.add(new.live);
                *like = like.with(&summary);
                return;
            }
            _ => {}
        }
        self.restore(new);
    }

    /// The extent of a message.
    pub(crate) fn of(&self, sequence: u64) -> Option<&Extent> {
        self.list.last_up_to(sequence).map(|(_, extent)| extent)
    }

    /// Where the extent of a message begins and ends; the last one has no end.
    fn bounds(&self, sequence: u64) -> Option<(u64, Option<u64>)> {
        let mut firsts = self.list.up_including(sequence).map(|(first, _)| *first);
        Some((firsts.next()?, firsts.next()))
    }

    /// Where the extent of a message ends; the last one has no end.
    pub(crate) fn end_of(&self, sequence: u64) -> Option<u64> {
        self.bounds(sequence)?.1
    }

    /// When the newest message came, as far as that is known.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.list.last()?.1.summary.map(|summary| summary.newest)
    }

    /// Messages of a run are in line no more; `bytes` says what some of them count for in the backlog.
    pub(crate) fn take_out_of_line(&mut self, first: Sequence, mask: Mask, bytes: impl Fn(Mask) -> u64) {
        let mut left = mask;
        while let Some(bit) = left.next(0) {
            let sequence = first.0 + bit;
            let Some((at, end)) = self.bounds(sequence) else { return };
            let end = end.map_or(RUN_WIDTH, |end| (end - first.0).min(RUN_WIDTH));
            let here = Mask(left.0 & Mask::between(0, end).0);
            if let Some(extent) = self.list.get_mut(&at) {
                extent.summary = extent.summary.map(|summary| summary.without(here.count(), bytes(here)));
            }
            left = Mask(left.0 & !here.0);
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
        let mut start = from;
        while start < to {
            let Some((at, end)) = self.bounds(start) else { return };
            let end = end.map_or(to, |end| end.min(to));
            if let Some(extent) = self.list.get_mut(&at) {
                let gone = Live { messages: end - start, bytes: bytes(start, end) };
                left(extent.segment, extent.live.take(gone));
            }
            start = end;
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
        let mut bytes_left = bytes;
        let mut all_known = true;
        // Only the last of them can be one of which some stays.
        let Some((last, end)) = before.checked_sub(1).and_then(|last| self.bounds(last)) else { return };
        let last = if end == Some(before) { before } else { last };
        for (_, extent) in self.list.iter().take_while(|(first, _)| **first < last) {
            bytes_left = bytes_left.saturating_sub(extent.live.bytes);
            if extent.live.messages > 0 {
                left(extent.segment, extent.live);
            }
            all_known &= extent.summary.is_some();
            if let Some(summary) = extent.summary {
                in_line = in_line.saturating_sub(summary.in_line);
                in_line_bytes = in_line_bytes.saturating_sub(summary.bytes);
            }
        }
        self.list.remove_below(last);
        if last < before
            && let Some(extent) = self.list.get_mut(&last)
        {
            let gone = extent.live.take(Live { messages: living(last, before), bytes: bytes_left });
            extent.summary =
                extent.summary.filter(|_| all_known).map(|summary| summary.without(in_line, in_line_bytes));
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
        let Some(mut rest) = self.of(from).copied() else { return false };
        let next = self.end_of(from);
        let stays = rest.live.messages > moved.messages;
        if rest.live.messages < moved.messages || next.is_some_and(|next| next < end + u64::from(stays)) {
            return false;
        }
        let at = rest.first;
        left(rest.segment, rest.live.take(moved));
        rest.summary = rest.summary.map(|known| known.without(summary.in_line, summary.bytes));
        self.list.remove(&at);
        let mut before = self.of(from).copied();
        while let Some(empty) = before.filter(|before| before.live.messages == 0) {
            self.list.remove(&empty.first);
            before = self.of(from).copied();
        }
        let before = before.map(|before| before.first);
        self.add(before, Extent { first: from, segment, live: moved, summary: Some(summary) });
        if stays {
            self.restore(Extent { first: end, ..rest });
        }
        true
    }

    /// Drops the extents that lie wholly below `floor`.
    pub(crate) fn raise(&mut self, floor: u64) {
        if let Some(first) = self.of(floor).map(|extent| extent.first) {
            self.list.remove_below(first);
        }
    }

    /// Everything is gone: tells `left` what lived in which segment.
    pub(crate) fn clear(&mut self, left: &mut dyn FnMut(SegmentId, Live)) {
        let living = self.iter().filter(|extent| extent.live.messages > 0);
        living.for_each(|extent| left(extent.segment, extent.live));
        *self = Self::default();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Extent> {
        self.list.values()
    }

    pub(crate) fn restore(&mut self, extent: Extent) {
        self.list.insert(extent.first, extent);
    }

    /// Guesses what the messages of each extent count for, since only `bytes` of all of them is known.
    pub(crate) fn guess_bytes(&mut self, bytes: u64) {
        let messages: u64 = self.iter().map(|extent| extent.live.messages).sum();
        let mut left = Live { messages, bytes };
        for (first, mut extent) in self.list.clone().iter().map(|(first, extent)| (*first, *extent)) {
            let share = u128::from(left.bytes) * u128::from(extent.live.messages);
            let share = share.checked_div(u128::from(left.messages)).unwrap_or(0);
            extent.live.bytes = u64::try_from(share).unwrap_or(u64::MAX);
            left.messages -= extent.live.messages;
            left.bytes -= extent.live.bytes;
            self.list.insert(first, extent);
        }
        self.guessed = true;
    }
}
