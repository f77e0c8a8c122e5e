//! Redrive: dead letters go back to where they can be processed again (design §1.3, §8.24).

use kew_model::{
    AckOutcome, Destination, Error, ExtendOutcome, Milliseconds, NewConsumer, Place, QueueChange, Redrive,
    Redriven, RetryOutcome, Seconds,
};

use super::stage::{DAY, MINUTE, Stage, bodies, name, pulling, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

impl<S: Subject> Stage<S> {
    /// Moves up to `most` messages, in as many steps as the engine may need.
    pub(super) fn redrive(&self, place: Place, destination: Destination, most: u16) -> Redriven {
        let mut redriven = Redriven::default();
        for _ in 0..self.capabilities().pulls_until_full {
            let room = most - u16::try_from(redriven.moved).expect("no more than asked for");
            if room > 0 {
                let step = self.try_redrive(place, destination, room).expect("a redrive");
                redriven = Redriven { moved: redriven.moved + step.moved, ..step };
            }
        }
        redriven
    }

    pub(super) fn try_redrive(
        &self,
        place: Place,
        destination: Destination,
        most: u16,
    ) -> Result<Redriven, Error> {
        wait(self.broker().redrive(place, Redrive { destination, batch_size: most }))
    }

    /// Pushes these and lets the first attempt at each fail for good.
    pub(super) fn push_and_fail(&self, place: Place, bodies: &[&str]) {
        self.push(place, bodies);
        for _ in bodies {
            let lease = self.pull(place, 1)[0].lease;
            self.retry(place, lease, None);
        }
        self.let_dead_letters_move();
    }

    /// A queue whose messages are tried once and then go to `dead`.
    pub(super) fn failing_into(&self, text: &str, dead: &str) -> Place {
        let place = self.queue(text);
        self.attach(place, NewConsumer { dead_letter_queue: Some(name(dead)), ..pulling(with_retries(0)) });
        place
    }
}

pub(super) fn redriven(moved: u64, without_origin: u64, left: u64) -> Redriven {
    Redriven { moved, without_origin, left }
}

/// A dead letter goes back as the message that it is, in the order of the dead-letter queue.
pub fn dead_letters_go_back_to_their_origin<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    stage.push_and_fail(jobs, &["a", "b"]);
    stage.advance(MINUTE);
    let before = stage.peek(dead, 10);

    assert_eq!(stage.redrive(dead, Destination::Origin, 100), redriven(2, 0, 0));

    assert_eq!((stage.backlog(dead).count, stage.backlog(jobs).count), (0, 2));
    let after = stage.pull(jobs, 10);
    stage.expect(&after, &["a", "b"]);
    for old in before {
        let new = after.iter().find(|one| one.id == old.id).unwrap();
        assert_eq!((new.sent_at, new.content_type, &new.body), (old.sent_at, old.content_type, &old.body));
    }
}

/// The attempts of a redriven message count anew, and it may become a dead letter and be redriven again.
pub fn a_redriven_message_is_tried_anew<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(1));
    stage.push(jobs, &["a"]);

    for _ in 0..3 {
        for attempts in 1..=2 {
            let got = stage.pull_one(jobs);
            assert_eq!(got.attempts, attempts);
            stage.retry(jobs, got.lease, None);
        }
        stage.let_dead_letters_move();

        assert_eq!(stage.redrive(dead, Destination::Origin, 100), redriven(1, 0, 0));
        assert_eq!(stage.peek(jobs, 1)[0].attempts, 0);
    }
}

