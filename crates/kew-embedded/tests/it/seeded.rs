//! Seeded bugs: each small mistake is planted, and the suites must notice. `cargo xtask seeded-bugs` shows the table.
//!
//! Every suite is first run without a bug, at the same size, and passes. Time is shown, never judged.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use kew_embedded::Options;
use kew_journal::seeded::{Bug, plant};
use kew_journal::{Fault, OperationKind};
use kew_testkit::equivalence::find_difference;
use kew_testkit::{OracleSubject, counted};

use crate::crash::{crash_at_random, torn_then_appended};
use crate::faults::{rot, survives};
use crate::subject::EmbeddedSubject;

/// A suite that may notice.
struct Suite {
    name: &'static str,
    run: fn() -> Result<(), String>,
}

const CRASHES: Suite = Suite { name: "crashes of the simulated disk", run: crashes };
const FAILURES: Suite = Suite { name: "calls that fail", run: failures };
const ROT: Suite = Suite { name: "flipped bits", run: flips };
const EQUIVALENCE: Suite = Suite { name: "scripts against the oracle", run: scripts };

fn crashes() -> Result<(), String> {
    (0..700).try_for_each(|seed| {
        crash_at_random(seed, None)?;
        torn_then_appended(seed, None)
    })
}

fn failures() -> Result<(), String> {
    let faults = [Fault::Error(std::io::ErrorKind::Other), Fault::ShortWrite];
    for kind in [OperationKind::Write, OperationKind::Sync] {
        for fault in faults {
            for nth in 1..60 {
                survives(kind, nth, fault)?;
            }
        }
    }
    Ok(())
}

fn flips() -> Result<(), String> {
    (0..4).try_for_each(|seed| rot(seed, 250).map(drop))
}

fn scripts() -> Result<(), String> {
    let difference =
        find_difference(150, 0, || OracleSubject::new(3), || EmbeddedSubject::inline(2, options()));
    difference.map_or(Ok(()), Err)
}

fn options() -> Options {
    Options { segment_bytes: 512 << 10, window_bytes: 0, checkpoint_bytes: 2_000, ..Options::default() }
}

/// The suites, the likeliest to notice first.
fn suites_for(bug: Bug) -> [Suite; 4] {
    match bug {
        Bug::SwallowWriteError | Bug::SwallowSyncError | Bug::RetrySync | Bug::BelieveShortWrite => {
            [FAILURES, CRASHES, ROT, EQUIVALENCE]
        }
        Bug::IgnoreClaims | Bug::TrustPayload | Bug::TrustCheckpoint | Bug::ForgetSegmentInChecksum => {
            [ROT, CRASHES, FAILURES, EQUIVALENCE]
        }
        Bug::ReuseLeaseNumber
        | Bug::ForgetAttempt
        | Bug::OneRetryTooMany
        | Bug::LeaseEndsLate
        | Bug::DelayEndsEarly
        | Bug::RetentionByPublishing
        | Bug::HonourOldLease
        | Bug::ForgetRetryDelay
        | Bug::PurgeForgetsDelivered
        | Bug::IgnorePause
        | Bug::IgnoreIdempotency => [EQUIVALENCE, CRASHES, FAILURES, ROT],
        _ => [CRASHES, EQUIVALENCE, FAILURES, ROT],
    }
}

/// The suite that notices, and how.
fn caught_by(bug: Bug) -> Option<(&'static str, String)> {
    suites_for(bug).into_iter().find_map(|Suite { name, run }| {
        let _planted = plant(bug);
        // A mistake may also run into an assertion, which is as good.
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => None,
            Ok(Err(text)) => Some((name, text)),
            Err(_) => Some((name, "an assertion".to_owned())),
        }
    })
}

#[test]
fn without_a_bug_the_suites_pass() {
    for Suite { name, run } in [CRASHES, FAILURES, ROT, EQUIVALENCE] {
        run().unwrap_or_else(|text| panic!("{name}: {text}"));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the table shows how long each took")]
fn every_seeded_bug_is_caught() {
    let mut missed = Vec::new();
    println!("{:<28} {:<32} {:>8}", "bug", "caught by", "ms");
    let bugs = Bug::ALL.into_iter().filter(|bug| !Bug::OF_THE_LOG.contains(bug));
    for bug in bugs.clone() {
        let start = Instant::now();
        let caught = caught_by(bug);
        let name = caught.as_ref().map_or("NOBODY", |(name, _)| name);

        println!("{:<28} {name:<32} {:>8}", format!("{bug:?}"), start.elapsed().as_millis());
        if caught.is_none() {
            missed.push(bug);
        }
    }
    let all = bugs.count();
    counted((all - missed.len()) as u64, "seeded bugs caught: a store");
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
