//! Mutation testing of what must be right: `cargo mutants` changes one place of the program at a time, and the tests are
//! to notice.
//!
//! A place costs seconds, because it is changed in a copy of the project that stays where it is and is built in steps
//! ([`tree`]), and because quick tests that see most come first. What these pass over is tried once more, with all tests of
//! its crate that are not slow ([`guards`]). Only places are tried that no earlier run has seen noticed, in an order of
//! its own, until the time is over; so many runs come to all of them ([`ledger`]). What tests passed is listed and fails
//! nothing: whether such a place matters is for people to say. Places where a change is none are named, with the reason, in
//! `.cargo/mutants.toml`.

mod guards;
mod ledger;
mod tree;

use core::time::Duration;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::program::{self, Program};
use crate::{say, workspace};
use guards::{GUARDS, Guard, Tests};
use ledger::Ledger;

/// The release of `cargo mutants` that is installed.
const VERSION: &str = "27.1.0";
/// So long a process may compute: a change that makes a test run in circles is noticed by this, and not by the wall clock,
/// which goes on when the machine is busy elsewhere.
const CPU_SECONDS_MAX: u32 = 60;
/// Tests that wait for ever are given up after so many seconds, and a build that does not end.
const TEST_SECONDS_MAX: &str = "--timeout=300";
const BUILD_SECONDS_MAX: &str = "--build-timeout=1200";
/// Sizes of the searches among the tests, small, and none looks for the shortest script that fails.
const SIZES: [(&str, &str); 4] = [
    ("KEW_CRASHES", "1000"),
    ("KEW_EQUIVALENCE_SCRIPTS", "40"),
    ("KEW_EQUIVALENCE_SHRINKS", "0"),
    ("KEW_JOURNAL_WORLDS", "1..200"),
];
/// How `cargo mutants` ends when it worked: nothing passed, something did, a test took too long, and the time is over. It
/// ends otherwise when the tests fail without any change.
const ENDS: [i32; 4] = [0, 2, 3, 124];
/// How a build is quicker than one for debugging.
const BUILD: [(&str, &str); 2] = [("CARGO_PROFILE_DEV_DEBUG", "0"), ("CARGO_INCREMENTAL", "1")];

/// Which places are to be tried.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Places {
    /// Paths below the workspace's folder, or patterns of them; none is all that [`GUARDS`] name.
    pub(super) files: Vec<String>,
    /// `K/N`: the K-th of N parts, counted from 0.
    pub(super) shard: Option<String>,
}

/// Tries places for so long, and tells what became of all that were ever tried.
///
/// # Errors
/// When `cargo mutants` cannot be installed, a file belongs to no crate that is guarded, tests fail without any change, or no
/// place was ever tried.
#[expect(clippy::disallowed_methods, reason = "the crates share the time that is left")]
pub(super) fn run(time: Duration, places: &Places) -> anyhow::Result<String> {
    let output = workspace::root().join("target").join("mutants");
    let program = install(&workspace::root().join("target").join("tools"))?;
    let chosen = chosen(places)?;
    let changed = tree::update(&workspace::root(), &output.join("tree"))?;
    let until = Instant::now() + time;
    let mut totals = Vec::new();
    for (at, (guard, files)) in chosen.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = Instant::now() + left / u32::try_from(chosen.len() - at).unwrap_or(1);
        let mut ledger = Ledger::open(&output.join(guard.package))?;
        ledger.forget(&changed)?;
        for tests in guard.passes {
            let left = share.saturating_duration_since(Instant::now());
            if left.as_secs() == 0 {
                break;
            }
            let command = command(&program, ledger.folder(), (guard, files), places, tests, left);
            let ended = command.status()?;
            verify(tests, &output, &ledger)?;
            ledger.note()?;
            ensure!(ended.code().is_some_and(|code| ENDS.contains(&code)), "{command}: {ended}");
        }
        totals.push(ledger);
    }
    let (table, sum) = ledger::table(&totals);
    ensure!(sum.tried() > 0, "no place was tried");
    say::line(&format!("\n{table}"));
    Ok(sum.to_string())
}

