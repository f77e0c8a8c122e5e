//! The log stays small though messages stay behind in most of its segments: what lives of sparse segments is moved
//! together, a little at a time, and the segments are used again.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::io::ErrorKind;
use std::sync::Arc;

use kew_embedded::{Embedded, Options};
use kew_journal::{Fault, OperationKind, SimDisk, Space};
use kew_model::{
    AccountId, Broker, ConsumerKind, ContentType, Lease, Milliseconds, NewConsumer, NewQueue, Place, Pull,
    PullSettings, PushBatch, QueueSettings, Settlement,
};
use kew_testkit::{ManualClock, wait};

use crate::workload::open;

const SEGMENT: u64 = 64 << 10;
const SLACK: u64 = 1 << 20;
const CHECKPOINT: u64 = 256 << 10;
const MESSAGES: u16 = 20;

/// How much of the disk is in use that neither lives nor is dead yet: four spare files, the segment that is written, the
/// next, those of a checkpoint that is still to come, and the small files beside them.
const BESIDE: u64 = 6 * SEGMENT + CHECKPOINT + 2 * SEGMENT + (128 << 10);

fn options() -> Options {
    Options {
        segment_bytes: u32::try_from(SEGMENT).unwrap(),
        checkpoint_bytes: CHECKPOINT,
        window_bytes: 16 << 10,
        cleaning_slack_bytes: SLACK,
        reserve_bytes: Some(0),
        ..Options::default()
    }
}

struct World {
    disk: SimDisk,
    clock: Arc<ManualClock>,
    store: Embedded,
    place: Place,
    pushed: u64,
    written_bytes: u64,
    /// Leases of the messages that nobody acknowledges.
    stuck: Vec<(Lease, Vec<u8>)>,
}

impl World {
    fn new(options: &Options) -> Self {
        let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::default()));
        let store = open(&disk, options, &clock, 3).unwrap();
        let account = wait(store.create_account(Some(AccountId([7; 16])), "test".to_owned())).unwrap().id;
        let (name, settings) = ("jobs".parse().unwrap(), QueueSettings::default());
        let new = NewQueue { name, id: None, jurisdiction: None, settings };
        let place = Place { account, queue: wait(store.create_queue(account, new)).unwrap().id };
        let kind = ConsumerKind::HttpPull(PullSettings {
            visibility_timeout: Milliseconds(43_200_000),
            max_retries: 100,
            ..PullSettings::default()
        });
        wait(store.create_consumer(place, NewConsumer { kind, dead_letter_queue: None })).unwrap();
        Self { disk, clock, store, place, pushed: 0, written_bytes: 0, stuck: Vec::new() }
    }

    fn body(number: u64) -> Vec<u8> {
        let mut body = format!("{number:016}").into_bytes();
        body.resize(16 + usize::try_from(number * 7_919 % 400).unwrap(), b'x');
        body
    }

    /// A batch is pushed, delivered, and acknowledged but for one message of a thousand.
    fn round(&mut self) {
        let mut batch = PushBatch::new();
        for _ in 0..MESSAGES {
            self.pushed += 1;
            batch.add(&Self::body(self.pushed), ContentType::Text, None).unwrap();
        }
        self.written_bytes += batch.bodies().len() as u64;
        wait(self.store.push(self.place, batch)).unwrap();
        let pulled = self.pull();
        let mut settlement = Settlement::default();
        for (lease, body) in pulled {
            if lease.message.0 % 1_000 == 0 {
                self.stuck.push((lease, body));
            } else {
                settlement.acks.push(lease);
            }
        }
        wait(self.store.settle(self.place, settlement)).unwrap();
    }

    fn pull(&self) -> Vec<(Lease, Vec<u8>)> {
        let pull = Pull { batch_size: Some(MESSAGES), visibility_timeout: None };
        let pulled = wait(self.store.pull(self.place, pull)).unwrap();
        pulled.messages.iter().map(|message| (message.lease, pulled.body(message).to_vec())).collect()
    }

    fn live_bytes(&self) -> u64 {
        wait(self.store.backlog(self.place)).unwrap().bytes
    }

    /// Time passes, and checkpoints are kept.
    fn minutes(&self, minutes: u64) {
        for _ in 0..minutes {
            self.clock.advance(Milliseconds(60_000));
            wait(self.store.housekeep()).unwrap();
        }
    }

    fn restart(self, options: &Options) -> Self {
        let Self { disk, clock, store, .. } = self;
        drop(store);
        disk.kill();
        let store = open(&disk, options, &clock, 4).unwrap();
        Self { disk, clock, store, ..self }
    }
}

