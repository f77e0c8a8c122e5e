//! Verbs that wait for exhausted messages to leave, while others go on failing without a pause.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::task::Poll;

use kew_embedded::{Embedded, Options};
use kew_model::{
    Answer, Broker, ContentType, Destination, Lease, Milliseconds, NewConsumer, Peek, Place, Pull, PushBatch,
    Redrive, Retry, RetryOutcome, Settlement,
};
use kew_testkit::wait;

use crate::waiting::{PULL, World, poll, push, queue};

/// How many queues take turns in failing: while messages of one leave, those of the next have failed already.
const QUEUES: usize = 3;

/// How many messages of each queue can fail.
const MESSAGES: usize = 40;

/// How many have failed when the verb is asked.
const BEFORE: usize = 11;

/// In how many steps of the writer a verb is answered at the latest: what was exhausted when it came is read in one or
/// two of them.
const STEPS: usize = 4;

/// Queues with the same dead letters, of whose messages one fails before each step of the writer: when those of one queue
/// have left, there are some of another.
struct Failing {
    world: World,
    places: [Place; QUEUES],
    leases: [Vec<Lease>; QUEUES],
}

impl Failing {
    fn new() -> Self {
        let world = World::new(0, Options::default());
        let more = ["second", "third"].map(|name| queue(&world.store, name, Some("dead")));
        let places = [world.cold, more[0], more[1]];
        let leases = places.map(|place| {
            (0..MESSAGES).for_each(|_| push(&world.store, place));
            (0..MESSAGES).map(|_| wait(world.store.pull(place, PULL)).unwrap().messages[0].lease).collect()
        });
        world.store.inspect().hold();
        Self { world, places, leases }
    }

    /// Asks for a verb while messages fail, and lets them fail on until it is answered; gives what it was answered with,
    /// and how many retries made a message fail.
    fn ask<'a, T>(&'a self, ask: impl FnOnce() -> Answer<'a, T>) -> (T, u64) {
        let inspect = self.world.store.inspect();
        let (mut ask, mut asked, mut retries) = (Some(ask), None, Vec::new());
        for step in 0..QUEUES * MESSAGES {
            let lease = self.leases[step % QUEUES][step / QUEUES];
            let settlement = Settlement { acks: Vec::new(), retries: vec![Retry { lease, delay: None }] };
            let mut retried = self.world.store.settle(self.places[step % QUEUES], settlement);
            assert!(poll(&mut retried).is_pending());
            retries.push(retried);
            if step + 1 == BEFORE {
                let mut answer = ask.take().unwrap()();
                assert!(poll(&mut answer).is_pending());
                asked = Some(answer);
            }
            self.world.clock.advance(Milliseconds(1));
            inspect.read();
            inspect.write();
            if let Some(answer) = &mut asked
                && let Poll::Ready(answer) = poll(answer)
            {
                assert!(step < BEFORE + STEPS, "it took {} steps", step + 1 - BEFORE);
                inspect.release();
                let settled = retries.into_iter().map(|retried| wait(retried).unwrap().retries[0]);
                let failed = settled.filter(|outcome| *outcome == RetryOutcome::Retried).count();
                inspect.check();
                return (answer.unwrap(), failed as u64);
            }
        }
        panic!("it is not answered while messages go on failing");
    }

    fn count(&self, place: Place) -> u64 {
        wait(self.world.store.backlog(place)).unwrap().count
    }
}

#[test]
fn a_push_stands_behind_what_had_failed_and_before_what_fails_later() {
    let failing = Failing::new();
    let dead = failing.world.dead;
    let mut batch = PushBatch::new();
    batch.add(b"pushed", ContentType::Text, None).unwrap();

    let (pushed, failed) = failing.ask(|| failing.world.store.push(dead, batch));

    assert_eq!(pushed.backlog.count, BEFORE as u64 + 1);
    assert_eq!(failing.count(dead), failed + 1);
    let peeked = wait(failing.world.store.peek(dead, Peek { batch_size: Some(100) })).unwrap();
    let at = peeked.messages.iter().position(|message| peeked.body(message) == b"pushed");
    assert_eq!(at, Some(BEFORE));
    assert!(
        peeked.messages.is_sorted_by_key(|message| message.sequence),
        "the line is in the order of arrival"
    );
}

#[test]
fn housekeeping_waits_for_what_had_failed() {
    let failing = Failing::new();
    let ((), failed) = failing.ask(|| failing.world.store.housekeep());
    assert_eq!(failing.count(failing.world.dead), failed);
}

