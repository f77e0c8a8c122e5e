//! The calls of a process to the simulated disk.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{Disk, DiskFile, FolderLock, Space};

use super::{OperationKind, SimDisk, Verdict, stopped};

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    process: u64,
}

impl FolderLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.process == self.process {
            state.locked = false;
        }
    }
}

#[derive(Debug)]
pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) file: u64,
    pub(super) process: u64,
    /// How many failed write-backs of the file this one has told of, those before it was opened included.
    pub(super) heard: AtomicU64,
}

impl Disk for SimDisk {
    fn lock(&self, _name: &str) -> io::Result<Option<Box<dyn FolderLock>>> {
        self.call(OperationKind::Lock, |state| {
            if state.locked {
                return Ok(None);
            }
            state.locked = true;
            Ok(Some(Box::new(SimLock { disk: self.clone(), process: state.process }) as Box<dyn FolderLock>))
        })
    }

    fn create_folder(&self, folder: &str) -> io::Result<()> {
        self.call(OperationKind::CreateFolder, |state| {
            state.files.create_folder(folder);
            Ok(())
        })
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.call(OperationKind::List, |state| state.files.list(folder))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.call(OperationKind::Create, |state| {
            let file = state.files.create(name)?;
            Ok(self.handle(state, file))
        })
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.call(OperationKind::Open, |state| {
            let file = state.files.find(name).ok_or(io::ErrorKind::NotFound)?;
            Ok(self.handle(state, file))
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call(OperationKind::Rename, |state| state.files.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call(OperationKind::Remove, |state| state.files.remove(name))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.call(OperationKind::SyncFolder, |state| state.files.sync_folder(folder))
    }

    fn space(&self) -> io::Result<Space> {
        Ok(self.state().space)
    }
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.pass(OperationKind::Size, self.process)?;
        Ok(state.files.read(self.file).len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = &mut *self.disk.state();
        let verdict = state.enter(OperationKind::Read, self.process)?;
        if let Verdict::Fail(error) = verdict {
            return Err(error);
        }
        let bytes = state.files.read(self.file);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let count = buffer.len().min(bytes.len() - from);
        buffer[..count].copy_from_slice(&bytes[from..from + count]);
        if matches!(verdict, Verdict::Misread) && count > 0 {
            buffer[state.random.up_to(count - 1)] ^= 1;
        }
        state.read_bytes += count as u64;
        Ok(count)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let state = &mut *self.disk.state();
        let verdict = state.enter(OperationKind::Write, self.process)?;
        let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
        let stops = matches!(verdict, Verdict::Stop);
        let is_lost = matches!(verdict, Verdict::Lose);
        let take = match verdict {
            Verdict::Go | Verdict::Misread | Verdict::Lose => wanted,
            Verdict::Stop => state.random.up_to(wanted),
            Verdict::Halve => wanted / 2,
            Verdict::Fail(error) => return Err(error),
        };
        let mut at = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut left = take;
        for slice in slices {
            let part = &slice[..left.min(slice.len())];
            state.files.write(self.file, at, part, &mut state.random);
            at += part.len();
            left -= part.len();
        }
        if is_lost {
            state.files.fail_write_back(self.file);
        }
        if stops { Err(stopped()) } else { Ok(take) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let answer = match state.enter(OperationKind::Sync, self.process)? {
            Verdict::Stop => return Err(stopped()),
            Verdict::Fail(error) => {
                state.files.fail_write_back(self.file);
                Err(error)
            }
            Verdict::Go | Verdict::Halve | Verdict::Misread | Verdict::Lose => {
                state.files.sync(self.file);
                Ok(())
            }
        };
        let failures = state.files.hear_failures(self.file);
        let is_told = self.heard.swap(failures, Ordering::Relaxed) < failures;
        if answer.is_ok() && is_told { Err(io::Error::other("a write-back failed")) } else { answer }
    }
}
