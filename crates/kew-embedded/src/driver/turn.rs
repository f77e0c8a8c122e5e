//! What a writer took from the desk in one turn: it is made durable beside that of another writer, and then given out,
//! strictly in the order in which it was taken.

use std::sync::Arc;

use kew_journal::{Error, Flight, SegmentId};

use super::{Failed, cause_of};
use crate::backup::SnapshotTaken;
use crate::desk::{Leaving, Work};
use crate::fetch::Part;
use crate::keeper::Task;
use crate::meter::Stopwatch;
use crate::shared::Shared;

/// Work that waits for a group to be durable.
#[derive(Debug, Default)]
pub(super) struct Chores {
    pub(super) tasks: Vec<Task>,
    /// Segments in which nothing lives once the group is durable.
    pub(super) dead: Vec<SegmentId>,
    /// What is to be read of a segment that is being cleaned.
    pub(super) part: Option<Part>,
    pub(super) snapshots: Vec<SnapshotTaken>,
}

impl Chores {
    fn is_empty(&self) -> bool {
        let Self { tasks, dead, part, snapshots } = self;
        tasks.is_empty() && dead.is_empty() && part.is_none() && snapshots.is_empty()
    }
}

/// A turn that has left the desk.
pub(crate) struct Turn {
    shared: Arc<Shared>,
    leaving: Leaving,
    /// How many answers it takes along.
    answers: usize,
    chores: Chores,
    stopwatch: Option<Stopwatch>,
    flight: Option<Flight>,
}

impl Turn {
    /// A turn that has begun ([`crate::under_way::UnderWay::begins`]).
    pub(super) fn new(
        shared: &Arc<Shared>,
        leaving: Leaving,
        answers: usize,
        chores: Chores,
        stopwatch: Option<Stopwatch>,
    ) -> Self {
        Self { shared: Arc::clone(shared), leaving, answers, chores, stopwatch, flight: None }
    }

    /// Whether nobody would notice if it did not come to its end.
    pub(super) fn is_empty(&self) -> bool {
        self.leaving.is_empty() && self.chores.is_empty()
    }

    /// What it takes along leaves when this has landed.
    pub(super) fn leaves_with(&mut self, flight: Flight) {
        self.flight = Some(flight);
    }

    /// Makes it durable, and gives everything out once all that was taken before has been.
    ///
    /// # Errors
    /// The journal has ended; whoever waits is still to be told.
    pub(crate) fn finish(mut self) -> Result<(), Failed> {
        let landing = match self.flight.take().map(|flight| self.land(flight)) {
            None => None,
            Some(Ok(landing)) => Some(landing),
            Some(Err(error)) => return Err(self.fail(&error)),
        };
        let leaving = core::mem::take(&mut self.leaving);
        if leaving.stepped.unfinished {
            // This writer looks again.
            self.shared.orders.note();
        }
        let is_published = leaving.changes_catalog();
        self.shared.give_out(leaving);
        if is_published && let Some(work) = self.shared.desk.lock().as_mut() {
            work.unpublished -= 1;
        }
        self.carry_out();
        drop(landing);
        Ok(())
    }

    fn land(&mut self, mut flight: Flight) -> Result<kew_journal::Landing, Error> {
        flight.run()?;
        if let Some(stopwatch) = self.stopwatch.take() {
            self.shared.under_way.took(self.shared.meter.committed(&stopwatch));
        }
        flight.land()
    }

    /// It does not come to its end.
    pub(super) fn fail(&mut self, error: &Error) -> Failed {
        let waiting = core::mem::take(&mut self.leaving).into_reply_tos();
        Failed { cause: cause_of(error), waiting }
    }

    fn carry_out(&mut self) {
        let Chores { tasks, dead, part, snapshots } = core::mem::take(&mut self.chores);
        snapshots.into_iter().for_each(SnapshotTaken::hand_over);
        part.into_iter().for_each(|part| self.shared.keeper.read_part(part));
        tasks.into_iter().for_each(|task| self.shared.keeper.give(task));
        if !dead.is_empty() {
            self.free_segments(&dead);
        }
    }

    /// Lets go of segments in which nothing lives, for good: what emptied them is durable.
    fn free_segments(&self, dead: &[SegmentId]) {
        let mut desk = self.shared.desk.lock();
        let Some(Work { shard, .. }) = desk.as_mut() else { return };
        let freed = shard.journal.retire(dead);
        if freed.is_ok_and(|count| count > 0) {
            let left: Vec<_> = shard.journal.segments().iter().map(|info| info.id).collect();
            shard.state.indexes.retain(|segment, _| left.contains(segment));
            self.shared.keeper.give(Task::Prepare);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.under_way.ends(self.answers);
    }
}
