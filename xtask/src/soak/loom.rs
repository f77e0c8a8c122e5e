//! The models of the hand-off between threads (`kew-embedded/src/models.rs`), in every order that loom finds.

use crate::program::Program;

/// Runs them. They are built apart, since they see other locks than everything else.
///
/// # Errors
/// When an order of threads leads to a wrong end.
pub(super) fn run() -> anyhow::Result<String> {
    let words = [
        "cargo",
        "test",
        "--profile",
        "soak",
        "--package",
        "kew-embedded",
        "--lib",
        "--target-dir",
        "target/loom",
        "--",
        "models::",
    ];
    let count = Program::new(&words).variable("RUSTFLAGS", "--cfg kew_loom").count()?;
    Ok(format!("{} models of threads, in every order with a few preemptions", count.passed))
}
