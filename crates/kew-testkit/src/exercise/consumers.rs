//! Consumers: attached, replaced and detached (spec §2.9, §2.10).

use kew_model::{
    ConsumerId, ConsumerKind, DeadLetterLink, Error, Jurisdiction, Milliseconds, NewConsumer, NewQueue,
    Place, PullSettings, QueueChange, QueueId, QueueSettings, Seconds,
};

use super::stage::{MINUTE, Stage, a_worker, name, new_queue, pulling, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

/// A consumer is shown with the settings it was given, in the queue that it belongs to.
pub fn a_consumer_is_shown_as_attached<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, other) = (stage.queue("jobs"), stage.queue("other"));
    stage.advance(MINUTE);
    let attached_at = stage.now();
    let settings = PullSettings {
        batch_size: 100,
        max_retries: 100,
        retry_delay: Seconds(86_400),
        visibility_timeout: Milliseconds(43_200_000),
    };

    let consumer = stage.attach(jobs, pulling(settings));
    let worker = stage.attach(other, a_worker());

    assert_eq!(consumer.kind, ConsumerKind::HttpPull(settings));
    assert_eq!((consumer.created_on, &consumer.dead_letter_queue), (attached_at, &None));
    assert_eq!(stage.shown(jobs).consumer.as_ref(), Some(&*consumer));
    assert_eq!(stage.shown(jobs).modified_on, attached_at);
    assert_eq!(worker.kind, a_worker().kind);
    assert_ne!(worker.id, consumer.id);
}

/// A queue has one consumer, of whichever kind (spec §8: 11004).
pub fn a_second_consumer_is_refused<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    let before = stage.shown(jobs);

    for second in [pulling(with_retries(9)), a_worker()] {
        let refused = wait(stage.broker().create_consumer(jobs, second.clone()));
        assert_eq!(refused.unwrap_err(), Error::ConsumerExists);
        let refused = wait(stage.broker().replace_consumer(jobs, ConsumerId([7; 16]), second));
        assert_eq!(refused.unwrap_err(), Error::ConsumerExists);
    }
    assert_eq!(stage.shown(jobs), before);
}

/// A replacement keeps id and time of creation, and nothing of the settings.
pub fn a_replaced_consumer_keeps_its_id<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.queue("jobs");
    let settings = PullSettings { batch_size: 7, retry_delay: Seconds(9), ..with_retries(9) };
    let before =
        stage.attach(jobs, NewConsumer { dead_letter_queue: Some(name("dead")), ..pulling(settings) });
    stage.advance(MINUTE);
    let replaced_at = stage.now();

    let new = pulling(PullSettings::default());
    let after = wait(stage.broker().replace_consumer(jobs, before.id, new)).unwrap();

    assert_eq!((after.id, after.created_on), (before.id, before.created_on));
    assert_eq!(after.kind, ConsumerKind::HttpPull(PullSettings::default()));
    assert_eq!(after.dead_letter_queue, None);
    stage.let_settings_act();
    assert_eq!(stage.shown(jobs).consumer.as_ref(), Some(&*after));
    assert_eq!(stage.shown(jobs).modified_on, replaced_at);
}

/// Replacing where there is none creates one under the given id.
pub fn a_replacement_may_create<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.queue("jobs");
    let id = ConsumerId([5; 16]);

    let made = wait(stage.broker().replace_consumer(jobs, id, pulling(with_retries(3)))).unwrap();

    assert_eq!((made.id, made.created_on), (id, stage.now()));
    stage.let_settings_act();
    stage.push(jobs, &["a"]);
    stage.expect(&stage.pull(jobs, 10), &["a"]);
}

/// Without its consumer a queue cannot be pulled; with another it can, and messages and attempts are kept.
pub fn a_detached_consumer_leaves_the_messages<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["a"]);
    stage.pull_one(jobs);
    let id = stage.shown(jobs).consumer.as_ref().unwrap().id;

    let unknown = wait(stage.broker().delete_consumer(jobs, ConsumerId([7; 16])));
    assert_eq!(unknown.unwrap_err(), Error::ConsumerNotFound);
    stage.advance(MINUTE);
    let detached_at = stage.now();
    wait(stage.broker().delete_consumer(jobs, id)).unwrap();
    stage.let_settings_act();
    assert_eq!((stage.shown(jobs).consumer.as_ref(), stage.shown(jobs).modified_on), (None, detached_at));
    let again = wait(stage.broker().delete_consumer(jobs, id));
    assert_eq!(again.unwrap_err(), Error::ConsumerNotFound);
    let refused = stage.try_pull(jobs, kew_model::Pull::default());
    assert_eq!(refused.unwrap_err(), Error::PullNotEnabled);

    stage.attach(jobs, pulling(with_retries(3)));
    stage.let_settings_act();
    assert_eq!(stage.pull_one(jobs).attempts, 2);
}

