//! A disk that gives other bytes once, and the right ones when it is asked again.

use kew_journal::{Fault, Loss, OperationKind, SimDisk};

use crate::world::{End, Ledger, Op, World, options};

/// Payloads in several segments and behind a checkpoint, of which the last group is in doubt after a kill.
const SCRIPT: [Op; 10] = [
    Op::Stage(200),
    Op::Commit,
    Op::Stage(30_000),
    Op::Checkpoint,
    Op::Stage(40_000),
    Op::CommitTwo(300),
    Op::Stage(9_000),
    Op::CommitTwo(8_000),
    Op::Stage(700),
    Op::CommitTwo(90),
];

/// A store that nobody has open, and what it promised.
fn written(has_mark: bool) -> (SimDisk, Ledger) {
    let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
    world.open().unwrap();
    world.run_all(&SCRIPT).unwrap();
    if has_mark {
        world.run_all(&[Op::Mark, Op::Commit]).unwrap();
        world.disk.power_cut(Loss::Everything);
    } else {
        world.disk.kill();
    }
    let mut ledger = world.ledger;
    if !has_mark {
        // The last two groups, which were under way at once, are called durable by nothing.
        ledger.promise_less(2);
    }
    // A checkpoint that was misread is passed over for the one before.
    ledger.forget_checkpoints();
    (world.disk, ledger)
}

/// Opens a store of which one read is wrong: none when there are fewer, or else whether it was opened.
fn opens((disk, ledger): &(SimDisk, Ledger), nth: u64, seed: u64) -> Option<bool> {
    let mut world = World::new(disk.fork(seed), options(), ledger.clone());
    world.disk.fail(OperationKind::Read, nth, Fault::Misread);
    let opened = world.open();
    let reached = world.disk.calls(OperationKind::Read) >= nth;
    let is_open = match opened {
        Ok(_) => true,
        Err(End::Damaged(_)) => false,
        Err(end) => panic!("read {nth}, seed {seed}: {end}"),
    };
    // Whatever it came to, nothing that was promised is lost for whoever reads the right bytes.
    world.disk.kill();
    let mut next = World::new(world.disk, options(), ledger.clone());
    let after = next.open().and_then(|_| next.run_all(&[Op::Stage(9), Op::Commit, Op::Reopen]));
    after.unwrap_or_else(|end| panic!("after read {nth}, seed {seed}: {end}"));
    reached.then_some(is_open)
}

#[test]
fn a_read_that_is_wrong_once_makes_a_start_fail_or_changes_nothing() {
    for has_mark in [true, false] {
        let store = written(has_mark);
        let (mut opened, mut refused) = (0, 0);
        for seed in 1..=100 {
            for is_open in (1..).map_while(|nth| opens(&store, nth, seed)) {
                *(if is_open { &mut opened } else { &mut refused }) += 1;
            }
        }
        assert!(opened > 100 && refused > 100, "{opened} opened, {refused} refused");
    }
}
