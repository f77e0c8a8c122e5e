//! A state put together from what is intact of a store that cannot be opened.
//!
//! Up to the first frame that is missing the log is applied as ever. Behind it records no longer fit the state that they
//! were decided for, so only what needs no such fit is taken: what came, what left for good, and the catalog. Leases and
//! returns behind the break are passed over: their messages stand in line again.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use kew_journal::{CheckpointSeen, Disk, Error, Examiner, Frame, Lsn, SegmentId};
use kew_model::{QueueNumber, Timestamp};

use super::{Loss, Progress, QueueLabel, Stage, keys_kept, label};
use crate::checkpoint;
use crate::queue::QueueState;
use crate::record::batch::Batch;
use crate::record::codec::Malformed;
use crate::record::ranges::Range;
use crate::record::{Placed, Record, read_frame};
use crate::state::{Applied, State};

/// What was put together.
pub(super) struct Rescued {
    pub(super) state: State,
    /// Messages that came and are in no frame, or whose queue is unknown.
    pub(super) lost: Vec<Loss>,
    /// The last payload before the first that is missing.
    pub(super) broken_at: Option<Lsn>,
}

/// Reads the store on `disk` for it.
pub(super) fn rescue(disk: &Arc<dyn Disk>, progress: &mut Progress<'_>) -> Result<Rescued, Error> {
    let mut rescuer = Rescuer {
        state: State::default(),
        is_begun: false,
        broken_at: None,
        lost: Vec::new(),
        unknown: BTreeMap::new(),
        progress,
    };
    kew_journal::examine(Arc::clone(disk), &mut rescuer)?;
    let Rescuer { mut state, broken_at, mut lost, unknown, .. } = rescuer;
    lost.extend(unknown.into_iter().map(|(number, range)| Loss {
        queue: QueueLabel { number, account: None, id: None, name: None },
        first: range.first.0,
        last: range.end() - 1,
        messages: range.count,
        segment: None,
    }));
    state.take_effects();
    state.queues.values_mut().for_each(QueueState::recount);
    Ok(Rescued { state, lost, broken_at })
}

struct Rescuer<'a, 'b> {
    state: State,
    /// Whether a checkpoint was taken as the beginning.
    is_begun: bool,
    broken_at: Option<Lsn>,
    lost: Vec<Loss>,
    unknown: BTreeMap<QueueNumber, Range>,
    progress: &'a mut Progress<'b>,
}

impl Examiner for Rescuer<'_, '_> {
    fn checkpoint(&mut self, _seen: &CheckpointSeen, payload: &mut dyn Read) -> Result<(), String> {
        if !self.is_begun {
            self.state = checkpoint::decode(payload).map_err(|error| error.to_string())?;
            self.state.bound_keys(keys_kept());
            self.is_begun = true;
        }
        Ok(())
    }

    fn segment(&mut self, _segment: SegmentId, read_bytes: u64, all_bytes: u64, _index: Option<&[u8]>) {
        (self.progress)(Stage::Rescuing, read_bytes, all_bytes);
    }

    fn frame(&mut self, frame: Frame<'_>) -> Result<(), String> {
        let applied = self.state.applied;
        if frame.lsn <= applied {
            return Ok(());
        }
        let Frame { lsn, position, payload } = frame;
        let applying = Applied { lsn, position, payload, shared: None };
        if lsn != applied.next() && self.broken_at.is_none() {
            self.broken_at = Some(applied);
        }
        if self.broken_at.is_none() {
            return self.state.apply(applying).map_err(|error| error.to_string());
        }
        let (at, records) = read_frame(payload).map_err(|error| error.to_string())?;
        self.state.latest = self.state.latest.max(at);
        self.state.applied = lsn;
        let mut all = records.iter();
        all.try_for_each(|placed| self.apply(placed, &applying, at)).map_err(|error| error.to_string())
    }
}

impl Rescuer<'_, '_> {
    /// Applies what needs no fit.
    fn apply(&mut self, placed: &Placed<'_>, frame: &Applied<'_>, at: Timestamp) -> Result<(), Malformed> {
        match &placed.record {
            Record::Pushed(batch) | Record::Moved(batch) => self.arrive(batch, placed, frame, at)?,
            // Wherever they lie, they are the same.
            Record::Relocated(_) => {}
            Record::Acked { queue, messages } | Record::Buried { queue, messages } => {
                self.leave(*queue, frame.lsn, messages.iter());
            }
            Record::Discarded { queue, runs } => {
                let single = |sequence| Range { first: sequence, count: 1 };
                let ranges = runs.iter().flat_map(|run| run.sequences().map(single));
                self.leave(*queue, frame.lsn, ranges.collect::<Vec<_>>().into_iter());
            }
            Record::Purged { queue, before } => self.leave_below(*queue, frame.lsn, before.0),
            Record::Aged(aged) => self.leave_below(aged.queue, frame.lsn, aged.before.0),
            Record::Leased { .. }
            | Record::Returned { .. }
            | Record::Exhausted { .. }
            | Record::Extended { .. } => {}
            Record::QueuePut(_)
            | Record::QueueDeleted(_)
            | Record::AccountPut(_)
            | Record::TokenPut(_)
            | Record::TokenRevoked { .. }
            | Record::SubscriptionPut(_)
            // Those of the catalog name all that they need.
            | Record::SubscriptionDeleted { .. } => self.state.apply_record(placed, frame, at)?,
        }
        Ok(())
    }

    fn arrive(
        &mut self,
        batch: &Batch<'_>,
        placed: &Placed<'_>,
        frame: &Applied<'_>,
        at: Timestamp,
    ) -> Result<(), Malformed> {
        let Some(queue) = self.state.queues.get_mut(&batch.queue) else {
            let count = u64::from(batch.count);
            let known = self.unknown.entry(batch.queue).or_insert(Range { first: batch.first, count: 0 });
            known.count += count;
            return Ok(());
        };
        if queue.covered >= frame.lsn || batch.first.0 < queue.next {
            return Ok(());
        }
        if batch.first.0 > queue.next {
            let (first, last) = (queue.next, batch.first.0 - 1);
            self.lost.push(Loss {
                queue: label(queue),
                first,
                last,
                messages: batch.first.0 - first,
                segment: None,
            });
            queue.gone.insert(first, batch.first.0);
            queue.next = batch.first.0;
        }
        self.state.arrive(batch, placed.start, frame, at)
    }

    fn leave(&mut self, number: QueueNumber, lsn: Lsn, ranges: impl Iterator<Item = Range>) {
        let Some(queue) = self.state.queues.get_mut(&number).filter(|queue| queue.covered < lsn) else {
            return;
        };
        for range in ranges {
            drop(queue.runs.take(range));
            queue.gone.insert(range.first.0, range.end().min(queue.next));
        }
    }

    fn leave_below(&mut self, number: QueueNumber, lsn: Lsn, before: u64) {
        let Some(queue) = self.state.queues.get_mut(&number).filter(|queue| queue.covered < lsn) else {
            return;
        };
        drop(queue.runs.take_below(before));
        queue.next = queue.next.max(before);
        queue.gone.raise(before);
    }
}