/// The crates whose places are tried, each with the files.
fn chosen(places: &Places) -> anyhow::Result<Vec<(&'static Guard, Vec<String>)>> {
    let mut chosen: Vec<(&Guard, Vec<String>)> = Vec::new();
    if places.files.is_empty() {
        let all =
            GUARDS.iter().map(|guard| (guard, guard.files.iter().map(|&file| file.to_owned()).collect()));
        return Ok(all.collect());
    }
    for file in &places.files {
        let guard = GUARDS.iter().find(|guard| file.starts_with(&format!("crates/{}/", guard.package)));
        let Some(guard) = guard else {
            let names: Vec<_> = GUARDS.iter().map(|guard| format!("crates/{}/", guard.package)).collect();
            bail!("--file takes a path that begins with one of {}; {file} does not", names.join(", "));
        };
        match chosen.iter_mut().find(|(known, _)| known.package == guard.package) {
            Some((_, files)) => files.push(file.clone()),
            None => chosen.push((guard, vec![file.clone()])),
        }
    }
    Ok(chosen)
}

/// `cargo mutants` over a crate's files, with some of its tests, for so long.
fn command(
    program: &str,
    lists: &Path,
    (guard, files): (&Guard, &[String]),
    places: &Places,
    tests: &Tests,
    time: Duration,
) -> Program {
    let seconds = time.as_secs().to_string();
    let mut words: Vec<String> =
        ["timeout", "--signal=INT", "--kill-after=60", &seconds].map(str::to_owned).into();
    if program::exists("prlimit") {
        words.extend(["prlimit".to_owned(), format!("--cpu={CPU_SECONDS_MAX}")]);
    }
    let package = format!("--package={}", guard.package);
    words.extend([program, "mutants", "--in-place", &package].map(str::to_owned));
    words.extend(["--iterate", "--shuffle", "--colors=never"].map(str::to_owned));
    words.extend([TEST_SECONDS_MAX, BUILD_SECONDS_MAX].map(str::to_owned));
    words.extend(files.iter().map(|glob| format!("--file={glob}")));
    words.extend(guard.beside.iter().map(|glob| format!("--exclude={glob}")));
    words.extend(places.shard.iter().map(|shard| format!("--shard={shard}")));
    words.push(format!("--output={}", lists.display()));
    words.extend(tests.packages.iter().map(|package| format!("--test-package={package}")));
    // Behind `--` they would be told when the tests run, and not when they are built.
    words.extend(tests.targets.iter().map(|target| format!("--cargo-arg={target}")));
    words.extend(["--", "--"].iter().chain(tests.chosen).map(|&word| word.to_owned()));
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    in_the_copy(Program::new(&words))
}

/// Whether the tests still pass without any change. A build in steps that was cut short has been seen to keep a change that
/// was taken back long ago, and then everything seems to be noticed; what a run says that ended so counts for nothing.
fn verify(tests: &Tests, output: &Path, ledger: &Ledger) -> anyhow::Result<()> {
    say::line("the tests once more, without any change");
    let words = ["cargo", "test", "--quiet"].map(str::to_owned).into_iter();
    let words = words.chain(tests.packages.iter().map(|package| format!("--package={package}")));
    let words =
        words.chain(tests.targets.iter().chain(&["--"]).chain(tests.chosen).map(|&word| word.to_owned()));
    let words: Vec<_> = words.collect();
    let passed = in_the_copy(Program::new(&words.iter().map(String::as_str).collect::<Vec<_>>())).run();
    if passed.is_err() {
        for folder in [ledger.folder().join("mutants.out"), output.join("build")] {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    passed.context("the tests fail without any change, so this run counts for nothing; the next builds anew")
}

fn in_the_copy(program: Program) -> Program {
    let output = workspace::root().join("target").join("mutants");
    let program = program.within(&output.join("tree")).variable("CARGO_TARGET_DIR", output.join("build"));
    SIZES.into_iter().chain(BUILD).fold(program, |program, (name, value)| program.variable(name, value))
}

fn install(tools: &Path) -> anyhow::Result<String> {
    let program = tools.join("bin").join("cargo-mutants").to_string_lossy().into_owned();
    let is_there =
        program::output(&[&program, "mutants", "--version"]).is_ok_and(|text| text.contains(VERSION));
    if !is_there {
        say::line("installing cargo-mutants into target/tools");
        let words = ["cargo", "install", "cargo-mutants", "--version", VERSION, "--locked", "--root"];
        Program::new(&words).argument(&tools.to_string_lossy()).run()?;
    }
    Ok(program)
}
