//! Drives two brokers by one script and compares what they answer.

mod catalog;
mod messages;
mod moves;
mod promises;
mod subscriptions;

use std::collections::HashMap;
use std::sync::Arc;

use kew_model::{
    AccountId, Broker, Clock, Error, Lease, Milliseconds, Place, Queue, QueueId, QueueNumber, Sequence,
};

use promises::Promises;

use super::pairing::{Names, same};
use super::script::{Consuming, Opening, Pick, SLOTS, Slot, Step, Whose};
use crate::subject::Subject;
use crate::wait::wait;

/// The account that all queues of a script belong to.
const ACCOUNT: AccountId = AccountId([0xAC; 16]);
/// Where a slot is that was never created.
const NOWHERE: Place = Place { account: ACCOUNT, queue: QueueId([0xEE; 16]) };

/// For how long everything is kept while it is drained.
const LONGEST_SECONDS: u32 = 1_209_600;

/// What everything is drained with: nothing is left behind or exhausted on the way.
const DRAINING: Consuming = Consuming {
    pulls: true,
    batch_size: 100,
    max_retries: 100,
    retry_delay_seconds: 0,
    visibility_timeout_ms: 43_200_000,
    dead_letters: None,
};

/// Two brokers that are to be the same.
pub(super) struct Pair<A, B> {
    a: Option<A>,
    b: Option<B>,
    brokers: [Arc<dyn Broker>; 2],
    names: Names,
    places: [[Place; 2]; SLOTS],
    leases: Vec<Known>,
    /// What the last peek at each slot showed that showed anything.
    peeked: [Vec<Sequence>; SLOTS],
    /// The newest fence of each message, on either side.
    fences: HashMap<(QueueNumber, Sequence), [u64; 2]>,
    promises: Promises,
    /// How often a message may have left each queue of the first broker.
    departures: HashMap<QueueNumber, usize>,
    serial: u64,
}

/// A lease that was got, under the name that each broker gave it.
struct Known {
    slot: Slot,
    lease: [Lease; 2],
}

impl<A: Subject, B: Subject> Pair<A, B> {
    pub(super) fn new(a: A, b: B, queues: &[Opening]) -> Result<Self, String> {
        let start = a.clock().now().max(b.clock().now());
        a.clock().set(start);
        b.clock().set(start);
        let brokers = [a.broker(), b.broker()];
        let mut pair = Self {
            a: Some(a),
            b: Some(b),
            brokers,
            names: Names::new(),
            places: [[NOWHERE; 2]; SLOTS],
            leases: Vec::new(),
            peeked: Default::default(),
            fences: HashMap::new(),
            promises: Promises::default(),
            departures: HashMap::new(),
            serial: 0,
        };
        pair.both(|broker, _| wait(broker.create_account(Some(ACCOUNT), "script".to_owned())))?;
        for (slot, queue) in queues.iter().enumerate() {
            pair.create(slot)?;
            pair.set_retention(slot, queue.retention_seconds)?;
        }
        for (slot, queue) in queues.iter().enumerate() {
            if let Some(consumer) = queue.consumer {
                pair.attach(slot, consumer)?;
            }
        }
        Ok(pair)
    }

