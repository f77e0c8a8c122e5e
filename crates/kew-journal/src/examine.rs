//! Looks at a whole store without opening it, and goes on after everything that is wrong.
//!
//! Opening reads what a start needs and stops at the first damage. This reads every checkpoint, every index and every
//! frame of every segment, those that a checkpoint covers included; names each place that is damaged; and shows what
//! is intact behind it, too. It changes nothing. What is damage and what a torn tail is decided as when opening
//! (docs/format-journal.md §8): something intact must claim that the missing was durable.

mod members;
mod walk;

use std::io::{self, Read};
use std::sync::Arc;

use crate::checkpoint::{Checkpoint, Cut};
use crate::disk::Disk;
use crate::error::Error;
use crate::frame::Frame;
use crate::options::Options;
use crate::pool::Pool;
use crate::position::{Lsn, SegmentId, SegmentInfo};
use crate::recovery::folder::parse;
use crate::segment::SegmentHeader;
use crate::shared::{CHECKPOINT_FOLDER, LOG_FOLDER, Shared};
use crate::store_file;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file's name inside the store's folder.
    pub file: String,
    /// Where the first bad byte range begins.
    pub offset: u64,
    /// Where intact bytes follow, if any do in this file.
    pub end: Option<u64>,
    /// The payloads that are missing, first and last, as far as the others tell.
    pub missing: Option<(Lsn, Lsn)>,
    /// What was expected there.
    pub reason: String,
    /// Whether something that was promised is hurt. What is not can be made again, or was never answered.
    pub is_damage: bool,
}

/// A checkpoint's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointSeen {
    /// Its number.
    pub number: u64,
    /// The last payload that its state includes; 0 when it cannot be read.
    pub covered: Lsn,
    /// The size of the caller's payload in bytes.
    pub bytes: u64,
    /// Whether it is whole.
    pub is_intact: bool,
}

/// What a look at a whole store found.
#[derive(Debug, Clone, Default)]
pub struct Examination {
    /// The store's identity.
    pub store_id: [u8; 16],
    /// When the store was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// The size of a segment in bytes.
    pub segment_bytes: u32,
    /// The checkpoints, the newest first.
    pub checkpoints: Vec<CheckpointSeen>,
    /// The segments of the log, oldest first.
    pub segments: Vec<SegmentInfo>,
    /// Intact payloads.
    pub frames: u64,
    /// The last payload of the log.
    pub last_lsn: Lsn,
    /// What is wrong, in the order in which it was found.
    pub findings: Vec<Finding>,
}

/// Is shown what a store holds.
pub trait Examiner {
    /// An intact checkpoint, of which the payload is to be read from its beginning to its end. The newest comes first.
    ///
    /// # Errors
    /// Why the payload makes no sense; it becomes a finding.
    fn checkpoint(&mut self, seen: &CheckpointSeen, payload: &mut dyn Read) -> Result<(), String>;

    /// The next segment begins: how many bytes of log were read before, of how many; and the blob kept beside it.
    fn segment(&mut self, segment: SegmentId, read_bytes: u64, all_bytes: u64, index: Option<&[u8]>);

