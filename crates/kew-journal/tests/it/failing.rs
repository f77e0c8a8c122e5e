//! Single calls that fail: each call of each kind, one at a time.

use std::io;

use kew_journal::{Disk, Fault, Loss, OperationKind, RealDisk, SimDisk, Space, Step};

use crate::counted;
use crate::world::{End, Ledger, Op, World, options};

const SCRIPT: [Op; 24] = [
    Op::Stage(100),
    Op::Commit,
    Op::Prepare,
    Op::Stage(30_000),
    Op::CommitTwo(20_000),
    Op::Prepare,
    Op::Prepare,
    Op::Prepare,
    Op::Mark,
    Op::Stage(30_000),
    Op::Checkpoint,
    Op::Prepare,
    Op::Prepare,
    Op::Stage(40_000),
    Op::CommitCrossed(3),
    Op::Prepare,
    Op::Prepare,
    Op::Checkpoint,
    Op::Checkpoint,
    Op::Retire { keep: 1 },
    Op::Prepare,
    Op::Stage(50_000),
    Op::Commit,
    Op::Reopen,
];

/// Runs the script with one failing call. False when there are fewer calls.
fn survives(kind: OperationKind, nth: u64, fault: Fault) -> bool {
    let context = format!("{kind:?} {nth}, {fault:?}");
    let mut world = World::new(SimDisk::new(nth), options(), Ledger::default());
    world.disk.fail(kind, nth, fault);
    let done = world.open().and_then(|_| world.run_all(&SCRIPT));
    if let Err(end) = &done {
        assert!(matches!(end, End::Failed(_)), "{context}: {end}");
    }
    let reached = world.disk.calls(kind) >= nth;
    for (index, loss) in [Loss::Everything, Loss::Nothing, Loss::Random].into_iter().enumerate() {
        let disk = world.disk.fork(nth * 10 + index as u64);
        disk.power_cut(loss);
        let mut next = World::new(disk, options(), world.ledger.clone());
        let after = next.open().and_then(|_| next.run_all(&[Op::Stage(9), Op::Commit, Op::Reopen]));
        after.unwrap_or_else(|end| panic!("{context}, {loss:?}: {end}"));
    }
    reached
}

#[test]
fn every_call_may_fail_and_nothing_promised_is_lost() {
    let mut failures = 0;
    for kind in OperationKind::ALL {
        for fault in [
            Fault::Error(io::ErrorKind::Other),
            Fault::Error(io::ErrorKind::StorageFull),
            Fault::ShortWrite,
            Fault::WriteBack,
        ] {
            if matches!(fault, Fault::ShortWrite | Fault::WriteBack) && kind != OperationKind::Write {
                continue;
            }
            failures += (1..).take_while(|&nth| survives(kind, nth, fault)).count();
        }
    }
    assert!(failures > 200, "{failures} calls failed");
    counted(failures as u64, "calls of the disk that fail, each once in each way: the log");
}

#[test]
fn a_failed_sync_is_never_tried_again() {
    let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
    world.open().unwrap();
    world.run_all(&[Op::Stage(10), Op::Commit, Op::Stage(10)]).unwrap();
    let syncs = world.disk.calls(OperationKind::Sync);
    world.disk.fail(OperationKind::Sync, syncs + 1, Fault::Error(io::ErrorKind::Other));

    assert!(matches!(world.run(Op::Commit), Err(End::Failed(_))));
    assert!(matches!(world.run(Op::Prepare), Err(End::Failed(_))));

    assert_eq!(world.disk.calls(OperationKind::Sync), syncs + 1);
}

#[test]
fn a_full_volume_stops_preparing_but_not_the_journal() {
    let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
    world.open().unwrap();
    world.run_all(&[Op::Stage(10), Op::Commit]).unwrap();
    for nth in world.disk.calls(OperationKind::Write) + 1..=world.disk.calls(OperationKind::Write) + 3 {
        world.disk.fail(OperationKind::Write, nth, Fault::Error(io::ErrorKind::StorageFull));
    }

    world.run_all(&[Op::Prepare; 3]).unwrap();

    world.run_all(&[Op::Stage(10), Op::Commit, Op::Reopen]).unwrap();
}

