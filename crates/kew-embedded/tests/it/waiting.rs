//! Verbs that wait for the disk: what they count for, and what becomes of them.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use kew_embedded::{Embedded, Options};
use kew_journal::SimDisk;
use kew_model::{
    AccountId, Answer, Broker, ConsumerKind, ContentType, Error, NewConsumer, NewQueue, Place, Pull,
    PullSettings, PushBatch, QueueSettings,
};
use kew_testkit::{ManualClock, wait};

use crate::workload::open;

const ACCOUNT: AccountId = AccountId([7; 16]);
const PULL: Pull = Pull { batch_size: Some(1), visibility_timeout: None };

/// A store without threads that keeps no messages in memory, with one queue and so many messages in it.
fn store_with(messages: usize, options: Options) -> (SimDisk, Embedded, Place) {
    let options = Options { window_bytes: 0, segment_bytes: 4 << 20, reserve_bytes: Some(0), ..options };
    let disk = SimDisk::new(1);
    let store = open(&disk, &options, &Arc::new(ManualClock::default()), 3).unwrap();
    wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
    let place = queue(&store, "cold");
    (0..messages).for_each(|_| push(&store, place));
    (disk, store, place)
}

fn queue(store: &Embedded, name: &str) -> Place {
    let (name, settings) = (name.parse().unwrap(), QueueSettings::default());
    let new = NewQueue { name, id: None, jurisdiction: None, settings };
    let place = Place { account: ACCOUNT, queue: wait(store.create_queue(ACCOUNT, new)).unwrap().id };
    let kind = ConsumerKind::HttpPull(PullSettings::default());
    wait(store.create_consumer(place, NewConsumer { kind, dead_letter_queue: None })).unwrap();
    place
}

fn push(store: &Embedded, place: Place) {
    let mut batch = PushBatch::new();
    batch.add(b"hello", ContentType::Text, None).unwrap();
    wait(store.push(place, batch)).unwrap();
}

/// Asks once; the first time puts the verb into the inbox.
fn poll<T>(answer: &mut Answer<'_, T>) -> Poll<Result<T, Error>> {
    answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn what_waits_for_the_disk_counts_as_waiting() {
    // Given room for seven verbs, and seven pulls that wait for the disk, which nobody reads
    let (_, store, place) = store_with(7, Options { inbox_bytes: 7 * 256, ..Options::default() });
    store.inspect().hold();
    let mut pulls: Vec<_> = (0..7).map(|_| store.pull(place, PULL)).collect();
    assert!(pulls.iter_mut().all(|pull| poll(pull).is_pending()));
    store.inspect().write();
    assert!(pulls.iter_mut().all(|pull| poll(pull).is_pending()));

    // When another verb comes, then it is refused
    assert_eq!(wait(store.backlog(place)), Err(Error::Overloaded));

    // And when the disk is read, then the pulls are answered, and there is room again
    store.inspect().release();
    assert!(pulls.into_iter().all(|pull| wait(pull).unwrap().messages.len() == 1));
    assert_eq!(wait(store.backlog(place)).unwrap().count, 7);
}

#[test]
fn a_pull_whose_asker_has_left_leases_nothing() {
    // Given two pulls whose askers leave: one that waits for the disk, and one that just came
    let (_, store, place) = store_with(1, Options::default());
    store.inspect().hold();
    let mut parked = store.pull(place, PULL);
    assert!(poll(&mut parked).is_pending());
    store.inspect().write();
    let mut fresh = store.pull(place, PULL);
    assert!(poll(&mut fresh).is_pending());
    drop((parked, fresh));
    store.inspect().release();

    // When somebody else pulls, then the message is there, for the first time
    let pulled = wait(store.pull(place, PULL)).unwrap();
    assert_eq!(pulled.messages[0].attempts, 1);
}
