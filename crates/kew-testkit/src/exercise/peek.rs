//! Peek: messages looked at without a delivery (spec §2.11 row 19).

use kew_model::{
    ContentType, Error, Lease, Milliseconds, Peek, Place, PullSettings, PushBatch, QueueId, Seconds,
};

use super::limits::push_largest;
use super::stage::{DAY, Got, MINUTE, Stage, TICK, a_worker, bodies, pulling, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

impl<S: Subject> Stage<S> {
    /// Peeks at up to `most` messages. What is seen has no lease; its queue and sequence stand in one of fence 0.
    pub(super) fn peek(&self, place: Place, most: u16) -> Vec<Got> {
        self.peek_with(place, Some(most))
    }

    fn peek_with(&self, place: Place, batch_size: Option<u16>) -> Vec<Got> {
        let peeked = wait(self.broker().peek(place, Peek { batch_size })).expect("a peek");
        let seen = peeked.messages.iter().map(|glimpse| Got {
            id: glimpse.id,
            lease: Lease { queue: glimpse.queue, message: glimpse.sequence, fence: 0 },
            attempts: glimpse.attempts,
            sent_at: glimpse.sent_at,
            content_type: glimpse.content_type,
            origin: glimpse.origin,
            body: peeked.body(glimpse).to_vec(),
        });
        seen.collect()
    }
}

/// A peek shows the messages of the next pull, in its order, in everything but the attempt that the pull adds.
pub fn a_peek_shows_what_a_pull_would_take<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push_delayed(jobs, "late", Seconds(5));
    let mut batch = PushBatch::new();
    batch.add(b"{\"n\":1}", ContentType::Json, None).unwrap();
    batch.add(b"\x00\xff", ContentType::Bytes, None).unwrap();
    wait(stage.broker().push(jobs, batch)).unwrap();
    stage.advance(Seconds(5));
    stage.push(jobs, &["last"]);

    let mut peeked = stage.peek(jobs, 100);

    let mut pulled = stage.pull(jobs, 100);
    assert_eq!((peeked.len(), pulled.len()), (4, 4));
    if !stage.capabilities().pull_order_is_exact {
        peeked.sort_by_key(|one| one.lease.message);
        pulled.sort_by_key(|one| one.lease.message);
    }
    for (seen, got) in peeked.iter().zip(pulled) {
        let lease = Lease { fence: 0, ..got.lease };
        assert_eq!(*seen, Got { attempts: got.attempts - 1, lease, ..got });
    }
}

/// However often one looks: nothing is leased, counted or changed.
pub fn a_peek_changes_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.pulled("jobs", with_retries(0));
    stage.push(jobs, &["a"]);
    let before = stage.backlog(jobs);

    for _ in 0..3 {
        stage.expect(&stage.peek(jobs, 10), &["a"]);
    }

    assert_eq!(stage.backlog(jobs), before);
    assert_eq!(stage.pull_one(jobs).attempts, 1);
}

/// The attempts of a message that is peeked at are its deliveries so far.
pub fn a_peek_tells_the_attempts_so_far<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);

    for attempts in 0..3 {
        assert_eq!(stage.peek(jobs, 1)[0].attempts, attempts);
        let lease = stage.pull_one(jobs).lease;
        stage.retry(jobs, lease, None);
    }
}

/// A message that is leased, delayed or held back is seen as soon as a pull could take it, and not before.
pub fn a_peek_hides_what_nobody_could_pull<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["leased", "held back"]);
    let got = stage.pull(jobs, 2);
    let held_back = got.iter().find(|one| one.body == b"held back").unwrap().lease;
    stage.retry(jobs, held_back, Some(Seconds(60)));
    stage.push_delayed(jobs, "delayed", Seconds(60));

    stage.advance(Milliseconds(MINUTE.0 - 1));
    stage.expect(&stage.peek(jobs, 10), &[]);
    stage.advance(TICK);

    stage.expect(&stage.peek(jobs, 10), &["leased", "held back", "delayed"]);
}

