//! What the journal keeps while nothing goes wrong, and what it refuses to free.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kew_journal::{
    Error, Frame, FrameBuffer, Lsn, Opened, OperationKind, Options, Position, RealDisk, Replay, SegmentId,
    SimDisk, Step, open,
};

use crate::world::{Ledger, Op, World, options};

/// Collects what a store holds.
#[derive(Default)]
struct Collected {
    checkpoint: Option<(Lsn, Vec<u8>)>,
    payloads: Vec<Vec<u8>>,
}

impl Replay for Collected {
    fn checkpoint(&mut self, covered: Lsn, payload: &mut dyn Read) -> Result<(), String> {
        let mut state = Vec::new();
        payload.read_to_end(&mut state).map_err(|error| error.to_string())?;
        self.checkpoint = Some((covered, state));
        Ok(())
    }

    fn frame(&mut self, frame: Frame<'_>) -> Result<(), String> {
        self.payloads.push(frame.payload.to_vec());
        Ok(())
    }
}

fn opened(disk: &SimDisk) -> (Opened, Collected) {
    let mut collected = Collected::default();
    let opened = open(Arc::new(disk.clone()), options(), &mut collected).unwrap();
    (opened, collected)
}

fn staged(opened: &mut Opened, payload: &[u8]) -> Position {
    opened.journal.stage(FrameBuffer::from(payload)).unwrap().position
}

fn commit(opened: &mut Opened) {
    let group = opened.journal.take_group().unwrap();
    let durable = opened.committer.commit(group).unwrap();
    opened.journal.note_durable(durable);
}

fn close(opened: Opened) {
    opened.journal.close(opened.committer).unwrap();
}

#[test]
fn the_logs_end_wants_a_mark_until_a_frame_calls_the_last_payload_durable() {
    // Given a payload on its way to the disk
    let (mut opened, _) = opened(&SimDisk::new(1));
    assert!(!opened.journal.wants_mark());
    staged(&mut opened, b"one");
    let group = opened.journal.take_group();
    let mut flight = opened.committer.begin(group).unwrap();

    // When a mark is asked for before it has landed, then that changes nothing
    opened.journal.note_commits();
    opened.journal.mark().unwrap();
    assert!(opened.journal.wants_mark());

    // When it has landed, and a mark is made, then none is wanted any more
    flight.run().unwrap();
    drop(flight.land().unwrap());
    opened.journal.note_commits();
    assert!(opened.journal.wants_mark());
    opened.journal.mark().unwrap();
    assert!(!opened.journal.wants_mark());
}

#[test]
fn payloads_come_back_in_order_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::new(folder.path().join("store")));
    let payloads: Vec<Vec<u8>> = (0..300_u32).map(|number| vec![7; (number * 13 % 5000) as usize]).collect();
    let mut first = open(Arc::clone(&disk) as Arc<_>, options(), &mut Collected::default()).unwrap();
    let mut positions = Vec::new();
    for payload in &payloads {
        positions.push(staged(&mut first, payload));
        commit(&mut first);
        first.preparer.step().unwrap();
    }
    let read = first.reader.read_many(&positions).unwrap();
    assert_eq!(read, payloads);
    assert!(first.journal.segments().len() > 5);
    close(first);

    let mut collected = Collected::default();
    let second = open(disk, options(), &mut collected).unwrap();

    assert_eq!(collected.payloads, payloads);
    assert_eq!((second.journal.next_lsn(), second.report.frames_replayed), (Lsn(301), 300));
    let segments = second.journal.segments();
    assert_eq!(second.report.segments_scanned, segments.len() as u64);
    let log_bytes: u32 = segments.iter().map(|info| info.end_offset - 4096).sum();
    assert_eq!(second.journal.log_bytes_since_checkpoint(), log_bytes.into());
    assert_eq!(second.report.frames_copied, 0);
    let reversed: Vec<Position> = positions.iter().rev().copied().collect();
    let reread = second.reader.read_many(&reversed).unwrap();
    assert!(reread.iter().eq(payloads.iter().rev()));
}

#[test]
fn an_empty_store_stays_small_and_is_not_grown_by_opening_it() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::new(folder.path()));
    let full_size = Options::new([1; 16], 5);

    for _ in 0..5 {
        let mut opened =
            open(Arc::clone(&disk) as Arc<_>, full_size.clone(), &mut Collected::default()).unwrap();
        while opened.preparer.step().unwrap() == Step::Worked {}
        close(opened);
    }

    let files: Vec<u64> = ["", "log", "checkpoint"]
        .iter()
        .flat_map(|name| std::fs::read_dir(folder.path().join(name)).unwrap())
        .map(|entry| entry.unwrap().metadata().unwrap())
        .filter(std::fs::Metadata::is_file)
        .map(|metadata| metadata.len())
        .collect();
    assert!(files.len() <= 3, "{files:?}");
    assert!(files.iter().sum::<u64>() <= 16 << 20, "{files:?}");
}

