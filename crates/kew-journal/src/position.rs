//! The numbers that name a place in the log.
//!
//! An [`Lsn`] counts payloads, and nothing else, from 1 without a gap for the life of the store. A
//! [`SegmentId`] names one file of the log; ids only grow and are never used twice. A [`Position`] says where a
//! frame begins. None of them means anything to another store.

use std::fmt;

/// The number of a payload in the log: 1, 2, 3 … without a gap. 0 stands for "nothing yet".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The state before the first payload.
    pub const NONE: Self = Self(0);

    /// The number that follows this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// The number of a segment, from 1. Shown as 16 hex digits, which is also the stem of its file name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u64);

impl fmt::Display for SegmentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// Where a frame begins: a segment and a byte offset in its file, a multiple of 8.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The segment that holds the frame.
    pub segment: SegmentId,
    /// Bytes from the beginning of the file.
    pub offset: u32,
}

/// What the journal knows of one segment of its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The segment.
    pub id: SegmentId,
    /// The number of its first payload. One more than `last_lsn` when it holds none.
    pub first_lsn: Lsn,
    /// The number of its last payload.
    pub last_lsn: Lsn,
    /// Where its last frame ends, in bytes from the beginning of the file.
    pub end_offset: u32,
}