#[test]
fn a_redrive_moves_what_had_failed() {
    let failing = Failing::new();
    let (store, dead) = (&failing.world.store, failing.world.dead);
    store.inspect().release();
    let target = queue(store, "target", None);
    store.inspect().hold();
    let terms = Redrive { destination: Destination::Queue(target.queue), batch_size: 100 };

    let (redriven, failed) = failing.ask(|| store.redrive(dead, terms));

    assert!(redriven.moved >= BEFORE as u64, "{redriven:?}");
    assert_eq!(failing.count(dead) + failing.count(target), failed);
}

#[test]
fn a_purge_takes_nothing_along_that_failed() {
    for place in 0..QUEUES {
        let failing = Failing::new();
        let place = failing.places[place];

        let (_, failed) = failing.ask(|| failing.world.store.purge(place));

        // Whoever was told that the last attempt failed finds the message among the dead letters
        assert_eq!(failing.count(failing.world.dead), failed);
        assert_eq!(failing.count(place), 0);
    }
}

#[test]
fn a_consumer_that_goes_drops_nothing_that_failed_before() {
    for place in 0..QUEUES {
        let failing = Failing::new();
        let place = failing.places[place];
        let consumer = failing.world.store.queue(place).unwrap().consumer.clone().unwrap().id;

        failing.ask(|| failing.world.store.delete_consumer(place, consumer));

        let everywhere = failing.places.into_iter().chain([failing.world.dead]);
        assert_eq!(everywhere.map(|place| failing.count(place)).sum::<u64>(), (QUEUES * MESSAGES) as u64);
    }
}

#[test]
fn leases_that_end_while_a_purge_waits_end_after_it() {
    // Given a queue with a message on its way to the dead letters, and one whose lease ends while a purge waits for that
    let world = World::new(2, Options::default());
    let store = &world.store;
    let first = wait(store.pull(world.cold, PULL)).unwrap().messages[0].lease;
    let short = kew_model::Pull { visibility_timeout: Some(Milliseconds(10)), ..PULL };
    assert_eq!(wait(store.pull(world.cold, short)).unwrap().messages.len(), 1);
    store.inspect().hold();
    let settlement = Settlement { acks: Vec::new(), retries: vec![Retry { lease: first, delay: None }] };
    let mut retried = store.settle(world.cold, settlement);
    let mut purged = store.purge(world.cold);
    assert!(poll(&mut retried).is_pending() && poll(&mut purged).is_pending());
    store.inspect().write();
    assert!(poll(&mut purged).is_pending());
    world.clock.advance(Milliseconds(20));

    // When somebody asks how many messages are left, before the purge and the message have come to their ends
    let mut backlog = store.backlog(world.cold);
    assert!(poll(&mut backlog).is_pending());
    store.inspect().write();
    assert!(poll(&mut backlog).is_pending(), "a lease that has ended was shown as if it had not");
    store.inspect().release();

    // Then all is as if the purge had come before the end of the lease
    wait(purged).unwrap();
    assert_eq!(wait(backlog).unwrap().count, 0);
    wait(store.housekeep()).unwrap();
    assert_eq!(wait(store.backlog(world.dead)).unwrap().count, 1);
    store.inspect().check();
}

/// Verbs in the way of which no message of their queue may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    Replace,
    Create,
    Detach,
    Purge,
    Delete,
}

const STOPPING: [Stopping; 5] =
    [Stopping::Replace, Stopping::Create, Stopping::Detach, Stopping::Purge, Stopping::Delete];

/// Asks for one; whether it is refused is all the same.
fn stop(store: &Embedded, place: Place, verb: Stopping) -> Answer<'_, ()> {
    let old = store.queue(place).unwrap().consumer.clone().unwrap();
    let link = old.dead_letter_queue.as_ref().map(|link| link.name.clone());
    let new = NewConsumer { kind: old.kind.clone(), dead_letter_queue: link };
    Box::pin(async move {
        match verb {
            Stopping::Replace => store.replace_consumer(place, old.id, new).await.map(drop),
            Stopping::Create => store.create_consumer(place, new).await.map(drop),
            Stopping::Detach => store.delete_consumer(place, old.id).await.map(drop),
            Stopping::Purge => store.purge(place).await.map(drop),
            Stopping::Delete => store.delete_queue(place).await.map(drop),
        }
    })
}

