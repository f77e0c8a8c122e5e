//! What the writers wait for, and what they leave to whom.

use std::sync::Arc;
use std::time::Duration;

use kew_journal::{SimDisk, Space};
use kew_model::{
    AccountId, Broker, ConsumerKind, ContentType, Lease, Milliseconds, NewConsumer, NewQueue, Place, Pull,
    PullSettings, PushBatch, QueueSettings, Settlement,
};
use kew_testkit::{FixedChance, ManualClock, wait};

use super::*;
use crate::embedded::{Embedded, Engine};
use crate::inline::Inline;

const ACCOUNT: AccountId = AccountId([7; 16]);

/// A volume that has too little room for pushes.
const FULL: Space = Space { free_bytes: 100_000, total_bytes: 1 << 40 };

/// A store without threads, whose writer takes turns when it is told to.
struct World {
    disk: SimDisk,
    clock: Arc<ManualClock>,
    store: Embedded,
}

impl World {
    fn new() -> Self {
        let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::default()));
        let options = Options { segment_bytes: 64 << 10, reserve_bytes: Some(1 << 20), ..Options::default() };
        let chance = Arc::new(FixedChance::new(1));
        let store = Embedded::open_inline(Arc::new(disk.clone()), options, clock.clone(), chance).unwrap();
        wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
        Self { disk, clock, store }
    }

    /// A queue of one attempt for each message.
    fn queue(&self, name: &str) -> Place {
        let (name, settings) = (name.parse().unwrap(), QueueSettings::default());
        let new = NewQueue { name, id: None, jurisdiction: None, settings };
        let place =
            Place { account: ACCOUNT, queue: wait(self.store.create_queue(ACCOUNT, new)).unwrap().id };
        let kind = ConsumerKind::HttpPull(PullSettings { max_retries: 0, ..PullSettings::default() });
        wait(self.store.create_consumer(place, NewConsumer { kind, dead_letter_queue: None })).unwrap();
        place
    }

    fn push(&self, place: Place, bytes: usize) {
        let mut batch = PushBatch::new();
        batch.add(&vec![b'x'; bytes], ContentType::Text, None).unwrap();
        wait(self.store.push(place, batch)).unwrap();
    }

    /// The lease of the next message, which ends in so many milliseconds.
    fn lease(&self, place: Place, milliseconds: u64) -> Lease {
        let visibility_timeout = Some(Milliseconds(milliseconds));
        let pulled = wait(self.store.pull(place, Pull { batch_size: Some(1), visibility_timeout })).unwrap();
        pulled.messages[0].lease
    }

    fn pass(&self, milliseconds: u64) {
        self.clock.advance(Milliseconds(milliseconds));
    }

    /// The volume has this room from now on, and the store has seen it.
    fn set_space(&self, space: Space) {
        self.disk.set_space(space);
        wait(self.store.housekeep()).unwrap();
        wait(self.store.housekeep()).unwrap();
    }

    fn inline(&self) -> &Inline {
        match &self.store.engine {
            Engine::Inline(inline) => inline,
            Engine::Threads(_) => unreachable!("it was opened without"),
        }
    }

    fn with_driver<T>(&self, look: impl FnOnce(&mut Driver) -> T) -> T {
        self.inline().with_driver(look).expect("the store is open")
    }

    /// How long a writer that goes to sleep now would sleep, once the log's end is marked.
    fn patience(&self) -> Option<Duration> {
        // The first turn may be one that was asked for.
        (0..3).for_each(|_| self.inline().idle());
        self.with_driver(Driver::patience)
    }

    fn suits_an_asker(&self) -> bool {
        self.with_driver(|driver| driver.has_nothing_else_to_do())
    }
}

#[test]
fn a_full_volume_is_no_reason_to_look_again_before_something_can_be_freed() {
    // Given a volume that is full, with nothing in the log that a checkpoint would free
    let world = World::new();
    let place = world.queue("jobs");
    for _ in 0..30 {
        world.push(place, 5_000);
    }
    world.set_space(FULL);
    world.pass(2_000);
    let segments = || world.inline().with_shard(|shard| shard.journal.segments().len()).unwrap();

    // When a writer goes to sleep, then until the next checkpoint
    assert_eq!(world.patience(), Some(Duration::from_secs(58)));

    // When a checkpoint would free something, then one is kept, and the writer sleeps again
    assert_eq!(segments(), 3);
    for _ in 0..30 {
        let acks = vec![world.lease(place, 60_000)];
        wait(world.store.settle(place, Settlement { acks, ..Settlement::default() })).unwrap();
    }
    wait(world.store.housekeep()).unwrap();
    assert!(segments() < 3);
    assert!(world.patience() > Some(Duration::from_millis(1)));
}

