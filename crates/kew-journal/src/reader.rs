//! Reads frames back, from any thread.
//!
//! Every payload is verified against its checksum before it is handed out; bytes that do not verify are damage,
//! named by file and offset. A segment that was retired meanwhile is simply gone, and one that a read is using is
//! never recycled under it.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Error;
use crate::frame::{Decoded, FRAME_VERSION, Frame, HEADER_BYTES, Kind, decode, frame_bytes, payload_bytes};
use crate::index;
use crate::position::{Position, SegmentId};
use crate::scan::{Found, Scanner};
use crate::segment::{BLOCK_BYTES, Segment};
use crate::shared::{Shared, locked};

/// How much a single read fetches before the frame's length is known, in bytes.
const FIRST_READ_BYTES: u32 = 4 << 10;
/// Frames of one read are this far apart at most, in bytes; further ones get a read of their own.
const GAP_BYTES_MAX: u32 = 32 << 10;
/// The longest read that serves several positions, in bytes.
const RUN_BYTES_MAX: u32 = 1 << 20;

/// Reads payloads. Cheap to clone, and may be used from many threads.
#[derive(Debug, Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

impl Reader {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The payload of the frame that begins at `position`. Only what was committed can be read.
    ///
    /// # Errors
    /// [`Error::Gone`] when the segment was retired, [`Error::Damage`] when no intact payload stands there, and
    /// [`Error::Disk`] when the read fails. None of them ends the journal.
    pub fn read(&self, position: Position) -> Result<Bytes, Error> {
        let segment = self.shared.segment(position.segment)?;
        let first = fetch(&segment, position.offset, FIRST_READ_BYTES)?;
        read_in(&segment, &first, position.offset, position.offset)
    }

    /// The payloads at `positions`, in the order asked for. Neighbours are fetched together, up to 1 MiB at a
    /// time, and share their memory.
    ///
    /// # Errors
    /// As [`Reader::read`]; nothing is returned when one of them fails.
    pub fn read_many(&self, positions: &[Position]) -> Result<Vec<Bytes>, Error> {
        let mut order: Vec<usize> = (0..positions.len()).collect();
        order.sort_unstable_by_key(|&index| positions[index]);
        let mut payloads = vec![Bytes::new(); positions.len()];
        let near = |&a: &usize, &b: &usize| {
            let (a, b) = (positions[a], positions[b]);
            a.segment == b.segment && b.offset - a.offset <= GAP_BYTES_MAX
        };
        for run in order.chunk_by(near) {
            let mut rest = run;
            while let Some(&first) = rest.first() {
                let start = positions[first].offset;
                let reach =
                    |index: &usize| positions[*index].offset - start <= RUN_BYTES_MAX - FIRST_READ_BYTES;
                let (chunk, behind) = rest.split_at(rest.partition_point(reach));
                let segment = self.shared.segment(positions[first].segment)?;
                let last = chunk.last().map_or(start, |&index| positions[index].offset);
                let bytes = fetch(&segment, start, last - start + FIRST_READ_BYTES)?;
                for &index in chunk {
                    payloads[index] = read_in(&segment, &bytes, start, positions[index].offset)?;
                }
                rest = behind;
            }
        }
        Ok(payloads)
    }

