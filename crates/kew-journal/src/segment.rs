//! One file of the log: its header block, and who may write where in it.
//!
//! The header block is written and synced before the file gets its final name, so a `.seg` file with an
//! unreadable header is damage, never a torn write (J3). Two parties write a segment: the committer, strictly
//! forward, and the preparer, which fills zeros ahead of it. Each claims its range here first, so that they
//! never overlap (J8). Linux tells of a failed write-back once for each open file: so whoever syncs has one of its own,
//! and a failure is never hidden by somebody else's sync (J9).

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::committer::FLIGHTS_MAX;
use crate::disk::DiskFile;
use crate::error::Error;
use crate::frame::{Seed, read_u32, read_u64};
use crate::handles::Handles;
use crate::position::SegmentId;
use crate::shared::{FORMAT_MAJOR, FORMAT_MINOR, Shared, locked};

/// Size of the header block, and where the first frame begins, in bytes.
pub(crate) const BLOCK_BYTES: u32 = 4096;

const BLOCK: usize = BLOCK_BYTES as usize;
const MAGIC: [u8; 8] = *b"KEWSEGMT";
const CHECKSUM_AT: usize = BLOCK - 4;

pub(crate) fn segment_name(id: SegmentId) -> String {
    format!("log/{id}.seg")
}

pub(crate) fn spare_name(id: SegmentId) -> String {
    format!("log/{id}.spare")
}

pub(crate) fn temporary_name(id: SegmentId) -> String {
    format!("log/{id}.tmp")
}

pub(crate) fn index_name(id: SegmentId) -> String {
    format!("log/{id}.index")
}

/// The fields of a header block that differ between segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) id: SegmentId,
    pub(crate) segment_bytes: u32,
    /// Everything before this offset was synced before the file got its name, so none of it may be torn.
    pub(crate) settled_end: u32,
    /// How long the file was when it was synced before it got its name. It never gets shorter.
    pub(crate) file_bytes: u32,
}

impl SegmentHeader {
    pub(crate) fn encode(self, store_id: &[u8; 16]) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[0..8].copy_from_slice(&MAGIC);
        block[8..10].copy_from_slice(&FORMAT_MAJOR.to_le_bytes());
        block[10..12].copy_from_slice(&FORMAT_MINOR.to_le_bytes());
        block[12..16].copy_from_slice(&self.segment_bytes.to_le_bytes());
        block[16..32].copy_from_slice(store_id);
        block[32..40].copy_from_slice(&self.id.0.to_le_bytes());
        block[40..44].copy_from_slice(&self.settled_end.to_le_bytes());
        block[44..48].copy_from_slice(&self.file_bytes.to_le_bytes());
        let checksum = crc32c::crc32c(&block[..CHECKSUM_AT]);
        block[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        block
    }

    /// The store id and the segment size that an intact header block names, whosever it is.
    pub(crate) fn identity(file: &dyn DiskFile) -> Option<([u8; 16], u32)> {
        let mut block = vec![0; BLOCK];
        let count = file.read_at(&mut block, 0).ok()?;
        let intact = count == BLOCK
            && block[0..8] == MAGIC
            && crc32c::crc32c(&block[..CHECKSUM_AT]) == read_u32(&block, CHECKSUM_AT);
        let store_id = block[16..32].try_into().ok()?;
        intact.then(|| (store_id, read_u32(&block, 12)))
    }

    /// Reads the header block of the file that carries `id` in its name.
    pub(crate) fn read(
        file: &dyn DiskFile,
        id: SegmentId,
        store_id: &[u8; 16],
        segment_bytes: u32,
    ) -> Result<Self, Error> {
        let name = segment_name(id);
        let mut block = vec![0; BLOCK];
        let count = file.read_at(&mut block, 0).map_err(|source| Error::disk("read", &name, source))?;
        let damage = |offset, reason: &str| Err(Error::damage(&name, offset, reason));
        if count < BLOCK || block[0..8] != MAGIC {
            return damage(0, "the segment's header block is missing");
        }
        if crc32c::crc32c(&block[..CHECKSUM_AT]) != read_u32(&block, CHECKSUM_AT) {
            return damage(0, "the checksum of the segment's header block does not match");
        }
        let major = u16::from_le_bytes([block[8], block[9]]);
        if major > FORMAT_MAJOR {
            return Err(Error::Version { file: name, found: major, supported: FORMAT_MAJOR });
        }
        if block[16..32] != *store_id {
            return damage(16, "the segment belongs to another store");
        }
        let header = Self {
            id: SegmentId(read_u64(&block, 32)),
            segment_bytes: read_u32(&block, 12),
            settled_end: read_u32(&block, 40),
            file_bytes: read_u32(&block, 44),
        };
        if header.id != id || header.segment_bytes != segment_bytes {
            return damage(32, "the segment's header names another segment or size");
        }
        Ok(header)
    }
}

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: SegmentId,
    handles: Arc<Handles>,
    /// The open file, if it is open.
    file: Mutex<Option<Arc<dyn DiskFile>>>,
    /// The files that groups are written through, as far as they are open.
    writing: [Mutex<Option<Arc<dyn DiskFile>>>; FLIGHTS_MAX],
    pub(crate) seed: Seed,
    pub(crate) size_bytes: u32,
    /// Where the staged part of the log ends in this segment.
    end_offset: AtomicU32,
    ranges: Mutex<Ranges>,
    filled: Condvar,
}

