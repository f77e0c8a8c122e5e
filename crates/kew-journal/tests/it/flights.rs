//! Groups under way beside each other: which waits for which, and what one takes along that does not land.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kew_journal::{Error, FLIGHTS_MAX, Flight, FrameBuffer, Opened, SimDisk, open};

use crate::store::Nothing;
use crate::world::options;

/// As many bytes as a segment of these stores has room for.
const FULL: usize = 61_296;

fn opened() -> Opened {
    open(std::sync::Arc::new(SimDisk::new(1)), options(), &mut Nothing).unwrap()
}

fn stage(opened: &mut Opened, bytes: usize) {
    opened.journal.stage(FrameBuffer::from(&vec![7; bytes][..])).unwrap();
}

/// Begins to commit a payload of so many bytes.
fn begin(opened: &mut Opened, bytes: usize) -> Flight {
    stage(opened, bytes);
    let group = opened.journal.take_group();
    opened.committer.begin(group).unwrap()
}

fn finish(mut flight: Flight) {
    flight.run().unwrap();
    drop(flight.land().unwrap());
}

/// Does one thing while others are under way, and says whether it has waited until these land.
fn waits_for<T: Send>(flights: Vec<Flight>, act: impl FnOnce() -> T + Send) -> (T, bool) {
    let (lands, ready) = (AtomicBool::new(false), Barrier::new(2));
    thread::scope(|scope| {
        let acting = scope.spawn(|| {
            ready.wait();
            (act(), lands.load(Ordering::SeqCst))
        });
        ready.wait();
        // Every chance to be too early.
        (0..10).for_each(|_| thread::yield_now());
        lands.store(true, Ordering::SeqCst);
        flights.into_iter().for_each(finish);
        acting.join().unwrap()
    })
}

#[test]
fn only_a_group_that_begins_a_segment_waits_for_those_under_way() {
    // Given a group under way, which begins the first segment
    let mut opened = opened();
    let first = begin(&mut opened, 3);
    assert!(first.waits());

    // When another goes on in that segment, then it does not wait
    let second = begin(&mut opened, 3);
    assert!(!second.waits());
    finish(first);

    // When a third needs the next segment, then it does, though it also ends the one before
    let mut third = begin(&mut opened, FULL);
    assert!(third.waits());

    // And nothing of the next segment is written before the one in front has landed (J5)
    let (written, has_waited) = waits_for(vec![second], || third.run());
    written.unwrap();
    assert!(has_waited, "a segment was begun before everything in front of it is durable");
}

#[test]
fn a_group_that_was_staged_too_early_is_marked_when_the_one_before_has_landed() {
    // Given a payload that was staged while the group before it was under way, so that it calls nothing durable
    let mut opened = opened();
    let first = begin(&mut opened, 3);
    stage(&mut opened, 3);
    assert_eq!(opened.journal.staged_bytes(), 48);
    finish(first);

    // When its group is marked, then that says it
    opened.journal.mark_group().unwrap();
    assert_eq!(opened.journal.staged_bytes(), 48 + 40);
    let group = opened.journal.take_group().unwrap();
    assert_eq!(group.frames(), 2);

    // And where nothing is staged there is no group to be marked
    opened.committer.commit(group).unwrap();
    opened.journal.mark_group().unwrap();
    assert_eq!(opened.journal.staged_bytes(), 0);
}

#[test]
fn no_more_groups_are_under_way_than_have_files_of_their_own() {
    // Given as many groups under way as there may be, and one more
    let mut opened = opened();
    let flights = (0..FLIGHTS_MAX).map(|_| begin(&mut opened, 3)).collect();
    stage(&mut opened, 3);
    let group = opened.journal.take_group();

    // When that is to begin as well, then it waits for the first of them to land
    let (last, has_waited) = waits_for(flights, || opened.committer.begin(group));
    finish(last.unwrap());
    assert!(has_waited, "it would share the file of one that has not landed");
}

#[test]
fn a_group_that_does_not_land_ends_the_journal() {
    // Given two groups under way
    let mut opened = opened();
    let first = begin(&mut opened, 3);
    let second = begin(&mut opened, 3);

    // When the first goes without having landed
    drop(first);

    // Then nobody waits for it, and nothing is taken any more
    let staged = opened.journal.stage(FrameBuffer::from(&b"more"[..]));
    assert!(matches!(staged, Err(Error::Poisoned { .. })), "{staged:?}");
    assert!(matches!(opened.committer.settle(), Err(Error::Poisoned { .. })));
    assert!(matches!(second.land().map(drop), Err(Error::Poisoned { .. })));
}
