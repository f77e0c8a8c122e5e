//! Verbs that are carried out as one group, with one write and one sync, answer as if each had come alone, in their
//! order; and a crash in the middle of a group leaves what came before some verb of it, whole, and nothing of the rest.

#![expect(clippy::unwrap_used, reason = "test code")]

use core::pin::Pin;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kew_embedded::{Embedded, Options};
use kew_journal::{Loss, Lsn, OperationKind, SimDisk};
use kew_model::{
    AccountId, Broker, ConsumerKind, ContentType, Error, Extend, Lease, Milliseconds, NewConsumer, NewQueue,
    Place, Pull, PullSettings, PushBatch, QueueChange, QueueSettings, Retry, Seconds, Sequence, Settlement,
};
use kew_testkit::{ManualClock, wait};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::workload::open;

const ACCOUNT: AccountId = AccountId([7; 16]);

/// A verb with its arguments, to be asked of several stores.
#[derive(Debug, Clone)]
enum Asked {
    /// So many messages of so many bytes each.
    Push(usize, usize, Option<Seconds>),
    Pull(u16),
    Settle(Settlement),
    Extend(Extend),
    Discard(Vec<Sequence>),
    Delay(Seconds),
    Purge,
    Backlog,
}

/// What a verb was answered with, as text, and the leases that it gave.
type Answered = Result<(String, Vec<Lease>), Error>;

type Answering<'a> = Pin<Box<dyn Future<Output = Answered> + 'a>>;

/// A store with a queue whose exhausted messages go to another one.
struct World {
    disk: SimDisk,
    clock: Arc<ManualClock>,
    store: Embedded,
    places: [Place; 2],
}

fn options() -> Options {
    Options { segment_bytes: 4 << 20, reserve_bytes: Some(0), ..Options::default() }
}

impl World {
    fn new(disk: SimDisk) -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = open(&disk, &options(), &clock, 3).unwrap();
        wait(store.create_account(Some(ACCOUNT), "test".to_owned())).unwrap();
        let create = |name: &str, dead_letters: Option<&str>| {
            let (name, settings) = (name.parse().unwrap(), QueueSettings::default());
            let new = NewQueue { name, id: None, jurisdiction: None, settings };
            let place = Place { account: ACCOUNT, queue: wait(store.create_queue(ACCOUNT, new)).unwrap().id };
            let settings = PullSettings { max_retries: 1, ..PullSettings::default() };
            let consumer = NewConsumer {
                kind: ConsumerKind::HttpPull(settings),
                dead_letter_queue: dead_letters.map(|name| name.parse().unwrap()),
            };
            wait(store.create_consumer(place, consumer)).unwrap();
            place
        };
        let dead = create("dead", None);
        let places = [create("main", Some("dead")), dead];
        Self { disk, clock, store, places }
    }

    fn begin(&self, place: usize, asked: &Asked) -> Answering<'_> {
        let (store, place, asked) = (&self.store, self.places[place], asked.clone());
        Box::pin(async move {
            let text = match asked {
                Asked::Push(count, bytes, delay) => {
                    let mut batch = PushBatch::new();
                    (0..count).for_each(|at| {
                        let body = vec![b'a' + u8::try_from(at % 26).unwrap(); bytes];
                        batch.add(&body, ContentType::Text, delay).unwrap();
                    });
                    format!("{:?}", store.push(place, batch).await?)
                }
                Asked::Pull(count) => return pull(store, place, count).await,
                Asked::Settle(settlement) => format!("{:?}", store.settle(place, settlement).await?),
                Asked::Extend(extend) => format!("{:?}", store.extend(place, extend).await?),
                Asked::Discard(messages) => format!("{:?}", store.discard(place, messages).await?),
                Asked::Delay(delay) => {
                    let change = QueueChange { delivery_delay: Some(delay), ..QueueChange::default() };
                    format!("{:?}", store.update_queue(place, change).await?)
                }
                Asked::Purge => format!("{:?}", store.purge(place).await?),
                Asked::Backlog => format!("{:?}", store.backlog(place).await?),
            };
            Ok((text, Vec::new()))
        })
    }

    /// Asks all of them and carries them out as one group; gives their answers in order.
    fn as_one_group(&self, verbs: &[(usize, Asked)]) -> Vec<Answered> {
        self.store.inspect().hold();
        let mut answering: Vec<_> = verbs.iter().map(|(place, asked)| self.begin(*place, asked)).collect();
        for answer in &mut answering {
            // The first poll puts the verb into the inbox.
            let polled =
                answer.as_mut().poll(&mut core::task::Context::from_waker(core::task::Waker::noop()));
            assert!(polled.is_pending(), "a verb that is held back was answered");
        }
        self.store.inspect().release();
        answering.into_iter().map(wait).collect()
    }
}

