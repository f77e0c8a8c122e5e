//! The stage of a case: a broker with one account, and the verbs in few words.
//!
//! Helpers that wait for what an engine may do late move the clock by its declared lag, which is nothing for an exact
//! engine. So a case asks for a deadline only to the millisecond where no lag lies in between.

use std::sync::Arc;

use kew_model::{
    AccountId, AckOutcome, Backlog, Broker, Consumer, ConsumerKind, ContentType, Error, Extend,
    ExtendOutcome, Lease, MessageId, Milliseconds, NewConsumer, NewQueue, Place, Pull, PullSettings,
    PushBatch, Queue, QueueChange, QueueName, QueueNumber, QueueSettings, Retry, RetryOutcome, Seconds,
    Settled, Settlement, Timestamp, WorkerSettings,
};

use crate::subject::{Capabilities, Subject};
use crate::wait::wait;

pub(super) struct Stage<S> {
    pub(super) subject: S,
    pub(super) account: AccountId,
}

/// A message of a pull, with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) id: MessageId,
    pub(super) lease: Lease,
    pub(super) attempts: u16,
    pub(super) sent_at: Timestamp,
    pub(super) content_type: ContentType,
    pub(super) origin: Option<QueueNumber>,
    pub(super) body: Vec<u8>,
}

/// A minute: the visibility timeout of most pulls here.
pub(super) const MINUTE: Milliseconds = Milliseconds(60_000);
/// A day, in which every lease and delay of a case is long over.
pub(super) const DAY: Seconds = Seconds(86_400);
/// The least that time can move.
pub(super) const TICK: Milliseconds = Milliseconds(1);

pub(super) fn name(text: &str) -> QueueName {
    text.parse().expect("the case gives a valid queue name")
}

pub(super) fn new_queue(text: &str) -> NewQueue {
    NewQueue { name: name(text), id: None, jurisdiction: None, settings: QueueSettings::default() }
}

pub(super) fn pulling(settings: PullSettings) -> NewConsumer {
    NewConsumer { kind: ConsumerKind::HttpPull(settings), dead_letter_queue: None }
}

pub(super) fn with_retries(max_retries: u16) -> PullSettings {
    PullSettings { max_retries, visibility_timeout: MINUTE, ..PullSettings::default() }
}

pub(super) fn a_worker() -> NewConsumer {
    let settings = WorkerSettings {
        script_name: "worker".to_owned(),
        environment_name: String::new(),
        batch_size: 10,
        max_concurrency: None,
        max_retries: 3,
        max_wait: Milliseconds(5_000),
        retry_delay: Seconds(0),
    };
    NewConsumer { kind: ConsumerKind::Worker(settings), dead_letter_queue: None }
}

pub(super) fn batch(bodies: &[&str]) -> PushBatch {
    let mut batch = PushBatch::new();
    for body in bodies {
        batch.add(body.as_bytes(), ContentType::Text, None).expect("the case gives short bodies");
    }
    batch
}

pub(super) fn bodies(got: &[Got]) -> Vec<String> {
    got.iter().map(|one| String::from_utf8_lossy(&one.body).into_owned()).collect()
}

impl<S: Subject> Stage<S> {
    pub(super) fn new(subject: S) -> Self {
        let account =
            wait(subject.broker().create_account(None, "acme".to_owned())).expect("first account").id;
        Self { subject, account }
    }

    pub(super) fn restart(self) -> Self {
        Self { subject: self.subject.restart(), account: self.account }
    }

    pub(super) fn broker(&self) -> Arc<dyn Broker> {
        self.subject.broker()
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.subject.capabilities()
    }

    pub(super) fn now(&self) -> Timestamp {
        kew_model::Clock::now(self.subject.clock())
    }

    pub(super) fn advance(&self, length: impl Into<Milliseconds>) {
        self.subject.clock().advance(length);
    }

    /// Moves the clock far enough that a change of settings acts everywhere.
    pub(super) fn let_settings_act(&self) {
        self.advance(self.capabilities().settings_lag);
    }

    /// Moves the clock far enough that what failed for the last time is where it belongs.
    pub(super) fn let_dead_letters_move(&self) {
        self.advance(self.capabilities().exhaustion_lag);
        wait(self.broker().housekeep()).expect("housekeeping");
    }

    /// A queue without a consumer.
    pub(super) fn queue(&self, text: &str) -> Place {
        let queue = wait(self.broker().create_queue(self.account, new_queue(text))).expect("a new queue");
        Place { account: self.account, queue: queue.id }
    }

    /// A queue that can be pulled from, with leases of a minute.
    pub(super) fn jobs(&self) -> Place {
        self.pulled("jobs", PullSettings { visibility_timeout: MINUTE, ..PullSettings::default() })
    }

    /// A queue with a pull consumer of these settings.
    pub(super) fn pulled(&self, text: &str, settings: PullSettings) -> Place {
        let place = self.queue(text);
        self.attach(place, pulling(settings));
        place
    }

    /// A queue with a pull consumer of these settings and a dead-letter queue that can be pulled from.
    pub(super) fn pulled_with_dead(&self, settings: PullSettings) -> (Place, Place) {
        let dead = self.pulled("dead", with_retries(3));
        let place = self.queue("jobs");
        self.attach(place, NewConsumer { dead_letter_queue: Some(name("dead")), ..pulling(settings) });
        (place, dead)
    }

