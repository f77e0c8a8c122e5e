//! The name of one delivery of one message.

use core::fmt;

/// A queue's number: small, given at creation, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueNumber(pub u32);

/// A message's place in its queue: 1, 2, 3 … in the order of publishing, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// One delivery of one message: what an ack or a retry points at.
///
/// It is a plain value that the broker can judge without having stored it, also after a restart and after the
/// message is gone. Outside the process it exists only sealed as text under a key (`kew-wire`), so that a client can
/// neither read nor forge one (design §8.10). It holds no deadline: extending a lease keeps its id valid.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The queue that delivered it.
    pub queue: QueueNumber,
    /// The message.
    pub message: Sequence,
    /// The number of the delivery, unique in the store and growing: a later delivery of the message has a higher one.
    pub fence: u64,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({}/{}@{})", self.queue.0, self.message.0, self.fence)
    }
}
