//! Sets of sequences as rising ranges: a hundred acks in a row are one range of a few bytes.

use kew_model::Sequence;

use super::codec::{Malformed, Reader, Write};

/// Sequences `first..first + count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: Sequence,
    pub(crate) count: u64,
}

impl Range {
    pub(crate) fn end(&self) -> u64 {
        self.first.0 + self.count
    }
}

/// A set of sequences: rising ranges that neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ranges(Vec<Range>);

impl Ranges {
    /// Adds a sequence; false when it is in the set already. Adding in rising order costs nothing to speak of.
    pub(crate) fn insert(&mut self, sequence: Sequence) -> bool {
        let at = match self.0.last() {
            Some(last) if last.end() > sequence.0 => {
                self.0.partition_point(|range| range.end() <= sequence.0)
            }
            _ => self.0.len(),
        };
        if self.0.get(at).is_some_and(|range| range.first <= sequence) {
            return false;
        }
        let joins_left = at > 0 && self.0[at - 1].end() == sequence.0;
        let joins_right = self.0.get(at).is_some_and(|range| range.first.0 == sequence.0 + 1);
        match (joins_left, joins_right) {
            (true, true) => {
                self.0[at - 1].count += 1 + self.0[at].count;
                self.0.remove(at);
            }
            (true, false) => self.0[at - 1].count += 1,
            (false, true) => self.0[at] = Range { first: sequence, count: self.0[at].count + 1 },
            (false, false) => self.0.insert(at, Range { first: sequence, count: 1 }),
        }
        true
    }

    pub(crate) fn contains(&self, sequence: Sequence) -> bool {
        let at = self.0.partition_point(|range| range.end() <= sequence.0);
        self.0.get(at).is_some_and(|range| range.first <= sequence)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Range> {
        self.0.iter().copied()
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.put_varint(self.0.len() as u64);
        let mut end = 0;
        for range in &self.0 {
            out.put_varint(range.first.0 - end);
            out.put_varint(range.count);
            end = range.end();
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count: usize = reader.small()?;
        // Each range takes two bytes at least, so that a lying count cannot ask for more memory than was written.
        let mut ranges = Vec::with_capacity(count.min(reader.remaining() / 2));
        let mut end: u64 = 0;
        for _ in 0..count {
            let first = end.checked_add(reader.varint()?).ok_or(reader.malformed())?;
            let count = reader.varint()?;
            end = first.checked_add(count).ok_or(reader.malformed())?;
            if count == 0 || first == 0 {
                return Err(reader.malformed());
            }
            ranges.push(Range { first: Sequence(first), count });
        }
        Ok(Self(ranges))
    }
}

impl FromIterator<Sequence> for Ranges {
    fn from_iter<I: IntoIterator<Item = Sequence>>(sequences: I) -> Self {
        let mut ranges = Self::default();
        for sequence in sequences {
            ranges.insert(sequence);
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_join_into_ranges_in_any_order() {
        let ranges: Ranges = [5, 3, 4, 9, 8, 1, 3].map(Sequence).into_iter().collect();
        let listed: Vec<_> = ranges.iter().map(|range| (range.first.0, range.count)).collect();
        assert_eq!(listed, [(1, 1), (3, 3), (8, 2)]);
        assert!(
            ranges.contains(Sequence(4)) && !ranges.contains(Sequence(6)) && !ranges.contains(Sequence(2))
        );
    }

    #[test]
    fn ranges_read_what_they_write() {
        let ranges: Ranges = (1..=100).chain(200..300).map(Sequence).collect();
        let mut bytes = Vec::new();
        ranges.put(&mut bytes);
        assert!(bytes.len() < 10, "two ranges take {} bytes", bytes.len());
        assert_eq!(Ranges::read(&mut Reader::new(&bytes, "ranges")), Ok(ranges));
    }

    #[test]
    fn a_count_that_lies_is_malformed_and_allocates_nothing() {
        let mut bytes = Vec::new();
        bytes.put_varint(u64::MAX);
        assert!(Ranges::read(&mut Reader::new(&bytes, "ranges")).is_err());
    }
}