/// A dead letter shows the queue that it failed in, in a peek and in a pull, also after a restart; nothing else shows one.
pub fn a_dead_letter_shows_its_origin<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let dead = stage.queue("dead");
    let (one, two) = (stage.failing_into("one", "dead"), stage.failing_into("two", "dead"));
    let numbers = [one, two].map(|place| stage.broker().queue(place).expect("a queue").number);
    stage.push_and_fail(one, &["from one"]);
    stage.advance(MINUTE);
    stage.push_and_fail(two, &["from two"]);
    stage.advance(MINUTE);
    stage.push(dead, &["pushed"]);
    stage.attach(dead, pulling(with_retries(3)));

    let stage = stage.restart();
    let shown = stage.peek(dead, 10);
    let got = stage.pull(dead, 10);

    // In whatever order a broker keeps them
    let expected = [None, Some(numbers[0]), Some(numbers[1])];
    for messages in [shown, got] {
        let mut origins: Vec<_> = messages.iter().map(|message| message.origin).collect();
        origins.sort_unstable();
        assert_eq!(origins, expected);
    }
    let named = stage.broker().queue_numbered(two.account, numbers[1]).expect("a queue");
    assert_eq!(named.name.as_str(), "two");
    // And once they are back, they have none
    stage.advance(MINUTE);
    assert_eq!(stage.redrive(dead, Destination::Origin, 100), redriven(2, 1, 1));
    assert_eq!(stage.peek(one, 1)[0].origin, None);
}

/// A dead-letter queue of several queues gives each of them back its own.
pub fn each_dead_letter_goes_to_its_own_origin<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let dead = stage.queue("dead");
    let (one, two) = (stage.failing_into("one", "dead"), stage.failing_into("two", "dead"));
    for (place, body) in [(one, "1a"), (two, "2a"), (one, "1b"), (two, "2b")] {
        stage.push_and_fail(place, &[body]);
        stage.advance(MINUTE);
    }

    assert_eq!(stage.redrive(dead, Destination::Origin, 100), redriven(4, 0, 0));

    stage.expect(&stage.pull(one, 10), &["1a", "1b"]);
    stage.expect(&stage.pull(two, 10), &["2a", "2b"]);
}

/// A named queue takes everything, dead letter or not.
pub fn a_named_queue_takes_everything<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    let repaired = stage.pulled("repaired", with_retries(3));
    stage.push_and_fail(jobs, &["dead letter"]);
    stage.advance(MINUTE);
    stage.push(dead, &["pushed"]);

    let answer = stage.redrive(dead, Destination::Queue(repaired.queue), 100);

    assert_eq!(answer, redriven(2, 0, 0));
    stage.expect(&stage.pull(repaired, 10), &["dead letter", "pushed"]);
    assert_eq!(stage.backlog(jobs).count, 0);
}

/// What never was a dead letter has no origin: it stays and is counted, and does not keep the others.
pub fn a_message_without_an_origin_stays<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    stage.push(dead, &["pushed"]);
    stage.advance(MINUTE);
    stage.push_and_fail(jobs, &["dead letter"]);

    assert_eq!(stage.redrive(dead, Destination::Origin, 1), redriven(1, 1, 1));
    assert_eq!(stage.redrive(dead, Destination::Origin, 100), redriven(0, 1, 1));

    assert_eq!(stage.pull_one(dead).body, b"pushed");
    assert_eq!(stage.pull_one(jobs).body, b"dead letter");
}

/// The origin is the queue and not its name: a renamed one is found, one that was deleted and made anew is not.
pub fn an_origin_is_a_queue_and_not_a_name<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let dead = stage.queue("dead");
    let (renamed, deleted) = (stage.failing_into("renamed", "dead"), stage.failing_into("deleted", "dead"));
    stage.push_and_fail(renamed, &["a"]);
    stage.push_and_fail(deleted, &["b"]);
    stage.change(renamed, QueueChange { name: Some(name("other")), ..QueueChange::default() });
    stage.queue("renamed");
    wait(stage.broker().delete_queue(deleted)).unwrap();
    stage.queue("deleted");
    stage.let_settings_act();

    assert_eq!(stage.redrive(dead, Destination::Origin, 100), redriven(1, 1, 1));

    assert_eq!(stage.pull_one(renamed).body, b"a");
    assert_eq!(bodies(&stage.peek(dead, 10)), ["b"]);
}

