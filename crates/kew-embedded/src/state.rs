//! Everything the store knows, as a fold of the log: `apply` one frame after another, live or in replay alike.
//!
//! * S1: `apply` never refuses what was decided; a frame that does not fit is damage and ends the store.
//! * S2: a record concerns one queue, and a queue remembers the newest frame that it applied, so that replay over a
//!   checkpoint skips what the checkpoint holds, queue by queue.
//! * S3: `live` of a segment is what lives in it, over all queues.

mod catalog;
mod keys;
mod times;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kew_journal::seeded::{self, Bug};
use kew_journal::{Lsn, Position, SegmentId};
use kew_model::{QueueNumber, Sequence, Timestamp};

use crate::catalog::{Catalog, CatalogChange};
use crate::index::SegmentIndex;
use crate::portions::Portions;
use crate::queue::extents::Live;
use crate::queue::runs::Phase;
use crate::queue::{Arrival, QueueState};
use crate::record::batch::Batch;
use crate::record::codec::Malformed;
use crate::record::{Placed, Record, read_frame};
use crate::schedule::Schedule;

/// A frame to apply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Applied<'a> {
    pub(crate) lsn: Lsn,
    pub(crate) position: Position,
    pub(crate) payload: &'a [u8],
    /// The payload to keep in windows: present when the frame is fresh and the budget allows it.
    pub(crate) shared: Option<&'a Bytes>,
}

/// The whole state.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) catalog: Catalog,
    pub(crate) queues: BTreeMap<QueueNumber, QueueState>,
    /// The number that the next queue gets.
    pub(crate) next_queue: u32,
    /// The newest time that a frame was decided at.
    pub(crate) latest: Timestamp,
    pub(crate) applied: Lsn,
    /// What lives in each segment; no entry where nothing does.
    pub(crate) live: BTreeMap<SegmentId, Live>,
    /// Indexes of the segment being written and of those whose sidecar is not safe yet.
    pub(crate) indexes: BTreeMap<SegmentId, Arc<SegmentIndex>>,
    /// Frames up to this one are in the accounts, tokens and subscriptions of the checkpoint that the state was read from.
    pub(crate) catalog_covered: Lsn,
    /// Each queue's earliest end of a lease.
    deadlines: Schedule,
    /// When each queue's oldest message may be too old, at the earliest.
    expiries: Schedule,
    /// When time leads to a look at each queue's oldest messages.
    looks: Schedule,
    /// When time alone makes something available in a queue for the first time after `ripened_until`.
    ripening: Schedule,
    ripened_until: Timestamp,
    /// Queues with exhausted messages that have not left yet, by when the first of them failed.
    pub(crate) exhausted: Schedule,
    /// How many idempotency keys each queue remembers.
    key_counts: Portions,
    /// Payload bytes that the windows of all queues hold.
    pub(crate) window_bytes: usize,
    /// What was noted for checkpoints so far, in pieces.
    #[cfg(feature = "test-util")]
    pub(crate) noted: crate::effort::Effort,
    /// What the state was after each frame, for tests that ask for it.
    #[cfg(feature = "test-util")]
    pub(crate) trace: Option<crate::inspect::Trace>,
    effects: Effects,
}

/// What applying has changed outside the queues' own messages, to be told once it is durable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effects {
    pub(crate) catalog: Vec<CatalogChange>,
    /// Queues in which something may have become available; one may be named more than once.
    pub(crate) available: Vec<QueueNumber>,
}

impl Effects {
    /// Goes on with what later frames changed.
    pub(crate) fn add(&mut self, later: Self) {
        self.catalog.extend(later.catalog);
        later.available.into_iter().for_each(|queue| self.note_available(queue));
    }

    /// Whether nothing has changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.catalog.is_empty() && self.available.is_empty()
    }

    fn note_available(&mut self, queue: QueueNumber) {
        if self.available.last() != Some(&queue) {
            self.available.push(queue);
        }
    }
}

impl State {
    /// Applies one frame.
    pub(crate) fn apply(&mut self, frame: Applied<'_>) -> Result<(), Malformed> {
        let (at, records) = read_frame(frame.payload)?;
        self.latest = self.latest.max(at);
        for placed in &records {
            self.apply_record(placed, &frame, at)?;
        }
        self.applied = frame.lsn;
        #[cfg(feature = "test-util")]
        self.trace_frame(&records);
        Ok(())
    }

