//! One step of a redrive: what it may take, how much, and when it is refused (design §8.24).

use kew_model::{AckOutcome, ContentType, Destination, Error, Place, PushBatch, QueueId, Redriven, Seconds};

use super::redrive::redriven;
use super::stage::{DAY, MINUTE, Stage, bodies, new_queue, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

/// Only what a pull could take is moved, in the order of the pull; leased and delayed messages stay.
pub fn a_redrive_takes_what_a_pull_would_take<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (source, target) = (stage.jobs(), stage.pulled("target", with_retries(3)));
    stage.push(source, &["leased"]);
    let leased = stage.pull_one(source).lease;
    stage.push(source, &["returned"]);
    let returned = stage.pull_one(source).lease;
    stage.advance(Seconds(1));
    stage.push(source, &["ready"]);
    stage.push_delayed(source, "delayed", DAY);
    stage.advance(Seconds(1));
    stage.retry(source, returned, None);

    assert_eq!(stage.redrive(source, Destination::Queue(target.queue), 100), redriven(2, 0, 2));

    stage.expect(&stage.pull(target, 10), &["ready", "returned"]);
    assert_eq!(stage.ack(source, leased), AckOutcome::Acked);
    stage.advance(DAY);
    stage.expect(&stage.pull(source, 10), &["delayed"]);
}

/// A step moves as many as asked for, and tells what is left.
pub fn a_step_moves_at_most_its_batch<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (source, target) = (stage.queue("source"), stage.pulled("target", with_retries(3)));
    stage.push(source, &["a", "b", "c", "d", "e"]);
    let target = (target, Destination::Queue(target.queue));

    for answer in [redriven(2, 0, 3), redriven(2, 0, 1), redriven(1, 0, 0), redriven(0, 0, 0)] {
        assert_eq!(stage.redrive(source, target.1, 2), answer);
    }

    stage.expect(&stage.pull(target.0, 10), &["a", "b", "c", "d", "e"]);
}

/// The largest step is a hundred messages.
pub fn a_step_may_move_a_hundred<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (source, target) = (stage.queue("source"), stage.queue("target"));
    stage.push(source, &["x"; 100]);
    stage.push(source, &["x"; 50]);

    for answer in [redriven(100, 0, 50), redriven(50, 0, 0)] {
        assert_eq!(stage.redrive(source, Destination::Queue(target.queue), 100), answer);
    }
}

/// A step moves at most as many bytes as a batch push may publish, each message with its overhead: a third that just
/// fits goes along, one byte more and it is left for the next.
pub fn a_step_moves_at_most_what_a_batch_holds<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (source, target) = (stage.queue("source"), stage.queue("target"));
    for (rest, most) in [(0, 3), (1, 2)] {
        for length in [127_900, 127_800, rest] {
            let mut batch = PushBatch::new();
            batch.add(&vec![b'x'; length], ContentType::Text, None).unwrap();
            wait(stage.broker().push(source, batch)).unwrap();
        }

        let step = stage.try_redrive(source, Destination::Queue(target.queue), 100).unwrap();

        if stage.capabilities().pulls_until_full == 1 && stage.capabilities().pull_order_is_exact {
            assert_eq!(step, redriven(most, 0, 3 - most));
        }
        assert!((1..=3).contains(&step.moved) && step.left == 3 - step.moved, "{step:?}");
        wait(stage.broker().purge(source)).unwrap();
    }
}

/// A step looks behind a thousand messages that have no origin for one that has.
pub fn a_step_looks_behind_a_thousand_messages<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    for _ in 0..11 {
        stage.push(dead, &["x"; 100]);
    }
    stage.advance(MINUTE);
    stage.push_and_fail(jobs, &["dead letter"]);

    let step = stage.redrive(dead, Destination::Origin, 100);

    assert_eq!((step.moved, step.left), (1, 1_100), "{step:?}");
    assert!(!stage.capabilities().pull_order_is_exact || step.without_origin == 1_100, "{step:?}");
    assert_eq!(stage.pull_one(jobs).body, b"dead letter");
}

/// Moving is not delivering: neither a pause nor the want of a consumer hinders it.
pub fn a_redrive_needs_no_consumer_and_no_delivery<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.failing_into("jobs", "dead");
    let dead = stage.broker().queue_named(stage.account, "dead").unwrap();
    let dead = Place { queue: dead.id, ..jobs };
    stage.push_and_fail(jobs, &["a"]);
    stage.detach(jobs);
    stage.pause(jobs, true);
    stage.pause(dead, true);

    assert_eq!(stage.redrive(dead, Destination::Origin, 100), redriven(1, 0, 0));

    assert_eq!(bodies(&stage.peek(jobs, 10)), ["a"]);
}

/// There must be a source and a destination, in one account, and they must be two.
pub fn a_redrive_needs_two_queues<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let source = stage.queue("source");
    stage.push(source, &["a"]);
    let missing = QueueId([7; 16]);
    let nowhere = Place { queue: missing, ..source };
    let other = wait(stage.broker().create_account(None, "other".to_owned())).unwrap().id;
    let foreign = wait(stage.broker().create_queue(other, new_queue("source"))).unwrap().id;

    for (place, destination, error) in [
        (nowhere, Destination::Origin, Error::QueueNotFound),
        (nowhere, Destination::Queue(source.queue), Error::QueueNotFound),
        (source, Destination::Queue(missing), Error::DestinationNotFound),
        (source, Destination::Queue(foreign), Error::DestinationNotFound),
        (source, Destination::Queue(source.queue), Error::RedriveCycle),
    ] {
        assert_eq!(stage.try_redrive(place, destination, 10), Err(error));
    }
    assert_eq!(stage.backlog(source).count, 1);
}

/// Nothing to move is an answer like any other.
pub fn an_empty_queue_is_redriven_to_no_effect<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (source, target) = (stage.queue("source"), stage.queue("target"));

    for destination in [Destination::Origin, Destination::Queue(target.queue)] {
        assert_eq!(stage.redrive(source, destination, 100), Redriven::default());
    }
}
