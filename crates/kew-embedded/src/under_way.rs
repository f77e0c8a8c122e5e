//! How much is under way to the disk, what gathers meanwhile, and who should see to that, and when.

use std::time::Duration;

use kew_journal::FLIGHTS_MAX;

use crate::sync::{AtomicUsize, Ordering};

/// A group of this size, in bytes, is sent off as soon as it is there: what is still to come takes the processor longer than
/// a sync does, and can go with the next one.
const LARGE_BYTES: usize = 48 << 10;

/// Of a hundred tasks of a runtime, which are its connections for the most part, so many: a group that has answers for them is
/// sent off though more are about to ask, when nothing is under way. What the rest bring is decided during its sync; if all
/// went together, that would begin when there is nothing left to do, and everybody would wait for it.
const MOST_PERCENT: usize = 60;

/// But no group of fewer answers than this: what a sync costs the processor is shared by them.
const MOST_MIN: usize = 20;

/// Whoever asks may make so many answers durable by themselves. Where more come at a time, others of the same thread are
/// about to ask, and had better do that during the sync.
const FEW: usize = 2;

/// Whoever asks may make durable what has gathered if that took less than this the last time: so long the others of its
/// thread may have to wait for it.
const SWIFT: Duration = Duration::from_millis(1);

/// Counts what the writers have taken and not given out, and what gathers meanwhile.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    turns: AtomicUsize,
    answers: AtomicUsize,
    gathered: AtomicUsize,
    gathered_bytes: AtomicUsize,
    /// How long the last group took, in microseconds; 0 while that is not known.
    last_microseconds: AtomicUsize,
}

impl UnderWay {
    /// So many answers wait at the desk, for a group of so many bytes.
    pub(crate) fn gathers(&self, answers: usize, bytes: u64) {
        self.gathered.store(answers, Ordering::Relaxed);
        self.gathered_bytes.store(usize::try_from(bytes).unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    /// A writer has taken everything, with so many answers.
    pub(crate) fn begins(&self, answers: usize) {
        self.gathers(0, 0);
        self.answers.fetch_add(answers, Ordering::Relaxed);
        self.turns.fetch_add(1, Ordering::SeqCst);
    }

    /// A group was written and synced in this time.
    pub(crate) fn took(&self, time: Duration) {
        let microseconds = usize::try_from(time.as_micros()).unwrap_or(usize::MAX);
        self.last_microseconds.store(microseconds.max(1), Ordering::Relaxed);
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

    /// Whether what has gathered is so much that it should not wait for what else is about to come.
    pub(crate) fn is_large(&self) -> bool {
        self.gathered_bytes.load(Ordering::Relaxed) >= LARGE_BYTES
    }

    /// Whether as much has gathered as if most of so many tasks had brought one thing each, while nothing is under way. More
    /// than that is what a few have brought, who may bring more.
    pub(crate) fn is_most_of(&self, tasks: impl FnOnce() -> usize) -> bool {
        let gathered = self.gathered.load(Ordering::Relaxed);
        if gathered < MOST_MIN || !self.is_none() {
            return false;
        }
        let tasks = tasks();
        gathered <= tasks && gathered * 100 >= tasks * MOST_PERCENT
    }

    /// Whether whoever has brought something may make it durable on its own thread, instead of waking a writer and being
    /// woken by it: when nothing is under way, little has gathered, and syncs are swift.
    pub(crate) fn suits_whoever_asks(&self) -> bool {
        let took = self.last_microseconds.load(Ordering::Relaxed);
        let is_swift = took > 0 && took < SWIFT.as_micros() as usize;
        is_swift && self.is_none() && self.gathered.load(Ordering::Relaxed) <= FEW && !self.is_large()
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
        under_way.gathers(9, 900);
        assert!(!under_way.wants_another());
        under_way.gathers(10, 1_000);
        assert!(under_way.wants_another());
        under_way.begins(5);
        under_way.gathers(100, 10_000);
        assert!(!under_way.wants_another(), "as many are under way as may");
        under_way.ends(10);
        assert!(under_way.wants_another());
        under_way.gathers(4, 400);
        assert!(!under_way.wants_another());
    }

    #[test]
    fn a_large_group_does_not_wait_for_more() {
        let under_way = UnderWay::default();
        under_way.gathers(3, LARGE_BYTES as u64 - 1);
        assert!(!under_way.is_large());
        under_way.gathers(3, LARGE_BYTES as u64);
        assert!(under_way.is_large());
        under_way.begins(3);
        assert!(!under_way.is_large(), "it has been taken");
    }

    #[test]
    fn a_group_of_most_of_those_who_could_ask_does_not_wait_for_the_rest() {
        let under_way = UnderWay::default();
        under_way.gathers(59, 5_900);
        assert!(!under_way.is_most_of(|| 100));
        under_way.gathers(60, 6_000);
        assert!(under_way.is_most_of(|| 100));
        assert!(!under_way.is_most_of(|| 101));
        under_way.gathers(MOST_MIN - 1, 1_900);
        assert!(!under_way.is_most_of(|| MOST_MIN), "a sync for few costs each of them much");
        under_way.gathers(MOST_MIN, 2_000);
        assert!(under_way.is_most_of(|| MOST_MIN));
        assert!(!under_way.is_most_of(|| MOST_MIN - 1), "a task that brings several may bring more");
        under_way.begins(MOST_MIN);
        under_way.gathers(MOST_MIN, 2_000);
        assert!(
            !under_way.is_most_of(|| MOST_MIN),
            "there is something to wait for, and all may come meanwhile"
        );
        under_way.ends(MOST_MIN);
        assert!(under_way.is_most_of(|| MOST_MIN));
    }

    #[test]
    fn whoever_asks_syncs_what_is_little_where_syncs_are_swift_and_nothing_is_under_way() {
        let under_way = UnderWay::default();
        under_way.gathers(FEW, 300);
        assert!(!under_way.suits_whoever_asks(), "nobody knows how long it takes");
        under_way.took(Duration::from_micros(150));
        assert!(under_way.suits_whoever_asks());

        under_way.begins(1);
        assert!(!under_way.suits_whoever_asks(), "a writer is at it");
        under_way.ends(1);
        assert!(under_way.suits_whoever_asks());

        under_way.gathers(FEW + 1, 300);
        assert!(!under_way.suits_whoever_asks(), "many ask");
        under_way.gathers(1, LARGE_BYTES as u64);
        assert!(!under_way.suits_whoever_asks(), "there is much to write");
        under_way.gathers(1, 300);
        under_way.took(SWIFT);
        assert!(!under_way.suits_whoever_asks(), "others would wait too long");
    }
}
