//! Messages on disk: the `Pushed`, `Moved` and `Relocated` records, read in place.
//!
//! A table of fixed-size entries comes first and all bodies after it, so that a message is found without reading its
//! neighbours, a batch is written by one copy, and an answer is built from slices of the frame's own bytes.

use core::ops::Range;

use kew_journal::seeded::{self, Bug};
use kew_model::{
    ContentType, Idempotency, Limits, MessageId, PushBatch, QueueNumber, Seconds, Sequence, Timestamp,
};

use super::codec::{Malformed, Reader, Write};
use crate::queue::extents::Live;

const FLAG_DELAYS: u8 = 1;
const LENGTH_BITS: u32 = 24;
const MOVED_ENTRY_BYTES: usize = 4 + 16 + 8 + 8;
pub(super) const RELOCATED_ENTRY_BYTES: usize = 8 + 4 + 16 + 3 * 8 + 4 + 2;

/// The extension of a `Pushed` record that names what the request is idempotent under.
const EXTENSION_IDEMPOTENCY: u8 = 1;
const IDEMPOTENCY_BYTES: u8 = 32;
const EXTENSION_IDEMPOTENCY_BYTES: u16 = 2 + 32;

/// Where a batch came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Published: ids count up from a base, times are the frame's.
    Pushed { base: MessageId, at: Timestamp },
    /// Moved here from another queue: every message brings its own id and times.
    Moved { from: QueueNumber },
    /// Moved within the log: every message brings all that is known of it, its sequence and extensions included.
    Relocated { end: Sequence },
}

/// One message of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) sequence: Sequence,
    pub(crate) id: MessageId,
    pub(crate) content_type: ContentType,
    /// When it was published; kept when it moves.
    pub(crate) sent_at: Timestamp,
    /// When it came into this queue.
    pub(crate) enqueued_at: Timestamp,
    /// From when on it may be delivered; later than `enqueued_at` when it was held back.
    pub(crate) available_at: Timestamp,
    /// The length of its body in bytes.
    pub(crate) length: u32,
    /// Where its body begins among the batch's bodies.
    start: u32,
}

impl Stored {
    /// When its retention period begins.
    pub(crate) fn kept_from(&self) -> Timestamp {
        if seeded::is(Bug::RetentionByPublishing) { self.sent_at } else { self.enqueued_at }
    }

    /// Whether it was held back when it came, and so waits among the delayed rather than in line.
    pub(crate) fn is_delayed(&self) -> bool {
        self.available_at > self.enqueued_at
    }

    /// What it counts for in the backlog, in bytes.
    pub(crate) fn accounted_bytes(&self) -> u64 {
        u64::from(self.length) + u64::from(Limits::MESSAGE_OVERHEAD_BYTES)
    }
}

