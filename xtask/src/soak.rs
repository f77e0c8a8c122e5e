//! `cargo xtask soak`: the searches of the test command, for as long as one likes, with a table at the end.
//!
//! A part that counts its work (crashes, scripts, kills) is run twice: first at the size of the test command, which
//! tells how long that takes here, then once more at the size that fills the rest of its time. Both must pass. The time
//! is shared evenly among the parts.

use core::time::Duration;
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::program::Program;
use crate::rings::clock;
use crate::{fuzz, say};

const USAGE: &str = "\
usage: cargo xtask soak [--hours N | --minutes N] [--fuzz] [--crashes] [--network] [--equivalence] [--kills]

  Without a part all of them run; without a time they have an hour together.";

/// The time of a soak that does not say.
const DEFAULT: Duration = Duration::from_secs(3_600);
/// The longest soak.
const HOURS_MAX: f64 = 240.0;

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

/// What is to be done.
#[derive(Debug, PartialEq)]
struct Plan {
    time: Duration,
    parts: Vec<&'static str>,
}

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
    let each = plan.time / u32::try_from(plan.parts.len()).unwrap_or(1);
    let outcomes: Vec<_> = plan.parts.iter().map(|name| part(name, each)).collect();
    say::line(&format!("\n{}", table(&outcomes)));
    let failed: Vec<_> =
        outcomes.iter().filter(|outcome| outcome.done.is_err()).map(|outcome| outcome.name).collect();
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn plan(arguments: &[String]) -> anyhow::Result<Plan> {
    let names = || COUNTED.iter().map(|part| part.name).chain([FUZZ]);
    let mut plan = Plan { time: DEFAULT, parts: Vec::new() };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match (word.as_str(), word.strip_prefix("--").and_then(|word| names().find(|name| *name == word))) {
            (_, Some(name)) if !plan.parts.contains(&name) => plan.parts.push(name),
            (_, Some(_)) => {}
            (unit @ ("--hours" | "--minutes"), None) => {
                let number = words.next().and_then(|word| word.parse::<f64>().ok());
                let hours = number.map(|number| if unit == "--hours" { number } else { number / 60.0 });
                let hours = hours.filter(|hours| *hours > 0.0 && *hours <= HOURS_MAX);
                let hours = hours.with_context(|| format!("{unit} takes a number, at most {HOURS_MAX} h"))?;
                plan.time = Duration::from_secs_f64(hours * 3_600.0);
            }
            _ => bail!("soak does not know {word}\n\n{USAGE}"),
        }
    }
    if plan.parts.is_empty() {
        plan.parts.extend(names());
    }
    Ok(plan)
}

#[expect(clippy::disallowed_methods, reason = "the table says how long each part took")]
fn part(name: &'static str, time: Duration) -> Outcome {
    say::line(&format!("\n=== {name}"));
    let start = Instant::now();
    let done = match COUNTED.iter().find(|part| part.name == name) {
        Some(part) => part.run(time),
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
    fn run(&self, time: Duration) -> anyhow::Result<String> {
        // Built before the clock runs.
        Program::new(&["cargo", "test", "--package", self.package, "--test", "it", "--no-run"]).run()?;
        let start = Instant::now();
        self.test(self.count)?;
        let took = start.elapsed();
        let more = fills(self.count, took, time.saturating_sub(took));
        if more > self.count {
            self.test(more)?;
        }
        Ok(format!("{} {}", self.count.max(more), self.unit))
    }

    fn test(&self, count: u64) -> anyhow::Result<()> {
        say::line(&format!("{}={count}", self.variable));
        let words = ["cargo", "test", "--package", self.package, "--test", "it", "--", self.test];
        let program = Program::new(&words).variable(self.variable, count.to_string());
        let program = if self.is_ignored { program.argument("--ignored") } else { program };
        program.count().map(drop)
    }
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

    fn planned(words: &[&str]) -> anyhow::Result<Plan> {
        plan(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn everything_runs_for_an_hour_unless_told_otherwise() {
        let all = planned(&[]).unwrap();
        assert_eq!(
            all,
            Plan { time: DEFAULT, parts: vec!["crashes", "network", "equivalence", "kills", "fuzz"] }
        );
        let some = planned(&["--fuzz", "--minutes", "1.5", "--kills", "--fuzz"]).unwrap();
        assert_eq!(some, Plan { time: Duration::from_secs(90), parts: vec!["fuzz", "kills"] });
        assert_eq!(planned(&["--hours", "2"]).unwrap().time, Duration::from_secs(7_200));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in
            [&["--hours"][..], &["--hours", "x"], &["--minutes", "0"], &["--hours", "1e9"], &["fuzz"]]
        {
            assert!(planned(words).is_err(), "{words:?}");
        }
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
