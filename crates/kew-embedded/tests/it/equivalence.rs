//! The embedded broker answers as the oracle does, whatever it is asked, in whatever order, over restarts.

use kew_testkit::equivalence::{SHRINKS_MAX, find_difference};
use kew_testkit::{OracleSubject, counted};

use crate::subject::EmbeddedSubject;

/// How many scripts each test runs, unless `KEW_EQUIVALENCE_SCRIPTS` says otherwise.
const SCRIPTS: u32 = 1_200;

/// `KEW_EQUIVALENCE_SHRINKS` says how often a script that fails is tried shorter: who only asks whether one fails
/// need not wait for the shortest.
fn search(make_subject: impl Fn() -> EmbeddedSubject) {
    let scripts = named("KEW_EQUIVALENCE_SCRIPTS").unwrap_or(SCRIPTS);
    let shrinks = named("KEW_EQUIVALENCE_SHRINKS").unwrap_or(SHRINKS_MAX);
    if let Some(difference) = find_difference(scripts, shrinks, || OracleSubject::new(3), make_subject) {
        panic!("{difference}");
    }
    counted(scripts.into(), "random scripts against the oracle");
}

/// A number from the environment.
fn named(variable: &str) -> Option<u32> {
    std::env::var(variable).ok().and_then(|count| count.parse().ok())
}

#[test]
fn in_memory_it_is_the_oracle() {
    search(EmbeddedSubject::roomy);
}

#[test]
fn on_disk_it_is_the_oracle() {
    search(EmbeddedSubject::tight);
}
