//! How much is under way to the disk, and whether another group should follow at once.

use kew_journal::FLIGHTS_MAX;

use crate::sync::{AtomicUsize, Ordering};

/// Counts what the writers have taken and not given out, and what gathers meanwhile.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    turns: AtomicUsize,
    answers: AtomicUsize,
    gathered: AtomicUsize,
}

impl UnderWay {
    /// So many answers wait at the desk.
    pub(crate) fn gathers(&self, answers: usize) {
        self.gathered.store(answers, Ordering::Relaxed);
    }

    /// A writer has taken everything, with so many answers.
    pub(crate) fn begins(&self, answers: usize) {
        self.gathered.store(0, Ordering::Relaxed);
        self.answers.fetch_add(answers, Ordering::Relaxed);
        self.turns.fetch_add(1, Ordering::SeqCst);
    }

    /// A turn has come to its end.
    pub(crate) fn ends(&self, answers: usize) {
        self.answers.fetch_sub(answers, Ordering::Relaxed);
        self.turns.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether nothing is.
    pub(crate) fn is_none(&self) -> bool {
        self.turns.load(Ordering::SeqCst) == 0
    }

    /// Whether a writer that sleeps is to be woken for what has gathered: when no other is at work, or when as much has
    /// gathered as one of those takes along. Smaller groups would cost more syncs than they save time; they are seen to
    /// by the next writer that is done.
    pub(crate) fn wants_another(&self) -> bool {
        let turns = self.turns.load(Ordering::SeqCst);
        let (gathered, answers) =
            (self.gathered.load(Ordering::Relaxed), self.answers.load(Ordering::Relaxed));
        turns == 0 || (turns < FLIGHTS_MAX && gathered * turns >= answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_group_follows_at_once_when_it_is_as_large_as_those_under_way() {
        let under_way = UnderWay::default();
        assert!(under_way.wants_another(), "nobody else sees to it");
        under_way.begins(10);
        under_way.gathers(9);
        assert!(!under_way.wants_another());
        under_way.gathers(10);
        assert!(under_way.wants_another());
        under_way.begins(5);
        under_way.gathers(100);
        assert!(!under_way.wants_another(), "as many are under way as may");
        under_way.ends(10);
        assert!(under_way.wants_another());
        under_way.gathers(4);
        assert!(!under_way.wants_another());
    }
}
