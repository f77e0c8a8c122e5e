//! Builds the segment that an unproven tail is copied to.
//!
//! The file is written under a temporary name, synced, renamed, and its folder synced. So whoever sees it under
//! its final name sees all of it, and its frames may rightly say that they are durable themselves; its header
//! says up to where nothing in it can be torn.

use std::io::IoSlice;
use std::sync::Arc;

use crate::disk::DiskFile;
use crate::error::Error;
use crate::frame::{FrameBuffer, Header, Kind, Previous, Seed};
use crate::journal::Tail;
use crate::pool::{open_for_writing, publish, write_all};
use crate::position::{Lsn, Position, SegmentId};
use crate::segment::{BLOCK_BYTES, Segment, SegmentHeader, temporary_name};
use crate::shared::{Shared, locked};

/// Frames are written in pieces of about this size, in bytes.
const PIECE_BYTES: usize = 1 << 20;

pub(super) struct Copy<'a> {
    shared: &'a Shared,
    id: SegmentId,
    file: Arc<dyn DiskFile>,
    seed: Seed,
    epoch: u32,
    durable_lsn: Lsn,
    /// Composed but not written yet; it goes to `piece_offset`.
    piece: Vec<u8>,
    piece_offset: u32,
    end_offset: u32,
}

impl<'a> Copy<'a> {
    /// Creates the file; the log before it ends at `tail`, and with it at `last_lsn`.
    pub(super) fn start(shared: &'a Shared, tail: &Tail, last_lsn: Lsn) -> Result<Self, Error> {
        let id = {
            let mut pool = locked(&shared.pool);
            pool.next_id += 1;
            SegmentId(pool.next_id - 1)
        };
        let name = temporary_name(id);
        let file = shared.disk.create(&name).map_err(|source| Error::disk("create", &name, source))?;
        let mut copy = Self {
            shared,
            id,
            file,
            seed: Seed::new(&shared.store_id, id),
            epoch: tail.epoch,
            durable_lsn: last_lsn,
            piece: Vec::new(),
            piece_offset: BLOCK_BYTES,
            end_offset: BLOCK_BYTES,
        };
        let previous = Previous {
            segment: tail.segment,
            end_offset: tail.end_offset,
            epoch: tail.segment_epoch,
            last_lsn: tail.last_lsn,
        };
        copy.push(Kind::Start, tail.last_lsn, &previous.encode())?;
        Ok(copy)
    }

    /// Adds a payload and says where its frame begins.
    pub(super) fn add(&mut self, lsn: Lsn, payload: &[u8]) -> Result<Position, Error> {
        let offset = self.push(Kind::Data, lsn, payload)?;
        Ok(Position { segment: self.id, offset })
    }

    /// Writes what is left and the header block, and makes file and name durable.
    pub(super) fn finish(mut self) -> Result<Arc<Segment>, Error> {
        self.flush()?;
        let header = SegmentHeader {
            id: self.id,
            segment_bytes: self.shared.segment_bytes,
            settled_end: self.end_offset,
            file_bytes: self.end_offset,
        };
        let block = header.encode(&self.shared.store_id);
        let name = temporary_name(self.id);
        let writing = open_for_writing(self.shared, &name)?;
        write_all(&*self.file, &name, &[IoSlice::new(&block)], 0)?;
        publish(self.shared, &*self.file, &name, self.id)?;
        let segment = Segment::new(self.shared, header, Some(self.file), self.end_offset, self.end_offset);
        segment.keep_writing(writing);
        Ok(segment)
    }

    fn push(&mut self, kind: Kind, lsn: Lsn, payload: &[u8]) -> Result<u32, Error> {
        let offset = self.end_offset;
        let header = Header { kind, epoch: self.epoch, lsn, durable_lsn: self.durable_lsn };
        let frame = FrameBuffer::from(payload).into_frame(self.seed, offset, header);
        self.end_offset += u32::try_from(frame.len()).unwrap_or(u32::MAX);
        assert!(self.end_offset <= self.shared.segment_bytes, "J1: a tail fits the segment it is copied to");
        self.piece.extend_from_slice(&frame);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(offset)
    }

    fn flush(&mut self) -> Result<(), Error> {
        let name = temporary_name(self.id);
        write_all(&*self.file, &name, &[IoSlice::new(&self.piece)], u64::from(self.piece_offset))?;
        self.piece.clear();
        self.piece_offset = self.end_offset;
        Ok(())
    }
}