#[test]
fn opening_and_closing_does_not_pile_up_files() {
    let disk = SimDisk::new(1);
    let mut world = World::new(disk.clone(), options(), Ledger::default());
    world.open().unwrap();
    world.run_all(&[Op::Stage(10), Op::Commit, Op::Reopen]).unwrap();
    let before = disk.file_names().len();

    world.run_all(&[Op::Reopen; 10]).unwrap();

    assert_eq!(disk.file_names().len(), before);
}

#[test]
fn a_payload_may_fill_a_segment_but_not_more() {
    let (mut opened, _) = opened(&SimDisk::new(1));
    let largest = opened.journal.largest_payload();

    let refused = opened.journal.stage(FrameBuffer::from(&vec![1; largest + 1][..]));
    let position = staged(&mut opened, &vec![2; largest]);
    commit(&mut opened);

    assert!(matches!(refused, Err(Error::TooLarge { limit_bytes, .. }) if limit_bytes == largest));
    assert_eq!(opened.reader.read(position).unwrap(), vec![2; largest]);
}

#[test]
fn a_group_knows_its_size_and_its_last_payload() {
    let (mut opened, _) = opened(&SimDisk::new(1));
    staged(&mut opened, b"one");
    staged(&mut opened, b"two");

    let group = opened.journal.take_group().unwrap();

    assert_eq!(group.last_lsn(), Lsn(2));
    assert_eq!((group.frames(), group.bytes()), (3, 64 + 48 + 48));
    assert!(opened.journal.take_group().is_none());

    // And everything is durable once it is committed, but for what was staged since
    assert!(!opened.journal.is_durable());
    opened.committer.commit(group).unwrap();
    assert!(opened.journal.is_durable());
    staged(&mut opened, b"three");
    assert!(!opened.journal.is_durable());
}

#[test]
fn groups_out_of_order_end_the_journal() {
    let (mut opened, _) = opened(&SimDisk::new(1));
    staged(&mut opened, b"one");
    let first = opened.journal.take_group().unwrap();
    staged(&mut opened, b"two");
    let second = opened.journal.take_group().unwrap();

    assert!(matches!(opened.committer.commit(second), Err(Error::Order { expected: 0, found: 1 })));
    assert!(matches!(opened.committer.commit(first), Err(Error::Poisoned { .. })));
}

#[test]
fn a_mark_is_written_once_and_only_for_news() {
    let (mut opened, _) = opened(&SimDisk::new(1));
    opened.journal.mark().unwrap();
    assert!(opened.journal.take_group().is_none());
    staged(&mut opened, b"news");
    commit(&mut opened);

    opened.journal.mark().unwrap();
    let group = opened.journal.take_group().unwrap();
    assert_eq!(group.bytes(), 40);
    opened.committer.commit(group).unwrap();

    opened.journal.mark().unwrap();
    assert!(opened.journal.take_group().is_none());
}

#[test]
fn a_segment_that_is_begun_for_a_mark_says_what_it_would() {
    // Given a segment that is full but for its Seal
    let (mut opened, _) = opened(&SimDisk::new(1));
    staged(&mut opened, &[1; 61_296]);
    commit(&mut opened);

    // When a mark is wanted, then the Seal and the next segment's Start say what is durable, and no mark is needed
    opened.journal.mark().unwrap();
    assert!(!opened.journal.wants_mark());
    let group = opened.journal.take_group().unwrap();
    assert_eq!((group.frames(), group.bytes()), (2, 40 + 64));
}

#[test]
fn a_checkpoint_stands_for_what_came_before_it() {
    let disk = SimDisk::new(1);
    let (mut first, _) = opened(&disk);
    staged(&mut first, b"covered");
    commit(&mut first);
    let cut = first.journal.checkpoint_cut();
    first.journal.checkpoint_writer().write(&cut, |payload| payload.write_all(b"state")).unwrap();
    assert_eq!(first.journal.log_bytes_since_checkpoint(), 0);
    assert_eq!(first.journal.checkpointed_lsn(), Lsn(1));
    staged(&mut first, b"after");
    close(first);

    let (second, collected) = opened(&disk);

    assert_eq!(collected.checkpoint, Some((Lsn(1), b"state".to_vec())));
    assert_eq!(collected.payloads, [b"after".to_vec()]);
    assert_eq!(second.report.checkpoint_lsn, Lsn(1));
    assert_eq!(second.journal.log_bytes_since_checkpoint(), 48);
}

