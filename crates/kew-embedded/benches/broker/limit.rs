//! The largest state that the design names, under a limit of memory that the kernel enforces.
//!
//! `cargo bench -p kew-embedded --bench broker -- memory` fills a store with 30 million messages that are ready, one million
//! that are leased in pulls of 100, and ten million that are delayed, of which no two are alike, in 10,000 queues; keeps
//! a checkpoint of them; and is killed. Another process opens what is left and pulls. Neither gets more than 256 MiB of
//! data: every page that a process can write and that is its own, used or not, its threads' stacks excepted. What asks for
//! more is refused, and fails. Windows and inbox are at 16 MiB each.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use kew_model::{ContentType, Milliseconds, Place, PushBatch, Seconds};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::figures::{CHILD, bytes_of_status, resident_bytes};
use crate::state::{Store, mebibytes};

/// What a process may have.
const LIMIT_BYTES: u64 = 256 << 20;
/// The folder of the store, in the processes that use it.
const FOLDER: &str = "KEW_BENCH_FOLDER";
/// What the two processes are started for.
const FILL: &str = "fill";
const RESTART: &str = "restart";

const QUEUES: usize = 10_000;
const READY: u64 = 30_000_000;
const LEASED: u64 = 1_000_000;
const DELAYED: u64 = 10_000_000;

/// Runs both processes; fails when one does.
pub(crate) fn print() {
    let folder = tempfile::tempdir().unwrap();
    for what in [FILL, RESTART] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let status = child.env(CHILD, what).env(FOLDER, folder.path()).status().unwrap();
        assert!(status.success(), "{what} did not fit in {} MiB: {status}", LIMIT_BYTES >> 20);
    }
    println!("memory: everything fitted in {} MiB", LIMIT_BYTES >> 20);
}

/// Does what this process was started for, if that is among what is done here.
pub(crate) fn run(what: &str) -> bool {
    let run = match what {
        FILL => fill,
        RESTART => restart,
        _ => return false,
    };
    let folder = std::env::var_os(FOLDER).unwrap();
    let limit = Rlimit { current: Some(LIMIT_BYTES), maximum: Some(LIMIT_BYTES) };
    match setrlimit(Resource::Data, limit) {
        Ok(()) if is_enforced() => run(Path::new(&folder)),
        _ => println!("memory: SKIPPED, since this system does not limit the memory of a process"),
    }
    true
}

/// Whether a request that goes beyond the limit is refused.
fn is_enforced() -> bool {
    Vec::<u8>::new().try_reserve_exact(usize::try_from(LIMIT_BYTES).unwrap()).is_err()
}

fn fill(folder: &Path) {
    let store = Store::open(folder);
    tell("an empty store");
    let queues: Vec<_> = (0..QUEUES).map(|number| store.queue(&format!("queue-{number}"))).collect();
    tell(&format!("{QUEUES} queues"));
    store.push(queues[0], READY, None);
    tell(&format!("{READY} messages ready"));
    store.push(queues[1], LEASED, None);
    (0..LEASED / 100).for_each(|_| drop(store.pull(queues[1], 100)));
    tell(&format!("{LEASED} leased in pulls of 100"));
    let started = Instant::now();
    // One queue holds a half of the delayed messages, the others share the rest.
    push_unlike(&store, &queues[2..3], DELAYED / 2);
    push_unlike(&store, &queues[3..], DELAYED / 2);
    let each_ns = started.elapsed().as_nanos() / u128::from(DELAYED);
    tell(&format!("{DELAYED} delayed, no two alike, pushed in {each_ns} ns each"));
    let started = Instant::now();
    store.keep_checkpoint();
    let elapsed = started.elapsed();
    let kept =
        fs::read_dir(folder.join("checkpoint")).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
    let kept_bytes = kept.max().expect("a checkpoint was kept");
    tell(&format!("its checkpoint of {:.0} MiB, kept after {elapsed:.1?}", mebibytes(kept_bytes)));
}

fn restart(folder: &Path) {
    let started = Instant::now();
    let store = Store::open(folder);
    let opened = started.elapsed();
    let ready = store.place_of("queue-0");
    drop(store.pull(ready, 100));
    tell(&format!("a restart: open after {opened:.1?}, first pull after {:.1?}", started.elapsed()));
    assert_eq!(store.backlog_count(store.place_of("queue-2")), DELAYED / 2);
}

/// Pushes messages whose delays are all over a day, and whose lengths and times of publishing differ.
fn push_unlike(store: &Store, places: &[Place], messages: u64) {
    for hundred in 0..messages / 100 {
        let mut batch = PushBatch::with_capacity(6_400, 100);
        for at in 0..100 {
            let (seconds, length) = unlike(hundred * 100 + at);
            batch.add(&[b'x'; 128][..length], ContentType::Text, Some(Seconds(seconds))).unwrap();
        }
        store.push_batch(places[usize::try_from(hundred).unwrap() % places.len()], batch);
        if hundred % 2 == 0 {
            store.advance(Milliseconds(1));
        }
    }
}

/// A delay of an hour to a day, and a length of up to 127 bytes, as good as drawn.
pub(crate) fn unlike(number: u64) -> (u32, usize) {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 16;
    (u32::try_from(3_600 + mixed % 82_800).unwrap(), usize::try_from(mixed >> 32 & 127).unwrap())
}

fn tell(what: &str) {
    let [now, peak, data] = [resident_bytes(), bytes_of_status("VmHWM:"), bytes_of_status("VmData:")];
    let [now, peak, data] = [now, peak, data].map(mebibytes);
    println!("memory: {what}: {now:.1} MiB resident, {peak:.1} at the most; data {data:.1} of 256 MiB");
}
