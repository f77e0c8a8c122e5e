//! A copy of a store that goes on: it is the store as it was, whatever became of the original since.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use kew_embedded::check::check;
use kew_embedded::{BackupError, Embedded, Options};
use kew_journal::{Fault, OperationKind, SimDisk};
use kew_model::Broker;
use kew_testkit::{ManualClock, wait};

use crate::workload::{Temper, Workload, open};

/// Small segments and many checkpoints, so that what is copied would long be freed and used again.
fn options() -> Options {
    Options {
        segment_bytes: 64 << 10,
        window_bytes: 4_000,
        checkpoint_bytes: 30_000,
        cleaning_slack_bytes: 0,
        reserve_bytes: Some(0),
        ..Options::default()
    }
}

const RICH: Temper = Temper { body_bytes: 900, bodies_vary: true, batch: 6, pushes: 4, common: 6 };

/// A store after some verbs.
fn begun(seed: u64, verbs: usize) -> (SimDisk, Arc<ManualClock>, Workload) {
    let disk = SimDisk::new(seed);
    let clock = Arc::new(ManualClock::default());
    let store = open(&disk, &options(), &clock, seed).unwrap();
    let mut workload = Workload::new(store, Arc::clone(&clock), seed, RICH);
    workload.prepare().unwrap();
    (0..verbs).for_each(|_| workload.step().unwrap());
    (disk, clock, workload)
}

/// Opens the copy and holds it against the state that was copied.
fn assert_is_copy(copy: &SimDisk, clock: &Arc<ManualClock>, copied: (kew_journal::Lsn, u64)) -> Embedded {
    let report = check(Arc::new(copy.clone()), &mut |_, _, _| {}).unwrap();
    assert!(report.is_whole(), "{report:#?}");
    let store = open(copy, &options(), clock, 9).unwrap();
    assert_eq!(store.inspect().digest(), copied);
    store.inspect().check();
    store
}

#[test]
fn a_copy_is_the_store_as_it_was_however_late_it_is_made() {
    let mut was_freed = false;
    for (seed, verbs) in [(1, 0), (2, 1), (3, 40), (4, 200), (5, 330)] {
        // Given a snapshot of a store
        let (disk, clock, mut workload) = begun(seed, verbs);
        let snapshot = wait(workload.store.snapshot()).unwrap();
        let copied = workload.store.inspect().digest();
        assert_eq!(snapshot.last_lsn(), copied.0);
        let before = disk.file_names();

        // When the store goes on, through many segments and checkpoints, before it is copied
        (0..300).for_each(|_| workload.step().unwrap());
        let target = SimDisk::new(seed + 100);
        let mut told = 0;
        snapshot
            .copy_to(&target, &mut |bytes| {
                told = bytes;
                true
            })
            .unwrap();
        drop(snapshot);

        // Then the copy is what the store was, and goes on by itself
        assert!(told > 0);
        let copy = assert_is_copy(&target, &clock, copied);
        let mut workload_of_copy = Workload::new(copy, Arc::clone(&clock), seed + 1, RICH);
        (0..50).for_each(|_| workload_of_copy.step().unwrap());
        // And what was kept for it is freed in its time
        (0..300).for_each(|_| workload.step().unwrap());
        let after = disk.file_names();
        was_freed |= before.iter().any(|name| name.ends_with(".seg") && !after.contains(name));
    }
    assert!(was_freed, "no segment of a snapshot was ever freed");
}

#[test]
fn a_copy_that_breaks_off_is_no_store() {
    let (_, _, workload) = begun(7, 150);
    let snapshot = wait(workload.store.snapshot()).unwrap();
    let whole = SimDisk::new(1);
    snapshot.copy_to(&whole, &mut |_| true).unwrap();
    for kind in [OperationKind::Write, OperationKind::Sync, OperationKind::Create, OperationKind::SyncFolder]
    {
        for call in 1..=whole.calls(kind) {
            let target = SimDisk::new(1);
            target.fail(kind, call, Fault::Error(std::io::ErrorKind::StorageFull));

            let copied = snapshot.copy_to(&target, &mut |_| true);

            assert!(copied.is_err(), "{kind:?} {call}");
            // What a cut leaves of it is refused, unless the very last sync of its name was all that failed.
            target.power_cut(kew_journal::Loss::Everything);
            let looked = check(Arc::new(target), &mut |_, _, _| {});
            assert!(!looked.is_ok_and(|report| report.is_whole()), "{kind:?} {call}");
        }
    }
    assert!(
        snapshot.copy_to(&whole, &mut |_| true).is_err(),
        "a folder that holds something is not written to"
    );
    assert!(snapshot.copy_to(&SimDisk::new(1), &mut |_| false).is_err(), "it can be called off");
}

#[test]
fn a_damaged_store_is_not_copied() {
    let (disk, _, workload) = begun(5, 300);
    let name = disk.file_names().into_iter().find(|name| name.ends_with(".seg")).unwrap();
    let mut bytes = disk.contents(&name).unwrap();
    bytes[5_000] ^= 1;
    disk.overwrite(&name, &bytes);

    let snapshot = wait(workload.store.snapshot()).unwrap();
    let refused = snapshot.copy_to(&SimDisk::new(1), &mut |_| true);

    assert!(matches!(&refused, Err(kew_journal::Error::Damage { file, .. }) if *file == name), "{refused:?}");
}

#[test]
fn a_store_that_is_closed_is_not_copied() {
    let (_, _, workload) = begun(1, 3);
    wait(workload.store.close()).unwrap();

    assert!(matches!(wait(workload.store.snapshot()), Err(BackupError::Closed)));
}
