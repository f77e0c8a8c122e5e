//! The log as it is at one moment, copied to another disk while it goes on.
//!
//! Everything up to that moment lies in files that are only ever appended to, and in one checkpoint that never changes. So
//! a copy of each segment up to where its log ended then, and of the checkpoint, is a store as a power cut at that moment
//! leaves it, and opens like one. While a snapshot is there the segments in it are not given up. The file `STORE` is
//! written last: a copy that was cut short is no store.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::checkpoint::{Checkpoint, checkpoint_name};
use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::pool::write_all;
use crate::position::{Lsn, SegmentId, SegmentInfo};
use crate::scan::{Found, Scanner};
use crate::segment::{BLOCK_BYTES, Segment, SegmentHeader, segment_name};
use crate::shared::{CHECKPOINT_FOLDER, LOG_FOLDER, Shared};
use crate::store_file;

/// How much is copied at a time.
const PIECE_BYTES: u32 = 1 << 20;

/// The log at one moment. Taken from [`crate::Journal::snapshot`].
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) shared: Arc<Shared>,
    pub(crate) segments: Vec<(SegmentInfo, Arc<Segment>)>,
    /// The newest durable checkpoint; open, so that it stays though its name may go.
    pub(crate) checkpoint: Option<(u64, Arc<dyn DiskFile>)>,
    pub(crate) last_lsn: Lsn,
    /// As long as it is there, the segments are kept.
    pub(crate) _hold: Arc<BTreeSet<SegmentId>>,
}

impl Snapshot {
    /// The last payload in it.
    #[must_use]
    pub const fn last_lsn(&self) -> Lsn {
        self.last_lsn
    }

    /// What a copy of it takes, without the checkpoint, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|(info, _)| u64::from(info.end_offset)).sum()
    }

    /// Copies it to an empty folder. `progress` is told how many bytes were copied, and says whether to go on.
    ///
    /// # Errors
    /// [`Error::NotDurable`] before its last group is committed. [`Error::Damage`] where the log is not as it was written: no copy is made of it. [`Error::Disk`] when either
    /// disk refuses, and when `progress` says so.
    pub fn copy_to(&self, target: &dyn Disk, progress: &mut dyn FnMut(u64) -> bool) -> Result<(), Error> {
        let durable = self.shared.durable_lsn();
        if self.last_lsn > durable {
            return Err(Error::NotDurable { covered: self.last_lsn, durable });
        }
        let failed = |operation, file: &str| {
            let file = file.to_owned();
            move |source| Error::Disk { operation, file, source }
        };
        target.create_folder("").map_err(failed("create", "."))?;
        if !target.list("").map_err(failed("list", "."))?.is_empty() {
            return Err(Error::NotAStore { reason: "the folder of the copy is not empty".to_owned() });
        }
        for folder in [LOG_FOLDER, CHECKPOINT_FOLDER] {
            target.create_folder(folder).map_err(failed("create", folder))?;
        }
        let mut copied = 0;
        for (info, segment) in &self.segments {
            verify(segment, info)?;
            self.copy_segment(target, info, segment, &mut copied, progress)?;
        }
        if let Some((number, file)) = &self.checkpoint {
            let name = checkpoint_name(*number);
            let checkpoint = Checkpoint::verified(Arc::clone(file), &self.shared.store_id, *number)?;
            let copy = target.create(&name).map_err(failed("create", &name))?;
            checkpoint.copy_to(&*copy)?;
            copy.sync().map_err(failed("sync", &name))?;
        }
        for folder in [LOG_FOLDER, CHECKPOINT_FOLDER] {
            target.sync_folder(folder).map_err(failed("sync", folder))?;
        }
        write_file(target, store_file::NAME, &store_file::bytes(&*self.shared.disk)?)?;
        target.sync_folder("").map_err(failed("sync", "."))
    }

    fn copy_segment(
        &self,
        target: &dyn Disk,
        info: &SegmentInfo,
        segment: &Arc<Segment>,
        copied: &mut u64,
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), Error> {
        let name = segment_name(info.id);
        let source = segment.file()?;
        let header =
            SegmentHeader::read(&*source, info.id, &self.shared.store_id, self.shared.segment_bytes)?;
        let file = target.create(&name).map_err(|error| Error::disk("create", &name, error))?;
        let mut piece = vec![0; PIECE_BYTES as usize];
        let mut offset = 0;
        while offset < info.end_offset {
            let wanted = PIECE_BYTES.min(info.end_offset - offset) as usize;
            let read = source.read_at(&mut piece[..wanted], u64::from(offset));
            let count = read.map_err(|error| Error::disk("read", &name, error))?;
            if count < wanted {
                return Err(Error::damage(&name, u64::from(offset) + count as u64, "the file ends here"));
            }
            write_all(&*file, &name, &[IoSlice::new(&piece[..count])], u64::from(offset))?;
            offset += u32::try_from(count).unwrap_or(u32::MAX);
            *copied += count as u64;
            if !progress(*copied) {
                let stopped = io::Error::new(io::ErrorKind::Interrupted, "the copy was called off");
                return Err(Error::disk("copy", &name, stopped));
            }
        }
        if header.file_bytes > info.end_offset {
            // Its header says how long it is at least; what lies there means nothing.
            write_all(&*file, &name, &[IoSlice::new(&[0])], u64::from(header.file_bytes - 1))?;
        }
        file.sync().map_err(|error| Error::disk("sync", &name, error))
    }
}

/// Reads all frames: what is damaged must not become a copy that somebody relies on.
fn verify(segment: &Arc<Segment>, info: &SegmentInfo) -> Result<(), Error> {
    let mut scanner = Scanner::new(segment, BLOCK_BYTES, info.end_offset);
    loop {
        match scanner.next()? {
            Found::End => return Ok(()),
            Found::Frame { .. } => {}
            Found::Invalid { offset } => {
                return Err(Error::damage(&segment.name(), u64::from(offset), "no intact frame stands here"));
            }
        }
    }
}

fn write_file(target: &dyn Disk, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let file = target.create(name).map_err(|error| Error::disk("create", name, error))?;
    write_all(&*file, name, &[IoSlice::new(bytes)], 0)?;
    file.sync().map_err(|error| Error::disk("sync", name, error))
}
