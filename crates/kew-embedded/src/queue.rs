//! One queue's messages, as a fold of its records.
//!
//! Every method that changes something applies one record and cannot refuse: the record was decided against this very
//! state, or is being replayed over it. Memory is by exception: a message in line costs nothing here; a delivered one a
//! bit of a run; an acknowledged one at most a bit; a delayed one an entry, or a share of one.
//!
//! Invariants, looked at by [`QueueState::violation`], in tests and by `kew check`:
//! * Q1: `backlog_count` = in line + delayed + in runs, each counted without what is gone.
//! * Q2: every live sequence below `cursor` is in a run or was held back when it came.
//! * Q3: when nothing is in line the window is empty and the cursor stands at the next message to come.
//! * Q4: the live messages of the extents sum up to `backlog_count`, and their bytes to `backlog_bytes`.
//! * Q5: while something is in line the cursor is not below the floor, so that an extent covers it.
//! * Q6 is the order of messages within an extent (`queue/extents.rs`).
//! * Q7: the messages in line of the extents sum up to `in_line`, once no extent is left of which an older version's
//!   checkpoint did not say.

pub(crate) mod chunks;
pub(crate) mod delays;
pub(crate) mod departures;
pub(crate) mod extents;
pub(crate) mod gone;
pub(crate) mod keys;
mod leaving;
mod recount;
pub(crate) mod runs;
mod times;
mod violation;
pub(crate) mod window;

use std::sync::Arc;

use bytes::Bytes;
use kew_journal::{Lsn, Position, SegmentId};
use kew_model::{Queue, Sequence, Timestamp};

use crate::record::batch::{Batch, Stored};
use crate::record::ranges::{Range, Ranges};
use crate::record::run::{Details, DetailsBuilder, Mask, Origin, PickedRun, Span};
use delays::Delays;
use departures::Departures;
use extents::{Extents, Live, Summary};
use gone::Gone;
use keys::Keys;
use runs::{Phase, Run, Runs};
pub(crate) use times::Oldest;
use window::{Head, Window};

/// One queue.
#[derive(Debug, Clone)]
pub(crate) struct QueueState {
    /// As in the catalog.
    pub(crate) object: Arc<Queue>,
    /// The sequence that the next message will get.
    pub(crate) next: u64,
    /// The lowest sequence that may be in line.
    pub(crate) cursor: u64,
    /// Messages in line: never delivered, not held back, not gone.
    pub(crate) in_line: u64,
    pub(crate) backlog_count: u64,
    pub(crate) backlog_bytes: u64,
    pub(crate) gone: Gone,
    pub(crate) runs: Runs,
    pub(crate) delays: Delays,
    pub(crate) extents: Extents,
    pub(crate) departures: Departures,
    pub(crate) keys: Keys,
    /// No message that is left came into the queue before this time.
    pub(crate) aged: Timestamp,
    /// Nobody looks for messages that are too old before this time, unless somebody asks.
    pub(crate) look_after: Timestamp,
    pub(crate) window: Window,
    /// A message and when it was published, to say so again while it is the oldest.
    known: Option<(Sequence, Timestamp)>,
    /// Frames up to this one are in the checkpoint that this queue was read from; replay skips them.
    pub(crate) covered: Lsn,
}

/// A frame's messages as they arrive: where they lie and, when fresh, their bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) position: Position,
    /// The payload, to be kept in the window; absent in replay and when the window's budget is used up.
    pub(crate) payload: Option<&'a Bytes>,
    pub(crate) record_start: u32,
}

impl QueueState {
    pub(crate) fn new(object: Arc<Queue>) -> Self {
        Self {
            object,
            next: 1,
            cursor: 1,
            in_line: 0,
            backlog_count: 0,
            backlog_bytes: 0,
            gone: Gone::new(),
            runs: Runs::default(),
            delays: Delays::default(),
            extents: Extents::default(),
            departures: Departures::default(),
            keys: Keys::default(),
            aged: Timestamp::default(),
            look_after: Timestamp::default(),
            window: Window::default(),
            known: None,
            covered: Lsn::NONE,
        }
    }

    /// Messages came, by a push or a move.
    pub(crate) fn arrive(&mut self, batch: &Batch<'_>, arrival: Arrival<'_>) {
        let mut messages = batch.messages();
        if let Some(first) = messages.next().filter(|_| self.backlog_count == 0) {
            self.aged = first.kept_from();
        }
        // The window may go on with this frame only if it holds all that stands before it in line.
        let continues = self.in_line == 0 || self.window.end() == Some(batch.first.0);
        if self.in_line == 0 {
            self.window.clear();
            self.cursor = batch.first.0;
        }
        if self.backlog_count == 0 {
            self.known = batch.messages().next().map(|stored| (stored.sequence, stored.sent_at));
        }
        let (oldest, newest) = batch.enqueued();
        let live = batch.live();
        let mut summary = Summary { in_line: live.messages, bytes: live.bytes, oldest, newest };
        if batch.may_delay() {
            for stored in batch.messages().filter(|stored| stored.is_delayed()) {
                let span = Span {
                    from: 0,
                    content_type: stored.content_type,
                    length: stored.length,
                    sent_at: stored.sent_at,
                };
                self.delays.insert(stored.available_at, stored.sequence, span);
                summary.in_line -= 1;
                summary.bytes -= stored.accounted_bytes();
            }
        }
        self.in_line += summary.in_line;
        self.backlog_count += live.messages;
        self.backlog_bytes += live.bytes;
        self.extents.push(batch.first.0, arrival.position.segment, live, summary);
        self.next = batch.end().0;
        match arrival.payload {
            Some(payload) if continues && self.in_line > 0 => {
                self.window.append(Head::new(batch, payload.clone(), arrival.record_start));
            }
            _ => {}
        }
        self.settle_cursor();
    }

