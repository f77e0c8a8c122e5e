//! Entries of delayed messages as few bytes, each told by how it differs from the one before.
//!
//! Messages that were published one after the other and wait for times of their own take 8 to 12 bytes each, instead of
//! 40: a time and a sequence near the former's, and a delay in whole seconds. This is a form in memory alone, and no
//! format: nothing of it is on disk.

use std::sync::Arc;

use kew_model::{ContentType, Timestamp};

use super::Delayed;
use crate::record::batch::{content_type_code, content_type_of};
use crate::record::codec::{Malformed, Reader, Write};
use crate::record::run::Span;

/// The low bits of an entry's first byte: its content type.
const CONTENT_TYPE: u8 = 0b11;
/// More than one message: how many follows.
const COUNT: u8 = 1 << 2;
/// Another length than the former's follows.
const LENGTH: u8 = 1 << 3;
/// How long after the former follows; otherwise they are available at the same time.
const TIME: u8 = 1 << 4;
/// How far from the former's end the first sequence is follows; otherwise it is that end.
const SEQUENCE: u8 = 1 << 5;
/// Another time between publishing and availability than the former's follows.
const DELAY: u8 = 1 << 6;
/// That time is in milliseconds, not in seconds.
const MILLISECONDS: u8 = 1 << 7;

/// What the first entry differs from.
const NOTHING: Delayed = Delayed {
    available_at: Timestamp(0),
    first: 0,
    count: 0,
    span: Span { from: 0, content_type: ContentType::Text, length: 0, sent_at: Timestamp(0) },
};

/// Entries in order. Copies share them; they never change.
#[derive(Debug, Clone, Default)]
pub(super) struct Packed {
    bytes: Option<Arc<[u8]>>,
    count: u32,
}

impl Packed {
    /// Packs entries that are in order.
    pub(super) fn of(entries: impl ExactSizeIterator<Item = Delayed>) -> Self {
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(entries.len() * 12);
        let mut former = NOTHING;
        for entry in entries {
            put(&mut bytes, &former, &entry);
            former = entry;
        }
        Self { bytes: (count > 0).then(|| bytes.into()), count }
    }

    pub(super) fn len(&self) -> usize {
        self.count as usize
    }

    /// The entries, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Delayed> {
        let mut reader = Reader::new(self.bytes.as_deref().unwrap_or_default(), "packed delays");
        let mut former = NOTHING;
        core::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            // What was packed here can be read.
            former = read(&mut reader, &former).ok()?;
            Some(former)
        })
    }

    /// What it takes in memory beside itself.
    #[cfg(feature = "test-util")]
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.as_ref().map_or(0, |bytes| bytes.len() + 2 * size_of::<usize>())
    }
}

/// The time between publishing and availability, which any two times have.
fn delay_of(entry: &Delayed) -> u64 {
    entry.available_at.0.wrapping_sub(entry.span.sent_at.0)
}

fn put(out: &mut Vec<u8>, former: &Delayed, entry: &Delayed) {
    let (delay, length) = (delay_of(entry), entry.span.length);
    let in_seconds = delay.is_multiple_of(1_000);
    let marks = [
        (COUNT, entry.count != 1),
        (LENGTH, length != former.span.length),
        (TIME, entry.available_at != former.available_at),
        (SEQUENCE, entry.first != former.end()),
        (DELAY, delay != delay_of(former)),
        (MILLISECONDS, !in_seconds),
    ];
    let marks = marks.iter().fold(0, |all, (mark, is_set)| if *is_set { all | mark } else { all });
    out.put_u8(content_type_code(entry.span.content_type) | marks);
    if marks & COUNT != 0 {
        out.put_varint(u64::from(entry.count));
    }
    if marks & LENGTH != 0 {
        out.put_varint(u64::from(length));
    }
    if marks & TIME != 0 {
        out.put_varint(entry.available_at.0.wrapping_sub(former.available_at.0));
    }
    if marks & SEQUENCE != 0 {
        out.put_varint(zigzag(entry.first.wrapping_sub(former.end())));
    }
    if marks & DELAY != 0 {
        out.put_varint(if in_seconds { delay / 1_000 } else { delay });
    }
}

