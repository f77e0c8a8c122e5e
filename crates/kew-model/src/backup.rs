//! Copies of a store that is being served: what a server needs to know of them.
//!
//! Where copies are kept, and what they consist of, is between the broker and whoever starts the server. Nobody names a
//! path here.

use core::fmt;

use crate::time::Timestamp;

/// A copy, finished or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its name among the copies, made from the time at which it was begun.
    pub name: String,
    /// When it was begun.
    pub started_on: Timestamp,
    /// How far it is.
    pub state: BackupState,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Bytes that there are to copy.
    pub total_bytes: u64,
}

/// How far a copy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupState {
    /// It is being made.
    Running,
    /// It is complete and synced.
    Done,
    /// It could not be made, for this reason, and nothing of it is left.
    Failed(String),
}

/// Why no copy was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupRefusal {
    /// Another one is being made.
    Running,
    /// Something else, in words.
    Failed(String),
}

/// Makes copies of a store, one at a time.
pub trait Backups: fmt::Debug + Send + Sync {
    /// Begins a copy, and returns before it is done. Everything that was answered before is in it.
    ///
    /// # Errors
    /// [`BackupRefusal`].
    fn start(&self) -> Result<Backup, BackupRefusal>;

    /// The copy that was begun last, since the server was started.
    fn latest(&self) -> Option<Backup>;
}
