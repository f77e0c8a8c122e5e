//! What tests may see of a store: its state as one number, its invariants, and the course of its numbers.

use core::hash::{Hash, Hasher};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::DefaultHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kew_journal::Lsn;
use kew_model::{QueueNumber, Sequence, Timestamp};

use crate::archive::Archive;
use crate::checkpoint;
use crate::decide::locate;
use crate::embedded::{Embedded, Engine};
use crate::inline::Inline;
use crate::queue::QueueState;
use crate::queue::extents::{Extent, Extents};
use crate::queue::gone::BLOCK_BYTES;
use crate::queue::runs::{Phase, Run, RunKey};
use crate::record::Placed;
use crate::shard::Shard;
use crate::snapshot::Snapshot;
use crate::state::State;

/// A look into a store that was opened by [`Embedded::open_inline`].
#[derive(Clone, Copy)]
pub struct Inspect<'a> {
    inline: &'a Inline,
    archive: &'a Archive,
}

impl Embedded {
    /// A look inside.
    ///
    /// # Panics
    /// When the store was opened with threads.
    pub fn inspect(&self) -> Inspect<'_> {
        match &self.engine {
            Engine::Inline(inline) => Inspect { inline, archive: &self.archive },
            Engine::Threads(_) => panic!("only a store without threads stands still to be looked at"),
        }
    }
}

impl Inspect<'_> {
    /// Begins to note the state's digest after each frame, by the frames' numbers. The notes outlive the store.
    pub fn start_trace(self) -> Trace {
        let trace = Trace::default();
        self.inline.with_shard(|shard| shard.state.trace = Some(trace.clone()));
        trace
    }

    /// The newest frame, and the digest of the state after it.
    ///
    /// # Panics
    /// When the store is closed or has failed.
    pub fn digest(self) -> (Lsn, u64) {
        let state = self.inline.with_shard(|shard| (shard.state.applied, shard.state.digest()));
        state.expect("an open store")
    }

    /// The newest frame.
    pub fn applied(self) -> Lsn {
        self.inline.with_shard(|shard| shard.state.applied).unwrap_or_default()
    }

    /// Every live message's queue and body, read from where it lies.
    ///
    /// # Errors
    /// Which one cannot be read, and why.
    pub fn bodies(self) -> Result<Vec<(QueueNumber, Sequence, Vec<u8>)>, String> {
        let places = self.inline.with_shard(|shard| {
            let state = &shard.state;
            let each = state.queues.iter().flat_map(|(number, queue)| {
                let live =
                    (queue.gone.floor()..queue.next).filter(|sequence| !queue.gone.contains(*sequence));
                live.map(|sequence| locate(state, *number, Sequence(sequence)))
            });
            each.collect::<Result<Vec<_>, _>>()
        });
        let places = places.unwrap_or(Ok(Vec::new())).map_err(|error| error.to_string())?;
        let read = places.into_iter().map(|locator| {
            let head = self.archive.message(locator).map_err(|error| error.to_string())?;
            let (batch, _) = head.batch();
            let stored = batch.messages().find(|stored| stored.sequence == locator.sequence);
            let stored = stored.ok_or_else(|| format!("a frame without its message: {locator:?}"))?;
            Ok((locator.queue, locator.sequence, batch.body(&stored).to_vec()))
        });
        read.collect()
    }

    /// Checks every invariant that can be checked by looking.
    ///
    /// # Panics
    /// When one does not hold.
    pub fn check(self) {
        self.inline.with_shard(|shard| shard.state.check());
    }

    /// How many entries the delayed messages of all queues take in memory, and how many idempotency keys are there.
    pub fn held_in_memory(self) -> (usize, usize) {
        let count = |shard: &mut Shard| {
            let queues = shard.state.queues.values();
            let each = queues.map(|queue| (queue.delays.len(), queue.keys.len()));
            each.fold((0, 0), |sum, (delays, keys)| (sum.0 + delays, sum.1 + keys))
        };
        self.inline.with_shard(count).unwrap_or_default()
    }

    /// Bytes that cleaning has written so far.
    pub fn cleaned_bytes(self) -> u64 {
        self.inline.with_shard(|shard| shard.cleaner.written_bytes).unwrap_or_default()
    }

    /// About how many bytes the state takes in memory, counted by what it holds. Windows are not among them.
    pub fn state_bytes(self) -> usize {
        self.inline.with_shard(|shard| shard.state.memory_bytes()).unwrap_or_default()
    }

    /// What was noted for checkpoints so far, in pieces, each of which is copied as a whole or shared.
    pub fn noted(self) -> u64 {
        self.inline.with_shard(|shard| shard.state.noted.total()).unwrap_or_default()
    }

    /// Bytes of frames that windows hold.
    pub fn window_bytes(self) -> usize {
        self.inline.with_shard(|shard| shard.state.window_bytes).unwrap_or_default()
    }

    /// How many queues the writer has looked at so far for what time brings and who waits, those that it passed over
    /// included.
    pub fn effort(self) -> u64 {
        let looked_at = self.inline.with_shard(|shard| shard.state.effort()).unwrap_or_default();
        looked_at + self.inline.shared().signals.effort.total()
    }

    /// Lets verbs gather instead of being carried out.
    pub fn hold(self) {
        self.inline.hold();
    }

    /// Carries out what has gathered, as one group.
    pub fn release(self) {
        self.inline.release();
    }

    /// Lets the writer take what has gathered, while nobody reads from the disk for it.
    pub fn write(self) {
        self.inline.write();
    }

    /// Reads what the writer has asked for; it finds that at its next turn.
    pub fn read(self) {
        self.inline.read();
    }

    /// Lets the store fall idle, so that it marks the end of its log.
    pub fn idle(self) {
        self.inline.idle();
    }
}