fn read(reader: &mut Reader<'_>, former: &Delayed) -> Result<Delayed, Malformed> {
    let marks = reader.u8()?;
    let content_type = content_type_of(marks & CONTENT_TYPE).ok_or(reader.malformed())?;
    let count = if marks & COUNT != 0 { reader.small()? } else { 1 };
    let length = if marks & LENGTH != 0 { reader.small()? } else { former.span.length };
    let after = if marks & TIME != 0 { reader.varint()? } else { 0 };
    let distance = if marks & SEQUENCE != 0 { unzigzag(reader.varint()?) } else { 0 };
    let delay = match (marks & DELAY != 0, marks & MILLISECONDS != 0) {
        (false, _) => delay_of(former),
        (true, false) => reader.varint()?.wrapping_mul(1_000),
        (true, true) => reader.varint()?,
    };
    let available_at = Timestamp(former.available_at.0.wrapping_add(after));
    let sent_at = Timestamp(available_at.0.wrapping_sub(delay));
    let span = Span { from: 0, content_type, length, sent_at };
    Ok(Delayed { available_at, first: former.end().wrapping_add(distance), count, span })
}

/// A distance in either direction as a number that is small when the distance is short.
fn zigzag(distance: u64) -> u64 {
    (distance << 1) ^ if distance >> 63 == 1 { u64::MAX } else { 0 }
}

fn unzigzag(number: u64) -> u64 {
    (number >> 1) ^ if number & 1 == 1 { u64::MAX } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = Vec<Delayed>> {
        let near_or_any = || prop_oneof![0_u64..5_000, 0_u64..86_400_000, 0..=u64::MAX >> 1];
        let content_type = prop_oneof![
            Just(ContentType::Text),
            Just(ContentType::Json),
            Just(ContentType::Bytes),
            Just(ContentType::V8)
        ];
        let count = prop_oneof![3 => Just(1), 1 => any::<u32>()];
        let length = prop_oneof![3 => Just(5), 1 => any::<u32>()];
        let entry = (near_or_any(), near_or_any(), count, content_type, length, near_or_any());
        let entry = entry.prop_map(|(at, first, count, content_type, length, sent_at)| Delayed {
            available_at: Timestamp(at),
            first,
            count,
            span: Span { from: 0, content_type, length, sent_at: Timestamp(sent_at) },
        });
        prop::collection::vec(entry, 0..300)
    }

    proptest! {
        #[test]
        fn entries_of_any_kind_are_read_as_they_were_packed(entries in entries()) {
            let packed = Packed::of(entries.iter().copied());
            prop_assert_eq!(packed.len(), entries.len());
            prop_assert_eq!(packed.iter().collect::<Vec<_>>(), entries);
        }
    }

    #[test]
    fn messages_of_which_no_two_are_alike_take_a_few_bytes_each() {
        // Given ten million messages of a day's delays, of which a leaf holds such of neighbouring times
        let entries = (0..256_u64).map(|at| {
            let sequence = 1 + (at * 7_654_321) % 10_000_000;
            let span = Span {
                from: 0,
                content_type: ContentType::Json,
                length: 100 + u32::try_from(at % 50).unwrap(),
                sent_at: Timestamp(1_700_000_000_000 + sequence),
            };
            let delay = 50_000 + at % 7;
            Delayed {
                available_at: span.sent_at.after(kew_model::Milliseconds(delay * 1_000)),
                first: sequence,
                count: 1,
                span,
            }
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort_unstable_by_key(Delayed::key);

        // Then each takes no more than this
        let packed = Packed::of(entries.into_iter());
        let bytes = packed.bytes.as_ref().unwrap().len();
        assert!(bytes <= 256 * 12, "{bytes} bytes for 256 entries");
    }
}
