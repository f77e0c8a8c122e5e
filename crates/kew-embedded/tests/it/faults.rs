//! Single calls to the disk that fail, everywhere; bits that rot, everywhere; and wall clocks that jump between starts.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kew_journal::{Fault, OperationKind, SimDisk};
use kew_model::{
    AccountId, Broker, ConsumerKind, ContentType, Milliseconds, NewConsumer, NewQueue, Place, Pull,
    PullSettings, PushBatch, QueueSettings, Seconds, Timestamp,
};
use kew_testkit::{ManualClock, counted, wait};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::crash::{judge, options, run};
use crate::workload::{Temper, Workload, open};

/// Everything in small, so that a short run leads through many calls.
const BRISK: Temper = Temper { body_bytes: 1_500, bodies_vary: true, batch: 20, pushes: 6, common: 7 };

const FAULTS: [Fault; 6] = [
    Fault::Error(ErrorKind::Other),
    Fault::Error(ErrorKind::StorageFull),
    Fault::Error(ErrorKind::Interrupted),
    Fault::ShortWrite,
    Fault::WriteBack,
    Fault::Misread,
];

/// Whether calls of a kind fail in this way.
fn fails(kind: OperationKind, fault: Fault) -> bool {
    match fault {
        Fault::ShortWrite | Fault::WriteBack => kind == OperationKind::Write,
        Fault::Misread => kind == OperationKind::Read,
        _ => true,
    }
}

/// A run in which one call fails, and what any cut or kill leaves of it. False when there are fewer calls.
pub(crate) fn survives(kind: OperationKind, nth: u64, fault: Fault) -> Result<bool, String> {
    let disk = SimDisk::new(nth);
    disk.fail(kind, nth, fault);
    let ran = run(&disk, 11, 45, BRISK, None);
    let is_reached = disk.calls(kind) >= nth;
    let course = ran.course.clone();
    judge(&disk, &ran, &course, nth).map_err(|text| format!("{kind:?} {nth}, {fault:?}: {text}"))?;
    Ok(is_reached)
}

#[test]
fn whatever_call_fails_no_answered_verb_is_lost() {
    let mut failures = BTreeMap::new();
    for kind in OperationKind::ALL {
        for fault in FAULTS.into_iter().filter(|fault| fails(kind, *fault)) {
            for nth in 1.. {
                if !survives(kind, nth, fault).unwrap_or_else(|text| panic!("{text}")) {
                    break;
                }
                *failures.entry(kind).or_insert(0) += 1;
            }
        }
    }
    let total: u64 = failures.values().sum();
    counted(total, "calls of the disk that fail, each once in each way: a store");
    assert!(total > 600 && failures.len() >= 10, "{failures:?}");
}

/// Opens a store of which bytes are damaged and reads all that lives: noticed, or as it was.
fn notices(disk: &SimDisk, clock: &Arc<ManualClock>, lived: &Lived) -> Result<bool, String> {
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let store = open(disk, &options(None), clock, 99).map_err(drop)?;
        Ok::<_, ()>(lived_in(&store))
    }));
    match looked {
        Ok(Ok(found)) if found == *lived => Ok(false),
        Ok(Ok(_)) => Err("another state, and nobody noticed".to_owned()),
        // It was refused, or a body could not be read.
        Ok(Err(())) | Err(_) => Ok(true),
    }
}

/// A digest of the state, and every body.
type Lived = (u64, BTreeMap<(u32, u64), Vec<u8>>);

fn lived_in(store: &kew_embedded::Embedded) -> Lived {
    let each = store.inspect().bodies().unwrap().into_iter();
    let bodies = each.map(|(queue, sequence, body)| ((queue.0, sequence.0), body)).collect();
    (store.inspect().digest().1, bodies)
}

