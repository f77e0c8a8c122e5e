//! `cargo xtask seeded-bugs`: plants each small mistake of the list in `kew-journal/src/seeded.rs`, and shows which suite
//! notices it, and how fast. A mistake that nobody notices fails the command.

use crate::program::Program;

/// Shows the table.
///
/// # Errors
/// When a mistake is not noticed, or a suite fails without one.
pub(crate) fn run() -> anyhow::Result<()> {
    for (package, test) in [("kew-journal", "mutants::every_seeded_bug"), ("kew-embedded", "seeded::")] {
        let words = ["cargo", "test", "--package", package, "--test", "it", test, "--", "--nocapture"];
        // What the mistakes run into is no news.
        Program::new(&words).variable("RUST_BACKTRACE", "0").run()?;
    }
    Ok(())
}
