//! `cargo xtask codegen`: writes the pages that are made from code.
//!
//! The test that compares `docs/errors.md` with the table of errors is also what writes it, so that the two cannot
//! disagree on the form.

use crate::program::Program;

/// Writes `docs/errors.md`.
///
/// # Errors
/// When cargo fails.
pub(crate) fn run() -> anyhow::Result<()> {
    let test = ["cargo", "test", "--package", "kew-wire", "--test", "it", "documentation"];
    Program::new(&test).variable("KEW_WRITE_DOCS", "1").run()
}