#[test]
fn a_soak_with_one_message_in_a_thousand_never_acknowledged_keeps_the_disk_bounded() {
    // Given a store through which messages pass, of which some stay
    let mut world = World::new(&options());
    let (mut most, mut cleaned) = (0, 0);
    for round in 0..6_000 {
        world.round();
        if round % 50 == 0 {
            // Then the disk holds no more than twice what lives, the slack, and what is in use beside it
            let (used, live) = (world.disk.used_bytes(), world.live_bytes());
            let bound = 2 * live + SLACK + BESIDE;
            assert!(used <= bound, "round {round}: {used} bytes for {live} that live, bound {bound}");
            most = most.max(used);
        }
        if round % 1_500 == 1_499 {
            cleaned += world.store.inspect().cleaned_bytes();
            world.store.inspect().check();
            world = world.restart(&options());
        }
    }
    let World { written_bytes, stuck, .. } = &world;
    println!(
        "{written_bytes} bytes of bodies, {most} of disk at most, {} stay, {cleaned} moved",
        stuck.len()
    );
    assert!((1..written_bytes / 4).contains(&cleaned), "{cleaned} bytes moved for {written_bytes} written");

    // And each message that stayed is delivered whole when its lease ends, for the second time
    world.clock.advance(Milliseconds(43_200_000));
    let mut expected: Vec<_> = world.stuck.iter().map(|(_, body)| body.clone()).collect();
    let mut leases = Vec::new();
    let mut found = Vec::new();
    loop {
        let pulled = world.pull();
        if pulled.is_empty() {
            break;
        }
        for (lease, body) in pulled {
            leases.push(lease);
            found.push(body);
        }
    }
    expected.sort();
    found.sort();
    assert!(found == expected, "{} of {} messages", found.len(), expected.len());

    // And after a drain the space comes back
    wait(world.store.settle(world.place, Settlement { acks: leases, retries: Vec::new() })).unwrap();
    world.minutes(2);
    let used = world.disk.used_bytes();
    assert!(used <= BESIDE, "{used} bytes for nothing");
}

/// A store of sealed segments in each of which a few messages live, without cleaning so far.
fn sparse() -> World {
    let never = Options { cleaning_slack_bytes: u64::MAX, ..options() };
    let mut world = World::new(&never);
    (0..1_500).for_each(|_| world.round());
    assert!(world.disk.used_bytes() > 2 << 20, "{} bytes", world.disk.used_bytes());
    assert_eq!(world.store.inspect().cleaned_bytes(), 0);
    world
}

#[test]
fn an_idle_store_cleans_what_piled_up_before_and_takes_its_time() {
    // Given sparse segments, and a start of a store that is to clean them
    let world = sparse();
    let before = world.disk.used_bytes();
    let world = world.restart(&Options { cleaning_slack_bytes: 0, ..options() });

    // When time passes, and nothing is asked for
    for _ in 0..100 {
        world.clock.advance(Milliseconds(1_000));
        world.store.inspect().idle();
        wait(world.store.housekeep()).unwrap();
    }

    // Then little is left but what lives
    let (used, live) = (world.disk.used_bytes(), world.live_bytes());
    assert!(used < before / 2 && used <= 2 * live + BESIDE, "{used} of {before} bytes for {live} that live");
    world.store.inspect().check();
}

#[test]
fn a_volume_that_is_nearly_full_is_cleaned_before_the_slack_is_used_up() {
    // Given sparse segments, and a store that would tolerate them
    let needed = 1 << 20;
    let patient = Options { cleaning_slack_bytes: u64::MAX, reserve_bytes: Some(needed), ..options() };
    let mut world = sparse().restart(&patient);
    world.round();
    assert_eq!(world.store.inspect().cleaned_bytes(), 0);

    // When less than twice of what pushes need is free, spare files included
    world.disk.set_space(Space { free_bytes: 2 * needed - 1 - 2 * SEGMENT, total_bytes: 1 << 30 });
    (0..100).for_each(|_| world.round());

    // Then they are cleaned
    let (used, live) = (world.disk.used_bytes(), world.live_bytes());
    assert!(used <= 2 * live + BESIDE, "{used} bytes for {live} that live");
}

#[test]
fn a_segment_that_cannot_be_read_is_cleaned_later_and_nobody_else_notices() {
    // Given sparse segments, and a disk that refuses the first reads of cleaning
    let world = sparse();
    let before = world.disk.used_bytes();
    let mut world = world.restart(&Options { cleaning_slack_bytes: 0, ..options() });
    let reads = world.disk.calls(OperationKind::Read);
    for nth in 1..=3 {
        world.disk.fail(OperationKind::Read, reads + nth, Fault::Error(ErrorKind::Other));
    }

    // When verbs go on and time passes
    for _ in 0..200 {
        world.round();
        world.clock.advance(Milliseconds(500));
    }

    // Then it is cleaned all the same
    assert!(world.disk.used_bytes() < before, "{} of {before} bytes", world.disk.used_bytes());
    world.store.inspect().check();
}
