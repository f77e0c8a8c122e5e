//! Messages on disk: the `Pushed`, `Moved` and `Relocated` records, read in place.
//!
//! A table of fixed-size entries comes first and all bodies after it, so that a message is found without reading its
//! neighbours, a batch is written by one copy, and an answer is built from slices of the frame's own bytes.

mod open;
mod table;
mod write;

use core::ops::Range;

use kew_journal::seeded::{self, Bug};
use kew_model::{ContentType, Idempotency, Limits, MessageId, QueueNumber, Seconds, Sequence, Timestamp};

use crate::queue::extents::Live;
pub(super) use table::table_word;
use table::{content_type, id_at, list_of, long_at, word_at};
pub(crate) use table::{content_type_code, content_type_of};
pub(crate) use write::{Moving, pushed_bytes, put_moved, put_pushed};

const FLAG_DELAYS: u8 = 1;
const LENGTH_BITS: u32 = 24;
const MOVED_ENTRY_BYTES: usize = 4 + 16 + 8 + 8;
pub(super) const RELOCATED_ENTRY_BYTES: usize = 8 + 4 + 16 + 3 * 8 + 4 + 2;

/// The extension of a `Pushed` record that names what the request is idempotent under.
const EXTENSION_IDEMPOTENCY: u8 = 1;
const IDEMPOTENCY_BYTES: u8 = 32;

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
