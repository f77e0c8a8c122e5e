//! The oracle passes the suite that it is the measure of.

use kew_testkit::OracleSubject;

fn make_oracle() -> OracleSubject {
    OracleSubject::new(42)
}

kew_testkit::broker_suite!(make_oracle);

#[test]
fn two_oracles_are_the_same() {
    kew_testkit::equivalence::check_equivalence(200, make_oracle, || OracleSubject::new(7));
}