    /// Each intact payload, in the order of the log.
    ///
    /// # Errors
    /// Why the payload makes no sense; it becomes a finding.
    fn frame(&mut self, frame: Frame<'_>) -> Result<(), String>;
}

/// Looks at everything in the store on `disk`, which must not be open.
///
/// # Errors
/// [`Error::Locked`], [`Error::NotAStore`], [`Error::Version`], and [`Error::Disk`] where a folder cannot be listed.
/// Damage is no error here.
pub fn examine(disk: Arc<dyn Disk>, examiner: &mut dyn Examiner) -> Result<Examination, Error> {
    let lock = disk.lock(store_file::LOCK_NAME);
    let lock = lock.map_err(|source| Error::disk("lock", store_file::LOCK_NAME, source))?;
    let lock = lock.ok_or(Error::Locked)?;
    let mut seen = Examination::default();
    let options = identify(&*disk, &mut seen)?;
    let shared = Arc::new(Shared::new(disk, &options, Pool::default(), lock));
    let mut look = Look { shared, examiner, seen, cut: Cut::start() };
    look.see_checkpoints()?;
    let members = members::find(&mut look)?;
    look.walk(members)?;
    Ok(look.seen)
}

/// The store's identity; from a segment where the file that should say it is damaged.
fn identify(disk: &dyn Disk, seen: &mut Examination) -> Result<Options, Error> {
    let mut options = Options::new([0; 16], 0);
    let error = match store_file::read(disk, &mut options) {
        Ok(true) => None,
        Ok(false) => store_file::judge_contents(disk)
            .err()
            .or_else(|| Some(Error::NotAStore { reason: "the folder holds no file STORE".to_owned() })),
        Err(error @ (Error::Damage { .. } | Error::NotAStore { .. } | Error::Option { .. })) => Some(error),
        Err(error) => return Err(error),
    };
    if let Some(error) = error {
        let (store_id, segment_bytes) = identity_in_log(disk).ok_or(error)?;
        options = Options { store_id, ..options }.with_segment_bytes(segment_bytes);
        seen.findings.push(Finding {
            file: store_file::NAME.to_owned(),
            offset: 0,
            end: None,
            missing: None,
            reason: "it is missing or damaged; the segments tell what stood in it".to_owned(),
            is_damage: true,
        });
    }
    seen.store_id = options.store_id;
    seen.created_ms = options.created_ms;
    seen.segment_bytes = options.segment_bytes;
    Ok(options)
}

fn identity_in_log(disk: &dyn Disk) -> Option<([u8; 16], u32)> {
    let mut names = disk.list(LOG_FOLDER).ok()?;
    names.sort_unstable();
    let files = names.iter().filter(|name| matches!(parse(name), Some((_, "seg"))));
    let mut found = files.filter_map(|name| {
        let file = disk.open(&format!("{LOG_FOLDER}/{name}")).ok()?;
        SegmentHeader::identity(&*file)
    });
    found.find(|(_, bytes)| Options::new([0; 16], 0).with_segment_bytes(*bytes).check().is_ok())
}

/// A look under way.
struct Look<'a> {
    shared: Arc<Shared>,
    examiner: &'a mut dyn Examiner,
    seen: Examination,
    /// That of the newest intact checkpoint.
    cut: Cut,
}

impl Look<'_> {
    fn note(&mut self, error: Error, is_damage: bool) -> Result<(), Error> {
        let (file, offset, reason) = match error {
            Error::Damage { file, offset, reason } => (file, offset, reason),
            Error::Disk { operation, file, source } => (file, 0, format!("cannot {operation}: {source}")),
            error => return Err(error),
        };
        self.seen.findings.push(Finding { file, offset, end: None, missing: None, reason, is_damage });
        Ok(())
    }

    /// The names in a folder; none where it is missing, which is damage.
    fn list(&mut self, folder: &str) -> Result<Vec<String>, Error> {
        match self.shared.disk.list(folder) {
            Ok(mut names) => {
                names.sort_unstable();
                Ok(names)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.note(Error::damage(folder, 0, "the folder is missing"), true)?;
                Ok(Vec::new())
            }
            Err(source) => Err(Error::disk("list", folder, source)),
        }
    }

    fn see_checkpoints(&mut self) -> Result<(), Error> {
        let names = self.list(CHECKPOINT_FOLDER)?;
        let numbers = names.iter().rev().filter_map(|name| match parse(name) {
            Some((number, "ckpt")) => Some(number),
            _ => None,
        });
        for number in numbers.collect::<Vec<_>>() {
            let mut seen = CheckpointSeen { number, covered: Lsn::NONE, bytes: 0, is_intact: false };
            match Checkpoint::read(&*self.shared.disk, &self.shared.store_id, number) {
                Ok(checkpoint) => {
                    seen.covered = checkpoint.cut.covered;
                    seen.bytes = checkpoint.payload_bytes();
                    match checkpoint.show(|payload| self.examiner.checkpoint(&seen, payload)) {
                        Ok(()) => seen.is_intact = true,
                        Err(error) => self.note(error, true)?,
                    }
                    let is_newest = !self.seen.checkpoints.iter().any(|seen| seen.is_intact);
                    if seen.is_intact && is_newest {
                        self.cut = checkpoint.cut;
                    }
                }
                Err(error) => self.note(error, true)?,
            }
            self.seen.checkpoints.push(seen);
        }
        Ok(())
    }
}
