//! A tenth of the largest state that the design names: what it takes in memory, counted, and under a limit that the kernel
//! enforces. The whole of it: `cargo bench -p kew-embedded --bench broker -- memory`.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kew_embedded::{Embedded, Options};
use kew_journal::RealDisk;
use kew_model::{
    Broker, ConsumerKind, ContentType, Milliseconds, NewConsumer, Place, Pull, PullSettings, PushBatch,
    Seconds,
};
use kew_testkit::{FixedChance, ManualClock, wait};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::bounds::{ACCOUNT, push, queue, store};

/// A tenth of 256 MiB.
const LIMIT_BYTES: u64 = (256 << 20) / 10;

/// The folder of the store, in a process that has a limit.
const FOLDER: &str = "KEW_TEST_LIMITED";

/// Pushes hundreds of messages, all of one delay or of none.
fn push_hundreds(store: &Embedded, place: Place, hundreds: u32, delayed: bool) {
    for hundred in 0..hundreds {
        let delay = delayed.then_some(Seconds(1 + hundred % 86_400));
        let mut batch = PushBatch::new();
        (0..100).for_each(|_| batch.add(b"hello", ContentType::Text, delay).unwrap());
        push(store, place, batch);
    }
}

/// Pushes and pulls hundreds of messages.
fn lease_hundreds(store: &Embedded, place: Place, hundreds: u32) {
    push_hundreds(store, place, hundreds, false);
    let consumer =
        NewConsumer { kind: ConsumerKind::HttpPull(PullSettings::default()), dead_letter_queue: None };
    wait(store.create_consumer(place, consumer)).unwrap();
    let pull = Pull { batch_size: Some(100), visibility_timeout: Some(Milliseconds(43_200_000)) };
    for _ in 0..hundreds {
        assert_eq!(wait(store.pull(place, pull)).unwrap().messages.len(), 100);
    }
}

#[test]
fn ready_messages_cost_no_memory_and_others_little() {
    // Given a tenth of what the design names: ready messages, leases of a hundred, delays of a hundred alike
    let (store, _) = store(Options { window_bytes: 1 << 20, ..Options::default() });
    let [ready, leased, delayed] = ["ready", "leased", "delayed"].map(|name| queue(&store, name));
    let empty = store.inspect().state_bytes();
    push_hundreds(&store, ready, 30_000, false);
    let with_ready = store.inspect().state_bytes();
    lease_hundreds(&store, leased, 1_000);
    let with_leased = store.inspect().state_bytes();
    push_hundreds(&store, delayed, 10_000, true);
    let with_delayed = store.inspect().state_bytes();

    // Then 3,000,000 ready ones cost where their frames begin in the segment that is written, 100,000 leased and
    // 1,000,000 delayed ones some bytes for each hundred, and all of it a tenth of 24 MiB
    println!("{empty}, {with_ready}, {with_leased}, {with_delayed} bytes of state");
    assert!(with_ready - empty <= 30_000 * 32, "{} bytes for the ready", with_ready - empty);
    assert!(with_leased - with_ready <= 1_000 * 320, "{} bytes for the leased", with_leased - with_ready);
    assert!(with_delayed - with_leased <= 10_000 * 320, "{} for the delayed", with_delayed - with_leased);
    assert!(with_delayed <= (24 << 20) / 10 + (1 << 20), "{with_delayed} bytes");
    assert!(store.inspect().window_bytes() <= 2 << 20);
}

/// A delay of up to a day and a length of up to 127 bytes, as good as drawn.
fn unlike(number: u64) -> (u32, usize) {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 16;
    (u32::try_from(3_600 + mixed % 82_800).unwrap(), usize::try_from(mixed >> 32 & 127).unwrap())
}

/// Pushes hundreds of messages of which no two are alike, in turns.
fn push_unlike(store: &Embedded, clock: &ManualClock, places: &[Place], hundreds: u64) {
    for hundred in 0..hundreds {
        let mut batch = PushBatch::new();
        for at in 0..100 {
            let (delay, length) = unlike(hundred * 100 + at);
            batch.add(&[b'x'; 128][..length], ContentType::Text, Some(Seconds(delay))).unwrap();
        }
        push(store, places[usize::try_from(hundred).unwrap() % places.len()], batch);
        clock.advance(Milliseconds(hundred % 2));
    }
}

