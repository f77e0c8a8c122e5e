//! Delays of new messages (spec §4.3). Those of retries are in `retry.rs`.

use kew_model::{Milliseconds, QueueChange, Seconds};

use super::stage::{Stage, TICK};
use crate::subject::Subject;

fn delay_of(seconds: u32) -> QueueChange {
    QueueChange { delivery_delay: Some(Seconds(seconds)), ..QueueChange::default() }
}

/// A delayed message is available to the millisecond when its delay is over, and not before.
pub fn a_delayed_message_waits_exactly<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push_delayed(jobs, "later", Seconds(60));

    stage.expect_nothing(jobs);
    stage.advance(Milliseconds(59_999));
    stage.expect_nothing(jobs);
    stage.advance(TICK);

    stage.expect(&stage.pull(jobs, 10), &["later"]);
}

/// The longest delay is a day.
pub fn a_message_may_wait_a_day<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push_delayed(jobs, "tomorrow", Seconds(86_400));

    stage.advance(Milliseconds(86_400_000 - 1));
    stage.expect_nothing(jobs);
    stage.advance(TICK);

    assert_eq!(stage.pull_one(jobs).attempts, 1);
}

/// The queue's delay holds messages that do not say; an explicit 0 beats it.
pub fn the_queues_delay_holds_messages_that_do_not_say<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.change(jobs, delay_of(60));
    stage.push(jobs, &["by default"]);
    stage.push_delayed(jobs, "at once", Seconds(0));
    stage.push_delayed(jobs, "own delay", Seconds(30));

    for (expected, next) in [("at once", 30), ("own delay", 30), ("by default", 0)] {
        let got = stage.pull_one(jobs);
        assert_eq!(got.body, expected.as_bytes());
        stage.ack(jobs, got.lease);
        stage.advance(Seconds(next));
    }
}

/// A new delay of the queue is for new messages.
pub fn a_changed_delay_leaves_old_messages_alone<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.change(jobs, delay_of(100));
    stage.push(jobs, &["old"]);
    stage.change(jobs, delay_of(0));
    stage.push(jobs, &["new"]);

    stage.expect(&stage.pull(jobs, 10), &["new"]);
    stage.advance(Milliseconds(100_000));
    assert!(stage.pull(jobs, 10).iter().any(|one| one.body == b"old"));
}

/// A message keeps its delay also when the queue is paused meanwhile.
pub fn a_delay_passes_while_paused<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push_delayed(jobs, "later", Seconds(60));
    stage.pause(jobs, true);
    stage.advance(Seconds(60));
    stage.pause(jobs, false);

    stage.expect(&stage.pull(jobs, 10), &["later"]);
}

/// Waiting messages are in the backlog (spec §4.11), which tells the oldest by sequence.
pub fn delayed_messages_count_in_the_backlog<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let first_at = stage.now();
    stage.push_delayed(jobs, "abc", Seconds(3_600));
    stage.advance(Seconds(1));
    stage.push(jobs, &["de"]);

    let backlog = stage.backlog(jobs);

    assert_eq!((backlog.count, backlog.bytes, backlog.oldest), (2, 205, Some(first_at)));
}

/// Many delays that end at different times come back in the order of their ends.
pub fn delays_end_in_their_order<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let delays: Vec<u32> = (0..100).map(|index| (index * 37) % 101 + 1).collect();
    for delay in &delays {
        stage.push_delayed(jobs, &delay.to_string(), Seconds(*delay));
    }
    let mut expected = delays;
    expected.sort_unstable();

    stage.advance(Seconds(50));
    let early = stage.pull(jobs, 100);
    stage.advance(Seconds(51));
    let late = stage.pull(jobs, 100);

    let (over, waiting) = expected.split_at(expected.partition_point(|delay| *delay <= 50));
    for (got, delays) in [(early, over), (late, waiting)] {
        let texts: Vec<_> = delays.iter().map(u32::to_string).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        stage.expect(&got, &texts);
    }
}
