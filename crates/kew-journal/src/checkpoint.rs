//! Checkpoints: a blob of the caller that stands for a prefix of the log.
//!
//! A checkpoint is written under a temporary name, synced, renamed, and its folder synced; only then does it
//! count, and only then may a segment below it be freed (J6). Two are kept. The wrapper carries what recovery
//! needs to know of the log: where to go on reading, and which segments the log had. The layout is
//! docs/format-journal.md §6.

mod reading;
mod writing;

use crate::frame::{read_u32, read_u64};
use crate::position::{Lsn, Position, SegmentId, SegmentInfo};
use crate::shared::{CHECKPOINT_FOLDER, FORMAT_MAJOR, FORMAT_MINOR};

pub(crate) use reading::Checkpoint;
pub use writing::CheckpointWriter;

const MAGIC: [u8; 8] = *b"KEWCHECK";
const HEADER: usize = 96;
const ENTRY: usize = 32;

/// How much of a checkpoint is read or written at a time.
const PIECE_BYTES: usize = 1 << 20;

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

    /// How long the wrapper before the payload is, in bytes.
    fn head_bytes(&self) -> usize {
        HEADER + self.segments.len() * ENTRY
    }

    /// The wrapper of a payload with this length and checksum.
    fn encode(&self, store_id: &[u8; 16], number: u64, payload: Summed) -> Vec<u8> {
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
        bytes[80..88].copy_from_slice(&(payload.bytes as u64).to_le_bytes());
        bytes[88..96].copy_from_slice(&self.newest.0.to_le_bytes());
        for info in &self.segments {
            bytes.extend_from_slice(&info.id.0.to_le_bytes());
            bytes.extend_from_slice(&info.first_lsn.0.to_le_bytes());
            bytes.extend_from_slice(&info.last_lsn.0.to_le_bytes());
            bytes.extend_from_slice(&u64::from(info.end_offset).to_le_bytes());
        }
        let checksum = crc32c::crc32c_combine(checksum(&bytes), payload.checksum, payload.bytes);
        bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the wrapper of a payload of so many bytes.
    fn decode(bytes: &[u8], payload_bytes: u64) -> Option<Self> {
        if payload_bytes != read_u64(bytes, 80) {
            return None;
        }
        let segments = bytes[HEADER..].chunks_exact(ENTRY).map(|entry| SegmentInfo {
            id: SegmentId(read_u64(entry, 0)),
            first_lsn: Lsn(read_u64(entry, 8)),
            last_lsn: Lsn(read_u64(entry, 16)),
            end_offset: read_u32(entry, 24),
        });
        Some(Self {
            covered: Lsn(read_u64(bytes, 40)),
            newest: Lsn(read_u64(bytes, 40).max(read_u64(bytes, 88))),
            at: Position { segment: SegmentId(read_u64(bytes, 48)), offset: read_u32(bytes, 56) },
            epoch: read_u32(bytes, 12),
            next_segment: SegmentId(read_u64(bytes, 64)),
            segments: segments.collect(),
            log_bytes: 0,
        })
    }
}

/// A stretch of bytes, as far as a checksum is concerned.
#[derive(Debug, Clone, Copy, Default)]
struct Summed {
    bytes: usize,
    checksum: u32,
}

impl Summed {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
    }
}

/// The checksum of the bytes from a checkpoint's beginning: of everything but its own four.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..60]), &bytes[64..])
}
