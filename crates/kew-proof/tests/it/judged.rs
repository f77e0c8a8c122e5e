//! The test of the tests: a server that loses or repeats something would be found out.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kew_proof::load::Load;
use kew_proof::{Event, Gate, Message, Record, Site, Stopwatch, drain};
use kew_testkit::history::{Learned, Rule, Span};

use crate::campaign::{Plan, assert_durable, run, seed, violations, wrongs};

fn rules(site: &Site, record: &Record) -> Vec<Rule> {
    let mut rules: Vec<_> = violations(site, record).into_iter().map(|violation| violation.rule).collect();
    rules.dedup();
    rules
}

/// A delivery from a queue that was acked, and the ack's time.
fn acked(record: &Record, queue: &str) -> (Message, Span) {
    let record = record.of_queues(&[queue]);
    let mut acks = record.events.iter().filter_map(|event| match event {
        Event::Ack { lease, span, learned: Learned::Ok, .. } => Some((lease, *span)),
        _ => None,
    });
    let find = |lease: &str| {
        record.events.iter().find_map(|event| match event {
            Event::Pull { delivered, .. } => delivered.iter().find(|one| one.lease == lease).cloned(),
            _ => None,
        })
    };
    acks.find_map(|(lease, span)| Some((find(lease)?, span))).unwrap()
}

/// The record as if nobody had ever got a message.
fn without(record: &Record, key: &str) -> Record {
    let mut spoilt = record.clone();
    let mut leases = Vec::new();
    for event in &mut spoilt.events {
        if let Event::Pull { delivered, .. } = event {
            leases.extend(delivered.iter().filter(|one| one.key == key).map(|one| one.lease.clone()));
            delivered.retain(|one| one.key != key);
        }
    }
    spoilt.events.retain(|event| match event {
        Event::Ack { lease, .. } | Event::Retry { lease, .. } => !leases.contains(lease),
        _ => true,
    });
    spoilt
}

/// The record with one more delivery of a message.
fn with(record: &Record, site: &Site, span: Span, again: Message) -> Record {
    let mut spoilt = record.clone();
    let queue = site.queues.work.clone();
    let visibility_timeout = Duration::from_secs(1);
    spoilt.events.push(Event::Pull { queue, span, visibility_timeout, delivered: vec![again] });
    spoilt
}

#[test]
fn a_true_record_that_is_spoilt_is_no_longer_believed() {
    // Given what clients saw of a server that was killed once, which is good.
    let folder = tempfile::tempdir().unwrap();
    let (site, kew) = Site::found(folder.path());
    let watch = Stopwatch::start();
    let plan = Plan { kills: 1, pushes_between: 200, seed: seed("spoilt record"), run: 0 };
    let record = run(&site, kew, plan, watch).record;
    assert_durable(&site, &record);
    // When an answered push is lost from it, then that is noticed.
    let answered = record.events.iter().find_map(|event| match event {
        Event::Push { queue, key, learned: Learned::Ok, .. } if *queue == site.queues.work => {
            Some(key.clone())
        }
        _ => None,
    });
    assert_eq!(rules(&site, &without(&record, &answered.unwrap())), [Rule::C1]);
    // When an acked message comes once more, counted and under a new lease, then that is noticed.
    let (message, ack) = acked(&record, &site.queues.work);
    let late = Span {
        invoked: ack.answered + Duration::from_secs(3_600),
        answered: ack.answered * 2 + Duration::from_secs(3_600),
    };
    let again = Message { attempts: message.attempts + 1, lease: "another".to_owned(), ..message.clone() };
    assert!(rules(&site, &with(&record, &site, late, again)).contains(&Rule::C3));
    // When one is lost that was acked in a queue whose messages are sent back, then that is noticed.
    let (moved, _) = acked(&record, &site.queues.once);
    let found = wrongs(&site, &without(&record, &moved.key));
    assert!(found.iter().any(|text| text.contains("neither acked nor in a queue")), "{found:?}");
    // When a message has another id the second time, then that is noticed.
    let double = Message { id: "another".to_owned(), ..message.clone() };
    let found = wrongs(&site, &with(&record, &site, late, double));
    assert!(found.iter().any(|text| text.contains("and as another")), "{found:?}");
    // When it comes under the lease that it had, uncounted, then that is noticed as well.
    let found = rules(&site, &with(&record, &site, late, message));
    assert!(found.contains(&Rule::C8) && found.contains(&Rule::C10), "{found:?}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_store_that_forgets_what_it_has_synced_is_found_out() {
    // Given a store as it was after some load.
    let folder = tempfile::tempdir().unwrap();
    let (site, mut kew) = Site::found(folder.path());
    let watch = Stopwatch::start();
    let gate = Gate::new();
    let earlier = folder.path().join("earlier");
    let load = Load { site: &site, gate: &gate, watch, seed: seed("forgetful store"), run: 0 };
    let (kew, mut record) = load.run(|| {
        gate.open();
        gate.wait_for_pushes(200);
        kew.kill();
        copy(&site.data(), &earlier);
        kew = site.start();
        gate.open();
        gate.wait_for_pushes(400);
        kew
    });
    // When it is put back to that state after more has been answered.
    kew.kill();
    fs::remove_dir_all(site.data()).unwrap();
    fs::rename(&earlier, site.data()).unwrap();
    let kew = site.start();
    record.events.extend(drain(&site, watch).events);
    // Then answered messages are missing, or acked ones have come back, as the load has it, and that is noticed.
    let broken = rules(&site, &record);
    assert!(broken.contains(&Rule::C1) || broken.contains(&Rule::C3), "{broken:?}");
    kew.stop();
}