/// A store with many messages: every other one closed, the others as a kill leaves one that had fallen idle.
fn written(seed: u64) -> (SimDisk, Arc<ManualClock>, Lived) {
    let disk = SimDisk::new(seed);
    let clock = Arc::new(ManualClock::default());
    let store = open(&disk, &options(None), &clock, seed).unwrap();
    let mut workload = Workload::new(store, Arc::clone(&clock), seed, BRISK);
    workload.prepare().unwrap();
    (0..250).for_each(|_| workload.step().unwrap());
    let store = &workload.store;
    store.inspect().idle();
    let lived = lived_in(store);
    if seed.is_multiple_of(2) {
        wait(store.close()).unwrap();
    }
    (disk.fork(seed), clock, lived)
}

/// Damages a store in `flips` places, one at a time, and says how many were noticed.
pub(crate) fn rot(seed: u64, flips: usize) -> Result<usize, String> {
    let (disk, clock, lived) = written(seed);
    let names: Vec<_> = disk.file_names().into_iter().filter(|name| name != "LOCK").collect();
    let mut random = StdRng::seed_from_u64(seed);
    let mut noticed = 0;
    for flip in 0..flips {
        let name = &names[flip % names.len()];
        let mut bytes = disk.contents(name).unwrap();
        // Half of them where the headers are.
        let within = if random.random_bool(0.5) { bytes.len().min(4_700) } else { bytes.len() };
        let at = random.random_range(0..within);
        bytes[at] ^= 1 << random.random_range(0..8);
        let bad = disk.fork(1);
        bad.overwrite(name, &bytes);
        let context = |text| format!("{name}, byte {at}: {text}");
        noticed += usize::from(notices(&bad, &clock, &lived).map_err(context)?);
    }
    Ok(noticed)
}

#[test]
fn rot_in_any_file_is_noticed_or_harmless() {
    let mut noticed = 0;
    for seed in 0..6 {
        noticed += rot(seed, 350).unwrap_or_else(|text| panic!("seed {seed}, {text}"));
    }
    counted(2_100, "bits flipped in every kind of file: a store");
    counted(noticed as u64, "flipped bits that were noticed, and the others harmless: a store");
    assert!(noticed > 200, "{noticed}");
}

#[test]
fn blocks_that_changed_places_and_files_cut_short_are_noticed_or_harmless() {
    // A closed store: of a killed one, a swap may take the end's mark away together with what stood before it, and then
    // nothing tells that from a torn tail (docs/durability.md).
    let (disk, clock, lived) = written(2);
    let (mut changes, mut noticed) = (0, 0);
    let mut holds = |name: &str, bytes: &[u8], what: &str| {
        let bad = disk.fork(1);
        bad.overwrite(name, bytes);
        changes += 1;
        let outcome = notices(&bad, &clock, &lived);
        noticed += usize::from(outcome.unwrap_or_else(|text| panic!("{name}, {what}: {text}")));
    };
    for name in disk.file_names().into_iter().filter(|name| name != "LOCK") {
        let bytes = disk.contents(&name).unwrap();
        for first in 0..bytes.len() / 4096 {
            for second in first + 1..bytes.len() / 4096 {
                let mut swapped = bytes.clone();
                let (low, high) = swapped.split_at_mut(second * 4096);
                low[first * 4096..first * 4096 + 4096].swap_with_slice(&mut high[..4096]);
                holds(&name, &swapped, &format!("blocks {first} and {second}"));
            }
        }
        // Frames begin at multiples of 8.
        for boundary in (8..bytes.len()).step_by(if bytes.len() > 8_192 { 1_016 } else { 40 }) {
            for kept in [boundary - 1, boundary, boundary + 1] {
                holds(&name, &bytes[..kept.min(bytes.len())], &format!("{kept} bytes kept"));
            }
        }
    }
    counted(changes, "blocks exchanged and files cut short: a store");
    counted(noticed as u64, "exchanged blocks and cuts that were noticed, and the others harmless: a store");
    assert!(noticed > 500, "{noticed} of {changes}");
}

const YEAR: i64 = 365 * 86_400_000;

