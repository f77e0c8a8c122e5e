//! The tests tested: each flaw is found by the suite and by random scripts, and scripts reach every kind of outcome.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kew_testkit::OracleSubject;
use kew_testkit::equivalence::{check_equivalence, find_difference};
use kew_testkit::exercise::cases;

use crate::flawed::{Flaw, FlawedSubject, Seen};

/// The cases that a flaw fails, one after another as they are asked for.
fn failures(flaw: Flaw) -> impl Iterator<Item = &'static str> {
    // The limits' cases make ten thousand queues; no flaw is about them.
    let cases =
        cases::<FlawedSubject>().into_iter().filter(|case| !case.name.starts_with("limits::an_account"));
    let failing = cases.filter(move |case| {
        let run = AssertUnwindSafe(|| (case.run)(FlawedSubject::new(flaw)));
        catch_unwind(run).is_err()
    });
    failing.map(|case| case.name)
}

#[test]
fn a_broker_without_a_flaw_passes() {
    assert_eq!(failures(Flaw::None).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn an_engine_that_declares_its_looseness_passes() {
    assert_eq!(failures(Flaw::Loose).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn the_suite_finds_every_flaw() {
    let missed: Vec<_> = Flaw::ALL.into_iter().filter(|flaw| failures(*flaw).next().is_none()).collect();
    assert_eq!(missed, []);
}

#[test]
fn random_scripts_find_every_flaw() {
    let missed: Vec<_> = Flaw::ALL
        .into_iter()
        .filter(|flaw| {
            find_difference(300, 0, || OracleSubject::new(1), || FlawedSubject::new(*flaw)).is_none()
        })
        .collect();
    assert_eq!(missed, []);
}

#[test]
fn random_scripts_find_a_forgotten_promise() {
    let told = find_difference(50, 0, || OracleSubject::new(1), || FlawedSubject::new(Flaw::ForgetsPromises));
    assert!(told.unwrap().contains("the second broker forgot a promise"));
}

#[test]
fn a_difference_is_told_with_a_short_script() {
    let told = find_difference(
        100,
        2_000,
        || OracleSubject::new(1),
        || FlawedSubject::new(Flaw::LosesTheLastOfABatch),
    )
    .unwrap();

    assert!(told.contains("Push"), "{told}");
    assert!(told.lines().count() < 15, "{told}");
}

#[test]
fn random_scripts_reach_every_outcome() {
    let seen = Seen::default();
    let watched = || FlawedSubject::watched(Flaw::None, seen.clone());

    check_equivalence(200, || OracleSubject::new(1), watched);

    let seen = seen.lock().unwrap();
    for outcome in [
        "Acked",
        "AlreadyGone",
        "Exhausted",
        "OtherQueue",
        "(\"retry\", Retried)",
        "(\"retry\", Redelivered)",
        "(\"retry\", Gone)",
        "(\"retry\", OtherQueue)",
        "(\"extend\", Extended)",
        "(\"extend\", Ended)",
        "(\"extend\", Gone)",
        "(\"extend\", OtherQueue)",
        "(\"discard\", true)",
        "(\"discard\", false)",
        "(\"attempts\", 1)",
        "(\"attempts\", 4)",
        "RetentionEnded",
        "(\"repeated\", false)",
        "(\"repeated\", true)",
        "IdempotencyMismatch",
        "(\"peeked\", 0)",
        "(\"peeked\", 1)",
        "(\"moved\", 0)",
        "(\"moved\", 1)",
        "(\"without origin\", 0)",
        "(\"without origin\", 1)",
        "RedriveCycle",
        "DestinationNotFound",
        "PullNotEnabled",
        "QueuePaused",
        "QueueNotFound",
    ] {
        let count = seen.get(outcome).copied().unwrap_or_default();
        assert!(count >= 20, "{outcome} was seen {count} times: {seen:?}");
    }
}