/// Who has what of the file. Offsets only grow.
#[derive(Debug)]
struct Ranges {
    /// The committer has claimed everything before this.
    claimed_to: u32,
    /// Blocks before this exist on disk.
    filled_to: u32,
    /// What the preparer is filling right now.
    filling: Option<Range<u32>>,
}

impl Segment {
    /// A segment whose blocks exist up to `filled_to` and whose log ends at `end_offset`. With `file` it stays
    /// open until [`Handles::may_close`] is called for it.
    pub(crate) fn new(
        shared: &Shared,
        header: SegmentHeader,
        file: Option<Arc<dyn DiskFile>>,
        end_offset: u32,
        filled_to: u32,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: header.id,
            handles: Arc::clone(&shared.handles),
            file: Mutex::new(file),
            seed: Seed::new(&shared.store_id, header.id),
            size_bytes: header.segment_bytes,
            end_offset: AtomicU32::new(end_offset),
            ranges: Mutex::new(Ranges { claimed_to: end_offset, filled_to, filling: None }),
            filled: Condvar::new(),
            writing: Default::default(),
        })
    }

    pub(crate) fn name(&self) -> String {
        segment_name(self.id)
    }

    /// The open file; opens it if need be.
    pub(crate) fn file(self: &Arc<Self>) -> Result<Arc<dyn DiskFile>, Error> {
        let mut slot = locked(&self.file);
        if let Some(file) = &*slot {
            return Ok(Arc::clone(file));
        }
        let opened = self.handles.disk.open(&self.name());
        let file = opened.map_err(|source| match source.kind() {
            // It was retired, and removed while this reader held it.
            io::ErrorKind::NotFound => Error::Gone { segment: self.id },
            _ => Error::disk("open", &self.name(), source),
        })?;
        *slot = Some(Arc::clone(&file));
        drop(slot);
        self.handles.may_close(self);
        Ok(file)
    }

    pub(crate) fn close_file(&self) {
        locked(&self.file).take();
    }

    /// Keeps files that groups will be written through.
    pub(crate) fn keep_writing(&self, files: [Arc<dyn DiskFile>; FLIGHTS_MAX]) {
        self.writing.iter().zip(files).for_each(|(slot, file)| *locked(slot) = Some(file));
    }

    /// The file that every so manieth group is written through; opens it if need be.
    pub(crate) fn writing_file(&self, number: usize) -> Result<Arc<dyn DiskFile>, Error> {
        let mut slot = locked(&self.writing[number]);
        if let Some(file) = &*slot {
            return Ok(Arc::clone(file));
        }
        let opened = self.handles.disk.open(&self.name());
        let file = opened.map_err(|source| Error::disk("open", &self.name(), source))?;
        *slot = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Closes the files that groups were written through.
    pub(crate) fn close_writing(&self) {
        self.writing.iter().for_each(|slot| drop(locked(slot).take()));
    }

    pub(crate) fn end_offset(&self) -> u32 {
        self.end_offset.load(Ordering::Acquire)
    }

    pub(crate) fn set_end_offset(&self, end_offset: u32) {
        self.end_offset.store(end_offset, Ordering::Release);
    }

    /// Claims a range for the committer, waiting for the preparer where they would meet.
    pub(crate) fn claim(&self, range: &Range<u32>) {
        let mut ranges = locked(&self.ranges);
        while ranges.filling.as_ref().is_some_and(|filling| filling.start < range.end) {
            ranges = self.filled.wait(ranges).unwrap_or_else(PoisonError::into_inner);
        }
        assert!(ranges.claimed_to <= range.start, "J8: the committer only moves forward");
        ranges.claimed_to = range.end;
    }

    /// Reserves up to `bytes_max` unfilled bytes for the preparer, but nothing at or behind `limit`.
    pub(crate) fn reserve(self: &Arc<Self>, bytes_max: u32, limit: u32) -> Option<Filling> {
        let mut ranges = locked(&self.ranges);
        let start = ranges.claimed_to.next_multiple_of(BLOCK_BYTES).max(ranges.filled_to);
        let end = start.saturating_add(bytes_max).min(limit).min(self.size_bytes);
        if start >= end || ranges.filling.is_some() {
            return None;
        }
        ranges.filling = Some(start..end);
        Some(Filling { segment: Arc::clone(self), range: start..end, done: false })
    }

    fn release(&self, range: &Range<u32>, filled: bool) {
        let mut ranges = locked(&self.ranges);
        ranges.filling = None;
        if filled {
            ranges.filled_to = range.end;
        }
        self.filled.notify_all();
    }

    /// How far the committer has come, and how far blocks exist.
    pub(crate) fn progress(&self) -> (u32, u32) {
        let ranges = locked(&self.ranges);
        (ranges.claimed_to, ranges.filled_to.max(ranges.claimed_to))
    }
}

/// A reservation of the preparer. When it goes, however it goes, the committer need not wait for it any more.
#[derive(Debug)]
pub(crate) struct Filling {
    pub(crate) segment: Arc<Segment>,
    pub(crate) range: Range<u32>,
    done: bool,
}

impl Filling {
    /// The blocks exist now.
    pub(crate) fn finish(mut self) {
        self.done = true;
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.segment.release(&self.range, self.done);
    }
}
