//! The promise that a waiting puller builds on: kept whenever something may have become available.
//!
//! A promise may be kept without need, so no case asks that one is *not* kept; each asks that it is, and that the
//! message is there then. A promise that is forgotten makes [`wait`] give up.

use kew_model::{Milliseconds, NewConsumer, PullSettings, Seconds};

use super::stage::{DAY, MINUTE, Stage, name, pulling, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

/// A push.
pub fn a_push_keeps_the_promise<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let change = stage.broker().changed(jobs);

    stage.push(jobs, &["a"]);

    wait(change);
    stage.expect(&stage.pull(jobs, 10), &["a"]);
}

/// A delay that ends.
pub fn the_end_of_a_delay_keeps_the_promise<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push_delayed(jobs, "a", Seconds(60));
    let change = stage.broker().changed(jobs);

    stage.advance(Seconds(60));

    wait(change);
    stage.expect(&stage.pull(jobs, 10), &["a"]);
}

/// A lease that expires, at once or after the consumer's retry delay.
pub fn the_end_of_a_lease_keeps_the_promise<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let slow = stage.pulled("slow", PullSettings { retry_delay: Seconds(600), ..with_retries(3) });
    for (place, length) in [(jobs, MINUTE), (slow, Milliseconds(660_000))] {
        stage.push(place, &["a"]);
        stage.pull_one(place);
        let change = stage.broker().changed(place);

        stage.advance(length);

        wait(change);
        assert_eq!(stage.pull_one(place).attempts, 2);
    }
}

/// A lease of no length, which ends as it begins.
pub fn a_lease_of_no_length_keeps_the_promise<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let change = stage.broker().changed(jobs);

    stage.pull_with(jobs, 1, Some(Milliseconds(0)));

    wait(change);
    stage.pull_one(jobs);
}

/// A retry, at once and after its delay.
pub fn a_retry_keeps_the_promise<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let first = stage.pull_one(jobs).lease;
    let change = stage.broker().changed(jobs);
    stage.retry(jobs, first, None);
    wait(change);

    let second = stage.pull_one(jobs).lease;
    stage.retry(jobs, second, Some(DAY));
    let change = stage.broker().changed(jobs);
    stage.advance(DAY);

    wait(change);
    assert_eq!(stage.pull_one(jobs).attempts, 3);
}

/// A lease that is shortened.
pub fn a_shortened_lease_keeps_the_promise<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    let change = stage.broker().changed(jobs);

    stage.extend(jobs, lease, Some(Milliseconds(1_000)));
    stage.advance(Milliseconds(1_000));

    wait(change);
    assert_eq!(stage.pull_one(jobs).attempts, 2);
}

/// The end of a pause, and a consumer that comes.
pub fn changed_settings_keep_the_promise<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    stage.pause(jobs, true);
    let change = stage.broker().changed(jobs);
    stage.pause(jobs, false);
    wait(change);

    stage.detach(jobs);
    let change = stage.broker().changed(jobs);
    stage.attach(jobs, pulling(with_retries(3)));
    wait(change);

    stage.let_settings_act();
    stage.expect(&stage.pull(jobs, 10), &["a"]);
}

/// A dead letter that arrives, by a retry or by the end of a lease.
pub fn a_dead_letter_keeps_the_promise<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let dead = stage.pulled("dead", with_retries(3));
    let jobs = stage.queue("jobs");
    stage.attach(jobs, NewConsumer { dead_letter_queue: Some(name("dead")), ..pulling(with_retries(0)) });
    stage.push(jobs, &["retried", "expired"]);
    let got = stage.pull(jobs, 2);

    let change = stage.broker().changed(dead);
    stage.retry(jobs, got[0].lease, None);
    wait(change);
    assert_eq!(stage.pull_one(dead).body, got[0].body);

    let change = stage.broker().changed(dead);
    stage.advance(MINUTE);
    stage.let_dead_letters_move();
    wait(change);
    assert!(stage.pull(dead, 10).iter().any(|one| one.body == got[1].body));
}

/// Several waiters of one queue are all told.
pub fn every_promise_is_kept<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let changes: Vec<_> = (0..5).map(|_| stage.broker().changed(jobs)).collect();

    stage.push(jobs, &["a"]);

    for change in changes {
        wait(change);
    }
}

/// A promise made after the news waits for the next, and is kept then.
pub fn a_promise_is_of_what_comes_after<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let change = stage.broker().changed(jobs);
    stage.expect(&stage.pull(jobs, 10), &["a"]);

    stage.push(jobs, &["b"]);

    wait(change);
    stage.expect(&stage.pull(jobs, 10), &["b"]);
}
