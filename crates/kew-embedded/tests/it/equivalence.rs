//! The embedded broker answers as the oracle does, whatever it is asked, in whatever order, over restarts.

use kew_testkit::OracleSubject;
use kew_testkit::equivalence::check_equivalence;

use crate::subject::EmbeddedSubject;

#[test]
fn in_memory_it_is_the_oracle() {
    check_equivalence(1_200, || OracleSubject::new(3), EmbeddedSubject::roomy);
}

#[test]
fn on_disk_it_is_the_oracle() {
    check_equivalence(1_200, || OracleSubject::new(3), EmbeddedSubject::tight);
}
