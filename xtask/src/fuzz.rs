//! The search for bad input (fuzz/README.md): built with coverage on the stable toolchain, then run for a while in each
//! target, as many at a time as there are cores.
//!
//! Coverage is an option of the compiler; only the sanitizers would need another toolchain, and safe Rust does without.
//! What a search printed is kept in a file, and judged from it: a search that ran blind, or not at all, has failed.

use core::time::Duration;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, bail, ensure};

use crate::program::{self, Program};
use crate::rings::Count;
use crate::say;
use crate::workspace::{self, Workspace};

/// How long each target is searched by the test command.
pub(crate) const RING: Duration = Duration::from_secs(10);
/// Coverage as libFuzzer wants it: a counter for each edge, where they are in the code, and what is compared with what.
const COVERAGE: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// The longest input, one input's longest time, and the most memory. An input that takes seconds is no linear reading:
/// the slowest honest one takes milliseconds.
const BOUNDS: [&str; 3] = ["-max_len=262144", "-timeout=10", "-rss_limit_mb=1024"];

/// Checks form and lints of the search itself and replays its corpus.
///
/// # Errors
/// When one of them fails.
pub(crate) fn replay() -> anyhow::Result<Count> {
    let folder = folder();
    let target = target_folder()?.to_string_lossy().into_owned();
    let cargo = |words: &[&str]| Program::new(words).within(&folder).variable("CARGO_TARGET_DIR", &target);
    cargo(&["cargo", "fmt", "--check"]).run()?;
    cargo(&["cargo", "clippy", "--all-targets", "--", "-D", "warnings"]).run()?;
    cargo(&["cargo", "test"]).count()
}

/// The targets: the folders of the corpus, which a test compares with the table.
///
/// # Errors
/// When the corpus cannot be read.
pub(crate) fn targets() -> anyhow::Result<Vec<String>> {
    let corpus = folder().join("corpus");
    let entries = fs::read_dir(&corpus).with_context(|| format!("cannot read {}", corpus.display()))?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// Builds the program that searches.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let version = program::output(&["rustc", "--version", "--verbose"])?;
    let host =
        version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names its host")?;
    let target = target_folder()?;
    // Named though it is this machine's own, so that the flags are for the product and not for build scripts.
    let build = ["cargo", "build", "--release", "--target", host, "--bin", "kew-fuzz"];
    Program::new(&build)
        .within(&folder())
        .variable("CARGO_TARGET_DIR", &target)
        .variable("RUSTFLAGS", COVERAGE)
        .run()?;
    Ok(target.join(host).join("release").join("kew-fuzz"))
}

/// How long each target may be searched when all of them have this long.
pub(crate) fn share(all: Duration, targets: usize) -> Duration {
    let rounds = u32::try_from(targets.div_ceil(cores())).unwrap_or(u32::MAX);
    (all / rounds.max(1)).max(Duration::from_secs(1))
}

/// Searches every target for this long each; gives how many inputs were tried.
///
/// # Errors
/// When a target has broken a property, or was not searched. All others are searched nevertheless.
pub(crate) fn search(program: &Path, each: Duration) -> anyhow::Result<u64> {
    let names = targets()?;
    let waiting = Mutex::new(names.iter());
    let outcomes = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(name) = next else { return };
            let outcome = search_one(program, name, each).with_context(|| name.clone());
            match &outcome {
                Ok(inputs) => say::line(&format!("{name}: {inputs} inputs, none breaks a property")),
                Err(error) => say::complaint(&format!("{error:#}")),
            }
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
        }
    };
    thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(work);
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    ensure!(failed == 0, "{failed} of {} targets failed", names.len());
    Ok(outcomes.into_iter().flatten().sum())
}

fn search_one(program: &Path, name: &str, each: Duration) -> anyhow::Result<u64> {
    let folder = folder();
    let found = folder.join("found").join(name);
    for place in [&found, &folder.join("crashes"), &folder.join("logs")] {
        fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    }
    let log = folder.join("logs").join(format!("{name}.txt"));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let search = Program::new(&[&program.to_string_lossy()])
        .argument(&found.to_string_lossy())
        .argument(&folder.join("corpus").join(name).to_string_lossy())
        .argument(&format!("-max_total_time={}", each.as_secs().max(1)))
        .argument(&format!("-artifact_prefix={}/crashes/{name}-", folder.display()))
        .argument("-print_final_stats=1");
    let search = BOUNDS.iter().fold(search, |search, bound| search.argument(bound));
    let status = search.within(&folder).variable("KEW_FUZZ_TARGET", name).log(file)?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if !status.success() {
        let (cause, program) = (cause(&text), program.display());
        bail!("{cause}\nKEW_FUZZ_TARGET={name} {program} INPUT repeats it; see {}", log.display());
    }
    inputs(&text)
}

/// The line of a log that says what broke, and where the input is.
fn cause(log: &str) -> String {
    let says = |line: &&str| {
        ["panicked at", "ERROR: libFuzzer", "Test unit written"].iter().any(|part| line.contains(part))
    };
    let lines: Vec<_> = log.lines().collect();
    let mut told: Vec<&str> = Vec::new();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| says(line)) {
        told.push(line);
        // What a panic says stands below where it happened.
        told.extend(lines.get(index + 1).filter(|_| line.contains("panicked at")));
    }
    if told.is_empty() { "it ended without a word".to_owned() } else { told.join("\n") }
}

/// How many inputs a search has tried, by its log.
fn inputs(log: &str) -> anyhow::Result<u64> {
    ensure!(log.contains("inline 8-bit counters"), "the program was built without coverage");
    let said = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let inputs = said.and_then(|number| number.trim().parse().ok()).context("the search tells no number")?;
    ensure!(inputs > 0, "no input was tried");
    Ok(inputs)
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn folder() -> PathBuf {
    workspace::root().join("fuzz")
}

fn target_folder() -> anyhow::Result<PathBuf> {
    Ok(Workspace::read()?.target_folder().join("fuzz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "INFO: Loaded 1 modules   (81928 inline 8-bit counters): 81928 [0x1, 0x2),\n\
        Done 42 runs in 1 second(s)\nstat::number_of_executed_units: 42\n";

    #[test]
    fn a_search_tells_how_many_inputs_it_tried() {
        assert_eq!(inputs(LOG).unwrap(), 42);
    }

    #[test]
    fn a_search_that_was_blind_or_idle_has_failed() {
        for log in [LOG.replace("8-bit counters", ""), LOG.replace("42\n", "0\n"), LOG.replace("stat::", "")]
        {
            assert!(inputs(&log).is_err(), "{log}");
        }
    }

    #[test]
    fn what_broke_is_told_with_its_input() {
        let log = "#1 INITED\nthread 'x' panicked at src/a.rs:1:2:\ntoo long\nnote: x\n\
            ==7== ERROR: libFuzzer: deadly signal\nartifact_prefix='c/'; Test unit written to c/crash-1\n";
        let expected = "thread 'x' panicked at src/a.rs:1:2:\ntoo long\n==7== ERROR: libFuzzer: deadly signal\n\
            artifact_prefix='c/'; Test unit written to c/crash-1";
        assert_eq!(cause(log), expected);
        assert_eq!(cause("#1 INITED"), "it ended without a word");
    }

    #[test]
    fn the_time_is_shared_among_the_targets() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(share(hour, cores()), hour);
        assert_eq!(share(hour, 10 * cores()), Duration::from_secs(360));
        assert_eq!(share(Duration::ZERO, 5), Duration::from_secs(1));
    }
}
