//! `cargo xtask soak`: the searches of the test command, for as long as one likes, with a table at the end.
//!
//! A part that counts its work (crashes, scripts, kills) is run twice: first at a small size, which tells how long that
//! takes here, then once more at the size that fills the rest of its time. Both must pass. The time is shared evenly among
//! the parts. Or one part goes on until it has reached a count, however long that takes, and tells from time to time how
//! far it is.

mod loom;
mod mutants;
mod plan;

use core::time::Duration;
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::program::Program;
use crate::rings::clock;
use crate::{fuzz, say};
use plan::{Plan, plan};

/// How long a part that goes on up to a count works between two lines of news.
const NEWS: Duration = Duration::from_secs(600);
/// So many seeds belong to a run of a part; no part is run so often that they meet those of the next.
const SEEDS: u64 = 1 << 40;

/// A search that takes the amount of its work from a variable.
struct Counted {
    name: &'static str,
    /// What is counted.
    unit: &'static str,
    variable: &'static str,
    /// The amount of the first run.
    count: u64,
    package: &'static str,
    /// The test, and whether it runs only when asked for.
    test: &'static str,
    is_ignored: bool,
}

const COUNTED: [Counted; 4] = [
    Counted {
        name: "crashes",
        unit: "crashes of the simulated disk",
        variable: "KEW_CRASHES",
        count: 20_000,
        package: "kew-embedded",
        test: "crash::random_runs_survive_random_stops",
        is_ignored: false,
    },
    Counted {
        name: "network",
        unit: "runs of the whole server over a bad network",
        variable: "KEW_NETWORK_RUNS",
        count: 1_500,
        package: "kew-server",
        test: "network::clients_see",
        is_ignored: false,
    },
    Counted {
        name: "equivalence",
        unit: "scripts against the oracle, twice",
        variable: "KEW_EQUIVALENCE_SCRIPTS",
        count: 1_200,
        package: "kew-embedded",
        test: "equivalence::",
        is_ignored: false,
    },
    Counted {
        name: "kills",
        unit: "kills of the real process",
        variable: "KEW_PROOF_KILLS",
        count: 20,
        package: "kew-proof",
        test: "kill::answered_work_survives_very_many_kills",
        is_ignored: true,
    },
];
const FUZZ: &str = "fuzz";
const LOOM: &str = "loom";
const MUTANTS: &str = "mutants";
/// The parts that count nothing that could be asked for.
const OTHERS: [&str; 3] = [FUZZ, LOOM, MUTANTS];

/// What became of a part.
struct Outcome {
    name: &'static str,
    took: Duration,
    /// How much was done, or why it failed.
    done: anyhow::Result<String>,
}

/// Soaks as the arguments say.
///
/// # Errors
/// When the arguments say nothing sensible, or a part fails; all others run nevertheless.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let plan = plan(arguments)?;
    if let ([name], Some(count)) = (plan.parts.as_slice(), plan.count) {
        let part = COUNTED.iter().find(|part| part.name == *name).context("this part counts nothing")?;
        return part.reach(count, plan.first_seed);
    }
    let each = plan.time / u32::try_from(plan.parts.len()).unwrap_or(1);
    let outcomes: Vec<_> = plan.parts.iter().map(|name| part(name, each, &plan)).collect();
    say::line(&format!("\n{}", table(&outcomes)));
    let failed: Vec<_> =
        outcomes.iter().filter(|outcome| outcome.done.is_err()).map(|outcome| outcome.name).collect();
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the table says how long each part took")]
fn part(name: &'static str, time: Duration, plan: &Plan) -> Outcome {
    say::line(&format!("\n=== {name}"));
    let start = Instant::now();
    let done = match COUNTED.iter().find(|part| part.name == name) {
        Some(part) => part.run(time, plan.first_seed),
        None if name == LOOM => loom::run(),
        None if name == MUTANTS => mutants::run(time, &plan.places),
        None => search(time),
    };
    if let Err(error) = &done {
        say::complaint(&format!("{name} failed: {error:#}"));
    }
    Outcome { name, took: start.elapsed(), done }
}

fn search(time: Duration) -> anyhow::Result<String> {
    let program = fuzz::build()?;
    let targets = fuzz::targets()?.len();
    let inputs = fuzz::search(&program, fuzz::share(time, targets))?;
    Ok(format!("{inputs} inputs to {targets} targets"))
}

