//! Settle: end leases, by an ack or a retry; and extend them.
//!
//! The matrix of late, double and crossed settlements is spec §4.5. An ack works by message: any genuine lease of it,
//! however old, removes it. A retry works by delivery: only the newest lease may give a message back.

use crate::lease::Lease;
use crate::time::{Milliseconds, Seconds};

/// Leases to end in one atomic step. Acks are judged before retries, so a lease named in both is acked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Messages that are done.
    pub acks: Vec<Lease>,
    /// Messages to give back.
    pub retries: Vec<Retry>,
}

/// A message to give back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The delivery that failed.
    pub lease: Lease,
    /// How long to hold the message before its next attempt, 0–86,400 s; the consumer's `retry_delay` when absent.
    pub delay: Option<Seconds>,
}

/// The outcome of each entry of a [`Settlement`], in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// One for each ack.
    pub acks: Vec<AckOutcome>,
    /// One for each retry.
    pub retries: Vec<RetryOutcome>,
}

/// What became of an ack (spec §4.5, §4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckOutcome {
    /// The message is now gone by this ack.
    Acked,
    /// It was gone already: acked before, purged, or too long ago to say. Counted.
    AlreadyGone,
    /// It has gone to the dead-letter queue (or was dropped for want of one) after its last attempt. Counted, with a warning.
    Exhausted,
    /// Its retention ended. Counted, with a warning.
    RetentionEnded,
    /// The lease belongs to another queue. Not counted.
    OtherQueue,
}

/// What became of a retry (spec §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOutcome {
    /// Given back (or, after its last attempt, dead-lettered or dropped).
    Retried,
    /// The message has been delivered again since: the newer lease stands. Not counted.
    Redelivered,
    /// The message is gone. Not counted.
    Gone,
    /// The lease belongs to another queue. Not counted.
    OtherQueue,
}

impl AckOutcome {
    /// Whether the entry counts into `ackCount`.
    pub fn is_counted(self) -> bool {
        !matches!(self, Self::OtherQueue)
    }
}

impl RetryOutcome {
    /// Whether the entry counts into `retryCount`.
    pub fn is_counted(self) -> bool {
        matches!(self, Self::Retried)
    }
}

/// Leases to prolong (spec §2.11 row 21).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extend {
    /// The leases; each keeps its id.
    pub leases: Vec<Lease>,
    /// The new time from now, 0–43,200,000 ms; the consumer's `visibility_timeout_ms` when absent.
    pub visibility_timeout: Option<Milliseconds>,
}

/// The outcome of each entry of an [`Extend`], in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extended {
    /// One for each lease.
    pub leases: Vec<ExtendOutcome>,
}

/// What became of an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtendOutcome {
    /// The lease now ends later (or earlier) as asked.
    Extended,
    /// The lease has ended: it expired, was retried, or the message was delivered again. Not counted.
    Ended,
    /// The message is gone. Not counted.
    Gone,
    /// The lease belongs to another queue. Not counted.
    OtherQueue,
}
