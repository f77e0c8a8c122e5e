//! A message as a puller sees it.

use core::fmt;
use core::ops::Range;

use crate::id::MessageId;
use crate::lease::{Lease, QueueNumber};
use crate::time::Timestamp;

/// What a body is, so that a puller can decode it (spec §3.1). Kept with the message, never interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// UTF-8 text.
    Text,
    /// The bytes of one JSON value, as they were pushed.
    Json,
    /// Arbitrary bytes.
    Bytes,
    /// A structured clone of a Worker: opaque bytes.
    V8,
}

impl ContentType {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Bytes => "bytes",
            Self::V8 => "v8",
        }
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One message of a pull. Its body lies in the answer it came with: [`crate::Pulled::body`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message; the same at every delivery.
    pub id: MessageId,
    /// This delivery.
    pub lease: Lease,
    /// How often the message has been delivered, this time included: 1, 2, 3 … (spec §4.6).
    pub attempts: u16,
    /// When it was published; kept when it moves to a dead-letter queue.
    pub sent_at: Timestamp,
    /// What the body is.
    pub content_type: ContentType,
    /// The queue that it was dead-lettered from; none when it was published or redriven into this one.
    pub origin: Option<QueueNumber>,
    pub(crate) chunk: u32,
    pub(crate) body: Range<u32>,
}
