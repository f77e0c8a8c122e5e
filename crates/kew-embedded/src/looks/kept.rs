//! The frames that looks have read, kept for the next looks at the same queues: the limit of age moves through a
//! stretch of frames message by message, and one read brings the whole stretch.

use std::collections::VecDeque;

use kew_model::QueueNumber;

use crate::decide::loaded::Loaded;

/// How many bytes of frames are kept, over all queues.
const KEPT_BYTES: usize = 4 << 20;

/// Frames of the queues that were looked at last, the latest at the end.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    queues: VecDeque<(QueueNumber, Loaded)>,
    none: Loaded,
}

impl Kept {
    /// What is kept of a queue.
    pub(crate) fn of(&self, queue: QueueNumber) -> &Loaded {
        self.queues.iter().find(|(number, _)| *number == queue).map_or(&self.none, |(_, frames)| frames)
    }

    /// Keeps what was read for a look, beside what is kept of the queue already, as far as there is room.
    pub(crate) fn add(&mut self, queue: QueueNumber, fresh: Loaded) {
        let mut frames = self.take(queue);
        frames.extend(fresh.heads().cloned());
        if frames.bytes() > KEPT_BYTES {
            frames = fresh;
        }
        self.queues.push_back((queue, frames));
        while self.queues.len() > 1
            && self.queues.iter().map(|(_, frames)| frames.bytes()).sum::<usize>() > KEPT_BYTES
        {
            self.queues.pop_front();
        }
    }

    /// Forgets the frames of a queue that hold nothing from its floor on.
    pub(crate) fn trim(&mut self, queue: QueueNumber, floor: u64) {
        let mut frames = self.take(queue);
        frames.forget_before(floor);
        if !frames.is_empty() {
            self.queues.push_back((queue, frames));
        }
    }

    fn take(&mut self, queue: QueueNumber) -> Loaded {
        let at = self.queues.iter().position(|(number, _)| *number == queue);
        at.and_then(|at| self.queues.remove(at)).map(|(_, frames)| frames).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::queue::window::Head;

    fn frames(from: u64, count: u64) -> Loaded {
        let head =
            |first| Head { first, end: first + 1, payload: Bytes::from(vec![0; 1 << 20]), record_start: 0 };
        (from..from + count).map(head).collect()
    }

    fn firsts(kept: &Kept, queue: u32) -> Vec<u64> {
        kept.of(QueueNumber(queue)).heads().map(|head| head.first).collect()
    }

    #[test]
    fn the_latest_are_kept_as_far_as_there_is_room() {
        let mut kept = Kept::default();
        (1..=9).for_each(|queue| kept.add(QueueNumber(queue), frames(1, 1)));
        assert!(kept.of(QueueNumber(5)).is_empty());
        assert_eq!(firsts(&kept, 9).len(), 1);
        kept.add(QueueNumber(9), frames(2, 2));
        assert_eq!(firsts(&kept, 9).len(), 3);
        assert_eq!(kept.queues.len(), 2);
        kept.add(QueueNumber(9), frames(4, 2));
        assert_eq!(firsts(&kept, 9), [4, 5]);
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut kept = Kept::default();
        kept.add(QueueNumber(1), frames(1, 3));
        kept.trim(QueueNumber(1), 3);
        assert_eq!(firsts(&kept, 1), [3]);
        kept.trim(QueueNumber(1), 4);
        assert!(kept.queues.is_empty());
    }
}
