//! Which segment is being cleaned, how far that has come, and how much of it may be done now.
//!
//! Cleaning goes on in small steps between the groups of verbs, each of which moves some messages in one frame. It may
//! write a quarter of all that is written, and a little more as time passes, so that a store that falls idle gets done
//! with it. Where more has piled up than that keeps up with, it may write half, and where the volume is nearly full, as
//! much as there is.

use std::collections::{BTreeSet, VecDeque};

use kew_journal::SegmentId;
use kew_model::{Milliseconds, QueueNumber, Timestamp};

use crate::fetch::{Part, Slice};
use crate::queue::window::Head;

/// Bytes of work for each second, whatever else is written.
const BYTES_PER_SECOND: u64 = 4 << 20;

/// Work that may be saved up, in bytes.
const CREDIT_MAX: i64 = 1 << 20;

/// Reading so many bytes counts as writing one.
const READ_SHARE: u64 = 8;

/// How long after a failed read it is tried again.
const READ_AGAIN: Milliseconds = Milliseconds(1_000);

/// How urgent cleaning is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Haste {
    /// A quarter of what is written.
    #[default]
    None,
    /// Half of what is written.
    Some,
}

/// A segment that is being cleaned.
#[derive(Debug)]
pub(crate) struct Victim {
    pub(crate) segment: SegmentId,
    /// What was read of it and not looked at yet.
    pub(crate) frames: VecDeque<(QueueNumber, Head)>,
    /// Where it is to be read on; none when it was read to its end.
    next_offset: Option<u32>,
    is_reading: bool,
}

/// The cleaning of a shard's log.
#[derive(Debug)]
pub(crate) struct Cleaner {
    pub(crate) victim: Option<Victim>,
    /// Whether a segment to clean may be found where there was none.
    pub(crate) may_choose: bool,
    /// Segments that could not be cleaned.
    pub(crate) passed_over: BTreeSet<SegmentId>,
    /// Whether the volume is nearly full.
    pub(crate) is_scarce: bool,
    pub(crate) haste: Haste,
    /// Work that may be done now, in bytes; below zero when more was done.
    credit: i64,
    earned_at: Timestamp,
    again_at: Option<Timestamp>,
    /// Bytes that cleaning has written so far.
    #[cfg(feature = "test-util")]
    pub(crate) written_bytes: u64,
}

impl Cleaner {
    pub(crate) fn new() -> Self {
        Self {
            victim: None,
            may_choose: true,
            passed_over: BTreeSet::new(),
            is_scarce: false,
            haste: Haste::None,
            credit: 0,
            earned_at: Timestamp::NEVER,
            again_at: None,
            #[cfg(feature = "test-util")]
            written_bytes: 0,
        }
    }

    /// Whether the volume is nearly full. When it comes to that, segments are worth cleaning that were not before.
    pub(crate) fn look_at_space(&mut self, is_scarce: bool) {
        self.may_choose |= is_scarce && !self.is_scarce;
        self.is_scarce = is_scarce;
    }

    /// Time has passed.
    pub(crate) fn pass_time(&mut self, now: Timestamp) {
        let elapsed = now.since(self.earned_at);
        self.earned_at = now;
        self.earn(elapsed.0.saturating_mul(BYTES_PER_SECOND / 1_000));
    }

