//! The oracle passes the suite that it is the measure of.

use kew_testkit::OracleSubject;

fn make_oracle() -> OracleSubject {
    OracleSubject::new(42)
}

kew_testkit::broker_suite!(make_oracle);
