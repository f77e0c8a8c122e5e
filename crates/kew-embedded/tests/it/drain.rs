//! What verbs see of a queue whose messages are on their way to the dead letters: more of them than one turn moves.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use kew_embedded::{Embedded, Options};
use kew_journal::SimDisk;
use kew_model::{
    AccountId, AckOutcome, Answer, Broker, ConsumerKind, ContentType, Extend, ExtendOutcome, Lease,
    Milliseconds, NewConsumer, NewQueue, Place, Pull, PullSettings, PushBatch, QueueSettings, Retry,
    RetryOutcome, Sequence, Settlement,
};
use kew_testkit::{ManualClock, wait};

use crate::workload::open;

const ACCOUNT: AccountId = AccountId([7; 16]);

/// How many messages of a hundred kilobytes are exhausted: 30 MB, of which a turn moves 18 at the most.
const EXHAUSTED: u64 = 300;

/// A store without threads, with a queue of one attempt each and its dead-letter queue.
struct World {
    store: Embedded,
    main: Place,
    dead: Place,
    /// Of messages that failed for the last time, and have not moved yet.
    exhausted: Vec<Lease>,
    /// Of the one message behind them that is leased still.
    leased: Lease,
}

impl World {
    /// The messages have just been exhausted; verbs gather.
    fn new() -> Self {
        let options = Options { segment_bytes: 16 << 20, reserve_bytes: Some(0), ..Options::default() };
        let store = open(&SimDisk::new(1), &options, &Arc::new(ManualClock::default()), 3).unwrap();
        wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
        let dead = queue(&store, "dead", None);
        let main = queue(&store, "main", Some("dead"));
        for _ in 0..EXHAUSTED {
            push(&store, main, 100_000);
        }
        let exhausted: Vec<_> = (0..EXHAUSTED).flat_map(|_| pull(&store, main, 1)).collect();
        push(&store, main, 10);
        let leased = pull(&store, main, 1)[0];
        push(&store, main, 10);
        store.inspect().hold();
        let retries = exhausted.iter().map(|lease| Retry { lease: *lease, delay: None }).collect();
        let mut settled = store.settle(main, Settlement { acks: Vec::new(), retries });
        assert!(poll(&mut settled).is_pending());
        store.inspect().write();
        let outcome = wait(settled).unwrap();
        assert!(outcome.retries.iter().all(|outcome| *outcome == RetryOutcome::Retried));
        Self { store, main, dead, exhausted, leased }
    }
}

fn queue(store: &Embedded, name: &str, dead_letters: Option<&str>) -> Place {
    let (name, settings) = (name.parse().unwrap(), QueueSettings::default());
    let new = NewQueue { name, id: None, jurisdiction: None, settings };
    let place = Place { account: ACCOUNT, queue: wait(store.create_queue(ACCOUNT, new)).unwrap().id };
    let settings = PullSettings { max_retries: 0, ..PullSettings::default() };
    let dead_letter_queue = dead_letters.map(|name| name.parse().unwrap());
    let consumer = NewConsumer { kind: ConsumerKind::HttpPull(settings), dead_letter_queue };
    wait(store.create_consumer(place, consumer)).unwrap();
    place
}

fn one_message(bytes: usize) -> PushBatch {
    let mut batch = PushBatch::new();
    batch.add(&vec![b'x'; bytes], ContentType::Text, None).unwrap();
    batch
}

fn push(store: &Embedded, place: Place, bytes: usize) {
    wait(store.push(place, one_message(bytes))).unwrap();
}

fn pull(store: &Embedded, place: Place, batch_size: u16) -> Vec<Lease> {
    let pulled =
        wait(store.pull(place, Pull { batch_size: Some(batch_size), visibility_timeout: None })).unwrap();
    pulled.messages.iter().map(|message| message.lease).collect()
}

fn acks(acks: Vec<Lease>) -> Settlement {
    Settlement { acks, retries: Vec::new() }
}

