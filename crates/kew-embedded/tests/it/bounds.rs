//! What a store takes in memory and in work, counted, where it must not grow with what has gone or merely waits.

#![expect(clippy::unwrap_used, reason = "test code")]

use core::task::{Context, Waker};
use std::sync::Arc;

use kew_embedded::{Embedded, Options};
use kew_journal::SimDisk;
use kew_model::{
    AccountId, Broker, Change, ConsumerKind, ContentType, Destination, Idempotency, Milliseconds,
    NewConsumer, NewQueue, Peek, Place, Pull, PullSettings, PushBatch, QueueSettings, Redrive, Seconds,
    Sequence, Settlement,
};
use kew_testkit::{ManualClock, wait};

use crate::workload::open;

pub(crate) const ACCOUNT: AccountId = AccountId([7; 16]);

pub(crate) fn store(options: Options) -> (Embedded, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let options = Options { reserve_bytes: Some(0), ..options };
    let store = open(&SimDisk::new(1), &options, &clock, 3).unwrap();
    wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
    (store, clock)
}

pub(crate) fn queue(store: &Embedded, name: &str) -> Place {
    let (name, settings) = (name.parse().unwrap(), QueueSettings::default());
    let new = NewQueue { name, id: None, jurisdiction: None, settings };
    Place { account: ACCOUNT, queue: wait(store.create_queue(ACCOUNT, new)).unwrap().id }
}

fn one(delay: u32) -> PushBatch {
    let mut batch = PushBatch::new();
    batch.add(b"hello", ContentType::Text, Some(Seconds(delay))).unwrap();
    batch
}

pub(crate) fn push(store: &Embedded, place: Place, batch: PushBatch) {
    wait(store.push(place, batch)).unwrap();
}

#[test]
fn discarded_messages_are_not_remembered_until_their_time() {
    // Given queues with messages that wait for hours, each for another time
    let (store, _) = store(Options::default());
    let queues: Vec<_> = (0..20).map(|number| queue(&store, &format!("queue-{number}"))).collect();
    for place in &queues {
        (0..50).for_each(|at| push(&store, *place, one(10_000 + at * 100)));
    }
    assert_eq!(store.inspect().held_in_memory().0, 1_000);

    // When all of each queue but one are discarded, one by one
    for place in &queues {
        for sequence in 2..=50 {
            assert_eq!(wait(store.discard(*place, vec![Sequence(sequence)])), Ok(vec![true]));
        }
    }

    // Then no more than twice those that are left take memory
    let held = store.inspect().held_in_memory().0;
    assert!(held <= 2 * queues.len(), "{held} entries for {} messages", queues.len());
    store.inspect().check();
}

#[test]
fn frames_that_lie_far_apart_are_not_all_read_at_once() {
    // Given small messages of a queue between large ones of another, over 9 MB of one segment, none of them in memory
    let disk = SimDisk::new(1);
    let options =
        Options { window_bytes: 0, segment_bytes: 16 << 20, reserve_bytes: Some(0), ..Options::default() };
    let store = open(&disk, &options, &Arc::new(ManualClock::default()), 3).unwrap();
    wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
    let [small, large] = ["small", "large"].map(|name| queue(&store, name));
    let mut body = PushBatch::new();
    body.add(&[b'x'; 30_000], ContentType::Bytes, None).unwrap();
    for _ in 0..300 {
        push(&store, small, one(0));
        push(&store, large, body.clone());
    }

    // When some of the small ones are looked at
    let before = disk.read_bytes();
    let peeked = wait(store.peek(small, Peek { batch_size: Some(100) })).unwrap();
    let read_bytes = disk.read_bytes() - before;

    // Then a part of the segment is read for them
    assert_eq!(peeked.messages.len(), 100);
    assert!(read_bytes < 6 << 20, "{read_bytes} bytes");

    // And one after the other all of them are found
    let consumer =
        NewConsumer { kind: ConsumerKind::HttpPull(PullSettings::default()), dead_letter_queue: None };
    wait(store.create_consumer(small, consumer)).unwrap();
    let pull = Pull { batch_size: Some(100), visibility_timeout: None };
    let pulled: usize = (0..4).map(|_| wait(store.pull(small, pull)).unwrap().messages.len()).sum();
    assert_eq!(pulled, 300);
}

