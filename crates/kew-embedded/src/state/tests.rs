use std::io::Read;
use std::sync::Arc;

use kew_journal::{Frame, Replay, SimDisk};
use kew_model::{
    AccountId, Broker, ConsumerKind, ContentType, EventSource, NewConsumer, NewQueue, NewSubscription, Place,
    Pull, PullSettings, PushBatch, QueueChange, QueueSettings, Retry, Settlement,
};
use kew_testkit::{FixedChance, ManualClock, wait};

use super::*;
use crate::checkpoint;
use crate::snapshot::{Noting, Snapshot};
use crate::{Embedded, Options};

fn encoded(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    checkpoint::encode(snapshot, &mut bytes).unwrap();
    bytes
}

/// The frames of a log.
#[derive(Default)]
struct Frames(Vec<(Lsn, Position, Vec<u8>)>);

impl Replay for Frames {
    fn checkpoint(&mut self, covered: Lsn, _payload: &mut dyn Read) -> Result<(), String> {
        Err(format!("a checkpoint hides the frames up to {covered}"))
    }

    fn frame(&mut self, frame: Frame<'_>) -> Result<(), String> {
        self.0.push((frame.lsn, frame.position, frame.payload.to_vec()));
        Ok(())
    }
}

impl Frames {
    /// What a store wrote in which queues came, changed, moved messages and went.
    fn of_a_life() -> Self {
        let disk = SimDisk::new(1);
        let options = Options { segment_bytes: 1 << 20, reserve_bytes: Some(0), ..Options::default() };
        let clock = Arc::new(ManualClock::default());
        let chance = Arc::new(FixedChance::new(1));
        let store = Embedded::open_inline(Arc::new(disk.clone()), options, clock, chance).unwrap();
        let account = AccountId([1; 16]);
        wait(store.create_account(Some(account), "one".to_owned())).unwrap();
        for round in 0..3 {
            let dead = queue(&store, account, &format!("dead-{round}"), None);
            let main = queue(&store, account, &format!("main-{round}"), Some(format!("dead-{round}")));
            push(&store, main, 4);
            exhaust(&store, main);
            let name = Some(format!("renamed-{round}").parse().unwrap());
            wait(store.update_queue(main, QueueChange { name, ..QueueChange::default() })).unwrap();
            push(&store, main, 2);
            wait(store.delete_queue(if round == 1 { dead } else { main })).unwrap();
            push(&store, if round == 1 { main } else { dead }, 3);
            // Names are used again, and a subscription goes with its queue.
            let again = queue(&store, account, &format!("main-{round}"), None);
            subscribe(&store, again);
            push(&store, again, 1);
            wait(store.delete_queue(again)).unwrap();
            queue(&store, account, &format!("main-{round}"), None);
        }
        drop(store);
        disk.kill();
        let mut frames = Self::default();
        kew_journal::open(Arc::new(disk), kew_journal::Options::new([0; 16], 0), &mut frames).unwrap();
        frames
    }

    fn apply_to(&self, state: &mut State, from: usize, to: usize) {
        for (lsn, position, payload) in &self.0[from..to] {
            let frame = Applied { lsn: *lsn, position: *position, payload, shared: None };
            state.apply(frame).unwrap_or_else(|error| panic!("frame {lsn}: {error}"));
        }
    }
}

fn queue(store: &Embedded, account: AccountId, name: &str, dead_letters: Option<String>) -> Place {
    let (name, settings) = (name.parse().unwrap(), QueueSettings::default());
    let new = NewQueue { name, id: None, jurisdiction: None, settings };
    let place = Place { account, queue: wait(store.create_queue(account, new)).unwrap().id };
    let settings = PullSettings { max_retries: 0, ..PullSettings::default() };
    let dead_letter_queue = dead_letters.map(|name| name.parse().unwrap());
    let consumer = NewConsumer { kind: ConsumerKind::HttpPull(settings), dead_letter_queue };
    wait(store.create_consumer(place, consumer)).unwrap();
    place
}

