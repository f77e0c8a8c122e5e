//! The steps of messages, and the draining at the end.

use kew_model::{
    AckOutcome, Extend, Idempotency, Lease, Milliseconds, Pull, Pulled, PushBatch, Retry, Seconds, Sequence,
    Settlement,
};

use super::super::pairing::same;
use super::super::script::{Pick, Piece, Request, Slot};
use super::{Known, Pair};
use crate::subject::Subject;
use crate::wait::wait;

/// For how many departures a broker must remember why a message is gone; beyond, it may have forgotten.
const DEPARTURES_REMEMBERED: usize = 1_024;

impl<A: Subject, B: Subject> Pair<A, B> {
    pub(super) fn push(
        &mut self,
        slot: Slot,
        count: usize,
        pieces: &[Piece],
        request: Option<Request>,
    ) -> Result<(), String> {
        let mut batch = PushBatch::new();
        batch.idempotency =
            request.map(|Request { key, content }| Idempotency { key: [key; 16], content: [content; 16] });
        for piece in pieces.iter().cycle().take(count) {
            self.serial += 1;
            let mut body = format!("message {} ", self.serial).into_bytes();
            body.resize(piece.length, b'.');
            batch
                .add(&body, piece.content_type, piece.delay_seconds.map(Seconds))
                .map_err(|error| format!("a script pushes what the model refuses: {error}"))?;
        }
        let places = self.places[slot];
        match self.both(|broker, index| wait(broker.push(places[index], batch.clone())))? {
            Some([a, b]) => same("push", &a, &b),
            None => Ok(()),
        }
    }

    /// Gives back how many messages came.
    pub(super) fn pull(
        &mut self,
        slot: Slot,
        batch_size: Option<u16>,
        visibility_timeout_ms: Option<u64>,
    ) -> Result<usize, String> {
        let pull = Pull { batch_size, visibility_timeout: visibility_timeout_ms.map(Milliseconds) };
        let places = self.places[slot];
        let made = [0, 1].map(|index| self.brokers[index].changed(places[index]));
        let Some([a, b]) = self.both(|broker, index| wait(broker.pull(places[index], pull)))? else {
            return Ok(0);
        };
        let count = self.same_deliveries(slot, &a, &b)?;
        if count == 0 {
            self.promises.found_nothing(slot, made);
        } else {
            self.promises.found_something(slot);
        }
        Ok(count)
    }

    fn same_deliveries(&mut self, slot: Slot, a: &Pulled, b: &Pulled) -> Result<usize, String> {
        let bodies = |pulled: &Pulled| -> Vec<String> {
            let told = |one| format!("{:.24}", String::from_utf8_lossy(pulled.body(one)));
            pulled.messages.iter().map(told).collect()
        };
        same("which messages came", &bodies(a), &bodies(b))?;
        same("backlog", &a.backlog, &b.backlog)?;
        for (first, second) in a.messages.iter().zip(&b.messages) {
            let facts = |one: &kew_model::Delivery, body| {
                (one.lease.message, one.attempts, one.sent_at, one.content_type, body)
            };
            let (one, other) = (facts(first, a.body(first).len()), facts(second, b.body(second).len()));
            same("a delivery (sequence, attempts, sent at, type, length)", &one, &other)?;
            if a.body(first) != b.body(second) {
                return Err(format!("the bodies of message {:?} differ", first.lease.message));
            }
            self.names.messages.pair(first.id, second.id)?;
            self.note_lease(slot, [first.lease, second.lease])?;
        }
        Ok(a.messages.len())
    }

    /// Keeps a lease for later steps, after a look at its fence.
    fn note_lease(&mut self, slot: Slot, lease: [Lease; 2]) -> Result<(), String> {
        let [a, b] = lease;
        self.names.numbers.pair(a.queue, b.queue)?;
        let fences = [a.fence, b.fence];
        if let Some(before) = self.fences.insert((a.queue, a.message), fences)
            && (before[0] >= fences[0] || before[1] >= fences[1])
        {
            return Err(format!("a later delivery needs a higher fence: {before:?}, then {fences:?}"));
        }
        *self.departures.entry(a.queue).or_default() += 1;
        self.leases.push(Known { slot, lease });
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        slot: Slot,
        acks: &[Pick],
        retries: &[(Pick, Option<u32>)],
    ) -> Result<(), String> {
        let acks: Vec<_> = acks.iter().filter_map(|pick| self.picked(slot, *pick)).collect();
        let retries: Vec<_> = retries
            .iter()
            .filter_map(|(pick, delay)| Some((self.picked(slot, *pick)?, delay.map(Seconds))))
            .collect();
        let places = self.places[slot];
        let answers = self.both(|broker, index| {
            let retries = retries.iter().map(|(lease, delay)| Retry { lease: lease[index], delay: *delay });
            let acks = acks.iter().map(|lease| lease[index]).collect();
            wait(broker.settle(places[index], Settlement { acks, retries: retries.collect() }))
        })?;
        let Some([mut a, mut b]) = answers else { return Ok(()) };
        for ((lease, first), second) in acks.iter().zip(&mut a.acks).zip(&mut b.acks) {
            let departures = self.departures.get(&lease[0].queue).copied().unwrap_or_default();
            if departures > DEPARTURES_REMEMBERED {
                forget(first);
                forget(second);
            }
        }
        same("settlement", &a, &b)
    }

    pub(super) fn extend(
        &mut self,
        slot: Slot,
        leases: &[Pick],
        visibility_timeout_ms: Option<u64>,
    ) -> Result<(), String> {
        let leases: Vec<_> = leases.iter().filter_map(|pick| self.picked(slot, *pick)).collect();
        let visibility_timeout = visibility_timeout_ms.map(Milliseconds);
        let places = self.places[slot];
        let answers = self.both(|broker, index| {
            let leases = leases.iter().map(|lease| lease[index]).collect();
            wait(broker.extend(places[index], Extend { leases, visibility_timeout }))
        })?;
        answers.map_or(Ok(()), |[a, b]| same("extension", &a, &b))
    }

    pub(super) fn discard(&mut self, slot: Slot, leases: &[Pick]) -> Result<(), String> {
        let picked = leases.iter().filter_map(|pick| self.picked(slot, *pick));
        let mut messages: Vec<_> = picked.map(|lease| lease[0].message).collect();
        messages.push(Sequence(u64::MAX));
        let places = self.places[slot];
        let answers = self.both(|broker, index| wait(broker.discard(places[index], messages.clone())))?;
        answers.map_or(Ok(()), |[a, b]| same("what was discarded", &a, &b))
    }

    pub(super) fn purge(&mut self, slot: Slot) -> Result<(), String> {
        let places = self.places[slot];
        self.both_show(|broker, index| wait(broker.purge(places[index]))).map(drop)
    }

    pub(super) fn backlog(&mut self, slot: Slot) -> Result<(), String> {
        let places = self.places[slot];
        let answers = self.both(|broker, index| wait(broker.backlog(places[index])))?;
        answers.map_or(Ok(()), |[a, b]| same("backlog", &a, &b))
    }
}

fn forget(outcome: &mut AckOutcome) {
    if matches!(*outcome, AckOutcome::Exhausted | AckOutcome::RetentionEnded) {
        *outcome = AckOutcome::AlreadyGone;
    }
}
