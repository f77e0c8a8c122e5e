//! One script, stopped at every single step, with every kind of loss, also in the middle of recovery.

use kew_journal::{Loss, SimDisk, Space};

use crate::counted;
use crate::world::{End, Ledger, Op, World, options};

/// Goes through growing and recycled segments, two groups under way at once, marks, checkpoints, retirement, a payload
/// that fills a segment, and a proper close.
const SCRIPT: [Op; 46] = [
    Op::Stage(100),
    Op::Commit,
    Op::Prepare,
    Op::Stage(3000),
    Op::CommitTwo(20_000),
    Op::Mark,
    Op::Commit,
    Op::Prepare,
    Op::Prepare,
    Op::Stage(30_000),
    Op::Prepare,
    Op::Commit,
    Op::Prepare,
    Op::Prepare,
    Op::Stage(20_000),
    Op::CommitCrossed(10),
    Op::Checkpoint,
    Op::Stage(40_000),
    Op::Stage(40_000),
    Op::CommitTwo(40_000),
    Op::Retire { keep: 2 },
    Op::Mark,
    Op::Commit,
    Op::Prepare,
    Op::Prepare,
    Op::Stage(70_000),
    Op::Commit,
    Op::Checkpoint,
    Op::Retire { keep: 1 },
    Op::Prepare,
    Op::Stage(500),
    Op::Commit,
    Op::Reopen,
    Op::Stage(500),
    Op::Stage(0),
    Op::CommitCrossed(500),
    Op::Prepare,
    Op::Prepare,
    Op::Stage(60_000),
    Op::Commit,
    Op::Checkpoint,
    Op::Retire { keep: 1 },
    Op::Stage(60_000),
    Op::CommitCrossed(1),
    Op::Reopen,
    Op::Reopen,
];

const LOSSES: [Loss; 6] =
    [Loss::Everything, Loss::Nothing, Loss::Torn, Loss::Random, Loss::Random, Loss::Random];

/// Life goes on after a crash: what is written now must not mix with what was there.
const AFTERMATH: [Op; 5] = [Op::Stage(500), Op::Commit, Op::Stage(30_000), Op::CommitCrossed(9), Op::Mark];

fn must(done: Result<(), End>, context: &str) {
    if let Err(end) = done {
        panic!("{context}: {end}");
    }
}

/// A world that ran the script until its process was stopped at a step.
fn stopped_at(step: u64) -> Option<World> {
    let mut world = World::new(SimDisk::new(step), options(), Ledger::default());
    world.disk.stop_at(step);
    let done = world.open().and_then(|_| world.run_all(&SCRIPT));
    match done {
        Ok(()) => None,
        Err(end) if end.is_excused_by(&world.disk) => Some(world),
        Err(end) => panic!("step {step}: {end}"),
    }
}

fn recovers(disk: SimDisk, ledger: &Ledger, context: &str) {
    let mut world = World::new(disk, options(), ledger.clone());
    must(world.open().map(drop), context);
    must(world.run_all(&AFTERMATH), context);
    world.disk.power_cut(Loss::Random);
    must(world.open().map(drop), context);
}

#[test]
fn the_script_goes_through_recycled_segments() {
    let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
    let mut spares = Vec::new();
    world.open().unwrap();
    for op in SCRIPT {
        world.run(op).unwrap();
        spares.push(world.disk.file_names().iter().filter(|name| name.ends_with(".spare")).count());
    }
    assert!(spares.windows(2).any(|pair| pair[1] < pair[0]), "a spare was used: {spares:?}");
}

#[test]
fn nothing_promised_is_lost_at_any_step_with_any_loss() {
    let mut steps = 0;
    while let Some(world) = stopped_at(steps + 1) {
        steps += 1;
        for (index, loss) in LOSSES.into_iter().enumerate() {
            let context = format!("step {steps}, {loss:?} {index}");
            // When the power is cut there.
            let disk = world.disk.fork(steps * 100 + index as u64);
            disk.power_cut(loss);
            recovers(disk, &world.ledger, &context);
            // When the process is killed there, another serves for a moment, and then the power is cut.
            let disk = world.disk.fork(steps * 100 + 50 + index as u64);
            let mut next = World::new(disk, options(), world.ledger.clone());
            must(next.open().map(drop), &context);
            next.disk.power_cut(loss);
            recovers(next.disk.clone(), &next.ledger, &format!("{context}, killed first"));
        }
    }
    assert!(steps > 120, "the script has {steps} steps");
    let crashes = steps * LOSSES.len() as u64 * 5;
    counted(crashes, "crashes of the simulated disk: the log, at every step of a script");
}

