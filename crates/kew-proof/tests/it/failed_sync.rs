//! A disk that fails under the running program: whoever waits is told that the outcome is unknown, the process ends with an
//! error, and the next one serves everything that was answered.

use kew_proof::load::{CLIENTS, Load};
use kew_proof::{Gate, Site, Stopwatch, drain, strace};
use kew_testkit::counted;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::campaign::{assert_durable, say, seed, tally};

/// Which call of the writer fails: the start is over by then, and the load is not.
const NTH: core::ops::RangeInclusive<u32> = 20..=200;

/// A call fails while every client waits for an answer.
fn prove(call: &str, error: &str) {
    // Given a store that has been written to.
    let folder = tempfile::tempdir().unwrap();
    let name = format!("{call} {error}");
    let seed = seed(&name);
    let nth = StdRng::seed_from_u64(seed).random_range(NTH);
    let (site, kew) = Site::found(folder.path());
    kew.stop();
    let watch = Stopwatch::start();
    let gate = Gate::new();
    let load = Load { site: &site, gate: &gate, watch, seed, run: 0 };
    // When the writer's call fails under load.
    let ((status, log), mut record) = load.run(|| {
        let kew = site.start_under(strace::failing(call, error, nth));
        gate.open();
        gate.wait_for_losses(CLIENTS);
        let log = kew.log_path();
        (kew.end(), std::fs::read_to_string(log).unwrap())
    });
    // Then every client was answered 503 "outcome unknown" inside the envelope, and none was cut off.
    assert_eq!((gate.requests_unsure(), gate.requests_cut()), (CLIENTS, 0), "{log}");
    // Then the process has ended with an error that says so.
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("the store failed and was not closed"), "{log}");
    // Then nothing of what was answered is missing after a restart.
    let kew = site.start();
    record.events.extend(drain(&site, watch).events);
    let (pushes, unsure) = (gate.pushes_answered(), gate.requests_unsure());
    say(&format!(
        "{name} at call {nth}: pushes answered: {pushes}; answered 503: {unsure}; {}",
        tally(&site, &record)
    ));
    assert!(gate.pushes_answered() > 0);
    assert_durable(&site, &record);
    counted(1, "calls of the system that failed under the real process");
    kew.stop();
}

#[test]
fn a_failed_sync_ends_the_process_and_loses_nothing_answered() {
    prove("fdatasync", "EIO");
}

#[test]
fn a_failed_write_ends_the_process_and_loses_nothing_answered() {
    prove("pwritev", "EIO");
}

#[test]
fn a_write_without_space_ends_the_process_and_loses_nothing_answered() {
    prove("pwritev", "ENOSPC");
}
