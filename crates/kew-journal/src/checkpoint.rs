//! Checkpoints: a blob of the caller that stands for a prefix of the log.
//!
//! A checkpoint is written under a temporary name, synced, renamed, and its folder synced; only then does it
//! count, and only then may a segment below it be freed (J6). Two are kept. The wrapper carries what recovery
//! needs to know of the log: where to go on reading, and which segments the log had. The layout is
//! docs/format-journal.md §6.

use std::io::IoSlice;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::frame::{read_u32, read_u64};
use crate::pool::write_all;
use crate::position::{Lsn, Position, SegmentId, SegmentInfo};
use crate::seeded::{self, Bug};
use crate::shared::{CHECKPOINT_FOLDER, FORMAT_MAJOR, FORMAT_MINOR, Shared, locked};

const MAGIC: [u8; 8] = *b"KEWCHECK";
const HEADER: usize = 96;
const ENTRY: usize = 32;

pub(crate) fn checkpoint_name(number: u64) -> String {
    format!("{CHECKPOINT_FOLDER}/{number:016x}.ckpt")
}

/// A place in the log that a checkpoint may stand for. Taken from [`crate::Journal::checkpoint_cut`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    pub(crate) covered: Lsn,
    /// The newest payload that any part of the checkpoint's state includes. It was durable when the checkpoint came to be.
    pub(crate) newest: Lsn,
    pub(crate) at: Position,
    pub(crate) epoch: u32,
    pub(crate) next_segment: SegmentId,
    pub(crate) segments: Vec<SegmentInfo>,
    pub(crate) log_bytes: u64,
}

impl Cut {
    /// The last payload that the checkpoint's state includes.
    #[must_use]
    pub const fn covered(&self) -> Lsn {
        self.covered
    }

    /// The same for a state of which parts include later payloads, up to this one. Replay begins after `covered` all the
    /// same; the caller knows what to pass over.
    #[must_use]
    pub fn reaching(self, newest: Lsn) -> Self {
        Self { newest: newest.max(self.covered), ..self }
    }

    /// The state before the first payload of a store without checkpoints.
    pub(crate) fn start() -> Self {
        Self {
            covered: Lsn::NONE,
            newest: Lsn::NONE,
            at: Position::default(),
            epoch: 0,
            next_segment: SegmentId(1),
            segments: Vec::new(),
            log_bytes: 0,
        }
    }

    fn encode(&self, store_id: &[u8; 16], number: u64, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_MAJOR.to_le_bytes());
        bytes[10..12].copy_from_slice(&FORMAT_MINOR.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[16..32].copy_from_slice(store_id);
        bytes[32..40].copy_from_slice(&number.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.covered.0.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.at.segment.0.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.at.offset.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.next_segment.0.to_le_bytes());
        bytes[72..80].copy_from_slice(&(self.segments.len() as u64).to_le_bytes());
        bytes[80..88].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes[88..96].copy_from_slice(&self.newest.0.to_le_bytes());
        for info in &self.segments {
            bytes.extend_from_slice(&info.id.0.to_le_bytes());
            bytes.extend_from_slice(&info.first_lsn.0.to_le_bytes());
            bytes.extend_from_slice(&info.last_lsn.0.to_le_bytes());
            bytes.extend_from_slice(&u64::from(info.end_offset).to_le_bytes());
        }
        let checksum = checksum(&bytes, payload);
        bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// Covers everything but the checksum's own four bytes.
fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let before = crc32c::crc32c(&head[..60]);
    crc32c::crc32c_append(crc32c::crc32c_append(before, &head[64..]), payload)
}

/// A checkpoint as read from disk.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) cut: Cut,
    bytes: Vec<u8>,
    payload_at: usize,
}

