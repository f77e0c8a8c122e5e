//! Restarts: everything that was answered is as it was, whenever the broker is closed and opened again (B2, B3).

use kew_model::{
    AckOutcome, Error, Milliseconds, NewToken, QueueChange, QueuePattern, RetryOutcome, Scope, ScopeSet,
    Seconds, SecretHash, TokenId,
};

use super::stage::{DAY, MINUTE, Stage, TICK, batch, name, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

/// Messages survive, byte by byte and in their order, and so does the backlog.
pub fn messages_survive<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a", "b"]);
    let before = stage.backlog(jobs);

    let stage = stage.restart();
    assert_eq!(stage.backlog(jobs), before);
    stage.push_delayed(jobs, "later", Seconds(30));
    let stage = stage.restart();

    stage.expect(&stage.pull(jobs, 10), &["a", "b"]);
    stage.advance(Milliseconds(29_999));
    stage.expect_nothing(jobs);
    stage.advance(TICK);
    stage.expect(&stage.pull(jobs, 10), &["later"]);
}

/// B3: a leased message is given to nobody else before its lease ends, also after a restart.
pub fn a_lease_survives<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let first = stage.pull_one(jobs);
    stage.advance(Milliseconds(MINUTE.0 - 1));

    let stage = stage.restart();
    stage.expect_nothing(jobs);
    stage.advance(TICK);

    let second = stage.pull_one(jobs);
    assert_eq!((second.id, second.attempts), (first.id, 2));
    assert!(second.lease.fence > first.lease.fence, "fences grow over restarts");
}

/// A lease taken before a restart is acked, retried and extended after it.
pub fn a_lease_is_valid_after_a_restart<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["ack", "retry", "extend"]);
    let got = stage.pull(jobs, 3);

    let stage = stage.restart();

    assert_eq!(stage.ack(jobs, got[0].lease), AckOutcome::Acked);
    assert_eq!(stage.retry(jobs, got[1].lease, None), RetryOutcome::Retried);
    stage.extend(jobs, got[2].lease, Some(Milliseconds(3_600_000)));
    stage.advance(MINUTE);
    assert_eq!(stage.pull_one(jobs).body, got[1].body);
}

/// B4: an acked message stays gone.
pub fn an_ack_survives<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a", "b", "c"]);
    let got = stage.pull(jobs, 3);
    stage.ack(jobs, got[1].lease);

    let stage = stage.restart();
    stage.advance(MINUTE);

    assert_eq!(stage.ack(jobs, got[1].lease), AckOutcome::AlreadyGone);
    let left = super::stage::bodies(&[got[0].clone(), got[2].clone()]);
    stage.expect(&stage.pull(jobs, 10), &[&left[0], &left[1]]);
}

/// A lease that ended while the broker was closed has ended; extended ones have not.
pub fn leases_end_while_closed<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["ends", "lasts"]);
    let got = stage.pull(jobs, 2);
    stage.extend(jobs, got[1].lease, Some(Milliseconds(3_600_000)));

    let stage = stage.restart();
    stage.advance(MINUTE);
    let stage = stage.restart();

    let again = stage.pull_one(jobs);
    assert_eq!((&again.body, again.attempts), (&got[0].body, 2));
}

/// Retries with their delays, and attempts, survive; so nobody gets an extra attempt by a crash.
pub fn attempts_and_retry_delays_survive<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(2));
    stage.push(jobs, &["a"]);
    let mut stage = stage;
    for attempts in 1..=3 {
        let got = stage.pull_one(jobs);
        assert_eq!(got.attempts, attempts);
        stage = stage.restart();
        stage.retry(jobs, got.lease, Some(Seconds(10)));
        stage = stage.restart();
        stage.expect_nothing(jobs);
        stage.advance(Seconds(10));
    }

    stage.expect_nothing(jobs);
    stage.expect(&stage.pull(dead, 10), &["a"]);
}

/// Dead letters, and why a message is gone, survive.
pub fn dead_letters_survive<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    stage.push(jobs, &["a"]);
    let got = stage.pull_one(jobs);
    stage.retry(jobs, got.lease, None);

    let stage = stage.restart();

    assert_eq!(stage.ack(jobs, got.lease), stage.exhausted());
    let moved = stage.pull_one(dead);
    assert_eq!((moved.id, moved.sent_at, moved.attempts), (got.id, got.sent_at, 1));
}

