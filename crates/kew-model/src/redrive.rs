//! Redrive: move messages from a dead-letter queue back to where they can be processed again.

use crate::id::QueueId;

/// A batch of messages to move out of a queue (design §8.24). What a pull would take now can be moved; leased and delayed
/// messages stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redrive {
    /// Where to.
    pub destination: Destination,
    /// The most messages to move in this one step, 1–[`crate::Limits::REDRIVE_BATCH_MAX`]. Fewer move when they count for
    /// more than [`crate::Limits::BATCH_BYTES_MAX`].
    pub batch_size: u16,
}

/// Where redriven messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// Each to the queue that it was dead-lettered from. A message that was not, or whose origin is gone, stays.
    Origin,
    /// All to this queue of the same account.
    Queue(QueueId),
}

/// What became of a [`Redrive`]: it is one atomic step, and each call looks at the oldest available messages again.
///
/// A moved message keeps its id, body and time of publishing; its attempts count from 0, its retention from its arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redriven {
    /// How many messages moved.
    pub moved: u64,
    /// How many of those looked at stay, for they have no origin to go to.
    pub without_origin: u64,
    /// How many messages the queue still holds, in whatever state.
    pub left: u64,
}
