//! A store that fails says so: to whoever waits, to whoever asks later, and to the process.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use kew_embedded::{Embedded, Options};
use kew_journal::{Fault, OperationKind, SimDisk};
use kew_model::{AccountId, Broker, Chance, ContentType, Error, NewQueue, Place, PushBatch, QueueSettings};
use kew_testkit::{FixedChance, ManualClock, wait};

use crate::workload::open;

/// Chance that gives out when told to.
struct Brittle {
    chance: FixedChance,
    broken: AtomicBool,
}

impl Chance for Brittle {
    fn fill(&self, bytes: &mut [u8]) {
        assert!(!self.broken.load(Ordering::SeqCst), "out of chance");
        self.chance.fill(bytes);
    }
}

fn store(disk: &SimDisk) -> (Embedded, Place, Arc<Brittle>) {
    let chance = Arc::new(Brittle { chance: FixedChance::new(1), broken: AtomicBool::new(false) });
    let options = Options { segment_bytes: 64 << 10, ..Options::default() };
    let clock = Arc::new(ManualClock::default());
    let store = Embedded::open(Arc::new(disk.clone()), options, clock, chance.clone()).unwrap();
    let place = a_queue(&store);
    (store, place, chance)
}

fn a_queue(store: &Embedded) -> Place {
    let account = wait(store.create_account(Some(AccountId([1; 16])), "one".to_owned())).unwrap();
    let queue = NewQueue {
        name: "jobs".parse().unwrap(),
        id: None,
        jurisdiction: None,
        settings: QueueSettings::default(),
    };
    let queue = wait(store.create_queue(account.id, queue)).unwrap();
    Place { account: account.id, queue: queue.id }
}

fn one_message() -> PushBatch {
    let mut batch = PushBatch::new();
    batch.add(b"hello", ContentType::Text, None).unwrap();
    batch
}

/// Whatever failed, this holds from then on.
fn assert_failed(store: &Embedded, place: Place) {
    assert!(!wait(store.failure()).is_empty(), "the process is told why");
    let later = wait(store.push(place, one_message()));
    assert!(matches!(later, Err(Error::OutcomeUnknown { .. })), "{later:?}");
    let closed = wait(store.close());
    assert!(matches!(closed, Err(Error::OutcomeUnknown { .. })), "{closed:?}");
}

#[test]
fn after_a_failed_sync_the_outcome_is_unknown_and_the_store_ends() {
    let disk = SimDisk::new(1);
    let (store, place, _) = store(&disk);
    disk.fail(OperationKind::Sync, disk.calls(OperationKind::Sync) + 1, Fault::Error(ErrorKind::Other));

    let pushed = wait(store.push(place, one_message()));

    assert!(matches!(pushed, Err(Error::OutcomeUnknown { .. })), "{pushed:?}");
    assert_failed(&store, place);
}

#[test]
fn a_store_in_which_nothing_happens_fails_when_its_log_does() {
    // Given a store without threads, whose next segment cannot be made once a push calls for it
    let disk = SimDisk::new(1);
    let options = Options { segment_bytes: 64 << 10, reserve_bytes: Some(0), ..Options::default() };
    let store = open(&disk, &options, &Arc::new(ManualClock::default()), 1).unwrap();
    let place = a_queue(&store);
    let next = disk.calls(OperationKind::Create) + 1;
    disk.fail(OperationKind::Create, next, Fault::Error(ErrorKind::PermissionDenied));
    let mut batch = PushBatch::new();
    batch.add(&[b'x'; 30_000], ContentType::Bytes, None).unwrap();

    // When the push was answered and nobody asks for anything more
    wait(store.push(place, batch)).unwrap();

    // Then the process is told all the same
    let mut failure = Box::pin(store.failure());
    let told = failure.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(&told, Poll::Ready(cause) if cause.starts_with("create log/")), "{told:?}");
    assert_failed(&store, place);
}

#[test]
fn a_store_that_is_closed_on_a_full_disk_is_closed_all_the_same() {
    // Given a store with a message, on a disk that has no space for the last checkpoint
    let disk = SimDisk::new(1);
    let (store, place, _) = store(&disk);
    wait(store.push(place, one_message())).unwrap();
    let next = disk.calls(OperationKind::Create) + 1;
    disk.fail(OperationKind::Create, next, Fault::Error(ErrorKind::StorageFull));

    // When it is closed, then that is no failure, and nothing is lost
    wait(store.close()).unwrap();
    assert!(disk.calls(OperationKind::Create) >= next, "the checkpoint was tried");
    drop(store);
    let again = open(&disk, &Options::default(), &Arc::new(ManualClock::default()), 2).unwrap();
    assert_eq!(wait(again.backlog(place)).unwrap().count, 1);
}

#[test]
fn after_a_panic_of_the_writer_nobody_waits_for_ever() {
    let disk = SimDisk::new(1);
    let (store, place, chance) = store(&disk);
    chance.broken.store(true, Ordering::SeqCst);

    let pushed = wait(store.push(place, one_message()));

    assert!(matches!(pushed, Err(Error::OutcomeUnknown { .. })), "{pushed:?}");
    assert_failed(&store, place);
}
