//! What the store counts of its own work, for whoever watches ([`Broker::figures`]).
//!
//! Counting is a few additions for a group of requests, and none for a message. Nothing is decided by any of it: the
//! stopwatch here is the only clock that is not an argument.
//!
//! [`Broker::figures`]: kew_model::Broker::figures

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use kew_model::Timestamp;
use kew_model::figures::{Figure, Histogram, Reading, Sort, number};

use crate::archive::Archive;
use crate::budget::Budget;
use crate::options::Options;

/// Bounds of the times of commits, in nanoseconds: 50 µs to 2.5 s.
const COMMIT_NANOSECONDS: &[u64] = &[
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
];
/// Bounds of the numbers of frames in a commit.
const COMMIT_FRAMES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];
/// Nanoseconds of a second.
const NANOSECONDS: f64 = 1e9;

/// The counts.
#[derive(Debug)]
pub(crate) struct Meter {
    commit_nanoseconds: Histogram,
    commit_frames: Histogram,
    written_bytes: AtomicU64,
    log_bytes: AtomicU64,
    checkpoints_kept: AtomicU64,
    checkpoints_failed: AtomicU64,
    checkpoint_bytes: AtomicU64,
    /// When the newest checkpoint of this run was kept, or the run began.
    checkpoint_at: AtomicU64,
    options: Options,
}

/// A commit under way.
pub(crate) struct Stopwatch {
    started: Instant,
    frames: u64,
    bytes: u64,
}

impl Stopwatch {
    /// Starts with a group.
    #[expect(
        clippy::disallowed_methods,
        reason = "it is read by who watches; no more than which thread syncs is decided by it"
    )]
    pub(crate) fn start(group: &kew_journal::Group) -> Self {
        Self { started: Instant::now(), frames: group.frames() as u64, bytes: group.bytes() }
    }
}

impl Meter {
    pub(crate) fn new(now: Timestamp, options: &Options) -> Self {
        Self {
            commit_nanoseconds: Histogram::new(COMMIT_NANOSECONDS),
            commit_frames: Histogram::new(COMMIT_FRAMES),
            written_bytes: AtomicU64::new(0),
            log_bytes: AtomicU64::new(0),
            checkpoints_kept: AtomicU64::new(0),
            checkpoints_failed: AtomicU64::new(0),
            checkpoint_bytes: AtomicU64::new(0),
            checkpoint_at: AtomicU64::new(now.0),
            options: options.clone(),
        }
    }

    /// A group was made durable, in the time that this gives back.
    pub(crate) fn committed(&self, stopwatch: &Stopwatch) -> Duration {
        let took = stopwatch.started.elapsed();
        self.commit_nanoseconds.observe(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        self.commit_frames.observe(stopwatch.frames);
        self.written_bytes.fetch_add(stopwatch.bytes, Relaxed);
        took
    }

    /// So much of the log would have to be replayed by a start.
    pub(crate) fn note_log_bytes(&self, bytes: u64) {
        self.log_bytes.store(bytes, Relaxed);
    }

    /// A checkpoint of this size was written.
    pub(crate) fn note_checkpoint_bytes(&self, bytes: u64) {
        self.checkpoint_bytes.store(bytes, Relaxed);
    }

    /// A checkpoint is durable, or could not be kept.
    pub(crate) fn checkpoint_ended(&self, is_kept: bool, now: Timestamp) {
        if is_kept {
            self.checkpoints_kept.fetch_add(1, Relaxed);
            self.checkpoint_at.store(now.0, Relaxed);
        } else {
            self.checkpoints_failed.fetch_add(1, Relaxed);
        }
    }

    /// Everything, as it is now.
    pub(crate) fn figures(&self, archive: &Archive, budget: &Budget, now: Timestamp) -> Vec<Figure> {
        let mut figures = Vec::from(self.of_commits());
        figures.extend(self.of_checkpoints(now));
        figures.extend(of_files(archive, &self.options));
        figures.push(gauge(
            "kew_store_waiting_bytes",
            "Bytes of requests that wait for the writer, the disk or their answer",
            budget.used_bytes() as u64,
        ));
        figures
    }

    fn of_commits(&self) -> [Figure; 3] {
        [
            Figure::histogram(
                "kew_store_commit_duration_seconds",
                "How long it took to write and sync one group of requests",
                self.commit_nanoseconds.spread(NANOSECONDS),
            ),
            Figure::histogram(
                "kew_store_commit_frames",
                "How many frames one group had; each request that changes something is one",
                self.commit_frames.spread(1.0),
            ),
            Figure::counter(
                "kew_store_written_bytes",
                "Bytes written to the log",
                self.written_bytes.load(Relaxed),
            ),
        ]
    }

    fn of_checkpoints(&self, now: Timestamp) -> [Figure; 4] {
        let age_ms = now.since(Timestamp(self.checkpoint_at.load(Relaxed))).0;
        let count = |count: &AtomicU64| number(count.load(Relaxed));
        [
            Figure::new("kew_store_checkpoints", "Checkpoints by what became of them", Sort::Counter)
                .with([("outcome", "kept")], count(&self.checkpoints_kept))
                .with([("outcome", "failed")], count(&self.checkpoints_failed)),
            gauge(
                "kew_store_checkpoint_size_bytes",
                "Size of the newest checkpoint of this run, 0 before it",
                self.checkpoint_bytes.load(Relaxed),
            ),
            Figure::gauge(
                "kew_store_checkpoint_age_seconds",
                "Time since the newest checkpoint of this run, or since its start",
                std::time::Duration::from_millis(age_ms).as_secs_f64(),
            ),
            gauge(
                "kew_store_log_since_checkpoint_bytes",
                "Bytes of log that a start would have to replay",
                self.log_bytes.load(Relaxed),
            ),
        ]
    }
}

fn of_files(archive: &Archive, options: &Options) -> Vec<Figure> {
    let standing = archive.reader().standing();
    let mut segments =
        Figure::new("kew_store_segments", "Files of the log by what they are for", Sort::Gauge);
    for (state, count) in [
        ("sealed", standing.sealed),
        ("active", standing.active),
        ("prepared", standing.prepared),
        ("spare", standing.spare),
        ("retired", standing.retired),
    ] {
        segments = segments.with([("state", state)], number(count as u64));
    }
    let size = "Size of a full segment";
    let mut figures =
        vec![segments, gauge("kew_store_segment_size_bytes", size, u64::from(standing.segment_bytes))];
    // A volume that does not say how full it is has no figures of it.
    if let Ok(space) = archive.reader().space() {
        let needed_bytes = options.needed_bytes(space);
        let is_full = Reading::Number(f64::from(u8::from(space.free_bytes < needed_bytes)));
        figures.extend([
            gauge("kew_store_volume_size_bytes", "Size of the store's volume", space.total_bytes),
            gauge("kew_store_volume_free_bytes", "Free bytes of the store's volume", space.free_bytes),
            gauge("kew_store_reserve_bytes", "Free bytes below which pushes are refused", needed_bytes),
            Figure::new("kew_store_full", "1 while the volume is too full for pushes, else 0", Sort::Gauge)
                .with([], is_full),
        ]);
    }
    figures
}

fn gauge(name: &'static str, help: &'static str, value: u64) -> Figure {
    Figure::new(name, help, Sort::Gauge).with([], number(value))
}
