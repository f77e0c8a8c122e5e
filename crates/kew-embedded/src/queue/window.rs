//! The window: the next frames of a queue that will be pulled, read ahead.
//!
//! A push into a queue whose window reaches its end is appended from memory, so a consumer that keeps up never reads
//! the disk. Where the window ends short of the queue, a reader outside the writer fetches the next frames.
//! W1: the frames of a window are neighbours, but for messages between them that are gone.

use std::collections::VecDeque;

use bytes::Bytes;
use kew_model::Sequence;

use crate::record::batch::{Batch, Stored};
use crate::record::read_batch;

/// A frame's messages for one queue: all that live from one sequence to another, as far as the frame is not outdated.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) first: u64,
    /// The sequence after its last.
    pub(crate) end: u64,
    /// The frame's payload and where in it the record begins.
    pub(crate) payload: Bytes,
    pub(crate) record_start: u32,
}

impl Head {
    /// A record's messages.
    pub(crate) fn new(batch: &Batch<'_>, payload: Bytes, record_start: u32) -> Self {
        Self { first: batch.first.0, end: batch.end().0, payload, record_start }
    }

    pub(crate) fn holds(&self, sequence: Sequence) -> bool {
        (self.first..self.end).contains(&sequence.0)
    }

    /// Its messages. The payload was read once before it became a head, so it is readable.
    pub(crate) fn batch(&self) -> (Batch<'_>, u32) {
        read_batch(&self.payload, self.record_start).expect("a head is made of a record that was read")
    }
}

/// A message in line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InLine<'a> {
    pub(crate) stored: Stored,
    pub(crate) head: &'a Head,
}

/// The window of a queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    heads: VecDeque<Head>,
    bytes: usize,
    /// When a pull last asked for it, in steps of the shard.
    pub(crate) used: u64,
}

impl Window {
    /// The sequence after its last message; `None` when it holds none.
    pub(crate) fn end(&self) -> Option<u64> {
        self.heads.back().map(|head| head.end)
    }

    /// The bytes of payload that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a frame if it continues the window, or begins it anew when the window is empty.
    pub(crate) fn append(&mut self, head: Head) -> bool {
        let continues = self.end().is_none_or(|end| end <= head.first);
        if continues {
            self.bytes += head.payload.len();
            self.heads.push_back(head);
        }
        continues
    }

    /// Drops the frames that end at or below `cursor`.
    pub(crate) fn pass(&mut self, cursor: u64) {
        while self.heads.front().is_some_and(|head| head.end <= cursor) {
            self.bytes -= self.heads.pop_front().map_or(0, |head| head.payload.len());
        }
    }

    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.bytes = 0;
    }

    /// The messages from `cursor` on that were not held back, in order.
    pub(crate) fn in_line(&self, cursor: u64) -> impl Iterator<Item = InLine<'_>> {
        self.heads.iter().filter(move |head| head.end > cursor).flat_map(move |head| {
            let (batch, _) = head.batch();
            batch
                .messages()
                .filter(move |stored| {
                    head.holds(stored.sequence) && stored.sequence.0 >= cursor && !stored.is_delayed()
                })
                .map(move |stored| InLine { stored, head })
        })
    }

    /// The frame that holds a message.
    pub(crate) fn find(&self, sequence: Sequence) -> Option<&Head> {
        let at = self.heads.partition_point(|head| head.end <= sequence.0);
        self.heads.get(at).filter(|head| head.first <= sequence.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages `first..end`, in a frame of so many bytes.
    fn head(first: u64, end: u64, bytes: usize) -> Head {
        Head { first, end, payload: Bytes::from(vec![0; bytes]), record_start: 0 }
    }

    #[test]
    fn a_window_counts_the_bytes_of_the_frames_that_it_holds() {
        // Given two frames that are neighbours, and one that belongs before them
        let mut window = Window::default();
        assert!(window.append(head(1, 4, 100)) && window.append(head(4, 6, 20)));
        assert!(!window.append(head(5, 7, 3)));
        assert_eq!((window.bytes(), window.end()), (120, Some(6)));

        // Then a frame counts until its last message is passed
        window.pass(3);
        assert_eq!(window.bytes(), 120);
        window.pass(4);
        assert_eq!((window.bytes(), window.end()), (20, Some(6)));
        window.clear();
        assert_eq!((window.bytes(), window.end()), (0, None));
    }

    #[test]
    fn a_message_is_found_in_the_frame_that_holds_it() {
        let mut window = Window::default();
        // The messages between were gone when the second was read.
        assert!(window.append(head(1, 4, 1)) && window.append(head(6, 8, 1)));
        let found = |sequence| window.find(Sequence(sequence)).map(|head| head.first);
        assert_eq!([1, 3, 4, 5, 6, 7, 8].map(found), [Some(1), Some(1), None, None, Some(6), Some(6), None]);
    }
}
