//! Brokers that are wrong in one way each, made of a right one; and one that only counts what it is asked.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use kew_model::{
    Account, AccountId, AckOutcome, Answer, Backlog, Broker, Change, Consumer, ConsumerId, Extend,
    ExtendOutcome, Extended, Lease, Milliseconds, NewConsumer, NewQueue, NewToken, Place, Pull, Pulled,
    PushBatch, Pushed, Queue, QueueChange, Retry, Seconds, Sequence, Settled, Settlement, Token, TokenId,
};
use kew_testkit::{Capabilities, ManualClock, OracleSubject, Subject, wait};

/// What is wrong with a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// No flaw, but the looseness of a distributed engine, which it declares: pulls return less than is there and in
    /// no order, and nobody knows why a message is gone.
    Loose,
    PullsBackwards,
    GivesLeasedMessagesAway,
    EndsLeasesTooSoon,
    EndsLeasesTooLate,
    ForgetsLeasesAtRestart,
    ForgetsEverythingAtRestart,
    LosesTheLastOfABatch,
    LosesAnAck,
    BringsAckedMessagesBack,
    ForgetsWhyMessagesAreGone,
    IgnoresDelays,
    IgnoresRetryDelays,
    IgnoresPauses,
    IgnoresPurges,
    IgnoresExtensions,
    IgnoresDeadLetterQueues,
    DiscardsWithoutLooking,
    CountsNoAttempts,
    MiscountsTheBacklog,
    /// Not among [`Flaw::ALL`]: whoever looks for this one must wait until it is sure that nothing comes.
    ForgetsPromises,
}

impl Flaw {
    pub(crate) const ALL: [Self; 19] = [
        Self::PullsBackwards,
        Self::GivesLeasedMessagesAway,
        Self::EndsLeasesTooSoon,
        Self::EndsLeasesTooLate,
        Self::ForgetsLeasesAtRestart,
        Self::ForgetsEverythingAtRestart,
        Self::LosesTheLastOfABatch,
        Self::LosesAnAck,
        Self::BringsAckedMessagesBack,
        Self::ForgetsWhyMessagesAreGone,
        Self::IgnoresDelays,
        Self::IgnoresRetryDelays,
        Self::IgnoresPauses,
        Self::IgnoresPurges,
        Self::IgnoresExtensions,
        Self::IgnoresDeadLetterQueues,
        Self::DiscardsWithoutLooking,
        Self::CountsNoAttempts,
        Self::MiscountsTheBacklog,
    ];
}

/// How often each outcome was seen.
pub(crate) type Seen = Arc<Mutex<BTreeMap<String, u32>>>;

/// A subject with a flaw.
pub(crate) struct FlawedSubject {
    inner: OracleSubject,
    broker: Arc<Flawed>,
}

impl FlawedSubject {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self::watched(flaw, Seen::default())
    }

    pub(crate) fn watched(flaw: Flaw, seen: Seen) -> Self {
        Self::around(OracleSubject::new(3), flaw, seen)
    }

    fn around(inner: OracleSubject, flaw: Flaw, seen: Seen) -> Self {
        let broker = Flawed { inner: inner.broker(), flaw, seen, leases: Mutex::new(Vec::new()) };
        Self { inner, broker: Arc::new(broker) }
    }
}

impl Subject for FlawedSubject {
    fn broker(&self) -> Arc<dyn Broker> {
        self.broker.clone()
    }

    fn clock(&self) -> &ManualClock {
        self.inner.clock()
    }

    fn capabilities(&self) -> Capabilities {
        if self.broker.flaw != Flaw::Loose {
            return Capabilities::EXACT;
        }
        Capabilities {
            pull_order_is_exact: false,
            pulls_until_full: 10,
            remembers_exhaustion: false,
            settings_lag: Milliseconds(2_000),
            exhaustion_lag: Milliseconds(2_000),
            backlog_lag: Milliseconds(1_000),
        }
    }