/// Opens a store whose wall clock was moved while it was closed: one message is leased for 20 s, one delayed for 30 s.
fn after_a_jump(jump_ms: i64) -> (kew_embedded::Embedded, Arc<ManualClock>, Place, Timestamp) {
    let disk = SimDisk::new(1);
    let start = Timestamp(2_000_000_000_000);
    let clock = Arc::new(ManualClock::at(start));
    let store = open(&disk, &options(None), &clock, 1).unwrap();
    let account = wait(store.create_account(Some(AccountId([1; 16])), "one".to_owned())).unwrap().id;
    let (name, settings) = ("jobs".parse().unwrap(), QueueSettings::default());
    let new = NewQueue { name, id: None, jurisdiction: None, settings };
    let place = Place { account, queue: wait(store.create_queue(account, new)).unwrap().id };
    let settings = PullSettings { visibility_timeout: Milliseconds(20_000), ..PullSettings::default() };
    let consumer = NewConsumer { kind: ConsumerKind::HttpPull(settings), dead_letter_queue: None };
    wait(store.create_consumer(place, consumer)).unwrap();
    for (body, delay) in [(&b"leased"[..], None), (b"delayed", Some(Seconds(30)))] {
        let mut batch = PushBatch::new();
        batch.add(body, ContentType::Text, delay).unwrap();
        wait(store.push(place, batch)).unwrap();
    }
    assert_eq!(pull(&store, place), [("leased".to_owned(), 1)]);
    wait(store.close()).unwrap();
    let moved = Timestamp(start.0.checked_add_signed(jump_ms).unwrap());
    let clock = Arc::new(ManualClock::at(moved));
    (open(&disk, &options(None), &clock, 2).unwrap(), clock, place, start)
}

fn pull(store: &kew_embedded::Embedded, place: Place) -> Vec<(String, u16)> {
    let pulled = wait(store.pull(place, Pull { batch_size: Some(10), visibility_timeout: None })).unwrap();
    let each = pulled
        .messages
        .iter()
        .map(|message| (String::from_utf8(pulled.body(message).to_vec()).unwrap(), message.attempts));
    each.collect()
}

#[test]
fn a_wall_clock_set_back_makes_nothing_early_and_no_lease_longer() {
    for jump in [-1_000, -3_600_000, -10 * YEAR] {
        let (store, clock, place, start) = after_a_jump(jump);
        // The store's time does not go back.
        assert!(store.clock().now() >= start, "{jump}");
        assert_eq!(pull(&store, place), []);
        clock.advance(Milliseconds(19_999));
        assert_eq!(pull(&store, place), [], "{jump}: a millisecond early");
        clock.advance(Milliseconds(1));
        assert_eq!(pull(&store, place), [("leased".to_owned(), 2)], "{jump}");
        clock.advance(Milliseconds(9_999));
        assert_eq!(pull(&store, place), [], "{jump}: a millisecond early");
        clock.advance(Milliseconds(1));
        assert_eq!(pull(&store, place), [("delayed".to_owned(), 1)], "{jump}");
        store.inspect().check();
    }
}

#[test]
fn a_wall_clock_set_forward_ends_what_it_passes_and_no_more() {
    // One second: nothing is over yet.
    let (store, clock, place, _) = after_a_jump(1_000);
    assert_eq!(pull(&store, place), []);
    clock.advance(Milliseconds(18_999));
    assert_eq!(pull(&store, place), []);
    clock.advance(Milliseconds(1));
    assert_eq!(pull(&store, place), [("leased".to_owned(), 2)]);
    // One hour: both are there, each once.
    let (store, _, place, _) = after_a_jump(3_600_000);
    let mut pulled = pull(&store, place);
    pulled.sort();
    assert_eq!(pulled, [("delayed".to_owned(), 1), ("leased".to_owned(), 2)]);
    assert_eq!(pull(&store, place), []);
    // Ten years: their retention is over.
    let (store, _, place, _) = after_a_jump(10 * YEAR);
    assert_eq!(pull(&store, place), []);
    assert_eq!(wait(store.backlog(place)).unwrap().count, 0);
    store.inspect().check();
}
