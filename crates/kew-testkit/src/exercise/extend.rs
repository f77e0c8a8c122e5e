//! Extend: a longer (or shorter) lease under the same id (spec §2.11 row 21).

use kew_model::{AckOutcome, Error, Extend, ExtendOutcome, Milliseconds, Place, QueueId};

use super::stage::{MINUTE, Stage, TICK, pulling, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

const HOUR: Milliseconds = Milliseconds(3_600_000);

/// The new time counts from now; the lease keeps its id, and no attempt is counted.
pub fn an_extended_lease_lasts_from_now<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    stage.advance(Milliseconds(MINUTE.0 - 1));

    assert_eq!(stage.extend(jobs, lease, Some(HOUR)), ExtendOutcome::Extended);

    stage.advance(Milliseconds(HOUR.0 - 1));
    stage.expect_nothing(jobs);
    stage.advance(TICK);
    assert_eq!(stage.pull_one(jobs).attempts, 2);
}

/// An extension may end a lease sooner, even at once.
pub fn an_extension_may_shorten<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;

    assert_eq!(stage.extend(jobs, lease, Some(Milliseconds(0))), ExtendOutcome::Extended);

    assert_eq!(stage.pull_one(jobs).attempts, 2);
}

/// An extension that does not say how long takes the consumer's visibility timeout.
pub fn an_extension_takes_the_consumers_timeout<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_with(jobs, 1, Some(HOUR))[0].lease;

    stage.extend(jobs, lease, None);

    stage.advance(Milliseconds(MINUTE.0 - 1));
    stage.expect_nothing(jobs);
    stage.advance(TICK);
    assert_eq!(stage.pull_one(jobs).attempts, 2);
}

/// Without a pull consumer the default of 30 seconds stands in.
pub fn an_extension_without_a_consumer_takes_the_default<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_with(jobs, 1, Some(HOUR))[0].lease;
    stage.detach(jobs);
    stage.extend(jobs, lease, None);
    stage.attach(jobs, pulling(with_retries(3)));

    stage.advance(Milliseconds(29_999));
    stage.expect_nothing(jobs);
    stage.advance(TICK);
    assert_eq!(stage.pull_one(jobs).attempts, 2);
}

/// The id that was extended is the one to ack by.
pub fn an_extended_lease_still_acks<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    stage.extend(jobs, lease, Some(HOUR));
    stage.advance(MINUTE);

    assert_eq!(stage.ack(jobs, lease), AckOutcome::Acked);
}

/// A lease that ended stays ended: expired, given back, or followed by another delivery.
pub fn a_lease_that_ended_cannot_be_extended<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let expired = stage.pull_one(jobs).lease;
    stage.advance(MINUTE);
    assert_eq!(stage.extend(jobs, expired, Some(HOUR)), ExtendOutcome::Ended);

    let retried = stage.pull_one(jobs).lease;
    assert_eq!(stage.extend(jobs, expired, Some(HOUR)), ExtendOutcome::Ended);
    stage.retry(jobs, retried, None);
    assert_eq!(stage.extend(jobs, retried, Some(HOUR)), ExtendOutcome::Ended);

    let current = stage.pull_one(jobs).lease;
    stage.advance(MINUTE);
    assert_eq!(stage.extend(jobs, current, Some(HOUR)), ExtendOutcome::Ended);
}

/// Gone messages and other queues' leases are told apart.
pub fn an_extension_tells_gone_from_foreign<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let other = stage.pulled("other", with_retries(3));
    stage.push(jobs, &["a", "b"]);
    let got = stage.pull(jobs, 2);
    stage.ack(jobs, got[0].lease);

    assert_eq!(stage.extend(jobs, got[0].lease, Some(HOUR)), ExtendOutcome::Gone);
    assert_eq!(stage.extend(other, got[1].lease, Some(HOUR)), ExtendOutcome::OtherQueue);

    stage.advance(MINUTE);
    stage.expect(&stage.pull(jobs, 10), &["b"]);
    let nowhere = Place { queue: QueueId([7; 16]), ..jobs };
    let refused = wait(stage.broker().extend(nowhere, Extend::default()));
    assert_eq!(refused.unwrap_err(), Error::QueueNotFound);
}
