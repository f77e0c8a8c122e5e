//! Pull: leases, their length, and the order of messages.

use kew_model::{Error, Milliseconds, Place, Pull, PullSettings, QueueId, Seconds};

use super::stage::{MINUTE, Stage, TICK, a_worker, with_retries};
use crate::subject::Subject;

/// Nothing there is no error (spec §2.11 row 17).
pub fn an_empty_queue_gives_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();

    let (got, backlog) = stage.try_pull(jobs, Pull::default()).unwrap();

    assert_eq!((got.len(), backlog.count, backlog.bytes, backlog.oldest), (0, 0, 0, None));
}

/// B3: two pullers get different messages, until a lease ends.
pub fn a_leased_message_is_given_to_nobody_else<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a", "b"]);

    stage.expect(&stage.pull(jobs, 1), &["a"]);
    stage.expect(&stage.pull(jobs, 100), &["b"]);
    stage.expect_nothing(jobs);
}

/// A lease lasts to the millisecond; then the same message comes again under a new lease (spec §4.4).
pub fn a_lease_that_ends_gives_the_message_back<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let first = stage.pull_one(jobs);

    stage.advance(Milliseconds(MINUTE.0 - 1));
    stage.expect_nothing(jobs);
    stage.advance(TICK);

    let second = stage.pull_one(jobs);
    assert_eq!((second.id, second.sent_at, second.attempts), (first.id, first.sent_at, 2));
    assert!(second.lease.fence > first.lease.fence, "a later delivery has a higher fence");
}

/// A pull may say how long its leases last, over the consumer's setting.
pub fn a_pull_may_set_its_own_visibility_timeout<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    stage.pull_with(jobs, 1, Some(Milliseconds(43_200_000)));

    stage.advance(Milliseconds(43_200_000 - 1));
    stage.expect_nothing(jobs);
    stage.advance(TICK);

    assert_eq!(stage.pull_one(jobs).attempts, 2);
}

/// A visibility timeout of 0 is a lease that ends at once (spec §2.9: the range starts at 0).
pub fn a_lease_of_no_length_ends_at_once<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);

    let pull = Pull { batch_size: Some(1), visibility_timeout: Some(Milliseconds(0)) };
    let attempts: Vec<_> = (0..3).map(|_| stage.try_pull(jobs, pull).unwrap().0[0].attempts).collect();

    assert_eq!(attempts, [1, 2, 3]);
}

/// A pull that does not say how many gets the consumer's batch size.
pub fn the_consumer_sets_batch_size_and_timeout<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let settings =
        PullSettings { batch_size: 2, visibility_timeout: Milliseconds(5_000), ..PullSettings::default() };
    let jobs = stage.pulled("jobs", settings);
    stage.push(jobs, &["a", "b", "c"]);

    let (first, _) = stage.try_pull(jobs, Pull::default()).unwrap();
    let fills_up = stage.capabilities().pulls_until_full == 1;
    assert!(if fills_up { first.len() == 2 } else { first.len() <= 2 }, "the consumer's batch size");
    stage.pull(jobs, 100);

    stage.advance(Milliseconds(4_999));
    stage.expect_nothing(jobs);
    stage.advance(TICK);
    stage.expect(&stage.pull(jobs, 100), &["a", "b", "c"]);
}

/// B5: the order is that of becoming available, not of publishing.
pub fn messages_come_in_the_order_of_becoming_available<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push_delayed(jobs, "third", Seconds(30));
    stage.push_delayed(jobs, "second", Seconds(20));
    stage.push(jobs, &["first"]);
    stage.advance(Seconds(25));
    stage.push_delayed(jobs, "fourth", Seconds(10));
    stage.advance(Seconds(60));
    stage.push(jobs, &["fifth"]);

    stage.expect(&stage.pull(jobs, 100), &["first", "second", "third", "fourth", "fifth"]);
}

/// B5: a returned message stands where its lease ended; those of one moment stand by sequence.
pub fn a_returned_message_stands_where_its_lease_ended<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a", "b"]);
    stage.pull_with(jobs, 2, Some(Milliseconds(10_000)));
    stage.advance(Seconds(5));
    stage.push(jobs, &["before"]);
    stage.push_delayed(jobs, "same moment", Seconds(5));
    stage.advance(Seconds(7));
    stage.push(jobs, &["after"]);

    stage.expect(&stage.pull(jobs, 100), &["before", "a", "b", "same moment", "after"]);
}

/// The backlog of the answer still holds the messages that it returns (spec §4.11).
pub fn a_pull_answers_the_backlog_with_its_messages<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let pushed_at = stage.now();
    stage.push(jobs, &["abc", "de"]);
    stage.advance(stage.capabilities().backlog_lag);

    let (got, backlog) = stage.try_pull(jobs, Pull::default()).unwrap();

    assert!(!got.is_empty());
    assert_eq!((backlog.count, backlog.bytes, backlog.oldest), (2, 205, Some(pushed_at)));
}

/// Who may not pull: nobody without an `http_pull` consumer, and nobody while paused (spec §2.11 row 17).
pub fn a_pull_needs_a_pull_consumer_and_no_pause<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (none, worker) = (stage.queue("none"), stage.queue("worker"));
    stage.attach(worker, a_worker());
    let paused = stage.pulled("paused", with_retries(3));
    let both = stage.queue("both");
    stage.pause(both, true);
    stage.pause(paused, true);

    let nowhere = Place { queue: QueueId([7; 16]), ..none };
    for (place, error) in [
        (none, Error::PullNotEnabled),
        (worker, Error::PullNotEnabled),
        (both, Error::PullNotEnabled),
        (paused, Error::QueuePaused),
        (nowhere, Error::QueueNotFound),
    ] {
        assert_eq!(stage.try_pull(place, Pull::default()).unwrap_err(), error);
    }
}

/// A refused pull leases nothing and counts no attempt.
pub fn a_refused_pull_takes_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    stage.pause(jobs, true);
    stage.try_pull(jobs, Pull::default()).unwrap_err();
    stage.pause(jobs, false);

    assert_eq!(stage.pull_one(jobs).attempts, 1);
}

/// Time alone neither loses nor doubles a message: leased and left again and again, it is one message still.
pub fn a_message_left_many_times_is_still_one<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.pulled("jobs", with_retries(100));
    stage.push(jobs, &["a"]);

    for attempts in 1..=20 {
        assert_eq!(stage.pull_one(jobs).attempts, attempts);
        assert_eq!(stage.backlog(jobs).count, 1);
        stage.advance(Seconds(14_400));
    }
}
