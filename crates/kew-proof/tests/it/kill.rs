//! SIGKILL under load: no answered push is lost, no answered ack comes back, no lease or its extension is forgotten, what moves
//! between queues is in one of them, what was purged stays away, and a push repeated under its idempotency key happens once.
//!
//! Retention is not shown here, since its shortest period is a minute of real time: that it holds across crashes is for the
//! crash search of `kew-embedded`, whose clock can be moved.

use kew_proof::load::CLIENTS;
use kew_proof::{Site, Stopwatch, drain};
use kew_testkit::counted;

use crate::campaign::{Plan, assert_durable, run, say, seed, tally};

/// Kills of one run: one more comes before the drain.
const KILLS: u64 = 20;
/// Answered pushes before each.
const PUSHES_BETWEEN: u64 = 1_000;

/// Runs on one store until it has been killed so often; each run is judged by itself, so that memory stays bounded.
fn prove(kills: u64) {
    let folder = tempfile::tempdir().unwrap();
    let seed = seed("kill");
    let (site, mut kew) = Site::found(folder.path());
    let mut done = 0;
    for number in 0.. {
        if done >= kills {
            break;
        }
        let watch = Stopwatch::start();
        let kills_now = KILLS.min(kills - done);
        let seed = seed.wrapping_add(number << 16);
        let plan = Plan { kills: kills_now, pushes_between: PUSHES_BETWEEN, seed, run: number };
        let outcome = run(&site, kew, plan, watch);
        let tally = tally(&site, &outcome.record);
        say(&format!(
            "kill: {} kills of the server of {CLIENTS} clients; pushes answered: {}; requests cut off: {}; {tally}; {:?}",
            kills_now + 1,
            outcome.pushes_answered,
            outcome.requests_cut,
            watch.elapsed()
        ));
        assert!(outcome.pushes_answered >= kills_now * PUSHES_BETWEEN);
        assert!(outcome.requests_cut > 0, "a kill under load cuts requests off");
        assert!(tally.dead_letters > 0 && tally.again_after_retry > 0 && tally.again_after_expiry > 0);
        assert!(tally.extensions > 0 && tally.purges > 0 && tally.redriven > 0 && tally.repeats > 0);
        assert!(tally.lost_and_done + tally.lost_and_not_done > 0, "a kill cuts keyed pushes off as well");
        assert_durable(&site, &outcome.record);
        // One more ends the run, before everything is taken out.
        counted(kills_now + 1, "kills of the real process");
        kew = outcome.kew;
        done += kills_now;
    }
    // An orderly end and another start bring nothing back, either.
    kew.stop();
    let kew = site.start();
    assert!(drain(&site, Stopwatch::start()).events.is_empty());
    kew.stop();
}

#[test]
fn answered_work_survives_sigkill_at_random_moments() {
    prove(KILLS);
}

#[test]
#[ignore = "a soak: takes seconds per kill; KEW_PROOF_KILLS says how many, by default 1,000"]
fn answered_work_survives_very_many_kills() {
    let kills = std::env::var("KEW_PROOF_KILLS");
    prove(kills.map_or(1_000, |text| text.parse().unwrap()));
}
