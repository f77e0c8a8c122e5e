//! What a group commit costs, beside the raw write and sync of the same bytes in the same run.
//!
//! Three ways to write the same group: `journal/recycled` into segments that were used before, `journal/growing`
//! into files that are longer with every group, and `raw/prewritten` by a bare `pwrite` and `fdatasync` into
//! blocks that exist. Only their ratios mean anything. `cargo bench -p kew-journal` runs it in a temporary
//! folder; set `TMPDIR` to choose the disk.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on may panic")]

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kew_journal::{Frame, FrameBuffer, Lsn, Opened, Options, RealDisk, Replay, SegmentId, Step, open};

/// Frames per group and bytes per frame.
const SHAPES: [(usize, usize); 5] = [(1, 100), (1, 10_000), (16, 10_000), (64, 100), (100, 10_000)];

const SEGMENT_BYTES: u32 = 16 << 20;

struct Empty;

impl Replay for Empty {
    fn checkpoint(&mut self, _covered: Lsn, _payload: &mut dyn std::io::Read) -> Result<(), String> {
        Ok(())
    }

    fn frame(&mut self, _frame: Frame<'_>) -> Result<(), String> {
        Ok(())
    }
}

fn opened(folder: &Path) -> Opened {
    let options = Options::new([1; 16], 0).with_segment_bytes(SEGMENT_BYTES);
    open(Arc::new(RealDisk::new(folder)), options, &mut Empty).unwrap()
}

fn commit(opened: &mut Opened, frames: usize, payload: &[u8]) {
    for _ in 0..frames {
        let staged = opened.journal.stage(FrameBuffer::from(payload)).unwrap();
        black_box(staged);
    }
    let group = opened.journal.take_group().unwrap();
    let durable = opened.committer.commit(group).unwrap();
    opened.journal.note_durable(durable);
}

/// Frees everything but the newest segment, as a broker does whose messages are all acknowledged.
fn free(opened: &mut Opened) {
    let segments: Vec<SegmentId> = opened.journal.segments().iter().map(|info| info.id).collect();
    if segments.len() > 2 {
        let cut = opened.journal.checkpoint_cut();
        opened.journal.checkpoint_writer().write(&cut, |_| Ok(())).unwrap();
        opened.journal.retire(&segments).unwrap();
        while opened.preparer.step().unwrap() == Step::Worked {}
    }
}

fn fill_spares(opened: &mut Opened) {
    for _ in 0..6 * SEGMENT_BYTES / (1 << 20) {
        commit(opened, 1, &[1; (1 << 20) - 100]);
        while opened.preparer.step().unwrap() == Step::Worked {}
        free(opened);
    }
}

fn group_commit(criterion: &mut Criterion) {
    for (frames, bytes) in SHAPES {
        let mut group = criterion.benchmark_group(format!("commit {frames} × {bytes} B"));
        group.throughput(Throughput::Bytes((frames * bytes) as u64)).sample_size(30);
        // Growing files take disk for as long as they are measured.
        group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        let payload = vec![7; bytes];

        let folder = tempfile::tempdir().unwrap();
        let mut recycled = opened(folder.path());
        fill_spares(&mut recycled);
        group.bench_function("journal/recycled", |bencher| {
            bencher.iter(|| {
                commit(&mut recycled, frames, &payload);
                free(&mut recycled);
            });
        });

        let folder = tempfile::tempdir().unwrap();
        let mut growing = opened(folder.path());
        group.bench_function("journal/growing", |bencher| {
            bencher.iter(|| commit(&mut growing, frames, &payload));
        });

        let folder = tempfile::tempdir().unwrap();
        let file = OpenOptions::new().create_new(true).write(true).open(folder.path().join("raw")).unwrap();
        let whole = vec![1; SEGMENT_BYTES as usize];
        file.write_all_at(&whole, 0).unwrap();
        file.sync_all().unwrap();
        let raw = vec![7; frames * (bytes.next_multiple_of(8) + 40)];
        let mut offset = 0;
        group.bench_function("raw/prewritten", |bencher| {
            bencher.iter(|| {
                if offset + raw.len() > whole.len() {
                    offset = 0;
                }
                file.write_all_at(&raw, offset as u64).unwrap();
                file.sync_data().unwrap();
                offset += raw.len();
            });
        });
        group.finish();
    }
}

/// The cost of staging alone: number, place, checksum. What was staged is committed between the measurements.
fn staging(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let opened = RefCell::new(opened(folder.path()));
    let mut group = criterion.benchmark_group("stage");
    for bytes in [100, 11_000] {
        let payload = vec![7; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("one frame of {bytes} B"), |bencher| {
            bencher.iter_batched(
                || {
                    let opened = &mut *opened.borrow_mut();
                    if opened.journal.next_lsn().0.is_multiple_of(64)
                        && let Some(group) = opened.journal.take_group()
                    {
                        opened.committer.commit(group).unwrap();
                        free(opened);
                    }
                    FrameBuffer::from(&payload[..])
                },
                |frame| opened.borrow_mut().journal.stage(frame).unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, group_commit, staging);
criterion_main!(benches);
