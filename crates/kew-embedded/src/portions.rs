//! How much of something each queue holds, with the largest portion at hand.

use std::collections::{BTreeMap, BTreeSet};

use kew_model::QueueNumber;

/// Counts by queue, and what they may come to.
#[derive(Debug, Clone)]
pub(crate) struct Portions {
    by_count: BTreeSet<(usize, QueueNumber)>,
    counts: BTreeMap<QueueNumber, usize>,
    total: usize,
    /// What all of them together may come to.
    pub(crate) most: usize,
}

impl Default for Portions {
    /// Without a bound.
    fn default() -> Self {
        Self { by_count: BTreeSet::new(), counts: BTreeMap::new(), total: 0, most: usize::MAX }
    }
}

impl Portions {
    /// How many a queue holds now.
    pub(crate) fn set(&mut self, queue: QueueNumber, count: usize) {
        let old = self.counts.insert(queue, count).unwrap_or(0);
        self.total = self.total - old + count;
        self.by_count.remove(&(old, queue));
        if count == 0 {
            self.counts.remove(&queue);
        } else {
            self.by_count.insert((count, queue));
        }
    }

    /// The queue that holds the most, while all of them together hold too many.
    pub(crate) fn beyond(&self) -> Option<QueueNumber> {
        let largest = self.by_count.last().map(|(_, queue)| *queue);
        largest.filter(|_| self.total > self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_portion_is_found_while_there_is_too_much() {
        let (one, two) = (QueueNumber(1), QueueNumber(2));
        let mut portions = Portions { most: 5, ..Portions::default() };
        portions.set(one, 2);
        portions.set(two, 3);
        assert_eq!(portions.beyond(), None);
        portions.set(one, 4);
        assert_eq!(portions.beyond(), Some(one));
        portions.set(one, 3);
        portions.set(two, 4);
        assert_eq!(portions.beyond(), Some(two));
        portions.set(two, 0);
        assert_eq!((portions.beyond(), portions.total, portions.by_count.len()), (None, 3, 1));
    }
}
