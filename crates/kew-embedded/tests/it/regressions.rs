//! Bugs that were found, each as the run that showed it.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use kew_embedded::{Embedded, Options};
use kew_journal::SimDisk;
use kew_model::{
    AccountId, Broker, Clock, ConsumerKind, ContentType, Destination, Error, Lease, Milliseconds,
    NewConsumer, NewQueue, Place, Pull, PullSettings, PushBatch, QueueSettings, Redrive, Redriven, Retry,
    Seconds, Sequence, Settlement,
};
use kew_testkit::{FixedChance, ManualClock, wait};

const ACCOUNT: AccountId = AccountId([7; 16]);

/// A store without threads, with small segments and a checkpoint after every few frames.
struct World {
    disk: SimDisk,
    clock: Arc<ManualClock>,
    options: Options,
    store: Embedded,
}

impl World {
    fn new(segment_bytes: u32) -> Self {
        let options =
            Options { segment_bytes, checkpoint_bytes: 2_000, reserve_bytes: Some(0), ..Options::default() };
        let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::default()));
        let store = open(&disk, &options, &clock, 1);
        wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
        Self { disk, clock, options, store }
    }

    fn restart(self) -> Self {
        wait(self.store.close()).unwrap();
        let store = open(&self.disk, &self.options, &self.clock, 2);
        Self { store, ..self }
    }

    fn queue(&self, name: &str) -> Place {
        self.queue_with(name, PullSettings::default(), None)
    }

    fn queue_with(&self, name: &str, settings: PullSettings, dead_letters: Option<&str>) -> Place {
        let new = NewQueue {
            name: name.parse().unwrap(),
            id: None,
            jurisdiction: None,
            settings: QueueSettings::default(),
        };
        let place =
            Place { account: ACCOUNT, queue: wait(self.store.create_queue(ACCOUNT, new)).unwrap().id };
        let dead_letter_queue = dead_letters.map(|name| name.parse().unwrap());
        let consumer = NewConsumer { kind: ConsumerKind::HttpPull(settings), dead_letter_queue };
        wait(self.store.create_consumer(place, consumer)).unwrap();
        place
    }

    /// Publishes one message for each length and delay in seconds.
    fn push(&self, place: Place, messages: &[(usize, u32)]) {
        let mut batch = PushBatch::new();
        for (length, delay) in messages {
            let delay = (*delay > 0).then_some(Seconds(*delay));
            batch.add(&vec![b'x'; *length], ContentType::Text, delay).unwrap();
        }
        wait(self.store.push(place, batch)).unwrap();
    }

    fn pull(&self, place: Place, batch_size: u16) -> Result<Vec<Lease>, Error> {
        let visibility_timeout = Some(Milliseconds(43_000_000));
        let pulled = wait(self.store.pull(place, Pull { batch_size: Some(batch_size), visibility_timeout }))?;
        Ok(pulled.messages.iter().map(|message| message.lease).collect())
    }

    fn ack(&self, place: Place, acks: Vec<Lease>) {
        wait(self.store.settle(place, Settlement { acks, retries: Vec::new() })).unwrap();
    }

    /// Fills the segment up with another queue's messages.
    fn fill(&self, place: Place) {
        for _ in 0..6 {
            self.push(place, &[(100_000, 0)]);
        }
    }
}

fn open(disk: &SimDisk, options: &Options, clock: &Arc<ManualClock>, seed: u64) -> Embedded {
    let chance = Arc::new(FixedChance::new(seed));
    Embedded::open_inline(Arc::new(disk.clone()), options.clone(), clock.clone(), chance).unwrap()
}

#[test]
fn a_line_goes_on_behind_a_message_whose_segment_is_free() {
    // Given messages 1 in line, 2 delayed and 3 in line, each in a segment of its own
    let world = World::new(512 << 10);
    let (queue, filler) = (world.queue("queue"), world.queue("filler"));
    world.push(queue, &[(10, 0)]);
    world.fill(filler);
    world.push(queue, &[(10, 5)]);
    world.fill(filler);
    world.clock.advance(Milliseconds(10_000));
    world.push(queue, &[(10, 0)]);
    // When 1 stays leased, 2 is acknowledged, and the segment of 2 is freed
    let leases = world.pull(queue, 2).unwrap();
    world.ack(queue, vec![leases[1]]);
    loop {
        let leases = world.pull(filler, 100).unwrap();
        if leases.is_empty() {
            break;
        }
        world.ack(filler, leases);
    }
    for _ in 0..30 {
        world.push(filler, &[(3_000, 0)]);
        world.ack(filler, world.pull(filler, 100).unwrap());
    }
    let world = world.restart();
    // Then 3 can be pulled
    assert_eq!(world.pull(queue, 1).map(|leases| leases.len()), Ok(1));
}

#[test]
fn a_discard_ends_though_the_window_moves_on_meanwhile() {
    // Given message 1 on disk only, and 2 in the window as long as 3 is in line
    let world = World::new(512 << 10);
    let queue = world.queue("queue");
    world.push(queue, &[(10, 100)]);
    world.push(queue, &[(10, 100), (10, 0)]);
    // When 1 and 2 are discarded and 3 is pulled in one group
    world.store.inspect().hold();
    let mut context = Context::from_waker(Waker::noop());
    let mut discarded = world.store.discard(queue, vec![Sequence(1), Sequence(2)]);
    let mut pulled = world.store.pull(queue, Pull { batch_size: Some(1), visibility_timeout: None });
    assert!(discarded.as_mut().poll(&mut context).is_pending());
    assert!(pulled.as_mut().poll(&mut context).is_pending());
    world.store.inspect().release();
    // Then both are answered
    assert_eq!(wait(discarded), Ok(vec![true, true]));
    assert_eq!(wait(pulled).unwrap().messages.len(), 1);
}

