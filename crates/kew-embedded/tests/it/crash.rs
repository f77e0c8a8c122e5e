//! Power cuts and kills at every step: nothing that was answered is lost, and nothing is invented.
//!
//! The state is a fold of the log, so the promise comes down to one sentence: after any crash the store is in a state
//! that it was in before, at or after the newest answer. Each run notes a digest of the state after every frame; after
//! a crash the recovered digest must be one of these, and not an older one than the last answer showed. A digest covers
//! everything: messages, leases and their ends, attempts, delays, dead letters, settings, tokens. Bodies are read back
//! and must be whole, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kew_embedded::{Embedded, Options};
use kew_journal::{Loss, Lsn, Mutant, SimDisk};
use kew_model::Clock;
use kew_testkit::{ManualClock, counted};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::workload::{Done, Once, Temper, Workload, is_body, open};

/// The states that a run went through, by the frame that led there.
type Course = BTreeMap<Lsn, u64>;

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) course: Course,
    /// The kinds of record that it wrote.
    kinds: BTreeSet<u8>,
    answered: Lsn,
    /// The latest pushes under an idempotency key.
    onces: Vec<Once>,
    done: Done,
    pub(crate) clock: Arc<ManualClock>,
}

impl Ran {
    /// A run that came to nothing.
    fn nothing(clock: Arc<ManualClock>) -> Self {
        let (course, kinds, answered) = (Course::new(), BTreeSet::new(), Lsn::NONE);
        Self { course, kinds, answered, onces: Vec::new(), done: Done::default(), clock }
    }
}

pub(crate) fn options(mutant: Option<Mutant>) -> Options {
    Options {
        segment_bytes: 64 << 10,
        window_bytes: 4_000,
        checkpoint_bytes: 30_000,
        // A queue at a time, so that verbs come between the parts of a checkpoint.
        checkpoint_pieces: 1,
        cleaning_slack_bytes: 0,
        reserve_bytes: Some(0),
        mutant,
        ..Options::default()
    }
}

/// Opens what a crash left and holds it against the course that led there.
fn recover(
    disk: &SimDisk,
    clock: &Arc<ManualClock>,
    course: &Course,
    answered: Lsn,
) -> Result<(Embedded, Lsn), String> {
    let store =
        open(disk, &options(None), clock, 99).map_err(|error| format!("it does not open: {error}"))?;
    let (lsn, digest) = store.inspect().digest();
    if lsn < answered {
        return Err(format!("frame {answered} was answered, and the store ends at {lsn}"));
    }
    if lsn > Lsn::NONE && course.get(&lsn) != Some(&digest) {
        return Err(format!("at frame {lsn} the state is none that the store was in"));
    }
    store.inspect().check();
    let bodies = store.inspect().bodies()?;
    let distinct: BTreeSet<_> = bodies.iter().map(|(_, _, body)| body).collect();
    if distinct.len() != bodies.len() || !bodies.iter().all(|(_, _, body)| is_body(body)) {
        return Err("a body is damaged, or there twice".to_owned());
    }
    Ok((store, lsn))
}

/// What clients do who do not know what became of their pushes.
fn repeat(store: &Embedded, ran: &Ran) -> Result<(), String> {
    ran.onces.iter().try_for_each(|once| once.repeat_after_crash(store, ran.clock.now()))
}

/// Every way in which the machine may go on from a stopped process; `course` is that of a run that was not stopped.
pub(crate) fn judge(stopped: &SimDisk, ran: &Ran, course: &Course, seed: u64) -> Result<u64, String> {
    let Ran { clock, answered, .. } = ran;
    let mut crashes = 0;
    for loss in [Loss::Everything, Loss::Nothing, Loss::Torn, Loss::Random] {
        let disk = stopped.fork(seed);
        disk.power_cut(loss);
        recover(&disk, clock, course, *answered)
            .and_then(|(store, _)| repeat(&store, ran))
            .map_err(|text| format!("after a cut with {loss:?} lost: {text}"))?;
        crashes += 1;
    }
    for loss in [Loss::Everything, Loss::Random] {
        let disk = stopped.fork(seed);
        disk.kill();
        let (store, served) =
            recover(&disk, clock, course, *answered).map_err(|text| format!("after a kill: {text}"))?;
        disk.power_cut(loss);
        drop(store);
        let again = recover(&disk, clock, course, served).and_then(|(store, _)| repeat(&store, ran));
        again.map_err(|text| format!("after a kill and a cut with {loss:?} lost: {text}"))?;
        crashes += 2;
    }
    Ok(crashes)
}

/// Runs the workload on a disk that may stop.
pub(crate) fn run(disk: &SimDisk, seed: u64, verbs: usize, temper: Temper, mutant: Option<Mutant>) -> Ran {
    let clock = Arc::new(ManualClock::default());
    let Ok(store) = open(disk, &options(mutant), &clock, seed) else { return Ran::nothing(clock) };
    let trace = store.inspect().start_trace();
    let mut workload = Workload::new(store, Arc::clone(&clock), seed, temper);
    let mut ended = workload.prepare();
    for _ in 0..verbs {
        if ended.is_err() {
            break;
        }
        ended = workload.step();
    }
    let Workload { answered, onces, done, .. } = workload;
    Ran { course: trace.digests(), kinds: trace.kinds(), answered, onces, done, clock }
}