impl Checkpoint {
    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[self.payload_at..]
    }

    /// Reads and verifies the checkpoint with this number.
    pub(crate) fn read(disk: &dyn Disk, store_id: &[u8; 16], number: u64) -> Result<Self, Error> {
        let name = checkpoint_name(number);
        let failed = |source| Error::disk("read", &name, source);
        let file = disk.open(&name).map_err(failed)?;
        Self::from_file(&*file, store_id, number)
    }

    /// The bytes of the checkpoint in an open file, verified.
    pub(crate) fn bytes_of(file: &dyn DiskFile, store_id: &[u8; 16], number: u64) -> Result<Vec<u8>, Error> {
        Self::from_file(file, store_id, number).map(|checkpoint| checkpoint.bytes)
    }

    fn from_file(file: &dyn DiskFile, store_id: &[u8; 16], number: u64) -> Result<Self, Error> {
        let name = checkpoint_name(number);
        let failed = |source| Error::disk("read", &name, source);
        let size = file.size().map_err(failed)?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        let count = file.read_at(&mut bytes, 0).map_err(failed)?;
        let damage = |reason: &str| Error::damage(&name, 0, reason);
        if count < bytes.len() || count < HEADER || bytes[0..8] != MAGIC {
            return Err(damage("the checkpoint's header is missing"));
        }
        let major = u16::from_le_bytes([bytes[8], bytes[9]]);
        if major > FORMAT_MAJOR {
            return Err(Error::Version { file: name, found: major, supported: FORMAT_MAJOR });
        }
        if checksum(&bytes, &[]) != read_u32(&bytes, 60) && !seeded::is(Bug::TrustCheckpoint) {
            return Err(damage("the checkpoint's checksum does not match"));
        }
        if bytes[16..32] != *store_id || read_u64(&bytes, 32) != number {
            return Err(damage("the checkpoint belongs to another store or number"));
        }
        Self::decode(bytes).ok_or_else(|| damage("the checkpoint's lengths do not add up"))
    }

    fn decode(bytes: Vec<u8>) -> Option<Self> {
        let count = usize::try_from(read_u64(&bytes, 72)).ok()?;
        let payload_at = count.checked_mul(ENTRY)?.checked_add(HEADER)?;
        let payload_bytes = bytes.len().checked_sub(payload_at)?;
        if payload_bytes as u64 != read_u64(&bytes, 80) {
            return None;
        }
        let entries = bytes[HEADER..payload_at].chunks_exact(ENTRY);
        let segments = entries.map(|entry| SegmentInfo {
            id: SegmentId(read_u64(entry, 0)),
            first_lsn: Lsn(read_u64(entry, 8)),
            last_lsn: Lsn(read_u64(entry, 16)),
            end_offset: read_u32(entry, 24),
        });
        let cut = Cut {
            covered: Lsn(read_u64(&bytes, 40)),
            newest: Lsn(read_u64(&bytes, 40).max(read_u64(&bytes, 88))),
            at: Position { segment: SegmentId(read_u64(&bytes, 48)), offset: read_u32(&bytes, 56) },
            epoch: read_u32(&bytes, 12),
            next_segment: SegmentId(read_u64(&bytes, 64)),
            segments: segments.collect(),
            log_bytes: 0,
        };
        Some(Self { cut, bytes, payload_at })
    }
}

/// Writes checkpoints. Cheap to clone; one write happens at a time.
#[derive(Debug, Clone)]
pub struct CheckpointWriter {
    shared: Arc<Shared>,
}

impl CheckpointWriter {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Writes `payload` as the state after `cut`. Once this returns the checkpoint is durable, and
    /// [`crate::Journal::retire`] frees what it covers.
    ///
    /// # Errors
    /// [`Error::NotDurable`] when the last payload of the cut, or of any part of the state, is not on disk yet. A failed write leaves the former
    /// checkpoint in force and does not end the journal; the caller decides what it means.
    pub fn write(&self, cut: &Cut, payload: &[u8]) -> Result<(), Error> {
        self.shared.alive()?;
        // The numbers below are looked at by the writer in every group, which must not wait for this.
        let _alone = locked(&self.shared.writing_checkpoint);
        if locked(&self.shared.pool).closed {
            return Err(Error::Closed);
        }
        let durable = self.shared.durable_lsn();
        if cut.newest > durable {
            return Err(Error::NotDurable { covered: cut.newest, durable });
        }
        let number = {
            let mut checkpoints = locked(&self.shared.checkpoints);
            checkpoints.attempted += 1;
            checkpoints.attempted
        };
        let name = checkpoint_name(number);
        if seeded::is(Bug::UnlinkBeforeCheckpoint) {
            let checkpoints = locked(&self.shared.checkpoints).clone();
            for old in [Some(checkpoints.number), checkpoints.older_number].into_iter().flatten() {
                drop(self.shared.disk.remove(&checkpoint_name(old)));
            }
        }
        if let Err(error) = self.publish(cut, payload, number, &name) {
            // Nobody can tell whether it is there; it is intact if it is, and never counted upon.
            drop(self.shared.disk.remove(&format!("{name}.tmp")));
            return Err(error);
        }
        let mut checkpoints = locked(&self.shared.checkpoints);
        let retained = checkpoints.number;
        let outdated = checkpoints.older_number.replace(retained).filter(|&outdated| outdated > 0);
        checkpoints.number = number;
        checkpoints.covered = checkpoints.covered.max(cut.covered);
        checkpoints.log_bytes = cut.log_bytes;
        drop(checkpoints);
        if let Some(outdated) = outdated {
            // The next open removes it if this fails; the checkpoint itself is durable either way.
            drop(self.shared.disk.remove(&checkpoint_name(outdated)));
        }
        Ok(())
    }

    fn publish(&self, cut: &Cut, payload: &[u8], number: u64, name: &str) -> Result<(), Error> {
        let disk = &*self.shared.disk;
        let temporary = format!("{name}.tmp");
        let file = disk.create(&temporary).map_err(|source| Error::disk("create", &temporary, source))?;
        let head = cut.encode(&self.shared.store_id, number, payload);
        write_all(&*file, &temporary, &[IoSlice::new(&head), IoSlice::new(payload)], 0)?;
        if !seeded::is(Bug::SkipCheckpointSync) {
            file.sync().map_err(|source| Error::disk("sync", &temporary, source))?;
        }
        disk.rename(&temporary, name).map_err(|source| Error::disk("rename", &temporary, source))?;
        let synced = disk.sync_folder(CHECKPOINT_FOLDER);
        synced.map_err(|source| Error::disk("sync", CHECKPOINT_FOLDER, source))
    }
}