    /// Takes one step; the first difference is the error.
    pub(super) fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Push { slot, count, pieces, request } => self.push(*slot, *count, pieces, *request),
            Step::Pull { slot, batch_size, visibility_timeout_ms } => {
                self.pull(*slot, *batch_size, *visibility_timeout_ms).map(drop)
            }
            Step::Settle { slot, acks, retries } => self.settle(*slot, acks, retries),
            Step::Extend { slot, leases, visibility_timeout_ms } => {
                self.extend(*slot, leases, *visibility_timeout_ms)
            }
            Step::Discard { slot, leases } => self.discard(*slot, leases),
            Step::Peek { slot, batch_size } => self.peek(*slot, *batch_size),
            Step::DiscardPeeked { slot, places } => self.discard_peeked(*slot, places),
            Step::Redrive { slot, to, batch_size } => self.redrive(*slot, *to, *batch_size),
            Step::Purge { slot } => self.purge(*slot),
            Step::Backlog { slot } => self.backlog(*slot),
            Step::Pause { slot, paused } => self.pause(*slot, *paused),
            Step::SetDelay { slot, seconds } => self.set_delay(*slot, *seconds),
            Step::SetRetention { slot, seconds } => self.set_retention(*slot, *seconds),
            Step::Rename { slot } => self.rename(*slot),
            Step::Attach { slot, consumer } => self.attach(*slot, *consumer),
            Step::Replace { slot, same_id, consumer } => self.replace(*slot, *same_id, *consumer),
            Step::Detach { slot } => self.detach(*slot),
            Step::Delete { slot } => self.delete(*slot),
            Step::Create { slot } => self.create(*slot),
            Step::CreateToken { number } => self.create_token(*number),
            Step::RevokeToken { number } => self.revoke_token(*number),
            Step::Subscribe { resource, to } => self.subscribe(*resource, *to),
            Step::Resubscribe { place, to, enabled } => self.resubscribe(*place, *to, *enabled),
            Step::Unsubscribe { place } => self.unsubscribe(*place),
            Step::Advance { milliseconds } => self.advance(Milliseconds(*milliseconds)),
            Step::Housekeep { whose } => self.housekeep(*whose),
            Step::Restart { whose } => self.restart(*whose),
            Step::Catalog => self.catalog(),
        }
    }

    /// Takes out whatever the script left anywhere, and compares it.
    pub(super) fn drain(&mut self) -> Result<(), String> {
        self.catalog()?;
        for slot in 0..SLOTS {
            self.take_over(slot)?;
            self.backlog(slot)?;
            self.set_retention(slot, LONGEST_SECONDS)?;
            self.pause(slot, false)?;
            self.detach(slot)?;
            self.attach(slot, DRAINING)?;
        }
        for day in 0..3 {
            for slot in 0..SLOTS {
                while self.pull(slot, None, None)? > 0 {}
                self.backlog(slot)?;
            }
            if day == 1 {
                let acks: Vec<_> = (0..100).map(Pick::Recent).collect();
                for slot in 0..SLOTS {
                    self.settle(slot, &acks, &[])?;
                }
            }
            self.advance(Milliseconds(86_400_000))?;
        }
        self.same_time()?;
        core::mem::take(&mut self.promises).are_kept()
    }

    fn same_time(&self) -> Result<(), String> {
        let now = [self.a.as_ref().map(|a| a.clock().now()), self.b.as_ref().map(|b| b.clock().now())];
        same("the time, which only the script may move", &now[0], &now[1])
    }

    /// Asks both. `None` when both refuse in the same way.
    fn both<T>(
        &self,
        verb: impl Fn(&dyn Broker, usize) -> Result<T, Error>,
    ) -> Result<Option<[T; 2]>, String> {
        match (verb(&*self.brokers[0], 0), verb(&*self.brokers[1], 1)) {
            (Ok(a), Ok(b)) => Ok(Some([a, b])),
            (Err(a), Err(b)) => same("error", &a, &b).map(|()| None),
            (Ok(_), Err(b)) => Err(format!("only the second refuses: {b}")),
            (Err(a), Ok(_)) => Err(format!("only the first refuses: {a}")),
        }
    }

    /// Asks both for a queue and compares what they show.
    fn both_show(
        &mut self,
        verb: impl Fn(&dyn Broker, usize) -> Result<Arc<Queue>, Error>,
    ) -> Result<Option<[Arc<Queue>; 2]>, String> {
        let shown = self.both(verb)?;
        if let Some([a, b]) = &shown {
            self.names.same_queue(a, b)?;
        }
        Ok(shown)
    }

    /// The lease that a pick means, if there is one yet.
    fn picked(&self, slot: Slot, pick: Pick) -> Option<[Lease; 2]> {
        let mut newest_first = self.leases.iter().rev().filter(|known| known.slot == slot);
        let known = match pick {
            Pick::Recent(back) => newest_first.nth(back),
            Pick::Stale(back) => newest_first.filter(|known| self.is_stale(known)).nth(back),
            Pick::Any(index) => self.leases.get(index % self.leases.len().max(1)),
        };
        known.map(|known| known.lease)
    }

    fn is_stale(&self, known: &Known) -> bool {
        let [lease, _] = known.lease;
        self.fences.get(&(lease.queue, lease.message)).is_some_and(|newest| newest[0] != lease.fence)
    }

    fn advance(&self, length: Milliseconds) -> Result<(), String> {
        for clock in [self.a.as_ref().map(Subject::clock), self.b.as_ref().map(Subject::clock)] {
            clock.ok_or("a restart did not come back")?.advance(length);
        }
        Ok(())
    }

    fn housekeep(&self, whose: Whose) -> Result<(), String> {
        for (index, broker) in self.brokers.iter().enumerate() {
            if whose.is(index) {
                wait(broker.housekeep())
                    .map_err(|error| format!("housekeeping of {index} failed: {error}"))?;
            }
        }
        Ok(())
    }

    fn restart(&mut self, whose: Whose) -> Result<(), String> {
        core::mem::take(&mut self.promises).are_kept()?;
        if whose.is(0) {
            self.a = self.a.take().map(Subject::restart);
        }
        if whose.is(1) {
            self.b = self.b.take().map(Subject::restart);
        }
        let lost = "a restart did not come back";
        self.brokers = [self.a.as_ref().ok_or(lost)?.broker(), self.b.as_ref().ok_or(lost)?.broker()];
        Ok(())
    }
}

impl Whose {
    fn is(self, index: usize) -> bool {
        match self {
            Self::First => index == 0,
            Self::Second => index == 1,
            Self::Both => true,
        }
    }
}
