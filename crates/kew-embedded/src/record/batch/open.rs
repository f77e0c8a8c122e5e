//! Views of records, made only of what agrees with itself: every message that a table names has its bytes.

use kew_model::{MessageId, QueueNumber, Sequence, Timestamp};

use super::table::{content_type, list_of, long_at};
use super::{Batch, FLAG_DELAYS, Kind, LENGTH_BITS, MOVED_ENTRY_BYTES, RELOCATED_ENTRY_BYTES};
use crate::record::codec::{Malformed, Reader};

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
}
