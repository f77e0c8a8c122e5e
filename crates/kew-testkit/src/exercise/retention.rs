//! Retention: a message whose time in the queue is over is gone (spec §4.10, B8).

use kew_model::{
    AckOutcome, Backlog, ExtendOutcome, Milliseconds, NewConsumer, NewQueue, Place, PullSettings,
    QueueSettings, RetryOutcome, Seconds, Timestamp,
};

use super::stage::{DAY, MINUTE, Stage, TICK, name, new_queue, pulling, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

/// The shortest period.
pub(super) const SHORTEST: Seconds = Seconds(60);
/// The longest lease.
pub(super) const HALF_A_DAY: Milliseconds = Milliseconds(43_200_000);

impl<S: Subject> Stage<S> {
    /// A queue that keeps messages for `period`, with a pull consumer of these settings.
    pub(super) fn keeping(&self, text: &str, period: Seconds, settings: PullSettings) -> Place {
        let kept = QueueSettings { message_retention_period: period, ..QueueSettings::default() };
        let new = NewQueue { settings: kept, ..new_queue(text) };
        let queue = wait(self.broker().create_queue(self.account, new)).expect("a new queue").id;
        let place = Place { account: self.account, queue };
        self.attach(place, pulling(settings));
        place
    }

    /// A queue that keeps messages for a minute.
    pub(super) fn keeping_a_minute(&self) -> Place {
        self.keeping("jobs", SHORTEST, with_retries(3))
    }

    /// As [`Stage::keeping_a_minute`], but what is tried once goes to the queue "dead".
    pub(super) fn failing_within_a_minute(&self) -> Place {
        let place = self.keeping_a_minute();
        self.reattach(
            place,
            NewConsumer { dead_letter_queue: Some(name("dead")), ..pulling(with_retries(0)) },
        );
        place
    }

    /// Moves the clock to `length` after `start`.
    pub(super) fn until(&self, start: Timestamp, length: impl Into<Milliseconds>) {
        self.subject.clock().set(start.after(length));
    }

    /// What an ack of a message is answered with whose retention ended.
    pub(super) fn expired(&self) -> AckOutcome {
        if self.capabilities().remembers_exhaustion {
            AckOutcome::RetentionEnded
        } else {
            AckOutcome::AlreadyGone
        }
    }
}

/// A message is there until its period is over, to the millisecond, and then it is gone.
pub fn a_message_stays_for_its_period<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping_a_minute();
    stage.push(jobs, &["a"]);
    let start = stage.now();

    stage.until(start, Milliseconds(59_999));
    stage.expect(&stage.peek(jobs, 10), &["a"]);
    stage.until(start, SHORTEST);

    stage.expect(&stage.peek(jobs, 10), &[]);
    stage.expect_nothing(jobs);
    assert_eq!(stage.backlog(jobs), Backlog::default());
}

/// A queue that does not say keeps messages for four days.
pub fn a_message_stays_for_four_days<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let start = stage.now();

    stage.until(start, Milliseconds(4 * 86_400_000 - 1));
    stage.expect(&stage.peek(jobs, 10), &["a"]);
    stage.advance(TICK);

    stage.expect(&stage.peek(jobs, 10), &[]);
}

/// The longest period is fourteen days.
pub fn a_message_may_stay_for_fourteen_days<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping("jobs", Seconds(1_209_600), with_retries(3));
    stage.push(jobs, &["a"]);

    stage.advance(Milliseconds(14 * 86_400_000 - 1));
    stage.expect(&stage.peek(jobs, 10), &["a"]);
    stage.advance(TICK);

    stage.expect(&stage.peek(jobs, 10), &[]);
}

/// Whether ready, delayed, leased or held back: all are gone at the end of their period, for good.
pub fn a_message_goes_in_whatever_state_it_is<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping_a_minute();
    let start = stage.now();
    stage.push(jobs, &["leased", "held back"]);
    let got = stage.pull_with(jobs, 2, Some(HALF_A_DAY));
    stage.retry(jobs, got[1].lease, Some(DAY));
    stage.push_delayed(jobs, "delayed", DAY);
    stage.push(jobs, &["ready"]);

    stage.until(start, Milliseconds(59_999));
    assert_eq!(wait(stage.broker().backlog(jobs)).unwrap().count, 4);
    stage.until(start, SHORTEST);

    assert_eq!(stage.backlog(jobs), Backlog::default());
    stage.advance(DAY);
    stage.expect_nothing(jobs);
}

/// A pause stops deliveries, and no clock; nor does the want of a consumer.
pub fn a_period_ends_while_nothing_is_delivered<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (paused, bare) = (stage.keeping_a_minute(), stage.keeping("bare", SHORTEST, with_retries(3)));
    stage.pause(paused, true);
    stage.detach(bare);
    for place in [paused, bare] {
        stage.push(place, &["a"]);
    }

    stage.advance(SHORTEST);

    for place in [paused, bare] {
        assert_eq!(stage.backlog(place), Backlog::default());
    }
    stage.pause(paused, false);
    stage.expect_nothing(paused);
}

