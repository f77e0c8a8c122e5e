//! The door to the disk.
//!
//! Everything the journal does to files goes through [`Disk`] and [`DiskFile`], so that a test can stop, lose,
//! tear or refuse each single step ([`crate::SimDisk`]) and the product runs the same code over the operating
//! system ([`RealDisk`]). Names are relative to the store's folder and use `/`. Nothing written is durable
//! before [`DiskFile::sync`] returned; nothing created, renamed or removed before [`Disk::sync_folder`] did.

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;

mod overlay;
mod real;
#[cfg(any(test, feature = "test-util"))]
pub(crate) mod sim;

pub use overlay::Overlay;
pub use real::RealDisk;

/// Room on the volume that holds the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes this process may still write.
    pub free_bytes: u64,
    /// Bytes of the whole volume.
    pub total_bytes: u64,
}

/// Held while the store is open; dropping it lets another process in.
pub trait FolderLock: fmt::Debug + Send + Sync {}

/// A folder of files.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Takes the exclusive lock named `name`, creating its file. `None` when another process holds it.
    ///
    /// # Errors
    /// What the operating system says.
    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn FolderLock>>>;

    /// Creates `folder` unless it is there. The store's own folder is `""`.
    ///
    /// # Errors
    /// What the operating system says.
    fn create_folder(&self, folder: &str) -> io::Result<()>;

    /// The names of all files and folders directly in `folder`, in no particular order.
    ///
    /// # Errors
    /// What the operating system says.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Creates an empty file for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists` when the name is taken; otherwise what the operating system says.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` when there is none; otherwise what the operating system says.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file a new name in the same folder, replacing what had it.
    ///
    /// # Errors
    /// What the operating system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file's name.
    ///
    /// # Errors
    /// What the operating system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names in `folder` durable.
    ///
    /// # Errors
    /// What the operating system says; whether the names are durable is then unknown.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// Room left on the volume.
    ///
    /// # Errors
    /// What the operating system says.
    fn space(&self) -> io::Result<Space>;
}

/// An open file. Reads and writes name their offset, so handles can be shared between threads.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// The file's length in bytes.
    ///
    /// # Errors
    /// What the operating system says.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on; fewer bytes than asked for mean the end of the file.
    ///
    /// # Errors
    /// What the operating system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes the slices one behind the other at `offset` and returns how many bytes were taken. The caller
    /// treats fewer than given as a failure.
    ///
    /// # Errors
    /// What the operating system says.
    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;

    /// Makes everything written to this file durable.
    ///
    /// # Errors
    /// What the operating system says. After an error nothing may be assumed about any earlier write, and
    /// calling again proves nothing.
    fn sync(&self) -> io::Result<()>;
}
