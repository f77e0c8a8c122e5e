//! Retries: a message given back before its lease ends (spec §4.3, §4.5).

use kew_model::{Milliseconds, PullSettings, QueueChange, Retry, RetryOutcome, Seconds};

use super::stage::{DAY, MINUTE, Stage, TICK, pulling, with_retries};
use crate::subject::Subject;

fn with_delay(seconds: u32) -> PullSettings {
    PullSettings { retry_delay: Seconds(seconds), ..with_retries(5) }
}

/// A message given back is available at once, and its next delivery is the next attempt.
pub fn a_retried_message_comes_again<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let first = stage.pull_one(jobs);

    assert_eq!(stage.retry(jobs, first.lease, None), RetryOutcome::Retried);

    let second = stage.pull_one(jobs);
    assert_eq!((second.id, second.attempts, second.sent_at), (first.id, 2, first.sent_at));
    assert!(second.lease.fence > first.lease.fence);
}

/// A retry may hold the message back, to the millisecond.
pub fn a_retry_may_hold_the_message_back<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    stage.retry(jobs, stage.pull_one(jobs).lease, Some(Seconds(600)));

    stage.advance(Milliseconds(599_999));
    stage.expect_nothing(jobs);
    stage.advance(TICK);

    assert_eq!(stage.pull_one(jobs).attempts, 2);
}

/// The consumer's delay holds retries that do not say; an explicit 0 beats it.
pub fn the_consumers_delay_holds_retries_that_do_not_say<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.pulled("jobs", with_delay(30));
    stage.push(jobs, &["a", "b"]);
    let got = stage.pull(jobs, 2);
    let at_once = Retry { lease: got[0].lease, delay: Some(Seconds(0)) };
    let by_default = Retry { lease: got[1].lease, delay: None };
    stage.settle(jobs, &[], &[at_once, by_default]);

    assert_eq!(stage.pull_one(jobs).body, got[0].body);
    stage.advance(Milliseconds(29_999));
    stage.expect_nothing(jobs);
    stage.advance(TICK);
    assert_eq!(stage.pull_one(jobs).body, got[1].body);
}

/// The consumer's delay also holds a message whose lease expired, counted from the lease's end.
pub fn the_consumers_delay_holds_expired_messages<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.pulled("jobs", with_delay(30));
    stage.push(jobs, &["a"]);
    stage.pull_one(jobs);

    stage.advance(Milliseconds(MINUTE.0 + 29_999));
    stage.expect_nothing(jobs);
    stage.advance(TICK);

    assert_eq!(stage.pull_one(jobs).attempts, 2);
}

/// The queue's delay is for new messages, not for retries.
pub fn the_queues_delay_does_not_hold_retries<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    stage.change(jobs, QueueChange { delivery_delay: Some(DAY), ..QueueChange::default() });
    stage.retry(jobs, lease, None);

    assert_eq!(stage.pull_one(jobs).attempts, 2);
}

/// After the lease expired, a retry still sets the delay and adds no attempt.
pub fn a_late_retry_sets_the_delay<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    stage.advance(MINUTE);

    assert_eq!(stage.retry(jobs, lease, Some(Seconds(600))), RetryOutcome::Retried);

    stage.advance(Milliseconds(599_999));
    stage.expect_nothing(jobs);
    stage.advance(TICK);
    assert_eq!(stage.pull_one(jobs).attempts, 2);
}

/// A second retry of the same delivery moves the message again, also to an earlier moment.
pub fn a_second_retry_moves_the_message<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    let long = Retry { lease, delay: Some(DAY) };
    let short = Retry { lease, delay: Some(Seconds(10)) };

    let settled = stage.settle(jobs, &[], &[long, short]);

    assert_eq!(settled.retries, [RetryOutcome::Retried; 2]);
    stage.advance(Seconds(10));
    assert_eq!(stage.pull_one(jobs).attempts, 2);
}

/// An old lease does not disturb who holds the message now.
pub fn a_retry_by_an_old_lease_is_ignored<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let old = stage.pull_one(jobs).lease;
    stage.advance(MINUTE);
    let new = stage.pull_one(jobs).lease;

    assert_eq!(stage.retry(jobs, old, None), RetryOutcome::Redelivered);
    stage.expect_nothing(jobs);

    stage.retry(jobs, new, Some(DAY));
    assert_eq!(stage.retry(jobs, old, None), RetryOutcome::Redelivered);
    stage.expect_nothing(jobs);
}

/// There is nothing to give back of a message that is gone.
pub fn a_retry_of_a_gone_message_is_ignored<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    stage.ack(jobs, lease);

    assert_eq!(stage.retry(jobs, lease, None), RetryOutcome::Gone);

    stage.expect_nothing(jobs);
}

/// B5: a message given back stands behind those that were available before.
pub fn a_retried_message_stands_behind_older_ones<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a", "b", "c"]);
    let first = stage.pull(jobs, 1).remove(0);
    stage.advance(TICK);
    stage.retry(jobs, first.lease, None);

    let rest = stage.pull(jobs, 100);

    let mut expected = vec!["a", "b", "c"];
    expected.retain(|body| body.as_bytes() != first.body);
    let returned = String::from_utf8(first.body).unwrap();
    expected.push(&returned);
    stage.expect(&rest, &expected);
}

/// A retry delay that changes meanwhile is the one of the moment of failure.
pub fn the_retry_delay_of_the_moment_counts<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.pulled("jobs", with_delay(600));
    stage.push(jobs, &["a"]);
    let lease = stage.pull_with(jobs, 1, Some(Milliseconds(43_200_000)))[0].lease;
    stage.reattach(jobs, pulling(with_delay(0)));

    stage.retry(jobs, lease, None);

    assert_eq!(stage.pull_one(jobs).attempts, 2);
}
