//! Push: what was published comes back as it was, all of it or nothing.

use kew_model::{Backlog, ContentType, Error, Limits, Place, PushBatch, QueueId};

use super::stage::{MINUTE, Stage, batch};
use crate::subject::Subject;
use crate::wait::wait;

/// Every kind of body comes back byte by byte, with its content type and the time of its push (spec §3.1).
pub fn a_message_comes_back_as_it_was_pushed<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let sent: [(&[u8], ContentType); 5] = [
        ("grüße".as_bytes(), ContentType::Text),
        (b"{\"a\": 1.0}", ContentType::Json),
        (&[0, 255, 10, 128], ContentType::Bytes),
        (&[255, 15, 0], ContentType::V8),
        (b"", ContentType::Text),
    ];
    let pushed_at = stage.now();

    let mut batch = PushBatch::new();
    for (body, content_type) in sent {
        batch.add(body, content_type, None).unwrap();
    }
    wait(stage.broker().push(jobs, batch)).unwrap();
    stage.advance(MINUTE);

    let got = stage.pull(jobs, 100);
    assert_eq!(got.len(), sent.len());
    for (body, content_type) in sent {
        let one = got.iter().find(|one| one.body == body).expect("each body comes back");
        assert_eq!((one.content_type, one.attempts, one.sent_at), (content_type, 1, pushed_at));
    }
}

/// B5: messages of one batch, and batches one after another, are delivered in the order of publishing.
pub fn messages_come_in_the_order_of_publishing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();

    stage.push(jobs, &["a", "b", "c"]);
    stage.advance(MINUTE);
    stage.push(jobs, &["d", "e"]);

    stage.expect(&stage.pull(jobs, 2), &["a", "b"]);
    stage.expect(&stage.pull(jobs, 100), &["c", "d", "e"]);
}

/// The answer shows the queue with the new messages in it (spec §2.11 row 15).
pub fn a_push_answers_the_backlog_with_its_messages<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let first_at = stage.now();
    stage.push(jobs, &["abc"]);
    stage.advance(stage.capabilities().backlog_lag);
    stage.advance(MINUTE);

    let pushed = wait(stage.broker().push(jobs, batch(&["", "12345"]))).unwrap();

    assert_eq!(pushed.backlog, Backlog { count: 3, bytes: 103 + 100 + 105, oldest: Some(first_at) });
    assert_eq!(stage.backlog(jobs), pushed.backlog);
}

/// A batch of a wrong count publishes nothing (spec §4.12).
pub fn a_batch_of_none_or_of_101_publishes_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();

    let none = wait(stage.broker().push(jobs, PushBatch::new()));
    let many = wait(stage.broker().push(jobs, batch(&["x"; 101])));

    assert_eq!(none.unwrap_err(), Error::BatchCount { count: 0 });
    assert_eq!(many.unwrap_err(), Error::BatchCount { count: 101 });
    assert_eq!(stage.backlog(jobs), Backlog::default());
}

/// A batch over 256,000 bytes, overheads included, publishes nothing; one of just that size passes (spec §10 C21).
pub fn a_batch_over_its_bytes_publishes_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let largest = "x".repeat(Limits::BODY_BYTES_MAX as usize);

    let over = wait(stage.broker().push(jobs, batch(&[&largest, &largest, ""])));
    assert_eq!(over.unwrap_err(), Error::BatchTooLarge { size: 256_100 });
    assert_eq!(stage.backlog(jobs).count, 0);

    stage.push(jobs, &[&largest, &largest]);
    assert_eq!(stage.backlog(jobs).bytes, Limits::BATCH_BYTES_MAX);
    assert!(stage.pull(jobs, 100).iter().all(|one| one.body == largest.as_bytes()));
}

/// A hundred messages in one batch all arrive, each under an id of its own.
pub fn every_message_has_an_id_of_its_own<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["same"; 100]);
    stage.push(jobs, &["same"; 100]);

    let mut ids: Vec<_> =
        stage.pull(jobs, 100).iter().chain(&stage.pull(jobs, 100)).map(|one| one.id).collect();
    ids.sort();
    ids.dedup();

    assert_eq!(ids.len(), 200);
}

/// Messages wait for a consumer that comes later (spec §4.6).
pub fn a_push_needs_no_consumer<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.queue("jobs");
    stage.push(jobs, &["early"]);
    stage.advance(super::stage::DAY);

    stage.attach(jobs, super::stage::pulling(super::stage::with_retries(0)));
    stage.let_settings_act();

    stage.expect(&stage.pull(jobs, 10), &["early"]);
}

/// Pausing stops deliveries, not sending (spec §4.8).
pub fn a_paused_queue_takes_messages<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.pause(jobs, true);

    stage.push(jobs, &["while paused"]);

    assert_eq!(stage.backlog(jobs).count, 1);
    stage.pause(jobs, false);
    stage.expect(&stage.pull(jobs, 10), &["while paused"]);
}

/// What is pushed to one queue is seen in no other.
pub fn queues_do_not_mix<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let one = stage.pulled("one", super::stage::with_retries(3));
    let two = stage.pulled("two", super::stage::with_retries(3));

    stage.push(one, &["for one"]);
    stage.push(two, &["for two"]);

    stage.expect(&stage.pull(two, 10), &["for two"]);
    stage.expect(&stage.pull(one, 10), &["for one"]);
}

/// A queue that is not there, and one of another account, are answered alike.
pub fn a_push_to_no_queue_is_refused<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let other = wait(stage.broker().create_account(None, "other".to_owned())).unwrap();

    for place in [
        Place { queue: QueueId([7; 16]), ..jobs },
        Place { account: other.id, ..jobs },
        Place { account: kew_model::AccountId([9; 16]), ..jobs },
    ] {
        let refused = wait(stage.broker().push(place, batch(&["x"])));
        assert_eq!(refused.unwrap_err(), Error::QueueNotFound);
    }
    assert_eq!(stage.backlog(jobs).count, 0);
}