#[test]
fn a_deadline_that_passed_while_the_machine_was_suspended_wakes_a_writer() {
    // Given a writer that sleeps until a lease ends
    let world = World::new();
    let place = world.queue("jobs");
    world.push(place, 10);
    world.push(place, 10);
    world.lease(place, 5_000);
    assert_eq!(world.patience(), Some(Duration::from_secs(5)));
    assert!(world.with_driver(|driver| driver.sleeps_short_enough()));

    // When the machine is suspended: time goes on, and the sleep does not
    world.pass(5_001);

    // Then whoever takes a turn next finds that the writer does not wake in time, though the lease that ends next does so
    // later than that it meant to wake at
    world.inline().hold();
    world.inline().idle();
    let later = world.with_driver(|driver| {
        let now = driver.shared.clock.now();
        let desk = driver.shared.desk.lock();
        let work = desk.as_ref().expect("the store is open");
        (work.writer_until < Some(now)) && driver.wakes_at(work, now) > work.writer_until
    });
    assert!(later);
    assert!(!world.with_driver(|driver| driver.sleeps_short_enough()));

    // And one that has gone to sleep since does
    world.with_driver(|driver| driver.patience());
    assert!(world.with_driver(|driver| driver.sleeps_short_enough()));
}

#[test]
fn a_writer_that_sleeps_too_long_for_what_came_since_is_not_in_time() {
    // Given a writer that sleeps until a lease ends
    let world = World::new();
    let place = world.queue("jobs");
    world.push(place, 10);
    world.push(place, 10);
    world.lease(place, 5_000);
    world.patience();

    // When a shorter lease is given, then the writer is to be woken; not so for a longer one
    let sleeps_short_enough = |milliseconds| {
        world.with_driver(|driver| driver.shared.desk.lock().as_mut().unwrap().writer_until = None);
        world.inline().idle();
        world.with_driver(|driver| driver.patience());
        world.push(place, 10);
        world.lease(place, milliseconds);
        world.inline().idle();
        world.with_driver(|driver| driver.sleeps_short_enough())
    };
    assert!(sleeps_short_enough(6_000));
    assert!(!sleeps_short_enough(4_000));
}

#[test]
fn whoever_asks_leaves_burials_cleaning_checkpoints_and_snapshots_to_a_writer() {
    let world = World::new();
    let (one, other) = (world.queue("one"), world.queue("other"));

    // Given nothing but a verb, then whoever asks may make it durable
    world.push(one, 10);
    assert!(world.suits_an_asker());

    // Given that a checkpoint is due, then not, until it was kept
    world.pass(60_000);
    assert!(!world.suits_an_asker());
    wait(world.store.housekeep()).unwrap();
    assert!(world.suits_an_asker());

    // Given that the state is being noted for one
    world.push(one, 10);
    let cut = world.inline().with_shard(|shard| shard.journal.checkpoint_cut()).unwrap();
    world.with_driver(|driver| driver.progress.noting = Some(Noting::begin(cut)));
    assert!(!world.suits_an_asker());
    world.with_driver(|driver| driver.progress.noting = None);
    assert!(world.suits_an_asker());

    // Given that somebody waits for a snapshot
    let (reply_to, _) = tokio::sync::oneshot::channel();
    world.with_driver(|driver| driver.progress.snapshots.push(reply_to));
    assert!(!world.suits_an_asker());
    world.with_driver(|driver| driver.progress.snapshots.clear());

    // Given that a segment to clean may be found
    world.inline().with_shard(|shard| shard.cleaner.may_choose = true);
    assert!(!world.suits_an_asker());
    world.inline().with_shard(|shard| shard.cleaner.may_choose = false);
    assert!(world.suits_an_asker());

    // Given more burials than a turn carries out, since queues whose messages failed in turns take a frame each
    for at in 0..300 {
        for place in [one, other] {
            world.push(place, 10);
            world.lease(place, 60_000 - at);
        }
    }
    world.inline().hold();
    world.pass(59_999);
    world.inline().idle();
    assert!(!world.suits_an_asker());
    world.inline().release();
    wait(world.store.housekeep()).unwrap();
    assert!(world.suits_an_asker());
}