#[test]
fn a_checkpoint_of_many_leases_is_noted_in_small_steps() {
    // Given 64 queues with a lease, of which one has 20,000 more of one message each, and every other of those is done
    let pieces = 256;
    let options = Options { checkpoint_pieces: pieces, segment_bytes: 8 << 20, ..Options::default() };
    let (store, clock) = store(options);
    let places: Vec<_> = (0..64).map(|number| queue(&store, &format!("queue-{number}"))).collect();
    let consumer =
        || NewConsumer { kind: ConsumerKind::HttpPull(PullSettings::default()), dead_letter_queue: None };
    let one_each = Pull { batch_size: Some(1), visibility_timeout: Some(Milliseconds(43_200_000)) };
    for place in &places {
        wait(store.create_consumer(*place, consumer())).unwrap();
        push(&store, *place, one(0));
        wait(store.pull(*place, one_each)).unwrap();
    }
    let large = places[40];
    for _ in 0..200 {
        let mut batch = PushBatch::new();
        (0..100).for_each(|_| batch.add(b"hello", ContentType::Text, None).unwrap());
        push(&store, large, batch);
    }
    for number in 0..20_000 {
        let pulled = wait(store.pull(large, one_each)).unwrap();
        if number % 2 == 0 {
            let acks = vec![pulled.messages[0].lease];
            wait(store.settle(large, Settlement { acks, retries: Vec::new() })).unwrap();
        }
    }

    // When a checkpoint is due, and the writer takes turns
    let before = store.inspect().noted();
    clock.advance(Seconds(60));
    let mut steps = Vec::new();
    for _ in 0..40 {
        let noted = store.inspect().noted();
        store.inspect().write();
        steps.push(store.inspect().noted() - noted);
    }

    // Then each takes no more than it may and a queue beyond, and the large queue takes no more than the others
    let all = store.inspect().noted() - before;
    assert!(all < 64 * 24, "{all} pieces");
    assert!(steps.iter().all(|step| *step < pieces as u64 + 24), "{steps:?}");
    assert!(steps.iter().filter(|step| **step > 0).count() >= 3, "{steps:?}");
}

#[test]
fn keys_of_an_idle_queue_are_forgotten_at_a_checkpoint() {
    // Given a queue with a key, and a store that keeps a checkpoint each minute
    let (store, clock) = store(Options::default());
    let place = queue(&store, "idle");
    let mut batch = one(0);
    batch.idempotency = Some(Idempotency { key: [1; 16], content: [2; 16] });
    push(&store, place, batch);
    assert_eq!(store.inspect().held_in_memory().1, 1);

    // When 15 minutes have passed, and a checkpoint is kept since something happened in another queue
    clock.advance(Seconds(900));
    queue(&store, "other");

    // Then the key takes no memory any more
    assert_eq!(store.inspect().held_in_memory().1, 0);
}

#[test]
fn a_turn_in_which_nothing_happens_costs_the_same_for_however_many_waiters() {
    let turns = |waiters: usize| {
        // Given so many queues, each with a message that is due in an hour, and somebody who waits for it
        let (store, clock) = store(Options { segment_bytes: 8 << 20, ..Options::default() });
        let places: Vec<_> = (0..waiters).map(|number| queue(&store, &format!("queue-{number}"))).collect();
        places.iter().for_each(|place| push(&store, *place, one(3_600)));
        let promises: Vec<Change> = places.iter().map(|place| store.changed(*place)).collect();
        store.inspect().write();

        // When the writer takes turns while seconds pass, and one in which another queue gets a message
        let before = store.inspect().effort();
        for _ in 0..100 {
            clock.advance(Seconds(1));
            store.inspect().write();
        }
        let quiet = store.inspect().effort() - before;
        let other = queue(&store, "other");
        let before = store.inspect().effort();
        push(&store, other, one(0));
        let busy = store.inspect().effort() - before;
        drop(promises);
        (quiet, busy)
    };

    // Then it looks at as many queues with 5,000 waiters as with ten, and at few
    let (few, many) = (turns(10), turns(5_000));
    assert_eq!(few, many, "queues looked at in 100 quiet turns, and by a push");
    assert!(few.0 <= 100 * 10 && few.1 <= 40, "{few:?}");
}