/// The catalog survives word for word: accounts, tokens, queues, consumers, their order and their times.
pub fn the_catalog_survives<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(7));
    stage.change(jobs, QueueChange { delivery_delay: Some(Seconds(9)), ..QueueChange::default() });
    stage.advance(MINUTE);
    stage.change(dead, QueueChange { name: Some(name("renamed")), ..QueueChange::default() });
    let doomed = stage.queue("doomed");
    wait(stage.broker().purge(jobs)).unwrap();
    wait(stage.broker().delete_queue(doomed)).unwrap();
    let [kept, revoked] = [1, 2].map(|id| NewToken {
        id: TokenId([id; 16]),
        name: "token".to_owned(),
        hash: SecretHash([id; 32]),
        email: Some("a@b.c".to_owned()),
        scopes: ScopeSet::default().with(Scope::Consume),
        queues: QueuePattern::Exact(jobs.queue),
        expires_on: None,
    });
    wait(stage.broker().create_token(stage.account, kept)).unwrap();
    let revoked = wait(stage.broker().create_token(stage.account, revoked)).unwrap().id;
    wait(stage.broker().revoke_token(stage.account, revoked)).unwrap();
    let catalog = |stage: &Stage<S>| {
        let broker = stage.broker();
        (broker.accounts(), broker.queues(stage.account), broker.tokens(stage.account))
    };
    let before = catalog(&stage);

    let stage = stage.restart();

    assert_eq!(catalog(&stage), before);
    assert_eq!(stage.broker().token(revoked), None);
    assert_eq!(stage.broker().tokens_by_email("A@B.C").len(), 1);
}

/// A purge and discards stay done, and sequences, numbers and ids go on where they were.
pub fn nothing_is_reused<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let doomed = stage.queue("doomed");
    let number = stage.shown(doomed).number;
    wait(stage.broker().delete_queue(doomed)).unwrap();
    stage.push(jobs, &["a", "b"]);
    let got = stage.pull(jobs, 2);
    wait(stage.broker().discard(jobs, vec![got[0].lease.message])).unwrap();
    wait(stage.broker().purge(jobs)).unwrap();

    let stage = stage.restart();

    assert_eq!(stage.ack(jobs, got[1].lease), AckOutcome::AlreadyGone);
    stage.push(jobs, &["c"]);
    let after = stage.pull_one(jobs);
    assert!(after.lease.message > got[1].lease.message.max(got[0].lease.message));
    assert!(got.iter().all(|one| one.id != after.id));
    let again = stage.queue("doomed");
    assert!(stage.shown(again).number > number);
}

/// A paused queue is paused after a restart, and can be resumed.
pub fn a_pause_survives<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    stage.pause(jobs, true);

    let stage = stage.restart();

    let refused = stage.try_pull(jobs, kew_model::Pull::default());
    assert_eq!(refused.unwrap_err(), Error::QueuePaused);
    stage.pause(jobs, false);
    stage.expect(&stage.pull(jobs, 10), &["a"]);
}

/// A closed broker does nothing any more, and says so.
pub fn a_closed_broker_refuses<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let closed = stage.broker();

    let stage = stage.restart();

    assert_eq!(wait(closed.push(jobs, batch(&["x"]))).unwrap_err(), Error::Closing);
    assert_eq!(wait(closed.pull(jobs, kew_model::Pull::default())).unwrap_err(), Error::Closing);
    assert_eq!(wait(closed.purge(jobs)).unwrap_err(), Error::Closing);
    stage.push(jobs, &["a"]);
    stage.expect(&stage.pull(jobs, 10), &["a"]);
}

/// Restart upon restart changes nothing.
pub fn many_restarts_change_nothing<S: Subject>(subject: S) {
    let mut stage = Stage::new(subject);
    let jobs = stage.jobs();
    for body in ["a", "b", "c", "d"] {
        stage.push(jobs, &[body]);
        stage = stage.restart().restart();
    }
    let leased = stage.pull(jobs, 2);
    stage = stage.restart().restart();
    stage.advance(DAY);

    assert_eq!(leased.len(), 2);
    assert_eq!(stage.pull(jobs, 10).len(), 4);
}
