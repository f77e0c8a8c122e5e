//! What the process tells of itself in `/metrics`, under the names that Prometheus's own clients use.
//!
//! Where the system has no `/proc`, only the version and the start are told. Nothing beside the process's own part of it is read, so
//! that the rest may be hidden.

use core::time::Duration;

use kew_model::figures::{Figure, Reading, Sort};
use kew_model::{Clock as _, Timestamp};
use kew_server::FigureSource;

use crate::clock::SystemClock;

/// This process.
#[derive(Debug)]
pub(crate) struct Process {
    started: Timestamp,
}

impl Process {
    /// To be called as the process starts.
    pub(crate) fn start() -> Self {
        Self { started: SystemClock::start().now() }
    }
}

impl FigureSource for Process {
    fn figures(&self) -> Vec<Figure> {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        let build = Figure::new("kew_build_info", "Always 1; its label is the version", Sort::Gauge);
        let mut figures = vec![build.with(version, Reading::Number(1.0))];
        let started = Duration::from_millis(self.started.0).as_secs_f64();
        figures.push(Figure::gauge(
            "process_start_time_seconds",
            "When the process began, since 1970",
            started,
        ));
        figures.extend(of_system());
        figures
    }
}

/// What the system says of the process; what it does not say is left out.
#[cfg(target_os = "linux")]
#[expect(clippy::cast_precision_loss, reason = "the notation of metrics knows no other numbers")]
fn of_system() -> Vec<Figure> {
    use procfs::process::Process;

    let Ok(process) = Process::myself() else { return Vec::new() };
    let mut figures = Vec::new();
    let mut gauge = |name, help, value: Option<f64>| {
        figures.extend(value.map(|value| Figure::gauge(name, help, value)));
    };
    let ticks_per_second = procfs::ticks_per_second() as f64;
    let stat = process.stat().ok();
    let stat = stat.as_ref();
    gauge(
        "process_resident_memory_bytes",
        "Memory in use",
        stat.map(|stat| (stat.rss * procfs::page_size()) as f64),
    );
    gauge("process_virtual_memory_bytes", "Addresses in use", stat.map(|stat| stat.vsize as f64));
    gauge("process_threads", "Threads", stat.map(|stat| stat.num_threads as f64));
    gauge("process_open_fds", "Open files and sockets", process.fd_count().ok().map(|count| count as f64));
    let most = process.limits().ok().and_then(|limits| match limits.max_open_files.soft_limit {
        procfs::process::LimitValue::Value(most) => Some(most as f64),
        procfs::process::LimitValue::Unlimited => None,
    });
    gauge("process_max_fds", "The most open files and sockets", most);
    figures.extend(stat.map(|stat| {
        let seconds = (stat.utime + stat.stime) as f64 / ticks_per_second;
        let figure = Figure::new("process_cpu_seconds", "Time on processors", Sort::Counter);
        figure.with([], Reading::Number(seconds))
    }));
    figures
}

#[cfg(not(target_os = "linux"))]
fn of_system() -> Vec<Figure> {
    Vec::new()
}
