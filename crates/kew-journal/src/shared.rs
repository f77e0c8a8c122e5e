//! What the journal's parts share: the disk, the open segments, the pool, and the one bit that ends everything.
//!
//! The parts live on different threads (the writer stages, the committer syncs, readers read, the preparer works
//! ahead), and this is all they have in common. The first failure of a write or sync is kept here for ever, and
//! every later call of the write path repeats it (J7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

use crate::disk::{Disk, FolderLock};
use crate::error::Error;
use crate::handles::Handles;
use crate::landings::Landings;
use crate::pool::Pool;
use crate::position::{Lsn, SegmentId};
use crate::segment::Segment;

/// The newest major format this build writes and reads. A newer one is refused.
pub(crate) const FORMAT_MAJOR: u16 = 1;
/// The minor format this build writes. Every minor of the major can be read.
pub(crate) const FORMAT_MINOR: u16 = 0;

pub(crate) const LOG_FOLDER: &str = "log";
pub(crate) const CHECKPOINT_FOLDER: &str = "checkpoint";

/// Locks, also after a thread panicked while it held the lock: what these locks guard is never left half-done.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) handles: Arc<Handles>,
    pub(crate) store_id: [u8; 16],
    pub(crate) segment_bytes: u32,
    /// The open segments of the chain.
    pub(crate) segments: RwLock<BTreeMap<SegmentId, Arc<Segment>>>,
    pub(crate) pool: Mutex<Pool>,
    pub(crate) checkpoints: Mutex<Checkpoints>,
    /// Held while a checkpoint is written.
    pub(crate) writing_checkpoint: Mutex<()>,
    /// The segments of the snapshots that are there.
    holds: Mutex<Vec<Weak<BTreeSet<SegmentId>>>>,
    durable_lsn: AtomicU64,
    /// Which groups under way have come to their end.
    pub(crate) landings: Landings,
    failure: OnceLock<String>,
    lock: Mutex<Option<Box<dyn FolderLock>>>,
    #[cfg(feature = "mutants")]
    pub(crate) mutant: Option<crate::options::Mutant>,
}

/// The durable checkpoints.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checkpoints {
    /// The newest durable one's number; 0 before the first.
    pub(crate) number: u64,
    /// The number of the one before it that is kept as well.
    pub(crate) older_number: Option<u64>,
    /// The highest number that was ever tried, also without success.
    pub(crate) attempted: u64,
    /// Everything up to here is covered by the newest durable one.
    pub(crate) covered: Lsn,
    /// How many bytes of log had been staged in this run at its cut.
    pub(crate) log_bytes: u64,
}

impl Shared {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        options: &crate::options::Options,
        pool: Pool,
        lock: Box<dyn FolderLock>,
    ) -> Self {
        Self {
            handles: Handles::new(Arc::clone(&disk)),
            disk,
            store_id: options.store_id,
            segment_bytes: options.segment_bytes,
            segments: RwLock::default(),
            pool: Mutex::new(pool),
            checkpoints: Mutex::default(),
            writing_checkpoint: Mutex::new(()),
            holds: Mutex::default(),
            durable_lsn: AtomicU64::new(0),
            landings: Landings::default(),
            failure: OnceLock::new(),
            lock: Mutex::new(Some(lock)),
            #[cfg(feature = "mutants")]
            mutant: options.mutant,
        }
    }

    pub(crate) fn durable_lsn(&self) -> Lsn {
        Lsn(self.durable_lsn.load(Ordering::Acquire))
    }

    pub(crate) fn advance_durable(&self, lsn: Lsn) {
        self.durable_lsn.fetch_max(lsn.0, Ordering::AcqRel);
    }

    /// Refuses when something failed before.
    pub(crate) fn alive(&self) -> Result<(), Error> {
        match self.failure.get() {
            Some(cause) => Err(Error::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// Ends the journal for ever and hands the failure on. The first cause is the one that stays.
    pub(crate) fn poison(&self, error: Error) -> Error {
        let _first = self.failure.set(error.to_string());
        self.landings.end();
        error
    }

    pub(crate) fn segment(&self, id: SegmentId) -> Result<Arc<Segment>, Error> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.get(&id).cloned().ok_or(Error::Gone { segment: id })
    }

    pub(crate) fn add_segment(&self, segment: Arc<Segment>) {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).insert(segment.id, segment);
    }

    pub(crate) fn take_segment(&self, id: SegmentId) -> Option<Arc<Segment>> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }

    /// Keeps segments until the last owner of the hold has gone.
    pub(crate) fn hold(&self, segments: &Arc<BTreeSet<SegmentId>>) {
        locked(&self.holds).push(Arc::downgrade(segments));
    }

    /// The segments that are kept for snapshots.
    pub(crate) fn held(&self) -> BTreeSet<SegmentId> {
        let mut holds = locked(&self.holds);
        holds.retain(|hold| hold.strong_count() > 0);
        holds
            .iter()
            .filter_map(Weak::upgrade)
            .flat_map(|hold| hold.iter().copied().collect::<Vec<_>>())
            .collect()
    }

    /// Lets another process in.
    pub(crate) fn unlock(&self) {
        locked(&self.lock).take();
    }
}
