//! The embedded broker answers as the oracle does, whatever it is asked, in whatever order, over restarts.

use kew_testkit::equivalence::check_equivalence;
use kew_testkit::{OracleSubject, counted};

use crate::subject::EmbeddedSubject;

/// How many scripts each test runs: 1,200, or what `KEW_EQUIVALENCE_SCRIPTS` says for a longer search.
fn scripts() -> u32 {
    std::env::var("KEW_EQUIVALENCE_SCRIPTS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_200)
}

#[test]
fn in_memory_it_is_the_oracle() {
    check_equivalence(scripts(), || OracleSubject::new(3), EmbeddedSubject::roomy);
    counted(scripts().into(), "random scripts against the oracle");
}

#[test]
fn on_disk_it_is_the_oracle() {
    check_equivalence(scripts(), || OracleSubject::new(3), EmbeddedSubject::tight);
    counted(scripts().into(), "random scripts against the oracle");
}
