//! The journal from outside: what it keeps, what it refuses, and what it survives.
//!
//! [`world`] is the measure: a journal under way on a simulated disk, beside a ledger of what was promised. The
//! crash suites stop it at every step and cut the power in every way; each reopening is held against the ledger.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that cannot go on may panic, and its numbers are small"
)]

mod world;

mod crash;
mod damage;
mod failing;
mod flights;
mod folder;
mod keeping;
mod large_checkpoints;
mod misplaced;
mod misread;
mod mutants;
mod random;
mod store;
mod write_back;

/// Tells how often a test did something, past the runner, which shows what a test prints only when it fails. `cargo xtask
/// test` gathers these lines.
fn counted(count: u64, what: &str) {
    use std::io::Write as _;
    // Nobody may be listening.
    let _ = std::io::stdout().lock().write_all(format!("counted: {count} {what}\n").as_bytes());
}