fn retry(store: &Embedded, place: Place, lease: Lease) -> Answer<'_, kew_model::Settled> {
    let mut retried =
        store.settle(place, Settlement { acks: Vec::new(), retries: vec![Retry { lease, delay: None }] });
    assert!(poll(&mut retried).is_pending());
    retried
}

/// Pulls one message for so long.
fn lease(store: &Embedded, place: Place, milliseconds: u64) -> Lease {
    let pull = Pull { visibility_timeout: Some(Milliseconds(milliseconds)), ..PULL };
    wait(store.pull(place, pull)).unwrap().messages[0].lease
}

#[test]
fn two_verbs_that_stop_the_failures_of_one_queue_are_answered_one_after_the_other() {
    for (first, second) in STOPPING.into_iter().flat_map(|first| STOPPING.map(|second| (first, second))) {
        // Given two queues with the same dead letters. Of the one a message is on its way there while a verb waits for
        // that, and a lease ends meanwhile; later a lease of the other ends
        let world = World::new(2, Options::default());
        let store = &world.store;
        let other = queue(store, "other", Some("dead"));
        push(store, other);
        let failing = lease(store, world.cold, 1_000);
        lease(store, world.cold, 10);
        lease(store, other, 20);
        store.inspect().hold();
        let retried = retry(store, world.cold, failing);
        let mut one = stop(store, world.cold, first);
        assert!(poll(&mut one).is_pending());
        store.inspect().write();
        world.clock.advance(Milliseconds(30));

        // When another such verb comes
        let mut two = stop(store, world.cold, second);
        assert!(poll(&mut two).is_pending());
        store.inspect().write();
        assert!(poll(&mut one).is_pending() && poll(&mut two).is_pending());
        store.inspect().release();

        // Then both are answered, and what failed is among the dead letters
        assert!(poll(&mut one).is_ready(), "{first:?} waits for ever, and {second:?} came later");
        assert!(poll(&mut two).is_ready(), "{second:?} waits for ever behind {first:?}");
        assert_eq!(wait(retried).unwrap().retries, [RetryOutcome::Retried]);
        let mut housekept = store.housekeep();
        assert!(poll(&mut housekept).is_ready(), "messages wait for ever to leave");
        let failed_after_it = matches!(first, Stopping::Replace | Stopping::Create);
        let dead = wait(store.backlog(world.dead)).unwrap().count;
        assert_eq!(dead, 2 + u64::from(failed_after_it), "{first:?} and {second:?}");
        store.inspect().check();
    }
}

#[test]
fn a_lease_for_no_time_at_all_holds_nothing_up_when_it_is_given_while_a_verb_stops_failures() {
    // Given two queues with the same dead letters, a message of each on its way there, and between them a push that waits
    // for the first of them only
    let world = World::new(2, Options::default());
    let store = &world.store;
    let other = queue(store, "other", Some("dead"));
    push(store, other);
    let failing = [(world.cold, lease(store, world.cold, 1_000)), (other, lease(store, other, 1_000))];
    store.inspect().hold();
    let mut batch = PushBatch::new();
    batch.add(b"pushed", ContentType::Text, None).unwrap();
    let first = retry(store, failing[0].0, failing[0].1);
    let mut pushed = store.push(world.dead, batch);
    assert!(poll(&mut pushed).is_pending());
    let second = retry(store, failing[1].0, failing[1].1);

    // When a verb waits for both, and a message is pulled for no time at all, within the same millisecond
    let mut replaced = stop(store, world.cold, Stopping::Replace);
    let nothing = Pull { visibility_timeout: Some(Milliseconds(0)), ..PULL };
    let mut pulled = store.pull(world.cold, nothing);
    assert!(poll(&mut replaced).is_pending() && poll(&mut pulled).is_pending());
    store.inspect().release();

    // Then all are answered, and all that failed is among the dead letters
    assert!(poll(&mut pushed).is_ready(), "the push waits for ever");
    assert!(poll(&mut replaced).is_ready(), "the verb waits for ever");
    assert!(poll(&mut pulled).is_ready(), "the pull waits for ever");
    for retried in [first, second] {
        assert_eq!(wait(retried).unwrap().retries, [RetryOutcome::Retried]);
    }
    wait(store.housekeep()).unwrap();
    assert_eq!(wait(store.backlog(world.dead)).unwrap().count, 4);
    store.inspect().check();
}