    fn restart(self) -> Self {
        let (flaw, seen) = (self.broker.flaw, self.broker.seen.clone());
        if flaw == Flaw::ForgetsLeasesAtRestart {
            for (place, lease) in self.broker.leases.lock().unwrap().drain(..) {
                let extend = Extend { leases: vec![lease], visibility_timeout: Some(Milliseconds(0)) };
                drop(wait(self.broker.inner.extend(place, extend)));
            }
        }
        if flaw == Flaw::ForgetsEverythingAtRestart {
            return Self::watched(flaw, seen);
        }
        Self::around(self.inner.restart(), flaw, seen)
    }
}

struct Flawed {
    inner: Arc<dyn Broker>,
    flaw: Flaw,
    seen: Seen,
    leases: Mutex<Vec<(Place, Lease)>>,
}

impl Flawed {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn see(&self, what: impl core::fmt::Debug) {
        *self.seen.lock().unwrap().entry(format!("{what:?}")).or_default() += 1;
    }

    fn bent_batch(&self, batch: &PushBatch) -> PushBatch {
        let mut bent = PushBatch::new();
        let loses = self.has(Flaw::LosesTheLastOfABatch) && batch.len() > 1;
        for (message, body) in batch.iter().take(batch.len() - usize::from(loses)) {
            let delay = if self.has(Flaw::IgnoresDelays) { Some(Seconds(0)) } else { message.delay };
            bent.add(body, message.content_type, delay).unwrap();
        }
        bent
    }

    fn bent_timeout(&self, place: Place, asked: Option<Milliseconds>) -> Option<Milliseconds> {
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

    fn bent_pulled(&self, place: Place, mut pulled: Pulled) -> Pulled {
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

    fn bent_settlement(&self, mut settlement: Settlement) -> Settlement {
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

    fn bent_settled(&self, acks: usize, retries: usize, mut settled: Settled) -> Settled {
        settled.acks.resize(acks, AckOutcome::Acked);
        settled.retries.truncate(retries);
        if self.has(Flaw::ForgetsWhyMessagesAreGone) || self.has(Flaw::Loose) {
            let forget = |outcome: &mut AckOutcome| {
                if *outcome == AckOutcome::Exhausted {
                    *outcome = AckOutcome::AlreadyGone;
                }
            };
            settled.acks.iter_mut().for_each(forget);
        }
        settled.acks.iter().for_each(|outcome| self.see(outcome));
        settled.retries.iter().for_each(|outcome| self.see(("retry", outcome)));
        settled
    }
}

impl Broker for Flawed {
    fn create_account(&self, id: Option<AccountId>, name: String) -> Answer<'_, Arc<Account>> {
        self.inner.create_account(id, name)
    }

    fn accounts(&self) -> Vec<Arc<Account>> {
        self.inner.accounts()
    }

    fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.inner.account(id)
    }

    fn create_token(&self, account: AccountId, token: NewToken) -> Answer<'_, Arc<Token>> {
        self.inner.create_token(account, token)
    }

    fn tokens(&self, account: AccountId) -> Vec<Arc<Token>> {
        self.inner.tokens(account)
    }

    fn token(&self, id: TokenId) -> Option<Arc<Token>> {
        self.inner.token(id)
    }

    fn tokens_by_email(&self, email: &str) -> Vec<Arc<Token>> {
        self.inner.tokens_by_email(email)
    }