/// The states that a store went through: a digest after each frame.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    digests: BTreeMap<Lsn, u64>,
    kinds: BTreeSet<u8>,
}

impl Trace {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The digests so far, by the frames' numbers.
    pub fn digests(&self) -> BTreeMap<Lsn, u64> {
        self.notes().digests.clone()
    }

    /// The kinds of record that were written so far, by their numbers in `docs/format.md`.
    pub fn kinds(&self) -> BTreeSet<u8> {
        self.notes().kinds.clone()
    }
}

impl State {
    pub(crate) fn trace_frame(&self, records: &[Placed<'_>]) {
        if let Some(trace) = &self.trace {
            let digest = self.digest();
            let mut notes = trace.notes();
            notes.digests.insert(self.applied, digest);
            notes.kinds.extend(records.iter().map(|placed| placed.record.kind()));
        }
    }

    fn memory_bytes(&self) -> usize {
        let queues = self.queues.values().map(|queue| {
            let run = size_of::<(RunKey, Run)>() + size_of::<(Phase, Timestamp, RunKey)>() * 2;
            let runs = queue.runs.iter().count() * run;
            let gone = queue.gone.block_count() * (BLOCK_BYTES + 64);
            let delays = queue.delays.memory_bytes();
            let extents = queue.extents.iter().count() * size_of::<Extent>();
            size_of::<QueueState>() + runs + gone + delays + extents
        });
        let indexes: usize = self.indexes.values().map(|index| index.memory_bytes()).sum();
        queues.sum::<usize>() + indexes
    }

    /// One number for all that the state means: everything but where things lie, which a restart may change.
    pub(crate) fn digest(&self) -> u64 {
        let mut meaning = self.clone();
        meaning.indexes = BTreeMap::new();
        for queue in meaning.queues.values_mut() {
            queue.extents = Extents::default();
            queue.delays = queue.delays.in_order(|sequence| !queue.gone.contains(sequence));
        }
        let (mut hasher, mut bytes) = (DefaultHasher::new(), Vec::new());
        checkpoint::encode(&Snapshot::of(&meaning), &mut bytes).expect("a list takes everything");
        bytes.hash(&mut hasher);
        hasher.finish()
    }
}
