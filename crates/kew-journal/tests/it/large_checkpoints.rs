//! Checkpoints of more than a piece: they are never in memory as a whole, and are as safe as small ones.

use std::io::{self, Read};
use std::sync::Arc;

use kew_journal::{Error, Fault, Frame, FrameBuffer, Lsn, Opened, OperationKind, Replay, SimDisk, open};

use crate::world::options;

const NEWER: &str = "checkpoint/0000000000000002.ckpt";

/// A state of so many bytes, no two stretches of which are alike.
fn state(seed: u32, bytes: usize) -> Vec<u8> {
    (0_u32..).flat_map(|at| (at ^ seed).wrapping_mul(0x9e37_79b9).to_le_bytes()).take(bytes).collect()
}

/// Reads a checkpoint in odd steps, and does something when some of it was read.
struct Shown<'a> {
    covered: Lsn,
    state: Vec<u8>,
    on_the_way: Box<dyn FnMut() + 'a>,
}

impl Shown<'_> {
    fn new() -> Self {
        Self { covered: Lsn::NONE, state: Vec::new(), on_the_way: Box::new(|| ()) }
    }
}

impl Replay for Shown<'_> {
    fn checkpoint(&mut self, covered: Lsn, payload: &mut dyn Read) -> Result<(), String> {
        let mut piece = vec![0; 77_777];
        self.covered = covered;
        loop {
            match payload.read(&mut piece).map_err(|error| error.to_string())? {
                0 => return Ok(()),
                count => self.state.extend_from_slice(&piece[..count]),
            }
            (self.on_the_way)();
        }
    }

    fn frame(&mut self, _: Frame<'_>) -> Result<(), String> {
        Ok(())
    }
}

fn commit(opened: &mut Opened) {
    opened.journal.stage(FrameBuffer::from(&b"payload"[..])).unwrap();
    let group = opened.journal.take_group().unwrap();
    let durable = opened.committer.commit(group).unwrap();
    opened.journal.note_durable(durable);
}

/// Writes a checkpoint a few bytes at a time, and many.
fn checkpoint(opened: &Opened, state: &[u8]) -> Result<u64, Error> {
    let cut = opened.journal.checkpoint_cut();
    opened.journal.checkpoint_writer().write(&cut, |payload| {
        let (few, many) = state.split_at(state.len() / 3);
        few.chunks(13).try_for_each(|bytes| payload.write_all(bytes))?;
        payload.write_all(many)
    })
}

/// A store with a checkpoint of a state after its first payload, and one of another after its second.
fn with_two(older: &[u8], newer: &[u8]) -> SimDisk {
    let disk = SimDisk::new(1);
    let mut opened = open(Arc::new(disk.clone()), options(), &mut Shown::new()).unwrap();
    for state in [older, newer] {
        commit(&mut opened);
        assert_eq!(checkpoint(&opened, state).unwrap(), state.len() as u64);
    }
    drop(opened);
    disk.kill();
    disk
}

#[test]
fn it_is_read_as_it_was_written_wherever_its_pieces_end() {
    // A head of 96 bytes and one entry of 32 stand before it.
    let piece = 1 << 20;
    for bytes in [piece - 129, piece - 128, piece - 127, 2 * piece - 128, 3 * piece + 12_345] {
        let written = state(7, bytes);
        let disk = with_two(b"", &written);
        let writes = disk.calls(OperationKind::Write);

        let mut shown = Shown::new();
        open(Arc::new(disk.clone()), options(), &mut shown).unwrap();

        assert_eq!(shown.covered, Lsn(2), "{bytes} bytes");
        assert!(shown.state == written, "{bytes} bytes are others");
        assert!(writes < 20, "{writes} writes for {bytes} bytes");
    }
}

#[test]
fn whichever_call_fails_while_it_is_written_the_one_before_stays() {
    let (older, newer) = (state(1, 1_500_000), state(2, 2_500_000));
    let mut failures = 0;
    for kind in OperationKind::ALL {
        for fault in [Fault::Error(io::ErrorKind::StorageFull), Fault::ShortWrite] {
            for nth in 1.. {
                // Given a store with one checkpoint, and a call that fails while the next is written
                let disk = SimDisk::new(nth);
                let mut opened = open(Arc::new(disk.clone()), options(), &mut Shown::new()).unwrap();
                commit(&mut opened);
                checkpoint(&opened, &older).unwrap();
                commit(&mut opened);
                let before = disk.calls(kind);
                disk.fail(kind, before + nth, fault);
                let kept = checkpoint(&opened, &newer);
                let is_reached = disk.calls(kind) >= before + nth;
                drop(opened);
                disk.kill();

                // Then the next start has the newer one if it was said to be kept, and one of them anyway
                let mut shown = Shown::new();
                open(Arc::new(disk), options(), &mut shown).unwrap();
                let is_newer = shown.state == newer;
                assert!(is_newer || (kept.is_err() && shown.state == older), "{kind:?} {nth}, {fault:?}");
                if !is_reached {
                    break;
                }
                failures += u32::from(kept.is_err());
            }
        }
    }
    assert!(failures >= 10, "{failures} failures");
}

#[test]
fn whichever_read_fails_the_start_fails_with_it_and_the_next_succeeds() {
    let (older, newer) = (state(1, 10), state(2, 2_500_000));
    let disk = with_two(&older, &newer);
    let mut failures = 0;
    for nth in 1.. {
        let disk = disk.fork(nth);
        disk.fail(OperationKind::Read, nth, Fault::Error(io::ErrorKind::Other));
        let opened = open(Arc::new(disk.clone()), options(), &mut Shown::new());
        if disk.calls(OperationKind::Read) < nth {
            opened.unwrap();
            break;
        }
        failures += 1;
        assert!(matches!(opened, Err(Error::Disk { .. })), "read {nth}: {opened:?}");
        disk.kill();
        let mut shown = Shown::new();
        open(Arc::new(disk), options(), &mut shown).unwrap();
        assert!(shown.state == newer);
    }
    assert!(failures >= 6, "{failures} failures");
}

#[test]
fn a_bit_that_changed_in_any_piece_is_noticed() {
    let (older, newer) = (state(1, 1_500_000), state(2, 3_500_000));
    let disk = with_two(&older, &newer);
    let bytes = disk.contents(NEWER).unwrap();
    for at in [3, 61, 100, 130, 1_000_000, 1_048_576, 2_500_000, bytes.len() - 1] {
        let rotten = disk.fork(1);
        let mut changed = bytes.clone();
        changed[at] ^= 4;
        rotten.overwrite(NEWER, &changed);

        let mut shown = Shown::new();
        let opened = open(Arc::new(rotten), options(), &mut shown).unwrap();

        assert!(shown.state == older, "byte {at}");
        assert!(opened.report.checkpoint_passed_over.is_some(), "byte {at}");
    }
}

#[test]
fn a_bit_that_changes_after_all_was_verified_is_noticed_too() {
    // Given a checkpoint that is intact until a part of it was shown
    let disk = with_two(b"older", &state(2, 3_500_000));
    let mut bytes = disk.contents(NEWER).unwrap();
    bytes[3_000_000] ^= 4;
    let mut shown = Shown::new();
    shown.on_the_way = Box::new(|| disk.overwrite(NEWER, &bytes));

    // Then the start fails instead of going on from what was never written
    let refused = open(Arc::new(disk.clone()), options(), &mut shown);
    assert!(matches!(&refused, Err(Error::Damage { file, .. }) if file == NEWER), "{refused:?}");
}
