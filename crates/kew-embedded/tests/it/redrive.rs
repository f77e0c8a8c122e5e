//! What one step of a redrive reads, counted.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use kew_embedded::{Embedded, Options};
use kew_journal::{OperationKind, SimDisk};
use kew_model::{
    AccountId, Broker, ConsumerKind, ContentType, Destination, Lease, NewConsumer, NewQueue, Place, Pull,
    PullSettings, PushBatch, QueueSettings, Redrive, Retry, Settlement,
};
use kew_testkit::{ManualClock, wait};

use crate::workload::open;

const ACCOUNT: AccountId = AccountId([7; 16]);
const PULL: Pull = Pull { batch_size: Some(100), visibility_timeout: None };

/// A store without threads that keeps no messages in memory.
fn store() -> (SimDisk, Embedded) {
    let disk = SimDisk::new(1);
    let options =
        Options { window_bytes: 0, segment_bytes: 64 << 20, reserve_bytes: Some(0), ..Options::default() };
    let store = open(&disk, &options, &Arc::new(ManualClock::default()), 3).unwrap();
    wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
    (disk, store)
}

fn queue(store: &Embedded, name: &str, dead_letters: Option<&str>) -> Place {
    let (name, settings) = (name.parse().unwrap(), QueueSettings::default());
    let new = NewQueue { name, id: None, jurisdiction: None, settings };
    let place = Place { account: ACCOUNT, queue: wait(store.create_queue(ACCOUNT, new)).unwrap().id };
    let max_retries = if dead_letters.is_some() { 0 } else { 100 };
    let kind = ConsumerKind::HttpPull(PullSettings { max_retries, ..PullSettings::default() });
    let dead_letter_queue = dead_letters.map(|name| name.parse().unwrap());
    wait(store.create_consumer(place, NewConsumer { kind, dead_letter_queue })).unwrap();
    place
}

fn push(store: &Embedded, place: Place, lengths: &[usize]) {
    let mut batch = PushBatch::new();
    lengths.iter().for_each(|length| batch.add(&vec![b'x'; *length], ContentType::Text, None).unwrap());
    wait(store.push(place, batch)).unwrap();
}

/// Pulls all there is; gives the leases of those whose bodies are at most so long.
fn pull_all(store: &Embedded, place: Place, longest: usize) -> Vec<Lease> {
    let mut leases = Vec::new();
    loop {
        let pulled = wait(store.pull(place, PULL)).unwrap();
        if pulled.messages.is_empty() {
            return leases;
        }
        let some = pulled.messages.iter().filter(|message| pulled.body(message).len() <= longest);
        leases.extend(some.map(|message| message.lease));
    }
}

fn give_back(store: &Embedded, place: Place, leases: &[Lease]) {
    for some in leases.chunks(100) {
        let retries = some.iter().map(|lease| Retry { lease: *lease, delay: None }).collect();
        wait(store.settle(place, Settlement { acks: Vec::new(), retries })).unwrap();
    }
}

#[test]
fn a_step_reads_a_bounded_number_of_bytes_and_the_next_goes_on() {
    // Given a hundred small messages that were given back, each in a frame with 250,000 bytes of others
    let (disk, store) = store();
    let (source, target) = (queue(&store, "source", None), queue(&store, "target", None));
    (0..100).for_each(|_| push(&store, source, &[1, 125_000, 125_000]));
    let small = pull_all(&store, source, 1);
    assert_eq!(small.len(), 100);
    give_back(&store, source, &small);

    // When they are redriven
    let step = Redrive { destination: Destination::Queue(target.queue), batch_size: 100 };
    let mut moved = Vec::new();
    for _ in 0..2 {
        let before = disk.read_bytes();
        moved.push(wait(store.redrive(source, step)).unwrap().moved);
        let read_bytes = disk.read_bytes() - before;

        // Then no step reads more than 16 MiB, a frame, and what surrounds each frame where it lies
        assert!(read_bytes < 17_500_000, "{read_bytes} bytes for {moved:?}");
    }
    assert_eq!(moved.iter().sum::<u64>(), 100, "{moved:?}");
    assert_eq!(wait(store.redrive(source, step)).unwrap().moved, 0);
    store.inspect().check();
}

#[test]
fn a_step_reads_what_has_no_origin_once() {
    // Given hundreds of messages that were pushed into a dead-letter queue and given back, and a dead letter behind them
    let (disk, store) = store();
    let dead = queue(&store, "dead", None);
    let jobs = queue(&store, "jobs", Some("dead"));
    (0..350).for_each(|_| push(&store, dead, &[5]));
    let pushed = pull_all(&store, dead, 5);
    push(&store, jobs, &[5]);
    let failing = pull_all(&store, jobs, 5);
    give_back(&store, dead, &pushed);
    give_back(&store, jobs, &failing);
    give_back(&store, dead, &pull_all(&store, dead, 5));
    assert_eq!(wait(store.backlog(dead)).unwrap().count, 351);

    // When it is sent back
    let before = disk.calls(OperationKind::Read);
    let step = Redrive { destination: Destination::Origin, batch_size: 100 };
    let redriven = wait(store.redrive(dead, step)).unwrap();
    let reads = disk.calls(OperationKind::Read) - before;

    // Then each of the others was read once
    assert_eq!((redriven.moved, redriven.without_origin, redriven.left), (1, 350, 350));
    assert!((351..360).contains(&reads), "{reads} reads");
}