#[test]
fn a_checkpoint_of_what_is_not_durable_is_refused() {
    let (mut opened, _) = opened(&SimDisk::new(1));
    staged(&mut opened, b"not yet");
    let cut = opened.journal.checkpoint_cut();

    let refused = opened.journal.checkpoint_writer().write(&cut, |_| Ok(()));

    assert!(matches!(refused, Err(Error::NotDurable { covered: Lsn(1), durable: Lsn(0) })));
}

#[test]
fn only_two_checkpoints_are_kept() {
    let disk = SimDisk::new(1);
    let mut world = World::new(disk.clone(), options(), Ledger::default());
    world.open().unwrap();

    world.run_all(&[Op::Stage(10), Op::Checkpoint, Op::Checkpoint, Op::Checkpoint, Op::Reopen]).unwrap();
    world.run(Op::Checkpoint).unwrap();

    let checkpoints = disk.file_names().into_iter().filter(|name| name.starts_with("checkpoint/"));
    assert_eq!(
        checkpoints.collect::<Vec<_>>(),
        ["checkpoint/0000000000000003.ckpt", "checkpoint/0000000000000004.ckpt"]
    );
}

#[test]
fn dead_segments_are_freed_only_below_a_checkpoint_and_then_recycled() {
    let disk = SimDisk::new(1);
    let (mut opened, _) = opened(&disk);
    for _ in 0..4 {
        staged(&mut opened, &[1; 40_000]);
        commit(&mut opened);
    }
    let all: Vec<SegmentId> = opened.journal.segments().iter().map(|info| info.id).collect();
    assert_eq!(opened.journal.retire(&all).unwrap(), 0, "no checkpoint covers them");
    assert_eq!(opened.journal.file_bytes(all[0]), 4096 + 64 + 40_040 + 40);
    let cut = opened.journal.checkpoint_cut();
    opened.journal.checkpoint_writer().write(&cut, |_| Ok(())).unwrap();

    assert_eq!(opened.journal.retire(&all).unwrap(), 3, "all but the newest");
    assert_eq!(opened.journal.file_bytes(all[0]), 0);

    let position = Position { segment: all[0], offset: 4160 };
    assert!(matches!(opened.reader.read(position), Err(Error::Gone { .. })));
    while opened.preparer.step().unwrap() == Step::Worked {}
    let segments = disk.file_names().into_iter().filter(|name| name.ends_with(".seg")).count();
    assert!(segments <= 2, "the active one, and one that is ready: {:?}", disk.file_names());
}

#[test]
fn a_full_segment_is_written_again_under_a_new_id() {
    let disk = SimDisk::new(1);
    let (mut opened, _) = opened(&disk);
    // Given segments that were filled to the end ahead of the writer.
    for _ in 0..3 {
        staged(&mut opened, &[1; 50_000]);
        commit(&mut opened);
        while opened.preparer.step().unwrap() == Step::Worked {}
    }
    let cut = opened.journal.checkpoint_cut();
    opened.journal.checkpoint_writer().write(&cut, |_| Ok(())).unwrap();
    let dead: Vec<SegmentId> = opened.journal.segments().iter().map(|info| info.id).collect();
    opened.journal.retire(&dead).unwrap();
    while opened.preparer.step().unwrap() == Step::Worked {}
    let spares = |disk: &SimDisk| disk.file_names().iter().filter(|name| name.ends_with(".spare")).count();
    assert!(spares(&disk) > 0);

    // And a restart, which keeps what waits for another use
    close(opened);
    let (mut opened, _) = self::opened(&disk);
    assert!(spares(&disk) > 0);
    let creations = disk.calls(OperationKind::Create);

    for _ in 0..2 {
        staged(&mut opened, &[2; 50_000]);
        commit(&mut opened);
    }
    while opened.preparer.step().unwrap() == Step::Worked {}

    assert_eq!(disk.calls(OperationKind::Create), creations);
}

#[test]
fn blocks_ahead_are_synced_a_mebibyte_at_a_time() {
    // Given segments of 8 MiB, and a preparer that looks after every little group
    let disk = SimDisk::new(1);
    let mut options = options();
    options.segment_bytes = 8 << 20;
    let mut opened = open(Arc::new(disk.clone()), options, &mut Collected::default()).unwrap();
    let mut groups = 0;
    let syncs = disk.calls(OperationKind::Sync);

    // When the first segment is filled
    while opened.journal.segments().len() < 2 {
        staged(&mut opened, &[1; 20_000]);
        commit(&mut opened);
        groups += 1;
        while opened.preparer.step().unwrap() == Step::Worked {}
    }

    // Then both it and the next one were filled ahead, by as many syncs as they have mebibytes, and one for each header
    let ahead = disk.calls(OperationKind::Sync) - syncs - groups;
    assert!(ahead <= 8 + 8 + 4, "{ahead} syncs beside {groups} groups");
    let lengths: Vec<usize> = disk
        .file_names()
        .iter()
        .filter(|name| name.ends_with(".seg"))
        .map(|name| disk.contents(name).unwrap().len())
        .collect();
    assert!(lengths.iter().filter(|length| **length == 8 << 20).count() >= 2, "{lengths:?}");
}

