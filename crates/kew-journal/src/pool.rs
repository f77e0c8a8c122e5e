//! Segments that are not in use: the next one, the spares, and those given up.
//!
//! A segment leaves the log in two steps. The writer puts it on the retired list, which costs nothing; the
//! preparer then recycles or removes the file. A recycled file loses its `.seg` name durably before its header
//! is touched (J3), and takes an id that is higher than every id before it (J2).

use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::committer::FLIGHTS_MAX;
use crate::disk::DiskFile;
use crate::error::Error;
use crate::position::SegmentId;
use crate::seeded::{self, Bug};
use crate::segment::{
    BLOCK_BYTES, Segment, SegmentHeader, index_name, segment_name, spare_name, temporary_name,
};
use crate::shared::{LOG_FOLDER, Shared};

/// How many full-size files wait for another use.
pub(crate) const SPARES_MAX: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// The id that the next new segment takes.
    pub(crate) next_id: u64,
    /// The segment that the log goes on in, ready under its final name.
    pub(crate) next: Option<Arc<Segment>>,
    /// Full-size files under their spare names.
    pub(crate) spares: Vec<SegmentId>,
    /// Segments that left the log; their files are still there.
    pub(crate) retired: Vec<Arc<Segment>>,
    /// The segment that is being written.
    pub(crate) active: Option<Arc<Segment>>,
    pub(crate) closed: bool,
}

impl Pool {
    /// Makes a segment ready: header, sync, final name, folder sync. From a spare if there is one.
    pub(crate) fn prepare(&mut self, shared: &Shared) -> Result<Arc<Segment>, Error> {
        let id = SegmentId(self.next_id);
        self.next_id += 1;
        let spare = self.spares.pop();
        let prepared = match spare {
            Some(spare) => recycle(shared, id, spare),
            None => create(shared, id),
        };
        if prepared.is_err() {
            // On a full volume this is tried again, so nothing may pile up. What else failed is final anyway.
            match spare {
                Some(spare) => self.spares.push(spare),
                None => drop(shared.disk.remove(&temporary_name(id))),
            }
        }
        prepared
    }

    /// Recycles or removes the file of one retired segment.
    pub(crate) fn dispose(&mut self, shared: &Shared) -> Result<bool, Error> {
        let Some(segment) = self.retired.pop() else { return Ok(false) };
        // A reader that still holds the segment must keep seeing its bytes, so that file is only unlinked.
        let unheld = Arc::strong_count(&segment) == 1;
        let full = segment.progress().1 >= segment.size_bytes;
        self.give_up(shared, segment.id, unheld && full)?;
        Ok(true)
    }

    /// Takes the `.seg` name away from a file, keeping the file as a spare if it is of use.
    pub(crate) fn give_up(&mut self, shared: &Shared, id: SegmentId, reusable: bool) -> Result<(), Error> {
        let name = segment_name(id);
        if reusable && self.spares.len() < SPARES_MAX {
            let renamed = shared.disk.rename(&name, &spare_name(id));
            renamed.map_err(|source| Error::disk("rename", &name, source))?;
            self.spares.push(id);
        } else {
            shared.disk.remove(&name).map_err(|source| Error::disk("remove", &name, source))?;
        }
        let index = index_name(id);
        match shared.disk.remove(&index) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::disk("remove", &index, error))
            }
            _ => Ok(()),
        }
    }
}

fn recycle(shared: &Shared, id: SegmentId, spare: SegmentId) -> Result<Arc<Segment>, Error> {
    // The spare's former `.seg` name must be gone for good before its header changes.
    if !seeded::is(Bug::RecycleTooEarly) {
        sync_folder(shared)?;
    }
    let name = spare_name(spare);
    let file = shared.disk.open(&name).map_err(|source| Error::disk("open", &name, source))?;
    // A sync that failed in a process before this one may have left a length that is not durable, and no later sync makes
    // it so but of what is written again. The header will say that the file has it.
    let last = [0; BLOCK_BYTES as usize];
    write_all(&*file, &name, &[IoSlice::new(&last)], u64::from(shared.segment_bytes - BLOCK_BYTES))?;
    name_segment(shared, id, file, &name, shared.segment_bytes)
}

fn create(shared: &Shared, id: SegmentId) -> Result<Arc<Segment>, Error> {
    let name = temporary_name(id);
    let file = shared.disk.create(&name).map_err(|source| Error::disk("create", &name, source))?;
    name_segment(shared, id, file, &name, BLOCK_BYTES)
}

/// Writes and syncs the header block, and only then gives the file its final name.
fn name_segment(
    shared: &Shared,
    id: SegmentId,
    file: Arc<dyn DiskFile>,
    temporary: &str,
    filled_to: u32,
) -> Result<Arc<Segment>, Error> {
    let segment_bytes = shared.segment_bytes;
    let header = SegmentHeader { id, segment_bytes, settled_end: BLOCK_BYTES, file_bytes: filled_to };
    let writing = open_for_writing(shared, temporary)?;
    let block = header.encode(&shared.store_id);
    write_all(&*file, temporary, &[IoSlice::new(&block)], 0)?;
    publish(shared, &*file, temporary, id)?;
    let segment = Segment::new(shared, header, Some(file), BLOCK_BYTES, filled_to);
    segment.keep_writing(writing);
    Ok(segment)
}

/// Opens a file that will be a segment once for each group that may be under way; by now, so that a process that may open
/// no more files can still go on in it.
pub(crate) fn open_for_writing(
    shared: &Shared,
    name: &str,
) -> Result<[Arc<dyn DiskFile>; FLIGHTS_MAX], Error> {
    let open = || shared.disk.open(name).map_err(|source| Error::disk("open", name, source));
    Ok([open()?, open()?])
}

/// Syncs a finished file, gives it its `.seg` name, and makes the name durable.
pub(crate) fn publish(
    shared: &Shared,
    file: &dyn DiskFile,
    temporary: &str,
    id: SegmentId,
) -> Result<(), Error> {
    if !seeded::is(Bug::SkipHeaderSync) {
        file.sync().map_err(|source| Error::disk("sync", temporary, source))?;
    }
    let renamed = shared.disk.rename(temporary, &segment_name(id));
    renamed.map_err(|source| Error::disk("rename", temporary, source))?;
    if skips_folder_sync(shared) { Ok(()) } else { sync_folder(shared) }
}

pub(crate) fn sync_folder(shared: &Shared) -> Result<(), Error> {
    shared.disk.sync_folder(LOG_FOLDER).map_err(|source| Error::disk("sync", LOG_FOLDER, source))
}

/// Writes the slices, all of them, or fails.
pub(crate) fn write_all(
    file: &dyn DiskFile,
    name: &str,
    slices: &[IoSlice<'_>],
    offset: u64,
) -> Result<(), Error> {
    let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
    let written = file.write_at(slices, offset).map_err(|source| Error::disk("write", name, source))?;
    if written == wanted || seeded::is(Bug::BelieveShortWrite) {
        return Ok(());
    }
    let text = format!("only {written} of {wanted} bytes were written");
    Err(Error::disk("write", name, io::Error::new(io::ErrorKind::WriteZero, text)))
}

#[cfg(feature = "mutants")]
fn skips_folder_sync(shared: &Shared) -> bool {
    shared.mutant == Some(crate::options::Mutant::SkipFolderSync) || seeded::is(Bug::SkipFolderSync)
}

#[cfg(not(feature = "mutants"))]
const fn skips_folder_sync(_shared: &Shared) -> bool {
    false
}
