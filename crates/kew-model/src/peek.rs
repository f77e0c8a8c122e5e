//! Peek: look at messages without taking them.

use core::ops::Range;

use bytes::Bytes;

use crate::id::MessageId;
use crate::lease::{QueueNumber, Sequence};
use crate::message::ContentType;
use crate::pull::Pulled;
use crate::time::Timestamp;

/// What a peek asks for (spec §2.11 row 19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Peek {
    /// The most messages to show, 1–100; when absent as in a pull: what the consumer says, else 5.
    pub batch_size: Option<u16>,
}

/// What a peek shows: the messages that a pull would take now, in its order. None of them is leased or changed by it.
///
/// The answer's bytes are bounded as a pull's are.
#[derive(Debug, Clone, Default)]
pub struct Peeked {
    /// The messages.
    pub messages: Vec<Glimpse>,
    chunks: Vec<Bytes>,
}

/// One message of a peek. Its body lies in the answer it came with: [`Peeked::body`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glimpse {
    /// The message.
    pub id: MessageId,
    /// The queue that it is in.
    pub queue: QueueNumber,
    /// Its place there, by which it can be deleted ([`crate::Broker::discard`]).
    pub sequence: Sequence,
    /// How often it has been delivered so far: 0 for a message that nobody has pulled.
    pub attempts: u16,
    /// When it was published; kept when it moves to a dead-letter queue.
    pub sent_at: Timestamp,
    /// What the body is.
    pub content_type: ContentType,
    /// As [`crate::Delivery::origin`].
    pub origin: Option<QueueNumber>,
    chunk: u32,
    body: Range<u32>,
}

impl Peeked {
    /// The body of one of this answer's messages.
    ///
    /// # Panics
    /// When `glimpse` belongs to another answer.
    pub fn body(&self, glimpse: &Glimpse) -> &[u8] {
        &self.chunks[glimpse.chunk as usize][glimpse.body.start as usize..glimpse.body.end as usize]
    }
}

/// What a broker gathered as for a pull, shown without its leases: their fences are passed over.
impl From<Pulled> for Peeked {
    fn from(gathered: Pulled) -> Self {
        let (deliveries, chunks) = gathered.into_parts();
        let messages = deliveries.into_iter().map(|delivery| Glimpse {
            id: delivery.id,
            queue: delivery.lease.queue,
            sequence: delivery.lease.message,
            attempts: delivery.attempts,
            sent_at: delivery.sent_at,
            content_type: delivery.content_type,
            origin: delivery.origin,
            chunk: delivery.chunk,
            body: delivery.body,
        });
        Self { messages: messages.collect(), chunks }
    }
}
