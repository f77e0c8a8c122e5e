//! What a look at a whole store says: nothing about one that is whole, and every place, queue and message of one that is
//! not. What it copies is whole again.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::sync::Arc;

use kew_embedded::check::{Report, check, salvage};
use kew_embedded::{Embedded, OpenError, Options};
use kew_journal::{Disk, Loss, SimDisk};
use kew_model::Broker;
use kew_testkit::{FixedChance, ManualClock, counted, wait};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::workload::{Temper, Workload, is_body, open};

fn options() -> Options {
    Options {
        segment_bytes: 64 << 10,
        window_bytes: 4_000,
        checkpoint_bytes: 30_000,
        cleaning_slack_bytes: 0,
        reserve_bytes: Some(0),
        ..Options::default()
    }
}

/// Much of everything, so that segments are sealed, freed and used again.
const RICH: Temper = Temper { body_bytes: 900, bodies_vary: true, batch: 6, pushes: 6, common: 6 };

/// A store after a run, still open.
fn run(seed: u64, verbs: usize, temper: Temper) -> (SimDisk, Embedded, Arc<ManualClock>) {
    let disk = SimDisk::new(seed);
    let clock = Arc::new(ManualClock::default());
    let store = open(&disk, &options(), &clock, seed).unwrap();
    let mut workload = Workload::new(store, Arc::clone(&clock), seed, temper);
    workload.prepare().unwrap();
    (0..verbs).for_each(|_| workload.step().unwrap());
    (disk, workload.store, clock)
}

fn looked_at(disk: &SimDisk) -> Result<Report, OpenError> {
    check(Arc::new(disk.clone()), &mut |_, _, _| {})
}

fn contents(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    disk.file_names().into_iter().map(|name| (name.clone(), disk.contents(&name).unwrap())).collect()
}

/// Bodies by queue and sequence.
type Bodies = BTreeMap<(u32, u64), Vec<u8>>;

fn bodies(store: &Embedded) -> Bodies {
    let each = store.inspect().bodies().unwrap().into_iter();
    each.map(|(queue, sequence, body)| ((queue.0, sequence.0), body)).collect()
}

/// A closed store, and what lived in it.
fn closed(seed: u64, verbs: usize) -> (SimDisk, Bodies) {
    let (disk, store, _) = run(seed, verbs, RICH);
    let lived = bodies(&store);
    wait(store.close()).unwrap();
    (disk, lived)
}

#[test]
fn a_closed_store_is_whole_and_stays_as_it_is() {
    // Given a store that went through many segments
    let (disk, lived) = closed(5, 600);
    let before = contents(&disk);

    // When it is looked at
    let report = looked_at(&disk).unwrap();

    // Then every message was read, nothing is wrong, and nothing has changed
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.readable(), lived.len() as u64);
    assert!(!report.log.segments.is_empty() && report.log.checkpoints.len() == 2, "{:?}", report.log);
    assert_eq!(contents(&disk), before);
}

#[test]
fn what_any_crash_leaves_is_whole() {
    let mut looks = 0;
    for seed in 0..150 {
        let mut random = StdRng::seed_from_u64(seed);
        let (disk, store, _) = run(seed, random.random_range(5..120), Temper::draw(&mut random));
        let disk = disk.fork(seed);
        drop(store);
        for loss in [Loss::Everything, Loss::Nothing, Loss::Random] {
            let cut = disk.fork(seed);
            cut.power_cut(loss);
            let report = looked_at(&cut).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert!(report.is_whole(), "seed {seed}, {loss:?}: {report:#?}");
            looks += 1;
        }
    }
    println!("{looks} stores");
}

#[test]
fn a_store_that_is_open_is_not_looked_at() {
    let (disk, store, _) = run(1, 5, RICH);

    let refused = looked_at(&disk);

    assert!(matches!(refused, Err(OpenError::Log(kew_journal::Error::Locked))), "{refused:?}");
    wait(store.close()).unwrap();
}

#[test]
fn a_folder_that_is_no_store_is_called_so() {
    let disk = SimDisk::new(1);
    for name in [None, Some("notes.txt")] {
        name.inspect(|name| disk.overwrite(name, b"hello"));
        let refused = looked_at(&disk);
        assert!(matches!(refused, Err(OpenError::Log(kew_journal::Error::NotAStore { .. }))), "{refused:?}");
    }
}

/// Copies what is whole, holds the copy to be a store, and gives what lives in it.
fn salvaged(disk: &SimDisk, context: &str) -> (Report, Bodies, bool) {
    let before = contents(disk);
    let target = SimDisk::new(77);
    let clock = Arc::new(ManualClock::default());
    let done = salvage(
        Arc::new(disk.clone()),
        Arc::new(target.clone()),
        &options(),
        &*clock,
        &FixedChance::new(78),
        &mut |_, _, _| {},
    );
    let done = done.unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(contents(disk), before, "{context}: the damaged store was changed");
    let report = looked_at(&target).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(report.is_whole(), "{context}: {report:#?}");
    let store = open(&target, &options(), &clock, 79).unwrap_or_else(|error| panic!("{context}: {error}"));
    store.inspect().check();
    let copied = bodies(&store);
    assert_eq!(copied.len() as u64, done.messages, "{context}");
    (done.report, copied, done.broken_at.is_some())
}

