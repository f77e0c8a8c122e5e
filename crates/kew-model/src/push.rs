//! Push: publish one message or a batch, all or nothing.

use crate::backlog::Backlog;
use crate::error::Error;
use crate::limits::Limits;
use crate::message::ContentType;
use crate::time::Seconds;

/// One message of a batch; its body lies in the batch's own buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewMessage {
    /// The length of the body in bytes, at most [`Limits::MESSAGE_BYTES_MAX`] less the overhead.
    pub length: u32,
    /// What the body is.
    pub content_type: ContentType,
    /// How long to hold it back, 0–86,400 s; the queue's own delay when absent (spec §4.3).
    pub delay: Option<Seconds>,
}

/// Messages to publish together: all or none (spec §2.11 row 16).
///
/// The bodies stand one after another in one buffer, so that a batch reaches the log by one copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushBatch {
    bodies: Vec<u8>,
    messages: Vec<NewMessage>,
    /// Under which name the batch is pushed at most once.
    pub idempotency: Option<Idempotency>,
}

/// The name under which a request is carried out at most once (design §8.24): within 15 minutes, and as long as it is
/// among the newest [`Limits::IDEMPOTENCY_KEYS_MAX`] of its queue and the broker has room for it, the same name with the same content changes nothing
/// and is answered as a success; with other content it is refused.
///
/// Both are the first bytes of a cryptographic hash, so that two names or two contents are never taken for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Idempotency {
    /// The name that the client chose.
    pub key: [u8; 16],
    /// What it pushes under that name.
    pub content: [u8; 16],
}

/// The answer to a push, once it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// The queue's backlog with the new messages in it.
    pub backlog: Backlog,
    /// Whether an earlier push of the same [`Idempotency`] published the messages, and this one nothing.
    pub repeated: bool,
}

impl PushBatch {
    /// A batch without messages yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch with room for `bytes` of bodies and `messages` messages.
    pub fn with_capacity(bytes: usize, messages: usize) -> Self {
        Self { bodies: Vec::with_capacity(bytes), messages: Vec::with_capacity(messages), idempotency: None }
    }

    /// Adds a message by copying its body.
    ///
    /// # Errors
    /// [`Error::MessageTooLarge`] when the body is over the limit; the batch is then as it was.
    pub fn add(
        &mut self,
        body: &[u8],
        content_type: ContentType,
        delay: Option<Seconds>,
    ) -> Result<(), Error> {
        self.add_with(content_type, delay, |bodies| bodies.extend_from_slice(body))
    }

    /// Adds a message whose body `write` appends to the buffer, for writers that decode as they copy.
    ///
    /// # Errors
    /// As [`PushBatch::add`].
    pub fn add_with(
        &mut self,
        content_type: ContentType,
        delay: Option<Seconds>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Error> {
        let start = self.bodies.len();
        write(&mut self.bodies);
        let size = self.bodies.len() - start;
        match u32::try_from(size) {
            Ok(length) if length <= Limits::BODY_BYTES_MAX => {
                self.messages.push(NewMessage { length, content_type, delay });
                Ok(())
            }
            _ => {
                self.bodies.truncate(start);
                Err(Error::MessageTooLarge { index: self.messages.len(), size: size as u64 })
            }
        }
    }

    /// Checks what holds for the whole batch: 1–100 messages and at most 256,000 bytes (spec §4.12).
    ///
    /// # Errors
    /// [`Error::BatchCount`] and [`Error::BatchTooLarge`].
    pub fn check(&self) -> Result<(), Error> {
        if self.messages.is_empty() || self.messages.len() > Limits::BATCH_MESSAGES_MAX {
            return Err(Error::BatchCount { count: self.messages.len() });
        }
        let size = self.accounted_bytes();
        if size > Limits::BATCH_BYTES_MAX {
            return Err(Error::BatchTooLarge { size });
        }
        Ok(())
    }

    /// How many messages.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The messages in order, without their bodies.
    pub fn messages(&self) -> &[NewMessage] {
        &self.messages
    }

    /// All bodies, one after another.
    pub fn bodies(&self) -> &[u8] {
        &self.bodies
    }

    /// The messages with their bodies, in order.
    pub fn iter(&self) -> impl Iterator<Item = (NewMessage, &[u8])> {
        let mut rest = self.bodies.as_slice();
        self.messages.iter().map(move |message| {
            let (body, tail) = rest.split_at(message.length as usize);
            rest = tail;
            (*message, body)
        })
    }

    /// What the batch counts for in limits and backlog: each body and its overhead.
    pub fn accounted_bytes(&self) -> u64 {
        self.bodies.len() as u64 + self.messages.len() as u64 * u64::from(Limits::MESSAGE_OVERHEAD_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_127_900_bytes_passes_and_127_901_fails() {
        let mut batch = PushBatch::new();
        batch.add(&vec![b'x'; 127_900], ContentType::Text, None).unwrap();
        let refused = batch.add(&vec![b'x'; 127_901], ContentType::Text, None);
        assert_eq!(refused, Err(Error::MessageTooLarge { index: 1, size: 127_901 }));
        assert_eq!((batch.len(), batch.bodies().len()), (1, 127_900));
    }

    #[test]
    fn a_batch_holds_1_to_100_messages_of_256_000_bytes() {
        let mut batch = PushBatch::new();
        assert_eq!(batch.check(), Err(Error::BatchCount { count: 0 }));
        for _ in 0..100 {
            batch.add(&[b'x'; 2_460], ContentType::Text, None).unwrap();
        }
        assert_eq!(batch.check(), Ok(()));
        batch.add(b"", ContentType::Text, None).unwrap();
        assert_eq!(batch.check(), Err(Error::BatchCount { count: 101 }));
        let mut large = PushBatch::new();
        large.add(&vec![b'x'; 127_900], ContentType::Text, None).unwrap();
        large.add(&vec![b'x'; 127_900], ContentType::Text, None).unwrap();
        assert_eq!(large.check(), Ok(()));
        large.add(b"", ContentType::Text, None).unwrap();
        assert_eq!(large.check(), Err(Error::BatchTooLarge { size: 256_100 }));
    }
}