    /// What the frames since the last call changed.
    pub(crate) fn take_effects(&mut self) -> Effects {
        core::mem::take(&mut self.effects)
    }

    pub(crate) fn apply_record(
        &mut self,
        placed: &Placed<'_>,
        frame: &Applied<'_>,
        at: Timestamp,
    ) -> Result<(), Malformed> {
        let lsn = frame.lsn;
        match &placed.record {
            Record::Pushed(batch) | Record::Moved(batch) => self.arrive(batch, placed.start, frame, at)?,
            Record::Leased { queue, deadline, runs } => {
                let fence = if seeded::is(Bug::ReuseLeaseNumber) { lsn.0 / 4 * 4 } else { lsn.0 };
                self.change(*queue, lsn, |queue, _| queue.lease(runs, *deadline, fence));
            }
            Record::Acked { queue, messages } => {
                self.change(*queue, lsn, |queue, left| queue.ack(messages, left));
            }
            Record::Returned { queue, available_at, messages } => {
                self.change(*queue, lsn, |queue, _| queue.hand_back(messages, Phase::Waiting, *available_at));
                self.effects.note_available(*queue);
            }
            Record::Exhausted { queue, at, messages } => {
                self.change(*queue, lsn, |queue, _| queue.hand_back(messages, Phase::Exhausted, *at));
            }
            Record::Buried { queue, messages } => {
                self.change(*queue, lsn, |queue, left| queue.bury(messages, left));
            }
            Record::Discarded { queue, runs } => {
                self.change(*queue, lsn, |queue, left| queue.discard(runs, left));
            }
            Record::Extended { queue, deadline, messages } => {
                self.change(*queue, lsn, |queue, _| queue.hand_back(messages, Phase::Leased, *deadline));
            }
            Record::Purged { queue, before } => {
                self.change(*queue, lsn, |queue, left| queue.purge(*before, left));
            }
            Record::QueuePut(queue) => self.put_queue(queue, lsn),
            Record::QueueDeleted(queue) => self.delete_queue(*queue, lsn),
            Record::AccountPut(_)
            | Record::TokenPut(_)
            | Record::TokenRevoked { .. }
            | Record::SubscriptionPut(_)
            | Record::SubscriptionDeleted { .. }
                if lsn <= self.catalog_covered => {}
            Record::AccountPut(account) => {
                self.catalog_change(CatalogChange::Account(Arc::new(account.clone())))
            }
            Record::TokenPut(token) => self.catalog_change(CatalogChange::Token(Arc::new((**token).clone()))),
            Record::TokenRevoked { token, .. } => self.catalog_change(CatalogChange::TokenRevoked(*token)),
            Record::SubscriptionPut(subscription) => {
                self.catalog_change(CatalogChange::Subscription(Arc::new((**subscription).clone())));
            }
            Record::SubscriptionDeleted { account, subscription } => {
                self.catalog_change(CatalogChange::SubscriptionDeleted(*account, *subscription));
            }
            Record::Aged(aged) => {
                self.change(aged.queue, lsn, |queue, left| queue.age(aged, at, left));
            }
            Record::Relocated(batch) => self.relocate(batch, frame)?,
        }
        Ok(())
    }

    /// Changes a queue by one record, unless a checkpoint holds that change already or the queue is gone.
    fn change(
        &mut self,
        number: QueueNumber,
        lsn: Lsn,
        change: impl FnOnce(&mut QueueState, &mut dyn FnMut(SegmentId, Live)),
    ) {
        let Some(queue) = self.queues.get_mut(&number).filter(|queue| queue.covered < lsn) else { return };
        let live = &mut self.live;
        self.window_bytes -= queue.window.bytes();
        change(queue, &mut |segment, gone| forget_live(live, segment, gone));
        self.window_bytes += queue.window.bytes();
        self.watch_times(number);
    }

