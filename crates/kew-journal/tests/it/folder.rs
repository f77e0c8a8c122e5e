//! What a start makes of the files that it finds: what it keeps, and what it clears away.

use std::sync::Arc;

use kew_journal::{Disk, FrameBuffer, Opened, SimDisk, open};

use crate::store::Nothing;
use crate::world::options;

fn opened(disk: &SimDisk) -> Opened {
    open(Arc::new(disk.clone()), options(), &mut Nothing).unwrap()
}

/// Commits a payload of so many bytes.
fn commit(opened: &mut Opened, bytes: usize) {
    opened.journal.stage(FrameBuffer::from(&vec![7; bytes][..])).unwrap();
    let group = opened.journal.take_group().unwrap();
    opened.committer.commit(group).unwrap();
}

fn close(mut opened: Opened) {
    opened.journal.note_commits();
    opened.journal.close(opened.committer).unwrap();
}

fn names(disk: &SimDisk, suffix: &str) -> Vec<String> {
    disk.file_names().into_iter().filter(|name| name.ends_with(suffix)).collect()
}

#[test]
fn an_index_is_kept_as_long_as_its_segment() {
    // Given an index of a segment that is sealed, and one whose segment has gone
    let disk = SimDisk::new(1);
    let mut first = opened(&disk);
    commit(&mut first, 100);
    let segment = first.journal.active_segment();
    commit(&mut first, 61_296);
    first.reader.write_index(segment, b"derived").unwrap();
    close(first);
    disk.create("log/0000000000000000.index").unwrap();

    // When the store is opened again
    let second = opened(&disk);

    // Then only that one is cleared away
    assert_eq!(second.reader.read_index(segment).unwrap(), &b"derived"[..]);
    assert_eq!(names(&disk, ".index"), ["log/0000000000000001.index"]);
    assert_eq!(second.report.leftovers, 1);
}

#[test]
fn as_many_spares_are_kept_as_wait_for_another_use() {
    // Given more files that wait for another use than any store keeps, and one that is not of full size
    let disk = SimDisk::new(1);
    drop(opened(&disk));
    for (id, bytes) in [(11, 4096), (12, 65_536), (13, 65_536), (14, 65_536), (15, 65_536), (16, 65_536)] {
        let name = format!("log/{id:016x}.spare");
        disk.create(&name).unwrap();
        disk.overwrite(&name, &vec![0; bytes]);
    }
    disk.kill();

    // When it is opened, then four are kept
    let opened = opened(&disk);
    assert_eq!(names(&disk, ".spare").len(), 4);
    assert_eq!((opened.reader.spare_bytes(), opened.report.leftovers), (4 * 65_536, 2));
}

#[test]
fn each_run_writes_in_an_epoch_of_its_own() {
    // Given payloads of two runs, the first of which was closed
    let disk = SimDisk::new(1);
    let mut first = opened(&disk);
    commit(&mut first, 100);
    close(first);
    let mut second = opened(&disk);
    commit(&mut second, 100);

    // Then what may be left of the one is told from the other
    let epochs =
        names(&disk, ".seg").iter().map(|name| disk.contents(name).unwrap()[4096 + 16]).collect::<Vec<_>>();
    assert_eq!(epochs, [1, 2]);
}

#[test]
fn what_is_copied_at_a_start_is_counted() {
    // Given three payloads of which only the first is called durable
    let disk = SimDisk::new(1);
    let mut first = opened(&disk);
    commit(&mut first, 100);
    first.journal.note_commits();
    commit(&mut first, 100);
    commit(&mut first, 100);
    disk.kill();

    // When the store is opened, then the others are copied, and all are log to be replayed
    let second = opened(&disk);
    assert_eq!((second.report.segments_scanned, second.report.frames_copied), (1, 2));
    assert_eq!(second.journal.log_bytes_since_checkpoint(), 64 + 144 + (4096 + 64 + 2 * 144));
}

#[test]
fn a_segment_all_of_which_was_copied_is_cleared_away() {
    let disk = SimDisk::new(1);
    commit(&mut opened(&disk), 100);
    disk.kill();

    let opened = opened(&disk);

    assert_eq!(names(&disk, ".seg"), ["log/0000000000000002.seg"]);
    assert_eq!((opened.report.frames_copied, opened.report.leftovers), (1, 1));
}
