//! What burials cost, and in which order they come, where much is exhausted at once: as after a night without the server.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use kew_embedded::{Embedded, Options};
use kew_journal::SimDisk;
use kew_model::{
    AccountId, Broker, ConsumerKind, ContentType, Lease, Milliseconds, NewConsumer, NewQueue, Place, Pull,
    PullSettings, PushBatch, QueueSettings, Settlement,
};
use kew_testkit::{ManualClock, wait};

use crate::workload::open;

const ACCOUNT: AccountId = AccountId([7; 16]);

/// A store without threads that keeps no messages in memory, with queues of one attempt each.
struct World {
    disk: SimDisk,
    clock: Arc<ManualClock>,
    store: Embedded,
}

impl World {
    fn new() -> Self {
        let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::default()));
        let options = Options { window_bytes: 0, reserve_bytes: Some(0), ..Options::default() };
        let store = open(&disk, &options, &clock, 3).unwrap();
        wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
        Self { disk, clock, store }
    }

    fn queue(&self, name: &str, dead_letters: Option<&str>) -> Place {
        let (name, settings) = (name.parse().unwrap(), QueueSettings::default());
        let new = NewQueue { name, id: None, jurisdiction: None, settings };
        let place =
            Place { account: ACCOUNT, queue: wait(self.store.create_queue(ACCOUNT, new)).unwrap().id };
        let settings = PullSettings { max_retries: 0, ..PullSettings::default() };
        let dead_letter_queue = dead_letters.map(|name| name.parse().unwrap());
        let consumer = NewConsumer { kind: ConsumerKind::HttpPull(settings), dead_letter_queue };
        wait(self.store.create_consumer(place, consumer)).unwrap();
        place
    }

    fn push(&self, place: Place, bodies: impl IntoIterator<Item = Vec<u8>>) {
        let mut batch = PushBatch::new();
        bodies.into_iter().for_each(|body| batch.add(&body, ContentType::Text, None).unwrap());
        wait(self.store.push(place, batch)).unwrap();
    }

    /// Leases of a queue's next messages, a hundred at the most, that end in so many milliseconds.
    fn lease(&self, place: Place, milliseconds: u64) -> Vec<(Lease, Vec<u8>)> {
        let visibility_timeout = Some(Milliseconds(milliseconds));
        let pulled =
            wait(self.store.pull(place, Pull { batch_size: Some(100), visibility_timeout })).unwrap();
        let each = pulled.messages.iter().map(|message| (message.lease, pulled.body(message).to_vec()));
        each.collect()
    }

    fn hours(&self, hours: u64) {
        self.clock.advance(Milliseconds(hours * 3_600_000));
    }
}

/// How many times of queues are looked at when so many queues have each a message that has failed.
fn effort_of_burying(queues: u64) -> u64 {
    let world = World::new();
    for queue in 0..queues {
        let place = world.queue(&format!("queue-{queue}"), None);
        world.push(place, [b"x".to_vec()]);
        assert_eq!(world.lease(place, 60_000 + queue).len(), 1);
    }
    let before = world.store.inspect().effort();
    world.hours(1);
    wait(world.store.housekeep()).unwrap();
    assert!(world.store.inspect().bodies().unwrap().is_empty());
    world.store.inspect().effort() - before
}

#[test]
fn queues_whose_messages_fail_at_once_cost_no_more_each_than_few_do() {
    let (few, many) = (effort_of_burying(20), effort_of_burying(200));
    assert!(few > 20 && many < 12 * few, "{few} for 20 queues, {many} for 200");
}

#[test]
fn what_failed_first_is_buried_first_however_much_failed_later() {
    // Given many messages of one queue, and one of another whose lease ends before theirs
    let world = World::new();
    let dead = world.queue("dead", None);
    let many = world.queue("many", Some("dead"));
    let one = world.queue("one", Some("dead"));
    for _ in 0..101 {
        world.push(many, (0..100).map(|_| b"many".to_vec()));
        assert_eq!(world.lease(many, 120_000).len(), 100);
    }
    world.push(one, [b"one".to_vec()]);
    assert_eq!(world.lease(one, 60_000).len(), 1);

    // When time passes over both
    world.hours(1);
    wait(world.store.housekeep()).unwrap();

    // Then that one is the first of the dead letters
    assert_eq!(world.lease(dead, 60_000)[0].1, b"one");
}

#[test]
fn burying_small_messages_of_large_frames_reads_some_at_a_time() {
    // Given frames of a quarter of a mebibyte, of each of which one small message is left that has failed
    let world = World::new();
    let dead = world.queue("dead", None);
    let jobs = world.queue("jobs", Some("dead"));
    for _ in 0..200 {
        let large = || vec![b'x'; 120_000];
        world.push(jobs, [vec![b'y'], large(), large()]);
        let leased = world.lease(jobs, 60_000);
        let acks = leased.iter().filter(|(_, body)| body.len() > 1).map(|(lease, _)| *lease).collect();
        wait(world.store.settle(jobs, Settlement { acks, ..Settlement::default() })).unwrap();
    }
    world.hours(1);

    // When they are buried, then not all of the frames are in memory at once
    let store = &world.store;
    store.inspect().hold();
    let mut most = 0;
    for _ in 0..1_000 {
        store.inspect().write();
        let before = world.disk.read_bytes();
        store.inspect().read();
        most = most.max(world.disk.read_bytes() - before);
    }
    store.inspect().release();
    assert_eq!(wait(store.backlog(dead)).unwrap().count, 200);
    assert!(most > 1 << 20, "{most} bytes");
    assert!(most < 20 << 20, "{most} bytes in one read");
}