    pub(crate) fn arrive(
        &mut self,
        batch: &Batch<'_>,
        record_start: u32,
        frame: &Applied<'_>,
        at: Timestamp,
    ) -> Result<(), Malformed> {
        let number = batch.queue;
        self.index(batch, frame.position);
        let Some(queue) = self.queues.get_mut(&number).filter(|queue| queue.covered < frame.lsn) else {
            return Ok(());
        };
        if batch.first.0 != queue.next {
            return Err(Malformed("messages out of sequence"));
        }
        let was_empty = queue.backlog_count == 0;
        self.window_bytes -= queue.window.bytes();
        queue.arrive(batch, Arrival { position: frame.position, payload: frame.shared, record_start });
        self.window_bytes += queue.window.bytes();
        if let Some(idempotency) = batch.idempotency() {
            queue.keys.insert(idempotency, at);
            self.count_keys(number);
        }
        if was_empty {
            self.watch_times(number);
        }
        let segment = frame.position.segment;
        self.live.entry(segment).or_default().add(batch.live());
        self.effects.note_available(number);
        if batch.may_delay() {
            self.watch_ripening(number);
        }
        Ok(())
    }

    /// Messages lie where this frame does.
    fn relocate(&mut self, batch: &Batch<'_>, frame: &Applied<'_>) -> Result<(), Malformed> {
        let number = batch.queue;
        self.index(batch, frame.position);
        let Some(queue) = self.queues.get_mut(&number).filter(|queue| queue.covered < frame.lsn) else {
            return Ok(());
        };
        let segment = frame.position.segment;
        let live = &mut self.live;
        let left = &mut |segment, gone| forget_live(live, segment, gone);
        if !queue.relocate(batch, segment, left) {
            return Err(Malformed("relocated messages that are not there"));
        }
        self.live.entry(segment).or_default().add(batch.live());
        Ok(())
    }

    /// Notes where messages lie, also such that a checkpoint knows of: an index is of use only when it is complete.
    fn index(&mut self, batch: &Batch<'_>, position: Position) {
        let index = Arc::make_mut(self.indexes.entry(position.segment).or_default());
        index.add(batch.queue, batch.first.0, position.offset);
    }

    /// Segments in which no message lives, of those that ever held one.
    pub(crate) fn is_dead(&self, segment: SegmentId) -> bool {
        !self.live.contains_key(&segment)
    }

    /// The segment of a message, and where its frame begins if that is known in memory.
    pub(crate) fn locate(
        &self,
        number: QueueNumber,
        sequence: Sequence,
    ) -> Option<(SegmentId, Option<Position>)> {
        let segment = self.queues.get(&number)?.extents.segment(sequence.0)?;
        let index = self.indexes.get(&segment);
        Some((segment, index.and_then(|index| index.position(segment, number, sequence.0))))
    }

    /// What does not hold that always should, in words.
    pub(crate) fn violations(&self) -> Vec<String> {
        let of_queue =
            |queue: &QueueState| queue.violation().map(|rule| format!("queue {}: {rule}", queue.object.name));
        let mut found: Vec<String> = self.queues.values().filter_map(of_queue).collect();
        if live_by_segment(self.queues.values()) != self.live {
            found.push("S3: the live messages of a segment are those of its queues".to_owned());
        }
        let windows: usize = self.queues.values().map(|queue| queue.window.bytes()).sum();
        if windows != self.window_bytes {
            found.push("the windows' bytes are those of the queues' windows".to_owned());
        }
        found
    }

    /// Panics when an invariant does not hold.
    #[cfg(feature = "test-util")]
    pub(crate) fn check(&self) {
        assert_eq!(self.violations(), [""; 0]);
    }
}

fn forget_live(live: &mut BTreeMap<SegmentId, Live>, segment: SegmentId, gone: Live) {
    if let Some(left) = live.get_mut(&segment) {
        left.messages -= gone.messages;
        left.bytes -= gone.bytes;
        if left.messages == 0 {
            live.remove(&segment);
        }
    }
}

/// What lives in each segment, summed up over queues.
pub(crate) fn live_by_segment<'a>(queues: impl Iterator<Item = &'a QueueState>) -> BTreeMap<SegmentId, Live> {
    let mut live: BTreeMap<SegmentId, Live> = BTreeMap::new();
    for extent in queues.flat_map(|queue| queue.extents.iter()).filter(|extent| extent.live.messages > 0) {
        live.entry(extent.segment).or_default().add(extent.live);
    }
    live
}

#[cfg(test)]
mod tests;
