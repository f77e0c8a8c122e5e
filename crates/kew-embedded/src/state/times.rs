//! The times of all queues: what comes to its end next, and where.

use kew_model::{QueueNumber, Timestamp};

use super::State;
use crate::queue::QueueState;
use crate::queue::runs::Phase;

impl State {
    /// Keeps the earliest end of a lease, the oldest message and the exhausted of a queue in sight of the whole store.
    pub(crate) fn watch_times(&mut self, number: QueueNumber) {
        self.expiries.set(number, self.queues.get(&number).and_then(QueueState::expiry));
        self.looks.set(number, self.queues.get(&number).and_then(QueueState::next_look));
        let runs = self.queues.get(&number).map(|queue| &queue.runs);
        self.deadlines.set(number, runs.and_then(|runs| runs.next(Phase::Leased)));
        self.exhausted.set(number, runs.and_then(|runs| runs.next(Phase::Exhausted)));
        self.watch_ripening(number);
    }

    pub(super) fn watch_ripening(&mut self, number: QueueNumber) {
        let queue = self.queues.get_mut(&number);
        self.ripening.set(number, queue.and_then(|queue| queue.next_available(self.ripened_until)));
    }

    /// The queues in which time has made something available since the last call. One may be named though nothing has
    /// come; none is left out.
    pub(crate) fn ripen(&mut self, now: Timestamp) -> Vec<QueueNumber> {
        self.ripened_until = self.ripened_until.max(now);
        let mut ripe = Vec::new();
        while let Some((_, number)) = self.next_ripening().filter(|(at, _)| *at <= self.ripened_until) {
            ripe.push(number);
            self.watch_ripening(number);
        }
        ripe
    }

    /// When something becomes available next by time alone, and where.
    pub(crate) fn next_ripening(&self) -> Option<(Timestamp, QueueNumber)> {
        self.ripening.first()
    }

    /// Each queue's earliest end of a lease, the earliest first.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (Timestamp, QueueNumber)> {
        self.deadlines.iter()
    }

    pub(crate) fn deadline(&self, number: QueueNumber) -> Option<Timestamp> {
        self.deadlines.of(number)
    }

    /// When each queue's oldest message may be too old, the earliest first.
    pub(crate) fn expiries(&self) -> impl Iterator<Item = (Timestamp, QueueNumber)> {
        self.expiries.iter()
    }

    pub(crate) fn expiry(&self, number: QueueNumber) -> Option<Timestamp> {
        self.expiries.of(number)
    }

    /// When time leads to a look at each queue's oldest messages, the earliest first.
    pub(crate) fn looks(&self) -> impl Iterator<Item = (Timestamp, QueueNumber)> {
        self.looks.iter()
    }

    /// Somebody asks for a queue: its oldest messages are looked at as soon as they may be too old.
    pub(crate) fn want_look(&mut self, number: QueueNumber) {
        if let Some(queue) = self.queues.get_mut(&number).filter(|queue| queue.look_after > Timestamp(0)) {
            queue.look_after = Timestamp(0);
            self.looks.set(number, queue.next_look());
        }
    }

    /// How many queues' times were looked at so far.
    #[cfg(feature = "test-util")]
    pub(crate) fn effort(&self) -> u64 {
        [&self.deadlines, &self.expiries, &self.looks, &self.ripening, &self.exhausted]
            .map(|schedule| schedule.effort.total())
            .iter()
            .sum()
    }
}
