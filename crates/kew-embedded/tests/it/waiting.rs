//! Verbs that wait for the disk: what they count for, and what becomes of them.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::io::ErrorKind;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use kew_embedded::{Embedded, Options};
use kew_journal::{Fault, OperationKind, SimDisk};
use kew_model::{
    AccountId, Answer, Broker, ConsumerKind, ContentType, Error, Lease, Milliseconds, NewConsumer, NewQueue,
    Place, Pull, PullSettings, PushBatch, QueueSettings, Retry, Seconds, Sequence, Settlement,
};
use kew_testkit::{ManualClock, wait};

use crate::workload::open;

const ACCOUNT: AccountId = AccountId([7; 16]);
pub(crate) const PULL: Pull = Pull { batch_size: Some(1), visibility_timeout: None };

/// A store without threads that keeps no messages in memory.
pub(crate) struct World {
    disk: SimDisk,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Embedded,
    /// A queue of one attempt for each message, with the dead-letter queue `dead`.
    pub(crate) cold: Place,
    pub(crate) dead: Place,
}

impl World {
    /// With so many messages in the queue.
    pub(crate) fn new(messages: usize, options: Options) -> Self {
        let options = Options { window_bytes: 0, segment_bytes: 4 << 20, reserve_bytes: Some(0), ..options };
        let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::default()));
        let store = open(&disk, &options, &clock, 3).unwrap();
        wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
        let dead = queue(&store, "dead", None);
        let cold = queue(&store, "cold", Some("dead"));
        (0..messages).for_each(|_| push(&store, cold));
        Self { disk, clock, store, cold, dead }
    }

    /// The next read fails.
    fn fail_a_read(&self) {
        self.fail_read(1);
    }

    /// One of the next reads fails.
    pub(crate) fn fail_read(&self, nth: u64) {
        let next = self.disk.calls(OperationKind::Read) + nth;
        self.disk.fail(OperationKind::Read, next, Fault::Error(ErrorKind::Other));
    }

    /// The message's body on the disk is another one.
    fn damage(&self) {
        let log = self.disk.file_names().into_iter().filter(|name| name.ends_with(".seg"));
        for name in log {
            let mut bytes = self.disk.contents(&name).unwrap();
            let places = bytes.windows(5).enumerate().filter(|(_, found)| *found == b"hello");
            for at in places.map(|(at, _)| at).collect::<Vec<_>>() {
                bytes[at] = b'H';
            }
            self.disk.overwrite(&name, &bytes);
        }
    }

    fn pull_one(&self, place: Place) -> Result<Lease, Error> {
        wait(self.store.pull(place, PULL)).map(|pulled| pulled.messages[0].lease)
    }

    fn retry(&self, place: Place, lease: Lease) {
        let retries = vec![Retry { lease, delay: None }];
        wait(self.store.settle(place, Settlement { acks: Vec::new(), retries })).unwrap();
    }

    /// The store has ended, and says where the damage is and whose.
    fn assert_ended_by_damage(&self, queue: &str) {
        let reason = wait(self.store.failure());
        assert!(reason.contains("damaged: log/") && reason.contains(" at byte "), "{reason}");
        assert!(reason.contains(&format!("queue {queue} with id ")), "{reason}");
    }
}

pub(crate) fn queue(store: &Embedded, name: &str, dead_letters: Option<&str>) -> Place {
    let (name, settings) = (name.parse().unwrap(), QueueSettings::default());
    let new = NewQueue { name, id: None, jurisdiction: None, settings };
    let place = Place { account: ACCOUNT, queue: wait(store.create_queue(ACCOUNT, new)).unwrap().id };
    let max_retries = if dead_letters.is_some() { 0 } else { 100 };
    let kind = ConsumerKind::HttpPull(PullSettings { max_retries, ..PullSettings::default() });
    let dead_letter_queue = dead_letters.map(|name| name.parse().unwrap());
    wait(store.create_consumer(place, NewConsumer { kind, dead_letter_queue })).unwrap();
    place
}

pub(crate) fn push(store: &Embedded, place: Place) {
    let mut batch = PushBatch::new();
    batch.add(b"hello", ContentType::Text, None).unwrap();
    wait(store.push(place, batch)).unwrap();
}