fn subscribe(store: &Embedded, place: Place) {
    let new = NewSubscription {
        name: "one".to_owned(),
        enabled: true,
        source: EventSource { kind: "kv".to_owned(), selector: Vec::new() },
        events: vec!["an.event".to_owned()],
        destination: place.queue,
    };
    wait(store.create_subscription(place.account, new)).unwrap();
}

fn push(store: &Embedded, place: Place, count: usize) {
    let mut batch = PushBatch::new();
    (0..count).for_each(|_| batch.add(b"body", ContentType::Text, None).unwrap());
    wait(store.push(place, batch)).unwrap();
}

/// One message is acknowledged, and one goes to the dead letters.
fn exhaust(store: &Embedded, place: Place) {
    let pull = Pull { batch_size: Some(2), visibility_timeout: None };
    let leases: Vec<_> =
        wait(store.pull(place, pull)).unwrap().messages.iter().map(|message| message.lease).collect();
    let retries = vec![Retry { lease: leases[1], delay: None }];
    wait(store.settle(place, Settlement { acks: vec![leases[0]], retries })).unwrap();
}

#[test]
fn replay_over_a_checkpoint_skips_what_each_queue_holds_already() {
    // Given a log, and the state that it folds to
    let frames = Frames::of_a_life();
    let count = frames.0.len();
    let mut whole = State::default();
    frames.apply_to(&mut whole, 0, count);
    assert!(count > 30, "{count} frames");

    // When a checkpoint is taken after any of its frames, and replay begins at or before that frame
    for taken in 0..=count {
        let mut state = State::default();
        frames.apply_to(&mut state, 0, taken);
        let bytes = encoded(&Snapshot::of(&state));
        for from in 0..=taken {
            let mut state = checkpoint::decode(&mut &bytes[..]).unwrap();
            frames.apply_to(&mut state, from, count);

            // Then it comes to the same state
            state.check();
            assert_eq!(state.digest(), whole.digest(), "taken after {taken} frames, replayed from {from}");
        }
    }
}

/// Any cut: only where replay begins follows from it, which a test says itself.
fn a_cut() -> kew_journal::Cut {
    let options = kew_journal::Options::new([0; 16], 0);
    let opened = kew_journal::open(Arc::new(SimDisk::new(1)), options, &mut Frames::default()).unwrap();
    opened.journal.checkpoint_cut()
}

/// Queues by their names.
fn names(state: &mut State) -> Vec<String> {
    state.catalog.settle_names();
    let named = state.queues.values().map(|queue| {
        let found = state.catalog.queue_named(queue.object.account, queue.object.name.as_str());
        format!("{} is {}", queue.object.name, found.expect("a queue by its name").number.0)
    });
    named.collect()
}

#[test]
fn a_checkpoint_whose_queues_were_noted_at_different_moments_comes_to_the_same() {
    // Given a log, and the state that it folds to
    let frames = Frames::of_a_life();
    let count = frames.0.len();
    let mut whole = State::default();
    frames.apply_to(&mut whole, 0, count);
    let mut notings = 0;

    // When a checkpoint is begun after any of its frames, and goes on by a queue after every few frames
    for begun in 0..count {
        for stride in 1..12 {
            let mut state = State::default();
            frames.apply_to(&mut state, 0, begun);
            let mut noting = Noting::begin(a_cut());
            let mut applied = begun;
            let snapshot = loop {
                match noting.note(&mut state, 1) {
                    Ok((_, snapshot)) => break snapshot,
                    Err(rest) => noting = rest,
                }
                let next = (applied + stride).min(count);
                frames.apply_to(&mut state, applied, next);
                applied = next;
                notings += 1;
            };
            let mut state = checkpoint::decode(&mut &encoded(&snapshot)[..]).unwrap();

            // Then replay from where it was begun comes to the same state, and finds the same queues
            frames.apply_to(&mut state, begun, count);
            state.check();
            assert_eq!(state.digest(), whole.digest(), "begun after {begun} frames, {stride} at a time");
            assert_eq!(names(&mut state), names(&mut whole.clone()));
        }
    }
    assert!(notings > 1_000, "{notings} steps of noting");
}