/// A view of one record's messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) queue: QueueNumber,
    pub(crate) first: Sequence,
    pub(crate) count: u16,
    kind: Kind,
    table: &'a [u8],
    delays: &'a [u8],
    extensions: &'a [u8],
    bodies: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Reads a `Pushed` record of a frame decided at `at`.
    pub(crate) fn pushed(body: &'a [u8], at: Timestamp) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "pushed record");
        let queue = QueueNumber(reader.u32()?);
        let first = Sequence(reader.u64()?);
        let base = MessageId(reader.id()?);
        let count = reader.u16()?;
        let flags = reader.u8()?;
        let extension_bytes = reader.u16()?;
        if flags & !FLAG_DELAYS != 0 {
            return Err(reader.malformed());
        }
        let table = reader.bytes(usize::from(count) * 4)?;
        let delays = reader.bytes(if flags & FLAG_DELAYS != 0 { usize::from(count) * 4 } else { 0 })?;
        let extensions = reader.bytes(usize::from(extension_bytes))?;
        let kind = Kind::Pushed { base, at };
        Self { queue, first, count, kind, table, delays, extensions, bodies: reader.rest() }.checked()
    }

    /// Reads a `Moved` record.
    pub(crate) fn moved(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "moved record");
        let queue = QueueNumber(reader.u32()?);
        let first = Sequence(reader.u64()?);
        let from = QueueNumber(reader.u32()?);
        let count = reader.u16()?;
        let extension_bytes = reader.u16()?;
        let table = reader.bytes(usize::from(count) * MOVED_ENTRY_BYTES)?;
        let extensions = reader.bytes(usize::from(extension_bytes))?;
        let kind = Kind::Moved { from };
        Self { queue, first, count, kind, table, delays: &[], extensions, bodies: reader.rest() }.checked()
    }

    /// Reads a `Relocated` record.
    pub(crate) fn relocated(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "relocated record");
        let queue = QueueNumber(reader.u32()?);
        let first = Sequence(reader.u64()?);
        let end = Sequence(reader.u64()?);
        let count = reader.u16()?;
        let lists = reader.u16()?;
        let table = reader.bytes(usize::from(count) * RELOCATED_ENTRY_BYTES)?;
        let before = reader.rest();
        for _ in 0..lists {
            let bytes = reader.u16()?;
            reader.bytes(usize::from(bytes))?;
        }
        let extensions = &before[..before.len() - reader.remaining()];
        let kind = Kind::Relocated { end };
        let batch = Self { queue, first, count, kind, table, delays: &[], extensions, bodies: reader.rest() };
        let entries = || (0..count).map(|index| batch.entry(index));
        let sequences = || entries().map(|entry| long_at(entry, 0));
        let rising = sequences().is_sorted_by(|one, next| one < next);
        let within = sequences().all(|sequence| (first.0..end.0).contains(&sequence));
        let extended = entries().all(|entry| list_of(entry) <= lists);
        if count > 0 && rising && within && extended {
            batch.checked()
        } else {
            Err(Malformed("table of relocated messages"))
        }
    }

    fn checked(self) -> Result<Self, Malformed> {
        let lengths: usize =
            (0..self.count).map(|index| (self.word(index) & ((1 << LENGTH_BITS) - 1)) as usize).sum();
        let types_known = (0..self.count).all(|index| content_type(self.word(index)).is_some());
        let ends_in_range = self.first.0 >= 1 && self.first.0.checked_add(u64::from(self.count)).is_some();
        if lengths == self.bodies.len() && types_known && ends_in_range {
            Ok(self)
        } else {
            Err(Malformed("table of messages"))
        }
    }

    /// One message's part of the table.
    fn entry(&self, index: u16) -> &'a [u8] {
        let bytes = match self.kind {
            Kind::Pushed { .. } => 4,
            Kind::Moved { .. } => MOVED_ENTRY_BYTES,
            Kind::Relocated { .. } => RELOCATED_ENTRY_BYTES,
        };
        &self.table[usize::from(index) * bytes..][..bytes]
    }

    fn word(&self, index: u16) -> u32 {
        let at = if matches!(self.kind, Kind::Relocated { .. }) { 8 } else { 0 };
        word_at(self.entry(index), at)
    }

    /// The sequence after its last message. Of what was relocated, all that lived before it from the first on is here.
    pub(crate) fn end(&self) -> Sequence {
        match self.kind {
            Kind::Relocated { end } => end,
            _ => Sequence(self.first.0 + u64::from(self.count)),
        }
    }

    /// Its messages, and what they count for in the backlog.
    pub(crate) fn live(&self) -> Live {
        let messages = u64::from(self.count);
        let bytes = self.bodies.len() as u64 + messages * u64::from(Limits::MESSAGE_OVERHEAD_BYTES);
        Live { messages, bytes }
    }

    /// When the first and the last of its messages came into the queue, by time.
    pub(crate) fn enqueued(&self) -> (Timestamp, Timestamp) {
        match self.kind {
            Kind::Pushed { at, .. } => (at, at),
            Kind::Moved { .. } | Kind::Relocated { .. } => {
                let each = || self.messages().map(|stored| stored.kept_from());
                (each().min().unwrap_or_default(), each().max().unwrap_or_default())
            }
        }
    }

    /// Whether any of its messages may have been held back.
    pub(crate) fn may_delay(&self) -> bool {
        !self.delays.is_empty()
    }

    /// The queue that a message was dead-lettered from; none for what was published or redriven into this one.
    pub(crate) fn origin(&self, stored: &Stored) -> Option<QueueNumber> {
        let from = match self.kind {
            Kind::Pushed { .. } => return None,
            Kind::Moved { from } => from,
            Kind::Relocated { .. } => QueueNumber(word_at(self.entry(self.index_of(stored.sequence)), 52)),
        };
        (from != self.queue).then_some(from)
    }

    /// The extensions that a message came with, of whatever types.
    pub(crate) fn extensions(&self, stored: &Stored) -> &'a [u8] {
        if !matches!(self.kind, Kind::Relocated { .. }) {
            return self.extensions;
        }
        let named = list_of(self.entry(self.index_of(stored.sequence)));
        let (mut list, mut rest) = (0, self.extensions);
        while let [low, high, tail @ ..] = rest {
            let (extensions, after) = tail.split_at(usize::from(u16::from_le_bytes([*low, *high])));
            list += 1;
            if list == named {
                return extensions;
            }
            rest = after;
        }
        &[]
    }

    /// The place in the table of a message, or of the one after it if it is not there.
    fn index_of(&self, sequence: Sequence) -> u16 {
        if !matches!(self.kind, Kind::Relocated { .. }) {
            return u16::try_from(sequence.0.saturating_sub(self.first.0)).unwrap_or(self.count);
        }
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if long_at(self.entry(middle), 0) < sequence.0 {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// What the request is idempotent under. Extensions of other types, by later programs, are passed over.
    pub(crate) fn idempotency(&self) -> Option<Idempotency> {
        let mut rest = self.extensions;
        while let [kind, length, tail @ ..] = rest {
            let (value, after) = tail.split_at_checked(usize::from(*length))?;
            if (*kind, *length) == (EXTENSION_IDEMPOTENCY, IDEMPOTENCY_BYTES) {
                let (key, content) = value.split_at(16);
                return Some(Idempotency { key: key.try_into().ok()?, content: content.try_into().ok()? });
            }
            rest = after;
        }
        None
    }

    /// Its messages in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Stored> + use<'a> {
        self.messages_from(0, 0)
    }

    /// Its messages after one of them.
    pub(crate) fn messages_after(&self, stored: &Stored) -> impl Iterator<Item = Stored> + use<'a> {
        self.messages_from(self.index_of(stored.sequence) + 1, stored.start + stored.length)
    }

    fn messages_from(&self, from: u16, mut start: u32) -> impl Iterator<Item = Stored> + use<'a> {
        let batch = *self;
        (from..self.count).map(move |index| {
            let stored = batch.message(index, start);
            start += stored.length;
            stored
        })
    }

    fn message(&self, index: u16, start: u32) -> Stored {
        let word = self.word(index);
        let sequence = Sequence(self.first.0 + u64::from(index));
        let content_type = content_type(word).unwrap_or(ContentType::Bytes);
        let length = word & ((1 << LENGTH_BITS) - 1);
        match self.kind {
            Kind::Pushed { base, at } => {
                let delay = match self.delays {
                    [] => 0,
                    delays => word_at(delays, usize::from(index) * 4),
                };
                Stored {
                    sequence,
                    id: MessageId::in_batch(base, u32::from(index)),
                    content_type,
                    sent_at: at,
                    enqueued_at: at,
                    available_at: at.after(Seconds(delay)),
                    length,
                    start,
                }
            }
            Kind::Moved { .. } => {
                let entry = self.entry(index);
                let arrived = Timestamp(long_at(entry, 28));
                Stored {
                    sequence,
                    id: id_at(entry, 4),
                    content_type,
                    sent_at: Timestamp(long_at(entry, 20)),
                    enqueued_at: arrived,
                    available_at: arrived,
                    length,
                    start,
                }
            }
            Kind::Relocated { .. } => {
                let entry = self.entry(index);
                Stored {
                    sequence: Sequence(long_at(entry, 0)),
                    id: id_at(entry, 12),
                    content_type,
                    sent_at: Timestamp(long_at(entry, 28)),
                    enqueued_at: Timestamp(long_at(entry, 36)),
                    available_at: Timestamp(long_at(entry, 44)),
                    length,
                    start,
                }
            }
        }
    }

    /// The body of one of its messages.
    pub(crate) fn body(&self, stored: &Stored) -> &'a [u8] {
        &self.bodies[stored.start as usize..(stored.start + stored.length) as usize]
    }

    /// Where the body of one of its messages lies in the frame's payload, given where the record's body ends there.
    pub(crate) fn body_in_payload(&self, stored: &Stored, record_end: u32) -> Range<u32> {
        let bodies_start = record_end - u32::try_from(self.bodies.len()).unwrap_or(record_end);
        bodies_start + stored.start..bodies_start + stored.start + stored.length
    }
}