/// Of two dead-letter moves the last one tells the origin.
pub fn the_last_dead_letter_move_tells_the_origin<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (last, middle) = (stage.queue("last"), stage.failing_into("middle", "last"));
    let first = stage.failing_into("first", "middle");
    stage.push_and_fail(first, &["a"]);
    stage.retry(middle, stage.pull_one(middle).lease, None);
    stage.let_dead_letters_move();

    assert_eq!(stage.redrive(last, Destination::Origin, 100), redriven(1, 0, 0));

    assert_eq!((stage.backlog(first).count, stage.backlog(middle).count), (0, 1));
}

/// A redrive leaves no origin behind, be it to the origin or to a named queue.
pub fn a_redriven_message_has_no_origin<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    let other = stage.queue("other");
    stage.push_and_fail(jobs, &["a", "b"]);
    stage.redrive(dead, Destination::Origin, 1);
    stage.redrive(dead, Destination::Queue(other.queue), 1);

    for place in [jobs, other] {
        assert_eq!(stage.redrive(place, Destination::Origin, 100), redriven(0, 1, 1));
    }
}

/// The target's delay does not hold back what was published long ago.
pub fn no_delay_holds_a_redriven_message<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    stage.push_and_fail(jobs, &["a"]);
    stage.change(jobs, QueueChange { delivery_delay: Some(DAY), ..QueueChange::default() });

    stage.redrive(dead, Destination::Origin, 100);

    stage.expect(&stage.pull(jobs, 10), &["a"]);
}

/// A redriven message stands where it arrives: behind what was there, before what comes.
pub fn a_redriven_message_stands_behind_those_there<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    stage.push_and_fail(jobs, &["redriven"]);
    stage.advance(Seconds(1));
    stage.push(jobs, &["before"]);

    stage.redrive(dead, Destination::Origin, 100);
    stage.push(jobs, &["after"]);

    stage.expect(&stage.pull(jobs, 10), &["before", "redriven", "after"]);
}

/// Old leases of a message that was redriven find nothing, in either queue.
pub fn leases_of_a_redriven_message_find_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (source, target) = (stage.jobs(), stage.pulled("target", with_retries(3)));
    stage.push(source, &["a"]);
    let old = stage.pull_one(source).lease;
    stage.retry(source, old, None);
    stage.redrive(source, Destination::Queue(target.queue), 100);

    assert_eq!(stage.ack(source, old), AckOutcome::AlreadyGone);
    assert_eq!(stage.retry(source, old, None), RetryOutcome::Gone);
    assert_eq!(stage.extend(source, old, Some(MINUTE)), ExtendOutcome::Gone);
    assert_eq!(wait(stage.broker().discard(source, vec![old.message])).unwrap(), [false]);
    assert_eq!(stage.ack(target, old), AckOutcome::OtherQueue);
    let again = stage.pull_one(target);
    assert_eq!((again.body.as_slice(), again.attempts), (b"a".as_slice(), 1));
}

/// Who waits at the target is told.
pub fn a_redrive_keeps_the_promise<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    stage.push_and_fail(jobs, &["a"]);
    let change = stage.broker().changed(jobs);

    stage.redrive(dead, Destination::Origin, 100);

    wait(change);
    stage.expect(&stage.pull(jobs, 10), &["a"]);
}

/// Origins survive a restart, and so does what was moved.
pub fn origins_and_moves_survive_a_restart<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    stage.push_and_fail(jobs, &["a", "b"]);

    let stage = stage.restart();
    assert_eq!(stage.redrive(dead, Destination::Origin, 1), redriven(1, 0, 1));
    let stage = stage.restart();

    assert_eq!((stage.backlog(dead).count, stage.backlog(jobs).count), (1, 1));
    assert_eq!(stage.redrive(jobs, Destination::Origin, 100), redriven(0, 1, 1));
    let got = stage.pull_one(jobs);
    assert_eq!(got.attempts, 1);
    stage.retry(jobs, got.lease, None);
    stage.advance(Milliseconds(1));
    assert_eq!(stage.redrive(dead, Destination::Origin, 100), redriven(2, 0, 0));
}
