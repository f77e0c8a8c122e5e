//! `cargo xtask bench`: builds what is measured, then runs `bench/run`.

use crate::program::Program;
use crate::workspace::{self, Workspace};

/// Measures; `arguments` go to `bench/run`.
///
/// # Errors
/// When the build or a measurement fails.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    Program::new(&["cargo", "build", "--release", "--package", "kew-cli", "--package", "kew-noop"]).run()?;
    let script = workspace::root().join("bench").join("run").to_string_lossy().into_owned();
    let binaries = Workspace::read()?.target_folder().join("release").to_string_lossy().into_owned();
    let measure = Program::new(&["python3", &script, "--binaries", &binaries]);
    arguments.iter().fold(measure, |program, argument| program.argument(argument)).run()
}
