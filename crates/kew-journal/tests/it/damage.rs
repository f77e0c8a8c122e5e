//! Rot, truncation, swapped blocks and missing files: always noticed, or without consequence.

use kew_journal::{Loss, Mutant, Options, SimDisk};

use crate::counted;
use crate::random::Dice;
use crate::world::{End, Ledger, Op, World, options};

/// A store with sealed segments, some of them below a checkpoint, a copied tail, and a proven end.
const SCRIPT: [Op; 14] = [
    Op::Stage(200),
    Op::Commit,
    Op::Stage(30_000),
    Op::Checkpoint,
    Op::Stage(40_000),
    Op::Stage(300),
    Op::Checkpoint,
    Op::Stage(30_000),
    Op::Stage(7),
    Op::CommitTwo(40_000),
    Op::CommitTwo(0),
    Op::Stage(90),
    Op::CommitTwo(1000),
    Op::Mark,
];

fn written(options: Options) -> (SimDisk, Ledger) {
    let mut world = World::new(SimDisk::new(1), options.clone(), Ledger::default());
    world.open().unwrap();
    world.run_all(&SCRIPT).unwrap();
    // The last group is in doubt after this kill, so the next opening copies it.
    world.disk.kill();
    world.open().unwrap();
    world.run_all(&[Op::Stage(400), Op::Stage(5), Op::Commit, Op::Mark, Op::Commit]).unwrap();
    world.disk.power_cut(Loss::Everything);
    let mut ledger = world.ledger;
    ledger.forget_checkpoints();
    (world.disk, ledger)
}

/// Changes one file and opens. True when the journal noticed; false when everything is as it was.
fn notices(
    store: &(SimDisk, Ledger),
    options: &Options,
    name: &str,
    change: impl FnOnce(&mut Vec<u8>),
) -> Result<bool, String> {
    let disk = store.0.fork(1);
    let mut bytes = disk.contents(name).unwrap();
    change(&mut bytes);
    disk.overwrite(name, &bytes);
    let mut world = World::new(disk, options.clone(), store.1.clone());
    match world.open() {
        Ok(_) => Ok(false),
        Err(End::Damaged(_)) => Ok(true),
        Err(end) => Err(format!("{name}: {end}")),
    }
}

/// Flips bits all over a file and says how many were noticed.
fn flip_everywhere(store: &(SimDisk, Ledger), options: &Options, name: &str) -> Result<usize, String> {
    let bytes = store.0.contents(name).unwrap().len();
    let mut dice = Dice::new(bytes as u64);
    let mut noticed = 0;
    let mut at = 0;
    while at < bytes {
        let bit = dice.below(8);
        noticed += usize::from(notices(store, options, name, |bytes| bytes[at] ^= 1 << bit)?);
        // Headers and the frames' beginnings matter most, and frames begin anywhere.
        at += if at < 64 || (4090..4700).contains(&at) { 1 } else { 1 + dice.below(45) as usize };
    }
    Ok(noticed)
}

#[test]
fn a_flipped_bit_is_noticed_or_without_consequence() {
    let store = written(options());
    let mut noticed = 0;
    for name in store.0.file_names().iter().filter(|name| *name != "LOCK") {
        let here = flip_everywhere(&store, &options(), name).unwrap_or_else(|text| panic!("{text}"));
        assert!(here > 0 || name.ends_with(".ckpt"), "{name}: nothing was noticed");
        noticed += here;
    }
    assert!(noticed > 4000, "{noticed} flips were noticed");
    counted(noticed as u64, "flipped bits that were noticed, and the others harmless: the log");
}

#[test]
fn a_journal_that_takes_damage_for_a_torn_tail_is_caught() {
    let buggy = options().with_mutant(Mutant::IgnoreDurableClaims);
    let store = written(buggy.clone());

    let caught = store.0.file_names().iter().any(|name| flip_everywhere(&store, &buggy, name).is_err());

    assert!(caught);
}

/// The segment that was being written when the power was cut. Cutting a file that is still growing undoes exactly
/// what an unfinished write undoes, so nobody can tell the two apart there.
const GROWING: &str = "log/0000000000000005.seg";

#[test]
fn a_file_cut_short_is_noticed_or_without_consequence() {
    let store = written(options());
    let mut noticed = 0;
    for name in store.0.file_names().iter().filter(|name| *name != "LOCK" && *name != GROWING) {
        let bytes = store.0.contents(name).unwrap().len();
        let step = if bytes > 8192 { 61 } else { 7 };
        for kept in (0..bytes).step_by(step).chain([bytes - 1]) {
            let outcome = notices(&store, &options(), name, |bytes| bytes.truncate(kept));
            noticed += usize::from(outcome.unwrap_or_else(|text| panic!("cut at {kept}: {text}")));
        }
    }
    assert!(noticed > 1000, "{noticed} cuts were noticed");
    counted(noticed as u64, "files cut short that were noticed, and the others harmless: the log");
}

#[test]
fn a_growing_file_cut_short_below_what_a_checkpoint_covers_is_noticed() {
    let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
    world.open().unwrap();
    // Given a segment that is still growing, and a checkpoint that covers all of it.
    world.run_all(&[Op::Stage(20_000), Op::Commit, Op::Stage(300), Op::Checkpoint]).unwrap();
    world.disk.power_cut(Loss::Everything);
    let name = "log/0000000000000001.seg";
    let bytes = world.disk.contents(name).unwrap();

    // When it is cut in the middle of what the checkpoint's state points to.
    world.disk.overwrite(name, &bytes[..12_000]);

    // Then the next open says so, although nothing there would be replayed.
    let end = world.open().unwrap_err();
    let text = end.to_string();
    assert!(text.starts_with(&format!("damaged: {name} at byte 12000: the file ends here")), "{text}");
}

