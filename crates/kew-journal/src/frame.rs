//! The frame: the unit that is wholly in the log or not at all.
//!
//! A frame is a 40-byte header and a payload, padded with zeros to a multiple of 8. One checksum covers the
//! header and the payload, another the header alone; both start from a seed of the store's id, the segment's id
//! and the frame's offset. So a block of another store, of a recycled segment's former life, or of another place
//! in the same segment can never pass as a frame here (J1), and no length is believed before the header that
//! states it was verified. The layout is docs/format-journal.md §4. Everything here is a pure function.

use bytes::Bytes;

use crate::position::{Lsn, Position, SegmentId};
use crate::seeded::{self, Bug};

/// Size of a frame's header in bytes.
pub(crate) const HEADER_BYTES: u32 = 40;
/// Size of the payload of a Start frame in bytes.
pub(crate) const START_PAYLOAD_BYTES: u32 = 24;
/// The newest version of the frame layout.
pub(crate) const FRAME_VERSION: u16 = 1;

const HEADER: usize = HEADER_BYTES as usize;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first frame of a segment; its payload names the predecessor.
    Start = 1,
    /// One payload of the caller. The only kind that takes an lsn.
    Data = 2,
    /// Says what is durable when no data follows.
    Mark = 3,
    /// The last frame of a segment.
    Seal = 4,
}

impl Kind {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Start),
            2 => Some(Self::Data),
            3 => Some(Self::Mark),
            4 => Some(Self::Seal),
            _ => None,
        }
    }
}

/// The first part of every checksum in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn new(store_id: &[u8; 16], segment: SegmentId) -> Self {
        let id = if seeded::is(Bug::ForgetSegmentInChecksum) { 0 } else { segment.0 };
        Self(crc32c::crc32c_append(crc32c::crc32c(store_id), &id.to_le_bytes()))
    }

    fn at(self, offset: u32) -> u32 {
        crc32c::crc32c_append(self.0, &u64::from(offset).to_le_bytes())
    }
}

/// The fields of a frame's header, without checksum and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// Grows with every run that writes; all frames of a segment share it.
    pub(crate) epoch: u32,
    /// For Data its own number, for the other kinds the number of the last Data frame before it.
    pub(crate) lsn: Lsn,
    /// Everything up to here was known to be durable when the frame was composed.
    pub(crate) durable_lsn: Lsn,
}

/// What stands at an offset.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded<'a> {
    /// A frame of this store, this segment and this offset.
    Valid { header: Header, payload: &'a [u8] },
    /// A frame that is intact, but of a version or kind this build does not know.
    Newer { version: u16 },
    /// Anything else.
    Invalid,
}

/// The bytes a frame with such a payload takes in the file, padding included.
pub(crate) const fn frame_bytes(payload_bytes: u32) -> u32 {
    HEADER_BYTES + payload_bytes.next_multiple_of(8)
}

/// Fills in the header of `frame`, which is 40 bytes of room and the payload, and pads it.
pub(crate) fn finish(frame: &mut Vec<u8>, seed: Seed, offset: u32, header: Header) {
    let payload_bytes = u32::try_from(frame.len() - HEADER).unwrap_or(u32::MAX);
    assert!(offset.is_multiple_of(8) && payload_bytes < u32::MAX, "J1: frames are aligned and bounded");
    let end = frame.len();
    frame[4..8].copy_from_slice(&payload_bytes.to_le_bytes());
    frame[8] = header.kind as u8;
    frame[9] = 0;
    frame[10..12].copy_from_slice(&FRAME_VERSION.to_le_bytes());
    frame[16..20].copy_from_slice(&header.epoch.to_le_bytes());
    frame[20..24].fill(0);
    frame[24..32].copy_from_slice(&header.lsn.0.to_le_bytes());
    frame[32..40].copy_from_slice(&header.durable_lsn.0.to_le_bytes());
    let placed = seed.at(offset);
    let header_checksum = header_checksum(placed, frame);
    frame[12..16].copy_from_slice(&header_checksum.to_le_bytes());
    let checksum = crc32c::crc32c_append(placed, &frame[4..end]);
    frame[0..4].copy_from_slice(&checksum.to_le_bytes());
    frame.resize(end.next_multiple_of(8), 0);
}

/// Covers every field of the header but the two checksums.
fn header_checksum(placed: u32, header: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(placed, &header[4..12]), &header[16..HEADER])
}

/// Whether a header of a known kind may stand here, of a version below 256. A cheap look before the checksum is computed.
pub(crate) fn plausible(bytes: &[u8]) -> bool {
    Kind::from_byte(bytes[8]).is_some() && bytes[11] == 0
}

