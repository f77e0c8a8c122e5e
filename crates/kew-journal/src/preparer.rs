//! Works ahead of the writer: blocks that exist before they are needed make a sync half as dear.
//!
//! Each [`Preparer::step`] does one bounded piece of work: dispose of a retired file, make the next segment
//! ready, or write zeros over one chunk. The next segment is filled only as far as the active one has been written, so an
//! idle store stays small. The caller decides which thread runs it; no step is ever necessary for correctness.
//!
//! A chunk is large enough that its sync costs little beside it, and small enough that the syncs of groups, which go to
//! the same disk, hardly wait for it.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;

use rustix::io::Errno;

use crate::error::Error;
use crate::pool::write_all;
use crate::segment::{Filling, Segment};
use crate::shared::{Shared, locked};

/// How much is filled at a time, in bytes.
const CHUNK_BYTES: u32 = 1 << 20;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// What a step found to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something was done, and there may be more.
    Worked,
    /// Nothing is to be done until more was committed or retired.
    Idle,
    /// There is work, but the volume is full. Worth another look once space came back.
    NoSpace,
    /// There is work, but the process or the machine has as many files open as it may. Worth another look later.
    NoFiles,
}

/// Prepares segments ahead of the writer, and disposes of retired ones.
#[derive(Debug)]
pub struct Preparer {
    shared: Arc<Shared>,
}

impl Preparer {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Does one bounded piece of work.
    ///
    /// # Errors
    /// A failure other than a full volume or too many open files ends the journal, as a failing disk does.
    pub fn step(&mut self) -> Result<Step, Error> {
        self.shared.alive()?;
        let mut pool = locked(&self.shared.pool);
        if pool.closed {
            return Ok(Step::Idle);
        }
        match pool.dispose(&self.shared) {
            Ok(true) => return Ok(Step::Worked),
            Ok(false) => {}
            Err(error) => return Err(self.shared.poison(error)),
        }
        if pool.next.is_none() && wants_next(pool.active.as_deref()) {
            // The pool stays locked meanwhile: a writer in need of a segment would do the same work itself.
            return match pool.prepare(&self.shared) {
                Ok(segment) => {
                    pool.next = Some(segment);
                    Ok(Step::Worked)
                }
                Err(error) => self.judge(error),
            };
        }
        let Some(filling) = to_fill(pool.active.as_ref(), pool.next.as_ref()) else {
            return Ok(Step::Idle);
        };
        drop(pool);
        match self.fill(&filling.segment, &filling.range) {
            Ok(()) => {
                filling.finish();
                Ok(Step::Worked)
            }
            Err(error) => self.judge(error),
        }
    }

    /// Writes zeros over the range and syncs them, so that no commit has to allocate blocks there.
    fn fill(&self, segment: &Arc<Segment>, range: &Range<u32>) -> Result<(), Error> {
        let file = segment.file()?;
        let mut slices = Vec::new();
        let mut left = range.len();
        while left > 0 {
            let count = left.min(ZEROS.len());
            slices.push(IoSlice::new(&ZEROS[..count]));
            left -= count;
        }
        write_all(&*file, &segment.name(), &slices, u64::from(range.start))?;
        // Whoever writes the log has another open file, and hears of a failure by its own sync (J9).
        file.sync().map_err(|source| self.shared.poison(Error::disk("sync", &segment.name(), source)))
    }

    fn judge(&self, error: Error) -> Result<Step, Error> {
        self.shared.alive()?;
        match &error {
            Error::Disk { operation: "write" | "create", source, .. } if is_full(source) => Ok(Step::NoSpace),
            // Nothing has been written then, so nothing is in doubt.
            Error::Disk { operation: "open" | "create", source, .. } if is_out_of_files(source) => {
                Ok(Step::NoFiles)
            }
            _ => Err(self.shared.poison(error)),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WriteZero
    )
}

fn is_out_of_files(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// A next segment is wanted when nothing is active yet, or a quarter of the active one is used.
fn wants_next(active: Option<&Segment>) -> bool {
    active.is_none_or(|segment| segment.progress().0 >= segment.size_bytes / 4)
}

fn to_fill(active: Option<&Arc<Segment>>, next: Option<&Arc<Segment>>) -> Option<Filling> {
    let active = active?;
    let (written_to, filled_to) = active.progress();
    // Half a chunk ahead keeps a store small that is hardly used. Groups that are larger than that may overtake it, and then
    // wait for the filling or make the file longer themselves; the next segment is mostly filled before it is begun.
    if filled_to - written_to < CHUNK_BYTES / 2
        && let Some(filling) = active.reserve(CHUNK_BYTES, active.size_bytes)
    {
        return Some(filling);
    }
    let next = next?;
    let used = written_to.saturating_sub(active.size_bytes / 4);
    let limit = used.saturating_mul(2).min(next.size_bytes);
    // Never less than a chunk, but at the end: a sync of a little costs the disk as much as one of a lot.
    let is_worth_a_sync = limit - next.progress().1.min(limit) >= CHUNK_BYTES || limit == next.size_bytes;
    if is_worth_a_sync { next.reserve(CHUNK_BYTES, limit) } else { None }
}