    fn revoke_token(&self, account: AccountId, token: TokenId) -> Answer<'_, ()> {
        self.inner.revoke_token(account, token)
    }

    fn create_queue(&self, account: AccountId, queue: NewQueue) -> Answer<'_, Arc<Queue>> {
        self.inner.create_queue(account, queue)
    }

    fn queues(&self, account: AccountId) -> Vec<Arc<Queue>> {
        self.inner.queues(account)
    }

    fn queue(&self, place: Place) -> Option<Arc<Queue>> {
        self.inner.queue(place)
    }

    fn queue_named(&self, account: AccountId, name: &str) -> Option<Arc<Queue>> {
        self.inner.queue_named(account, name)
    }

    fn update_queue(&self, place: Place, mut change: QueueChange) -> Answer<'_, Arc<Queue>> {
        if self.has(Flaw::IgnoresPauses) {
            change.delivery_paused = None;
        }
        self.inner.update_queue(place, change)
    }

    fn delete_queue(&self, place: Place) -> Answer<'_, ()> {
        self.inner.delete_queue(place)
    }

    fn create_consumer(&self, place: Place, mut consumer: NewConsumer) -> Answer<'_, Arc<Consumer>> {
        if self.has(Flaw::IgnoresDeadLetterQueues) {
            consumer.dead_letter_queue = None;
        }
        self.inner.create_consumer(place, consumer)
    }

    fn replace_consumer(
        &self,
        place: Place,
        id: ConsumerId,
        consumer: NewConsumer,
    ) -> Answer<'_, Arc<Consumer>> {
        self.inner.replace_consumer(place, id, consumer)
    }

    fn delete_consumer(&self, place: Place, id: ConsumerId) -> Answer<'_, ()> {
        self.inner.delete_consumer(place, id)
    }

    fn push(&self, place: Place, batch: PushBatch) -> Answer<'_, Pushed> {
        self.inner.push(place, self.bent_batch(&batch))
    }

    fn pull(&self, place: Place, mut pull: Pull) -> Answer<'_, Pulled> {
        pull.visibility_timeout = self.bent_timeout(place, pull.visibility_timeout);
        if self.has(Flaw::Loose) {
            pull.batch_size = pull.batch_size.map(|most| most.div_ceil(2));
        }
        Box::pin(async move {
            let pulled = self.inner.pull(place, pull).await.inspect_err(|error| self.see(error))?;
            Ok(self.bent_pulled(place, pulled))
        })
    }

    fn settle(&self, place: Place, settlement: Settlement) -> Answer<'_, Settled> {
        let (acks, retries) = (settlement.acks.len(), settlement.retries.len());
        let bent = self.bent_settlement(settlement);
        Box::pin(async move { Ok(self.bent_settled(acks, retries, self.inner.settle(place, bent).await?)) })
    }

    fn extend(&self, place: Place, extend: Extend) -> Answer<'_, Extended> {
        Box::pin(async move {
            if self.has(Flaw::IgnoresExtensions) {
                let leases = vec![ExtendOutcome::Extended; extend.leases.len()];
                return self.inner.backlog(place).await.map(|_| Extended { leases });
            }
            let extended = self.inner.extend(place, extend).await?;
            extended.leases.iter().for_each(|outcome| self.see(("extend", outcome)));
            Ok(extended)
        })
    }

    fn discard(&self, place: Place, messages: Vec<Sequence>) -> Answer<'_, Vec<bool>> {
        Box::pin(async move {
            let discarded = self.inner.discard(place, messages).await?;
            discarded.iter().for_each(|there| self.see(("discard", there)));
            Ok(if self.has(Flaw::DiscardsWithoutLooking) { vec![true; discarded.len()] } else { discarded })
        })
    }

    fn purge(&self, place: Place) -> Answer<'_, Arc<Queue>> {
        if self.has(Flaw::IgnoresPurges) {
            return self.inner.update_queue(place, QueueChange::default());
        }
        self.inner.purge(place)
    }

    fn backlog(&self, place: Place) -> Answer<'_, Backlog> {
        Box::pin(async move {
            let mut backlog = self.inner.backlog(place).await?;
            if self.has(Flaw::MiscountsTheBacklog) && backlog.count > 1 {
                backlog.bytes += 1;
            }
            Ok(backlog)
        })
    }

    fn changed(&self, place: Place) -> Change {
        if self.has(Flaw::ForgetsPromises) {
            return Box::pin(std::future::pending());
        }
        self.inner.changed(place)
    }

    fn housekeep(&self) -> Answer<'_, ()> {
        self.inner.housekeep()
    }

    fn close(&self) -> Answer<'_, ()> {
        self.inner.close()
    }
}