/// Asks once; the first time puts the verb into the inbox.
pub(crate) fn poll<T>(answer: &mut Answer<'_, T>) -> Poll<Result<T, Error>> {
    answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn what_waits_for_the_disk_counts_as_waiting() {
    // Given room for seven verbs, and seven pulls that wait for the disk, which nobody reads
    let world = World::new(7, Options { inbox_bytes: 7 * 256, ..Options::default() });
    let (store, place) = (&world.store, world.cold);
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
    let world = World::new(1, Options::default());
    let (store, place) = (&world.store, world.cold);
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

#[test]
fn a_read_that_fails_fails_who_waited_for_it_and_nobody_else() {
    // Given a message that must be read, and a read that fails
    let world = World::new(1, Options::default());
    world.fail_a_read();

    // When it is pulled, then the error says of which file and queue, and that nothing happened
    let error = world.pull_one(world.cold).unwrap_err();
    assert!(error.had_no_effect());
    let text = error.to_string();
    assert!(text.contains("read log/") && text.contains("queue cold with id "), "{text}");

    // And the store goes on, with the message
    assert_eq!(wait(world.store.backlog(world.dead)).unwrap().count, 0);
    let pulled = wait(world.store.pull(world.cold, PULL)).unwrap();
    assert_eq!((pulled.messages.len(), pulled.messages[0].attempts), (1, 1));
}

#[test]
fn dead_letters_that_cannot_be_read_are_tried_again() {
    // Given a message that failed for the last time and cannot be read
    let world = World::new(1, Options::default());
    let lease = world.pull_one(world.cold).unwrap();
    world.fail_a_read();
    world.retry(world.cold, lease);

    // Then others go on, also on its queue
    push(&world.store, world.cold);
    assert_eq!(wait(world.store.backlog(world.cold)).unwrap().count, 2);

    // And a second later it has moved
    world.clock.advance(Milliseconds(1_000));
    wait(world.store.housekeep()).unwrap();
    assert_eq!(wait(world.store.backlog(world.cold)).unwrap().count, 1);
    assert_eq!(world.pull_one(world.dead).map(|lease| lease.message.0), Ok(1));
}

#[test]
fn housekeeping_that_cannot_bury_says_so() {
    // Given a message that failed for the last time and cannot be read
    let world = World::new(1, Options::default());
    let lease = world.pull_one(world.cold).unwrap();
    world.fail_a_read();
    world.retry(world.cold, lease);

    // When housekeeping tries at once and fails, then it says so; and when it does not fail, all is done
    world.fail_a_read();
    assert!(matches!(wait(world.store.housekeep()), Err(Error::Internal { .. })));
    wait(world.store.housekeep()).unwrap();
    assert_eq!(wait(world.store.backlog(world.dead)).unwrap().count, 1);
}

#[test]
fn damage_ends_the_store_with_the_place_and_the_queue() {
    let world = World::new(1, Options::default());
    world.damage();

    let error = world.pull_one(world.cold).unwrap_err();

    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error:?}");
    world.assert_ended_by_damage("cold");
}

#[test]
fn damage_under_a_redelivered_message_ends_the_store_as_well() {
    // Given a message that was delivered and given back, so that only its answer needs its bytes
    let world = World::new(0, Options::default());
    push(&world.store, world.dead);
    let lease = world.pull_one(world.dead).unwrap();
    world.retry(world.dead, lease);
    world.damage();

    let error = world.pull_one(world.dead).unwrap_err();

    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error:?}");
    world.assert_ended_by_damage("dead");
}

#[test]
fn the_time_of_the_oldest_message_is_read_once_at_the_most() {
    // Given a queue with messages that were held back, none of them in memory, and one with the oldest unread
    let world = World::new(3, Options::default());
    let mut batch = PushBatch::new();
    for delay in [50, 60] {
        batch.add(b"later", ContentType::Text, Some(Seconds(delay))).unwrap();
    }
    wait(world.store.push(world.dead, batch)).unwrap();
    let lease = world.pull_one(world.cold).unwrap();
    let settlement = Settlement { acks: vec![lease], retries: Vec::new() };
    wait(world.store.settle(world.cold, settlement)).unwrap();
    let sent_at = Some(ManualClock::START);
    let reads = || world.disk.calls(OperationKind::Read);
    let oldest = |place| wait(world.store.backlog(place)).unwrap().oldest;

    // When the held back ones are asked for, then nothing is read, also when the first is gone
    let before = reads();
    assert_eq!(oldest(world.dead), sent_at);
    assert_eq!(reads(), before);
    wait(world.store.discard(world.dead, vec![Sequence(1)])).unwrap();
    let before = reads();
    assert_eq!(oldest(world.dead), sent_at);
    assert_eq!(reads(), before);

    // When the unread one is asked for, then it is read at the first time and not again
    assert_eq!(oldest(world.cold), sent_at);
    let before = reads();
    assert_eq!(oldest(world.cold), sent_at);
    push(&world.store, world.cold);
    assert_eq!(reads(), before);
}
