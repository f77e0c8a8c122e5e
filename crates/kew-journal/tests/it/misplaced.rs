//! Files of which each frame is intact, but that do not belong together, and such of which nothing is left: always noticed.

use std::sync::Arc;

use kew_journal::{Loss, SimDisk, open};

use crate::store::Nothing;
use crate::world::{Ledger, Op, World, options};

const FIRST: &str = "log/0000000000000001.seg";

/// A store of two segments, of which the first holds payloads of these sizes in bytes and the second a long one and a mark.
fn of_two_segments(sizes: &[usize]) -> (SimDisk, Ledger) {
    let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
    world.open().unwrap();
    sizes.iter().for_each(|bytes| world.run_all(&[Op::Stage(*bytes)]).unwrap());
    world.run_all(&[Op::Stage(61_200), Op::Commit, Op::Mark, Op::Commit]).unwrap();
    world.disk.power_cut(Loss::Everything);
    (world.disk, world.ledger)
}

#[test]
fn a_newest_segment_without_its_beginning_is_noticed_for_what_its_other_frames_say() {
    // Given a newest segment that no checkpoint and no other segment names
    let (disk, ledger) = of_two_segments(&[100]);
    let name = "log/0000000000000002.seg";
    let mut bytes = disk.contents(name).unwrap();

    // When its Start frame is damaged, so that it might seem never to have been begun
    bytes[4096 + 50] ^= 1;
    disk.overwrite(name, &bytes);

    // Then its mark is found, and says that something is missing
    let end = World::new(disk, options(), ledger).open().unwrap_err();
    assert!(end.to_string().starts_with(&format!("damaged: {name} at byte 4096: ")), "{end}");
}

#[test]
fn another_segment_of_the_same_number_and_length_is_noticed() {
    // Given two stores of one identity, whose first segments end at the same byte with other payloads
    let (disk, _) = of_two_segments(&[1000, 1000]);
    let (other, _) = of_two_segments(&[2040]);
    let bytes = other.contents(FIRST).unwrap();
    assert_eq!(bytes.len(), disk.contents(FIRST).unwrap().len());

    // When one takes the place of the other
    disk.overwrite(FIRST, &bytes);

    // Then the segment behind it knows what went before
    let error = open(Arc::new(disk), options(), &mut Nothing).map(drop).unwrap_err().to_string();
    assert!(error.contains("after payload 1 the log breaks off; it went on to payload 2"), "{error}");
}

/// The first segment of a store of these payloads, and the store.
fn first_segment(sizes: &[usize], is_sealed: bool) -> (SimDisk, Vec<u8>) {
    let (disk, _) = if is_sealed {
        of_two_segments(sizes)
    } else {
        let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
        world.open().unwrap();
        sizes.iter().for_each(|bytes| world.run_all(&[Op::Stage(*bytes), Op::Commit]).unwrap());
        world.disk.power_cut(Loss::Everything);
        (world.disk, world.ledger)
    };
    let bytes = disk.contents(FIRST).unwrap();
    (disk, bytes)
}

#[test]
fn frames_that_do_not_follow_each_other_are_noticed_though_each_is_intact() {
    for is_sealed in [true, false] {
        // Given two stores of one identity, whose frames have their ends in common, and as many payloads
        let (disk, bytes) = first_segment(&[1000, 1000, 2040], is_sealed);
        let (_, other) = first_segment(&[2040, 1000, 1000], is_sealed);
        let middle = 4096 + 64 + 2 * 1040;

        // When the first half of one stands before the second half of the other
        disk.overwrite(FIRST, &[&bytes[..middle], &other[middle..]].concat());

        // Then the second payload does not follow the second
        let error = open(Arc::new(disk), options(), &mut Nothing).map(drop).unwrap_err().to_string();
        assert!(error.starts_with(&format!("damaged: {FIRST} at byte {middle}: ")), "{error}");
    }
}

#[test]
fn a_checkpoint_of_a_log_of_which_nothing_is_left_is_refused() {
    let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
    world.open().unwrap();
    world.run_all(&[Op::Stage(100), Op::Checkpoint]).unwrap();
    world.disk.power_cut(Loss::Everything);
    kew_journal::Disk::remove(&world.disk, FIRST).unwrap();

    let end = world.open().unwrap_err();

    assert!(end.to_string().contains("no segment is there, the checkpoint covers payloads up to 1"), "{end}");
}

#[test]
fn a_tail_that_was_copied_and_is_wiped_as_a_whole_is_noticed() {
    // Given payloads that were in doubt after a kill, and are in a segment of their own since
    let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
    world.open().unwrap();
    world.run_all(&[Op::Stage(100), Op::Commit]).unwrap();
    world.disk.kill();
    world.open().unwrap();
    world.disk.power_cut(Loss::Everything);
    let name = "log/0000000000000002.seg";
    let bytes = world.disk.contents(name).unwrap();

    // When nothing of it is left that could say what was durable, but its header
    world.disk.overwrite(name, &[&bytes[..4096], &vec![0; bytes.len() - 4096]].concat());

    let end = world.open().unwrap_err();
    assert!(end.to_string().starts_with(&format!("damaged: {name} at byte 4096: ")), "{end}");
}
