//! Exhaustion: what happens when the last allowed attempt fails (spec §4.6, B6).

use kew_model::{
    AckOutcome, Jurisdiction, Milliseconds, NewConsumer, NewQueue, PullSettings, QueueChange, QueueSettings,
    RetryOutcome, Seconds,
};

use super::stage::{DAY, MINUTE, Stage, TICK, name, new_queue, pulling, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

/// `max_retries` 3 means four deliveries, then the dead-letter queue; by retries.
pub fn a_message_is_tried_once_and_then_max_retries_times<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(3));
    stage.push(jobs, &["a"]);

    for attempts in 1..=4 {
        let got = stage.pull_one(jobs);
        assert_eq!(got.attempts, attempts);
        assert_eq!(stage.backlog(dead).count, 0);
        assert_eq!(stage.retry(jobs, got.lease, None), RetryOutcome::Retried);
    }

    stage.expect_nothing(jobs);
    stage.expect(&stage.pull(dead, 10), &["a"]);
}

/// Expired leases are failures as well; `max_retries` 0 allows one delivery.
pub fn the_last_leases_end_moves_the_message<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    stage.push(jobs, &["a"]);
    stage.pull_one(jobs);

    stage.advance(Milliseconds(MINUTE.0 - 1));
    stage.expect_nothing(dead);
    stage.advance(TICK);
    stage.let_dead_letters_move();

    assert_eq!((stage.backlog(jobs).count, stage.backlog(dead).count), (0, 1));
    stage.expect_nothing(jobs);
    stage.expect(&stage.pull(dead, 10), &["a"]);
}

/// A dead letter is the same message, with its attempts counted anew.
pub fn a_dead_letter_is_the_same_message<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    stage.push(jobs, &["a"]);
    stage.advance(MINUTE);
    let before = stage.pull_one(jobs);
    stage.retry(jobs, before.lease, None);

    let after = stage.pull_one(dead);

    assert_eq!((after.id, &after.body, after.content_type), (before.id, &before.body, before.content_type));
    assert_eq!((after.sent_at, after.attempts), (before.sent_at, 1));
    assert_eq!(stage.backlog(dead).oldest, Some(before.sent_at));
}

/// Neither the dead-letter queue's delay nor the retry's holds a dead letter back.
pub fn no_delay_holds_a_dead_letter<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let settings = PullSettings { retry_delay: DAY, ..with_retries(0) };
    let (jobs, dead) = stage.pulled_with_dead(settings);
    stage.change(dead, QueueChange { delivery_delay: Some(DAY), ..QueueChange::default() });
    stage.push(jobs, &["retried", "expired"]);
    let got = stage.pull(jobs, 2);

    stage.retry(jobs, got[0].lease, Some(DAY));
    stage.advance(MINUTE);
    stage.let_dead_letters_move();

    assert_eq!(stage.pull(dead, 10).len(), 2);
}

/// Without a dead-letter queue the message is gone.
pub fn an_exhausted_message_without_a_dead_letter_queue_is_gone<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.pulled("jobs", with_retries(1));
    stage.push(jobs, &["a"]);
    stage.retry(jobs, stage.pull_one(jobs).lease, None);
    stage.pull_one(jobs);

    stage.advance(MINUTE);
    stage.let_dead_letters_move();

    assert_eq!(stage.backlog(jobs).count, 0);
    stage.expect_nothing(jobs);
}

/// Late settlements of an exhausted message change nothing, and an ack says why (spec §4.5).
pub fn late_settlements_of_an_exhausted_message_do_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(1));
    let dropping = stage.pulled("dropping", with_retries(0));
    stage.push(jobs, &["a"]);
    stage.push(dropping, &["b"]);
    let first = stage.pull_one(jobs).lease;
    stage.retry(jobs, first, None);
    let last = stage.pull_one(jobs).lease;
    let dropped = stage.pull_one(dropping).lease;
    stage.advance(MINUTE);
    stage.let_dead_letters_move();

    for lease in [first, last] {
        assert_eq!(stage.ack(jobs, lease), stage.exhausted());
        assert_eq!(stage.retry(jobs, lease, None), RetryOutcome::Gone);
        assert_eq!(stage.ack(dead, lease), AckOutcome::OtherQueue);
    }
    assert_eq!(stage.ack(dropping, dropped), stage.exhausted());

    stage.expect(&stage.pull(dead, 10), &["a"]);
}

