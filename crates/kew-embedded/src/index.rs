//! Where each queue's frames begin inside one segment.
//!
//! Kept in memory for the segment being written and, until it is safely in the segment's sidecar, for the one before.
//! It is derived: a lost or damaged sidecar is made anew by scanning the segment.

use std::collections::HashMap;

use kew_journal::{Position, SegmentId};
use kew_model::QueueNumber;

use crate::record::codec::{Malformed, Reader, Write};

/// A frame that holds messages of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The first of the queue's sequences in the frame.
    pub(crate) first: u64,
    /// Where in the segment the frame begins.
    pub(crate) offset: u32,
}

/// The frames of one segment, by queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SegmentIndex {
    queues: HashMap<QueueNumber, Vec<Entry>>,
}

impl SegmentIndex {
    /// Adds a frame. One that came in the order of sequences costs nothing to speak of.
    pub(crate) fn add(&mut self, queue: QueueNumber, first: u64, offset: u32) {
        let entries = self.queues.entry(queue).or_default();
        let at = match entries.last() {
            Some(last) if last.first >= first => entries.partition_point(|entry| entry.first < first),
            _ => entries.len(),
        };
        match entries.get_mut(at).filter(|entry| entry.first == first) {
            Some(entry) => entry.offset = offset,
            None => entries.insert(at, Entry { first, offset }),
        }
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let entries: usize = self.queues.values().map(Vec::capacity).sum();
        let queues = self.queues.capacity() * size_of::<(QueueNumber, Vec<Entry>)>();
        size_of::<Self>() + queues + entries * size_of::<Entry>()
    }

    /// The frame that holds a message, if the segment does, and those of the queue after it.
    pub(crate) fn from(&self, queue: QueueNumber, sequence: u64) -> &[Entry] {
        let Some(entries) = self.queues.get(&queue) else { return &[] };
        let after = entries.partition_point(|entry| entry.first <= sequence);
        after.checked_sub(1).map_or(&[], |at| &entries[at..])
    }

    /// Where the frame that holds a message begins.
    pub(crate) fn position(&self, segment: SegmentId, queue: QueueNumber, sequence: u64) -> Option<Position> {
        self.from(queue, sequence).first().map(|entry| Position { segment, offset: entry.offset })
    }

    /// Appends the index: for each queue the number of frames, and each frame as distances from the one before.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let mut queues: Vec<_> = self.queues.iter().collect();
        queues.sort_unstable_by_key(|(queue, _)| **queue);
        out.put_varint(queues.len() as u64);
        for (queue, entries) in queues {
            out.put_u32(queue.0);
            out.put_varint(entries.len() as u64);
            let (mut first, mut offset) = (0, 0);
            for entry in entries {
                out.put_varint(entry.first - first);
                out.put_varint(u64::from(entry.offset.wrapping_sub(offset)));
                (first, offset) = (entry.first, entry.offset);
            }
        }
    }

    /// Reads what [`SegmentIndex::put`] appended.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut index = Self::default();
        let queues: usize = reader.small()?;
        for _ in 0..queues {
            let queue = QueueNumber(reader.u32()?);
            let count: usize = reader.small()?;
            let mut entries = Vec::with_capacity(count.min(reader.remaining() / 2));
            let (mut first, mut offset) = (0_u64, 0_u32);
            for _ in 0..count {
                first = first.checked_add(reader.varint()?).ok_or(reader.malformed())?;
                offset = offset.wrapping_add(reader.small()?);
                entries.push(Entry { first, offset });
            }
            index.queues.insert(queue, entries);
        }
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_finds_frames_and_reads_what_it_writes() {
        let mut index = SegmentIndex::default();
        for (queue, first, offset) in [(1, 11, 5000), (2, 7, 4200), (1, 21, 9000), (1, 1, 9900), (1, 1, 9900)]
        {
            index.add(QueueNumber(queue), first, offset);
        }
        let offset = |queue, sequence| {
            index.position(SegmentId(3), QueueNumber(queue), sequence).map(|position| position.offset)
        };
        assert_eq!(offset(1, 1), Some(9900));
        assert_eq!(offset(1, 20), Some(5000));
        assert_eq!(offset(1, 99), Some(9000));
        assert_eq!(offset(2, 6), None);
        assert_eq!(index.from(QueueNumber(1), 12).len(), 2);
        let mut bytes = Vec::new();
        index.put(&mut bytes);
        assert_eq!(SegmentIndex::read(&mut Reader::new(&bytes, "index")), Ok(index.clone()));
    }
}
