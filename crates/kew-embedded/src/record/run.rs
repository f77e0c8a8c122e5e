//! Runs: up to 128 messages named together, by a first sequence and a bit for each.
//!
//! A pull of 100 messages in a row is one run of about 80 bytes, not 100 entries. What must be known of each message
//! while it is out of line (its size for the backlog, its type for the answer's size, its time for `oldest`) is kept
//! as [`Details`]: one span for each stretch of equal messages.

use kew_model::{ContentType, Limits, Sequence, Timestamp};

use super::batch::{content_type_code, content_type_of};
use super::codec::{Malformed, Reader, Write};

/// How many messages a run can name.
pub(crate) const RUN_WIDTH: u64 = 128;

/// Which messages of a run, counted from its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mask(pub(crate) u128);

impl Mask {
    /// The bits `from..to`.
    pub(crate) fn between(from: u64, to: u64) -> Self {
        let below = |end: u64| if end >= RUN_WIDTH { u128::MAX } else { (1 << end) - 1 };
        Self(below(to) & !below(from))
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn count(self) -> u64 {
        u64::from(self.0.count_ones())
    }

    pub(crate) fn has(self, bit: u64) -> bool {
        bit < RUN_WIDTH && self.0 >> bit & 1 == 1
    }

    /// The lowest bit at or above `from`.
    pub(crate) fn next(self, from: u64) -> Option<u64> {
        let left = self.0 & Self::between(from, RUN_WIDTH).0;
        (left != 0).then(|| u64::from(left.trailing_zeros()))
    }

    /// The bits, rising.
    pub(crate) fn iter(self) -> impl Iterator<Item = u64> {
        let mut from = 0;
        core::iter::from_fn(move || {
            let bit = self.next(from)?;
            from = bit + 1;
            Some(bit)
        })
    }
}

/// A stretch of equal messages: from a bit on, until the next span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u8,
    pub(crate) content_type: ContentType,
    /// The length of each body in bytes.
    pub(crate) length: u32,
    pub(crate) sent_at: Timestamp,
}

impl Span {
    /// What one such message counts for in the backlog.
    pub(crate) fn accounted_bytes(&self) -> u64 {
        u64::from(self.length + Limits::MESSAGE_OVERHEAD_BYTES)
    }

    fn equals(&self, other: &Self) -> bool {
        (self.content_type, self.length, self.sent_at) == (other.content_type, other.length, other.sent_at)
    }
}

/// What must be known of each message of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Details {
    /// All are equal, as in most pulls.
    One(Span),
    /// Several stretches, by rising `from`; never empty.
    Many(Box<[Span]>),
}

impl Details {
    fn spans(&self) -> &[Span] {
        match self {
            Self::One(span) => core::slice::from_ref(span),
            Self::Many(spans) => spans,
        }
    }

    /// The message at `bit`.
    pub(crate) fn at(&self, bit: u64) -> Span {
        let spans = self.spans();
        let after = spans.partition_point(|span| u64::from(span.from) <= bit);
        spans[after.saturating_sub(1)]
    }

    /// What the messages of `mask` count for in the backlog.
    pub(crate) fn accounted_bytes(&self, mask: Mask) -> u64 {
        let spans = self.spans();
        let ends = spans[1..].iter().map(|span| u64::from(span.from)).chain([RUN_WIDTH]);
        let each = spans.iter().zip(ends).map(|(span, end)| {
            Mask(mask.0 & Mask::between(u64::from(span.from), end).0).count() * span.accounted_bytes()
        });
        each.sum()
    }

    /// Only what the messages of `mask` need.
    pub(crate) fn of(&self, mask: Mask) -> Self {
        match self {
            Self::One(span) => Self::One(*span),
            Self::Many(_) => {
                let mut builder = DetailsBuilder::default();
                mask.iter().for_each(|bit| builder.push(bit, self.at(bit)));
                builder.finish().unwrap_or_else(|| self.clone())
            }
        }
    }

    /// Appends them; times are written as distances from `at`.
    pub(crate) fn put(&self, out: &mut impl Write, at: Timestamp) {
        let spans = self.spans();
        out.put_varint(spans.len() as u64);
        for span in spans {
            out.put_u8(span.from);
            out.put_u8(content_type_code(span.content_type));
            out.put_varint(u64::from(span.length));
            out.put_varint(at.0.wrapping_sub(span.sent_at.0));
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>, at: Timestamp) -> Result<Self, Malformed> {
        let count: usize = reader.small()?;
        if !(1..=RUN_WIDTH).contains(&(count as u64)) {
            return Err(reader.malformed());
        }
        let mut spans = Vec::with_capacity(count);
        for _ in 0..count {
            let from = reader.u8()?;
            let content_type = content_type_of(reader.u8()?).ok_or(reader.malformed())?;
            let length = reader.small()?;
            let sent_at = Timestamp(at.0.wrapping_sub(reader.varint()?));
            if length > Limits::BODY_BYTES_MAX || spans.last().is_some_and(|last: &Span| last.from >= from) {
                return Err(reader.malformed());
            }
            spans.push(Span { from, content_type, length, sent_at });
        }
        Ok(if let [span] = spans[..] { Self::One(span) } else { Self::Many(spans.into()) })
    }
}

/// Gathers details message by message, by rising bit.
#[derive(Debug, Default)]
pub(crate) struct DetailsBuilder {
    spans: Vec<Span>,
}

impl DetailsBuilder {
    pub(crate) fn push(&mut self, bit: u64, span: Span) {
        if self.spans.last().is_none_or(|last| !last.equals(&span)) {
            self.spans.push(Span { from: u8::try_from(bit).unwrap_or(u8::MAX), ..span });
        }
    }

