//! What the store tells of itself ([`Broker::figures`]).

use std::sync::Arc;

use kew_embedded::Options;
use kew_journal::{SimDisk, Space};
use kew_model::figures::{Figure, Reading};
use kew_model::{AccountId, Broker, ContentType, NewQueue, Place, PushBatch, QueueSettings, Seconds};
use kew_testkit::{ManualClock, wait};

use crate::workload::open;

/// The sample of a figure with this label, or the only one.
fn reading(figures: &[Figure], name: &str, label: Option<&str>) -> Reading {
    let figure = figures.iter().find(|figure| figure.name == name).unwrap_or_else(|| panic!("{name}"));
    let mut samples = figure.samples.iter();
    let is_it = |label| samples.find(|sample| sample.labels.iter().any(|(_, value)| value == label));
    label
        .map_or_else(|| figure.samples.first(), is_it)
        .unwrap_or_else(|| panic!("{name} {label:?}"))
        .reading
        .clone()
}

fn number(figures: &[Figure], name: &str, label: Option<&str>) -> f64 {
    match reading(figures, name, label) {
        Reading::Number(number) => number,
        Reading::Spread(spread) => spread.buckets.iter().map(|(_, count)| *count).sum::<u64>() as f64,
    }
}

#[test]
fn commits_segments_and_checkpoints_are_counted_as_they_happen() {
    // Given a store of small segments, with a checkpoint for every 128 KiB
    let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::default()));
    let options = Options { segment_bytes: 64 << 10, checkpoint_bytes: 128 << 10, ..Options::default() };
    let store = open(&disk, &options, &clock, 3).unwrap();
    let account = wait(store.create_account(Some(AccountId([1; 16])), "one".to_owned())).unwrap().id;
    let (name, settings) = ("jobs".parse().unwrap(), QueueSettings::default());
    let new = NewQueue { name, id: None, jurisdiction: None, settings };
    let place = Place { account, queue: wait(store.create_queue(account, new)).unwrap().id };
    let before = store.figures();
    assert_eq!(number(&before, "kew_store_checkpoints", Some("kept")), 0.0);
    // When 20 batches of 10 KiB are pushed, one after the other
    for _ in 0..20 {
        let mut batch = PushBatch::new();
        batch.add(&[b'x'; 10 << 10], ContentType::Text, None).unwrap();
        wait(store.push(place, batch)).unwrap();
    }
    // Then each was a commit, four segments hold them, and a checkpoint was kept
    let after = store.figures();
    let grown = |name| number(&after, name, None) - number(&before, name, None);
    assert!(grown("kew_store_commit_frames") >= 20.0 && grown("kew_store_commit_duration_seconds") >= 20.0);
    assert!(grown("kew_store_written_bytes") >= f64::from(200 << 10));
    assert!(number(&after, "kew_store_segments", Some("sealed")) >= 3.0, "{after:?}");
    assert_eq!(number(&after, "kew_store_segments", Some("active")), 1.0);
    assert_eq!(number(&after, "kew_store_checkpoints", Some("kept")), 1.0);
    assert!(number(&after, "kew_store_checkpoint_size_bytes", None) > 0.0);
    assert!(number(&after, "kew_store_log_since_checkpoint_bytes", None) < f64::from(128 << 10));
    // And the age of the checkpoint is that of the clock
    let age = number(&after, "kew_store_checkpoint_age_seconds", None);
    clock.advance(Seconds(30));
    assert_eq!(number(&store.figures(), "kew_store_checkpoint_age_seconds", None), age + 30.0);
    assert_eq!(number(&after, "kew_store_waiting_bytes", None), 0.0);
}

#[test]
fn a_volume_that_is_too_full_for_pushes_shows() {
    let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::default()));
    let options = Options { reserve_bytes: Some(1 << 20), segment_bytes: 64 << 10, ..Options::default() };
    let store = open(&disk, &options, &clock, 3).unwrap();
    for (free_bytes, is_full) in [(2 << 20, 0.0), (1 << 19, 1.0)] {
        disk.set_space(Space { free_bytes, total_bytes: 1 << 30 });
        let figures = store.figures();
        assert_eq!(number(&figures, "kew_store_full", None), is_full);
        assert_eq!(number(&figures, "kew_store_volume_free_bytes", None), free_bytes as f64);
        assert_eq!(number(&figures, "kew_store_reserve_bytes", None), f64::from(1 << 20));
    }
}
