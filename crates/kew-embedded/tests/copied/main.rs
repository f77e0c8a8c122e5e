//! What the writer copies for a checkpoint, counted in the bytes that it allocates: no more of a large queue than of a small
//! one, and of what changes while the checkpoint is written only what lies near.
//!
//! This is a program of its own, since it counts what an allocator gives out, and the other tests need not pay for that.

#![expect(clippy::unwrap_used, reason = "test code")]

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;

use allocation_counter::measure;
use kew_embedded::{Embedded, Options};
use kew_journal::SimDisk;
use kew_model::{
    AccountId, Broker, ConsumerKind, ContentType, Lease, Milliseconds, NewConsumer, NewQueue, Place, Pull,
    PullSettings, PushBatch, QueueSettings, Seconds, Settlement,
};
use kew_testkit::{FixedChance, ManualClock, wait};

const ACCOUNT: AccountId = AccountId([7; 16]);

/// A store with one queue.
struct World {
    store: Embedded,
    clock: Arc<ManualClock>,
    place: Place,
    /// A lease of every pull.
    leases: Vec<Lease>,
}

impl World {
    /// A queue with so many pulls of a hundred messages, of which nine in ten were acknowledged, and ten times as many
    /// delayed messages, no two alike.
    fn new(pulls: u32) -> Self {
        let clock = Arc::new(ManualClock::default());
        let options = Options { window_bytes: 1 << 20, reserve_bytes: Some(0), ..Options::default() };
        let (disk, chance) = (Arc::new(SimDisk::new(1)), Arc::new(FixedChance::new(1)));
        let store = Embedded::open_inline(disk, options, clock.clone(), chance).unwrap();
        wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
        let settings = QueueSettings::default();
        let queue = NewQueue { name: "jobs".parse().unwrap(), id: None, jurisdiction: None, settings };
        let place = Place { account: ACCOUNT, queue: wait(store.create_queue(ACCOUNT, queue)).unwrap().id };
        let kind = ConsumerKind::HttpPull(PullSettings::default());
        wait(store.create_consumer(place, NewConsumer { kind, dead_letter_queue: None })).unwrap();
        let mut world = Self { store, clock, place, leases: Vec::new() };
        (0..pulls).for_each(|pull| world.grow(pull));
        world
    }

    fn grow(&mut self, pull: u32) {
        let Self { store, place, leases, .. } = self;
        let (mut ready, mut delayed) = (PushBatch::new(), PushBatch::new());
        (0..100).for_each(|_| ready.add(b"a", ContentType::Text, None).unwrap());
        (0..10).for_each(|at| {
            let seconds = 3_600 + (pull * 10 + at) * 7_919 % 80_000;
            delayed.add(b"a", ContentType::Text, Some(Seconds(seconds))).unwrap();
        });
        wait(store.push(*place, ready)).unwrap();
        wait(store.push(*place, delayed)).unwrap();
        let terms = Pull { batch_size: Some(100), visibility_timeout: Some(Milliseconds(43_200_000)) };
        let pulled = wait(store.pull(*place, terms)).unwrap();
        leases.push(pulled.messages[0].lease);
        let acks = pulled.messages.iter().enumerate().filter(|(at, _)| at % 10 != 0);
        let acks = acks.map(|(_, message)| message.lease).collect();
        wait(store.settle(*place, Settlement { acks, retries: Vec::new() })).unwrap();
    }

    /// What a turn of the writer allocates, in bytes, while nobody writes what was noted for a checkpoint.
    fn turn_bytes(&self) -> u64 {
        measure(|| self.store.inspect().write()).bytes_total
    }

    /// The same, when the turn acknowledges messages.
    fn ack_bytes(&self, acks: Vec<Lease>) -> u64 {
        let settlement = Settlement { acks, retries: Vec::new() };
        let mut settled = pin!(self.store.settle(self.place, settlement));
        let mut context = Context::from_waker(Waker::noop());
        assert!(settled.as_mut().poll(&mut context).is_pending());
        let bytes = self.turn_bytes();
        assert!(matches!(settled.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
        bytes
    }

    /// What the turn allocates in which a checkpoint is noted.
    fn noting_bytes(&self) -> u64 {
        self.store.inspect().hold();
        // The turn before is of what was left to do.
        self.turn_bytes();
        self.clock.advance(Seconds(60));
        let before = self.store.inspect().noted();
        let bytes = self.turn_bytes();
        assert!(self.store.inspect().noted() > before, "nothing was noted");
        bytes
    }
}

#[test]
fn what_is_copied_for_a_checkpoint_does_not_grow_with_the_queue() {
    // Given a small queue, and one with thousands of leases, delays and stretches of acknowledged messages
    let (small, large) = (World::new(1), World::new(2_000));

    // When each is noted for a checkpoint, then as much is copied of the one as of the other
    let (of_small, of_large) = (small.noting_bytes(), large.noting_bytes());
    println!(
        "{of_small} bytes are allocated for a checkpoint of a small queue, {of_large} for one of a large queue"
    );
    assert!(of_large <= of_small + 256, "{of_large} bytes instead of {of_small}");

    // And while it is not written yet, an ack copies what lies near, and once that is done nothing
    let lease = |at: usize| large.leases[at];
    let first = large.ack_bytes(vec![lease(1_000)]);
    let again = large.ack_bytes(vec![lease(1_001)]);
    println!("{first} bytes are allocated for the first ack after it, {again} for another beside it");
    assert!(first < 24 << 10, "{first} bytes for an ack");
    // Apart from what every turn allocates, which is most of the second.
    assert!(again < first / 2, "{again} bytes for an ack beside one of {first}");
}
