//! The bodies of `Pushed` and `Moved` records, written. `Relocated` ones are in `record/relocated.rs`.

use kew_model::{ContentType, Idempotency, MessageId, PushBatch, QueueNumber, Seconds, Sequence, Timestamp};

use super::table::table_word;
use super::{EXTENSION_IDEMPOTENCY, FLAG_DELAYS, IDEMPOTENCY_BYTES};
use crate::record::codec::Write;

/// The bytes of that extension, with its head.
const EXTENSION_IDEMPOTENCY_BYTES: u16 = 2 + 32;

/// How many bytes the body of a `Pushed` record takes.
pub(crate) fn pushed_bytes(batch: &PushBatch) -> usize {
    80 + batch.len() * 8 + batch.bodies().len()
}

/// Writes the body of a `Pushed` record. `default_delay` is the queue's own.
pub(crate) fn put_pushed(
    out: &mut Vec<u8>,
    queue: QueueNumber,
    first: Sequence,
    base: MessageId,
    batch: &PushBatch,
    default_delay: Seconds,
) {
    let delays = || batch.messages().iter().map(|message| message.delay.unwrap_or(default_delay));
    let has_delays = delays().any(|delay| delay.0 > 0);
    out.put_u32(queue.0);
    out.put_u64(first.0);
    out.put(&base.0);
    out.put_u16(u16::try_from(batch.len()).unwrap_or(u16::MAX));
    out.put_u8(if has_delays { FLAG_DELAYS } else { 0 });
    out.put_u16(if batch.idempotency.is_some() { EXTENSION_IDEMPOTENCY_BYTES } else { 0 });
    for message in batch.messages() {
        out.put_u32(table_word(message.length, message.content_type));
    }
    if has_delays {
        delays().for_each(|delay| out.put_u32(delay.0));
    }
    if let Some(Idempotency { key, content }) = &batch.idempotency {
        out.put_u8(EXTENSION_IDEMPOTENCY);
        out.put_u8(IDEMPOTENCY_BYTES);
        out.put(key);
        out.put(content);
    }
    out.put(batch.bodies());
}

/// A message to move into another queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moving<'a> {
    pub(crate) id: MessageId,
    pub(crate) content_type: ContentType,
    pub(crate) sent_at: Timestamp,
    pub(crate) arrived_at: Timestamp,
    pub(crate) body: &'a [u8],
}

/// Writes the body of a `Moved` record. `from` is the queue that dead-lettered the messages, or `queue` itself when
/// they were redriven.
pub(crate) fn put_moved(
    out: &mut Vec<u8>,
    queue: QueueNumber,
    first: Sequence,
    from: QueueNumber,
    messages: &[Moving<'_>],
) {
    out.put_u32(queue.0);
    out.put_u64(first.0);
    out.put_u32(from.0);
    out.put_u16(u16::try_from(messages.len()).unwrap_or(u16::MAX));
    out.put_u16(0);
    for message in messages {
        let length = u32::try_from(message.body.len()).unwrap_or(u32::MAX);
        out.put_u32(table_word(length, message.content_type));
        out.put(&message.id.0);
        out.put_time(message.sent_at);
        out.put_time(message.arrived_at);
    }
    for message in messages {
        out.put(message.body);
    }
}
