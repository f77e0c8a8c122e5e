//! Makes groups durable: one gathered write and one sync per segment touched.
//!
//! Several groups may be under way at once, each as a [`Flight`] on a thread of its own, so that one need not wait for
//! the sync of the one before. They land strictly in their order: a group counts as durable when it and all before it
//! are. What a crash leaves of a later one behind a gap was never answered, and no frame calls it durable.
//!
//! A segment's first byte is written when everything before it is synced (J5), so a Start frame on disk proves all of
//! that. A short write is a failure, and any failure is final (J7): Linux marks pages clean after a failed sync, so
//! calling it again would prove nothing.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;
#[cfg(feature = "mutants")]
use std::sync::Mutex;

use bytes::Bytes;

use crate::disk::DiskFile;
use crate::error::Error;
use crate::pool::write_all;
use crate::position::Lsn;
use crate::seeded::{self, Bug};
use crate::segment::{BLOCK_BYTES, Segment};
use crate::shared::Shared;

/// How many groups may be under way at once.
pub const FLIGHTS_MAX: usize = 2;

/// Frames that are committed together. Taken from [`crate::Journal::take_group`].
#[derive(Debug)]
pub struct Group {
    pub(crate) number: u64,
    pub(crate) parts: Vec<Part>,
    pub(crate) last_lsn: Lsn,
    pub(crate) bytes: u64,
}

impl Group {
    /// The number of the last payload that is durable once this group is.
    #[must_use]
    pub const fn last_lsn(&self) -> Lsn {
        self.last_lsn
    }

    /// How many frames it has, those of the log itself included.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.parts.iter().map(|part| part.frames.len()).sum()
    }

    /// What the group writes, in bytes, headers and padding included.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The frames of a group that lie in one segment, one behind the other.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) segment: Arc<Segment>,
    pub(crate) range: Range<u32>,
    pub(crate) frames: Vec<Bytes>,
}

impl Part {
    /// Whether it begins its segment.
    fn is_first(&self) -> bool {
        self.range.start == BLOCK_BYTES
    }
}

/// The side of the journal that writes and syncs. May live on another thread than [`crate::Journal`].
#[derive(Debug)]
pub struct Committer {
    shared: Arc<Shared>,
    next_group: u64,
    /// The number of the next flight.
    next: u64,
    next_file: usize,
    /// The segment of the last part that was begun.
    active: Option<Arc<Segment>>,
    #[cfg(feature = "mutants")]
    faults: Faults,
}

/// What the seeded bugs remember.
#[cfg(feature = "mutants")]
#[derive(Debug, Clone, Default)]
struct Faults {
    syncs: Arc<std::sync::atomic::AtomicU32>,
    late: Arc<Mutex<Option<Arc<dyn DiskFile>>>>,
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            next_group: 0,
            next: 0,
            next_file: 0,
            active: None,
            #[cfg(feature = "mutants")]
            faults: Faults::default(),
        }
    }

    /// Writes and syncs a group. Everything up to the returned lsn survives from here on.
    ///
    /// # Errors
    /// Any error ends the journal. Whether the group's frames will be there after the next open is unknown.
    pub fn commit(&mut self, group: Group) -> Result<Lsn, Error> {
        let last_lsn = group.last_lsn;
        let mut flight = self.begin(Some(group))?;
        flight.run()?;
        drop(flight.land()?);
        Ok(last_lsn)
    }

    /// Begins to commit a group, or nothing: that lands when all before it has. Waits while [`FLIGHTS_MAX`] are under
    /// way.
    ///
    /// # Errors
    /// As [`Committer::commit`].
    pub fn begin(&mut self, group: Option<Group>) -> Result<Flight, Error> {
        self.shared.alive()?;
        let mut last_lsn = Lsn::NONE;
        let parts = match group {
            None => Vec::new(),
            Some(group) if group.number == self.next_group => {
                self.next_group += 1;
                for part in &group.parts {
                    part.segment.claim(&part.range);
                }
                last_lsn = group.last_lsn;
                group.parts
            }
            Some(group) => {
                let error = Error::Order { expected: self.next_group, found: group.number };
                return Err(self.shared.poison(error));
            }
        };
        let number = self.next;
        self.next += 1;
        let file = self.next_file;
        self.next_file = (file + 1) % FLIGHTS_MAX;
        let before = self.active.clone();
        if let Some(last) = parts.last() {
            self.active = Some(Arc::clone(&last.segment));
        }
        self.shared.landings.wait_for((number + 1).saturating_sub(FLIGHTS_MAX as u64), &self.shared)?;
        Ok(Flight {
            shared: Arc::clone(&self.shared),
            number,
            file,
            parts,
            last_lsn,
            before,
            has_landed: false,
            #[cfg(feature = "mutants")]
            faults: self.faults.clone(),
        })
    }

    /// Waits until everything that was begun has landed.
    ///
    /// # Errors
    /// [`Error::Poisoned`] when some of it has failed.
    pub fn settle(&self) -> Result<(), Error> {
        self.shared.landings.wait_for(self.next, &self.shared)
    }
}

