//! Idempotent pushes: a request carried out at most once under its key (design §8.24).

use kew_model::{ContentType, Error, Idempotency, Milliseconds, NewQueue, Place, PushBatch, Pushed, QueueId};

use super::stage::{DAY, MINUTE, Stage, TICK, batch, bodies, new_queue, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

/// How long a key is remembered.
const QUARTER_HOUR: Milliseconds = Milliseconds(900_000);

fn request(key: u8, content: u8) -> Idempotency {
    Idempotency { key: [key; 16], content: [content; 16] }
}

fn keyed(mut batch: PushBatch, request: Idempotency) -> PushBatch {
    batch.idempotency = Some(request);
    batch
}

impl<S: Subject> Stage<S> {
    fn try_push_keyed(&self, place: Place, body: &str, request: Idempotency) -> Result<Pushed, Error> {
        wait(self.broker().push(place, keyed(batch(&[body]), request)))
    }

    /// Pushes one message, and tells whether that was a repetition.
    fn is_repeated(&self, place: Place, body: &str, request: Idempotency) -> bool {
        self.try_push_keyed(place, body, request).expect("a push").repeated
    }
}

/// The same request again publishes nothing, and is answered as a success.
pub fn a_repeated_push_publishes_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    assert!(!stage.is_repeated(jobs, "a", request(1, 1)));

    for _ in 0..3 {
        assert!(stage.is_repeated(jobs, "a", request(1, 1)));
    }

    assert_eq!(stage.backlog(jobs).count, 1);
    stage.expect(&stage.pull(jobs, 10), &["a"]);
}

/// A repetition is answered with the backlog of the moment, whatever became of the messages.
pub fn a_repetition_answers_the_backlog_of_now<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let first = stage.try_push_keyed(jobs, "a", request(1, 1)).unwrap();
    stage.ack(jobs, stage.pull_one(jobs).lease);
    stage.push(jobs, &["b", "c"]);
    let now = stage.backlog(jobs);

    let again = stage.try_push_keyed(jobs, "a", request(1, 1)).unwrap();

    assert_eq!((first.repeated, first.backlog.count), (false, 1));
    assert_eq!(again, Pushed { backlog: now, repeated: true });
}

/// Another content under a key that is in use is refused, and changes nothing.
pub fn another_content_under_the_key_is_refused<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.try_push_keyed(jobs, "a", request(1, 1)).unwrap();

    let refused = stage.try_push_keyed(jobs, "b", request(1, 2)).unwrap_err();

    assert_eq!(refused, Error::IdempotencyMismatch);
    assert!(stage.is_repeated(jobs, "a", request(1, 1)), "the first content stands");
    stage.expect(&stage.pull(jobs, 10), &["a"]);
}

/// A key lasts for 15 minutes to the millisecond from its first push, which repetitions do not prolong.
pub fn a_key_lasts_a_quarter_of_an_hour<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    assert!(!stage.is_repeated(jobs, "a", request(1, 1)));
    stage.advance(Milliseconds(QUARTER_HOUR.0 - 1));
    assert!(stage.is_repeated(jobs, "a", request(1, 1)));
    stage.advance(TICK);

    assert!(!stage.is_repeated(jobs, "a", request(1, 1)));

    stage.expect(&stage.pull(jobs, 10), &["a", "a"]);
}

/// A key whose time is over is free for another content, and then remembered for that one.
pub fn a_key_is_free_after_its_time<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.try_push_keyed(jobs, "a", request(1, 1)).unwrap();
    stage.advance(QUARTER_HOUR);

    assert!(!stage.is_repeated(jobs, "b", request(1, 2)));

    stage.advance(Milliseconds(QUARTER_HOUR.0 - 1));
    assert!(stage.is_repeated(jobs, "b", request(1, 2)));
    let first = stage.try_push_keyed(jobs, "a", request(1, 1));
    assert_eq!(first.unwrap_err(), Error::IdempotencyMismatch);
    stage.expect(&stage.pull(jobs, 10), &["a", "b"]);
}

/// Keys differ, and each counts from its own first push.
pub fn every_key_is_its_own<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    for key in 0..=255 {
        assert!(!stage.is_repeated(jobs, "x", request(key, 0)));
        stage.advance(Milliseconds(1_000));
    }
    stage.advance(Milliseconds(QUARTER_HOUR.0 - 256_000));

    assert!(!stage.is_repeated(jobs, "x", request(0, 0)), "its time is over");
    for key in 1..=255 {
        assert!(stage.is_repeated(jobs, "x", request(key, 0)));
    }

    assert_eq!(stage.backlog(jobs).count, 257);
}