    /// Others wrote so many bytes.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.earn(match self.haste {
            Haste::None => bytes as u64 / 3,
            Haste::Some => bytes as u64,
        });
    }

    fn earn(&mut self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.credit = self.credit.saturating_add(bytes).min(CREDIT_MAX);
    }

    /// Cleaning wrote so many bytes.
    pub(crate) fn moved(&mut self, bytes: u64) {
        #[cfg(feature = "test-util")]
        {
            self.written_bytes += bytes;
        }
        self.spend(bytes);
    }

    fn spend(&mut self, bytes: u64) {
        self.credit = self.credit.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Whether a step may be taken now, if there is one to take.
    pub(crate) fn may_work(&self, now: Timestamp) -> bool {
        let waits = self.again_at.is_some_and(|at| at > now);
        let is_reading = self.victim.as_ref().is_some_and(|victim| victim.is_reading);
        !waits && !is_reading && (self.credit >= 0 || self.is_scarce)
    }

    /// Whether there may be a step to take.
    fn has_work(&self) -> bool {
        self.victim.as_ref().map_or(self.may_choose, |victim| !victim.is_reading)
    }

    /// Whether another step should follow at once.
    pub(crate) fn goes_on(&self, now: Timestamp) -> bool {
        self.has_work() && self.may_work(now)
    }

    /// When the next step may be taken, if not at once.
    pub(crate) fn due_at(&self) -> Option<Timestamp> {
        if !self.has_work() {
            return None;
        }
        let owed = u64::try_from(-self.credit).unwrap_or(0) * 1_000;
        let earned_at = self.earned_at.after(Milliseconds(owed.div_ceil(BYTES_PER_SECOND)));
        Some(self.again_at.map_or(earned_at, |again_at| again_at.max(earned_at)))
    }

    /// Begins to clean a segment.
    pub(crate) fn begin(&mut self, segment: SegmentId) {
        let victim = Victim { segment, frames: VecDeque::new(), next_offset: Some(0), is_reading: false };
        self.victim = Some(victim);
    }

    /// What is to be read next of the segment; none at its end.
    pub(crate) fn read_on(&mut self) -> Option<Part> {
        let victim = self.victim.as_mut()?;
        let part = Part { segment: victim.segment, from_offset: victim.next_offset? };
        victim.is_reading = true;
        Some(part)
    }

    /// What was asked for is here.
    pub(crate) fn take(&mut self, slice: Slice) {
        self.spend(slice.bytes / READ_SHARE);
        if let Some(victim) = self.victim.as_mut().filter(|victim| victim.segment == slice.segment) {
            victim.is_reading = false;
            victim.next_offset = slice.next_offset;
            victim.frames.extend(slice.frames);
        }
    }

    /// It could not be read now.
    pub(crate) fn postpone(&mut self, now: Timestamp) {
        self.again_at = Some(now.after(READ_AGAIN));
        self.victim.iter_mut().for_each(|victim| victim.is_reading = false);
    }

    /// The segment is clean, or cannot be cleaned: there may be another.
    pub(crate) fn end(&mut self) {
        self.victim = None;
        self.may_choose = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_may_write_a_third_of_what_others_wrote_and_more_in_haste() {
        let now = Timestamp(1_000);
        let mut cleaner = Cleaner::new();
        cleaner.pass_time(now);
        cleaner.spend(3_000);
        cleaner.wrote(8_997);
        assert!(!cleaner.goes_on(now), "2,999 of 3,000 bytes");
        cleaner.wrote(3);
        assert!(cleaner.goes_on(now));

        cleaner.spend(3_000);
        cleaner.haste = Haste::Some;
        cleaner.wrote(2_999);
        assert!(!cleaner.goes_on(now));
        cleaner.is_scarce = true;
        assert!(cleaner.goes_on(now), "a full volume waits for nothing");
    }

    #[test]
    fn cleaning_goes_on_as_time_passes_and_saves_up_no_more_than_a_step() {
        let mut cleaner = Cleaner::new();
        cleaner.pass_time(Timestamp(1_000));
        cleaner.spend(8 << 20);
        let due_at = cleaner.due_at().unwrap();
        assert_eq!(due_at, Timestamp(3_000));
        cleaner.pass_time(Timestamp(due_at.0 - 1));
        assert!(!cleaner.goes_on(due_at));
        // What a millisecond brings is rounded down, so it takes one or two more.
        cleaner.pass_time(Timestamp(due_at.0 + 2));
        assert!(cleaner.goes_on(due_at));
        cleaner.pass_time(Timestamp(1 << 40));
        assert_eq!(cleaner.credit, CREDIT_MAX);
    }
}