/// The `max_retries` of the moment of failure counts, lower or higher than before.
pub fn changed_retries_count_at_the_next_failure<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.pulled("jobs", with_retries(0));
    stage.push(jobs, &["a"]);
    let first = stage.pull_with(jobs, 1, Some(Milliseconds(43_200_000))).remove(0);

    stage.reattach(jobs, pulling(with_retries(2)));
    stage.retry(jobs, first.lease, None);
    let second = stage.pull_one(jobs);
    assert_eq!(second.attempts, 2);

    stage.retry(jobs, second.lease, None);
    stage.reattach(jobs, pulling(with_retries(0)));
    let third = stage.pull_one(jobs);
    assert_eq!(third.attempts, 3, "a waiting message is not judged before it fails again");
    stage.retry(jobs, third.lease, None);
    stage.expect_nothing(jobs);
}

/// A retry of a message that waits already is no further failure.
pub fn a_late_retry_exhausts_nothing<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.pulled("jobs", with_retries(1));
    stage.push(jobs, &["a"]);
    let lease = stage.pull_one(jobs).lease;
    stage.advance(MINUTE);
    stage.reattach(jobs, pulling(with_retries(0)));

    assert_eq!(stage.retry(jobs, lease, None), RetryOutcome::Retried);

    assert_eq!(stage.pull_one(jobs).attempts, 2);
}

/// Without a consumer nothing is judged; attempts are kept (spec §4.6).
pub fn without_a_consumer_nothing_is_exhausted<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.pulled("jobs", PullSettings { retry_delay: DAY, ..with_retries(0) });
    stage.push(jobs, &["expires", "retried"]);
    let got = stage.pull(jobs, 2);
    stage.detach(jobs);
    stage.retry(jobs, got[1].lease, None);
    stage.advance(MINUTE);
    stage.let_dead_letters_move();
    assert_eq!(stage.backlog(jobs).count, 2);

    stage.attach(jobs, pulling(with_retries(3)));
    stage.let_settings_act();

    let again = stage.pull(jobs, 10);
    assert_eq!(again.iter().map(|one| one.attempts).collect::<Vec<_>>(), [2, 2]);
}

/// Dead letters arrive in the order of their failures, whichever queue they come from.
pub fn dead_letters_arrive_in_the_order_of_failure<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    let second = stage.queue("second");
    stage.attach(second, NewConsumer { dead_letter_queue: Some(name("dead")), ..pulling(with_retries(0)) });
    stage.push(jobs, &["at 30", "at 10"]);
    stage.push(second, &["at 20", "at 10 too"]);
    for (place, timeout) in [(jobs, 30_000), (jobs, 10_000), (second, 20_000), (second, 10_000)] {
        stage.pull_with(place, 1, Some(Milliseconds(timeout)));
    }

    stage.advance(MINUTE);
    stage.let_dead_letters_move();

    stage.expect(&stage.pull(dead, 10), &["at 10", "at 10 too", "at 20", "at 30"]);
}

/// Two queues may be each other's dead-letter queue: a message goes round, its attempts counted anew each time.
pub fn two_queues_may_be_each_others_dead_letter_queue<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (one, two) = (stage.queue("one"), stage.queue("two"));
    stage.attach(one, NewConsumer { dead_letter_queue: Some(name("two")), ..pulling(with_retries(0)) });
    stage.attach(two, NewConsumer { dead_letter_queue: Some(name("one")), ..pulling(with_retries(0)) });
    stage.push(one, &["a"]);

    let mut ids = Vec::new();
    for place in [one, two, one, two] {
        let got = stage.pull_one(place);
        assert_eq!(got.attempts, 1);
        ids.push(got.id);
        stage.advance(MINUTE);
        stage.let_dead_letters_move();
    }

    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!((stage.backlog(one).count, stage.backlog(two).count), (1, 0));
}