/// Holds a report and a copy against what lived: what is missing in the copy was named, and what is there is right.
fn judge(report: &Report, copied: &Bodies, is_broken: bool, lived: &Bodies, context: &str) {
    let named = |queue: u32, sequence: u64| {
        report
            .losses
            .iter()
            .any(|loss| loss.queue.number.0 == queue && (loss.first..=loss.last).contains(&sequence))
    };
    for ((queue, sequence), body) in lived {
        match copied.get(&(*queue, *sequence)) {
            Some(copy) => assert_eq!(copy, body, "{context}: message {sequence} of queue {queue}"),
            // What was pushed last may be lost with the log's end: nobody knows that it was there.
            None => assert!(
                named(*queue, *sequence) || report.refusal.is_some(),
                "{context}: message {sequence} of queue {queue} is gone and not named"
            ),
        }
    }
    for (place, body) in copied {
        assert!(is_body(body), "{context}: {place:?} is no body");
        assert!(is_broken || lived.contains_key(place), "{context}: {place:?} did not live");
    }
}

#[test]
fn every_flipped_bit_is_named_or_harmless_and_the_rest_is_copied() {
    let (disk, lived) = closed(5, 600);
    let (mut flips, mut named, mut losses) = (0, 0, 0);
    for (name, bytes) in contents(&disk) {
        if name == "LOCK" {
            continue;
        }
        let mut random = StdRng::seed_from_u64(bytes.len() as u64);
        let mut at = 0;
        while at < bytes.len() {
            let context = format!("{name}, byte {at}");
            let bad = disk.fork(1);
            let mut changed = bytes.clone();
            changed[at] ^= 1 << random.random_range(0..8);
            bad.overwrite(&name, &changed);
            match looked_at(&bad) {
                Ok(report) if report.is_whole() => {
                    assert_eq!(report.readable(), lived.len() as u64, "{context}");
                }
                Ok(report) => {
                    named += 1;
                    assert!(!report.is_whole());
                    let (report, copied, is_broken) = salvaged(&bad, &context);
                    judge(&report, &copied, is_broken, &lived, &context);
                    losses += usize::from(copied.len() < lived.len());
                }
                Err(OpenError::Log(kew_journal::Error::Version { .. })) => named += 1,
                Err(error) => panic!("{context}: {error}"),
            }
            flips += 1;
            at += if name == "STORE" { 1 } else { random.random_range(1..500) };
        }
    }
    counted(flips, "bits flipped in a closed store, for kew check");
    counted(named, "flipped bits that kew check named, and copied the rest");
    assert!(named > 250 && losses > 50, "{named} named, {losses} with a loss");
}

#[test]
fn a_missing_file_is_named_and_the_rest_is_copied() {
    let (disk, lived) = closed(5, 420);
    for name in disk.file_names() {
        let bad = disk.fork(1);
        Disk::remove(&bad, &name).unwrap();
        let report = looked_at(&bad).unwrap_or_else(|error| panic!("{name}: {error}"));
        let is_needed = name.ends_with(".seg") || name == "STORE";
        if report.is_whole() {
            assert_eq!(report.readable(), lived.len() as u64, "{name}");
            assert!(
                !is_needed || report.log.segments.iter().all(|info| !name.contains(&info.id.to_string()))
            );
            continue;
        }
        let (report, copied, is_broken) = salvaged(&bad, &name);
        judge(&report, &copied, is_broken, &lived, &name);
    }
}

#[test]
fn a_damaged_frame_costs_its_own_messages_and_names_them() {
    // Given a store whose oldest segment is covered by its checkpoints
    let (disk, lived) = closed(5, 600);
    let whole = looked_at(&disk).unwrap();
    let oldest = whole.live.first().unwrap().0;
    let name = format!("log/{oldest}.seg");
    let mut bytes = disk.contents(&name).unwrap();

    // When one byte of a body is another one
    let at = bytes.windows(16).rposition(|window| is_body_start(window, &lived)).unwrap();
    bytes[at + 10] ^= 1;
    disk.overwrite(&name, &bytes);
    let report = looked_at(&disk).unwrap();

    // Then the frame's place, the queue and its messages are named, and no others are lost
    assert_eq!(report.refusal, None, "a start does not read it");
    let place = report.damage().next().unwrap();
    assert_eq!(place.file, name);
    assert!(place.offset < at as u64 && place.end.is_none_or(|end| end > at as u64), "{place:?}");
    assert!(!report.losses.is_empty());
    assert!(report.losses.iter().all(|loss| loss.segment == Some(oldest) && loss.queue.name.is_some()));
    let lost: u64 = report.losses.iter().map(|loss| loss.messages).sum();
    assert_eq!(report.readable() + lost, lived.len() as u64);
    let (_, copied, is_broken) = salvaged(&disk, "one frame");
    assert!(!is_broken);
    assert_eq!(copied.len() as u64, report.readable());
}

/// Whether a body that lives begins with these bytes.
fn is_body_start(window: &[u8], lived: &Bodies) -> bool {
    lived.values().any(|body| body.starts_with(window))
}