async fn pull(store: &Embedded, place: Place, count: u16) -> Answered {
    let pulled = store.pull(place, Pull { batch_size: Some(count), visibility_timeout: None }).await?;
    let message = |message: &kew_model::Delivery| {
        let kew_model::Delivery { id, lease, attempts, sent_at, .. } = message;
        format!("{id} {lease:?} {attempts} {sent_at:?} {:?}", pulled.body(message).escape_ascii().to_string())
    };
    let texts: Vec<_> = pulled.messages.iter().map(message).collect();
    let leases = pulled.messages.iter().map(|message| message.lease).collect();
    Ok((format!("{:?} {texts:?}", pulled.backlog), leases))
}

/// A verb at random, on one of two queues; leases are such that were given, or will have been when its turn comes.
fn draw(random: &mut StdRng, leases: &[Vec<Lease>; 2]) -> (usize, Asked) {
    let place = usize::from(random.random_bool(0.3));
    let known = &leases[place];
    let lease = |random: &mut StdRng| known[random.random_range(known.len().saturating_sub(12)..known.len())];
    let asked = match random.random_range(0..16) {
        0..=3 => {
            let delay = random.random_bool(0.2).then(|| Seconds(random.random_range(0..4)));
            Asked::Push(random.random_range(1..5), random.random_range(0..40), delay)
        }
        4..=7 => Asked::Pull(random.random_range(1..4)),
        8 | 9 if !known.is_empty() => {
            let acks = (0..random.random_range(1..3)).map(|_| lease(random)).collect();
            Asked::Settle(Settlement { acks, retries: Vec::new() })
        }
        10..=12 if !known.is_empty() => {
            let retry = Retry { lease: lease(random), delay: Some(Seconds(random.random_range(0..3))) };
            Asked::Settle(Settlement { acks: Vec::new(), retries: vec![retry] })
        }
        13 if !known.is_empty() => {
            let visibility_timeout = Some(Milliseconds(random.random_range(0..5_000)));
            Asked::Extend(Extend { leases: vec![lease(random)], visibility_timeout })
        }
        14 => Asked::Discard(vec![Sequence(random.random_range(1..30))]),
        15 => match random.random_range(0..6) {
            0 => Asked::Purge,
            1 => Asked::Delay(Seconds(random.random_range(0..2))),
            _ => Asked::Backlog,
        },
        _ => Asked::Backlog,
    };
    (place, asked)
}

#[test]
fn a_group_answers_as_one_verb_after_another() {
    let mut syncs = [0, 0];
    for seed in 0..150 {
        let mut random = StdRng::seed_from_u64(seed);
        let (alone, grouped) = (World::new(SimDisk::new(seed)), World::new(SimDisk::new(seed)));
        let mut leases = [Vec::new(), Vec::new()];
        for _ in 0..12 {
            // Given verbs that were carried out one by one, with nothing left to do for the time that has passed
            wait(alone.store.housekeep()).unwrap();
            wait(grouped.store.housekeep()).unwrap();
            let mut verbs = Vec::new();
            let mut expected = Vec::new();
            for _ in 0..random.random_range(1..12) {
                let (place, asked) = draw(&mut random, &leases);
                let before = alone.store.inspect().applied();
                let answer = wait(alone.begin(place, &asked));
                leases[place].extend(answer.iter().flat_map(|(_, given)| given));
                // A discard or a burial may have something read first, and acks after it would go ahead: it comes last.
                let frames = alone.store.inspect().applied().0 - before.0;
                let ends_the_group = matches!(asked, Asked::Discard(_)) || frames > 1;
                verbs.push((place, asked));
                expected.push(answer);
                if ends_the_group {
                    break;
                }
            }

            // When another store carries them out as one group, the answers and what is left are the same
            assert_eq!(grouped.as_one_group(&verbs), expected, "seed {seed}: {verbs:?}");
            assert_eq!(grouped.store.inspect().digest(), alone.store.inspect().digest(), "seed {seed}");
            let pause = Milliseconds(random.random_range(0..40_000));
            alone.clock.advance(pause);
            grouped.clock.advance(pause);
        }
        syncs[0] += alone.disk.calls(OperationKind::Sync);
        syncs[1] += grouped.disk.calls(OperationKind::Sync);
    }
    assert!(syncs[1] < syncs[0] * 2 / 3, "groups share their syncs: {syncs:?}");
}

