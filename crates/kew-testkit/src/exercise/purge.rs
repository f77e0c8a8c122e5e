//! Purge: everything gone in one step (spec §4.9).

use kew_model::{AckOutcome, Backlog, Error, ExtendOutcome, Place, Purge, QueueId, RetryOutcome, Seconds};

use super::stage::{DAY, MINUTE, Stage, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

/// Ready, delayed, leased and returned messages are all deleted.
pub fn a_purge_removes_everything<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["leased", "returned"]);
    let got = stage.pull(jobs, 2);
    stage.retry(jobs, got[1].lease, Some(Seconds(5)));
    stage.push(jobs, &["ready"]);
    stage.push_delayed(jobs, "delayed", Seconds(60));

    wait(stage.broker().purge(jobs)).unwrap();

    assert_eq!(stage.backlog(jobs), Backlog::default());
    stage.advance(DAY);
    stage.expect_nothing(jobs);
}

/// Leases from before a purge find nothing to do.
pub fn leases_from_before_a_purge_find_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    wait(stage.broker().purge(jobs)).unwrap();

    assert_eq!(stage.ack(jobs, lease), AckOutcome::AlreadyGone);
    assert_eq!(stage.retry(jobs, lease, None), RetryOutcome::Gone);
    assert_eq!(stage.extend(jobs, lease, Some(MINUTE)), ExtendOutcome::Gone);
    stage.expect_nothing(jobs);
}

/// What is pushed after a purge stays, and goes on in the sequence.
pub fn a_queue_lives_on_after_a_purge<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["before"]);
    let before = stage.pull_one(jobs).lease;
    wait(stage.broker().purge(jobs)).unwrap();

    stage.push(jobs, &["after"]);

    let after = stage.pull_one(jobs);
    assert_eq!((after.body.as_slice(), after.attempts), (b"after".as_slice(), 1));
    assert!(after.lease.message > before.message, "sequences are never reused");
    assert_eq!(stage.backlog(jobs).count, 1);
}

/// The queue shows when it was last purged; before, nothing.
pub fn a_purge_is_shown<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    assert_eq!(stage.shown(jobs).purge, None);
    stage.advance(MINUTE);
    wait(stage.broker().purge(jobs)).unwrap();
    stage.advance(MINUTE);
    let purged_at = stage.now();

    let answered = wait(stage.broker().purge(jobs)).unwrap();

    assert_eq!(answered.purge, Some(Purge { started_at: purged_at }));
    stage.let_settings_act();
    assert_eq!(stage.shown(jobs).purge, answered.purge);
}

/// A purge works while paused, and leaves other queues alone.
pub fn a_purge_is_of_one_queue_paused_or_not<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let other = stage.pulled("other", with_retries(3));
    stage.push(jobs, &["a"]);
    stage.push(other, &["b"]);
    stage.pause(jobs, true);

    wait(stage.broker().purge(jobs)).unwrap();

    assert_eq!((stage.backlog(jobs).count, stage.backlog(other).count), (0, 1));
    assert!(stage.shown(jobs).settings.delivery_paused);
}

/// A queue that is not there cannot be purged.
pub fn a_purge_of_no_queue_is_refused<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let nowhere = Place { account: stage.account, queue: QueueId([7; 16]) };

    assert_eq!(wait(stage.broker().purge(nowhere)).unwrap_err(), Error::QueueNotFound);
}