#[test]
fn a_recycled_file_cut_short_is_noticed_even_while_it_is_written() {
    let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
    world.open().unwrap();
    // Given a segment that was filled, freed and is being written again.
    for _ in 0..6 {
        world.run_all(&[Op::Stage(50_000), Op::Checkpoint, Op::Retire { keep: 1 }]).unwrap();
        world.run_all(&[Op::Prepare; 6]).unwrap();
    }
    world.run_all(&[Op::Stage(100), Op::Commit]).unwrap();
    world.disk.power_cut(Loss::Everything);
    let last = world.disk.file_names().into_iter().rfind(|name| name.ends_with(".seg")).unwrap();
    let bytes = world.disk.contents(&last).unwrap();
    assert_eq!(bytes.len(), 64 << 10);

    world.disk.overwrite(&last, &bytes[..bytes.len() - 1]);

    assert!(matches!(world.open(), Err(End::Damaged(_))));
}

#[test]
fn swapped_blocks_are_noticed_or_without_consequence() {
    let store = written(options());
    let mut noticed = 0;
    for name in store.0.file_names().iter().filter(|name| name.ends_with(".seg")) {
        let blocks = store.0.contents(name).unwrap().len() / 4096;
        for first in 0..blocks {
            for second in first + 1..blocks {
                let outcome = notices(&store, &options(), name, |bytes| {
                    let (low, high) = bytes.split_at_mut(second * 4096);
                    low[first * 4096..first * 4096 + 4096].swap_with_slice(&mut high[..4096]);
                });
                noticed += usize::from(outcome.unwrap_or_else(|text| panic!("{first}, {second}: {text}")));
            }
        }
    }
    assert!(noticed > 50, "{noticed} swaps were noticed");
    counted(noticed as u64, "exchanged blocks that were noticed, and the others harmless: the log");
}

#[test]
fn a_missing_file_is_noticed_or_without_consequence() {
    let store = written(options());
    let mut noticed = Vec::new();
    // Nothing refers to the newest segment before a checkpoint or a successor does.
    for name in store.0.file_names().into_iter().filter(|name| name != GROWING) {
        let disk = store.0.fork(1);
        kew_journal::Disk::remove(&disk, &name).unwrap();
        let mut world = World::new(disk, options(), store.1.clone());
        match world.open() {
            Ok(_) => {}
            Err(End::Damaged(_)) => noticed.push(name),
            Err(End::Violation(text)) if text.ends_with("is in no segment") => {
                // Wholly covered by the checkpoint: only the caller knows whether something lived in it, which is
                // why it is told which segments there are.
                assert!(name.as_str() <= "log/0000000000000002.seg", "{name}: {text}");
            }
            Err(end) => panic!("{name}: {end}"),
        }
    }
    assert!(noticed.contains(&"STORE".to_owned()), "{noticed:?}");
    assert!(noticed.iter().filter(|name| name.ends_with(".seg")).count() >= 2, "{noticed:?}");
}

#[test]
fn damage_names_its_file_and_offset() {
    let store = written(options());
    let disk = store.0.fork(1);
    let name = "log/0000000000000003.seg";
    let mut bytes = disk.contents(name).unwrap();
    bytes[4096 + 64 + 100] ^= 1;
    disk.overwrite(name, &bytes);

    let end = World::new(disk, options(), store.1).open().unwrap_err();

    assert!(end.to_string().starts_with("damaged: log/0000000000000003.seg at byte 4160: "), "{end}");
}

#[test]
fn a_damaged_newest_checkpoint_is_passed_over_while_the_log_reaches_back() {
    let store = written(options());
    let newest = "checkpoint/0000000000000002.ckpt";
    let disk = store.0.fork(1);
    let mut bytes = disk.contents(newest).unwrap();
    bytes[50] ^= 1;
    disk.overwrite(newest, &bytes);

    let report = World::new(disk, options(), store.1).open().unwrap();

    assert_eq!(report.checkpoint_lsn.0, 2);
    assert!(report.checkpoint_passed_over.unwrap().contains(newest));
}

#[test]
fn a_damaged_newest_checkpoint_is_refused_once_the_log_does_not_reach_back() {
    let (disk, mut ledger) = {
        let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
        world.open().unwrap();
        let fill = [Op::Stage(50_000), Op::Commit, Op::Stage(50_000), Op::Checkpoint];
        world.run_all(&fill).unwrap();
        world.run_all(&fill).unwrap();
        world.run_all(&[Op::Retire { keep: 1 }, Op::Reopen]).unwrap();
        world.disk.kill();
        (world.disk, world.ledger)
    };
    ledger.forget_checkpoints();
    let newest = "checkpoint/0000000000000002.ckpt";
    let mut bytes = disk.contents(newest).unwrap();
    bytes[50] ^= 1;
    disk.overwrite(newest, &bytes);

    let end = World::new(disk, options(), ledger).open().unwrap_err();

    assert!(end.to_string().starts_with(&format!("damaged: {newest} at byte 0: ")), "{end}");
}
