//! Steps of cleaning: the sparsest segment is read from its beginning, and what lives of it moves to the log's end.

use kew_journal::{Lsn, SegmentId};
use kew_model::Timestamp;

use super::Shard;
use crate::cleaning::Haste;
use crate::decide::relocate::{OutOfOrder, relocate};
use crate::fetch::{Part, Slice};

/// The most bytes that one step of cleaning moves.
const STEP_BYTES: usize = 256 << 10;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cleaned {
    /// No segment, yet.
    Nothing,
    /// A segment: nothing lives in it any more.
    Segment,
}

impl Shard {
    /// Takes one step, if it may.
    pub(crate) fn clean(&mut self, now: Timestamp) -> Result<Cleaned, kew_journal::Error> {
        let now = now.max(self.state.latest);
        self.cleaner.pass_time(now);
        if !self.cleaner.may_work(now) {
            return Ok(Cleaned::Nothing);
        }
        if self.cleaner.victim.is_none() && self.cleaner.may_choose {
            self.cleaner.may_choose = false;
            if let Some(segment) = self.sparsest() {
                self.cleaner.begin(segment);
            }
        }
        let Some(victim) = &self.cleaner.victim else { return Ok(Cleaned::Nothing) };
        let segment = victim.segment;
        if self.state.is_dead(segment) {
            self.cleaner.end();
            return Ok(Cleaned::Segment);
        }
        if victim.frames.is_empty() {
            self.part = self.cleaner.read_on();
            if self.part.is_none() {
                self.pass_over(segment, "it was read to its end, and messages of it were not found");
            }
            return Ok(Cleaned::Nothing);
        }
        let bytes = STEP_BYTES.min(self.journal.largest_payload() / 2);
        match relocate(&self.state, segment, &victim.frames, bytes, now) {
            Ok(relocation) => {
                self.cleaner
                    .victim
                    .iter_mut()
                    .for_each(|victim| drop(victim.frames.drain(..relocation.done)));
                if let Some(frame) = relocation.frame {
                    let bytes = frame.payload().len() as u64;
                    self.commit_apart(frame)?;
                    self.cleaner.moved(bytes);
                }
            }
            Err(OutOfOrder(queue)) => {
                let reason = format!("its messages of {} are not in their order", self.name_of(queue));
                self.pass_over(segment, &reason);
            }
        }
        Ok(Cleaned::Nothing)
    }

    /// What is to be read for the next step.
    pub(crate) fn take_part(&mut self) -> Option<Part> {
        self.part.take()
    }

    /// A part of a segment was read, or could not be.
    pub(super) fn sliced(
        &mut self,
        segment: SegmentId,
        slice: Result<Slice, kew_journal::Error>,
        now: Timestamp,
    ) {
        match slice {
            Ok(slice) => self.cleaner.take(slice),
            // Its last message went meanwhile.
            Err(kew_journal::Error::Gone { .. }) => self.cleaner.end(),
            Err(kew_journal::Error::Disk { .. }) => self.cleaner.postpone(now),
            // What is damaged may be dead long since. What lives of it is found to be damaged when it is delivered.
            Err(error) => self.pass_over(segment, &error.to_string()),
        }
    }

    fn pass_over(&mut self, segment: SegmentId, reason: &str) {
        tracing::error!(%segment, %reason, "a segment cannot be cleaned and keeps its space");
        self.cleaner.passed_over.insert(segment);
        self.cleaner.end();
    }

    /// The segment to clean next: of those that a checkpoint covers, the one of which the least lives, if that is less
    /// than half, and if more is dead in the whole log than it may hold.
    fn sparsest(&mut self) -> Option<SegmentId> {
        let segments = self.journal.segments();
        let sizes: Vec<u64> =
            segments.iter().map(|info| u64::from(self.journal.file_bytes(info.id))).collect();
        let live: u64 = self.state.live.values().map(|live| live.bytes).sum();
        let dead = sizes.iter().sum::<u64>().saturating_sub(live);
        let allowed = if self.cleaner.is_scarce { 0 } else { self.cleaning_slack.max(live) };
        self.cleaner.haste =
            if dead > allowed.saturating_add(allowed / 4) { Haste::Some } else { Haste::None };
        if dead <= allowed {
            return None;
        }
        let covered: Lsn = self.journal.checkpointed_lsn();
        let newest = segments.last()?.id;
        let candidates = segments.iter().zip(sizes).filter_map(|(info, size)| {
            let live = self.state.live.get(&info.id)?.bytes;
            let is_old = info.id < newest && info.last_lsn <= covered;
            let is_sparse = live < size / 2 && !self.cleaner.passed_over.contains(&info.id);
            (is_old && is_sparse).then_some((info.id, live, size))
        });
        let share =
            |(_, live, size): &(SegmentId, u64, u64)| u128::from(*live) * 1_000_000 / u128::from(*size);
        candidates.min_by_key(share).map(|(id, ..)| id)
    }
}