/// Neither a pause nor the want of a pull consumer hinders a peek (spec §4.8, §2.11).
pub fn a_peek_needs_no_consumer_and_no_delivery<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (paused, bare, worked) = (stage.jobs(), stage.queue("bare"), stage.queue("worked"));
    stage.pause(paused, true);
    stage.attach(worked, a_worker());

    for place in [paused, bare, worked] {
        stage.push(place, &["a", "b"]);

        stage.expect(&stage.peek(place, 10), &["a", "b"]);
    }
}

/// A peek that does not say how many shows as many as a pull would give, and five without a pull consumer.
pub fn a_peek_shows_as_many_as_the_consumer_says<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let seven = stage.pulled("seven", PullSettings { batch_size: 7, ..PullSettings::default() });
    let (bare, worked) = (stage.queue("bare"), stage.queue("worked"));
    stage.attach(worked, a_worker());

    for (place, usual) in [(seven, 7), (bare, 5), (worked, 5)] {
        stage.push(place, &["x"; 100]);

        assert_eq!(stage.peek_with(place, None).len(), usual);
        assert_eq!(stage.peek(place, 1).len(), 1);
        assert_eq!(stage.peek(place, 100).len(), 100);
    }
}

/// A peek answers with no more bytes than a pull (design §8.23): 32 of the largest bodies.
pub fn a_peek_holds_4_mib<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    push_largest(&stage, jobs, ContentType::Text, 40);

    assert_eq!(stage.peek(jobs, 100).len(), 32);
    assert_eq!(stage.peek(jobs, 10).len(), 10);
}

/// What was peeked at can be deleted by its sequence; a second time it is not there (spec §2.11 row 20).
pub fn a_peeked_message_can_be_discarded<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a", "b", "c"]);
    let seen = stage.peek(jobs, 10);
    let unwanted: Vec<_> = seen.iter().filter(|one| one.body != b"b").map(|one| one.lease.message).collect();

    let first = wait(stage.broker().discard(jobs, unwanted.clone())).unwrap();
    let second = wait(stage.broker().discard(jobs, unwanted)).unwrap();

    assert_eq!((first, second), (vec![true; 2], vec![false; 2]));
    assert_eq!(bodies(&stage.peek(jobs, 10)), ["b"]);
    assert_eq!(stage.pull_one(jobs).body, b"b");
}

/// A message that was pulled since it was peeked at can be deleted all the same.
pub fn a_peeked_message_may_be_discarded_while_leased<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let seen = stage.peek(jobs, 10)[0].lease.message;
    stage.pull_one(jobs);

    assert_eq!(wait(stage.broker().discard(jobs, vec![seen])).unwrap(), [true]);

    stage.advance(DAY);
    stage.expect(&stage.peek(jobs, 10), &[]);
}

/// After a restart the same is seen.
pub fn a_peek_after_a_restart_shows_the_same<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a", "b", "c"]);
    stage.retry(jobs, stage.pull(jobs, 1)[0].lease, None);
    let sorted = |stage: &Stage<S>| {
        let mut seen = stage.peek(jobs, 10);
        seen.sort_by_key(|one| one.lease.message);
        seen
    };
    let before = sorted(&stage);

    let stage = stage.restart();

    assert_eq!(before.iter().map(|one| one.attempts).sum::<u16>(), 1);
    assert_eq!(sorted(&stage), before);
}

/// A queue that is not there cannot be peeked at; one that is empty shows nothing.
pub fn a_peek_of_no_queue_is_refused<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.queue("jobs");
    stage.attach(jobs, pulling(with_retries(3)));
    let nowhere = Place { account: stage.account, queue: QueueId([7; 16]) };

    assert_eq!(wait(stage.broker().peek(nowhere, Peek::default())).unwrap_err(), Error::QueueNotFound);
    stage.expect(&stage.peek(jobs, 10), &[]);
}
