//! Who has done what so far, shared by all clients of a run; and the proof that every message came exactly once.
//!
//! A message's number is taken, pushed, claimed, pulled and acked, in this order. A claim is a consumer's word that it
//! will pull so many of the pushed messages; what its pull does not return, it gives back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::bench::answers::Pulled;

/// The books of one run.
#[derive(Debug)]
pub(super) struct Ledger {
    limit: u64,
    taken: AtomicU64,
    pushed: AtomicU64,
    claimed: AtomicU64,
    pulled: AtomicU64,
    acked: AtomicU64,
    doubled: AtomicU64,
    foreign: AtomicU64,
    producers: AtomicU64,
    given_up: AtomicBool,
    seen: Box<[AtomicU64]>,
    news: Notify,
    room: Notify,
}

/// What a consumer may do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Pull so many.
    Take(u64),
    /// Wait for news.
    Wait,
    /// Everything that was pushed has been acked, and nobody pushes any more.
    Done,
}

/// The totals of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub(super) struct Totals {
    /// Messages in answered pushes.
    pub(super) pushed: u64,
    /// Messages in answered pulls, repeated ones included.
    pub(super) pulled: u64,
    /// Acks that the server counted.
    pub(super) acked: u64,
    /// Messages pulled a second or later time.
    pub(super) doubled: u64,
    /// Messages pulled that this run has not pushed.
    pub(super) foreign: u64,
}

impl Ledger {
    /// Books for up to `limit` messages, pushed by `producers` clients; with `exact`, what is pulled is checked one
    /// by one, at the cost of a bit for each message.
    pub(super) fn new(limit: u64, producers: usize, exact: bool) -> Self {
        let words = if exact { limit.div_ceil(64) } else { 0 };
        Self {
            limit,
            taken: AtomicU64::new(0),
            pushed: AtomicU64::new(0),
            claimed: AtomicU64::new(0),
            pulled: AtomicU64::new(0),
            acked: AtomicU64::new(0),
            doubled: AtomicU64::new(0),
            foreign: AtomicU64::new(0),
            producers: AtomicU64::new(producers as u64),
            given_up: AtomicBool::new(false),
            seen: (0..words).map(|_| AtomicU64::new(0)).collect(),
            news: Notify::new(),
            room: Notify::new(),
        }
    }

    /// The number of the first of `count` messages to push; `None` when the limit leaves no room for them.
    pub(super) fn take(&self, count: u64) -> Option<u64> {
        let room = |taken: u64| (taken + count <= self.limit).then_some(taken + count);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()
    }

    /// Notes an answered push.
    pub(super) fn note_pushed(&self, count: u64) {
        self.pushed.fetch_add(count, Ordering::Release);
        self.news.notify_one();
    }

    /// Notes that a producer has ended.
    pub(super) fn note_producer_done(&self) {
        self.producers.fetch_sub(1, Ordering::Release);
        self.news.notify_waiters();
    }

