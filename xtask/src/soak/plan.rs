//! What `cargo xtask soak` is asked to do.

use core::time::Duration;

use anyhow::{Context, bail};

use super::mutants::Places;
use super::{COUNTED, MUTANTS, OTHERS};

const USAGE: &str = "\
usage: cargo xtask soak [--hours N | --minutes N | --count N] [--first-seed N] [--file GLOB]... [--shard K/N] [PART]...

  --crashes      of the simulated disk
  --network      runs of the whole server over a bad network
  --equivalence  random scripts, by the store and by the oracle
  --kills        of the real process
  --fuzz         bad input to every door
  --loom         models of the hand-off between threads, in every order
  --mutants      changes of the program, one at a time, that the tests are to notice

  Without a part all of them run; without a time they have an hour together. --count takes one of the first four, which
  goes on until it has done so much. --first-seed has crashes and network try other runs than before. --file and --shard
  keep the mutants to some files, and to the K-th of N parts of them, counted from 0.";

/// The time of a soak that does not say.
const DEFAULT: Duration = Duration::from_secs(3_600);
/// The longest soak.
const HOURS_MAX: f64 = 240.0;
/// The most first seeds that can be named.
const FIRST_SEED_MAX: u64 = 1 << 20;

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) time: Duration,
    /// How much one part is to do, in place of a time.
    pub(super) count: Option<u64>,
    /// With which seeds to begin.
    pub(super) first_seed: u64,
    /// Which places of the program are to be changed.
    pub(super) places: Places,
    pub(super) parts: Vec<&'static str>,
}

/// What the arguments say.
///
/// # Errors
/// When they say nothing sensible.
pub(super) fn plan(arguments: &[String]) -> anyhow::Result<Plan> {
    let names = || COUNTED.iter().map(|part| part.name).chain(OTHERS);
    let mut plan =
        Plan { time: DEFAULT, count: None, first_seed: 0, places: Places::default(), parts: Vec::new() };
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
            ("--count", None) => {
                let count = words.next().and_then(|word| word.replace('_', "").parse().ok());
                let count =
                    count.filter(|count| *count > 0).context("--count takes a whole number, at least 1")?;
                plan.count = Some(count);
            }
            ("--first-seed", None) => {
                let seed =
                    words.next().and_then(|word| word.parse().ok()).filter(|seed| *seed <= FIRST_SEED_MAX);
                plan.first_seed =
                    seed.with_context(|| format!("--first-seed takes a number, at most {FIRST_SEED_MAX}"))?;
            }
            ("--file", None) => {
                plan.places
                    .files
                    .push(words.next().context("--file takes a path, or a pattern of paths")?.clone());
            }
            ("--shard", None) => {
                let shard = words.next().filter(|shard| is_shard(shard));
                let shard = shard.context("--shard takes K/N, with K less than N")?;
                plan.places.shard = Some(shard.clone());
            }
            _ => bail!("soak does not know {word}\n\n{USAGE}"),
        }
    }
    if plan.count.is_some() && (plan.parts.len() != 1 || OTHERS.contains(&plan.parts[0])) {
        bail!("--count takes one part, and neither --fuzz, --loom nor --mutants\n\n{USAGE}");
    }
    if plan.places != Places::default() && plan.parts != [MUTANTS] {
        bail!("--file and --shard are for --mutants alone\n\n{USAGE}");
    }
    if plan.parts.is_empty() {
        plan.parts.extend(names());
    }
    Ok(plan)
}

/// Whether a text is `K/N`, with K less than N.
fn is_shard(text: &str) -> bool {
    let numbers = text.split_once('/').map(|(part, parts)| (part.parse::<u32>(), parts.parse::<u32>()));
    matches!(numbers, Some((Ok(part), Ok(parts))) if part < parts)
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
        let planned_for =
            |time, parts| Plan { time, count: None, first_seed: 0, places: Places::default(), parts };
        assert_eq!(
            all,
            planned_for(
                DEFAULT,
                vec!["crashes", "network", "equivalence", "kills", "fuzz", "loom", "mutants"]
            )
        );
        let some = planned(&["--fuzz", "--minutes", "1.5", "--kills", "--fuzz"]).unwrap();
        assert_eq!(some, planned_for(Duration::from_secs(90), vec!["fuzz", "kills"]));
        assert_eq!(planned(&["--hours", "2"]).unwrap().time, Duration::from_secs(7_200));
    }

    #[test]
    fn one_part_can_be_given_a_count() {
        let some = planned(&["--crashes", "--count", "100_000_000", "--first-seed", "3"]).unwrap();
        let parts = vec!["crashes"];
        let count = Some(100_000_000);
        assert_eq!(some, Plan { time: DEFAULT, count, first_seed: 3, places: Places::default(), parts });
    }

    #[test]
    fn mutants_can_be_kept_to_files_and_to_a_part_of_them() {
        let words =
            ["--mutants", "--file", "crates/a/src/b.rs", "--file", "crates/a/src/c/**", "--shard", "1/4"];
        let places = planned(&words).unwrap().places;
        assert_eq!(places.files, ["crates/a/src/b.rs", "crates/a/src/c/**"]);
        assert_eq!(places.shard.as_deref(), Some("1/4"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            &["--hours"][..],
            &["--hours", "x"],
            &["--minutes", "0"],
            &["--hours", "1e9"],
            &["fuzz"],
            &["--count", "5"],
            &["--fuzz", "--count", "5"],
            &["--kills", "--count", "0"],
            &["--first-seed", "-1"],
            &["--shard", "0/4"],
            &["--mutants", "--kills", "--file", "a.rs"],
            &["--mutants", "--shard", "4/4"],
            &["--mutants", "--file"],
        ] {
            assert!(planned(words).is_err(), "{words:?}");
        }
    }
}
