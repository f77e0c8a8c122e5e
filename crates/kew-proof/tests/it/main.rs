//! What is promised of the whole program, proven from outside on the real process.
//!
//! Each test has its own folder, port and processes. The program is the one of this build, or the one that `KEW_BINARY`
//! names. `KEW_PROOF_SEED` repeats the clients' choices of an earlier run.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails is a test that fails")]

mod abuse;
mod campaign;
mod failed_sync;
mod full_disk;
mod judged;
mod kill;
mod power_cut;
mod siege;
mod sync_first;