    /// Messages lie in another segment now; false if they did not lie where they should.
    pub(crate) fn relocate(
        &mut self,
        batch: &Batch<'_>,
        segment: SegmentId,
        left: &mut dyn FnMut(SegmentId, Live),
    ) -> bool {
        let (oldest, newest) = batch.enqueued();
        let mut summary = Summary { in_line: 0, bytes: 0, oldest, newest };
        let in_line = |stored: &Stored| stored.sequence.0 >= self.cursor && !stored.is_delayed();
        for stored in batch.messages().filter(in_line) {
            summary.in_line += 1;
            summary.bytes += stored.accounted_bytes();
        }
        let stretch = (batch.first.0, batch.end().0);
        self.extents.relocate(stretch, segment, (batch.live(), summary), left)
    }

    /// Messages were delivered.
    pub(crate) fn lease(&mut self, runs: &[PickedRun], deadline: Timestamp, fence: u64) {
        for picked in runs {
            let details = match picked.origin {
                Origin::Ready => {
                    self.leave_line(picked);
                    self.cursor = picked.sequences().last().map_or(self.cursor, |last| last.0 + 1);
                    picked.details.clone()
                }
                Origin::Delayed => {
                    picked.sequences().for_each(|sequence| self.delays.take(sequence));
                    picked.details.clone()
                }
                Origin::Delivered => self.take_details(picked),
            };
            if let Some(details) = details {
                self.runs.insert(Run {
                    first: picked.first,
                    mask: picked.mask,
                    phase: Phase::Leased,
                    due: deadline,
                    fence,
                    attempts: picked.attempts,
                    details,
                });
            }
        }
        self.settle_cursor();
    }

    /// Messages are in line no more.
    fn leave_line(&mut self, picked: &PickedRun) {
        self.in_line -= picked.mask.count();
        let bytes = |mask| picked.details.as_ref().map_or(0, |details| details.accounted_bytes(mask));
        self.extents.take_out_of_line(picked.first, picked.mask, bytes);
    }

    /// Takes delivered messages out of their runs and gathers what is known of them.
    fn take_details(&mut self, picked: &PickedRun) -> Option<Details> {
        let mut spans: Vec<(u64, Span)> = Vec::new();
        for range in stretches(picked.first, picked.mask) {
            for piece in self.runs.take(range) {
                spans.extend(
                    piece.sequences().map(|sequence| (sequence.0 - picked.first.0, piece.span(sequence))),
                );
            }
        }
        spans.sort_unstable_by_key(|(bit, _)| *bit);
        let mut details = DetailsBuilder::default();
        spans.into_iter().for_each(|(bit, span)| details.push(bit, span));
        details.finish()
    }

    /// Messages wait for another delivery, or for their burial.
    pub(crate) fn hand_back(&mut self, messages: &Ranges, phase: Phase, due: Timestamp) {
        for range in messages.iter() {
            for piece in self.runs.take(range) {
                self.runs.insert(Run { phase, due, ..piece });
            }
        }
    }

    /// Messages are gone: what lies below the floor is forgotten.
    fn settle_floor(&mut self) {
        self.extents.raise(self.gone.floor());
        self.settle_cursor();
    }

    /// Keeps Q3 and Q5, and the window at the cursor.
    fn settle_cursor(&mut self) {
        if self.in_line == 0 {
            self.cursor = self.next;
            self.window.clear();
        } else {
            self.cursor = self.gone.first_left(self.cursor);
            self.window.pass(self.cursor);
        }
    }

    /// Messages that were held back when they came and have neither been delivered nor gone.
    pub(crate) fn delayed_count(&self) -> u64 {
        let each = self.delays.iter().map(|entry| {
            let (from, to) = (entry.first, entry.first + u64::from(entry.count));
            to - from - self.gone.count(from, to)
        });
        each.sum()
    }
}

/// The stretches of neighbouring bits of a run.
pub(crate) fn stretches(first: Sequence, mask: Mask) -> impl Iterator<Item = Range> {
    let mut from = 0;
    core::iter::from_fn(move || {
        let start = mask.next(from)?;
        let count = u64::from((!(mask.0 >> start)).trailing_zeros()).min(128 - start);
        from = start + count;
        Some(Range { first: Sequence(first.0 + start), count })
    })
}
