//! Pull: take messages under a lease.

use core::ops::Range;

use bytes::Bytes;

use crate::backlog::Backlog;
use crate::id::MessageId;
use crate::lease::{Lease, QueueNumber};
use crate::message::{ContentType, Delivery};
use crate::time::{Milliseconds, Timestamp};

/// What a pull asks for; what it leaves out, the consumer's settings say (spec §2.11 row 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pull {
    /// The most messages to return, 1–100.
    pub batch_size: Option<u16>,
    /// How long the leases last, 0–43,200,000 ms.
    pub visibility_timeout: Option<Milliseconds>,
}

/// What a pull returns: leased messages, oldest first, and the backlog with these still in it.
///
/// Bodies lie in shared chunks, as they were read, so that none is copied on the way to the answer.
#[derive(Debug, Clone, Default)]
pub struct Pulled {
    /// The messages, in the order of delivery.
    pub messages: Vec<Delivery>,
    /// The queue's backlog, the returned messages included.
    pub backlog: Backlog,
    chunks: Vec<Bytes>,
}

impl Pulled {
    /// An answer without messages.
    pub fn empty(backlog: Backlog) -> Self {
        Self { messages: Vec::new(), backlog, chunks: Vec::new() }
    }

    pub(crate) fn into_parts(self) -> (Vec<Delivery>, Vec<Bytes>) {
        (self.messages, self.chunks)
    }

    /// Adds bytes that hold bodies, for [`Pulled::add`] to point into; returns the chunk's number.
    ///
    /// # Panics
    /// When more than `u32::MAX` chunks are added; a pull returns at most 100 messages.
    pub fn add_chunk(&mut self, chunk: Bytes) -> u32 {
        self.chunks.push(chunk);
        u32::try_from(self.chunks.len() - 1).expect("a pull has at most a chunk for each message")
    }

    /// Adds a message whose body is `body` of chunk number `chunk`.
    #[expect(
        clippy::too_many_arguments,
        reason = "a delivery's fields, each once, at its only place of making"
    )]
    pub fn add(
        &mut self,
        id: MessageId,
        lease: Lease,
        attempts: u16,
        sent_at: Timestamp,
        content_type: ContentType,
        chunk: u32,
        body: Range<u32>,
    ) {
        let origin = None;
        self.messages.push(Delivery { id, lease, attempts, sent_at, content_type, origin, chunk, body });
    }

    /// Says of the message added last which queue it was dead-lettered from, if it was.
    pub fn set_origin(&mut self, origin: Option<QueueNumber>) {
        if let Some(last) = self.messages.last_mut() {
            last.origin = origin;
        }
    }

    /// The body of one of this answer's messages.
    ///
    /// # Panics
    /// When `delivery` belongs to another answer.
    pub fn body(&self, delivery: &Delivery) -> &[u8] {
        &self.chunks[delivery.chunk as usize][delivery.body.start as usize..delivery.body.end as usize]
    }
}
