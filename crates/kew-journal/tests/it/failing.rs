//! Single calls that fail: each call of each kind, one at a time.

use std::io;

use kew_journal::{Fault, Loss, OperationKind, SimDisk};

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
    Op::CommitTwo(3),
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
        for fault in
            [Fault::Error(io::ErrorKind::Other), Fault::Error(io::ErrorKind::StorageFull), Fault::ShortWrite]
        {
            if fault == Fault::ShortWrite && kind != OperationKind::Write {
                continue;
            }
            failures += (1..).take_while(|&nth| survives(kind, nth, fault)).count();
        }
    }
    assert!(failures > 200, "{failures} calls failed");
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
