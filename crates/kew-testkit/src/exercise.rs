//! The one suite that every broker must pass: what the queue means, as many small cases.
//!
//! Each case gets a fresh [`Subject`], reads as given, when, then, and asks for one thing. [`broker_suite!`] makes a
//! test of each under its own name; [`cases`] lists them for who wants to run them otherwise. The contract is that of
//! [`kew_model::Broker`]; where the specification decides a point, the case names its section.
//!
//! [`broker_suite!`]: crate::broker_suite

#![expect(
    clippy::unwrap_used,
    reason = "the cases are test code, though not under cfg(test): other crates run them"
)]

pub mod access;
pub mod catalog;
pub mod changed;
pub mod concurrency;
pub mod consumers;
pub mod dead_letter;
pub mod delay;
pub mod discard;
pub mod extend;
pub mod idempotency;
pub mod limits;
mod list;
pub mod peek;
pub mod period;
pub mod pull;
pub mod purge;
pub mod push;
pub mod redrive;
pub mod redrive_step;
pub mod restart;
pub mod retention;
pub mod retry;
pub mod settle;
mod stage;
pub mod subscriptions;

pub use list::{Case, cases};

use crate::subject::Subject;

/// Runs the whole suite, each case on a subject of its own. The first case that fails panics; prefer
/// [`crate::broker_suite!`], which names each.
pub fn exercise<S: Subject>(make_subject: impl Fn() -> S) {
    for case in cases() {
        (case.run)(make_subject());
    }
}