/// The length of the payload, if an intact header of this store, segment and offset stands here.
pub(crate) fn payload_bytes(bytes: &[u8], seed: Seed, offset: u32) -> Option<u32> {
    // The kind is looked at first only because it is the cheapest way to pass over zeros.
    let plausible = bytes.len() >= HEADER && bytes[8] != 0;
    let intact = plausible && header_checksum(seed.at(offset), bytes) == read_u32(bytes, 12);
    intact.then(|| read_u32(bytes, 4))
}

/// Judges what stands at `offset`. `bytes` begins there and must hold the whole frame for it to be valid.
pub(crate) fn decode(bytes: &[u8], seed: Seed, offset: u32) -> Decoded<'_> {
    let Some(payload_bytes) = payload_bytes(bytes, seed, offset) else { return Decoded::Invalid };
    let end = HEADER + payload_bytes as usize;
    if end > bytes.len() {
        return Decoded::Invalid;
    }
    let intact = crc32c::crc32c_append(seed.at(offset), &bytes[4..end]) == read_u32(bytes, 0);
    if !intact && !seeded::is(Bug::TrustPayload) {
        return Decoded::Invalid;
    }
    let version = u16::from_le_bytes([bytes[10], bytes[11]]);
    let Some(kind) = Kind::from_byte(bytes[8]).filter(|_| version == FRAME_VERSION) else {
        return Decoded::Newer { version };
    };
    let header = Header {
        kind,
        epoch: read_u32(bytes, 16),
        lsn: Lsn(read_u64(bytes, 24)),
        durable_lsn: Lsn(read_u64(bytes, 32)),
    };
    Decoded::Valid { header, payload: &bytes[HEADER..end] }
}

/// What a Start frame says of the segment before its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Previous {
    /// The predecessor; id 0 for the first segment of a store.
    pub(crate) segment: SegmentId,
    /// Where its part of the log ends. Whatever stands behind is void.
    pub(crate) end_offset: u32,
    /// The epoch of its frames.
    pub(crate) epoch: u32,
    /// The number of the last payload up to there.
    pub(crate) last_lsn: Lsn,
}

impl Previous {
    pub(crate) fn encode(self) -> [u8; START_PAYLOAD_BYTES as usize] {
        let mut payload = [0; START_PAYLOAD_BYTES as usize];
        payload[0..8].copy_from_slice(&self.segment.0.to_le_bytes());
        payload[8..12].copy_from_slice(&self.end_offset.to_le_bytes());
        payload[12..16].copy_from_slice(&self.epoch.to_le_bytes());
        payload[16..24].copy_from_slice(&self.last_lsn.0.to_le_bytes());
        payload
    }

    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        (payload.len() == START_PAYLOAD_BYTES as usize).then(|| Self {
            segment: SegmentId(read_u64(payload, 0)),
            end_offset: read_u32(payload, 8),
            epoch: read_u32(payload, 12),
            last_lsn: Lsn(read_u64(payload, 16)),
        })
    }
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

pub(crate) fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

/// A payload of the log, as replay and scans show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its number.
    pub lsn: Lsn,
    /// Where its frame begins.
    pub position: Position,
    /// The bytes that were staged.
    pub payload: &'a [u8],
}

/// A payload under construction. It leaves room for the frame's header in front, so that staging and writing
/// never copy it.
#[derive(Debug)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
}

impl FrameBuffer {
    /// An empty payload with room for `payload_bytes` without growing.
    #[must_use]
    pub fn with_capacity(payload_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER + payload_bytes + 8);
        bytes.resize(HEADER, 0);
        Self { bytes }
    }

    /// The payload so far.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    /// Appends to the payload.
    pub fn extend_from_slice(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
    }

    /// The underlying bytes, for encoders that append to a `Vec`. The first 40 bytes are the header's room:
    /// only append, and change nothing before [`FrameBuffer::PAYLOAD_OFFSET`].
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Where the payload begins in [`FrameBuffer::bytes_mut`].
    pub const PAYLOAD_OFFSET: usize = HEADER;

    pub(crate) fn into_frame(mut self, seed: Seed, offset: u32, header: Header) -> Bytes {
        finish(&mut self.bytes, seed, offset, header);
        Bytes::from(self.bytes)
    }
}

impl Extend<u8> for FrameBuffer {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, iterator: I) {
        self.bytes.extend(iterator);
    }
}

impl From<&[u8]> for FrameBuffer {
    fn from(payload: &[u8]) -> Self {
        let mut buffer = Self::with_capacity(payload.len());
        buffer.extend_from_slice(payload);
        buffer
    }
}

#[cfg(test)]
mod tests;