/// A workload with everything in it.
const RICH: Temper = Temper { body_bytes: 900, bodies_vary: true, batch: 6, pushes: 4, common: 6 };

#[test]
fn a_run_of_600_requests_survives_a_stop_at_every_step() {
    // Given a run through every kind of record, over segments that were recycled
    let whole = SimDisk::new(1);
    let Ran { course, kinds, done, .. } = run(&whole, 5, 600, RICH, None);
    let steps = whole.steps();
    assert!(course.len() > 450 && steps > 1_000, "{} frames in {steps} steps", course.len());
    assert_eq!(kinds, (1..=19).collect(), "a kind of record is missing");
    assert!(done.peeked > 0 && done.redriven > 0 && done.repeated > 0, "{done:?}");
    let names = whole.file_names();
    let segments = || names.iter().filter_map(|name| name.strip_prefix("log/")?.strip_suffix(".seg"));
    let newest = segments().filter_map(|id| u64::from_str_radix(id, 16).ok()).max();
    assert!(newest > Some(segments().count() as u64 + 2), "no segment was recycled: {names:?}");

    // When it is stopped at each of its steps, the last answer is kept
    let mut crashes = 0;
    for step in 1..=steps {
        let disk = SimDisk::new(1);
        disk.stop_at(step);
        let ran = run(&disk, 5, 600, RICH, None);
        assert!(disk.is_stopped(), "the run repeats itself up to step {step}");
        crashes += judge(&disk, &ran, &course, step).unwrap_or_else(|text| panic!("step {step}: {text}"));
    }
    counted(crashes, "crashes of the simulated disk: a store, at every step of a script");
}

/// One random run, stopped at a random step.
pub(crate) fn crash_at_random(seed: u64, mutant: Option<Mutant>) -> Result<u64, String> {
    let mut random = StdRng::seed_from_u64(seed);
    let temper = Temper::draw(&mut random);
    let disk = SimDisk::new(seed);
    let verbs = random.random_range(5..60);
    disk.stop_at(random.random_range(10..200));
    let ran = run(&disk, seed, verbs, temper, mutant);
    judge(&disk, &ran, &ran.course, seed).map_err(|text| format!("seed {seed}: {text}"))
}

/// How many crashes there are in random runs, over both tests, unless `KEW_CRASHES` says otherwise.
const CRASHES: u64 = 200_000;

/// A number from the environment.
fn named(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Half of the random runs, those with every other seed, so that two cores share them. `KEW_FIRST_SEED` begins elsewhere.
fn half(first: u64) {
    let wanted = named("KEW_CRASHES").unwrap_or(CRASHES).div_ceil(2);
    let mut seed = named("KEW_FIRST_SEED").unwrap_or(0) + first;
    let mut crashes = 0;
    while crashes < wanted {
        crashes += crash_at_random(seed, None).unwrap_or_else(|text| panic!("{text}"));
        seed += 2;
    }
    counted(crashes, "crashes of the simulated disk: a store, at random");
}

#[test]
fn random_runs_survive_random_stops() {
    half(0);
}

#[test]
fn random_runs_survive_random_stops_in_every_other_run() {
    half(1);
}

#[test]
fn a_skipped_sync_is_caught() {
    let caught = (0..2_000).find_map(|seed| crash_at_random(seed, Some(Mutant::SkipSync { every: 7 })).err());
    assert!(caught.is_some(), "a store that skips syncs passed 2,000 runs");
}

#[test]
fn appending_after_a_torn_tail_is_caught() {
    let caught =
        (0..20_000).find_map(|seed| torn_then_appended(seed, Some(Mutant::AppendAfterTornTail)).err());
    assert!(caught.is_some(), "a store that appends after a torn tail passed 20,000 runs");
}

/// A run that is cut, goes on with the bug, and is cut again.
pub(crate) fn torn_then_appended(seed: u64, mutant: Option<Mutant>) -> Result<(), String> {
    let mut random = StdRng::seed_from_u64(seed);
    let temper = Temper { bodies_vary: false, ..Temper::draw(&mut random) };
    let disk = SimDisk::new(seed);
    disk.stop_at(random.random_range(10..120));
    run(&disk, seed, 60, temper, mutant);
    disk.power_cut(Loss::Random);
    let clock = Arc::new(ManualClock::default());
    let store = open(&disk, &options(mutant), &clock, seed).map_err(|error| error.to_string())?;
    let (first, digest) = store.inspect().digest();
    let trace = store.inspect().start_trace();
    let mut workload = Workload::new(store, Arc::clone(&clock), seed + 1, temper);
    workload.answered = first;
    // Bodies that the first run has not made, so that none is there twice.
    workload.pushed = 1_000_000;
    for _ in 0..random.random_range(1..10) {
        if workload.step().is_err() {
            break;
        }
    }
    let mut course: Course = trace.digests();
    course.insert(first, digest);
    disk.power_cut(Loss::Random);
    recover(&disk, &clock, &course, workload.answered)
        .map(|_| ())
        .map_err(|text| format!("seed {seed}: {text}"))
}

#[test]
fn without_the_bug_the_same_runs_pass() {
    for seed in 0..300 {
        crash_at_random(seed, None).unwrap_or_else(|text| panic!("{text}"));
    }
}
