//! Mutation testing of the pure cores: `cargo mutants` changes one place of the program at a time, and the tests are to
//! notice.
//!
//! Only places are tried that no earlier run has seen noticed, in an order of its own, until the time is over; so many runs
//! come to all of them. What tests passed is listed and fails nothing: whether such a place matters is for people to say.

use core::time::Duration;
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::program::{self, Program};
use crate::{say, workspace};

/// The release of `cargo mutants` that is installed.
const VERSION: &str = "27.1.0";
/// Where what is said of a program is decided without files, threads or sockets.
const CORES: [&str; 6] = [
    "crates/kew-embedded/src/decide/**",
    "crates/kew-embedded/src/queue/**",
    "crates/kew-embedded/src/queue.rs",
    "crates/kew-embedded/src/record/**",
    "crates/kew-embedded/src/state.rs",
    "crates/kew-journal/src/**",
];
/// Simulations count for nothing, nor do what only tests look at, and mistakes that are planted.
const BESIDE: [&str; 3] =
    ["crates/kew-journal/src/disk/**", "crates/kew-journal/src/seeded.rs", "**/tests.rs"];
/// Small sizes of the searches among the tests, so that each place takes seconds.
const SIZES: [(&str, &str); 3] =
    [("KEW_CRASHES", "4000"), ("KEW_EQUIVALENCE_SCRIPTS", "60"), ("KEW_JOURNAL_WORLDS", "1..200")];
/// Tests that take long, or are about other tests.
const SKIPPED: [&str; 11] = [
    "seeded",
    "mutants",
    "is_caught",
    "a_run_of_600",
    "every_short_script",
    "recovery_may_be",
    "whatever_call_fails",
    "blocks_that_changed",
    "rot_in_any",
    "every_flipped",
    "an_account_holds",
];
/// What can become of a place.
const OUTCOMES: [&str; 4] = ["caught", "missed", "timeout", "unviable"];

/// Tries places for so long, and tells what became of all that were ever tried.
///
/// # Errors
/// When `cargo mutants` cannot be installed, or comes to nothing.
pub(super) fn run(time: Duration) -> anyhow::Result<String> {
    let tools = workspace::root().join("target").join("tools");
    install(&tools)?;
    let output = workspace::root().join("target").join("mutants");
    fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
    let seconds = time.as_secs().max(60).to_string();
    let program = tools.join("bin").join("cargo-mutants").to_string_lossy().into_owned();
    let mut mutants =
        Program::new(&["timeout", "--signal=INT", "--kill-after=60", &seconds, &program, "mutants"]);
    let fixed = [
        "--package=kew-embedded",
        "--package=kew-journal",
        "--iterate",
        "--shuffle",
        "--jobs=1",
        "--timeout=300",
        "--colors=never",
        "--output",
    ];
    for word in fixed {
        mutants = mutants.argument(word);
    }
    mutants = mutants.argument(&output.to_string_lossy());
    for (flag, globs) in [("--file", &CORES[..]), ("--exclude", &BESIDE[..])] {
        for glob in globs {
            mutants = mutants.argument(flag).argument(glob);
        }
    }
    for word in ["--", "--lib", "--test", "it", "--"] {
        mutants = mutants.argument(word);
    }
    for test in SKIPPED {
        mutants = mutants.argument("--skip").argument(test);
    }
    for (name, value) in SIZES {
        mutants = mutants.variable(name, value);
    }
    let built = workspace::root().join("target").join("mutants-build");
    // It ends with an error when a place was missed, and when the time is over.
    let ended = mutants.variable("CARGO_TARGET_DIR", built).run();
    let counts = counts(&output.join("mutants.out"))?;
    ensure!(counts.iter().any(|(_, count)| *count > 0), "no place was tried: {ended:?}");
    say::line(&format!("the places are listed in {}", output.join("mutants.out").display()));
    Ok(counts.map(|(outcome, count)| format!("{count} {outcome}")).join(", "))
}

fn install(tools: &Path) -> anyhow::Result<()> {
    let program = tools.join("bin").join("cargo-mutants").to_string_lossy().into_owned();
    let is_there =
        program::output(&[&program, "mutants", "--version"]).is_ok_and(|text| text.contains(VERSION));
    if is_there {
        return Ok(());
    }
    say::line("installing cargo-mutants into target/tools");
    let words = ["cargo", "install", "cargo-mutants", "--version", VERSION, "--locked", "--root"];
    Program::new(&words).argument(&tools.to_string_lossy()).run()
}

/// How many places came to each outcome, in this run and all before it.
fn counts(folder: &Path) -> anyhow::Result<[(&'static str, usize); OUTCOMES.len()]> {
    let mut counts = OUTCOMES.map(|outcome| (outcome, 0));
    for (outcome, count) in &mut counts {
        for name in [format!("{outcome}.txt"), format!("previously_{outcome}.txt")] {
            let path = folder.join(&name);
            if path.exists() {
                let text =
                    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                *count += text.lines().filter(|line| !line.trim().is_empty()).count();
            }
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_all_runs_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("caught.txt"), "a.rs:1: one\na.rs:2: two\n").unwrap();
        fs::write(folder.path().join("previously_caught.txt"), "a.rs:3: three\n").unwrap();
        fs::write(folder.path().join("missed.txt"), "a.rs:4: four\n").unwrap();
        let counted = counts(folder.path()).unwrap();
        assert_eq!(counted, [("caught", 3), ("missed", 1), ("timeout", 0), ("unviable", 0)]);
    }
}