/// The lease of a message that is gone has nothing to settle, and its ack says why (spec §4.7).
pub fn late_settlements_of_an_expired_message_do_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping_a_minute();
    stage.push(jobs, &["a", "b"]);
    let got = stage.pull_with(jobs, 2, Some(HALF_A_DAY));
    stage.retry(jobs, got[1].lease, Some(DAY));

    stage.advance(SHORTEST);

    for lease in got.iter().map(|one| one.lease) {
        assert_eq!(stage.retry(jobs, lease, None), RetryOutcome::Gone);
        assert_eq!(stage.extend(jobs, lease, Some(MINUTE)), ExtendOutcome::Gone);
        assert_eq!(wait(stage.broker().discard(jobs, vec![lease.message])).unwrap(), [false]);
        for _ in 0..2 {
            assert_eq!(stage.ack(jobs, lease), stage.expired());
        }
        assert!(stage.expired().is_counted());
    }
    stage.expect_nothing(jobs);
}

/// An ack in the last millisecond is an ack, and stays one when the period is over.
pub fn an_acked_message_did_not_expire<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping_a_minute();
    stage.push(jobs, &["acked", "left"]);
    let got = stage.pull_with(jobs, 2, Some(HALF_A_DAY));
    stage.advance(Milliseconds(59_999));
    assert_eq!(stage.ack(jobs, got[0].lease), AckOutcome::Acked);

    stage.advance(TICK);

    assert_eq!(stage.ack(jobs, got[0].lease), AckOutcome::AlreadyGone);
    assert_eq!(stage.ack(jobs, got[1].lease), stage.expired());
}

/// A message that ends by its period is nobody's dead letter, though its last attempt is open.
pub fn an_expired_message_is_no_dead_letter<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let dead = stage.queue("dead");
    let jobs = stage.failing_within_a_minute();
    stage.push(jobs, &["a"]);
    stage.pull_with(jobs, 1, Some(HALF_A_DAY));

    stage.advance(DAY);
    stage.let_dead_letters_move();

    assert_eq!((stage.backlog(jobs).count, stage.backlog(dead).count), (0, 0));
}

/// Of lease and period that which ends first counts, and the period when both end at once; also when nobody looked.
pub fn a_lease_that_ends_before_the_period_fails<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let dead = stage.queue("dead");
    let jobs = stage.failing_within_a_minute();
    stage.push(jobs, &["fails", "expires"]);
    let start = stage.now();
    let fails = stage.pull_with(jobs, 1, Some(Milliseconds(59_999)));
    let expires = stage.pull_with(jobs, 1, Some(Milliseconds(60_000)));

    stage.until(start, DAY);
    stage.let_dead_letters_move();

    assert_eq!(stage.peek(dead, 10).len(), 1);
    assert_eq!(stage.peek(dead, 10)[0].id, fails[0].id);
    assert_eq!(stage.ack(jobs, fails[0].lease), stage.exhausted());
    assert_eq!(stage.ack(jobs, expires[0].lease), stage.expired());
}

/// Neither a delivery nor a retry nor an extension prolongs a message's time.
pub fn nothing_prolongs_a_period<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping_a_minute();
    stage.push(jobs, &["a"]);
    let start = stage.now();
    for second in [20, 40] {
        let lease = stage.pull_one(jobs).lease;
        stage.until(start, Seconds(second));
        stage.retry(jobs, lease, None);
    }
    let lease = stage.pull_one(jobs).lease;
    assert_eq!(stage.extend(jobs, lease, Some(HALF_A_DAY)), ExtendOutcome::Extended);

    stage.until(start, SHORTEST);

    assert_eq!(stage.extend(jobs, lease, Some(HALF_A_DAY)), ExtendOutcome::Gone);
    assert_eq!(stage.backlog(jobs).count, 0);
}

/// Messages go one after another, each at its own time, and the backlog's oldest moves on.
pub fn messages_go_in_the_order_of_their_arrival<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping_a_minute();
    let start = stage.now();
    for (second, body) in [(0, "a"), (10, "bb"), (20, "ccc")] {
        stage.until(start, Seconds(second));
        stage.push(jobs, &[body]);
    }

    for (second, count, bytes) in [(60, 2, 205), (70, 1, 103), (80, 0, 0)] {
        stage.until(start, Milliseconds(second * 1_000 - 1));
        assert_eq!(wait(stage.broker().backlog(jobs)).unwrap().count, count + 1);
        stage.until(start, Milliseconds(second * 1_000));

        let oldest = (count > 0).then(|| start.after(Milliseconds((second - 50) * 1_000)));
        assert_eq!(wait(stage.broker().backlog(jobs)).unwrap(), Backlog { count, bytes, oldest });
    }
}

/// A batch of different delays has one time to go: delays prolong nothing.
pub fn a_delay_counts_into_the_period<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping_a_minute();
    let start = stage.now();
    stage.push_delayed(jobs, "a", Seconds(59));
    stage.push_delayed(jobs, "never", SHORTEST);

    stage.until(start, Milliseconds(59_999));
    stage.expect(&stage.peek(jobs, 10), &["a"]);
    stage.until(start, SHORTEST);

    assert_eq!(stage.backlog(jobs).count, 0);
    stage.expect_nothing(jobs);
}

/// A queue goes on after everything in it has expired, and in its sequence.
pub fn a_queue_lives_on_after_its_messages<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping_a_minute();
    stage.push(jobs, &["before"]);
    let before = stage.peek(jobs, 1)[0].lease.message;
    stage.advance(SHORTEST);

    stage.push(jobs, &["after"]);

    let after = stage.pull_one(jobs);
    assert_eq!(after.body, b"after");
    assert!(after.lease.message > before, "sequences are never reused");
}