    /// Shows every payload of `segment` that begins in `from_offset..up_to_offset`, in order, by large sequential
    /// reads. `from_offset` is 0 or where a frame begins, `up_to_offset` where one ends.
    ///
    /// # Errors
    /// As [`Reader::read`]; a text returned by `visit` becomes [`Error::Damage`] at that frame.
    pub fn scan(
        &self,
        segment: SegmentId,
        from_offset: u32,
        up_to_offset: u32,
        visit: &mut dyn FnMut(Frame<'_>) -> Result<(), String>,
    ) -> Result<(), Error> {
        let segment = self.shared.segment(segment)?;
        let limit = up_to_offset.min(segment.end_offset());
        let mut scanner = Scanner::new(&segment, from_offset.max(BLOCK_BYTES), limit);
        while visit_next(&segment, &mut scanner, visit)? {}
        Ok(())
    }

    /// As [`Reader::scan`] from `from_offset` on, but ends after about `bytes` bytes of the file; returns where to go
    /// on, or `None` at the end of the segment.
    ///
    /// # Errors
    /// As [`Reader::scan`].
    pub fn scan_some(
        &self,
        segment: SegmentId,
        from_offset: u32,
        bytes: u32,
        visit: &mut dyn FnMut(Frame<'_>) -> Result<(), String>,
    ) -> Result<Option<u32>, Error> {
        let segment = self.shared.segment(segment)?;
        let from_offset = from_offset.max(BLOCK_BYTES);
        let mut scanner = Scanner::within(&segment, from_offset, segment.end_offset(), bytes as usize);
        while scanner.offset() - from_offset < bytes {
            if !visit_next(&segment, &mut scanner, visit)? {
                return Ok(None);
            }
        }
        Ok(Some(scanner.offset()))
    }

    /// Keeps a blob beside the segment, derived from its frames as they are now. It replaces an earlier one.
    ///
    /// # Errors
    /// [`Error::Gone`] when the segment was retired, otherwise [`Error::Disk`]. None of them ends the journal.
    pub fn write_index(&self, segment: SegmentId, blob: &[u8]) -> Result<(), Error> {
        index::write(&self.shared, &*self.shared.segment(segment)?, blob)
    }

    /// The blob kept beside the segment, or `None` when it is missing, damaged, or older than the segment's last
    /// frame: the caller then derives it again.
    #[must_use]
    pub fn read_index(&self, segment: SegmentId) -> Option<Bytes> {
        index::read(&self.shared, &*self.shared.segment(segment).ok()?)
    }

    /// Bytes of the files that wait for another use: the log can grow by them though the volume is full.
    #[must_use]
    pub fn spare_bytes(&self) -> u64 {
        locked(&self.shared.pool).spares.len() as u64 * u64::from(self.shared.segment_bytes)
    }

    /// Room left on the store's volume.
    ///
    /// # Errors
    /// [`Error::Disk`] when the operating system does not say.
    pub fn space(&self) -> Result<crate::Space, Error> {
        self.shared.disk.space().map_err(|source| Error::disk("look at the space of", ".", source))
    }
}

/// Shows the next frame if it carries a payload; false at the end.
fn visit_next(
    segment: &Segment,
    scanner: &mut Scanner<'_>,
    visit: &mut dyn FnMut(Frame<'_>) -> Result<(), String>,
) -> Result<bool, Error> {
    match scanner.next()? {
        Found::End => return Ok(false),
        Found::Invalid { offset } => return Err(not_a_frame(segment, offset)),
        Found::Frame { offset, header, payload } if header.kind == Kind::Data => {
            let position = Position { segment: segment.id, offset };
            visit(Frame { lsn: header.lsn, position, payload })
                .map_err(|reason| Error::damage(&segment.name(), u64::from(offset), reason))?;
        }
        Found::Frame { .. } => {}
    }
    Ok(true)
}

fn not_a_frame(segment: &Segment, offset: u32) -> Error {
    Error::damage(&segment.name(), u64::from(offset), "no intact frame begins here")
}

fn fetch(segment: &Arc<Segment>, offset: u32, bytes: u32) -> Result<Bytes, Error> {
    let bytes = bytes.min(segment.size_bytes.saturating_sub(offset));
    let mut buffer = vec![0; bytes as usize];
    let count = segment
        .file()?
        .read_at(&mut buffer, u64::from(offset))
        .map_err(|source| Error::disk("read", &segment.name(), source))?;
    buffer.truncate(count);
    Ok(Bytes::from(buffer))
}

/// The payload at `offset`, out of `bytes` that begin at `start`, or by a read of its own if it reaches further.
fn read_in(segment: &Arc<Segment>, bytes: &Bytes, start: u32, offset: u32) -> Result<Bytes, Error> {
    let bytes = bytes.get((offset - start) as usize..).map_or_else(Bytes::new, |rest| bytes.slice_ref(rest));
    let room = segment.size_bytes.saturating_sub(offset).saturating_sub(HEADER_BYTES);
    let stated = payload_bytes(&bytes, segment.seed, offset).filter(|bytes| *bytes <= room);
    let payload_bytes = stated.ok_or_else(|| not_a_frame(segment, offset))?;
    let whole = frame_bytes(payload_bytes);
    let bytes = if bytes.len() < whole as usize { fetch(segment, offset, whole)? } else { bytes };
    match decode(&bytes, segment.seed, offset) {
        Decoded::Valid { header, payload } if header.kind == Kind::Data => Ok(bytes.slice_ref(payload)),
        Decoded::Newer { version } => {
            Err(Error::Version { file: segment.name(), found: version, supported: FRAME_VERSION })
        }
        _ => Err(not_a_frame(segment, offset)),
    }
}
