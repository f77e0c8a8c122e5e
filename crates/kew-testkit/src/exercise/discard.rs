//! Discard: single messages deleted by their sequence, without a delivery (spec §2.11 row 20).

use kew_model::{AckOutcome, Error, Place, QueueId, RetryOutcome, Seconds, Sequence};

use super::stage::{DAY, MINUTE, Stage};
use crate::subject::Subject;
use crate::wait::wait;

/// Ready, leased and waiting messages can be discarded; each answer tells whether the message was there.
pub fn a_discarded_message_is_gone<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["leased", "waiting", "ready"]);
    let got = stage.pull(jobs, 3);
    stage.retry(jobs, got[1].lease, Some(Seconds(30)));
    stage.retry(jobs, got[2].lease, None);

    let messages: Vec<_> = got.iter().map(|one| one.lease.message).collect();
    let discarded = wait(stage.broker().discard(jobs, messages)).unwrap();

    assert_eq!(discarded, [true; 3]);
    assert_eq!(stage.backlog(jobs).count, 0);
    stage.advance(DAY);
    stage.expect_nothing(jobs);
}

/// Twice the same, one that is gone, and one that never was.
pub fn a_discard_tells_what_was_not_there<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["acked", "left", "stays"]);
    let got = stage.pull(jobs, 3);
    stage.ack(jobs, got[0].lease);
    let (acked, left) = (got[0].lease.message, got[1].lease.message);

    let asked = vec![acked, left, left, Sequence(999_999), Sequence(0)];
    let discarded = wait(stage.broker().discard(jobs, asked)).unwrap();

    assert_eq!(discarded, [false, true, false, false, false]);
    assert_eq!(stage.backlog(jobs).count, 1);
}

/// A lease of a discarded message finds nothing to do.
pub fn a_lease_of_a_discarded_message_finds_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    wait(stage.broker().discard(jobs, vec![lease.message])).unwrap();

    assert_eq!(stage.ack(jobs, lease), AckOutcome::AlreadyGone);
    assert_eq!(stage.retry(jobs, lease, None), RetryOutcome::Gone);
    stage.advance(MINUTE);
    stage.expect_nothing(jobs);
}

/// The oldest message's going moves the backlog's oldest on.
pub fn a_discard_moves_the_oldest_on<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["old"]);
    let old = stage.pull_one(jobs).lease.message;
    stage.advance(MINUTE);
    let second_at = stage.now();
    stage.push(jobs, &["newer"]);

    wait(stage.broker().discard(jobs, vec![old])).unwrap();

    assert_eq!(stage.backlog(jobs).oldest, Some(second_at));
}

/// A queue that is not there has nothing to discard.
pub fn a_discard_in_no_queue_is_refused<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let nowhere = Place { account: stage.account, queue: QueueId([7; 16]) };

    let refused = wait(stage.broker().discard(nowhere, vec![Sequence(1)]));

    assert_eq!(refused.unwrap_err(), Error::QueueNotFound);
}
