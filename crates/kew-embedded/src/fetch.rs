//! What is read outside the writer, for whom, and what came of it.

use kew_journal::{Position, SegmentId};
use kew_model::{QueueNumber, Sequence};

use crate::queue::window::Head;

/// Where a message lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Locator {
    pub(crate) queue: QueueNumber,
    pub(crate) sequence: Sequence,
    pub(crate) segment: SegmentId,
    /// Where its frame begins; to be looked up in the segment's index when absent.
    pub(crate) position: Option<Position>,
}

/// Something to read, outside the writer, and to hand back as [`Fetched`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// The next frames of a queue from a message on.
    Heads { from: Locator, positions: Vec<Position> },
    /// The oldest frames of a queue, from a message on.
    Oldest { from: Locator, positions: Vec<Position> },
    /// The frames of these messages, as far as they come to so many bytes, and one in any case.
    Messages { queue: QueueNumber, messages: Vec<Locator>, most_bytes: usize, purpose: Purpose },
}

impl Fetch {
    pub(crate) fn queue(&self) -> QueueNumber {
        match self {
            Self::Heads { from, .. } | Self::Oldest { from, .. } => from.queue,
            Self::Messages { queue, .. } => *queue,
        }
    }

    /// What is asked for, and where.
    pub(crate) fn extent(&self) -> Extent {
        match self {
            Self::Heads { from, .. } | Self::Oldest { from, .. } => {
                Extent { message: Some(from.sequence), count: 0, segments: from.segment.0 }
            }
            Self::Messages { messages, .. } => Extent {
                message: messages.last().map(|locator| locator.sequence),
                count: messages.len(),
                segments: messages.iter().fold(0, |sum, locator| locator.segment.0.wrapping_add(sum)),
            },
        }
    }

    pub(crate) fn purpose(&self) -> Purpose {
        match self {
            Self::Heads { .. } => Purpose::Line,
            Self::Oldest { .. } => Purpose::Age,
            Self::Messages { purpose, .. } => *purpose,
        }
    }
}

/// What is read for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The next of the line, for pulls.
    Line,
    /// The oldest of a queue, to tell how old they are.
    Age,
    /// Messages to delete or to move by name.
    Verb,
    /// Messages to move to the dead letters.
    Burial,
}

/// What a read is to bring, as far as that tells it from the one before for the same purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The first message of a stretch, or the last of those named.
    message: Option<Sequence>,
    /// How many are named.
    count: usize,
    /// The sum of their segments' numbers: it rises whenever some of them move, since messages move to newer segments
    /// only.
    segments: u64,
}

/// What was asked for last, and how often in a row.
///
/// Twice in the same place is once too often already. Elsewhere it is another read: cleaning may move messages, and
/// free the segment that they were in, before they are read, and do that again with others while these are read again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    extent: Extent,
    times: u8,
}

impl Wish {
    /// Notes what is asked for; false when it was twice before, and in vain.
    pub(crate) fn goes_on(&mut self, extent: Extent) -> bool {
        self.times = if self.extent == extent { self.times.saturating_add(1) } else { 1 };
        self.extent = extent;
        self.times <= 2
    }
}

/// What was read: frames of one queue, by rising sequence.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) queue: QueueNumber,
    pub(crate) purpose: Purpose,
    pub(crate) heads: Result<Vec<Head>, kew_journal::Error>,
}

/// A part of a segment to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) segment: SegmentId,
    pub(crate) from_offset: u32,
}

/// What a part of a segment holds.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) segment: SegmentId,
    /// Messages, in the order of the file.
    pub(crate) frames: Vec<(QueueNumber, Head)>,
    /// Where the next part begins; none at the end.
    pub(crate) next_offset: Option<u32>,
    /// How many bytes were read.
    pub(crate) bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A read of two messages, in these segments.
    fn fetch(segments: [u64; 2]) -> Fetch {
        let queue = QueueNumber(1);
        let locator = |(segment, sequence)| Locator {
            queue,
            sequence: Sequence(sequence),
            segment: SegmentId(segment),
            position: None,
        };
        let messages = segments.into_iter().zip([8, 10]).map(locator).collect();
        Fetch::Messages { queue, messages, most_bytes: 1, purpose: Purpose::Burial }
    }

    #[test]
    fn what_moves_before_it_is_read_is_asked_for_as_often_as_it_moves() {
        let mut wish = Wish::default();
        for segments in [[2, 3], [4, 3], [4, 5], [6, 5], [6, 7]] {
            assert!(wish.goes_on(fetch(segments).extent()), "{segments:?}");
        }
    }

    #[test]
    fn what_stays_where_it_is_is_asked_for_twice_at_the_most() {
        let mut wish = Wish::default();
        let tries = [1, 2, 3].map(|_| wish.goes_on(fetch([2, 3]).extent()));
        assert_eq!(tries, [true, true, false]);
    }
}
