//! A frame of which cleaning has moved a part: what was moved lies in newer frames, in several steps, and the rest where
//! it always was. Whoever needs messages of both parts at once gets each of them.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use kew_embedded::check::{check, salvage};
use kew_embedded::{Embedded, Options};
use kew_journal::SimDisk;
use kew_model::{
    AccountId, Broker, ContentType, Destination, Lease, Milliseconds, Place, Pull, PushBatch, Redrive, Retry,
    Sequence, Settlement,
};
use kew_testkit::{FixedChance, ManualClock, wait};

use crate::waiting::queue;
use crate::workload::open;

const ACCOUNT: AccountId = AccountId([7; 16]);

/// How many messages are dead letters, in one frame of a little less than 1 MiB.
const MESSAGES: u64 = 900;

/// One that the first step of cleaning moves, one that the second moves, and one of the rest.
const CHOSEN: [u64; 3] = [100, 300, 600];

/// How many bytes one step moves at the most, and somewhat less than it moves.
const STEP_BYTES: core::ops::Range<u64> = 250_000..270_000;

/// A store without threads that keeps no messages in memory, and cleans what is sparse unless it has all the slack.
fn options(cleaning_slack_bytes: u64) -> Options {
    Options {
        segment_bytes: 4 << 20,
        window_bytes: 0,
        cleaning_slack_bytes,
        reserve_bytes: Some(0),
        ..Options::default()
    }
}

fn body(number: u64) -> Vec<u8> {
    format!("{number:01000}").into_bytes()
}

struct World {
    disk: SimDisk,
    clock: Arc<ManualClock>,
    store: Embedded,
    /// Where the messages were, the queue that they are in, and the one to which its own dead letters go, if they do.
    jobs: Place,
    dead: Place,
    further: Place,
}

impl World {
    /// A sealed segment of which little lives but one frame of dead letters. Nothing of it has moved so far.
    fn new(dead_letters_of_dead: Option<&str>, prepare: impl FnOnce(&Self)) -> Self {
        let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::default()));
        let store = open(&disk, &options(u64::MAX), &clock, 3).unwrap();
        wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
        let further = queue(&store, "further", None);
        let dead = queue(&store, "dead", dead_letters_of_dead);
        let jobs = queue(&store, "jobs", Some("dead"));
        let world = Self { disk, clock, store, jobs, dead, further };
        for first in (1..=MESSAGES).step_by(100) {
            world.push(jobs, (first..first + 100).map(body));
        }
        let attempted = world.pull_all(jobs, None);
        assert_eq!(attempted.len() as u64, MESSAGES);
        world.minutes(1);
        assert_eq!(wait(world.store.backlog(dead)).unwrap().count, MESSAGES);
        prepare(&world);
        let filler = queue(&world.store, "filler", None);
        for _ in 0..16 {
            world.push(filler, [vec![b'x'; 125_000], vec![b'x'; 125_000]]);
        }
        wait(world.store.purge(filler)).unwrap();
        world.minutes(2);
        world.restart()
    }

    fn push(&self, place: Place, bodies: impl IntoIterator<Item = Vec<u8>>) {
        let mut batch = PushBatch::new();
        bodies.into_iter().for_each(|body| batch.add(&body, ContentType::Text, None).unwrap());
        wait(self.store.push(place, batch)).unwrap();
    }

    fn pull_all(&self, place: Place, visibility_timeout: Option<Milliseconds>) -> Vec<(Lease, Vec<u8>)> {
        let mut all = Vec::new();
        loop {
            let pull = Pull { batch_size: Some(100), visibility_timeout };
            let pulled = wait(self.store.pull(place, pull)).unwrap();
            if pulled.messages.is_empty() {
                return all;
            }
            all.extend(pulled.messages.iter().map(|message| (message.lease, pulled.body(message).to_vec())));
        }
    }

    /// Time passes, leases end, and checkpoints are kept.
    fn minutes(&self, minutes: u64) {
        for _ in 0..minutes {
            self.clock.advance(Milliseconds(60_000));
            wait(self.store.housekeep()).unwrap();
        }
    }

    /// The process is killed, and cleans from the next start on.
    fn restart(self) -> Self {
        let Self { disk, clock, store, .. } = self;
        drop(store);
        disk.kill();
        let store = open(&disk, &options(0), &clock, 4).unwrap();
        Self { disk, clock, store, ..self }
    }

    /// Takes one step of cleaning.
    fn clean(&self) {
        let before = self.store.inspect().cleaned_bytes();
        let moved = || self.store.inspect().cleaned_bytes() - before;
        for _ in 0..1_000 {
            if moved() > 0 {
                break;
            }
            self.clock.advance(Milliseconds(5));
            self.store.inspect().idle();
            wait(self.store.housekeep()).unwrap();
        }
        assert!(STEP_BYTES.contains(&moved()), "{} bytes moved", moved());
    }

    /// Takes two steps of cleaning of the four that the frame needs, with a start of the store between them if that is
    /// asked for.
    fn clean_half(mut self, restarts: bool) -> Self {
        self.clean();
        if restarts {
            self = self.restart();
        }
        self.clean();
        self
    }

    fn retry_chosen(&self, leased: &[(Lease, Vec<u8>)]) {
        let is_chosen = |lease: &Lease| CHOSEN.contains(&lease.message.0);
        let leases = leased.iter().map(|(lease, _)| *lease).filter(is_chosen);
        let retries: Vec<_> = leases.map(|lease| Retry { lease, delay: None }).collect();
        assert_eq!(retries.len(), CHOSEN.len());
        wait(self.store.settle(self.dead, Settlement { acks: Vec::new(), retries })).unwrap();
    }

    /// The chosen messages are in this queue, whole, and no longer where they were.
    fn assert_moved_to(&self, place: Place) {
        assert_eq!(wait(self.store.backlog(self.dead)).unwrap().count, MESSAGES - CHOSEN.len() as u64);
        let mut bodies: Vec<_> = self.pull_all(place, None).into_iter().map(|(_, body)| body).collect();
        bodies.sort();
        assert!(bodies == CHOSEN.map(body), "{} messages", bodies.len());
        self.store.inspect().check();
    }
}

