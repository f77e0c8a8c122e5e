//! Figures of a whole run, to be read beside the targets of the design: printed, never asserted.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::load::{Load, MESSAGES, batch_of};
use crate::{limit, many, state};

/// Set in the process that measures its own memory, so that nothing else has used any before.
pub(crate) const CHILD: &str = "KEW_BENCH_MEMORY";

/// What such a process measures: every condition of messages, a state under a limit, or ready ones.
const STATE: &str = "state";

/// How many messages the large backlog holds, when a million will not do.
const LARGE: &str = "KEW_BENCH_BACKLOG";

/// The messages of the small and the large backlog.
fn backlog_sizes() -> [u64; 2] {
    let large = std::env::var(LARGE).map_or(1_000_000, |text| text.parse().unwrap());
    [10_000, large]
}

/// Whether this process is one that measures its memory.
pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Measures what this process was started for.
pub(crate) fn measure_memory() {
    match std::env::var(CHILD).unwrap_or_default() {
        what if what == STATE => state::memory(),
        what if limit::run(&what) => {}
        _ => memory(),
    }
}

/// Prints all of them.
pub(crate) fn print() {
    println!("load before: {}", load_average());
    for what in ["ready", STATE] {
        let child = Command::new(std::env::current_exe().unwrap()).env(CHILD, what).status().unwrap();
        assert!(child.success());
    }
    lifecycles();
    many::print();
    backlogs();
    restart();
    println!("load after: {}", load_average());
}

fn load_average() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().trim_end().to_owned()
}

/// What this process has used of the processors so far, over all its threads.
#[derive(Clone, Copy, Default)]
struct Cpu {
    user_us: u64,
    system_us: u64,
}

impl Cpu {
    /// Read from the kernel, which counts in hundredths of a second.
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        // The name of the program, in brackets, may hold anything; the fields after it are numbers.
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 1..].split_whitespace().collect();
        let micros = |at: usize| fields[at].parse::<u64>().unwrap() * 10_000;
        Self { user_us: micros(11), system_us: micros(12) }
    }

    /// Adds what was used since `earlier`.
    fn add_since(&mut self, earlier: Self) {
        let now = Self::now();
        self.user_us += now.user_us - earlier.user_us;
        self.system_us += now.system_us - earlier.system_us;
    }

    /// A share of it, in microseconds, as text.
    fn each(self, count: u64) -> String {
        let [user, system] = [self.user_us, self.system_us].map(|time_us| time_us as f64 / count as f64);
        format!(
            "{:.2} µs of CPU for each message ({user:.2} of it our code, {system:.2} the kernel's)",
            user + system
        )
    }
}

/// What this process keeps in memory, in bytes.
pub(crate) fn resident_bytes() -> u64 {
    bytes_of_status("VmRSS:")
}

/// What the kernel says of this process's memory under a name.
pub(crate) fn bytes_of_status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Resident memory for messages that are ready and nothing else. The first million fills the buffers, the second shows
/// what a message costs.
fn memory() {
    let load = Load::new();
    let mut before = resident_bytes();
    println!("memory of an empty store: {:.1} MiB", before as f64 / 1048576.0);
    for million in ["first", "second"] {
        load.pushes(4, 2_500, MESSAGES);
        let now = resident_bytes();
        let more = now.saturating_sub(before) as f64 / 1048576.0;
        println!("memory of the {million} million of ready messages: {more:.1} MiB more");
        before = now;
    }
}

/// CPU of the whole process, the callers' own share included, for each message that is pushed, pulled and acknowledged.
fn lifecycles() {
    for (callers, count) in [(1, 3_000), (4, 1_500), (16, 600)] {
        let load = Load::new();
        load.lifecycles(callers, count / 4);
        let (before, mut cpu) = (Cpu::now(), Cpu::default());
        let elapsed = load.lifecycles(callers, count);
        cpu.add_since(before);
        let messages = callers as u64 * count * MESSAGES as u64;
        let rate = messages as f64 / elapsed.as_secs_f64();
        println!("lifecycle, {callers} callers: {}, {rate:.0} messages/s", cpu.each(messages));
    }
}

/// The middle one of some times, in microseconds.
fn median_us(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// Pushes and pulls of one caller beside a small and a large backlog, in turns, so that both meet the same machine.
fn backlogs() {
    let loads = backlog_sizes().map(|messages| {
        let load = Load::new();
        load.pushes(4, messages / 4 / MESSAGES as u64, MESSAGES);
        load
    });
    let mut times: [[Vec<Duration>; 2]; 2] = Default::default();
    let mut cpu = [Cpu::default(); 2];
    const TURNS: u64 = 30;
    const CYCLES: u64 = 50;
    for _ in 0..TURNS {
        for (at, load) in loads.iter().enumerate() {
            let before = Cpu::now();
            for _ in 0..CYCLES {
                let batch = batch_of(MESSAGES);
                let started = Instant::now();
                load.push(batch);
                let pushed = Instant::now();
                let settlement = load.pull();
                times[at][0].push(pushed - started);
                times[at][1].push(pushed.elapsed());
                load.ack(settlement);
            }
            cpu[at].add_since(before);
        }
    }
    for ((backlog, times), cpu) in backlog_sizes().iter().zip(times).zip(cpu) {
        let [push_us, pull_us] = times.map(median_us);
        let cpu = cpu.each(TURNS * CYCLES * MESSAGES as u64);
        println!("backlog of {backlog}: push of {MESSAGES} {push_us:.0} µs, pull {pull_us:.0} µs, {cpu}");
    }
}

/// From the start of opening to the first pulled messages, after an end without a close.
fn restart() {
    let load = Load::to_be_killed();
    let [_, backlog] = backlog_sizes();
    load.pushes(1, backlog / MESSAGES as u64, MESSAGES);
    let started = Instant::now();
    let load = load.reopened();
    let opened = started.elapsed();
    load.pull();
    let pulled = started.elapsed();
    println!("restart with {backlog} messages: open after {opened:.0?}, first pull after {pulled:.0?}");
}