#[test]
fn a_group_of_pushes_takes_one_sync() {
    // Given a store that has blocks prepared for what comes
    let world = World::new(SimDisk::new(1));
    let pushes = vec![(0, Asked::Push(1, 100, None)); 40];
    world.as_one_group(&pushes);
    let before = world.disk.calls(OperationKind::Sync);

    // When 40 pushes come at once, they share a sync
    assert!(world.as_one_group(&pushes).iter().all(Result::is_ok));
    assert_eq!(world.disk.calls(OperationKind::Sync), before + 1);
}

/// Messages of a kilobyte, of which some are leased, and a group of verbs that each write; the leases that they name
/// were given before or are given by the pull among them.
fn before_the_crash(world: &World) -> Vec<(usize, Asked)> {
    wait(world.begin(0, &Asked::Push(8, 1_000, None))).unwrap();
    let (_, leases) = wait(world.begin(0, &Asked::Pull(3))).unwrap();
    let retry = |lease: Lease| Retry { lease, delay: None };
    let acks = vec![leases[0]];
    let fence = world.store.inspect().applied().0 + 3;
    let coming = Lease { message: leases[1].message, fence, ..leases[1] };
    let settle = |acks, retries| (0, Asked::Settle(Settlement { acks, retries }));
    vec![
        (0, Asked::Push(2, 1_000, None)),
        settle(acks, vec![retry(leases[1])]),
        (0, Asked::Pull(1)),
        // The second attempt fails, so the message goes to the dead letters: a frame that no verb asked for.
        settle(Vec::new(), vec![retry(coming)]),
        (1, Asked::Push(1, 1_000, Some(Seconds(2)))),
        (0, Asked::Extend(Extend { leases: vec![leases[2]], visibility_timeout: Some(Milliseconds(9_000)) })),
        (0, Asked::Discard(vec![Sequence(6)])),
        (0, Asked::Push(1, 1_000, None)),
    ]
}

/// Opens what a crash left, and says which frame is its last; an error when it is in no state that the run was in.
fn survivor(disk: &SimDisk, world: &World, course: &BTreeMap<Lsn, u64>) -> Result<Lsn, String> {
    let store = open(disk, &options(), &world.clock, 9).map_err(|error| error.to_string())?;
    let (lsn, digest) = store.inspect().digest();
    store.inspect().check();
    let bodies = store.inspect().bodies().unwrap();
    if !bodies.iter().all(|(_, _, body)| body.len() == 1_000 && body.iter().all(|byte| *byte == body[0])) {
        return Err("a body is damaged".to_owned());
    }
    match course.get(&lsn) {
        Some(expected) if *expected == digest => Ok(lsn),
        _ => Err(format!("at frame {lsn} the state is none that the run was in")),
    }
}

#[test]
fn a_crash_leaves_a_prefix_of_the_group() {
    // Given the states that a group leads through when nothing happens
    let whole = World::new(SimDisk::new(1));
    let verbs = before_the_crash(&whole);
    let (first, digest) = whole.store.inspect().digest();
    let begins = whole.disk.steps();
    let trace = whole.store.inspect().start_trace();
    assert!(whole.as_one_group(&verbs).iter().all(Result::is_ok));
    let ends = whole.disk.steps();
    let mut course = trace.digests();
    assert_eq!(course.len(), verbs.len() + 1, "a frame for each verb, and the burial");
    course.insert(first, digest);

    // When the process is stopped at each step of the group, a write after any of its bytes, and goes on in any way
    let mut seen = BTreeSet::new();
    for (seed, step) in (0..60).flat_map(|seed| (begins + 1..=ends).map(move |step| (seed, step))) {
        let stopped = World::new(SimDisk::new(seed));
        let verbs = before_the_crash(&stopped);
        stopped.disk.stop_at(step);
        let answers = stopped.as_one_group(&verbs);
        let unknown = |answer: &Answered| matches!(answer, Err(Error::OutcomeUnknown { .. }));
        assert!(answers.iter().all(unknown), "a verb was answered before the sync: {answers:?}");
        for loss in [Loss::Nothing, Loss::Everything, Loss::Random, Loss::Torn] {
            let disk = stopped.disk.fork(seed);
            disk.power_cut(loss);
            let last = survivor(&disk, &stopped, &course);
            seen.insert(last.unwrap_or_else(|text| panic!("seed {seed}, step {step}, {loss:?}: {text}")));
        }
    }

    // Then every prefix of the group was met, and nothing else
    assert_eq!(seen, course.keys().copied().collect());
}
