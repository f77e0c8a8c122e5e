//! Seeded bugs: a suite that does not catch them proves nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kew_journal::Mutant;
use kew_journal::seeded::{Bug, plant};

use crate::counted;
use crate::random::live_and_die;
use crate::world::options;

/// How many random worlds it takes until the bug shows.
fn worlds_until_caught(mutant: Mutant) -> Option<u64> {
    let buggy = options().with_mutant(mutant);
    (1..=5000).find(|&seed| {
        // A bug may also run into one of the journal's own assertions, which is as good.
        catch_unwind(AssertUnwindSafe(|| live_and_die(seed, 8, &buggy))).is_ok_and(|done| done.is_err())
    })
}

#[test]
fn skipping_one_sync_in_five_is_caught() {
    assert!(worlds_until_caught(Mutant::SkipSync { every: 5 }).is_some());
}

#[test]
fn appending_after_a_torn_tail_in_the_same_epoch_is_caught() {
    assert!(worlds_until_caught(Mutant::AppendAfterTornTail).is_some());
}

#[test]
fn serving_a_tail_that_is_only_in_the_cache_is_caught() {
    assert!(worlds_until_caught(Mutant::ServeUnprovenTail).is_some());
}

#[test]
fn using_a_segment_whose_name_is_not_durable_is_caught() {
    assert!(worlds_until_caught(Mutant::SkipFolderSync).is_some());
}

/// How many random worlds it takes until a seeded bug shows.
fn worlds_until_noticed(bug: Bug) -> Option<u64> {
    let _planted = plant(bug);
    (1..=20_000).find(|&seed| {
        catch_unwind(AssertUnwindSafe(|| live_and_die(seed, 8, &options())))
            .map_or(true, |done| done.is_err())
    })
}

#[test]
fn every_seeded_bug_of_the_log_is_caught() {
    for bug in Bug::OF_THE_LOG {
        let worlds = worlds_until_noticed(bug);
        println!("{:<28} {:<32} {worlds:?}", format!("{bug:?}"), "worlds of the log");
        assert!(worlds.is_some(), "{bug:?} is not caught");
    }
    counted(Bug::OF_THE_LOG.len() as u64, "seeded bugs caught: the log");
}