/// Asks once; the first time puts the verb into the inbox.
fn poll<T>(answer: &mut Answer<'_, T>) -> Poll<Result<T, kew_model::Error>> {
    answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn acks_wait_for_no_burial_and_others_for_one_turn() {
    // Given a burial that waits for the disk, which nobody reads
    let world = World::new();
    let store = &world.store;
    let mut acked = store.settle(world.main, acks(vec![world.leased, world.exhausted[0]]));
    let mut pulled = store.pull(world.main, Pull { batch_size: Some(10), visibility_timeout: None });
    let mut pushed = store.push(world.main, one_message(10));
    assert!(
        poll(&mut acked).is_pending() && poll(&mut pulled).is_pending() && poll(&mut pushed).is_pending()
    );

    // When the writer takes its turn, then the ack is answered: of an exhausted message as if it had left
    store.inspect().write();
    let Poll::Ready(acked) = poll(&mut acked) else { panic!("the ack waits for the burial") };
    assert_eq!(acked.unwrap().acks, [AckOutcome::Acked, AckOutcome::Exhausted]);
    assert!(poll(&mut pulled).is_pending(), "a pull saw the middle of a turn");

    // And when the disk is read, then the pull finds what is available, and some that have not left yet
    store.inspect().release();
    let pulled = wait(pulled).unwrap();
    assert_eq!(pulled.messages.len(), 1);
    let left = pulled.backlog.count - 1;
    assert!(0 < left && left < EXHAUSTED, "the pull waited for the whole drain: {left} left");
    assert_eq!(wait(pushed).unwrap().backlog.count, left + 2, "the verbs of one turn come together");

    // And all of them arrive, the one that was acked while it was on its way among them
    wait(store.housekeep()).unwrap();
    assert_eq!(wait(store.backlog(world.main)).unwrap().count, 2);
    assert_eq!(wait(store.backlog(world.dead)).unwrap().count, EXHAUSTED);
    store.inspect().check();
}

#[test]
fn nothing_that_is_on_its_way_is_taken_along_or_overtaken() {
    // Given a drain of several turns, and verbs that came in its first
    let world = World::new();
    let store = &world.store;
    let mut discarded = store.discard(world.main, vec![Sequence(EXHAUSTED)]);
    let mut pushed = store.push(world.dead, one_message(10));
    let mut deleted = store.delete_queue(world.main);
    assert!(poll(&mut discarded).is_pending());
    assert!(poll(&mut pushed).is_pending() && poll(&mut deleted).is_pending());

    // When all of it is carried out
    store.inspect().release();

    // Then a message that was exhausted cannot be discarded, though it had not left
    assert_eq!(wait(discarded), Ok(vec![false]));
    // And the push stands behind all that were there before it, and the queue went after the last had left
    assert_eq!(wait(pushed).unwrap().backlog.count, EXHAUSTED + 1);
    wait(deleted).unwrap();
    assert_eq!(wait(store.backlog(world.dead)).unwrap().count, EXHAUSTED + 1);
    let leases: Vec<_> = (0..=EXHAUSTED).flat_map(|_| pull(store, world.dead, 1)).collect();
    assert!(leases.is_sorted_by_key(|lease| lease.message));
}

#[test]
fn leases_that_last_wait_for_no_verb_that_stops_the_failures_of_their_queue() {
    // Given a purge that waits until all that was exhausted before it has left, in several turns
    let world = World::new();
    let (store, inspect) = (&world.store, world.store.inspect());
    let mut purged = store.purge(world.main);
    assert!(poll(&mut purged).is_pending());

    // When a message is pulled for as long as the consumer says, then that waits for the turn's end, and not for the purge,
    // which would leave it nothing
    let mut pull = store.pull(world.main, Pull { batch_size: Some(10), visibility_timeout: None });
    let mut pulled = poll(&mut pull);
    for _ in 0..EXHAUSTED {
        if pulled.is_pending() {
            inspect.write();
            inspect.read();
            pulled = poll(&mut pull);
        }
    }
    let Poll::Ready(pulled) = pulled else { panic!("the pull waits for the purge") };
    assert_eq!(pulled.unwrap().messages.len(), 1);
    assert!(poll(&mut purged).is_pending(), "one turn was enough for all");

    // And a lease that is extended by as much waits for nothing
    let extension = Extend { leases: vec![world.leased], visibility_timeout: None };
    let mut extended = store.extend(world.main, extension);
    assert!(poll(&mut extended).is_pending());
    inspect.write();
    let Poll::Ready(extended) = poll(&mut extended) else { panic!("the extension waits for the purge") };
    assert_eq!(extended.unwrap().leases, [ExtendOutcome::Extended]);
    inspect.release();
    wait(purged).unwrap();
    assert_eq!(wait(store.backlog(world.main)).unwrap().count, 0);
    assert_eq!(wait(store.backlog(world.dead)).unwrap().count, EXHAUSTED);
    inspect.check();
}

#[test]
fn an_extension_that_ends_its_leases_waits_for_the_verb_that_stops_the_failures_of_their_queue() {
    // Given a purge that waits until all that was exhausted before it has left
    let world = World::new();
    let (store, inspect) = (&world.store, world.store.inspect());
    let mut purged = store.purge(world.main);
    assert!(poll(&mut purged).is_pending());

    // When a lease gets no more time, so that its message may fail for the last time
    let extension = Extend { leases: vec![world.leased], visibility_timeout: Some(Milliseconds(0)) };
    let mut extended = store.extend(world.main, extension);
    assert!(poll(&mut extended).is_pending());

    // Then a turn is not enough for it, and the purge comes first
    inspect.write();
    assert!(poll(&mut extended).is_pending(), "the extension overtakes the purge");
    inspect.release();
    wait(purged).unwrap();
    assert_eq!(wait(extended).unwrap().leases, [ExtendOutcome::Gone]);
    inspect.check();
}
