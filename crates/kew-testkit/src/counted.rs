//! What a test has done, told to whoever runs it.

use std::io::Write as _;

/// Tells how often a test did something. Test runners show what a test prints only when it fails; this passes them by, and
/// `cargo xtask test` and `soak` gather these lines in a table.
pub fn counted(count: u64, what: &str) {
    // Nobody may be listening.
    let _ = std::io::stdout().lock().write_all(format!("counted: {count} {what}\n").as_bytes());
}