#[test]
fn on_a_full_volume_files_written_ahead_make_room_for_the_logs_tail() {
    // Given a killed process whose last group is in doubt, and a segment that was made ready and not used yet
    let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
    world.open().unwrap();
    world
        .run_all(&[Op::Stage(30_000), Op::Commit, Op::Prepare, Op::Prepare, Op::Stage(99), Op::Commit])
        .unwrap();
    world.disk.kill();
    let segments = |disk: &SimDisk| {
        disk.file_names().into_iter().filter(|name| name.starts_with("log/")).collect::<Vec<_>>()
    };
    let before = segments(&world.disk);
    assert_eq!(before, ["log/0000000000000001.seg", "log/0000000000000002.seg"]);
    // And a draft that an earlier start could not finish
    let draft = world.disk.create("log/0000000000000003.tmp").unwrap();
    draft.write_at(&[io::IoSlice::new(&[1; 5000])], 0).unwrap();

    // When it is started where nothing is free, and the copy of the group finds no space even so
    world.disk.set_space(Space { free_bytes: 0, total_bytes: 1 << 30 });
    let mut full = World::new(world.disk.fork(2), options(), world.ledger.clone());
    full.disk.fail(OperationKind::Write, 1, Fault::Error(io::ErrorKind::StorageFull));
    assert!(matches!(full.open(), Err(End::Failed(_))));

    // Then what was not needed had made room for it, and the log is as it was
    assert_eq!(segments(&full.disk), ["log/0000000000000001.seg", "log/0000000000000004.tmp"]);

    // And with space the next start goes on, under an id that no file ever had
    full.open().unwrap();
    assert_eq!(segments(&full.disk), ["log/0000000000000001.seg", "log/0000000000000005.seg"]);

    // And where there is space from the beginning, nothing is given up before the log was judged
    world.disk.set_space(Space { free_bytes: 1 << 30, total_bytes: 1 << 30 });
    world.disk.fail(OperationKind::Write, world.disk.calls(OperationKind::Write) + 1, Fault::ShortWrite);
    assert!(matches!(world.open(), Err(End::Failed(_))));
    assert!(segments(&world.disk).contains(&"log/0000000000000002.seg".to_owned()));
}

#[test]
fn a_process_out_of_files_prepares_later() {
    for code in [24, 23] {
        // Given a journal whose next segment is wanted, and a process that may open no more files
        let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
        world.open().unwrap();
        let step = |world: &mut World| world.preparer().step().unwrap();
        world.run_all(&[Op::Stage(30_000), Op::Commit]).unwrap();
        let creates = world.disk.calls(OperationKind::Create);
        world.disk.fail(OperationKind::Create, creates + 1, Fault::Code(code));

        // When the preparer tries, then it says so, and the journal goes on
        assert_eq!(step(&mut world), Step::NoFiles);
        world.run_all(&[Op::Stage(10), Op::Commit]).unwrap();

        // And later it does its work
        assert_eq!(step(&mut world), Step::Worked);
        assert_eq!(world.disk.calls(OperationKind::Create), creates + 2);
        world.run_all(&[Op::Stage(50_000), Op::Commit, Op::Reopen]).unwrap();
    }
}

#[test]
fn a_preparer_that_panics_holds_up_no_commit() {
    // Given a preparer that panics while it fills blocks in front of the committer
    let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
    world.open().unwrap();
    world.run_all(&[Op::Stage(10), Op::Commit]).unwrap();
    world.disk.fail(OperationKind::Write, world.disk.calls(OperationKind::Write) + 1, Fault::Panic);
    let preparer = world.preparer();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| preparer.step()));
    assert!(panicked.is_err());

    // When something is committed to those blocks, then it is durable
    world.run_all(&[Op::Stage(30_000), Op::Commit]).unwrap();
    world.run(Op::Reopen).unwrap();
}

#[test]
fn a_folder_that_was_synced_before_needs_no_further_file() {
    // Given a folder of the real disk that was synced, and whose name has gone since, so that it cannot be opened
    let folder = tempfile::tempdir().unwrap();
    let disk = RealDisk::new(folder.path());
    disk.create_folder("log").unwrap();
    disk.sync_folder("log").unwrap();
    std::fs::remove_dir(folder.path().join("log")).unwrap();

    // When it is synced again, then by the handle that is open
    disk.sync_folder("log").unwrap();
}