fn word_at(bytes: &[u8], start: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[start..start + 4]);
    u32::from_le_bytes(word)
}

fn id_at(bytes: &[u8], start: usize) -> MessageId {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[start..start + 16]);
    MessageId(id)
}

/// Which of a `Relocated` record's lists of extensions an entry names, counted from 1; 0 for none.
fn list_of(entry: &[u8]) -> u16 {
    u16::from_le_bytes([entry[56], entry[57]])
}

fn long_at(bytes: &[u8], start: usize) -> u64 {
    let mut long = [0; 8];
    long.copy_from_slice(&bytes[start..start + 8]);
    u64::from_le_bytes(long)
}

fn content_type(word: u32) -> Option<ContentType> {
    content_type_of(word.to_le_bytes()[3])
}

pub(crate) fn content_type_of(code: u8) -> Option<ContentType> {
    match code {
        0 => Some(ContentType::Text),
        1 => Some(ContentType::Json),
        2 => Some(ContentType::Bytes),
        3 => Some(ContentType::V8),
        _ => None,
    }
}

pub(crate) fn content_type_code(content_type: ContentType) -> u8 {
    match content_type {
        ContentType::Text => 0,
        ContentType::Json => 1,
        ContentType::Bytes => 2,
        ContentType::V8 => 3,
    }
}

pub(super) fn table_word(length: u32, content_type: ContentType) -> u32 {
    length | u32::from(content_type_code(content_type)) << LENGTH_BITS
}

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