#[test]
fn an_index_is_kept_until_the_segment_changes() {
    let disk = SimDisk::new(1);
    let (mut first, _) = opened(&disk);
    staged(&mut first, b"one");
    commit(&mut first);
    let segment = first.journal.active_segment();
    assert_eq!(first.reader.read_index(segment), None);
    first.reader.write_index(segment, b"early").unwrap();
    first.reader.write_index(segment, b"derived").unwrap();
    assert_eq!(first.reader.read_index(segment).unwrap(), &b"derived"[..]);

    staged(&mut first, b"two");

    assert_eq!(first.reader.read_index(segment), None);
}

#[test]
fn a_damaged_index_reads_as_none() {
    let disk = SimDisk::new(1);
    let (mut first, _) = opened(&disk);
    staged(&mut first, b"one");
    commit(&mut first);
    let segment = first.journal.active_segment();
    first.reader.write_index(segment, b"derived").unwrap();
    let name = format!("log/{segment}.index");
    let intact = disk.contents(&name).unwrap();

    for at in 0..intact.len() {
        let mut damaged = intact.clone();
        damaged[at] ^= 4;
        disk.overwrite(&name, &damaged);
        assert_eq!(first.reader.read_index(segment), None, "byte {at}");
    }
    disk.overwrite(&name, &intact[..intact.len() - 1]);
    assert_eq!(first.reader.read_index(segment), None);
}

#[test]
fn readers_outlive_the_journal_and_steps_after_closing_do_nothing() {
    let disk = SimDisk::new(1);
    let (mut opened, _) = opened(&disk);
    let position = staged(&mut opened, b"still here");
    let writer = opened.journal.checkpoint_writer();
    let cut = opened.journal.checkpoint_cut();
    opened.journal.close(opened.committer).unwrap();

    assert_eq!(opened.reader.read(position).unwrap(), &b"still here"[..]);
    assert_eq!(opened.preparer.step().unwrap(), Step::Idle);
    assert!(matches!(writer.write(&cut, |_| Ok(())), Err(Error::Closed)));
}

#[test]
fn a_backlog_may_span_more_segments_than_files_are_open() {
    let disk = SimDisk::new(1);
    let (mut opened, _) = opened(&disk);
    let positions: Vec<Position> = (0..150_u8)
        .map(|number| {
            let position = staged(&mut opened, &[number; 60_000]);
            commit(&mut opened);
            position
        })
        .collect();
    let before = disk.calls(kew_journal::OperationKind::Open);

    let first = opened.reader.read_many(&positions).unwrap();
    let second = opened.reader.read_many(&positions[140..]).unwrap();

    assert!(first.iter().zip(0_u8..).all(|(payload, number)| payload[..] == [number; 60_000]));
    assert_eq!(second, first[140..]);
    let reopened = disk.calls(kew_journal::OperationKind::Open) - before;
    assert!(reopened > 20, "the oldest were closed meanwhile: {reopened}");
}

#[test]
fn preparing_on_another_thread_never_touches_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::new(folder.path()));
    let one_megabyte = Options::new([3; 16], 0).with_segment_bytes(1 << 20);
    let mut opened =
        open(Arc::clone(&disk) as Arc<_>, one_megabyte.clone(), &mut Collected::default()).unwrap();
    let finished = Arc::new(AtomicBool::new(false));
    let preparing = {
        let (finished, mut preparer) = (Arc::clone(&finished), opened.preparer);
        std::thread::spawn(move || {
            let mut worked = 0;
            while !finished.load(Ordering::Acquire) {
                match preparer.step().unwrap() {
                    Step::Worked => worked += 1,
                    _ => std::thread::yield_now(),
                }
            }
            worked
        })
    };

    let payloads: Vec<Vec<u8>> =
        (0..600_usize).map(|number| vec![number as u8; number * 37 % 20_000]).collect();
    for payload in &payloads {
        opened.journal.stage(FrameBuffer::from(&payload[..])).unwrap();
        let group = opened.journal.take_group().unwrap();
        let durable = opened.committer.commit(group).unwrap();
        opened.journal.note_durable(durable);
    }
    finished.store(true, Ordering::Release);
    let worked = preparing.join().unwrap();
    opened.journal.close(opened.committer).unwrap();

    let mut collected = Collected::default();
    open(disk, one_megabyte, &mut collected).unwrap();
    assert_eq!(collected.payloads, payloads);
    assert!(worked > 1, "{worked} steps were taken");
}
