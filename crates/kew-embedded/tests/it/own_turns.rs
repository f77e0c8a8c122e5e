//! Whoever asks alone makes durable what it brought, on its own thread, where syncs are swift.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::future::Future as _;
use std::io::ErrorKind;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;

use kew_embedded::{Embedded, Options};
use kew_journal::{Fault, OperationKind, SimDisk};
use kew_model::{Broker, Error, Place, Pull, Settlement};
use kew_testkit::wait;
use tokio::runtime::{Builder, Runtime};

use crate::gated::{Gate, GatedDisk};
use crate::threads::{a_queue, one_message, open, open_with};

/// In so many pushes a swift sync is met, however busy the machine is.
const PUSHES_MOST: usize = 10_000;

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// Pushes as a task of this thread's runtime until it has synced a push by itself; how often.
fn push_until_synced_here(runtime: &Runtime, store: &Embedded, place: Place, gate: &Gate) -> usize {
    for pushes in 1..=PUSHES_MOST {
        let passed = gate.passed();
        push(runtime, store, place).unwrap();
        // The log's end is marked by others, and may be meanwhile.
        if gate.passed() > passed && gate.was_passed_here() {
            return pushes;
        }
    }
    panic!("only the store's own threads sync");
}

fn push(runtime: &Runtime, store: &Embedded, place: Place) -> Result<(), Error> {
    let store = store.clone();
    let task = runtime.spawn(async move { store.push(place, one_message()).await.map(drop) });
    runtime.block_on(task).unwrap()
}

#[test]
fn a_lone_asker_syncs_on_its_own_thread_and_what_it_was_answered_survives() {
    // Given a store whose syncs tell who comes
    let disk = SimDisk::new(1);
    let (gated, gate) = GatedDisk::new(disk.clone(), "log/");
    let store = open_with(Arc::new(gated), Options::default());
    let place = a_queue(&store);

    // When one task pushes again and again
    let pushes = push_until_synced_here(&runtime(), &store, place, &gate);

    // Then it has synced by itself, and a power cut takes nothing of it
    let cut = disk.fork(2);
    cut.power_cut(kew_journal::Loss::Everything);
    assert_eq!(wait(open(&cut).backlog(place)).unwrap().count, pushes as u64);
}

#[test]
fn the_logs_end_is_marked_though_no_writer_was_woken_for_the_last_push() {
    let (gated, gate) = GatedDisk::new(SimDisk::new(1), "log/");
    let store = open_with(Arc::new(gated), Options::default());
    let place = a_queue(&store);

    for _ in 0..3 {
        // When the last push was made durable by whoever asked, and nothing comes any more
        push_until_synced_here(&runtime(), &store, place, &gate);

        // Then a writer comes and marks the log's end
        gate.is_passed_elsewhere();
    }
}

#[test]
fn a_sync_that_fails_or_panics_on_the_askers_thread_ends_the_store_and_nothing_else() {
    for fault in [Fault::Error(ErrorKind::Other), Fault::Panic] {
        // Given an asker that syncs by itself
        let disk = SimDisk::new(1);
        let (gated, gate) = GatedDisk::new(disk.clone(), "log/");
        let store = open_with(Arc::new(gated), Options::default());
        let place = a_queue(&store);
        let runtime = runtime();
        push_until_synced_here(&runtime, &store, place, &gate);

        // When the disk fails
        let syncs = disk.calls(OperationKind::Sync);
        (1..=8).for_each(|next| disk.fail(OperationKind::Sync, syncs + next, fault));
        let failed = (0..8).find_map(|_| push(&runtime, &store, place).err());

        // Then whoever asked learns that the outcome is unknown, and so does everybody from then on
        assert!(matches!(failed, Some(Error::OutcomeUnknown { .. })), "{failed:?}");
        assert!(matches!(push(&runtime, &store, place), Err(Error::OutcomeUnknown { .. })));
        assert!(wait(store.close()).is_err());
    }
}

#[test]
fn a_close_holds_up_nobody_who_was_answered() {
    // Given an asker that is about to sync by itself, and a checkpoint that would take for ever
    let (gated, gate) = GatedDisk::new(SimDisk::new(1), "log/");
    let (gated, checkpoints) = gated.and("checkpoint/");
    let store = open_with(Arc::new(gated), Options::default());
    let place = a_queue(&store);
    let runtime = runtime();
    push_until_synced_here(&runtime, &store, place, &gate);
    checkpoints.close();

    // When a writer closes the store meanwhile
    gate.close();
    thread::scope(|scope| {
        let closing = scope.spawn(|| {
            gate.is_met();
            let mut closed = Box::pin(store.close());
            assert!(closed.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            gate.open();
            wait(closed)
        });

        // Then whoever asked goes on before the close is through
        push(&runtime, &store, place).unwrap();
        checkpoints.open();
        closing.join().unwrap().unwrap();
    });
}

#[test]
fn askers_of_several_runtimes_leave_nothing_to_each_other() {
    let store = open(&SimDisk::new(1));
    let place = a_queue(&store);

    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let runtime = runtime();
                let store = store.clone();
                let task = runtime.spawn(async move {
                    for _ in 0..300 {
                        store.push(place, one_message()).await.unwrap();
                        let pulled = store.pull(place, Pull::default()).await.unwrap();
                        let acks = pulled.messages.iter().map(|message| message.lease).collect();
                        store.settle(place, Settlement { acks, ..Settlement::default() }).await.unwrap();
                    }
                });
                runtime.block_on(task).unwrap();
            });
        }
    });

    assert_eq!(wait(store.backlog(place)).unwrap().count, 0);
}
