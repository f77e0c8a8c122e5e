//! Accounts and queues: created, listed, changed and deleted (spec §2.1–2.7).

use kew_model::{
    AccountId, AckOutcome, Error, Jurisdiction, NewQueue, Place, QueueChange, QueueId, QueueSettings, Seconds,
};

use super::stage::{MINUTE, Stage, name, new_queue, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

/// Accounts are found by id and listed in the order of creation; an id is taken once.
pub fn accounts_are_listed_in_order<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    stage.advance(MINUTE);
    let wanted = AccountId([9; 16]);

    let second = wait(broker.create_account(Some(wanted), "second".to_owned())).unwrap();
    let third = wait(broker.create_account(None, "second".to_owned())).unwrap();

    assert_eq!((second.id, second.name.as_str(), second.created_on), (wanted, "second", stage.now()));
    let listed: Vec<_> = broker.accounts().iter().map(|account| account.id).collect();
    assert_eq!(listed, [stage.account, wanted, third.id]);
    assert_eq!(broker.account(third.id), Some(third));
    assert_eq!(broker.account(AccountId([8; 16])), None);
    assert_eq!(wait(broker.create_account(Some(wanted), String::new())).unwrap_err(), Error::IdTaken);
}

/// A queue is what was asked for, and found by id and by name.
pub fn a_queue_is_shown_as_created<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    let settings = QueueSettings {
        delivery_delay: Seconds(5),
        delivery_paused: true,
        message_retention_period: Seconds(60),
    };
    let id = QueueId([3; 16]);
    let new = NewQueue { name: name("q"), id: Some(id), jurisdiction: Some(Jurisdiction::Us), settings };

    let queue = wait(broker.create_queue(stage.account, new)).unwrap();

    assert_eq!((queue.id, queue.account, queue.name.as_str()), (id, stage.account, "q"));
    assert_eq!((queue.settings, queue.jurisdiction), (settings, Some(Jurisdiction::Us)));
    assert_eq!((queue.created_on, queue.modified_on), (stage.now(), stage.now()));
    assert_eq!((queue.consumer.as_ref(), queue.purge), (None, None));
    let place = Place { account: stage.account, queue: id };
    assert_eq!(broker.queue(place), Some(queue.clone()));
    assert_eq!(broker.queue_named(stage.account, "q"), Some(queue));
    assert_eq!(broker.queue_named(stage.account, "Q"), None);
}

/// Lists are in the order of creation, whatever changed since (spec §2.2).
pub fn queues_are_listed_in_order<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let places = ["c", "a", "b"].map(|text| stage.queue(text));
    stage.change(places[0], QueueChange { name: Some(name("z")), ..QueueChange::default() });

    let listed: Vec<_> = stage.broker().queues(stage.account).iter().map(|queue| queue.id).collect();

    assert_eq!(listed, places.map(|place| place.queue));
}

/// A name is taken once in an account, an id once in all (spec §8: 11009).
pub fn names_and_ids_are_taken_once<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    let jobs = stage.queue("jobs");
    let other = wait(broker.create_account(None, "other".to_owned())).unwrap().id;

    let same_name = wait(broker.create_queue(stage.account, new_queue("jobs")));
    let same_id = NewQueue { id: Some(jobs.queue), ..new_queue("more") };
    let same_id = wait(broker.create_queue(other, same_id));
    let nobody = wait(broker.create_queue(AccountId([8; 16]), new_queue("more")));

    assert_eq!(same_name.unwrap_err(), Error::NameTaken { name: name("jobs") });
    assert_eq!(same_id.unwrap_err(), Error::IdTaken);
    assert_eq!(nobody.unwrap_err(), Error::AccountNotFound);
    assert_eq!(broker.queues(stage.account).len(), 1);
    wait(broker.create_queue(other, new_queue("jobs"))).unwrap();
}

/// One account sees nothing of another.
pub fn accounts_do_not_mix<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    let jobs = stage.jobs();
    let other = wait(broker.create_account(None, "other".to_owned())).unwrap().id;
    let foreign = Place { account: other, ..jobs };

    assert_eq!(broker.queue(foreign), None);
    assert_eq!(broker.queue_named(other, "jobs"), None);
    assert!(broker.queues(other).is_empty());
    assert_eq!(wait(broker.delete_queue(foreign)).unwrap_err(), Error::QueueNotFound);
    assert_eq!(wait(broker.update_queue(foreign, QueueChange::default())).unwrap_err(), Error::QueueNotFound);
    assert_eq!(wait(broker.backlog(foreign)).unwrap_err(), Error::QueueNotFound);
    assert!(broker.queue(jobs).is_some());
}

