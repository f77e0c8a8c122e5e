//! What is measured: time, latencies, and the CPU time of processes.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;

/// The longest latency told apart, in nanoseconds; longer ones count as this.
const LATENCY_NANOSECONDS_MAX: u64 = 120_000_000_000;

/// A point in time to measure from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts one.
    #[expect(
        clippy::disallowed_methods,
        reason = "a load generator measures real time; nothing is decided by it"
    )]
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub(super) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// The time since the start, in nanoseconds.
    pub(super) fn nanoseconds(self) -> u64 {
        u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Latencies of one kind of request, in nanoseconds, to three significant digits.
#[derive(Debug, Clone)]
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    pub(super) fn new() -> Self {
        // The bounds are constants that the histogram accepts: 1 below half the maximum, 3 digits.
        Self(Histogram::new_with_bounds(1, LATENCY_NANOSECONDS_MAX, 3).expect("constant bounds are valid"))
    }

    /// Adds one.
    pub(super) fn record(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds.max(1));
    }

    /// Adds those of another.
    pub(super) fn merge(&mut self, other: &Self) {
        // Both have the same bounds, the only thing that `add` can object to.
        self.0.add(&other.0).expect("histograms of one shape");
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that `quantile` (0 to 1) of them do not exceed, in microseconds.
    pub(super) fn microseconds_at(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// The longest, in microseconds.
    pub(super) fn microseconds_max(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }
}

/// The CPU time, user and system, that a process has used so far, from `/proc/PID/stat` (resolution: one clock tick,
/// usually 10 ms).
///
/// # Errors
/// When there is no such process or no such file system.
pub(super) fn cpu_time(process: &str) -> anyhow::Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = cpu_ticks(&stat).with_context(|| format!("{path} is not in the known form"))?;
    let per_second = rustix::param::clock_ticks_per_second();
    ensure!(per_second > 0, "the system names no clock tick");
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// The memory that a process holds, in bytes, from `/proc/PID/status`.
///
/// # Errors
/// When there is no such process or no such file system.
pub(super) fn resident_bytes(process: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kibibytes.with_context(|| format!("{path} is not in the known form"))? << 10)
}

/// Fields 14 and 15 of the line. The second field is the program's name in parentheses and may hold anything, so the
/// fields are counted from its end.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_a_name_with_parentheses() {
        let stat = "4242 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20 0";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("4242 (kew) S 1"), None);
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut latencies = Latencies::new();
        (1..=1000).for_each(|step| latencies.record(step * 1000));
        let mut twice = Latencies::new();
        twice.merge(&latencies);
        twice.merge(&latencies);
        assert_eq!(twice.count(), 2000);
        assert!((twice.microseconds_at(0.5) - 500.0).abs() < 2.0);
        assert!((twice.microseconds_max() - 1000.0).abs() < 2.0);
    }
}
