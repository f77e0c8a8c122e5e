//! What is waiting in a queue.

use crate::time::Timestamp;

/// Everything in a queue that nobody has acknowledged: ready, delayed and leased messages (spec §4.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// How many messages.
    pub count: u64,
    /// Their accounted size in bytes: each body and [`crate::Limits::MESSAGE_OVERHEAD_BYTES`] (spec §3.1).
    pub bytes: u64,
    /// When the message with the lowest sequence was published; `None` when there is none.
    pub oldest: Option<Timestamp>,
}
