//! Two brokers under one script: whatever is asked, both must answer the same.
//!
//! A script is a random run of verbs over a few queues that are each other's dead-letter queues, with stale, double and
//! foreign leases, repeated requests, peeks and redrives, changed settings, deleted queues, clock steps from a
//! millisecond to days, and restarts. Every answer is compared: errors, messages with their order, attempts, times and
//! bodies, outcomes, backlogs, the catalog; at the end everything left is drained and compared. Promises of news must be kept by the time a pull finds
//! something. Ids, queue numbers and fences may differ between brokers, so these are paired at their first appearance
//! and must stay paired.
//!
//! A difference is shrunk to a short script and printed.

mod pairing;
mod runner;
mod script;
mod shrink;
mod strategy;

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use crate::subject::Subject;
use runner::Pair;
use script::Script;

/// How often [`check_equivalence`] tries a failing script shorter before it prints it.
pub const SHRINKS_MAX: u32 = 3_000;

/// Runs `cases` random scripts on fresh pairs of brokers.
///
/// # Panics
/// When the two answer differently, with the shortest script found and the first difference.
pub fn check_equivalence<A: Subject, B: Subject>(cases: u32, make_a: impl Fn() -> A, make_b: impl Fn() -> B) {
    if let Some(difference) = find_difference(cases, SHRINKS_MAX, make_a, make_b) {
        panic!("{difference}");
    }
}

/// As [`check_equivalence`], but gives the difference back, after at most `shrinks_max` tries at a shorter script.
pub fn find_difference<A: Subject, B: Subject>(
    cases: u32,
    shrinks_max: u32,
    make_a: impl Fn() -> A,
    make_b: impl Fn() -> B,
) -> Option<String> {
    let config = Config { cases, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let run = |script: &Script| {
        let compared = catch_unwind(AssertUnwindSafe(|| compare(script, make_a(), make_b())));
        compared.unwrap_or_else(|_| Err("a broker panicked, as the log tells".to_owned()))
    };
    let found =
        TestRunner::new(config).run(&strategy::script(), |script| run(&script).map_err(TestCaseError::fail));
    match found {
        Ok(()) => None,
        Err(TestError::Abort(reason)) => Some(format!("the search was given up: {reason}")),
        Err(TestError::Fail(difference, script)) => {
            let (difference, script) = shrink::shortest(script, difference.to_string(), shrinks_max, run);
            Some(format!("{difference}\nafter the script\n{script}"))
        }
    }
}

/// Runs one script; the first difference is the error.
fn compare<A: Subject, B: Subject>(script: &Script, a: A, b: B) -> Result<(), String> {
    let mut pair = Pair::new(a, b, &script.queues)?;
    for (index, step) in script.steps.iter().enumerate() {
        pair.step(step).map_err(|difference| format!("step {index}, {step:?}: {difference}"))?;
    }
    pair.drain().map_err(|difference| format!("draining at the end: {difference}"))
}
