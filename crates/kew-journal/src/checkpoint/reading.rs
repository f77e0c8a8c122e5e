//! Checkpoints read: a piece at a time, since one may be larger than what the store may take in memory.
//!
//! A checkpoint is read twice: first all of it, for its checksum, and then its payload, which is shown to the caller. What
//! the caller saw is held against the checksum again, so that nothing counts that was not intact when it was seen. One
//! that fits in a piece is read once.

use std::io::{self, IoSlice, Read};
use std::sync::Arc;

use super::{Cut, ENTRY, HEADER, MAGIC, PIECE_BYTES, checkpoint_name, checksum};
use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::frame::{read_u32, read_u64};
use crate::pool::write_all;
use crate::seeded::{self, Bug};
use crate::shared::FORMAT_MAJOR;

/// A checkpoint that was intact when it was opened.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) cut: Cut,
    content: Content,
    payload_at: u64,
    /// Of everything before the payload.
    head_checksum: u32,
    checksum: u32,
}

impl Checkpoint {
    /// Opens and verifies the checkpoint with this number.
    pub(crate) fn read(disk: &dyn Disk, store_id: &[u8; 16], number: u64) -> Result<Self, Error> {
        let name = checkpoint_name(number);
        let file = disk.open(&name).map_err(|source| Error::disk("read", &name, source))?;
        Self::verified(file, store_id, number)
    }

    /// The checkpoint in an open file, verified.
    pub(crate) fn verified(file: Arc<dyn DiskFile>, store_id: &[u8; 16], number: u64) -> Result<Self, Error> {
        let name = checkpoint_name(number);
        let content = Content::open(file, name.clone())?;
        let first = &content.first;
        let damage = |reason: &str| Error::damage(&name, 0, reason);
        if first.len() < HEADER || first[0..8] != MAGIC {
            return Err(damage("the checkpoint's header is missing"));
        }
        let major = u16::from_le_bytes([first[8], first[9]]);
        if major > FORMAT_MAJOR {
            return Err(Error::Version { file: name, found: major, supported: FORMAT_MAJOR });
        }
        let stored = read_u32(first, 60);
        if content.checksum()? != stored && !seeded::is(Bug::TrustCheckpoint) {
            return Err(damage("the checkpoint's checksum does not match"));
        }
        if first[16..32] != *store_id || read_u64(first, 32) != number {
            return Err(damage("the checkpoint belongs to another store or number"));
        }
        let head_bytes = usize::try_from(read_u64(first, 72)).ok();
        let head_bytes = head_bytes.and_then(|count| count.checked_mul(ENTRY)?.checked_add(HEADER));
        let head_bytes = head_bytes.filter(|bytes| *bytes as u64 <= content.bytes);
        let lengths = || damage("the checkpoint's lengths do not add up");
        let mut head = vec![0; head_bytes.ok_or_else(lengths)?];
        content.read_at(&mut head, 0)?;
        let payload_at = head.len() as u64;
        let cut = Cut::decode(&head, content.bytes - payload_at).ok_or_else(lengths)?;
        Ok(Self { cut, payload_at, head_checksum: checksum(&head), checksum: stored, content })
    }

    /// How long the payload is.
    pub(crate) fn payload_bytes(&self) -> u64 {
        self.content.bytes - self.payload_at
    }

    /// Shows the payload to somebody who may say why it makes no sense.
    pub(crate) fn show(&self, show: impl FnOnce(&mut dyn Read) -> Result<(), String>) -> Result<(), Error> {
        let mut payload = Payload {
            content: &self.content,
            at: self.payload_at,
            checksum: self.head_checksum,
            failed: None,
        };
        let shown = show(&mut payload);
        let damage = |reason| Error::damage(&self.content.name, 0, reason);
        let Payload { at, checksum, failed, .. } = payload;
        if let Some(error) = failed {
            return Err(error);
        }
        let is_whole = at == self.content.bytes;
        if is_whole && checksum != self.checksum && !seeded::is(Bug::TrustCheckpoint) {
            return Err(damage("the checkpoint changed while it was read".to_owned()));
        }
        shown.map_err(damage)
    }

    /// Writes all of it to another file.
    pub(crate) fn copy_to(&self, target: &dyn DiskFile) -> Result<(), Error> {
        self.content
            .pieces(|piece, offset| write_all(target, &self.content.name, &[IoSlice::new(piece)], offset))
    }
}

/// A file's bytes, of which the first piece stays in memory.
#[derive(Debug)]
struct Content {
    file: Arc<dyn DiskFile>,
    name: String,
    bytes: u64,
    first: Vec<u8>,
}

impl Content {
    fn open(file: Arc<dyn DiskFile>, name: String) -> Result<Self, Error> {
        let bytes = file.size().map_err(|source| Error::disk("read", &name, source))?;
        let mut content = Self { file, name, bytes, first: Vec::new() };
        let mut first = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX).min(PIECE_BYTES)];
        content.read_at(&mut first, 0)?;
        content.first = first;
        Ok(content)
    }

    /// Fills a buffer with what must be there.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.first.len());
        let (kept, rest) = buffer.split_at_mut(buffer.len().min(self.first.len() - from));
        kept.copy_from_slice(&self.first[from..from + kept.len()]);
        if rest.is_empty() {
            return Ok(());
        }
        let offset = offset + kept.len() as u64;
        let count =
            self.file.read_at(rest, offset).map_err(|source| Error::disk("read", &self.name, source))?;
        if count < rest.len() {
            return Err(Error::damage(&self.name, offset + count as u64, "the checkpoint ends here"));
        }
        Ok(())
    }

    /// Goes over all of it.
    fn pieces(&self, mut see: impl FnMut(&[u8], u64) -> Result<(), Error>) -> Result<(), Error> {
        see(&self.first, 0)?;
        let (mut offset, mut piece) = (self.first.len() as u64, Vec::new());
        while offset < self.bytes {
            let left = usize::try_from(self.bytes - offset).unwrap_or(usize::MAX);
            piece.resize(left.min(PIECE_BYTES), 0);
            self.read_at(&mut piece, offset)?;
            see(&piece, offset)?;
            offset += piece.len() as u64;
        }
        Ok(())
    }

    fn checksum(&self) -> Result<u32, Error> {
        let mut sum = 0;
        self.pieces(|piece, offset| {
            sum = if offset == 0 { checksum(piece) } else { crc32c::crc32c_append(sum, piece) };
            Ok(())
        })?;
        Ok(sum)
    }
}

/// The payload on its way to the caller.
struct Payload<'a> {
    content: &'a Content,
    at: u64,
    /// Of everything up to there.
    checksum: u32,
    /// Why it could not be read on.
    failed: Option<Error>,
}

impl Read for Payload<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.content.bytes - self.at).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        let buffer = &mut buffer[..count];
        if let Err(error) = self.content.read_at(buffer, self.at) {
            let told = io::Error::other(error.to_string());
            self.failed.get_or_insert(error);
            return Err(told);
        }
        self.at += count as u64;
        self.checksum = crc32c::crc32c_append(self.checksum, buffer);
        Ok(count)
    }
}