const LONG: Option<Milliseconds> = Some(Milliseconds(43_200_000));

#[test]
fn dead_letters_of_both_parts_are_buried_together() {
    for restarts in [false, true] {
        // Given dead letters in a half moved frame, each leased for its last attempt
        let mut leased = Vec::new();
        let world = World::new(Some("further"), |world| leased = world.pull_all(world.dead, LONG));
        let world = world.clean_half(restarts);

        // When some of both parts fail together
        world.retry_chosen(&leased);
        wait(world.store.housekeep()).unwrap();

        // Then they are among the next dead letters
        world.assert_moved_to(world.further);
    }
}

#[test]
fn messages_of_both_parts_are_discarded_together() {
    for restarts in [false, true] {
        let world = World::new(None, |_| {}).clean_half(restarts);

        let discarded = wait(world.store.discard(world.dead, CHOSEN.map(Sequence).to_vec()));

        assert_eq!(discarded, Ok(vec![true; 3]));
        assert_eq!(wait(world.store.backlog(world.dead)).unwrap().count, MESSAGES - 3);
        world.store.inspect().check();
    }
}

#[test]
fn messages_of_both_parts_that_wait_for_a_retry_are_redriven_together() {
    for restarts in [false, true] {
        // Given dead letters in a half moved frame, some of which were delivered and given back
        let mut leased = Vec::new();
        let world = World::new(None, |world| leased = world.pull_all(world.dead, LONG));
        let world = world.clean_half(restarts);
        world.retry_chosen(&leased);

        // When they are sent back to where they came from
        let step = Redrive { destination: Destination::Origin, batch_size: 100 };
        let redriven = wait(world.store.redrive(world.dead, step)).unwrap();

        // Then they are there
        assert_eq!((redriven.moved, redriven.without_origin), (3, 0));
        world.assert_moved_to(world.jobs);
    }
}

#[test]
fn a_copy_of_what_is_whole_has_the_messages_of_both_parts() {
    for restarts in [false, true] {
        // Given a half moved frame in a store that has closed
        let World { disk, clock, store, .. } = World::new(None, |_| {}).clean_half(restarts);
        let lived = store.inspect().bodies().unwrap();
        assert_eq!(lived.len() as u64, MESSAGES);
        wait(store.close()).unwrap();

        // When it is salvaged, which puts the parts into one segment
        let (copied, chance) = (SimDisk::new(2), FixedChance::new(5));
        let target = Arc::new(copied.clone());
        salvage(Arc::new(disk), target, &options(0), &*clock, &chance, &mut |_, _, _| {}).unwrap();

        // Then the copy is whole, and each message is found
        let report = check(Arc::new(copied.clone()), &mut |_, _, _| {}).unwrap();
        assert!(report.is_whole(), "{report:?}");
        let copy = open(&copied, &options(u64::MAX), &clock, 6).unwrap();
        assert!(copy.inspect().bodies() == Ok(lived));
        copy.inspect().check();
    }
}
