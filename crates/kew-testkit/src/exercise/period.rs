//! Retention periods that change, and messages that change queues: what a period counts from, and which one counts
//! (spec §4.10, B8).

use kew_model::{Backlog, Destination, Milliseconds, Place, QueueChange, Seconds};

use super::retention::{HALF_A_DAY, SHORTEST};
use super::stage::{DAY, Stage, TICK, with_retries};
use crate::subject::Subject;

impl<S: Subject> Stage<S> {
    fn keep_for(&self, place: Place, period: Seconds) {
        self.change(place, QueueChange { message_retention_period: Some(period), ..QueueChange::default() });
    }
}

/// A period that is lowered acts on what is stored: what is older is gone at once, the younger goes at the new time.
pub fn a_lowered_period_acts_on_stored_messages<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping("jobs", DAY, with_retries(3));
    let start = stage.now();
    stage.push(jobs, &["leased"]);
    let leased = stage.pull_with(jobs, 1, Some(HALF_A_DAY)).remove(0);
    stage.push(jobs, &["older"]);
    stage.until(start, Seconds(3_600));
    stage.push(jobs, &["younger"]);
    stage.until(start, Seconds(7_200));

    stage.keep_for(jobs, Seconds(7_200));

    stage.expect(&stage.peek(jobs, 10), &["younger"]);
    assert_eq!(stage.backlog(jobs).count, 1);
    assert_eq!(stage.ack(jobs, leased.lease), stage.expired());
    stage.until(start, Milliseconds(10_799_999));
    stage.expect(&stage.peek(jobs, 10), &["younger"]);
    stage.advance(TICK);
    stage.expect(&stage.peek(jobs, 10), &[]);
}

/// A period that is raised keeps what is still there.
pub fn a_raised_period_keeps_stored_messages<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping_a_minute();
    stage.push(jobs, &["a"]);
    let start = stage.now();
    stage.until(start, Seconds(50));

    stage.keep_for(jobs, Seconds(120));

    stage.until(start, Milliseconds(119_999));
    stage.expect(&stage.peek(jobs, 10), &["a"]);
    stage.advance(TICK);
    stage.expect(&stage.peek(jobs, 10), &[]);
}

/// A period that is raised, be it at the very moment of the end, brings nothing back.
pub fn a_raised_period_brings_nothing_back<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping_a_minute();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_with(jobs, 1, Some(HALF_A_DAY))[0].lease;
    stage.advance(SHORTEST);

    stage.keep_for(jobs, DAY);

    assert_eq!(stage.backlog(jobs).count, 0);
    assert_eq!(stage.ack(jobs, lease), stage.expired());
}

/// Lowered and raised again within one moment: what the low period ended is gone.
pub fn a_period_lowered_for_a_moment_has_acted<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping("jobs", DAY, with_retries(3));
    stage.push(jobs, &["older"]);
    stage.advance(Seconds(3_600));
    stage.push(jobs, &["younger"]);

    stage.keep_for(jobs, SHORTEST);
    stage.keep_for(jobs, DAY);

    stage.expect(&stage.pull(jobs, 10), &["younger"]);
}

/// A dead letter is kept for its own queue's period, from the moment of its failure.
pub fn a_dead_letter_stays_for_the_period_of_its_queue<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let dead = stage.keeping("dead", Seconds(100), with_retries(3));
    let jobs = stage.failing_within_a_minute();
    stage.push(jobs, &["a"]);
    let start = stage.now();
    stage.pull_with(jobs, 1, Some(Milliseconds(50_000)));

    stage.until(start, Milliseconds(149_999));
    stage.let_dead_letters_move();
    let is_exact = stage.capabilities().exhaustion_lag == Milliseconds(0);
    assert!(!is_exact || stage.peek(dead, 10).len() == 1);
    stage.advance(TICK);
    stage.let_dead_letters_move();

    assert_eq!((stage.backlog(jobs).count, stage.backlog(dead).count), (0, 0));
}

/// A dead letter that came and went while nobody looked is gone from both queues.
pub fn a_dead_letter_may_come_and_go_unseen<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let dead = stage.keeping("dead", SHORTEST, with_retries(3));
    let jobs = stage.failing_within_a_minute();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_with(jobs, 1, Some(Milliseconds(30_000)))[0].lease;

    stage.advance(DAY);
    stage.let_dead_letters_move();

    assert_eq!(stage.ack(jobs, lease), stage.exhausted());
    assert_eq!((stage.backlog(jobs), stage.backlog(dead)), (Backlog::default(), Backlog::default()));
}

/// A redriven message is kept for the period of where it goes, from its arrival.
pub fn a_redriven_message_stays_for_the_period_of_its_queue<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (source, target) = (stage.jobs(), stage.keeping("target", SHORTEST, with_retries(3)));
    stage.push(source, &["a"]);
    stage.advance(Seconds(3_600));
    stage.redrive(source, Destination::Queue(target.queue), 100);
    let start = stage.now();

    stage.until(start, Milliseconds(59_999));
    stage.expect(&stage.peek(target, 10), &["a"]);
    stage.advance(TICK);

    stage.expect(&stage.peek(target, 10), &[]);
}

/// What has expired is not redriven.
pub fn an_expired_message_is_not_redriven<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (source, target) = (stage.keeping_a_minute(), stage.queue("target"));
    stage.push(source, &["a"]);
    stage.advance(SHORTEST);

    let redriven = stage.redrive(source, Destination::Queue(target.queue), 100);

    assert_eq!((redriven.moved, redriven.left), (0, 0));
    assert_eq!(stage.backlog(target).count, 0);
}

/// Periods go on while the broker is closed, and what has gone stays gone, with its reason.
pub fn periods_end_while_closed<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.keeping_a_minute();
    let start = stage.now();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_with(jobs, 1, Some(HALF_A_DAY))[0].lease;
    stage.until(start, Seconds(30));
    stage.push(jobs, &["b"]);

    let stage = stage.restart();
    stage.until(start, SHORTEST);
    let stage = stage.restart();

    assert_eq!(stage.ack(jobs, lease), stage.expired());
    stage.expect(&stage.peek(jobs, 10), &["b"]);
    let stage = stage.restart();
    assert_eq!(stage.ack(jobs, lease), stage.expired());
    stage.until(start, Seconds(90));
    stage.expect(&stage.peek(jobs, 10), &[]);
    let stage = stage.restart();
    assert_eq!(stage.backlog(jobs), Backlog::default());
}

/// Arrivals, not restarts, begin a period: also for dead letters and under a period that was changed.
pub fn arrivals_survive_a_restart<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let dead = stage.keeping("dead", Seconds(100), with_retries(3));
    let jobs = stage.failing_within_a_minute();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    stage.advance(Seconds(30));
    stage.retry(jobs, lease, None);
    let start = stage.now();

    let stage = stage.restart();
    stage.keep_for(dead, Seconds(200));
    let stage = stage.restart();

    stage.until(start, Milliseconds(199_999));
    stage.expect(&stage.peek(dead, 10), &["a"]);
    stage.advance(TICK);
    stage.expect(&stage.peek(dead, 10), &[]);
}