/// A dead-letter queue that is not there is created, in the same jurisdiction (spec §2.10).
pub fn a_missing_dead_letter_queue_is_created<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    let new = NewQueue { jurisdiction: Some(Jurisdiction::Fedramp), ..new_queue("jobs") };
    let id = wait(broker.create_queue(stage.account, new)).unwrap().id;
    let jobs = Place { account: stage.account, queue: id };

    let with_dead = NewConsumer { dead_letter_queue: Some(name("dead")), ..pulling(with_retries(3)) };
    let consumer = stage.attach(jobs, with_dead);

    let dead = broker.queue_named(stage.account, "dead").expect("created with the consumer");
    assert_eq!((dead.jurisdiction, dead.settings), (Some(Jurisdiction::Fedramp), QueueSettings::default()));
    assert_eq!((dead.consumer.as_ref(), dead.created_on), (None, stage.now()));
    let link = DeadLetterLink { queue: dead.id, name: name("dead") };
    assert_eq!(consumer.dead_letter_queue, Some(link));
    assert_eq!(broker.queues(stage.account).len(), 2);
}

/// A dead-letter queue that is there is used as it is.
pub fn a_present_dead_letter_queue_is_used<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(3));
    let second = stage.queue("second");

    let consumer = stage
        .attach(second, NewConsumer { dead_letter_queue: Some(name("dead")), ..pulling(with_retries(3)) });

    assert_eq!(consumer.dead_letter_queue.as_ref().unwrap().queue, dead.queue);
    let first = stage.shown(jobs).consumer.clone().unwrap();
    assert_eq!(first.dead_letter_queue, consumer.dead_letter_queue);
    assert_eq!(stage.broker().queues(stage.account).len(), 3);
}

/// A queue cannot be its own dead-letter queue (spec §4.6), at attaching and at replacing.
pub fn a_queue_cannot_be_its_own_dead_letter_queue<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, other) = (stage.queue("jobs"), stage.pulled("other", with_retries(3)));
    let own = |text| NewConsumer { dead_letter_queue: Some(name(text)), ..pulling(with_retries(3)) };
    let id = stage.shown(other).consumer.as_ref().unwrap().id;

    let created = wait(stage.broker().create_consumer(jobs, own("jobs")));
    let replaced = wait(stage.broker().replace_consumer(other, id, own("other")));

    assert_eq!(created.unwrap_err(), Error::DeadLetterCycle);
    assert_eq!(replaced.unwrap_err(), Error::DeadLetterCycle);
    assert_eq!(stage.shown(jobs).consumer, None);
    assert_eq!(stage.shown(other).consumer.clone().unwrap().dead_letter_queue, None);
}

/// Nor by taking the name of its deleted one, which would be found again by that name (design §8.15).
pub fn a_queue_cannot_become_its_own_dead_letter_queue<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    wait(stage.broker().delete_queue(dead)).unwrap();

    let renamed = |text| QueueChange { name: Some(name(text)), ..QueueChange::default() };
    let refused = wait(stage.broker().update_queue(jobs, renamed("dead")));

    assert_eq!(refused.unwrap_err(), Error::DeadLetterCycle);
    assert_eq!(stage.change(jobs, renamed("jobs")).name, name("jobs"));
    assert_eq!(stage.change(jobs, renamed("other")).name, name("other"));
}

/// No queue, no consumer.
pub fn a_consumer_of_no_queue_is_refused<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    let nowhere = Place { account: stage.account, queue: QueueId([7; 16]) };
    let id = ConsumerId([7; 16]);

    let created = wait(broker.create_consumer(nowhere, a_worker()));
    let replaced = wait(broker.replace_consumer(nowhere, id, a_worker()));
    let deleted = wait(broker.delete_consumer(nowhere, id));

    assert_eq!(created.unwrap_err(), Error::QueueNotFound);
    assert_eq!(replaced.unwrap_err(), Error::QueueNotFound);
    assert_eq!(deleted.unwrap_err(), Error::QueueNotFound);
}
