//! Acks, and the matrix of late, double and crossed ones (spec §4.5). Retries have a file of their own.

use kew_model::{AckOutcome, Backlog, Error, Place, QueueId, Retry, RetryOutcome, Settlement};

use super::stage::{DAY, MINUTE, Stage, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

/// B4: an acked message never comes back.
pub fn an_acked_message_is_gone<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let got = stage.pull_one(jobs);

    assert_eq!(stage.ack(jobs, got.lease), AckOutcome::Acked);

    assert_eq!(stage.backlog(jobs), Backlog::default());
    stage.advance(DAY);
    stage.expect_nothing(jobs);
}

/// Clients repeat an ack whose answer they missed; it is counted again and changes nothing (spec §4.7).
pub fn a_second_ack_changes_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a", "b"]);
    let lease = stage.pull(jobs, 1)[0].lease;
    stage.ack(jobs, lease);

    assert_eq!(stage.ack(jobs, lease), AckOutcome::AlreadyGone);

    assert_eq!(stage.backlog(jobs).count, 1);
}

/// An ack after the lease ended still counts, as long as the message is there.
pub fn a_late_ack_removes_the_message<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    stage.advance(MINUTE);

    assert_eq!(stage.ack(jobs, lease), AckOutcome::Acked);

    stage.expect_nothing(jobs);
}

/// An old lease removes the message under a newer one; the newer one's ack then finds nothing to do.
pub fn an_ack_by_an_old_lease_removes_the_message<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let old = stage.pull_one(jobs).lease;
    stage.advance(MINUTE);
    let new = stage.pull_one(jobs).lease;

    assert_eq!(stage.ack(jobs, old), AckOutcome::Acked);
    assert_eq!(stage.ack(jobs, new), AckOutcome::AlreadyGone);

    assert_eq!(stage.backlog(jobs).count, 0);
}

/// An ack of a message that waits for its next attempt removes it.
pub fn an_ack_of_a_retried_message_removes_it<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    stage.retry(jobs, lease, Some(DAY));

    assert_eq!(stage.ack(jobs, lease), AckOutcome::Acked);

    stage.advance(DAY);
    stage.expect_nothing(jobs);
}

/// A lease works only in the queue that gave it.
pub fn a_lease_of_another_queue_does_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let other = stage.pulled("other", with_retries(3));
    stage.push(jobs, &["a"]);
    stage.push(other, &["b"]);
    let lease = stage.pull_one(jobs).lease;
    stage.pull_one(other);

    let settled = stage.settle(other, &[lease], &[Retry { lease, delay: None }]);

    assert_eq!(settled.acks, [AckOutcome::OtherQueue]);
    assert_eq!(settled.retries, [RetryOutcome::OtherQueue]);
    assert_eq!((stage.backlog(jobs).count, stage.backlog(other).count), (1, 1));
    stage.expect_nothing(jobs);
    stage.expect_nothing(other);
}

/// A lease named in both lists is acked.
pub fn acks_come_before_retries<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;

    let settled = stage.settle(jobs, &[lease], &[Retry { lease, delay: None }]);

    assert_eq!((settled.acks[0], settled.retries[0]), (AckOutcome::Acked, RetryOutcome::Gone));
    stage.expect_nothing(jobs);
}

/// Each entry is judged after the ones before it, and answered in its place.
pub fn entries_are_judged_one_after_another<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let other = stage.pulled("other", with_retries(3));
    stage.push(jobs, &["a", "b"]);
    stage.push(other, &["c"]);
    let leases: Vec<_> = stage.pull(jobs, 2).iter().map(|one| one.lease).collect();
    let foreign = stage.pull_one(other).lease;

    let settled = stage.settle(jobs, &[leases[0], foreign, leases[0], leases[1]], &[]);

    use AckOutcome::{Acked, AlreadyGone, OtherQueue};
    assert_eq!(settled.acks, [Acked, OtherQueue, AlreadyGone, Acked]);
}

/// Nothing to settle is no error.
pub fn an_empty_settlement_does_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);

    let settled = stage.settle(jobs, &[], &[]);

    assert_eq!((settled.acks.len(), settled.retries.len(), stage.backlog(jobs).count), (0, 0, 1));
}

/// Leases taken before a pause may be settled during it (spec §4.8).
pub fn a_paused_queue_takes_acks_and_retries<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a", "b"]);
    let got = stage.pull(jobs, 2);
    stage.pause(jobs, true);

    assert_eq!(stage.ack(jobs, got[0].lease), AckOutcome::Acked);
    assert_eq!(stage.retry(jobs, got[1].lease, None), RetryOutcome::Retried);

    stage.pause(jobs, false);
    assert_eq!(stage.pull_one(jobs).body, got[1].body);
}

/// Leases outlive the consumer that they were taken under (spec §4.6).
pub fn a_queue_without_its_consumer_takes_acks_and_retries<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a", "b"]);
    let got = stage.pull(jobs, 2);
    stage.detach(jobs);

    assert_eq!(stage.ack(jobs, got[0].lease), AckOutcome::Acked);
    assert_eq!(stage.retry(jobs, got[1].lease, None), RetryOutcome::Retried);

    assert_eq!(stage.backlog(jobs).count, 1);
}

/// A queue that is not there settles nothing.
pub fn a_settlement_of_no_queue_is_refused<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let nowhere = Place { account: stage.account, queue: QueueId([7; 16]) };

    let refused = wait(stage.broker().settle(nowhere, Settlement::default()));

    assert_eq!(refused.unwrap_err(), Error::QueueNotFound);
}
