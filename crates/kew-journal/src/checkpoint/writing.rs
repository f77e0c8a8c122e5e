//! Checkpoints written: a piece at a time, as the caller makes them.

use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use super::{Cut, PIECE_BYTES, Summed, checkpoint_name};
use crate::disk::DiskFile;
use crate::error::Error;
use crate::pool::write_all;
use crate::seeded::{self, Bug};
use crate::shared::{CHECKPOINT_FOLDER, Shared, locked};

/// Writes checkpoints. Cheap to clone; one write happens at a time.
#[derive(Debug, Clone)]
pub struct CheckpointWriter {
    shared: Arc<Shared>,
}

impl CheckpointWriter {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Writes what `payload` writes as the state after `cut`, in pieces of 1 MiB, and says how many bytes that were. Once
    /// this returns the checkpoint is durable, and [`crate::Journal::retire`] frees what it covers.
    ///
    /// # Errors
    /// [`Error::NotDurable`] when the last payload of the cut, or of any part of the state, is not on disk yet. A failed write leaves the former
    /// checkpoint in force and does not end the journal; the caller decides what it means.
    pub fn write(
        &self,
        cut: &Cut,
        payload: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<u64, Error> {
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
        let published = self.publish(cut, payload, number, &name);
        if published.is_err() {
            // Nobody can tell whether it is there; it is intact if it is, and never counted upon.
            drop(self.shared.disk.remove(&format!("{name}.tmp")));
            return published;
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
        published
    }

    fn publish(
        &self,
        cut: &Cut,
        payload: impl FnOnce(&mut dyn Write) -> io::Result<()>,
        number: u64,
        name: &str,
    ) -> Result<u64, Error> {
        let disk = &*self.shared.disk;
        let temporary = format!("{name}.tmp");
        let file = disk.create(&temporary).map_err(|source| Error::disk("create", &temporary, source))?;
        let mut body = Body::new(&*file, &temporary, cut.head_bytes());
        if let Err(source) = payload(&mut body) {
            return Err(body.failed.unwrap_or_else(|| Error::disk("write", &temporary, source)));
        }
        let bytes = body.finish(|payload| cut.encode(&self.shared.store_id, number, payload))?;
        if !seeded::is(Bug::SkipCheckpointSync) {
            file.sync().map_err(|source| Error::disk("sync", &temporary, source))?;
        }
        disk.rename(&temporary, name).map_err(|source| Error::disk("rename", &temporary, source))?;
        let synced = disk.sync_folder(CHECKPOINT_FOLDER);
        synced.map_err(|source| Error::disk("sync", CHECKPOINT_FOLDER, source))?;
        Ok(bytes)
    }
}

/// A payload on its way to the file, and room for the wrapper before it, which can only be made when all of it is there.
struct Body<'a> {
    file: &'a dyn DiskFile,
    name: &'a str,
    head_bytes: usize,
    /// What was not written yet, the room included as long as nothing was.
    piece: Vec<u8>,
    /// What was written.
    written: u64,
    payload: Summed,
    /// Why no more can be written.
    failed: Option<Error>,
}

impl<'a> Body<'a> {
    fn new(file: &'a dyn DiskFile, name: &'a str, head_bytes: usize) -> Self {
        let piece = vec![0; head_bytes];
        Self { file, name, head_bytes, piece, written: 0, payload: Summed::default(), failed: None }
    }

    fn write_piece(&mut self) -> Result<(), Error> {
        write_all(self.file, self.name, &[IoSlice::new(&self.piece)], self.written)?;
        self.written += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }

    /// Writes the rest, and the wrapper: in one call if that is all. Gives the payload's length.
    fn finish(mut self, head: impl FnOnce(Summed) -> Vec<u8>) -> Result<u64, Error> {
        let head = head(self.payload);
        if self.written == 0 {
            self.piece[..self.head_bytes].copy_from_slice(&head);
            self.write_piece()?;
        } else {
            self.write_piece()?;
            write_all(self.file, self.name, &[IoSlice::new(&head)], 0)?;
        }
        Ok(self.payload.bytes as u64)
    }
}

impl Write for Body<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES.saturating_sub(self.piece.len()).max(1);
        let taken = &bytes[..bytes.len().min(room)];
        self.piece.extend_from_slice(taken);
        self.payload.add(taken);
        if self.piece.len() >= PIECE_BYTES
            && let Err(error) = self.write_piece()
        {
            let told = io::Error::other(error.to_string());
            self.failed.get_or_insert(error);
            return Err(told);
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
