//! Verbs that wait until it is known which messages of their queue are too old.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::task::Poll;

use kew_embedded::Options;
use kew_model::{Broker, ContentType, Milliseconds, Peek, Pull, PushBatch, QueueChange, Seconds, Sequence};
use kew_testkit::wait;

use crate::waiting::{PULL, World, poll, push, queue};

const MINUTE: Seconds = Seconds(60);
const HALF_A_MINUTE: Seconds = Seconds(30);

/// A queue `cold` with one message that may stay for a minute and that no memory holds.
fn world() -> World {
    let world = World::new(1, Options::default());
    let change = QueueChange { message_retention_period: Some(MINUTE), ..QueueChange::default() };
    wait(world.store.update_queue(world.cold, change)).unwrap();
    world
}

/// The same half a minute later, with another message: a look has to read to tell them apart.
fn world_of_two() -> World {
    let world = world();
    world.clock.advance(HALF_A_MINUTE);
    push(&world.store, world.cold);
    world
}

#[test]
fn a_discard_that_waits_for_the_disk_deletes_nothing_that_grew_too_old_meanwhile() {
    // Given a discard that waits for the disk
    let world = world();
    let store = &world.store;
    store.inspect().hold();
    let mut discarded = store.discard(world.cold, vec![Sequence(1)]);
    assert!(poll(&mut discarded).is_pending());
    store.inspect().write();

    // When the retention of its message ends before the disk is read
    world.clock.advance(MINUTE);
    store.inspect().release();

    // Then there was no such message
    assert_eq!(wait(discarded), Ok(vec![false]));
    assert_eq!(wait(store.backlog(world.cold)).unwrap().count, 0);
    store.inspect().check();
}

#[test]
fn a_verb_goes_on_when_its_look_needs_the_disk_no_more() {
    // Given a pull that waits for the disk when the retention of the first message ends, and a look for which the read fails
    let world = world_of_two();
    let store = &world.store;
    store.inspect().hold();
    let mut pulled = store.pull(world.cold, PULL);
    assert!(poll(&mut pulled).is_pending());
    store.inspect().write();
    world.clock.advance(HALF_A_MINUTE);
    store.inspect().write();
    world.fail_read(2);
    store.inspect().release();
    assert!(wait(pulled).is_err(), "the look was taken for the pull as well");

    // When somebody asks, and what was read for the pull serves the look
    let mut backlog = store.backlog(world.cold);

    // Then the answer comes at once
    let Poll::Ready(backlog) = poll(&mut backlog) else { panic!("the verb is forgotten") };
    assert_eq!(backlog.unwrap().count, 1);
}

#[test]
fn a_failed_look_at_one_queue_fails_nobody_on_another() {
    // Given two queues whose messages may be too old, verbs on both, and a failing read for the second
    let world = world_of_two();
    let store = &world.store;
    let change = QueueChange { message_retention_period: Some(MINUTE), ..QueueChange::default() };
    wait(store.update_queue(world.dead, change)).unwrap();
    push(store, world.dead);
    world.clock.advance(Seconds(15));
    push(store, world.cold);
    push(store, world.dead);
    store.inspect().hold();
    world.clock.advance(Seconds(45));
    let mut on_cold = store.backlog(world.cold);
    let mut on_dead = store.backlog(world.dead);
    assert!(poll(&mut on_cold).is_pending() && poll(&mut on_dead).is_pending());
    // The one whose message was due first is looked at first, with two reads.
    world.fail_read(3);

    // When the looks are taken
    store.inspect().release();

    // Then only who asked for the one that failed is told so
    assert!(wait(on_dead).is_err());
    assert_eq!(wait(on_cold).unwrap().count, 1);
    assert_eq!(wait(store.backlog(world.dead)).unwrap().count, 1);
}

#[test]
fn dead_letters_of_two_queues_arrive_in_order_though_one_must_be_looked_at_first() {
    // Given two queues with the same dead letters whose leases end at the same time, and in the first of them a message
    // whose retention ends before that
    let world = world();
    let store = &world.store;
    let other = queue(store, "other", Some("dead"));
    let push = |place, body: &[u8]| {
        let mut batch = PushBatch::new();
        batch.add(body, ContentType::Text, None).unwrap();
        wait(store.push(place, batch)).unwrap();
    };
    world.clock.advance(Milliseconds(59_999));
    push(world.cold, b"first");
    push(other, b"second");
    let pull = Pull { batch_size: Some(2), visibility_timeout: Some(Milliseconds(30_000)) };
    assert_eq!(wait(store.pull(world.cold, pull)).unwrap().messages.len(), 2);
    assert_eq!(wait(store.pull(other, pull)).unwrap().messages.len(), 1);

    // When all of that is noticed at once
    world.clock.advance(Seconds(3_600));

    // Then they lie in the order of time, and of the queues at one time
    let peeked = wait(store.peek(world.dead, Peek { batch_size: None })).unwrap();
    let bodies: Vec<_> = peeked.messages.iter().map(|message| peeked.body(message)).collect();
    assert_eq!(bodies, [&b"first"[..], b"second"]);
    assert_eq!(wait(store.backlog(other)).unwrap().count, 0);
}