    pub(super) fn attach(&self, place: Place, consumer: NewConsumer) -> Arc<Consumer> {
        wait(self.broker().create_consumer(place, consumer)).expect("the queue has no consumer")
    }

    pub(super) fn detach(&self, place: Place) {
        let consumer = self.shown(place).consumer.clone().expect("the queue has a consumer");
        wait(self.broker().delete_consumer(place, consumer.id)).expect("the consumer is there");
        self.let_settings_act();
    }

    /// Replaces the consumer, keeping its id.
    pub(super) fn reattach(&self, place: Place, consumer: NewConsumer) {
        let id = self.shown(place).consumer.as_ref().expect("the queue has a consumer").id;
        wait(self.broker().replace_consumer(place, id, consumer)).expect("the same consumer");
        self.let_settings_act();
    }

    pub(super) fn change(&self, place: Place, change: QueueChange) -> Arc<Queue> {
        let queue = wait(self.broker().update_queue(place, change)).expect("the change is allowed");
        self.let_settings_act();
        queue
    }

    pub(super) fn pause(&self, place: Place, paused: bool) {
        self.change(place, QueueChange { delivery_paused: Some(paused), ..QueueChange::default() });
    }

    /// The queue as the catalog shows it.
    pub(super) fn shown(&self, place: Place) -> Arc<Queue> {
        self.broker().queue(place).expect("the queue exists")
    }

    pub(super) fn push(&self, place: Place, bodies: &[&str]) {
        wait(self.broker().push(place, batch(bodies))).expect("a push");
    }

    pub(super) fn push_delayed(&self, place: Place, body: &str, delay: Seconds) {
        let mut batch = PushBatch::new();
        batch.add(body.as_bytes(), ContentType::Text, Some(delay)).expect("a short body");
        wait(self.broker().push(place, batch)).expect("a push");
    }

    /// Pulls up to `most` messages by the consumer's visibility timeout.
    pub(super) fn pull(&self, place: Place, most: u16) -> Vec<Got> {
        self.pull_with(place, most, None)
    }

    /// Pulls up to `most` messages, in as many pulls as the engine may need.
    pub(super) fn pull_with(&self, place: Place, most: u16, timeout: Option<Milliseconds>) -> Vec<Got> {
        let mut got = Vec::new();
        for _ in 0..self.capabilities().pulls_until_full {
            let room = most - u16::try_from(got.len()).expect("no more than asked for");
            if room > 0 {
                let pull = Pull { batch_size: Some(room), visibility_timeout: timeout };
                got.extend(self.try_pull(place, pull).expect("a pull").0);
            }
        }
        got
    }

    /// Pulls the one message that is there.
    pub(super) fn pull_one(&self, place: Place) -> Got {
        let mut got = self.pull(place, 10);
        assert_eq!(got.len(), 1, "one message is available, not {:?}", bodies(&got));
        got.remove(0)
    }

    /// One pull, as the broker answers it.
    pub(super) fn try_pull(&self, place: Place, pull: Pull) -> Result<(Vec<Got>, Backlog), Error> {
        let pulled = wait(self.broker().pull(place, pull))?;
        let got = pulled.messages.iter().map(|delivery| Got {
            id: delivery.id,
            lease: delivery.lease,
            attempts: delivery.attempts,
            sent_at: delivery.sent_at,
            content_type: delivery.content_type,
            origin: delivery.origin,
            body: pulled.body(delivery).to_vec(),
        });
        Ok((got.collect(), pulled.backlog))
    }

    /// Asserts that these are the bodies, in this order as far as the engine promises order.
    pub(super) fn expect(&self, got: &[Got], expected: &[&str]) {
        let mut found = bodies(got);
        let mut expected: Vec<_> = expected.iter().map(|&body| body.to_owned()).collect();
        if !self.capabilities().pull_order_is_exact {
            found.sort();
            expected.sort();
        }
        assert_eq!(found, expected);
    }

    pub(super) fn expect_nothing(&self, place: Place) {
        self.expect(&self.pull(place, 100), &[]);
    }

    pub(super) fn settle(&self, place: Place, acks: &[Lease], retries: &[Retry]) -> Settled {
        let settlement = Settlement { acks: acks.to_vec(), retries: retries.to_vec() };
        wait(self.broker().settle(place, settlement)).expect("a settlement")
    }

    pub(super) fn ack(&self, place: Place, lease: Lease) -> AckOutcome {
        self.settle(place, &[lease], &[]).acks[0]
    }

    pub(super) fn retry(&self, place: Place, lease: Lease, delay: Option<Seconds>) -> RetryOutcome {
        self.settle(place, &[], &[Retry { lease, delay }]).retries[0]
    }

    pub(super) fn extend(&self, place: Place, lease: Lease, timeout: Option<Milliseconds>) -> ExtendOutcome {
        let extend = Extend { leases: vec![lease], visibility_timeout: timeout };
        wait(self.broker().extend(place, extend)).expect("an extension").leases[0]
    }

    pub(super) fn backlog(&self, place: Place) -> Backlog {
        self.advance(self.capabilities().backlog_lag);
        wait(self.broker().backlog(place)).expect("a backlog")
    }

    /// What an ack of an exhausted message is answered with.
    pub(super) fn exhausted(&self) -> AckOutcome {
        if self.capabilities().remembers_exhaustion { AckOutcome::Exhausted } else { AckOutcome::AlreadyGone }
    }
}
