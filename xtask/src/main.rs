//! The project's own commands, run as `cargo xtask NAME`.
//!
//! One file for each command. They start other programs (cargo, python3, node, apt-get) and judge what these say; what
//! a command decides by itself is in functions that need no program and have tests.

mod bench;
mod codegen;
mod dist;
mod fuzz;
mod install;
mod program;
mod rings;
mod say;
mod seeded_bugs;
mod soak;
mod tally;
mod test;
mod tidy;
mod unit;
mod workspace;

use std::process::ExitCode;

use anyhow::bail;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test      install what the tests need, then run everything: format, lints, tidy, tests, fuzz, docs, official clients
  ci        the same
  tidy      check the rules of the house that no compiler knows
  soak      the searches of the tests, for hours or up to a count: soak [--hours N | --minutes N | --count N] [PART]
  seeded-bugs  plant each seeded bug of the store, and show which suite notices it
  bench     measure Kew against its ceilings (arguments go to bench/run)
  dist      make a release of this machine's kind in target/dist: program, checksums, bill of materials
  codegen   write docs/errors.md anew";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::complaint(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> anyhow::Result<()> {
    let Some((command, rest)) = arguments.split_first() else { bail!("{USAGE}") };
    if !["bench", "soak"].contains(&command.as_str()) && !rest.is_empty() {
        bail!("{command} takes no arguments\n\n{USAGE}");
    }
    match command.as_str() {
        "test" | "ci" => test::run(),
        "tidy" => tidy::run(),
        "bench" => bench::run(rest),
        "codegen" => codegen::run(),
        "dist" => dist::run(),
        "soak" => soak::run(rest),
        "seeded-bugs" => seeded_bugs::run(),
        _ => bail!("there is no command {command}\n\n{USAGE}"),
    }
}