#[test]
fn recovery_may_be_stopped_at_any_step_any_number_of_times() {
    let mut stops = 0;
    for step in 1.. {
        let Some(world) = stopped_at(step) else { break };
        for (index, loss) in [None, Some(Loss::Everything), Some(Loss::Random)].into_iter().enumerate() {
            let crashed = world.disk.fork(step * 10 + index as u64);
            loss.inspect(|loss| crashed.power_cut(*loss));
            for recovery_step in 1.. {
                let disk = crashed.fork(step * 1000 + recovery_step);
                // Given a recovery that is stopped, and another one after it that is stopped as well.
                let mut again = World::new(disk, options(), world.ledger.clone());
                again.disk.stop_at(recovery_step);
                if again.open().is_ok() {
                    break;
                }
                again.disk.power_cut(Loss::Random);
                again.disk.stop_at(again.disk.steps() + recovery_step.div_ceil(2));
                if let Err(end) = again.open() {
                    assert!(end.is_excused_by(&again.disk), "step {step}/{recovery_step}: {end}");
                }
                again.disk.power_cut(Loss::Random);
                recovers(
                    again.disk.clone(),
                    &again.ledger,
                    &format!("step {step}/{recovery_step}, {loss:?}"),
                );
                stops += 1;
            }
        }
    }
    assert!(stops > 2000, "{stops} recoveries were stopped");
    counted(stops * 3, "crashes of the simulated disk: the log, at every step of a recovery");
}

/// What the short scripts are made of.
const ALPHABET: [Op; 10] = [
    Op::Stage(600),
    Op::Commit,
    Op::CommitTwo(600),
    Op::CommitCrossed(600),
    Op::CommitCrossed(50_000),
    Op::Mark,
    Op::Checkpoint,
    Op::Retire { keep: 1 },
    Op::Prepare,
    Op::Reopen,
];

#[test]
fn every_short_script_survives_a_crash_at_every_step() {
    let beginning = [Op::Stage(600), Op::Commit, Op::Stage(600)];
    let mut begun = World::new(SimDisk::new(1), options(), Ledger::default());
    must(begun.open().and_then(|_| begun.run_all(&beginning)), "the beginning");
    let first_step = begun.disk.steps() + 1;
    let mut crashes = 0;
    for script in 0..ALPHABET.len().pow(3) {
        let ops = [0, 1, 2].map(|place| ALPHABET[script / ALPHABET.len().pow(place) % ALPHABET.len()]);
        for step in first_step.. {
            let mut world = World::new(SimDisk::new(step), options(), Ledger::default());
            must(world.open().and_then(|_| world.run_all(&beginning)), "the beginning");
            world.disk.stop_at(step);
            match world.run_all(&ops) {
                Ok(()) => break,
                Err(end) => assert!(end.is_excused_by(&world.disk), "{ops:?}, step {step}: {end}"),
            }
            for loss in [Loss::Everything, Loss::Nothing, Loss::Random] {
                let disk = world.disk.fork(step);
                disk.power_cut(loss);
                recovers(disk, &world.ledger, &format!("{ops:?}, step {step}, {loss:?}"));
                crashes += 1;
            }
        }
    }
    assert!(crashes > 10_000, "{crashes} crashes");
    counted(crashes * 2, "crashes of the simulated disk: the log, at every step of every short script");
}

#[test]
fn recovery_on_a_full_volume_may_be_stopped_at_any_step() {
    let mut stops = 0;
    for step in 1.. {
        let Some(world) = stopped_at(step) else { break };
        world.disk.set_space(Space { free_bytes: 0, total_bytes: 1 << 30 });
        for recovery_step in 1.. {
            let disk = world.disk.fork(step * 1000 + recovery_step);
            disk.kill();
            let mut again = World::new(disk, options(), world.ledger.clone());
            again.disk.stop_at(recovery_step);
            if again.open().is_ok() {
                break;
            }
            stops += 1;
            for loss in [Loss::Everything, Loss::Nothing, Loss::Random] {
                let disk = again.disk.fork(step * 1000 + recovery_step);
                disk.power_cut(loss);
                recovers(
                    disk,
                    &world.ledger,
                    &format!("step {step}, recovery step {recovery_step}, {loss:?}"),
                );
            }
        }
    }
    assert!(stops > 500, "{stops} recoveries were stopped");
}