/// What a change does not name stays (spec §2.6); the time of the change is shown.
pub fn a_change_leaves_the_rest_alone<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let before = stage.shown(jobs);
    stage.advance(MINUTE);
    let changed_at = stage.now();

    let change = QueueChange { delivery_delay: Some(Seconds(7)), ..QueueChange::default() };
    let after = wait(stage.broker().update_queue(jobs, change)).unwrap();

    assert_eq!(after.settings, QueueSettings { delivery_delay: Seconds(7), ..before.settings });
    assert_eq!((after.created_on, after.modified_on), (before.created_on, changed_at));
    assert_eq!((after.id, &after.name, &after.consumer), (before.id, &before.name, &before.consumer));
    stage.let_settings_act();
    assert_eq!(stage.shown(jobs), after);
    let retention =
        QueueChange { message_retention_period: Some(Seconds(1_209_600)), ..QueueChange::default() };
    assert_eq!(stage.change(jobs, retention).settings.message_retention_period, Seconds(1_209_600));
}

/// A rename frees the old name and keeps id, messages and leases; a taken name is refused.
pub fn a_renamed_queue_is_the_same_queue<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let other = stage.queue("other");
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    let to = |text| QueueChange { name: Some(name(text)), ..QueueChange::default() };

    let refused = wait(stage.broker().update_queue(jobs, to("other")));
    assert_eq!(refused.unwrap_err(), Error::NameTaken { name: name("other") });
    stage.change(jobs, to("jobs"));
    stage.change(jobs, to("tasks"));
    stage.change(other, to("jobs"));

    assert_eq!(stage.broker().queue_named(stage.account, "tasks").unwrap().id, jobs.queue);
    assert_eq!(stage.broker().queue_named(stage.account, "jobs").unwrap().id, other.queue);
    assert_eq!(stage.broker().queue_named(stage.account, "other"), None);
    assert_eq!(stage.ack(jobs, lease), AckOutcome::Acked);
}

/// A deleted queue is gone for every verb.
pub fn a_deleted_queue_is_gone<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;

    wait(broker.delete_queue(jobs)).unwrap();
    stage.let_settings_act();

    assert_eq!(broker.queue(jobs), None);
    assert_eq!(broker.queue_named(stage.account, "jobs"), None);
    assert!(broker.queues(stage.account).is_empty());
    let settlement = kew_model::Settlement { acks: vec![lease], retries: Vec::new() };
    assert_eq!(wait(broker.settle(jobs, settlement)).unwrap_err(), Error::QueueNotFound);
    assert_eq!(wait(broker.push(jobs, super::stage::batch(&["b"]))).unwrap_err(), Error::QueueNotFound);
    assert_eq!(wait(broker.delete_queue(jobs)).unwrap_err(), Error::QueueNotFound);
    stage.advance(MINUTE);
    wait(broker.housekeep()).unwrap();
}

/// A new queue of an old name is another queue: no messages, another number, and old leases are foreign.
pub fn a_recreated_queue_is_another_queue<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let old = stage.jobs();
    stage.push(old, &["leased", "ready"]);
    let lease = stage.pull(old, 1)[0].lease;
    let number = stage.shown(old).number;
    wait(stage.broker().delete_queue(old)).unwrap();

    let new = stage.jobs();
    stage.let_settings_act();

    assert_ne!((new.queue, stage.shown(new).number), (old.queue, number));
    assert_eq!(stage.ack(new, lease), AckOutcome::OtherQueue);
    stage.expect_nothing(new);
    stage.push(new, &["new"]);
    stage.expect(&stage.pull(new, 10), &["new"]);
}

/// An id may be given again once its queue is deleted.
pub fn a_freed_id_may_be_given_again<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.pulled("jobs", with_retries(3));
    stage.push(jobs, &["old"]);
    let number = stage.shown(jobs).number;
    wait(stage.broker().delete_queue(jobs)).unwrap();

    let again = NewQueue { id: Some(jobs.queue), ..new_queue("again") };
    let again = wait(stage.broker().create_queue(stage.account, again)).unwrap();

    assert_eq!(again.id, jobs.queue);
    assert_ne!(again.number, number, "numbers are never reused");
    assert_eq!(stage.backlog(jobs).count, 0);
}