impl Counted {
    #[expect(clippy::disallowed_methods, reason = "the second run is as long as the first lets expect")]
    fn run(&self, time: Duration, first_seed: u64) -> anyhow::Result<String> {
        self.build()?;
        let start = Instant::now();
        self.test(self.count, first_seed * SEEDS)?;
        let took = start.elapsed();
        let more = fills(self.count, took, time.saturating_sub(took));
        if more > self.count {
            self.test(more, first_seed * SEEDS + SEEDS / 2)?;
        }
        Ok(format!("{} {}", self.count.max(more), self.unit))
    }

    /// Goes on until so much is done.
    #[expect(clippy::disallowed_methods, reason = "whoever waits wants to know for how long")]
    fn reach(&self, wanted: u64, first_seed: u64) -> anyhow::Result<()> {
        self.build()?;
        let start = Instant::now();
        let (mut done, mut next, mut seed) = (0, self.count.min(wanted), first_seed * SEEDS);
        loop {
            self.test(next, seed)?;
            done += next;
            // Each run of a test tries fewer seeds than it counts.
            seed += 2 * next;
            let took = start.elapsed();
            say::line(&format!("{}: {}", self.name, progress(done, wanted, took)));
            if done >= wanted {
                return Ok(());
            }
            next = fills(done, took, NEWS).max(self.count).min(wanted - done);
        }
    }

    /// Builds the tests before the clock runs.
    fn build(&self) -> anyhow::Result<()> {
        let words =
            ["cargo", "test", "--profile", "soak", "--package", self.package, "--test", "it", "--no-run"];
        Program::new(&words).run()
    }

    fn test(&self, count: u64, first_seed: u64) -> anyhow::Result<()> {
        say::line(&format!("{}={count} {FIRST_SEED}={first_seed}", self.variable));
        let words = [
            "cargo",
            "test",
            "--profile",
            "soak",
            "--package",
            self.package,
            "--test",
            "it",
            "--",
            self.test,
        ];
        let program = Program::new(&words).variable(self.variable, count.to_string());
        let program = program.variable(FIRST_SEED, first_seed.to_string());
        let program = if self.is_ignored { program.argument("--ignored") } else { program };
        program.count().map(drop)
    }
}

/// The variable that says with which seed a test begins, if it has seeds.
const FIRST_SEED: &str = "KEW_FIRST_SEED";

/// How far a part is, how fast it goes, and when it may end.
fn progress(done: u64, wanted: u64, took: Duration) -> String {
    let rate = u128::from(done) * 1_000 / took.as_millis().max(1);
    let left = Duration::from_millis(
        u64::try_from(took.as_millis() * u128::from(wanted - done) / u128::from(done)).unwrap_or(u64::MAX),
    );
    format!("{done} of {wanted} in {}, {rate} a second, about {} to go", clock(took), clock(left))
}

/// How much work fills a time, when `count` took this long.
fn fills(count: u64, took: Duration, time: Duration) -> u64 {
    let milliseconds = took.as_millis().max(1);
    let filled = u128::from(count) * time.as_millis() / milliseconds;
    u64::try_from(filled).unwrap_or(u64::MAX)
}

fn table(outcomes: &[Outcome]) -> String {
    let mut table = format!("{:<14} {:>8}  {:<8} done\n", "part", "time", "result");
    for Outcome { name, took, done } in outcomes {
        let (result, done) = match done {
            Ok(done) => ("ok", done.as_str()),
            Err(_) => ("FAILED", "see above"),
        };
        table += &format!("{name:<14} {:>8}  {result:<8} {done}\n", clock(*took));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_tell_how_far_a_part_is() {
        assert_eq!(
            progress(20_000, 100_000_000, Duration::from_secs(4)),
            "20000 of 100000000 in 0:04, 5000 a second, about 333:16 to go"
        );
    }

    #[test]
    fn the_second_run_fills_the_time() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        assert_eq!(fills(20, second, minute), 1_200);
        assert_eq!(fills(20, minute, second), 0);
        assert_eq!(fills(u64::MAX, Duration::ZERO, minute), u64::MAX);
    }

    #[test]
    fn the_table_tells_what_failed() {
        let ok = Outcome { name: "fuzz", took: Duration::from_secs(61), done: Ok("7 inputs".to_owned()) };
        let failed = Outcome { name: "kills", took: Duration::ZERO, done: Err(anyhow::anyhow!("lost")) };
        let table = table(&[ok, failed]);
        let lines: Vec<_> =
            table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
        assert_eq!(lines[0], ["fuzz", "1:01", "ok", "7", "inputs"]);
        assert_eq!(lines[1], ["kills", "0:00", "FAILED", "see", "above"]);
    }
}