/// The same key means another request in another queue.
pub fn keys_of_queues_do_not_mix<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (one, two) = (stage.pulled("one", with_retries(3)), stage.pulled("two", with_retries(3)));

    assert!(!stage.is_repeated(one, "a", request(1, 1)));
    assert!(!stage.is_repeated(two, "b", request(1, 2)));

    assert!(stage.is_repeated(one, "a", request(1, 1)));
    stage.expect(&stage.pull(two, 10), &["b"]);
}

/// A key is remembered though its messages are acked, discarded or purged: the request was carried out.
pub fn a_key_outlives_its_messages<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    for key in 1..=3 {
        stage.try_push_keyed(jobs, &key.to_string(), request(key, key)).unwrap();
    }
    let got = stage.pull(jobs, 10);
    stage.ack(jobs, got[0].lease);
    wait(stage.broker().discard(jobs, vec![got[1].lease.message])).unwrap();
    wait(stage.broker().purge(jobs)).unwrap();

    for key in 1..=3 {
        assert!(stage.is_repeated(jobs, &key.to_string(), request(key, key)));
    }

    assert_eq!(stage.backlog(jobs).count, 0);
}

/// A deleted queue's keys are gone with it, also when its id is given again.
pub fn a_deleted_queue_forgets_its_keys<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let id = Some(QueueId([9; 16]));
    let create =
        || wait(stage.broker().create_queue(stage.account, NewQueue { id, ..new_queue("jobs") })).unwrap();
    let place = Place { account: stage.account, queue: create().id };
    stage.try_push_keyed(place, "a", request(1, 1)).unwrap();
    wait(stage.broker().delete_queue(place)).unwrap();
    create();

    assert!(!stage.is_repeated(place, "b", request(1, 2)));

    assert_eq!(bodies(&stage.peek(place, 10)), ["b"]);
}

/// Keys survive restarts, and their time passes while the broker is closed.
pub fn keys_survive_a_restart<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.try_push_keyed(jobs, "a", request(1, 1)).unwrap();
    stage.advance(MINUTE);
    stage.try_push_keyed(jobs, "b", request(2, 2)).unwrap();

    let stage = stage.restart();
    assert!(stage.is_repeated(jobs, "a", request(1, 1)));
    let mismatch = stage.try_push_keyed(jobs, "c", request(2, 3));
    assert_eq!(mismatch.unwrap_err(), Error::IdempotencyMismatch);
    stage.advance(Milliseconds(QUARTER_HOUR.0 - MINUTE.0));
    let stage = stage.restart();

    assert!(!stage.is_repeated(jobs, "a", request(1, 1)));
    assert!(stage.is_repeated(jobs, "b", request(2, 2)));
    stage.expect(&stage.pull(jobs, 10), &["a", "b", "a"]);
}

/// A push that is refused uses no key up; what is wrong with the batch or the queue is said first.
pub fn a_refused_push_uses_no_key<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let nowhere = Place { queue: QueueId([7; 16]), ..jobs };
    let empty = |content| keyed(PushBatch::new(), request(1, content));
    assert_eq!(wait(stage.broker().push(jobs, empty(1))).unwrap_err(), Error::BatchCount { count: 0 });

    assert!(!stage.is_repeated(jobs, "a", request(1, 2)));

    assert_eq!(wait(stage.broker().push(jobs, empty(1))).unwrap_err(), Error::BatchCount { count: 0 });
    assert_eq!(wait(stage.broker().push(nowhere, empty(1))).unwrap_err(), Error::QueueNotFound);
}

/// Without a key every push publishes, whatever others were named.
pub fn without_a_key_every_push_publishes<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.try_push_keyed(jobs, "a", request(1, 1)).unwrap();

    stage.push(jobs, &["a"]);
    stage.push(jobs, &["a"]);

    stage.expect(&stage.pull(jobs, 10), &["a", "a", "a"]);
}

/// A batch under a key is published whole, with its delays, once.
pub fn a_batch_is_published_once_with_its_delays<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let mut batch = keyed(PushBatch::new(), request(1, 1));
    batch.add(b"now", ContentType::Text, None).unwrap();
    batch.add(b"tomorrow", ContentType::Text, Some(DAY)).unwrap();

    wait(stage.broker().push(jobs, batch.clone())).unwrap();
    wait(stage.broker().push(jobs, batch)).unwrap();

    let now = stage.pull_one(jobs);
    assert_eq!(now.body, b"now");
    stage.ack(jobs, now.lease);
    stage.advance(DAY);
    assert_eq!(stage.pull_one(jobs).body, b"tomorrow");
}
