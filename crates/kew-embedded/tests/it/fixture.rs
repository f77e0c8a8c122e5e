//! A store written when the format was frozen opens in every later version, and holds what was written into it.
//!
//! `tests/fixtures/store-v1` to `store-v4` are whole stores as a kill leaves them, without their lock file; a text
//! beside each says in plain lines what is in there. A store is never written again: a change of the format adds another
//! and leaves these be. `store-v1` was made before event subscriptions, idempotency keys and records of age; its text is
//! as of now, when retention periods are acted on. `store-v2` was made before segments were cleaned, and the
//! checkpoint of `store-v3` does not say how old messages are. The newest was made by `write_the_fixture` below, with a clock
//! and a chance that repeat themselves:
//!
//! `cargo test -p kew-embedded --test it -- --ignored write_the_fixture`

#![expect(clippy::unwrap_used, reason = "test code")]

mod description;
mod story;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kew_embedded::{Embedded, OpenError, Options};
use kew_journal::RealDisk;
use kew_model::{
    AccountId, Broker, ContentType, Milliseconds, Place, Pull, PushBatch, Settlement, Timestamp,
};
use kew_testkit::{FixedChance, ManualClock, wait};
use tempfile::TempDir;

use description::{describe, leases_of};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The files of a store, by their names within it; the lock file is no part of what is kept.
fn files(folder: &Path) -> Vec<String> {
    let inside = |part: &str| {
        let entries = fs::read_dir(folder.join(part)).unwrap().map(|entry| entry.unwrap());
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        let names = files.map(|entry| Path::new(part).join(entry.file_name()).to_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let mut names = ["", "log", "checkpoint"].map(inside).concat();
    names.retain(|name| name != "LOCK");
    names.sort();
    names
}

fn copy_files(from: &Path, to: &Path) {
    for part in ["log", "checkpoint"] {
        fs::create_dir_all(to.join(part)).unwrap();
    }
    for name in files(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// A copy to work on.
fn copy_of(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_files(folder, copy.path());
    copy
}

/// Opens a store in a folder. No window: whatever is delivered is read from the disk.
fn open(folder: &Path, clock: &Arc<ManualClock>) -> Result<Embedded, OpenError> {
    let options = Options {
        segment_bytes: 64 << 10,
        window_bytes: 0,
        checkpoint_bytes: u64::MAX,
        checkpoint_ms: story::CHECKPOINT_MS,
        cleaning_slack_bytes: 0,
        reserve_bytes: Some(0),
        ..Options::default()
    };
    let chance = Arc::new(FixedChance::new(1));
    Embedded::open_inline(Arc::new(RealDisk::new(folder)), options, clock.clone(), chance)
}

/// The clock as it stood when the story ended.
fn clock_at_the_end() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(story::END))
}

/// Two texts of many lines, and the first line in which they differ.
fn assert_same(found: &str, expected: &str) {
    for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {}", number + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "lines");
}

/// The stores, by their names.
const STORES: [&str; 4] = ["store-v1", "store-v2", "store-v3", "store-v4"];

/// The newest of them, which the story tells.
const NEWEST: &str = "store-v4";

fn description_of(store: &str) -> String {
    fs::read_to_string(fixtures().join(format!("{store}.txt"))).unwrap()
}

#[test]
fn a_store_of_each_version_holds_what_was_written() {
    for store in STORES {
        let expected = description_of(store);
        let found = describe(&fixtures().join(store), &leases_of(&expected));
        assert_same(&found, &expected);
    }
}

#[test]
fn a_store_of_each_version_is_whole_when_all_of_it_is_read() {
    for name in STORES {
        let disk = Arc::new(RealDisk::new(fixtures().join(name)).read_only());
        let report = kew_embedded::check::check(disk, &mut |_, _, _| {}).unwrap();
        assert!(report.is_whole() && report.readable() > 0, "{name}: {report:#?}");
    }
}

#[test]
fn a_store_of_each_version_holds_the_same_after_this_version_wrote_its_checkpoint() {
    for name in STORES {
        // Given a copy that was opened and closed, so that all of it stands in a checkpoint of this version
        let expected = description_of(name);
        let copy = copy_of(&fixtures().join(name));
        let before = files(copy.path());
        let store = open(copy.path(), &clock_at_the_end()).unwrap();
        wait(store.close()).unwrap();
        drop(store);
        let checkpoints = |names: &[String]| names.iter().filter(|name| name.ends_with(".ckpt")).count();
        assert!(checkpoints(&files(copy.path())) > checkpoints(&before), "the close kept no checkpoint");

        // Then it is described by the same lines
        assert_same(&describe(copy.path(), &leases_of(&expected)), &expected);
    }
}

#[test]
fn an_idempotency_key_is_known_after_the_start_of_a_newer_version() {
    for name in ["store-v2", "store-v3"] {
        let copy = copy_of(&fixtures().join(name));
        let store = open(copy.path(), &clock_at_the_end()).unwrap();
        let account = AccountId([2; 16]);
        let place = Place { account, queue: store.queue_named(account, "parcels").unwrap().id };
        let mut again = PushBatch::new();
        again.add(b"one", ContentType::Text, None).unwrap();
        again.idempotency = Some(story::ONCE);
        assert!(wait(store.push(place, again)).unwrap().repeated, "{name}");
    }
}

#[test]
fn an_old_store_can_be_worked_on() {
    // Given the oldest store and a queue in it with messages of every kind
    let copy = copy_of(&fixtures().join("store-v1"));
    let clock = clock_at_the_end();
    let store = open(copy.path(), &clock).unwrap();
    let account = store.accounts()[0].id;
    let queue = store.queue_named(account, "orders").unwrap();
    let place = Place { account, queue: queue.id };
    let before = wait(store.backlog(place)).unwrap();

    // When a message is pushed, everything there is pulled, and all but the first is acknowledged
    let mut batch = PushBatch::new();
    batch.add(b"new in an old store", ContentType::Text, None).unwrap();
    assert_eq!(wait(store.push(place, batch)).unwrap().backlog.count, before.count + 1);
    let pull = Pull { batch_size: Some(100), visibility_timeout: Some(Milliseconds(60_000)) };
    let pulled = wait(store.pull(place, pull)).unwrap();
    let last = pulled.messages.last().unwrap();
    assert_eq!(pulled.body(last), b"new in an old store");
    let acks: Vec<_> = pulled.messages[1..].iter().map(|message| message.lease).collect();
    let left = before.count + 1 - acks.len() as u64;
    wait(store.settle(place, Settlement { acks, retries: Vec::new() })).unwrap();

    // Then a kill and a start lose none of it, and the first comes again when its lease ends
    drop(store);
    let store = open(copy.path(), &clock).unwrap();
    assert_eq!(wait(store.backlog(place)).unwrap().count, left);
    assert!(wait(store.pull(place, pull)).unwrap().messages.is_empty(), "a leased message was given away");
    clock.advance(Milliseconds(60_000 + 5_000));
    let again = wait(store.pull(place, pull)).unwrap();
    let first = again.messages.iter().find(|message| message.id == pulled.messages[0].id).unwrap();
    assert_eq!(first.attempts, pulled.messages[0].attempts + 1);
    assert_eq!(again.body(first), pulled.body(&pulled.messages[0]));
}

#[test]
fn a_store_of_a_newer_major_is_refused_by_its_number_and_left_alone() {
    // Given a store whose STORE names the next major
    let copy = copy_of(&fixtures().join("store-v1"));
    let mut bytes = fs::read(copy.path().join("STORE")).unwrap();
    assert_eq!(bytes[8..10], 1_u16.to_le_bytes());
    bytes[8..10].copy_from_slice(&2_u16.to_le_bytes());
    fs::write(copy.path().join("STORE"), &bytes).unwrap();
    let contents = || {
        let read = |name: String| (fs::read(copy.path().join(&name)).unwrap(), name);
        files(copy.path()).into_iter().map(read).collect::<Vec<_>>()
    };
    let before = contents();

    // When it is opened, the error says what was found and what is read
    let error = open(copy.path(), &clock_at_the_end()).err().unwrap();
    assert_eq!(error.to_string(), "STORE has format 2, this Kew reads up to 1");

    // Then nothing in the folder has changed
    assert!(contents() == before, "the folder was changed");
}

#[test]
fn the_story_behind_the_fixture_comes_to_the_same_in_this_version() {
    let expected = description_of(NEWEST);
    let folder = tempfile::tempdir().unwrap();
    let leases = story::write(folder.path());
    assert_eq!(leases, leases_of(&expected));
    assert_same(&describe(folder.path(), &leases), &expected);
}

#[test]
#[ignore = "writes the fixture anew: only ever for a new version of the format, under a new name"]
fn write_the_fixture() {
    let target = fixtures().join(NEWEST);
    assert!(!target.exists(), "{target:?} is frozen");
    let folder = tempfile::tempdir().unwrap();
    let leases = story::write(folder.path());
    copy_files(folder.path(), &target);
    fs::write(fixtures().join(format!("{NEWEST}.txt")), describe(&target, &leases)).unwrap();
}

/// A time as the distance from where the story begins.
fn offset(at: Timestamp) -> String {
    format!("+{} ms", at.since(ManualClock::START).0)
}