    /// Notes that a client has failed, so that the others do not wait for it.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// Whether a client has failed.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Claims up to `most` messages.
    pub(super) fn claim(&self, most: u64) -> Claim {
        let finished = self.producers.load(Ordering::Acquire) == 0;
        let pushed = self.pushed.load(Ordering::Acquire);
        if finished && self.acked.load(Ordering::Acquire) >= pushed {
            return Claim::Done;
        }
        let more = |claimed: u64| (claimed < pushed).then(|| claimed + most.min(pushed - claimed));
        match self.claimed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(before) => Claim::Take(most.min(pushed - before)),
            Err(_) => Claim::Wait,
        }
    }

    /// Gives back what a claim promised and a pull did not return; or claims what it returned beyond that, since it asks for
    /// full batches, and messages come whose push is not noted yet.
    pub(super) fn settle_claim(&self, claimed: u64, found: u64) {
        if found < claimed {
            self.claimed.fetch_sub(claimed - found, Ordering::Relaxed);
        } else {
            self.claimed.fetch_add(found - claimed, Ordering::Relaxed);
        }
    }

    /// Notes how many messages a pull returned.
    pub(super) fn note_pulled(&self, count: u64) {
        self.pulled.fetch_add(count, Ordering::Relaxed);
    }

    /// Notes one pulled message; for exact books.
    pub(super) fn note_message(&self, message: Pulled) {
        let number = match message {
            Pulled::Own(number) if number < self.taken.load(Ordering::Relaxed) => number,
            _ => {
                self.foreign.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        // The number is below the limit, for which the words were made; 64 bits to a word.
        let word = usize::try_from(number / 64).ok().and_then(|index| self.seen.get(index));
        let bit = 1 << (number % 64);
        if word.is_none_or(|word| word.fetch_or(bit, Ordering::Relaxed) & bit != 0) {
            self.doubled.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes acks that the server counted.
    pub(super) fn note_acked(&self, count: u64) {
        self.acked.fetch_add(count, Ordering::Release);
        self.room.notify_waiters();
        if self.producers.load(Ordering::Acquire) == 0 {
            self.news.notify_waiters();
        }
    }

    /// Messages pushed and not yet acked.
    pub(super) fn outstanding(&self) -> u64 {
        self.pushed.load(Ordering::Acquire).saturating_sub(self.acked.load(Ordering::Acquire))
    }

    /// Waits until there may be something to pull, or nothing any more. May be woken without need, and may miss news
    /// of just now, so a caller bounds its waiting.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Waits until something has been acked; with the same reservations as [`Ledger::news`].
    pub(super) async fn room(&self) {
        self.room.notified().await;
    }

    /// The totals so far.
    pub(super) fn totals(&self) -> Totals {
        Totals {
            pushed: self.pushed.load(Ordering::Acquire),
            pulled: self.pulled.load(Ordering::Acquire),
            acked: self.acked.load(Ordering::Acquire),
            doubled: self.doubled.load(Ordering::Acquire),
            foreign: self.foreign.load(Ordering::Acquire),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_up_to_the_limit() {
        let ledger = Ledger::new(250, 1, true);
        assert_eq!((ledger.take(100), ledger.take(100)), (Some(0), Some(100)));
        assert_eq!((ledger.take(100), ledger.take(50)), (None, Some(200)));
    }

    #[test]
    fn a_pull_that_returns_more_than_was_claimed_leaves_less_to_claim() {
        // Given a message whose push was answered, and one whose answer is on its way
        let ledger = Ledger::new(100, 1, true);
        ledger.note_pushed(1);
        assert_eq!(ledger.claim(10), Claim::Take(1));

        // When a pull returns both
        ledger.settle_claim(1, 2);
        ledger.note_pushed(1);

        // Then nothing is left to claim, and the run comes to its end
        assert_eq!(ledger.claim(10), Claim::Wait);
        ledger.note_acked(2);
        ledger.note_producer_done();
        assert_eq!(ledger.claim(10), Claim::Done);
    }

    #[test]
    fn a_consumer_claims_what_was_pushed_and_is_done_when_all_is_acked() {
        let ledger = Ledger::new(100, 1, true);
        assert_eq!(ledger.claim(100), Claim::Wait);
        ledger.note_pushed(70);
        assert_eq!((ledger.claim(50), ledger.claim(50)), (Claim::Take(50), Claim::Take(20)));
        ledger.settle_claim(20, 15);
        assert_eq!(ledger.claim(50), Claim::Take(5));
        assert_eq!(ledger.outstanding(), 70);
        ledger.note_acked(70);
        assert_eq!(ledger.claim(50), Claim::Wait, "a producer is still at work");
        ledger.note_producer_done();
        assert_eq!(ledger.claim(50), Claim::Done);
    }

    #[test]
    fn doubled_and_foreign_messages_are_told_from_those_expected() {
        let ledger = Ledger::new(100, 1, true);
        ledger.take(100);
        (0..100).for_each(|number| ledger.note_message(Pulled::Own(number)));
        assert_eq!(ledger.totals(), Totals::default());
        ledger.note_message(Pulled::Own(63));
        ledger.note_message(Pulled::Own(100));
        ledger.note_message(Pulled::Foreign);
        assert_eq!((ledger.totals().doubled, ledger.totals().foreign), (1, 2));
    }
}
