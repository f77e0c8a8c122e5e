//! Limits that the broker itself keeps (spec §4.12, design §8.23).

use kew_model::{
    ContentType, Error, Limits, NewConsumer, NewToken, PushBatch, QueuePattern, Scope, ScopeSet, Seconds,
    SecretHash, TokenId,
};

use super::stage::{Stage, name, new_queue, pulling, with_retries};
use super::subscriptions::to_bucket;
use crate::subject::Subject;
use crate::wait::wait;

/// Pushes `count` bodies of the largest size, two to a batch.
pub(super) fn push_largest<S: Subject>(
    stage: &Stage<S>,
    place: kew_model::Place,
    content_type: ContentType,
    count: u32,
) {
    let body = vec![b'7'; Limits::BODY_BYTES_MAX as usize];
    for _ in 0..count / 2 {
        let mut batch = PushBatch::new();
        batch.add(&body, content_type, None).unwrap();
        batch.add(&body, content_type, None).unwrap();
        wait(stage.broker().push(place, batch)).unwrap();
    }
}

fn expect_answers_of<S: Subject>(stage: &Stage<S>, content_type: ContentType, most: usize) {
    let jobs = stage.jobs();
    push_largest(stage, jobs, content_type, 40);
    let pull = kew_model::Pull { batch_size: Some(100), visibility_timeout: None };

    let mut lengths = Vec::new();
    while lengths.iter().sum::<usize>() < 40 {
        lengths.push(stage.try_pull(jobs, pull).unwrap().0.len());
        assert!(lengths.len() <= 40, "a pull returns at least one message");
    }

    if stage.capabilities().pulls_until_full == 1 {
        assert_eq!(lengths, [most, 40 - most]);
    } else {
        assert!(lengths.iter().all(|length| *length <= most));
    }
}

/// A pull answers with at most 4 MiB of text: 32 of the largest bodies; the others stay for the next.
pub fn an_answer_holds_4_mib_of_text<S: Subject>(subject: S) {
    expect_answers_of(&Stage::new(subject), ContentType::Text, 32);
}

/// Other bodies count as they will be encoded, four bytes for three: 24 of the largest.
pub fn an_answer_holds_4_mib_of_base64<S: Subject>(subject: S) {
    expect_answers_of(&Stage::new(subject), ContentType::Bytes, 24);
}

/// A pull never takes more than asked for, and takes a hundred if there are as many.
pub fn a_pull_takes_one_to_a_hundred<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["x"; 100]);
    stage.push(jobs, &["x"; 100]);

    assert_eq!(stage.pull(jobs, 1).len(), 1);
    assert_eq!(stage.pull(jobs, 100).len(), 100);
    assert_eq!(stage.pull(jobs, 100).len(), 99);
}

/// A hundred retries are a hundred and one deliveries.
pub fn attempts_count_to_a_hundred_and_one<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.pulled("jobs", with_retries(100));
    stage.push(jobs, &["a"]);

    for attempts in 1..=101 {
        let got = stage.pull_one(jobs);
        assert_eq!(got.attempts, attempts);
        stage.retry(jobs, got.lease, Some(Seconds(0)));
    }

    stage.expect_nothing(jobs);
}

/// An account holds 10,000 queues, dead-letter queues made by a consumer included.
pub fn an_account_holds_so_many_queues<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    let jobs = stage.queue("jobs");
    for index in 1..Limits::QUEUES_MAX {
        wait(broker.create_queue(stage.account, new_queue(&format!("q{index}")))).unwrap();
    }
    let too_many = Error::TooMany { what: "queues", limit: Limits::QUEUES_MAX };

    assert_eq!(wait(broker.create_queue(stage.account, new_queue("more"))).unwrap_err(), too_many);
    let with_dead = NewConsumer { dead_letter_queue: Some(name("dead")), ..pulling(with_retries(3)) };
    assert_eq!(wait(broker.create_consumer(jobs, with_dead)).unwrap_err(), too_many);

    assert_eq!(broker.queues(stage.account).len(), Limits::QUEUES_MAX);
    assert_eq!(stage.shown(jobs).consumer, None);
    let other = wait(broker.create_account(None, "other".to_owned())).unwrap().id;
    wait(broker.create_queue(other, new_queue("more"))).unwrap();
}

/// An account holds 10,000 tokens; a revoked one makes room.
pub fn an_account_holds_so_many_tokens<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    let token = |index: usize| NewToken {
        id: TokenId((index as u128).to_be_bytes()),
        name: String::new(),
        hash: SecretHash([0; 32]),
        email: None,
        scopes: ScopeSet::default().with(Scope::Push),
        queues: QueuePattern::All,
        expires_on: None,
    };
    for index in 0..Limits::TOKENS_MAX {
        wait(broker.create_token(stage.account, token(index))).unwrap();
    }

    let refused = wait(broker.create_token(stage.account, token(Limits::TOKENS_MAX)));
    assert_eq!(refused.unwrap_err(), Error::TooMany { what: "tokens", limit: Limits::TOKENS_MAX });

    wait(broker.revoke_token(stage.account, token(0).id)).unwrap();
    wait(broker.create_token(stage.account, token(Limits::TOKENS_MAX))).unwrap();
}

/// An account holds 10,000 event subscriptions; a deleted one makes room.
pub fn an_account_holds_so_many_subscriptions<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    let events = stage.queue("events");
    let create =
        |index: usize| wait(broker.create_subscription(stage.account, to_bucket(&index.to_string(), events)));
    let first = create(0).unwrap();
    for index in 1..Limits::SUBSCRIPTIONS_MAX {
        create(index).unwrap();
    }

    let too_many = Error::TooMany { what: "subscriptions", limit: Limits::SUBSCRIPTIONS_MAX };
    assert_eq!(create(Limits::SUBSCRIPTIONS_MAX).unwrap_err(), too_many);

    wait(broker.delete_subscription(stage.account, first.id)).unwrap();
    create(Limits::SUBSCRIPTIONS_MAX).unwrap();
}
