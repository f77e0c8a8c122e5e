//! How messages leave a queue: acknowledged, buried, deleted by name, purged, or too old.

use kew_journal::SegmentId;
use kew_journal::seeded::{self, Bug};
use kew_model::{Milliseconds, Sequence, Timestamp};

use super::departures::Reason;
use super::extents::Live;
use super::{QueueState, stretches};
use crate::record::Aged;
use crate::record::ranges::Ranges;
use crate::record::run::{Details, Mask, Origin, PickedRun};

/// How long after a look at a queue's age time alone leads to no other: what becomes too old meanwhile goes together.
const LOOKS_APART: Milliseconds = Milliseconds(1_000);

impl QueueState {
    /// Messages are done.
    pub(crate) fn ack(&mut self, messages: &Ranges, left: &mut dyn FnMut(SegmentId, Live)) {
        self.remove_delivered(messages, left);
    }

    fn remove_delivered(&mut self, messages: &Ranges, left: &mut dyn FnMut(SegmentId, Live)) {
        for range in messages.iter() {
            for piece in self.runs.take(range) {
                self.depart(piece.first, piece.mask, &piece.details, left);
            }
        }
        self.settle_floor();
    }

    /// Messages left that were in no structure any more; `settle_floor` comes after the last of them.
    fn depart(
        &mut self,
        first: Sequence,
        mask: Mask,
        details: &Details,
        left: &mut dyn FnMut(SegmentId, Live),
    ) {
        self.backlog_count -= mask.count();
        self.backlog_bytes -= details.accounted_bytes(mask);
        let bytes = |from: u64, to: u64| {
            details.accounted_bytes(Mask(mask.0 & Mask::between(from - first.0, to - first.0).0))
        };
        for range in stretches(first, mask) {
            self.extents.forget(range.first.0, range.end(), bytes, left);
            if !seeded::is(Bug::ForgetAck) {
                self.gone.insert(range.first.0, range.end());
            }
        }
    }

    /// Exhausted messages left.
    pub(crate) fn bury(&mut self, messages: &Ranges, left: &mut dyn FnMut(SegmentId, Live)) {
        self.remove_delivered(messages, left);
        messages.iter().for_each(|range| self.departures.note(range, Reason::Exhausted));
    }

    /// Messages were deleted by name.
    pub(crate) fn discard(&mut self, runs: &[PickedRun], left: &mut dyn FnMut(SegmentId, Live)) {
        let mut held_back = 0;
        for picked in runs {
            match (&picked.details, picked.origin) {
                (Some(details), origin) => {
                    match origin {
                        Origin::Ready => self.leave_line(picked),
                        _ => held_back += picked.mask.count(),
                    }
                    self.depart(picked.first, picked.mask, details, left);
                }
                (None, _) => {
                    let messages = picked.sequences().collect();
                    self.remove_delivered(&messages, left);
                }
            }
        }
        let gone = &self.gone;
        self.delays.discard(held_back, |from, to| gone.first_left(from) < to);
        self.settle_floor();
    }

    /// Everything is gone.
    pub(crate) fn purge(&mut self, before: Sequence, left: &mut dyn FnMut(SegmentId, Live)) {
        if !seeded::is(Bug::PurgeForgetsDelivered) {
            self.runs.clear();
        }
        self.delays.clear();
        self.extents.clear(left);
        self.gone.raise(before.0);
        self.in_line = 0;
        self.backlog_count = 0;
        self.backlog_bytes = 0;
        self.settle_cursor();
    }

    /// The oldest messages were looked at, at a time: those before a sequence are gone.
    pub(crate) fn age(&mut self, aged: &Aged, at: Timestamp, left: &mut dyn FnMut(SegmentId, Live)) {
        let before = aged.before.0;
        let (mut count, mut bytes) = (aged.in_line, aged.bytes);
        for piece in self.runs.take_below(before) {
            count += piece.mask.count();
            bytes += piece.accounted_bytes();
            for range in stretches(piece.first, piece.mask) {
                self.departures.note(range, Reason::RetentionEnded);
            }
        }
        for entry in self.delays.take_below(before) {
            let lengths = (entry.first..entry.first + u64::from(entry.count))
                .filter(|sequence| !self.gone.contains(*sequence))
                .map(|_| entry.span.accounted_bytes());
            count += lengths.clone().count() as u64;
            bytes += lengths.sum::<u64>();
        }
        self.in_line -= aged.in_line;
        self.backlog_count -= count;
        self.backlog_bytes -= bytes;
        let gone = &self.gone;
        let living = |from, to| (to - from) - gone.count(from, to);
        self.extents.expire(before, bytes, (aged.in_line, aged.bytes), living, left);
        self.gone.raise(before);
        self.aged = aged.oldest;
        self.look_after = at.after(LOOKS_APART);
        self.settle_floor();
    }
}
