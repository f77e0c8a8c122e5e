//! Whose folder it is: creation, the lock, foreign folders, other versions, other stores.

use std::io::Read;
use std::sync::Arc;

use kew_journal::{Disk, Error, Frame, Lsn, Opened, Options, RealDisk, Replay, SimDisk, open};

use crate::world::{Ledger, Op, World, options};

pub(crate) struct Nothing;

impl Replay for Nothing {
    fn checkpoint(&mut self, _covered: Lsn, _payload: &mut dyn Read) -> Result<(), String> {
        Ok(())
    }

    fn frame(&mut self, _frame: Frame<'_>) -> Result<(), String> {
        Ok(())
    }
}

fn try_open(disk: &SimDisk) -> Result<Opened, Error> {
    open(Arc::new(disk.clone()), options(), &mut Nothing)
}

fn fix_checksum(bytes: &mut [u8], end: usize) {
    let checksum = bytes[..end].iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg()))
    });
    bytes[end..end + 4].copy_from_slice(&(!checksum).to_le_bytes());
}

fn store_with_a_payload() -> SimDisk {
    let mut world = World::new(SimDisk::new(1), options(), Ledger::default());
    world.open().unwrap();
    world.run_all(&[Op::Stage(100), Op::Commit, Op::Checkpoint, Op::Stage(50), Op::Commit]).unwrap();
    world.disk.kill();
    world.disk
}

#[test]
fn settings_are_fixed_at_creation() {
    let disk = SimDisk::new(1);
    let first = try_open(&disk).unwrap();
    assert!(first.report.created);
    drop(first);

    let other = Options::new([9; 16], 1).with_segment_bytes(1 << 20);
    let second = open(Arc::new(disk), other, &mut Nothing).unwrap();

    assert!(!second.report.created);
    assert_eq!(second.report.store_id, [7; 16]);
    assert_eq!(second.report.created_ms, 1_700_000_000_000);
    assert!(second.journal.largest_payload() < 64 << 10);
}

#[test]
fn a_segment_size_out_of_range_is_refused() {
    for segment_bytes in [0, 4096, (64 << 10) + 8, (1 << 30) + 4096] {
        let options = Options::new([1; 16], 0).with_segment_bytes(segment_bytes);
        let refused = open(Arc::new(SimDisk::new(1)), options, &mut Nothing);
        assert!(matches!(refused, Err(Error::Option { option: "segment_bytes", .. })), "{segment_bytes}");
    }
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(folder.path()));
    let first = open(Arc::clone(&disk), options(), &mut Nothing).unwrap();

    assert!(matches!(open(Arc::clone(&disk), options(), &mut Nothing), Err(Error::Locked)));

    first.journal.close(first.committer).unwrap();
    assert!(open(disk, options(), &mut Nothing).is_ok());
}

#[test]
fn a_foreign_folder_is_left_alone() {
    for foreign in ["thesis.txt", "STORE", "log", "log/2026-01-01.txt", "checkpoint/thesis.txt"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(foreign);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "years of work").unwrap();

        let refused = open(Arc::new(RealDisk::new(folder.path())), options(), &mut Nothing);

        let name = foreign.split('/').next().unwrap();
        let is_named = matches!(&refused, Err(Error::NotAStore { reason }) if reason.contains(name));
        assert!(is_named, "{foreign}: {refused:?}");
        let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), [name], "{foreign}: nothing was added, not even a lock");
        assert_eq!(std::fs::read(path).unwrap(), b"years of work");
    }
}

#[test]
fn a_newer_store_is_refused() {
    let disk = store_with_a_payload();
    let mut bytes = disk.contents("STORE").unwrap();
    bytes[8] = 2;
    fix_checksum(&mut bytes, 60);
    disk.overwrite("STORE", &bytes);

    assert!(matches!(try_open(&disk), Err(Error::Version { found: 2, supported: 1, .. })));
}

#[test]
fn a_missing_store_file_over_a_log_is_damage() {
    let disk = store_with_a_payload();
    disk.remove("STORE").unwrap();

    assert!(matches!(try_open(&disk), Err(Error::Damage { file, .. }) if file == "STORE"));
}

#[test]
fn a_spoilt_store_file_over_a_log_is_damage() {
    for spoilt in [&b""[..], b"KEWST", &[0; 64], b"years of work"] {
        let disk = store_with_a_payload();
        disk.overwrite("STORE", spoilt);

        let refused = try_open(&disk);

        assert!(matches!(&refused, Err(Error::Damage { file, .. }) if file == "STORE"), "{refused:?}");
    }
}

#[test]
fn a_missing_folder_is_damage() {
    for missing in ["log", "checkpoint"] {
        let folder = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(folder.path()));
        let first = open(Arc::clone(&disk), options(), &mut Nothing).unwrap();
        first.journal.close(first.committer).unwrap();
        std::fs::remove_dir_all(folder.path().join(missing)).unwrap();

        let refused = open(disk, options(), &mut Nothing);

        assert!(matches!(&refused, Err(Error::Damage { file, .. }) if file == missing), "{refused:?}");
    }
}

#[test]
fn a_segment_of_another_store_is_refused() {
    let disk = store_with_a_payload();
    let name = "log/0000000000000001.seg";
    let mut bytes = disk.contents(name).unwrap();
    bytes[20] ^= 1;
    fix_checksum(&mut bytes, 4092);
    disk.overwrite(name, &bytes);

    let refused = try_open(&disk);

    assert!(
        matches!(refused, Err(Error::Damage { file, reason, .. }) if file == name && reason.contains("another store"))
    );
}

#[test]
fn a_segment_of_a_newer_version_is_refused() {
    let disk = store_with_a_payload();
    let name = "log/0000000000000001.seg";
    let mut bytes = disk.contents(name).unwrap();
    bytes[8] = 3;
    fix_checksum(&mut bytes, 4092);
    disk.overwrite(name, &bytes);

    assert!(matches!(try_open(&disk), Err(Error::Version { found: 3, .. })));
}

#[test]
fn a_caller_that_finds_nonsense_stops_the_opening() {
    struct Critic;
    impl Replay for Critic {
        fn checkpoint(&mut self, _covered: Lsn, _payload: &mut dyn Read) -> Result<(), String> {
            Ok(())
        }
        fn frame(&mut self, _frame: Frame<'_>) -> Result<(), String> {
            Err("no such record".to_owned())
        }
    }
    let disk = store_with_a_payload();

    let refused = open(Arc::new(disk), options(), &mut Critic);

    assert!(matches!(refused, Err(Error::Damage { reason, .. }) if reason == "no such record"));
}
