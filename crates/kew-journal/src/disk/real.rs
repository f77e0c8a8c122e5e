//! The disk of the operating system.
//!
//! Files are 0600 and folders 0700. Writes are gathered (`pwritev`) into the page cache and made durable by
//! `fdatasync`; the lock is an advisory file lock that the kernel drops with the process, however it ends.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Disk, DiskFile, FolderLock, Space};
use crate::shared::locked;

/// How many slices one gathered write may carry on Linux and macOS.
const SLICES_MAX: usize = 1024;

/// A folder of the file system.
#[derive(Debug, Clone)]
pub struct RealDisk {
    root: PathBuf,
    /// Whether nothing below the root may change.
    read_only: bool,
    /// Folders that were synced before, by their names. They stay open, so that a process that may open no more files
    /// can still make names durable.
    folders: Arc<Mutex<BTreeMap<String, Arc<File>>>>,
}

impl RealDisk {
    /// The disk below `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), read_only: false, folders: Arc::default() }
    }

    /// The same disk, of which nothing is ever changed: files are opened for reading, a lock is taken only where its
    /// file is, and everything that writes is refused.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    fn writable(&self) -> io::Result<()> {
        if self.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
}

#[derive(Debug)]
struct RealLock {
    /// Absent where nobody ever locked anything, and nothing may be made.
    _file: Option<File>,
}

impl FolderLock for RealLock {}

#[derive(Debug)]
struct RealFile(File);

impl Disk for RealDisk {
    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn FolderLock>>> {
        let path = self.root.join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(!self.read_only).create(!self.read_only).truncate(false).mode(0o600);
        let file = match options.open(path) {
            Err(error) if self.read_only && error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(Box::new(RealLock { _file: None })));
            }
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(RealLock { _file: Some(file) }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn create_folder(&self, folder: &str) -> io::Result<()> {
        self.writable()?;
        let path = if folder.is_empty() { self.root.clone() } else { self.root.join(folder) };
        let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        // A new folder is as durable as its name in its parent, and nobody else syncs those above the store.
        for parent in missing.into_iter().filter_map(Path::parent) {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(self.root.join(folder))?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.writable()?;
        let path = self.root.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(!self.read_only).open(self.root.join(name))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.writable()?;
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.writable()?;
        fs::remove_file(self.root.join(name))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let mut folders = locked(&self.folders);
        let file = match folders.get(folder) {
            Some(file) => Arc::clone(file),
            None => {
                let file = Arc::new(File::open(self.root.join(folder))?);
                folders.insert(folder.to_owned(), Arc::clone(&file));
                file
            }
        };
        drop(folders);
        file.sync_all()
    }

    fn space(&self) -> io::Result<Space> {
        let volume = rustix::fs::statvfs(&self.root)?;
        Ok(Space {
            free_bytes: volume.f_bavail.saturating_mul(volume.f_frsize),
            total_bytes: volume.f_blocks.saturating_mul(volume.f_frsize),
        })
    }
}

impl DiskFile for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut written = 0;
        for part in slices.chunks(SLICES_MAX) {
            let wanted: usize = part.iter().map(|slice| slice.len()).sum();
            let count =
                rustix::io::retry_on_intr(|| rustix::io::pwritev(&self.0, part, offset + written as u64))?;
            written += count;
            if count < wanted {
                break;
            }
        }
        Ok(written)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
