//! What a checkpoint is made of: the state, noted a few queues at a time between two groups of verbs.
//!
//! Noting copies what is small and shares what is large (`queue/chunks.rs`), so that a queue costs the same whatever it
//! holds; the bytes are written on another thread. Each queue is noted as it is after some frame, and remembers which: replay, which
//! begins at the frame with which the noting began, passes over what a queue holds already (S2). Everything else is
//! noted last. So a queue that was there at the end is in it, and whatever is not has gone.

use std::sync::Arc;

use kew_journal::seeded::{self, Bug};
use kew_journal::{Cut, Lsn};
use kew_model::{Account, Queue, QueueNumber, Subscription, Timestamp, Token};

use crate::queue::QueueState;
use crate::queue::chunks::Chunks;
use crate::queue::delays::{Key, Leaf};
use crate::queue::departures::Departures;
use crate::queue::extents::Extents;
use crate::queue::gone::Gone;
use crate::queue::keys::Order;
use crate::queue::runs::{Run, RunKey};
use crate::state::State;

/// What a queue counts for beside the latest departures, which are few.
const QUEUE_PIECES: usize = 16;

/// How many keys whose time is over are forgotten at a time, and count for a piece each.
const FORGOTTEN: usize = 1_024;

/// One queue.
#[derive(Debug)]
pub(crate) struct QueueSnapshot {
    pub(crate) object: Arc<Queue>,
    /// The newest frame that is in it.
    pub(crate) covered: Lsn,
    pub(crate) next: u64,
    pub(crate) cursor: u64,
    pub(crate) in_line: u64,
    pub(crate) backlog_count: u64,
    pub(crate) backlog_bytes: u64,
    pub(crate) gone: Gone,
    pub(crate) runs: Chunks<RunKey, Run>,
    pub(crate) delays: Chunks<Key, Leaf>,
    pub(crate) extents: Extents,
    pub(crate) departures: Departures,
    pub(crate) aged: Timestamp,
    pub(crate) keys: Order,
}

impl QueueSnapshot {
    fn of(queue: &QueueState, covered: Lsn) -> Self {
        Self {
            object: Arc::clone(&queue.object),
            covered,
            next: queue.next,
            cursor: queue.cursor,
            in_line: queue.in_line,
            backlog_count: queue.backlog_count,
            backlog_bytes: queue.backlog_bytes,
            gone: queue.gone.clone(),
            runs: queue.runs.entries().clone(),
            delays: queue.delays.leaves().clone(),
            extents: queue.extents.clone(),
            departures: queue.departures.clone(),
            aged: queue.aged,
            keys: queue.keys.order().clone(),
        }
    }

    /// How much was copied, in pieces of some ten nanoseconds.
    fn pieces(&self) -> usize {
        QUEUE_PIECES + self.departures.iter().len() / 8
    }
}

/// The whole state.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The newest frame that is in any part of it, and in all but the queues.
    pub(crate) newest: Lsn,
    pub(crate) latest: Timestamp,
    pub(crate) next_queue: u32,
    pub(crate) accounts: Vec<Arc<Account>>,
    pub(crate) tokens: Vec<Arc<Token>>,
    pub(crate) subscriptions: Vec<Arc<Subscription>>,
    pub(crate) queues: Vec<QueueSnapshot>,
}

impl Snapshot {
    /// The state as it is.
    pub(crate) fn of(state: &State) -> Self {
        let queues = state.queues.values().map(|queue| QueueSnapshot::of(queue, state.applied)).collect();
        Self::with(state, queues)
    }

    fn with(state: &State, queues: Vec<QueueSnapshot>) -> Self {
        let catalog = &state.catalog;
        Self {
            newest: state.applied,
            latest: state.latest,
            next_queue: state.next_queue,
            accounts: catalog.accounts().to_vec(),
            tokens: catalog.all_tokens().cloned().collect(),
            subscriptions: catalog.all_subscriptions().cloned().collect(),
            queues,
        }
    }
}

/// A state that is being noted.
#[derive(Debug)]
pub(crate) struct Noting {
    cut: Cut,
    queues: Vec<QueueSnapshot>,
    /// The queue that is noted next, or the first after it.
    next: QueueNumber,
}

impl Noting {
    /// Begins at a place of the log up to which the state has come.
    pub(crate) fn begin(cut: Cut) -> Self {
        Self { cut, queues: Vec::new(), next: QueueNumber(0) }
    }

    /// Notes some queues, of `most` pieces or of one queue. Gives what was noted when that is everything.
    pub(crate) fn note(mut self, state: &mut State, most: usize) -> Result<(Cut, Snapshot), Self> {
        let pieces = self.note_queues(state, most);
        #[cfg(feature = "test-util")]
        state.noted.add(pieces as u64);
        if pieces >= most {
            return Err(self);
        }
        if seeded::is(Bug::CheckpointClaimsTooMuch) {
            self.queues.iter_mut().for_each(|queue| queue.covered = state.applied);
        }
        let snapshot = Snapshot::with(state, self.queues);
        Ok((self.cut.reaching(snapshot.newest), snapshot))
    }

    /// Fewer pieces than `most` come of it when there is no queue left.
    fn note_queues(&mut self, state: &mut State, most: usize) -> usize {
        let now = state.latest;
        let mut pieces = 0;
        while pieces < most {
            let Some(number) = state.queues.range(self.next..).next().map(|(number, _)| *number) else {
                break;
            };
            self.next = number;
            // A queue that gets no more pushes would keep its keys for ever.
            if state.forget_old_keys(number, now, FORGOTTEN) {
                pieces += FORGOTTEN;
                continue;
            }
            self.next = QueueNumber(number.0 + 1);
            let Some(queue) = state.queues.get(&number) else { continue };
            let noted = QueueSnapshot::of(queue, state.applied);
            pieces += noted.pieces();
            self.queues.push(noted);
        }
        pieces
    }
}
