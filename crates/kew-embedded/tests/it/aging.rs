//! What it costs that messages become too old, counted: reads, and frames in the log.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use kew_embedded::{Embedded, Options, Trace};
use kew_journal::{OperationKind, SimDisk};
use kew_model::{
    AccountId, AckOutcome, Backlog, Broker, ConsumerKind, ContentType, Milliseconds, NewConsumer, NewQueue,
    Peek, Place, Pull, PullSettings, PushBatch, QueueChange, QueueSettings, Seconds, Settlement,
};
use kew_testkit::{ManualClock, wait};

use crate::workload::open;

const ACCOUNT: AccountId = AccountId([7; 16]);

/// A store without threads that keeps no messages in memory, with one queue.
struct World {
    disk: SimDisk,
    clock: Arc<ManualClock>,
    store: Embedded,
    place: Place,
}

fn options(segment_bytes: u32) -> Options {
    Options { window_bytes: 0, segment_bytes, reserve_bytes: Some(0), ..Options::default() }
}

impl World {
    fn new(segment_bytes: u32) -> Self {
        let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::default()));
        let store = open(&disk, &options(segment_bytes), &clock, 3).unwrap();
        wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
        let (name, settings) = ("jobs".parse().unwrap(), QueueSettings::default());
        let new = NewQueue { name, id: None, jurisdiction: None, settings };
        let place = Place { account: ACCOUNT, queue: wait(store.create_queue(ACCOUNT, new)).unwrap().id };
        Self { disk, clock, store, place }
    }

    /// So many messages of so many bytes, one in a frame, each so long after the one before.
    fn push(&self, count: u64, bytes: usize, apart: Milliseconds) {
        for _ in 0..count {
            let mut batch = PushBatch::new();
            batch.add(&vec![b'x'; bytes], ContentType::Bytes, None).unwrap();
            wait(self.store.push(self.place, batch)).unwrap();
            self.clock.advance(apart);
        }
    }

    fn keep_for(&self, period: Seconds) {
        let change = QueueChange { message_retention_period: Some(period), ..QueueChange::default() };
        wait(self.store.update_queue(self.place, change)).unwrap();
    }

    fn count(&self) -> u64 {
        wait(self.store.backlog(self.place)).unwrap().count
    }

    /// Lets time pass while nobody asks for anything.
    fn pass(&self, step: Milliseconds) {
        self.clock.advance(step);
        self.store.inspect().write();
        self.store.inspect().release();
    }

    fn reads(&self) -> u64 {
        self.disk.calls(OperationKind::Read)
    }

    fn segments(&self) -> usize {
        self.disk.file_names().iter().filter(|name| name.ends_with(".seg")).count()
    }
}

fn frames(trace: &Trace) -> usize {
    trace.digests().len()
}

/// The backlog after the period of a queue of a thousand frames was lowered to 300 seconds, and how many reads and frames
/// that took; the store is opened anew in between if `restarts`.
fn lower_the_period(segment_bytes: u32, restarts: bool) -> (Backlog, u64, usize) {
    let mut world = World::new(segment_bytes);
    world.push(1_000, 1_000, Milliseconds(1_000));
    assert!(segment_bytes > 1 << 20 || world.segments() > 4, "{} segments", world.segments());
    if restarts {
        wait(world.store.close()).unwrap();
        world.store = open(&world.disk, &options(segment_bytes), &world.clock, 4).unwrap();
    }
    let (before, trace) = (world.reads(), world.store.inspect().start_trace());

    world.keep_for(Seconds(300));
    let peeked = wait(world.store.peek(world.place, Peek { batch_size: Some(1) })).unwrap();
    assert_eq!(peeked.messages[0].sequence.0, 702, "the oldest that stays");
    let backlog = wait(world.store.backlog(world.place)).unwrap();
    world.store.inspect().check();
    (backlog, world.reads() - before, frames(&trace))
}

#[test]
fn a_lowered_period_costs_some_reads_and_one_frame() {
    for segment_bytes in [256 << 10, 16 << 20] {
        for restarts in [false, true] {
            // Given a queue of a thousand frames, over several segments or in one, of which 701 are older than the new period
            let (backlog, reads, frames) = lower_the_period(segment_bytes, restarts);

            // Then they are gone by one record, beside that of the change, and only where the limit falls was read; the peek
            // reads as well
            assert_eq!((backlog.count, backlog.bytes), (299, 299 * 1_100));
            assert_eq!(frames, 2, "segments of {segment_bytes}, restarts: {restarts}");
            eprintln!("{reads} reads");
            assert!(reads <= 16, "{reads} reads, segments of {segment_bytes}, restarts: {restarts}");
        }
    }
}

#[test]
fn messages_that_become_too_old_one_after_another_go_together_each_second() {
    // Given messages that came 10 ms apart, when the first is about to be too old
    let world = World::new(4 << 20);
    world.keep_for(Seconds(60));
    world.push(3_000, 100, Milliseconds(10));
    world.pass(Milliseconds(29_990));
    assert_eq!(world.count(), 3_000);
    let (before, trace) = (world.reads(), world.store.inspect().start_trace());

    // When ten seconds pass while nobody asks
    for _ in 0..1_000 {
        world.pass(Milliseconds(10));
    }

    // Then there was a record each second, and fewer reads
    let (reads, frames) = (world.reads() - before, frames(&trace));
    eprintln!("{reads} reads");
    assert!((10..=11).contains(&frames), "{frames} frames");
    assert!(reads <= 10, "{reads} reads");

    // And whoever asks is shown none that is too old, at any time
    for step in 1..=50 {
        world.clock.advance(Milliseconds(10));
        assert_eq!(world.count(), 2_000 - step);
    }
    world.store.inspect().check();
}

#[test]
fn a_look_that_is_due_waits_for_no_lease_and_a_lease_for_no_look() {
    // Given a queue that was just looked at, and a message whose lease ends before the next look and after its retention
    let world = World::new(4 << 20);
    let settings = PullSettings { max_retries: 0, ..PullSettings::default() };
    let kind = ConsumerKind::HttpPull(settings);
    wait(world.store.create_consumer(world.place, NewConsumer { kind, dead_letter_queue: None })).unwrap();
    world.keep_for(Seconds(60));
    world.push(3, 10, Milliseconds(100));
    world.pass(Milliseconds(59_400));
    let pull = Pull { batch_size: Some(3), visibility_timeout: Some(Milliseconds(450)) };
    let leases = wait(world.store.pull(world.place, pull)).unwrap();
    assert_eq!(leases.messages.len(), 3);
    world.pass(Milliseconds(300));
    let trace = world.store.inspect().start_trace();

    // When the lease has ended while nobody asked
    world.pass(Milliseconds(150));

    // Then the messages went in the order of time: two by their age, the last by the end of its last attempt
    assert_eq!(frames(&trace), 3, "one of age, one of exhaustion, one that drops what is exhausted");
    let acks = leases.messages.iter().map(|message| message.lease).collect();
    let settlement = Settlement { acks, retries: Vec::new() };
    let outcomes = wait(world.store.settle(world.place, settlement)).unwrap().acks;
    assert_eq!(outcomes, [AckOutcome::RetentionEnded, AckOutcome::RetentionEnded, AckOutcome::Exhausted]);
}
