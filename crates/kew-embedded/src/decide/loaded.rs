//! Frames that were read for a decision.
//!
//! Cleaning moves a large frame in several steps (`relocate.rs`): meanwhile what has moved lies in newer frames, and the
//! rest in a frame that still says that it begins where it once did. So the frame that begins next before a message need
//! not be the one that holds it.
//! W2: the stretches of the frames that were read do not overlap; each is one in which a frame holds all that lives.

use std::collections::BTreeMap;

use kew_model::Sequence;

use crate::queue::window::Head;
use crate::record::batch::Stored;

/// Frames of one queue, by where their stretches begin, with the sequences at which these end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loaded(BTreeMap<u64, (u64, Head)>);

impl Loaded {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a frame. Of several that hold a message each tells the same of it; this one does from now on.
    pub(crate) fn add(&mut self, head: Head) {
        let (first, end) = (head.first, head.end);
        let last = self.0.range(..end).next_back();
        let behind = last.filter(|(_, (until, _))| *until > end).map(|(_, stretch)| stretch.clone());
        if let Some((_, (until, _))) = self.0.range_mut(..first).next_back() {
            *until = first.min(*until);
        }
        let within: Vec<u64> = self.0.range(first..end).map(|(from, _)| *from).collect();
        within.iter().for_each(|from| drop(self.0.remove(from)));
        self.0.extend(behind.map(|stretch| (end, stretch)));
        self.0.insert(first, (end, head));
    }

    /// The frame that holds a message, if it lives.
    pub(crate) fn holding(&self, sequence: u64) -> Option<&Head> {
        let (_, (end, head)) = self.0.range(..=sequence).next_back()?;
        (sequence < *end).then_some(head)
    }

    /// A message, and the frame that holds it.
    pub(crate) fn find(&self, sequence: Sequence) -> Option<(&Head, Stored)> {
        let head = self.holding(sequence.0)?;
        let (batch, _) = head.batch();
        batch.messages().find(|stored| stored.sequence == sequence).map(|stored| (head, stored))
    }

    /// The frames, by rising stretches.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &Head> {
        self.0.values().map(|(_, head)| head)
    }

    /// About how many bytes of frames these are.
    pub(crate) fn bytes(&self) -> usize {
        self.heads().map(|head| head.payload.len()).sum()
    }

    /// Forgets the stretches that end at a sequence or before it.
    pub(crate) fn forget_before(&mut self, floor: u64) {
        self.0.retain(|_, (end, _)| *end > floor);
    }
}

impl Extend<Head> for Loaded {
    fn extend<T: IntoIterator<Item = Head>>(&mut self, heads: T) {
        heads.into_iter().for_each(|head| self.add(head));
    }
}

impl FromIterator<Head> for Loaded {
    fn from_iter<T: IntoIterator<Item = Head>>(heads: T) -> Self {
        let mut loaded = Self::new();
        loaded.extend(heads);
        loaded
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use kew_model::{ContentType, MessageId, QueueNumber, Timestamp};

    use super::*;
    use crate::decide::compose;
    use crate::record::batch::{Moving, put_moved};
    use crate::record::{BatchKind, read_frame};

    /// The queue that the messages of [`frame`] came from.
    pub(crate) const ORIGIN: QueueNumber = QueueNumber(2);

    /// A frame of dead letters from one sequence up to another.
    pub(crate) fn frame(first: u64, end: u64) -> Head {
        let moving = Moving {
            id: MessageId([2; 16]),
            content_type: ContentType::Text,
            sent_at: Timestamp(1),
            arrived_at: Timestamp(1),
            body: b"body",
        };
        let messages: Vec<_> = (first..end).map(|_| Moving { ..moving }).collect();
        let frame = compose(Timestamp(1), 64, |frame| {
            frame.messages(BatchKind::Moved, |out| {
                put_moved(out, QueueNumber(1), Sequence(first), ORIGIN, &messages);
            });
        });
        let payload = frame.payload().to_vec();
        let (_, records) = read_frame(&payload).unwrap();
        let (batch, start) = (records[0].record.messages().unwrap(), records[0].start);
        Head::new(batch, payload.clone().into(), start)
    }

    #[test]
    fn each_message_is_found_however_the_frames_that_hold_it_overlap() {
        // Given frames of which each holds what lies between two sequences, in whatever order they were read
        let frames = [(1, 31), (1, 11), (11, 21), (5, 25), (25, 40)].map(|(first, end)| frame(first, end));
        for at in 0..5 * 4 * 3 {
            let mut left: Vec<_> = frames.iter().collect();
            let order = [left.remove(at % 5), left.remove(at / 5 % 4), left.remove(at / 20)];
            let mut loaded = Loaded::new();
            for (count, head) in order.into_iter().enumerate() {
                // When another comes
                loaded.add(head.clone());

                // Then each message that one of them holds is found, and no other
                for sequence in 1..=40 {
                    let found = loaded.find(Sequence(sequence)).map(|(_, stored)| stored.sequence.0);
                    let held = order[..=count].iter().any(|head| head.holds(Sequence(sequence)));
                    assert_eq!(found, held.then_some(sequence), "{:?}", loaded.0.keys());
                }
                let ends: Vec<_> = loaded.0.values().map(|(end, _)| *end).collect();
                let begins: Vec<_> = loaded.0.keys().skip(1).copied().collect();
                assert!(ends.iter().zip(&begins).all(|(end, next)| end <= next), "W2: {ends:?}, {begins:?}");
            }
        }
    }
}