/// What the state takes more for each such message, in bytes.
fn bytes_of_unlike(store: &Embedded, clock: &ManualClock, places: &[Place], hundreds: u64) -> u64 {
    let before = store.inspect().state_bytes();
    push_unlike(store, clock, places, hundreds);
    (store.inspect().state_bytes() - before) as u64 / (hundreds * 100)
}

#[test]
fn delayed_messages_of_which_no_two_are_alike_take_some_bytes_each() {
    // Given a tenth of what the design names, in one queue, or as many as it names in each of its 10,000 queues
    let (store, clock) = store(Options { window_bytes: 1 << 20, ..Options::default() });
    let one = bytes_of_unlike(&store, &clock, &[queue(&store, "one")], 10_000);
    let many: Vec<_> = (0..100).map(|number| queue(&store, &format!("queue-{number}"))).collect();
    let many = bytes_of_unlike(&store, &clock, &many, 1_000);

    // Then ten million of them fit in 150 MiB, beside what others take
    println!("{one} bytes for each of a million in one queue, {many} for each of a thousand in a queue");
    assert!(one <= 13, "{one} bytes each in one queue");
    assert!(many <= 15, "{many} bytes each in many queues");
}

fn open_in(folder: &Path) -> (Embedded, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let options = Options {
        window_bytes: (16 << 20) / 10,
        inbox_bytes: (16 << 20) / 10,
        reserve_bytes: Some(0),
        ..Options::default()
    };
    let (disk, chance) = (Arc::new(RealDisk::new(folder)), Arc::new(FixedChance::new(1)));
    (Embedded::open_inline(disk, options, clock.clone(), chance).unwrap(), clock)
}

/// What a process that has a limit does: fills the store, or opens what is there.
fn under_a_limit(folder: &Path) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
    let own_bytes = own.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
    let limit = Some(own_bytes + LIMIT_BYTES);
    setrlimit(Resource::Data, Rlimit { current: limit, maximum: limit }).unwrap();
    assert!(Vec::<u8>::new().try_reserve_exact(32 << 20).is_err(), "the limit is not enforced");

    let (store, clock) = open_in(folder);
    if let Some(account) = store.accounts().first() {
        let delayed = store.queues(account.id).into_iter().find(|queue| queue.name.as_str() == "queue-2");
        let place = Place { account: account.id, queue: delayed.unwrap().id };
        assert_eq!(wait(store.backlog(place)).unwrap().count, 500_000);
        return;
    }
    wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
    let queues: Vec<_> = (0..1_000).map(|number| queue(&store, &format!("queue-{number}"))).collect();
    push_hundreds(&store, queues[0], 30_000, false);
    lease_hundreds(&store, queues[1], 1_000);
    push_unlike(&store, &clock, &queues[2..3], 5_000);
    push_unlike(&store, &clock, &queues[3..], 5_000);
    clock.advance(Seconds(60));
    let is_kept = || std::fs::read_dir(folder.join("checkpoint")).unwrap().count() > 0;
    for _ in (0..100).take_while(|_| !is_kept()) {
        store.inspect().write();
        wait(store.housekeep()).unwrap();
    }
    assert!(is_kept(), "no checkpoint was kept");
}

#[test]
fn a_tenth_of_the_largest_state_fits_in_a_tenth_of_its_limit() {
    if let Some(folder) = env::var_os(FOLDER) {
        return under_a_limit(Path::new(&folder));
    }
    if !cfg!(target_os = "linux") {
        println!("SKIPPED: only Linux limits what a process may have of data");
        return;
    }
    // Given a process that may take no more than 25.6 MiB beside what it has at its start, when it fills a store with
    // 3,000,000 messages that are ready, 100,000 that are leased and 1,000,000 that are delayed, no two alike, in 1,000
    // queues, and keeps a checkpoint, then it fits; and so does the next, which opens what is left
    let folder = tempfile::tempdir().unwrap();
    for what in ["fill", "restart"] {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "large_state::a_tenth_of_the_largest_state_fits_in_a_tenth_of_its_limit"]);
        // Whatever fails has no room for a backtrace.
        let output = child.env(FOLDER, folder.path()).env("RUST_BACKTRACE", "0").output().unwrap();
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{what} was not run");
    }
}