/// A dead-letter queue deleted meanwhile is made anew under its name, so that nothing is dropped silently.
pub fn a_deleted_dead_letter_queue_is_made_anew<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    let eu = NewQueue { jurisdiction: Some(Jurisdiction::Eu), ..new_queue("jobs") };
    let id = wait(broker.create_queue(stage.account, eu)).unwrap().id;
    let jobs = kew_model::Place { account: stage.account, queue: id };
    stage.attach(jobs, NewConsumer { dead_letter_queue: Some(name("dead")), ..pulling(with_retries(0)) });
    let first = broker.queue_named(stage.account, "dead").unwrap();
    wait(broker.delete_queue(kew_model::Place { queue: first.id, ..jobs })).unwrap();
    stage.let_settings_act();
    stage.push(jobs, &["a"]);

    stage.pull_one(jobs);
    stage.advance(MINUTE);
    stage.let_dead_letters_move();

    let made = broker.queue_named(stage.account, "dead").expect("made anew");
    assert_ne!((made.id, made.number), (first.id, first.number));
    assert_eq!((made.jurisdiction, made.settings), (Some(Jurisdiction::Eu), QueueSettings::default()));
    assert_eq!(made.consumer, None);
    let link = stage.shown(jobs).consumer.clone().unwrap().dead_letter_queue.unwrap();
    assert_eq!((link.queue, link.name.as_str()), (made.id, "dead"));
    let dead = kew_model::Place { queue: made.id, ..jobs };
    stage.attach(dead, pulling(with_retries(0)));
    stage.let_settings_act();
    stage.expect(&stage.pull(dead, 10), &["a"]);
}

/// A dead-letter queue deleted and created again by the same name is found by its name.
pub fn a_recreated_dead_letter_queue_is_found_by_name<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    wait(stage.broker().delete_queue(dead)).unwrap();
    let again = stage.pulled("dead", with_retries(3));
    stage.let_settings_act();
    stage.push(jobs, &["a"]);

    stage.retry(jobs, stage.pull_one(jobs).lease, None);

    stage.expect(&stage.pull(again, 10), &["a"]);
    assert_eq!(stage.broker().queues(stage.account).len(), 2);
}

/// A renamed dead-letter queue stays the dead-letter queue, also against a new one of the old name.
pub fn a_renamed_dead_letter_queue_is_followed<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    stage.change(dead, QueueChange { name: Some(name("graveyard")), ..QueueChange::default() });
    let usurper = stage.queue("dead");
    stage.push(jobs, &["a"]);

    stage.retry(jobs, stage.pull_one(jobs).lease, None);

    stage.expect(&stage.pull(dead, 10), &["a"]);
    assert_eq!(stage.backlog(usurper).count, 0);
    let link = stage.shown(jobs).consumer.clone().unwrap().dead_letter_queue.unwrap();
    assert_eq!((link.queue, link.name.as_str()), (dead.queue, "graveyard"));
}

/// A new dead-letter queue of the consumer is for the next failures.
pub fn a_replaced_link_counts_at_the_next_failure<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    let second = stage.pulled("second", with_retries(3));
    stage.push(jobs, &["a", "b"]);
    let got = stage.pull(jobs, 2);
    stage.retry(jobs, got[0].lease, None);
    let replaced = NewConsumer { dead_letter_queue: Some(name("second")), ..pulling(with_retries(0)) };
    stage.reattach(jobs, replaced);

    stage.retry(jobs, got[1].lease, None);

    assert_eq!(stage.pull_one(dead).body, got[0].body);
    assert_eq!(stage.pull_one(second).body, got[1].body);
}

/// Paused queues still expire leases and take dead letters (spec §4.8: pausing stops deliveries).
pub fn a_pause_does_not_stop_dead_letters<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    stage.push(jobs, &["a"]);
    stage.pull_one(jobs);
    stage.pause(jobs, true);
    stage.pause(dead, true);

    stage.advance(MINUTE);
    stage.let_dead_letters_move();

    assert_eq!((stage.backlog(jobs).count, stage.backlog(dead).count), (0, 1));
}

/// A whole batch may fail at one moment and arrives whole, in order.
pub fn a_whole_batch_may_fail_at_once<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (jobs, dead) = stage.pulled_with_dead(with_retries(0));
    let bodies: Vec<_> = (0..100).map(|index| format!("{index:03}")).collect();
    let bodies: Vec<_> = bodies.iter().map(String::as_str).collect();
    stage.push(jobs, &bodies);
    assert_eq!(stage.pull(jobs, 100).len(), 100);

    stage.advance(Seconds(60));
    stage.let_dead_letters_move();

    assert_eq!(stage.backlog(jobs).count, 0);
    stage.expect(&stage.pull(dead, 100), &bodies);
}
