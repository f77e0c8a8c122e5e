//! `kew bench disk`: how fast this disk makes a write durable, into blocks written before and into a growing file.
//!
//! It is the raw ceiling of one client alone: one `pwrite` and one `fdatasync`, as the store does it, and no queue.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use crate::bench::measure::{Latencies, Stopwatch};
use crate::output;

/// The length of the file that is written over and over, in bytes.
const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Flags of `kew bench disk`.
#[derive(Debug, Args)]
pub(super) struct Disk {
    /// Folder on the disk to measure; a file is made in it and removed.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Bytes of each write, 1-1048576.
    #[arg(long, value_name = "COUNT", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    bytes: u32,
    /// Writes, each synced, of either kind, 1-1000000.
    #[arg(long, value_name = "COUNT", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// Print JSON and not a table.
    #[arg(long)]
    pub(super) json: bool,
}

/// What the disk did.
#[derive(Debug)]
pub(super) struct DiskReport {
    bytes: u32,
    prewritten: Latencies,
    growing: Latencies,
}

#[derive(Serialize)]
struct Written {
    bytes: u32,
    count: u64,
    prewritten_p50_microseconds: f64,
    prewritten_p99_microseconds: f64,
    growing_p50_microseconds: f64,
    growing_p99_microseconds: f64,
}

/// Writes and syncs.
///
/// # Errors
/// When the folder cannot be written to.
pub(super) fn measure(arguments: &Disk) -> anyhow::Result<DiskReport> {
    let path = arguments.dir.join(format!(".kew-bench-{}", std::process::id()));
    let measured = measure_in(arguments, &path);
    let removed = std::fs::remove_file(&path);
    let report = measured.with_context(|| format!("cannot write and sync {}", path.display()))?;
    removed.with_context(|| format!("cannot remove {}", path.display()))?;
    Ok(report)
}

fn measure_in(arguments: &Disk, path: &std::path::Path) -> std::io::Result<DiskReport> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let block = vec![0xa5; arguments.bytes as usize];
    let growing = write_and_sync(&file, &block, arguments.count, u64::MAX)?;
    let zeros = vec![0; 1024 * 1024];
    for offset in (0..FILE_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, offset)?;
    }
    file.sync_all()?;
    let prewritten = write_and_sync(&file, &block, arguments.count, FILE_BYTES - u64::from(arguments.bytes))?;
    Ok(DiskReport { bytes: arguments.bytes, prewritten, growing })
}

/// Writes one block after another, syncing each, and starts over before passing `last_start`.
fn write_and_sync(file: &File, block: &[u8], count: u32, last_start: u64) -> std::io::Result<Latencies> {
    let mut latencies = Latencies::new();
    let mut offset = 0;
    for _ in 0..count {
        let started = Stopwatch::start();
        file.write_all_at(block, offset)?;
        file.sync_data()?;
        latencies.record(started.nanoseconds());
        offset += block.len() as u64;
        if offset > last_start {
            offset = 0;
        }
    }
    Ok(latencies)
}

impl DiskReport {
    /// The report as JSON.
    pub(super) fn json(&self) -> String {
        output::json(&Written {
            bytes: self.bytes,
            count: self.prewritten.count(),
            prewritten_p50_microseconds: self.prewritten.microseconds_at(0.5),
            prewritten_p99_microseconds: self.prewritten.microseconds_at(0.99),
            growing_p50_microseconds: self.growing.microseconds_at(0.5),
            growing_p99_microseconds: self.growing.microseconds_at(0.99),
        })
    }

    /// The report as a table.
    pub(super) fn table(&self) -> String {
        let mut table = output::table(&["write + fdatasync", "bytes", "count", "p50", "p99", "max"]);
        for (name, latencies) in [("pre-written blocks", &self.prewritten), ("growing file", &self.growing)] {
            table.add_row([
                name.to_owned(),
                self.bytes.to_string(),
                latencies.count().to_string(),
                format!("{:.0} µs", latencies.microseconds_at(0.5)),
                format!("{:.0} µs", latencies.microseconds_at(0.99)),
                format!("{:.0} µs", latencies.microseconds_max()),
            ]);
        }
        table.to_string()
    }
}
