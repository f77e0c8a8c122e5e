//! What lies between a flawed broker and the right one that it is made of: requests and answers bent on the way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use kew_model::{
    AckOutcome, Broker, Extend, Lease, Milliseconds, Peeked, Place, Pulled, PushBatch, Queue, QueueId,
    Redrive, Retry, Seconds, Settled, Settlement,
};
use kew_testkit::wait;

use super::{Flaw, Seen};

/// A right broker with something in between.
pub(super) struct Flawed {
    pub(super) inner: Arc<dyn Broker>,
    pub(super) flaw: Flaw,
    pub(super) seen: Seen,
    /// How often it was opened before.
    pub(super) opened: u8,
    leases: Mutex<Vec<(Place, Lease)>>,
    /// The retention periods that were asked for, where others are in force.
    periods: Mutex<BTreeMap<QueueId, Seconds>>,
}

impl Flawed {
    pub(super) fn new(inner: Arc<dyn Broker>, flaw: Flaw, seen: Seen, opened: u8) -> Self {
        Self { inner, flaw, seen, opened, leases: Mutex::default(), periods: Mutex::default() }
    }

    /// Ends every lease that was given since it was opened.
    pub(super) fn end_leases(&self) {
        for (place, lease) in self.leases.lock().unwrap().drain(..) {
            let extend = Extend { leases: vec![lease], visibility_timeout: Some(Milliseconds(0)) };
            drop(wait(self.inner.extend(place, extend)));
        }
    }

    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    pub(super) fn see(&self, what: impl core::fmt::Debug) {
        *self.seen.lock().unwrap().entry(format!("{what:?}")).or_default() += 1;
    }

    pub(super) fn bent_batch(&self, batch: &PushBatch) -> PushBatch {
        let mut bent = PushBatch::new();
        let loses = self.has(Flaw::LosesTheLastOfABatch) && batch.len() > 1;
        for (message, body) in batch.iter().take(batch.len() - usize::from(loses)) {
            let delay = if self.has(Flaw::IgnoresDelays) { Some(Seconds(0)) } else { message.delay };
            bent.add(body, message.content_type, delay).unwrap();
        }
        bent.idempotency = batch.idempotency.filter(|_| !self.has(Flaw::ForgetsKeys));
        if let Some(request) = &mut bent.idempotency {
            if self.has(Flaw::ForgetsKeysAtRestart) {
                request.key[15] ^= self.opened;
            }
            if self.has(Flaw::TakesAnyContentForTheSame) {
                request.content = [0; 16];
            }
        }
        bent
    }

    pub(super) fn bent_timeout(&self, place: Place, asked: Option<Milliseconds>) -> Option<Milliseconds> {
        let queue = self.inner.queue(place)?;
        let usual = match &queue.consumer.as_ref()?.kind {
            kew_model::ConsumerKind::HttpPull(settings) => settings.visibility_timeout,
            kew_model::ConsumerKind::Worker(_) => return asked,
        };
        let timeout = asked.unwrap_or(usual).0;
        Some(Milliseconds(match self.flaw {
            Flaw::GivesLeasedMessagesAway => 0,
            Flaw::EndsLeasesTooSoon => timeout.saturating_sub(1),
            Flaw::EndsLeasesTooLate => timeout + 1,
            _ => timeout,
        }))
    }

    pub(super) fn bent_pulled(&self, place: Place, mut pulled: Pulled) -> Pulled {
        for delivery in &mut pulled.messages {
            self.leases.lock().unwrap().push((place, delivery.lease));
            self.see(("attempts", delivery.attempts.min(5)));
            if self.has(Flaw::CountsNoAttempts) {
                delivery.attempts = 1;
            }
        }
        if self.has(Flaw::PullsBackwards) || self.has(Flaw::Loose) {
            pulled.messages.reverse();
        }
        pulled
    }

    pub(super) fn bent_settlement(&self, mut settlement: Settlement) -> Settlement {
        if self.has(Flaw::LosesAnAck) {
            settlement.acks.pop();
        }
        if self.has(Flaw::BringsAckedMessagesBack) {
            let back = settlement.acks.drain(..).map(|lease| Retry { lease, delay: Some(Seconds(3_600)) });
            settlement.retries.extend(back);
        }
        if self.has(Flaw::IgnoresRetryDelays) {
            settlement.retries.iter_mut().for_each(|retry| retry.delay = Some(Seconds(0)));
        }
        settlement
    }

    pub(super) fn bent_settled(&self, acks: usize, retries: usize, mut settled: Settled) -> Settled {
        settled.acks.resize(acks, AckOutcome::Acked);
        settled.retries.truncate(retries);
        if self.has(Flaw::ForgetsWhyMessagesAreGone) || self.has(Flaw::Loose) {
            settled.acks.iter_mut().for_each(|outcome| forget(outcome, AckOutcome::Exhausted));
        }
        if self.has(Flaw::ForgetsThatMessagesExpired) || self.has(Flaw::Loose) {
            settled.acks.iter_mut().for_each(|outcome| forget(outcome, AckOutcome::RetentionEnded));
        }
        settled.acks.iter().for_each(|outcome| self.see(outcome));
        settled.retries.iter().for_each(|outcome| self.see(("retry", outcome)));
        settled
    }

    pub(super) fn bent_peeked(&self, mut peeked: Peeked) -> Peeked {
        if self.has(Flaw::PeeksBackwards) || self.has(Flaw::Loose) {
            peeked.messages.reverse();
        }
        peeked
    }

    pub(super) fn bent_redrive(&self, mut redrive: Redrive) -> Redrive {
        match self.flaw {
            Flaw::RedrivesWithoutBound => redrive.batch_size = u16::MAX,
            Flaw::Loose => redrive.batch_size = redrive.batch_size.div_ceil(2),
            _ => {}
        }
        redrive
    }

    /// The retention period that is to be in force for one that is asked for.
    pub(super) fn bent_period(&self, period: Seconds) -> Seconds {
        if self.has(Flaw::KeepsMessagesTooLong) { Seconds(period.0 + 1) } else { period }
    }

    /// Takes note of a period that was asked for, and shows the queue with it.
    pub(super) fn asked(&self, queue: Arc<Queue>, period: Option<Seconds>) -> Arc<Queue> {
        if let Some(period) = period {
            self.periods.lock().unwrap().insert(queue.id, period);
        }
        self.shown(queue)
    }

    pub(super) fn shown(&self, queue: Arc<Queue>) -> Arc<Queue> {
        let mut shown = Queue::clone(&queue);
        if let Some(period) = self.periods.lock().unwrap().get(&queue.id) {
            shown.settings.message_retention_period = *period;
        }
        Arc::new(shown)
    }
}

fn forget(outcome: &mut AckOutcome, reason: AckOutcome) {
    if *outcome == reason {
        *outcome = AckOutcome::AlreadyGone;
    }
}
