//! Reads a segment forward, frame by frame, through a window.
//!
//! The window is 1 MiB and grows only for a frame that is longer, so a scan costs large sequential reads and
//! bounded memory. A length field is believed only as far as it stays inside the range that is scanned.

use std::sync::Arc;

use crate::error::Error;
use crate::frame::{
    Decoded, FRAME_VERSION, HEADER_BYTES, Header, decode, frame_bytes, payload_bytes, plausible,
};
use crate::position::Lsn;
use crate::segment::Segment;

const WINDOW_BYTES: usize = 1 << 20;
const HEADER: usize = HEADER_BYTES as usize;

/// What the next place holds.
pub(crate) enum Found<'a> {
    /// A frame, and where it begins.
    Frame { offset: u32, header: Header, payload: &'a [u8] },
    /// Nothing that is a frame.
    Invalid { offset: u32 },
    /// The end of the range.
    End,
}

/// Walks the frames of a range of a segment.
pub(crate) struct Scanner<'a> {
    segment: &'a Arc<Segment>,
    offset: u32,
    limit: u32,
    window: Vec<u8>,
    window_start: u32,
    /// How much is read at a time, in bytes.
    window_bytes: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(segment: &'a Arc<Segment>, offset: u32, limit: u32) -> Self {
        Self::within(segment, offset, limit, WINDOW_BYTES)
    }

    /// As [`Scanner::new`], reading so many bytes at a time.
    pub(crate) fn within(segment: &'a Arc<Segment>, offset: u32, limit: u32, window_bytes: usize) -> Self {
        let limit = limit.min(segment.size_bytes);
        Self { segment, offset, limit, window: Vec::new(), window_start: offset, window_bytes }
    }

    /// Where the next frame would begin.
    pub(crate) const fn offset(&self) -> u32 {
        self.offset
    }

    /// Reads the next frame and moves behind it. Stays where it is when there is none.
    pub(crate) fn next(&mut self) -> Result<Found<'_>, Error> {
        let offset = self.offset;
        if offset >= self.limit {
            return Ok(Found::End);
        }
        let Some(bytes) = self.intact_header(offset)? else { return Ok(Found::Invalid { offset }) };
        self.load(offset, bytes as usize)?;
        let at = (offset - self.window_start) as usize;
        match decode(&self.window[at..], self.segment.seed, offset) {
            Decoded::Valid { header, payload } => {
                self.offset = offset + bytes;
                Ok(Found::Frame { offset, header, payload })
            }
            Decoded::Newer { version } => {
                Err(Error::Version { file: self.segment.name(), found: version, supported: FRAME_VERSION })
            }
            Decoded::Invalid => Ok(Found::Invalid { offset }),
        }
    }

    /// The size of the frame that begins at `offset`, if its header is intact and it ends within the range.
    fn intact_header(&mut self, offset: u32) -> Result<Option<u32>, Error> {
        if self.limit.saturating_sub(offset) < HEADER_BYTES || self.load(offset, HEADER)? < HEADER {
            return Ok(None);
        }
        let at = (offset - self.window_start) as usize;
        let room = self.limit - offset - HEADER_BYTES;
        let stated = payload_bytes(&self.window[at..], self.segment.seed, offset);
        Ok(stated.filter(|bytes| *bytes <= room).map(frame_bytes))
    }

    /// Moves from a place that holds no frame to the next that does; false when none is left in the range.
    pub(crate) fn resume(&mut self) -> Result<bool, Error> {
        loop {
            self.offset = self.offset.saturating_add(8);
            self.skip_implausible()?;
            if self.at_end_of_file() {
                return Ok(false);
            }
            let place = self.offset;
            if matches!(self.next()?, Found::Frame { .. }) {
                self.offset = place;
                return Ok(true);
            }
        }
    }

    /// Moves to the next multiple of 8 where a header may stand, or to where none fits any more.
    fn skip_implausible(&mut self) -> Result<(), Error> {
        while self.limit.saturating_sub(self.offset) >= HEADER_BYTES
            && self.load(self.offset, HEADER)? >= HEADER
        {
            let at = (self.offset - self.window_start) as usize;
            let places = self.window[at..].windows(HEADER).step_by(8);
            let count = places.len();
            let skipped = places.clone().position(plausible).unwrap_or(count);
            self.offset += u32::try_from(skipped * 8).unwrap_or(u32::MAX);
            if skipped < count {
                break;
            }
        }
        Ok(())
    }

    /// Whether the file or the range ends before another header.
    fn at_end_of_file(&self) -> bool {
        let at = (self.offset - self.window_start) as usize;
        self.limit.saturating_sub(self.offset) < HEADER_BYTES || self.window.len().saturating_sub(at) < HEADER
    }

    /// Makes the window hold `bytes` from `offset` on, as far as the file goes, and says how many it holds.
    fn load(&mut self, offset: u32, bytes: usize) -> Result<usize, Error> {
        let at = (offset - self.window_start) as usize;
        let held = self.window.len().saturating_sub(at);
        if held >= bytes {
            return Ok(held);
        }
        let room = (self.limit - offset) as usize;
        self.window.resize(bytes.max(self.window_bytes).min(room), 0);
        self.window_start = offset;
        let read = self.segment.file()?.read_at(&mut self.window, u64::from(offset));
        let count = read.map_err(|source| Error::disk("read", &self.segment.name(), source))?;
        self.window.truncate(count);
        Ok(count)
    }
}

/// What intact frames there are behind a place that holds none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// How many.
    pub(crate) frames: u64,
    /// The highest lsn that one of them calls durable.
    pub(crate) durable_lsn: Lsn,
    /// The highest epoch among them.
    pub(crate) epoch: u32,
}

impl Ahead {
    /// Takes in what was found elsewhere.
    pub(crate) fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.durable_lsn = self.durable_lsn.max(other.durable_lsn);
        self.epoch = self.epoch.max(other.epoch);
    }
}

/// Looks for intact frames at every multiple of 8 from `offset` to the end of the file. What stands between them
/// may be anything, a message that imitates frames included: it costs a few nanoseconds per step.
pub(crate) fn look_ahead(segment: &Arc<Segment>, offset: u32) -> Result<Ahead, Error> {
    let mut scanner = Scanner::new(segment, offset, segment.size_bytes);
    let mut ahead = Ahead::default();
    loop {
        scanner.skip_implausible()?;
        let header = if let Found::Frame { header, .. } = scanner.next()? { Some(header) } else { None };
        match header {
            Some(Header { durable_lsn, epoch, .. }) => ahead.add(Ahead { frames: 1, durable_lsn, epoch }),
            None if scanner.at_end_of_file() => break,
            None => scanner.offset += 8,
        }
    }
    Ok(ahead)
}
