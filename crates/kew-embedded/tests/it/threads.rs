//! The store with its threads: many ask at once, and each of them decides for the others.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use kew_embedded::{Embedded, Options};
use kew_journal::{Disk, Fault, OperationKind, SimDisk};
use kew_model::{
    AccountId, AckOutcome, Answer, Broker, Clock, ConsumerKind, ContentType, Error, Milliseconds,
    NewConsumer, NewQueue, Place, Pull, PullSettings, PushBatch, Pushed, QueueSettings, Settlement,
    Timestamp, Wake,
};
use kew_testkit::{FixedChance, ManualClock, wait};

use crate::gated::{Gate, GatedDisk};

const ASKERS: usize = 8;
const PUSHES: usize = 200;

pub(crate) fn open(disk: &SimDisk) -> Embedded {
    let options = Options { segment_bytes: 64 << 10, checkpoint_bytes: 32 << 10, ..Options::default() };
    open_with(Arc::new(disk.clone()), options)
}

pub(crate) fn open_with(disk: Arc<dyn Disk>, options: Options) -> Embedded {
    let chance = Arc::new(FixedChance::new(1));
    Embedded::open(disk, options, Arc::new(ManualClock::default()), chance).unwrap()
}

pub(crate) fn a_queue(store: &Embedded) -> Place {
    let account = wait(store.create_account(Some(AccountId([1; 16])), "one".to_owned())).unwrap();
    queue(store, account.id, "jobs", NewConsumer { kind: pulls(3), dead_letter_queue: None })
}

fn pulls(max_retries: u16) -> ConsumerKind {
    ConsumerKind::HttpPull(PullSettings { max_retries, ..PullSettings::default() })
}

fn queue(store: &Embedded, account: AccountId, name: &str, consumer: NewConsumer) -> Place {
    let queue = NewQueue {
        name: name.parse().unwrap(),
        id: None,
        jurisdiction: None,
        settings: QueueSettings::default(),
    };
    let place = Place { account, queue: wait(store.create_queue(account, queue)).unwrap().id };
    wait(store.create_consumer(place, consumer)).unwrap();
    place
}

/// Pulls until everything has come once, and acknowledges every other message.
fn take(store: &Embedded, place: Place, taken: &Mutex<BTreeSet<Vec<u8>>>) {
    while taken.lock().unwrap().len() < ASKERS * PUSHES {
        let pull = Pull { batch_size: Some(7), visibility_timeout: Some(Milliseconds(60_000)) };
        let pulled = wait(store.pull(place, pull)).unwrap();
        let mut settlement = Settlement::default();
        for (index, message) in pulled.messages.iter().enumerate() {
            assert_eq!(message.attempts, 1, "nobody else was given it");
            let is_new = taken.lock().unwrap().insert(pulled.body(message).to_vec());
            assert!(is_new, "a message came twice");
            if index % 2 == 0 {
                settlement.acks.push(message.lease);
            }
        }
        let settled = wait(store.settle(place, settlement)).unwrap();
        assert!(settled.acks.iter().all(|outcome| *outcome == AckOutcome::Acked), "{settled:?}");
    }
}

#[test]
fn many_who_ask_at_once_are_each_answered_rightly_and_a_power_cut_changes_nothing() {
    // Given a store with threads, small segments and frequent checkpoints
    let disk = SimDisk::new(3);
    let store = open(&disk);
    let place = a_queue(&store);
    let taken = Mutex::new(BTreeSet::new());
    let start = Barrier::new(2 * ASKERS);

    // When many push and many pull and acknowledge at once
    thread::scope(|scope| {
        for asker in 0..ASKERS {
            let (store, start, taken) = (&store, &start, &taken);
            scope.spawn(move || {
                start.wait();
                for number in 0..PUSHES {
                    let mut batch = PushBatch::new();
                    batch.add(format!("{asker}-{number}").as_bytes(), ContentType::Text, None).unwrap();
                    wait(store.push(place, batch)).unwrap();
                }
            });
            scope.spawn(move || {
                start.wait();
                take(store, place, taken);
            });
        }
    });

    // Then each message came once, and what was answered is what a power cut leaves
    let before = wait(store.backlog(place)).unwrap();
    assert!(before.count > 0 && before.count < (ASKERS * PUSHES) as u64);
    let cut = disk.fork(4);
    cut.power_cut(kew_journal::Loss::Everything);
    let after = wait(open(&cut).backlog(place)).unwrap();
    assert_eq!((after.count, after.bytes), (before.count, before.bytes));
}

pub(crate) fn one_message() -> PushBatch {
    let mut batch = PushBatch::new();
    batch.add(b"hello", ContentType::Text, None).unwrap();
    batch
}

#[test]
fn what_is_decided_and_waits_for_a_slow_sync_still_takes_room() {
    // Given room for some ten pushes, and a sync that does not come to its end
    let (disk, gate) = GatedDisk::new(SimDisk::new(5), "log/");
    let options = Options { segment_bytes: 64 << 10, inbox_bytes: 3_000, ..Options::default() };
    let store = open_with(Arc::new(disk), options);
    let place = a_queue(&store);
    gate.close();

    // When far more come
    let mut context = Context::from_waker(Waker::noop());
    let mut pushes: Vec<_> = (0..100).map(|_| store.push(place, one_message())).collect();
    let polled: Vec<_> = pushes.iter_mut().map(|push| push.as_mut().poll(&mut context)).collect();

    // Then those beyond are refused, and the others are done when the sync is
    let is_refused = |polled: &Poll<_>| matches!(polled, Poll::Ready(Err(Error::Overloaded)));
    let refused = polled.iter().filter(|polled| is_refused(polled)).count();
    assert!((85..100).contains(&refused), "{refused} of 100 were refused");
    assert!(polled.iter().all(|polled| polled.is_pending() || is_refused(polled)), "before its sync");
    gate.open();
    for (push, polled) in pushes.into_iter().zip(polled).filter(|(_, polled)| polled.is_pending()) {
        drop(polled);
        wait(push).unwrap();
    }
    assert_eq!(wait(store.backlog(place)).unwrap().count, (100 - refused) as u64);
}