/// What the writer looks at until a push to each of so many queues is answered, in all of which messages became too old
/// while the store was closed.
fn effort_after_a_long_stop(queues: usize) -> u64 {
    let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::default()));
    let options = Options { reserve_bytes: Some(0), ..Options::default() };
    let store = open(&disk, &options, &clock, 3).unwrap();
    wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
    let places: Vec<_> = (0..queues).map(|number| queue(&store, &format!("queue-{number}"))).collect();
    places.iter().for_each(|place| push(&store, *place, one(0)));
    wait(store.close()).unwrap();
    drop(store);
    clock.advance(Seconds(5 * 86_400));

    let store = open(&disk, &options, &clock, 4).unwrap();
    store.inspect().hold();
    let mut pushes: Vec<_> = places.iter().map(|place| store.push(*place, one(0))).collect();
    let mut context = Context::from_waker(Waker::noop());
    assert!(pushes.iter_mut().all(|push| push.as_mut().poll(&mut context).is_pending()));
    let before = store.inspect().effort();
    store.inspect().release();
    for push in pushes {
        assert_eq!(wait(push).unwrap().backlog.count, 1, "what was too old is gone");
    }
    store.inspect().check();
    store.inspect().effort() - before
}

#[test]
fn queues_that_are_all_due_after_a_long_stop_cost_about_the_same_each() {
    let (few, many) = (effort_after_a_long_stop(100), effort_after_a_long_stop(400));
    assert!(many < 8 * few, "four times as many queues cost {many}, not about four times {few}");
}

#[test]
fn a_redrive_keeps_no_frames_that_it_is_done_with_while_an_older_message_is_leased() {
    // Given a queue of more than a window holds, whose first message is leased
    let (store, _) = store(Options { window_bytes: 64 << 10, ..Options::default() });
    let (source, target) = (queue(&store, "source"), queue(&store, "target"));
    let consumer =
        NewConsumer { kind: ConsumerKind::HttpPull(PullSettings::default()), dead_letter_queue: None };
    wait(store.create_consumer(source, consumer)).unwrap();
    for _ in 0..400 {
        let mut batch = PushBatch::new();
        batch.add(&[b'x'; 20_000], ContentType::Bytes, None).unwrap();
        push(&store, source, batch);
    }
    let first = Pull { batch_size: Some(1), visibility_timeout: None };
    assert_eq!(wait(store.pull(source, first)).unwrap().messages.len(), 1);

    // When all others are redriven, a batch at a time
    let step = Redrive { destination: Destination::Queue(target.queue), batch_size: 100 };
    let mut most = 0;
    while wait(store.redrive(source, step)).unwrap().moved > 0 {
        most = most.max(store.inspect().window_bytes());
    }

    // Then no more was in memory at a time than some reads bring
    assert_eq!(wait(store.backlog(source)).unwrap().count, 1);
    assert!(most < 3 << 20, "{most} bytes of 8,000,000");
}

/// A push under a key; whether it was carried out before.
fn push_once(store: &Embedded, place: Place, key: u8) -> bool {
    let mut batch = one(0);
    batch.idempotency = Some(Idempotency { key: [key; 16], content: [1; 16] });
    wait(store.push(place, batch)).unwrap().repeated
}

#[test]
fn keys_of_all_queues_are_bounded_and_the_busiest_forgets_first() {
    // Given a store that remembers ten keys, and two queues
    let disk = SimDisk::new(1);
    let clock = Arc::new(ManualClock::default());
    let options = Options { idempotency_keys: 10, reserve_bytes: Some(0), ..Options::default() };
    let store = open(&disk, &options, &clock, 3).unwrap();
    wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
    let [quiet, busy] = ["quiet", "busy"].map(|name| queue(&store, name));

    // When one is used under three keys, and the other under a dozen after them
    (0..3).for_each(|key| assert!(!push_once(&store, quiet, key)));
    (0..12).for_each(|key| assert!(!push_once(&store, busy, key)));

    // Then all keys of the one are known and the newest of the other, before and after a kill and a close
    let assert_known = |store: &Embedded| {
        assert_eq!(store.inspect().held_in_memory().1, 10);
        assert!((0..3).all(|key| push_once(store, quiet, key)));
        assert!((5..12).all(|key| push_once(store, busy, key)));
    };
    assert_known(&store);
    drop(store);
    let store = open(&disk, &options, &clock, 4).unwrap();
    assert_known(&store);
    wait(store.close()).unwrap();
    drop(store);
    let store = open(&disk, &options, &clock, 5).unwrap();
    assert_known(&store);
    assert!(!push_once(&store, busy, 4), "a forgotten key is as one that never was");

    // And a queue that goes takes its keys along
    wait(store.delete_queue(busy)).unwrap();
    assert_eq!(store.inspect().held_in_memory().1, 3);
}