#[test]
fn a_message_that_no_segment_can_hold_is_refused_and_the_store_lives() {
    let world = World::new(64 << 10);
    let queue = world.queue("queue");
    let mut batch = PushBatch::new();
    batch.add(&vec![b'x'; 127_900], ContentType::Text, None).unwrap();

    let refused = wait(world.store.push(queue, batch));

    assert!(matches!(refused, Err(Error::BatchTooLarge { .. })), "{refused:?}");
    world.push(queue, &[(10, 0)]);
    assert_eq!(wait(world.store.backlog(queue)).unwrap().count, 1);
}

#[test]
fn whoever_closes_at_the_same_time_is_told_of_the_same_close() {
    for seed in 0..100 {
        let (disk, clock) = (SimDisk::new(seed), Arc::new(ManualClock::default()));
        let options = Options { segment_bytes: 64 << 10, ..Options::default() };
        let chance = Arc::new(FixedChance::new(seed));
        let store = Embedded::open(Arc::new(disk), options, clock, chance).unwrap();
        let closes: Vec<_> = (0..3)
            .map(|_| {
                let store = store.clone();
                std::thread::spawn(move || wait(store.close()))
            })
            .collect();
        for close in closes {
            assert_eq!(close.join().unwrap(), Ok(()));
        }
    }
}

#[test]
fn the_clock_of_a_store_does_not_go_back_with_the_wall_clock() {
    // Given a store whose newest record is of the day after tomorrow
    let world = World::new(512 << 10);
    world.clock.advance(Seconds(172_800));
    world.queue("queue");
    let newest = world.clock.now();
    let World { disk, options, store, .. } = world;
    wait(store.close()).unwrap();

    // When it is opened while the wall clock shows today
    let today = Arc::new(ManualClock::default());
    let store = open(&disk, &options, &today, 2);
    let clock = store.clock();

    // Then its clock goes on from the newest record, and passes and jumps with the other
    assert_eq!(clock.now(), newest);
    let told = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&told);
    clock.on_jump(Arc::new(move || heard.store(true, Ordering::SeqCst)));
    today.advance(Milliseconds(5));
    assert_eq!((clock.now(), told.load(Ordering::SeqCst)), (newest.after(Milliseconds(5)), true));
    let account = wait(store.create_account(None, "later".to_owned())).unwrap();
    assert_eq!(account.created_on, clock.now(), "what is written goes by the same clock");
}

#[test]
fn a_redrive_at_its_limit_tells_of_an_unread_message_without_origin() {
    // Given two dead letters as large as one step moves, and behind them a message that was pushed and held back, so
    // that no memory holds its frame
    let world = World::new(4 << 20);
    let dead = world.queue("dead");
    let once = PullSettings { max_retries: 0, ..PullSettings::default() };
    let main = world.queue_with("main", once, Some("dead"));
    world.push(dead, &[(100, 2)]);
    world.push(main, &[(127_900, 0), (127_900, 0)]);
    let retries =
        world.pull(main, 2).unwrap().into_iter().map(|lease| Retry { lease, delay: None }).collect();
    wait(world.store.settle(main, Settlement { acks: Vec::new(), retries })).unwrap();
    world.clock.advance(Milliseconds(5_000));

    // When they are sent back, then the third was looked at as well
    let redrive = Redrive { destination: Destination::Origin, batch_size: 10 };
    let expected = Redriven { moved: 2, without_origin: 1, left: 1 };
    assert_eq!(wait(world.store.redrive(dead, redrive)), Ok(expected));
}

#[test]
fn what_a_pull_takes_stays_until_it_is_read_though_its_lease_is_over_at_once() {
    // Given a message on disk whose last attempt ends as soon as it begins, and a pull of it whose asker is slow
    let world = World::new(512 << 10);
    let filler = world.queue("filler");
    let twice = PullSettings { max_retries: 1, ..PullSettings::default() };
    let queue = world.queue_with("queue", twice, None);
    world.push(queue, &[(10, 0)]);
    let retries = vec![Retry { lease: world.pull(queue, 1).unwrap()[0], delay: None }];
    wait(world.store.settle(queue, Settlement { acks: Vec::new(), retries })).unwrap();
    let pull = Pull { batch_size: Some(1), visibility_timeout: Some(Milliseconds(0)) };
    let mut pulled = world.store.pull(queue, pull);
    world.store.inspect().hold();
    assert!(pulled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    world.store.inspect().release();

    // When the message has left its queue, and the log has gone on with checkpoints
    assert_eq!(wait(world.store.backlog(queue)).unwrap().count, 0);
    let turn_over = |world: &World| {
        world.fill(filler);
        for _ in 0..30 {
            world.push(filler, &[(3_000, 0)]);
            world.ack(filler, world.pull(filler, 100).unwrap());
        }
    };
    turn_over(&world);

    // Then the answer still has it, and its segment is free after that
    let first = "log/0000000000000001.seg".to_owned();
    assert!(world.disk.file_names().contains(&first));
    assert_eq!(wait(pulled).unwrap().messages.len(), 1);
    turn_over(&world);
    assert!(!world.disk.file_names().contains(&first));
}