/// Two pushes of which one is synced while what came before it is held up at the gate. What is held up may also be a mark of
/// the log's end; then both wait for that.
fn two_under_way<'a>(store: &'a Embedded, place: Place, gate: &Gate) -> [Answer<'a, Pushed>; 2] {
    let before = gate.passed();
    gate.close_to_one();
    let mut pushes = [store.push(place, one_message()), store.push(place, one_message())];
    for push in &mut pushes {
        assert!(push.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        gate.is_met();
    }
    gate.is_passed(before);
    pushes
}

#[test]
fn what_is_synced_before_what_came_first_is_answered_after_it() {
    // Given a sync that does not come to its end, and another that came later and does
    let (disk, gate) = GatedDisk::new(SimDisk::new(8), "log/");
    let store = open_with(Arc::new(disk), Options { segment_bytes: 1 << 20, ..Options::default() });
    let place = a_queue(&store);
    let mut pushes = two_under_way(&store, place, &gate);

    // Then nobody is answered before the first
    for _ in 0..1_000 {
        thread::yield_now();
        for push in &mut pushes {
            let polled = push.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "what came first is not safe");
        }
    }
    gate.open();
    let counts = pushes.map(|push| wait(push).unwrap().backlog.count);
    assert_eq!(counts, [1, 2]);
}

#[test]
fn a_failed_sync_fails_what_was_synced_beside_it() {
    // Given two pushes on their way to the disk, of which one is synced
    let disk = SimDisk::new(9);
    let (gated, gate) = GatedDisk::new(disk.clone(), "log/");
    let store = open_with(Arc::new(gated), Options { segment_bytes: 1 << 20, ..Options::default() });
    let place = a_queue(&store);
    let pushes = two_under_way(&store, place, &gate);

    // When those fail that are still to come
    let done = disk.calls(OperationKind::Sync);
    (1..=8).for_each(|nth| disk.fail(OperationKind::Sync, done + nth, Fault::Error(ErrorKind::Other)));
    gate.open();

    // Then nobody is told that theirs is safe
    for push in pushes {
        assert!(matches!(wait(push), Err(Error::OutcomeUnknown { .. })));
    }
}

#[test]
fn pushes_are_answered_while_a_checkpoint_is_written() {
    // Given a checkpoint whose sync does not come to its end
    let (disk, gate) = GatedDisk::new(SimDisk::new(6), "checkpoint/");
    let options = Options { segment_bytes: 64 << 10, checkpoint_bytes: 4 << 10, ..Options::default() };
    let store = open_with(Arc::new(disk), options);
    let place = a_queue(&store);
    gate.close();

    // When more is pushed than makes one due
    let (done, answered) = mpsc::sync_channel(1);
    let pushing = store.clone();
    let pusher = thread::spawn(move || {
        for _ in 0..100 {
            wait(pushing.push(place, one_message())).unwrap();
        }
        done.send(()).unwrap();
    });
    gate.is_met();

    // Then all of it is answered before it is written
    let is_answered = answered.recv_timeout(Duration::from_secs(60));
    gate.open();
    pusher.join().unwrap();
    assert_eq!(is_answered, Ok(()));
}

/// A clock that the writer reads, and then waits before it looks at what it read.
struct SlowlyRead {
    clock: ManualClock,
    gate: Gate,
}

impl Clock for SlowlyRead {
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        if thread::current().name() == Some("kew-writer") {
            self.gate.pass();
        }
        now
    }

    fn on_jump(&self, wake: Wake) {
        self.clock.on_jump(wake);
    }
}

#[test]
fn a_verb_that_comes_when_the_writer_has_looked_at_the_clock_is_decided_at_its_own_time() {
    // Given a queue whose messages fail for good at the first end of a lease
    let clock = Arc::new(SlowlyRead { clock: ManualClock::default(), gate: Gate::default() });
    let options = Options { segment_bytes: 1 << 20, ..Options::default() };
    let disk = Arc::new(SimDisk::new(7));
    let store = Embedded::open(disk, options, clock.clone(), Arc::new(FixedChance::new(1))).unwrap();
    let dead = a_queue(&store);
    let once = NewConsumer { kind: pulls(0), dead_letter_queue: Some("jobs".parse().unwrap()) };
    let place = queue(&store, dead.account, "once", once);
    for round in 1..=20 {
        wait(store.push(place, one_message())).unwrap();
        let pull = Pull { batch_size: None, visibility_timeout: Some(Milliseconds(1_000)) };
        assert_eq!(wait(store.pull(place, pull)).unwrap().messages.len(), 1);

        // When the writer knows the time from before that end, and a verb comes after it
        clock.gate.close();
        clock.clock.advance(Milliseconds(0));
        clock.gate.is_met();
        clock.clock.advance(Milliseconds(60_000));
        let mut push = store.push(dead, one_message());
        let polled = push.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        clock.gate.open();
        let pushed = match polled {
            Poll::Ready(pushed) => pushed,
            Poll::Pending => wait(push),
        };

        // Then the message that failed before it came is there
        assert_eq!(pushed.unwrap().backlog.count, 2 * round);
    }
}
