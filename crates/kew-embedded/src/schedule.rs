//! Queues by a time that each of them has, or has not.

use std::collections::{BTreeMap, BTreeSet};

use kew_model::{QueueNumber, Timestamp};

use crate::effort::Effort;

/// One time for each queue at the most, with the earliest at hand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schedule {
    by_time: BTreeSet<(Timestamp, QueueNumber)>,
    times: BTreeMap<QueueNumber, Timestamp>,
    pub(crate) effort: Effort,
}

impl Schedule {
    /// Gives a queue its time, or takes it away.
    pub(crate) fn set(&mut self, queue: QueueNumber, at: Option<Timestamp>) {
        self.effort.note();
        let old = match at {
            Some(at) => self.times.insert(queue, at),
            None => self.times.remove(&queue),
        };
        if old != at {
            old.map(|old| self.by_time.remove(&(old, queue)));
            at.map(|at| self.by_time.insert((at, queue)));
        }
    }

    /// A queue's time.
    pub(crate) fn of(&self, queue: QueueNumber) -> Option<Timestamp> {
        self.times.get(&queue).copied()
    }

    /// Whether a queue has a time.
    pub(crate) fn has(&self, queue: QueueNumber) -> bool {
        self.times.contains_key(&queue)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// All times, the earliest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Timestamp, QueueNumber)> {
        self.by_time.iter().copied().inspect(|_| self.effort.note())
    }

    /// The earliest time, and whose.
    pub(crate) fn first(&self) -> Option<(Timestamp, QueueNumber)> {
        self.iter().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_has_one_time() {
        let mut schedule = Schedule::default();
        let (one, two) = (QueueNumber(1), QueueNumber(2));
        schedule.set(one, Some(Timestamp(30)));
        schedule.set(two, Some(Timestamp(20)));
        assert_eq!(schedule.first(), Some((Timestamp(20), two)));
        schedule.set(two, Some(Timestamp(40)));
        assert_eq!(schedule.first(), Some((Timestamp(30), one)));
        schedule.set(one, None);
        schedule.set(two, None);
        assert_eq!(schedule.first(), None);
    }
}