    /// The details; `None` when nothing was gathered.
    pub(crate) fn finish(self) -> Option<Details> {
        match self.spans[..] {
            [] => None,
            [span] => Some(Details::One(span)),
            _ => Some(Details::Many(self.spans.into())),
        }
    }
}

/// Where a picked message was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In line: never delivered, never held back.
    Ready,
    /// Held back when it came, never delivered.
    Delayed,
    /// Delivered before.
    Delivered,
}

/// Messages picked from one origin, to be leased or discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PickedRun {
    pub(crate) origin: Origin,
    pub(crate) first: Sequence,
    pub(crate) mask: Mask,
    /// Deliveries, the one that this record makes included.
    pub(crate) attempts: u16,
    /// Absent for [`Origin::Delivered`]: the state knows them.
    pub(crate) details: Option<Details>,
}

impl PickedRun {
    pub(crate) fn sequences(&self) -> impl Iterator<Item = Sequence> + use<> {
        let first = self.first.0;
        self.mask.iter().map(move |bit| Sequence(first + bit))
    }

    pub(crate) fn put(&self, out: &mut impl Write, at: Timestamp) {
        out.put_u8(match self.origin {
            Origin::Ready => 0,
            Origin::Delayed => 1,
            Origin::Delivered => 2,
        });
        out.put_varint(self.first.0);
        let contiguous = self.mask.count();
        if self.mask == Mask::between(0, contiguous) {
            out.put_u8(u8::try_from(contiguous).unwrap_or(0));
        } else {
            out.put_u8(0);
            out.put(&self.mask.0.to_le_bytes());
        }
        out.put_varint(u64::from(self.attempts));
        if let Some(details) = &self.details {
            details.put(out, at);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>, at: Timestamp) -> Result<Self, Malformed> {
        let origin = match reader.u8()? {
            0 => Origin::Ready,
            1 => Origin::Delayed,
            2 => Origin::Delivered,
            _ => return Err(reader.malformed()),
        };
        let first = Sequence(reader.varint()?);
        let mask = match reader.u8()? {
            0 => Mask(u128::from_le_bytes(reader.id()?)),
            count if u64::from(count) <= RUN_WIDTH => Mask::between(0, u64::from(count)),
            _ => return Err(reader.malformed()),
        };
        if mask.is_empty() || first.0 == 0 || first.0 > u64::MAX - RUN_WIDTH {
            return Err(reader.malformed());
        }
        let attempts = reader.small()?;
        let details = match origin {
            Origin::Delivered => None,
            Origin::Ready | Origin::Delayed => Some(Details::read(reader, at)?),
        };
        Ok(Self { origin, first, mask, attempts, details })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(length: u32) -> Span {
        Span { from: 0, content_type: ContentType::Text, length, sent_at: Timestamp(7) }
    }

    #[test]
    fn details_of_equal_messages_are_one_span() {
        let mut builder = DetailsBuilder::default();
        (0..100).for_each(|bit| builder.push(bit, span(100)));
        assert_eq!(builder.finish(), Some(Details::One(span(100))));
    }

    #[test]
    fn bytes_are_summed_over_the_bits_that_are_set() {
        let mut builder = DetailsBuilder::default();
        for (bit, length) in [(0, 10), (1, 10), (2, 30), (127, 5)] {
            builder.push(bit, span(length));
        }
        let details = builder.finish().unwrap();
        assert_eq!(details.accounted_bytes(Mask(0b111)), 10 + 10 + 30 + 300);
        assert_eq!(details.accounted_bytes(Mask(1 << 127 | 0b10)), 5 + 10 + 200);
        assert_eq!(details.of(Mask(0b100)).at(2).length, 30);
    }

    #[test]
    fn a_run_reads_what_it_writes() {
        for mask in [Mask::between(0, 100), Mask(0b1011), Mask(u128::MAX), Mask(1 << 127)] {
            let details = Some(Details::One(span(3)));
            let run = PickedRun { origin: Origin::Ready, first: Sequence(9), mask, attempts: 1, details };
            let mut bytes = Vec::new();
            run.put(&mut bytes, Timestamp(1000));
            let mut reader = Reader::new(&bytes, "run");
            assert_eq!(PickedRun::read(&mut reader, Timestamp(1000)), Ok(run));
            assert!(reader.is_empty());
        }
    }
}
