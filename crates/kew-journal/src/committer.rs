//! Makes groups durable: one gathered write and one sync per segment touched.
//!
//! When a group spans two segments, the older one is written and synced before the first byte goes to the newer
//! (J5); so a Start frame on disk proves everything before it. A short write is a failure, and any failure is
//! final (J7): Linux marks pages clean after a failed sync, so calling it again would prove nothing.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::DiskFile;
use crate::error::Error;
use crate::pool::write_all;
use crate::position::Lsn;
use crate::seeded::{self, Bug};
use crate::segment::Segment;
use crate::shared::Shared;

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

/// The side of the journal that writes and syncs. May live on another thread than [`crate::Journal`].
#[derive(Debug)]
pub struct Committer {
    shared: Arc<Shared>,
    next_group: u64,
    #[cfg(feature = "mutants")]
    syncs: u32,
    #[cfg(feature = "mutants")]
    late: Option<Arc<dyn DiskFile>>,
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            next_group: 0,
            #[cfg(feature = "mutants")]
            syncs: 0,
            #[cfg(feature = "mutants")]
            late: None,
        }
    }

    /// Writes and syncs a group. Everything up to the returned lsn survives from here on.
    ///
    /// # Errors
    /// Any error ends the journal. Whether the group's frames will be there after the next open is unknown.
    pub fn commit(&mut self, group: Group) -> Result<Lsn, Error> {
        self.shared.alive()?;
        if group.number != self.next_group {
            let error = Error::Order { expected: self.next_group, found: group.number };
            return Err(self.shared.poison(error));
        }
        self.next_group += 1;
        for part in &group.parts {
            if let Err(error) = self.commit_part(part) {
                return Err(self.shared.poison(error));
            }
        }
        self.shared.advance_durable(group.last_lsn);
        Ok(group.last_lsn)
    }

    fn commit_part(&mut self, part: &Part) -> Result<(), Error> {
        let segment = &part.segment;
        let file = segment.file()?;
        segment.claim(&part.range);
        let slices: Vec<IoSlice<'_>> = part.frames.iter().map(|frame| IoSlice::new(frame)).collect();
        let written = write_all(&*file, &segment.name(), &slices, u64::from(part.range.start));
        if !seeded::is(Bug::SwallowWriteError) {
            written?;
        }
        #[cfg(feature = "mutants")]
        if seeded::is(Bug::SyncOneLate) {
            let late = self.late.replace(file).map_or(Ok(()), |late| late.sync());
            return late.map_err(|source| Error::disk("sync", &segment.name(), source));
        }
        if self.skips_sync() {
            return Ok(());
        }
        segment.in_turn(|| {
            self.shared.alive()?;
            sync(&*file).map_err(|source| Error::disk("sync", &segment.name(), source))
        })
    }

    #[cfg(feature = "mutants")]
    fn skips_sync(&mut self) -> bool {
        self.syncs += 1;
        if seeded::is(Bug::SkipSync) {
            return self.syncs.is_multiple_of(5);
        }
        matches!(self.shared.mutant, Some(crate::options::Mutant::SkipSync { every }) if self.syncs.is_multiple_of(every))
    }

    #[cfg(not(feature = "mutants"))]
    #[expect(clippy::unused_self, reason = "the mutant build needs it")]
    const fn skips_sync(&mut self) -> bool {
        false
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