/// A group under way. One that does not land ends the journal.
#[derive(Debug)]
#[must_use]
pub struct Flight {
    shared: Arc<Shared>,
    number: u64,
    /// Which of the files that its segments are written through is its own.
    file: usize,
    parts: Vec<Part>,
    /// What is durable once it has landed; none when it writes nothing.
    last_lsn: Lsn,
    /// The segment of the part before these.
    before: Option<Arc<Segment>>,
    has_landed: bool,
    #[cfg(feature = "mutants")]
    faults: Faults,
}

impl Flight {
    /// Whether its last bytes wait for all flights before it to land, since they begin a segment.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.parts.iter().any(Part::is_first) && !seeded::is(Bug::BeginTooEarly)
    }

    /// Writes and syncs. It has not landed by that.
    ///
    /// # Errors
    /// As [`Committer::commit`].
    pub fn run(&mut self) -> Result<(), Error> {
        self.shared.alive()?;
        if seeded::is(Bug::LandTooEarly) {
            self.shared.advance_durable(self.last_lsn);
        }
        for part in core::mem::take(&mut self.parts) {
            if part.is_first() && !seeded::is(Bug::BeginTooEarly) {
                self.shared.landings.wait_for(self.number, &self.shared)?;
                // Nothing will be written there any more.
                self.before.take().iter().for_each(|segment| segment.close_writing());
            }
            self.run_part(&part).map_err(|error| self.shared.poison(error))?;
            self.before = Some(part.segment);
        }
        Ok(())
    }

    fn run_part(&self, part: &Part) -> Result<(), Error> {
        let segment = &part.segment;
        // Those under way beside it have others: each hears of every failure (J9).
        let file = segment.writing_file(self.file)?;
        let slices: Vec<IoSlice<'_>> = part.frames.iter().map(|frame| IoSlice::new(frame)).collect();
        let written = write_all(&*file, &segment.name(), &slices, u64::from(part.range.start));
        if !seeded::is(Bug::SwallowWriteError) {
            written?;
        }
        #[cfg(feature = "mutants")]
        if seeded::is(Bug::SyncOneLate) {
            let late = crate::shared::locked(&self.faults.late).replace(file);
            let late = late.map_or(Ok(()), |late| late.sync());
            return late.map_err(|source| Error::disk("sync", &segment.name(), source));
        }
        if self.skips_sync() {
            return Ok(());
        }
        sync(&*file).map_err(|source| Error::disk("sync", &segment.name(), source))
    }

    /// Waits until all flights before it have landed, and lands: everything up to its group survives from here on. The
    /// next one lands when what this gives back has gone.
    ///
    /// # Errors
    /// [`Error::Poisoned`] when one before it has failed.
    pub fn land(mut self) -> Result<Landing, Error> {
        self.shared.landings.wait_for(self.number, &self.shared)?;
        self.has_landed = true;
        self.shared.advance_durable(self.last_lsn);
        Ok(Landing { shared: Arc::clone(&self.shared), number: self.number })
    }

    #[cfg(feature = "mutants")]
    fn skips_sync(&self) -> bool {
        let syncs = self.faults.syncs.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        if seeded::is(Bug::SkipSync) {
            return syncs.is_multiple_of(5);
        }
        matches!(self.shared.mutant, Some(crate::options::Mutant::SkipSync { every }) if syncs.is_multiple_of(every))
    }

    #[cfg(not(feature = "mutants"))]
    #[expect(clippy::unused_self, reason = "the mutant build needs it")]
    const fn skips_sync(&self) -> bool {
        false
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.has_landed {
            // Nobody waits for it in vain. If something failed before, that stays the cause.
            drop(self.shared.poison(Error::Closed));
        }
    }
}

/// A flight that has landed. While it is kept none after it does.
#[derive(Debug)]
#[must_use]
pub struct Landing {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.shared.landings.pass(self.number);
    }
}

/// One sync, and its answer.
fn sync(file: &dyn DiskFile) -> io::Result<()> {
    match file.sync() {
        Err(_) if seeded::is(Bug::SwallowSyncError) => Ok(()),
        Err(_) if seeded::is(Bug::RetrySync) => file.sync(),
        synced => synced,
    }
}
