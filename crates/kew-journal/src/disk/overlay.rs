//! A disk over another one that is only read: what is created, renamed and removed stays in memory.
//!
//! So the very code that opens a store can be tried on one that must not change, and shows what it would come to. What
//! was there before cannot be written to, because opening never does that either.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};

use super::{Disk, DiskFile, FolderLock, Space};
use crate::error::Error;
use crate::shared::locked;
use crate::store_file::LOCK_NAME;

/// Another disk, and what was changed since, which never reaches it.
#[derive(Debug)]
pub struct Overlay {
    base: Arc<dyn Disk>,
    /// The store below stays closed to others while this is here, so whoever opens it here need not lock it again.
    lock: Arc<dyn FolderLock>,
    /// Names that mean something else than below.
    names: Mutex<BTreeMap<String, Layer>>,
}

#[derive(Debug, Clone)]
enum Layer {
    Removed,
    /// A file of the disk below under its name there.
    Renamed(String),
    Memory(Arc<Memory>),
}

impl Overlay {
    /// Locks the store on another disk; nothing is changed yet.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has it open, [`Error::Disk`] when it cannot be locked.
    pub fn over(base: Arc<dyn Disk>) -> Result<Self, Error> {
        let lock = base.lock(LOCK_NAME).map_err(|source| Error::disk("lock", LOCK_NAME, source))?;
        let lock = Arc::from(lock.ok_or(Error::Locked)?);
        Ok(Self { base, lock, names: Mutex::default() })
    }

    /// Another one over the same disk, in which nothing is changed yet.
    #[must_use]
    pub fn fresh(&self) -> Self {
        Self { base: Arc::clone(&self.base), lock: Arc::clone(&self.lock), names: Mutex::default() }
    }

    fn find(&self, name: &str) -> Layer {
        locked(&self.names).get(name).cloned().unwrap_or_else(|| Layer::Renamed(name.to_owned()))
    }

    fn exists(&self, name: &str) -> io::Result<()> {
        self.open(name).map(drop)
    }
}

impl Disk for Overlay {
    fn lock(&self, _name: &str) -> io::Result<Option<Box<dyn FolderLock>>> {
        Ok(Some(Box::new(Held { _lock: Arc::clone(&self.lock) })))
    }

    fn create_folder(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let names = locked(&self.names);
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut listed = self.base.list(folder)?;
        listed.retain(|name| !names.contains_key(&format!("{prefix}{name}")));
        let added = names.iter().filter(|(_, layer)| !matches!(layer, Layer::Removed));
        let added = added.filter_map(|(name, _)| name.strip_prefix(&prefix));
        listed.extend(added.filter(|name| !name.contains('/')).map(str::to_owned));
        Ok(listed)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        if self.exists(name).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = Arc::new(Memory::default());
        locked(&self.names).insert(name.to_owned(), Layer::Memory(Arc::clone(&file)));
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        match self.find(name) {
            Layer::Removed => Err(io::ErrorKind::NotFound.into()),
            Layer::Renamed(below) => Ok(Arc::new(Below(self.base.open(&below)?))),
            Layer::Memory(file) => Ok(file),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.exists(from)?;
        let layer = self.find(from);
        let mut names = locked(&self.names);
        names.insert(from.to_owned(), Layer::Removed);
        names.insert(to.to_owned(), layer);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.exists(name)?;
        locked(&self.names).insert(name.to_owned(), Layer::Removed);
        Ok(())
    }

    fn sync_folder(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        self.base.space()
    }
}

/// A share of the lock below.
#[derive(Debug)]
struct Held {
    _lock: Arc<dyn FolderLock>,
}

impl FolderLock for Held {}

/// A file of the disk below, for reading.
#[derive(Debug)]
struct Below(Arc<dyn DiskFile>);

impl DiskFile for Below {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, _slices: &[IoSlice<'_>], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is nowhere else.
#[derive(Debug, Default)]
struct Memory(Mutex<Vec<u8>>);

impl DiskFile for Memory {
    fn size(&self) -> io::Result<u64> {
        Ok(locked(&self.0).len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = locked(&self.0);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let count = buffer.len().min(bytes.len() - from);
        buffer[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut bytes = locked(&self.0);
        let mut at = usize::try_from(offset).unwrap_or(usize::MAX);
        for slice in slices {
            let end = at.saturating_add(slice.len());
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[at..end].copy_from_slice(slice);
            at = end;
        }
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
