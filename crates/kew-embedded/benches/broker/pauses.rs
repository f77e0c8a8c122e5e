//! The turns of the writer with and without a checkpoint under way, when one queue is large in every way at once.
//!
//! `cargo bench -p kew-embedded --bench broker -- pauses` fills one queue with a million leases in pulls of 100, ten million
//! acknowledged messages between others that stay leased, and a million delayed messages of which no two are alike. Then
//! the store goes through some checkpoints. Each turn of the writer takes a push, a pull and an ack of scattered leases of
//! that queue, and what a checkpoint has noted stays in memory, to be written later, so that all of these have to leave
//! it as it is. A turn is timed from when the writer takes the verbs until it has answered them, by a clock on the wall and
//! by what the thread had of a processor, which tells more on a machine that does other things, too. `TMPDIR` in memory
//! leaves the disk out of it.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use kew_model::{Broker, ContentType, Lease, Milliseconds, Place, Pull, PushBatch, Seconds, Settlement};
use kew_testkit::wait;
use rustix::time::{ClockId, clock_gettime};

use crate::state::{LONG, Store};

/// How often a checkpoint is taken.
const CHECKPOINTS: usize = 5;
/// How many turns of the writer are timed while one is under way, and as many while none is.
const TURNS: u64 = 1_000;
/// How many scattered leases are acknowledged in a turn.
const ACKS: usize = 40;

/// What the queue has.
const LEASED: u64 = 1_000_000;
const ACKED: u64 = 10_000_000;
const DELAYED: u64 = 1_000_000;

/// How long a turn took: by the wall, and of a processor.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    processor: Duration,
}

/// What this thread has had of a processor so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

/// A store with its one queue.
struct World {
    store: Store,
    place: Place,
    /// Leases, of which no two that follow each other are of the same pull.
    leases: Vec<Lease>,
    delayed: u64,
}

/// Prints how long turns take.
pub(crate) fn print() {
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let store = Store::open(folder.path());
    let place = store.queue("large");
    let mut world = World { store, place, leases: Vec::new(), delayed: 0 };
    world.fill();
    println!(
        "pauses: one queue of {} leases in pulls of 100, {} acknowledged of {}, {} delayed, filled in {:.0?}",
        LEASED,
        ACKED,
        ACKED / 90 * 100,
        world.delayed,
        started.elapsed()
    );
    let (mut with, mut without, mut longest) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..CHECKPOINTS {
        world.store.advance(Milliseconds(60_000));
        let pieces = world.store.inspect().noted();
        let turns = world.turns();
        assert!(world.store.inspect().noted() > pieces, "no checkpoint was noted");
        longest.push(turns.iter().map(|took| took.processor).max().unwrap());
        with.extend(turns);
        world.store.inspect().release();
        without.extend(world.turns());
        world.store.inspect().release();
    }
    tell("no checkpoint under way", &without);
    tell("a checkpoint under way", &with);
    longest.sort_unstable();
    println!("pauses: the longest turn of each checkpoint, of a processor: {longest:.0?}");
}

fn tell(what: &str, turns: &[Took]) {
    let by_wall: Vec<_> = turns.iter().map(|took| took.wall).collect();
    let of_processor = turns.iter().map(|took| took.processor).collect();
    for (clock, mut times) in [("by the wall", by_wall), ("of a processor", of_processor)] {
        times.sort_unstable();
        let [p50, p99, p999, longest] =
            [500, 990, 999, 1_000].map(|share| times[(times.len() - 1) * share / 1_000]);
        println!(
            "pauses: {what}, {} turns {clock}: p50 {p50:.0?}, p99 {p99:.0?}, p99.9 {p999:.0?}, longest {longest:.0?}",
            times.len()
        );
    }
}

impl World {
    fn fill(&mut self) {
        let Self { store, place, .. } = self;
        for _ in 0..ACKED / 90 {
            store.push(*place, 100, None);
            let mut settlement = store.pull(*place, 100);
            let mut at = 0;
            settlement.acks.retain(|_| {
                at += 1;
                at % 10 != 0
            });
            wait(store.broker().settle(*place, settlement)).unwrap();
        }
        let mut pulls = Vec::new();
        for _ in 0..LEASED / 100 {
            store.push(*place, 100, None);
            pulls.push(store.pull(*place, 100).acks);
        }
        // From pull to pull in strides, so that neighbours are not acknowledged together.
        let count = pulls.len();
        self.leases = (0..100 * count).map(|at| pulls[(at * 101) % count][at / count]).collect();
        for _ in 0..DELAYED / 100 {
            let batch = self.unlike();
            self.store.push_batch(self.place, batch);
        }
    }

    /// A batch of delayed messages of which no two are alike.
    fn unlike(&mut self) -> PushBatch {
        let mut batch = PushBatch::with_capacity(6_400, 100);
        for _ in 0..100 {
            let (seconds, length) = crate::limit::unlike(self.delayed);
            batch.add(&[b'x'; 128][..length], ContentType::Text, Some(Seconds(seconds))).unwrap();
            self.delayed += 1;
        }
        batch
    }

    /// Times turns of the writer, after which nobody but the writer has worked.
    fn turns(&mut self) -> Vec<Took> {
        self.store.inspect().hold();
        (0..TURNS).map(|number| self.turn(number % 4 == 0)).collect()
    }

    /// A turn that takes three verbs, of which the push may be of delayed messages.
    fn turn(&mut self, is_delayed: bool) -> Took {
        let ready = {
            let mut batch = PushBatch::with_capacity(1_000, 100);
            (0..100).for_each(|_| batch.add(b"0123456789", ContentType::Text, None).unwrap());
            batch
        };
        let delayed = if is_delayed { self.unlike() } else { PushBatch::with_capacity(0, 0) };
        let acks = self.leases.split_off(self.leases.len() - ACKS);
        let (broker, place) = (self.store.broker(), self.place);
        let pull = Pull { batch_size: Some(100), visibility_timeout: Some(LONG) };
        let mut verbs: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = vec![
            Box::pin(async move { assert!(broker.push(place, ready).await.is_ok()) }),
            Box::pin(async move { assert_eq!(broker.pull(place, pull).await.unwrap().messages.len(), 100) }),
            Box::pin(async move {
                let settlement = Settlement { acks, retries: Vec::new() };
                drop(broker.settle(place, settlement).await.unwrap());
            }),
        ];
        if is_delayed {
            verbs.push(Box::pin(async move { assert!(broker.push(place, delayed).await.is_ok()) }));
        }
        let mut context = Context::from_waker(Waker::noop());
        for verb in &mut verbs {
            assert!(verb.as_mut().poll(&mut context).is_pending(), "a verb was answered too early");
        }
        let (started, processor) = (Instant::now(), processor_time());
        self.store.inspect().write();
        let took = Took { wall: started.elapsed(), processor: processor_time() - processor };
        for verb in &mut verbs {
            assert_eq!(verb.as_mut().poll(&mut context), Poll::Ready(()), "a verb was not answered");
        }
        took
    }
}
