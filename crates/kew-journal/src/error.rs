//! What can go wrong, as kinds a caller can act upon.
//!
//! Three of them decide about the store's life: [`Error::Disk`] while writing poisons it, [`Error::Poisoned`]
//! repeats that for every later call, and [`Error::Damage`] means bytes that were promised can no longer be
//! read. None of them is ever repaired by dropping data.

use std::io;

use crate::position::{Lsn, SegmentId};

/// Why the journal refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused an operation. On the write path the journal is poisoned from here on, and
    /// whether the frames of that group are on disk is unknown until the store is opened again.
    #[error("{operation} {file}: {source}")]
    Disk {
        /// What was tried, for example `sync`.
        operation: &'static str,
        /// The file's name inside the store's folder.
        file: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Bytes that were once on disk are gone or altered. The store is left exactly as it was found.
    #[error("damaged: {file} at byte {offset}: {reason}")]
    Damage {
        /// The file's name inside the store's folder.
        file: String,
        /// Where the first bad byte range begins.
        offset: u64,
        /// What was expected there.
        reason: String,
    },
    /// The folder holds something that no Kew store wrote, and is left alone.
    #[error("not a Kew store: {reason}")]
    NotAStore {
        /// What was found.
        reason: String,
    },
    /// The store was written by a newer Kew.
    #[error("{file} has format {found}, this Kew reads up to {supported}")]
    Version {
        /// The file's name inside the store's folder.
        file: String,
        /// The version found.
        found: u16,
        /// The newest version this build reads.
        supported: u16,
    },
    /// Another process holds the store.
    #[error("the store is in use by another process")]
    Locked,
    /// The payload does not fit a segment; nothing was staged.
    #[error("a payload of {payload_bytes} bytes exceeds the limit of {limit_bytes}")]
    TooLarge {
        /// The payload's size.
        payload_bytes: usize,
        /// The largest payload of this store.
        limit_bytes: usize,
    },
    /// An earlier failure ended this journal; only opening the store again helps.
    #[error("the journal has failed before: {cause}")]
    Poisoned {
        /// The first failure.
        cause: String,
    },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// The segment is not part of the log (any more).
    #[error("segment {segment} is not part of the log")]
    Gone {
        /// The segment asked for.
        segment: SegmentId,
    },
    /// A checkpoint was asked to cover payloads that are not yet on disk.
    #[error("a checkpoint up to {covered} cannot be written while only {durable} is durable")]
    NotDurable {
        /// What the checkpoint would cover.
        covered: Lsn,
        /// What is on disk.
        durable: Lsn,
    },
    /// An option is out of its range.
    #[error("{option} is {value}, allowed is {allowed}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What was given.
        value: u64,
        /// The range.
        allowed: &'static str,
    },
    /// Groups reached the committer in another order than they were taken, or one was left out.
    #[error("group {found} was committed where group {expected} was due")]
    Order {
        /// The group that was due.
        expected: u64,
        /// The group that came.
        found: u64,
    },
}

impl Error {
    pub(crate) fn disk(operation: &'static str, file: &str, source: io::Error) -> Self {
        Self::Disk { operation, file: file.to_owned(), source }
    }

    pub(crate) fn damage(file: &str, offset: u64, reason: impl Into<String>) -> Self {
        Self::Damage { file: file.to_owned(), offset, reason: reason.into() }
    }
}
