//! A repeatable run of verbs that leads through every kind of record, for stores that are stopped in the middle of it.

#![expect(clippy::unwrap_used, reason = "test code")]

mod once;
mod rarer;

use std::sync::Arc;

use kew_embedded::{Embedded, OpenError, Options};
use kew_journal::{Lsn, SimDisk};
use kew_model::{
    AccountId, Broker, ConsumerKind, ContentType, Error, Lease, Milliseconds, NewConsumer, NewQueue, Place,
    Pull, PullSettings, PushBatch, QueueSettings, Retry, Seconds, Settlement, SubscriptionId, TokenId,
};
use kew_testkit::{FixedChance, ManualClock, wait};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub(crate) use once::Once;

const ACCOUNT: AccountId = AccountId([7; 16]);

/// What a run draws for itself: sizes, rates and mix, so that runs differ in kind and not only in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Temper {
    /// Bodies are this long, or up to this long.
    pub(crate) body_bytes: usize,
    pub(crate) bodies_vary: bool,
    /// Messages in a batch, at most.
    pub(crate) batch: usize,
    /// Of ten verbs, how many are pushes.
    pub(crate) pushes: u32,
    /// Of ten verbs after pushes, how many are pulls and settlements rather than something rarer.
    pub(crate) common: u32,
}

impl Temper {
    pub(crate) fn draw(random: &mut StdRng) -> Self {
        Self {
            body_bytes: [24, 40, 200, 1_500][random.random_range(0..4)],
            bodies_vary: random.random_bool(0.7),
            batch: [1, 3, 20][random.random_range(0..3)],
            pushes: random.random_range(2..7),
            common: random.random_range(4..10),
        }
    }
}

/// A store with its world, and a run through it.
pub(crate) struct Workload {
    pub(crate) store: Embedded,
    clock: Arc<ManualClock>,
    random: StdRng,
    temper: Temper,
    leases: Vec<(Place, Lease)>,
    /// How many bodies were made; each is another.
    pub(crate) pushed: u64,
    tokens: Vec<TokenId>,
    subscriptions: Vec<SubscriptionId>,
    /// Pushes under an idempotency key, the latest last.
    pub(crate) onces: Vec<Once>,
    /// What a run must lead through, and no record tells.
    pub(crate) done: Done,
    /// The newest frame that an answer has shown.
    pub(crate) answered: Lsn,
}

/// How many messages were shown by peeks, moved by redrives, and pushed again in vain.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) peeked: u64,
    pub(crate) redriven: u64,
    pub(crate) repeated: u64,
}

pub(crate) fn open(
    disk: &SimDisk,
    options: &Options,
    clock: &Arc<ManualClock>,
    seed: u64,
) -> Result<Embedded, OpenError> {
    Embedded::open_inline(
        Arc::new(disk.clone()),
        options.clone(),
        clock.clone(),
        Arc::new(FixedChance::new(seed)),
    )
}

/// The store has stopped.
#[derive(Debug)]
pub(crate) struct Stopped;

impl Workload {
    pub(crate) fn new(store: Embedded, clock: Arc<ManualClock>, seed: u64, temper: Temper) -> Self {
        Self {
            store,
            clock,
            random: StdRng::seed_from_u64(seed),
            temper,
            leases: Vec::new(),
            pushed: 0,
            tokens: Vec::new(),
            subscriptions: Vec::new(),
            onces: Vec::new(),
            done: Done::default(),
            answered: Lsn::NONE,
        }
    }

    /// An account and three queues: each is the dead-letter queue of the one before it, the last drops.
    pub(crate) fn prepare(&mut self) -> Result<(), Stopped> {
        if self.store.account(ACCOUNT).is_none() {
            let created = wait(self.store.create_account(Some(ACCOUNT), "test".to_owned()));
            self.note(created)?;
        }
        for name in ["alpha", "beta", "gamma"] {
            self.make_queue(name)?;
        }
        Ok(())
    }

    fn make_queue(&mut self, name: &str) -> Result<(), Stopped> {
        let dead_letter_queue = match name {
            "alpha" => Some("beta".parse().unwrap()),
            "beta" => Some("gamma".parse().unwrap()),
            _ => None,
        };
        let new = NewQueue {
            name: name.parse().unwrap(),
            id: None,
            jurisdiction: None,
            settings: QueueSettings::default(),
        };
        let place = match self.store.queue_named(ACCOUNT, name) {
            Some(queue) => Place { account: ACCOUNT, queue: queue.id },
            None => {
                let created = wait(self.store.create_queue(ACCOUNT, new));
                let queue = self.note(created)?;
                let Some(queue) = queue else { return Ok(()) };
                Place { account: ACCOUNT, queue: queue.id }
            }
        };
        let settings = PullSettings {
            max_retries: u16::from(name != "alpha"),
            retry_delay: Seconds(u32::from(name == "beta") * 3),
            visibility_timeout: Milliseconds(20_000),
            ..PullSettings::default()
        };
        let consumer = NewConsumer { kind: ConsumerKind::HttpPull(settings), dead_letter_queue };
        let attached = wait(self.store.create_consumer(place, consumer));
        self.note(attached)?;
        Ok(())
    }

    /// Takes note of an answer: whatever it shows is promised from here on. A refusal is an answer, too.
    fn note<T>(&mut self, answer: Result<T, Error>) -> Result<Option<T>, Stopped> {
        match answer {
            Err(Error::OutcomeUnknown { .. } | Error::Closing) => Err(Stopped),
            answer => {
                self.answered = self.store.inspect().applied();
                Ok(answer.ok())
            }
        }
    }

    fn place(&mut self) -> Option<Place> {
        let queues = self.store.queues(ACCOUNT);
        let queue = queues.get(self.random.random_range(0..queues.len().max(1)))?;
        Some(Place { account: ACCOUNT, queue: queue.id })
    }

    /// One verb.
    pub(crate) fn step(&mut self) -> Result<(), Stopped> {
        let Some(place) = self.place() else { return self.prepare() };
        if self.random.random_range(0..10) < self.temper.pushes {
            return if self.random.random_bool(0.2) { self.push_once(place) } else { self.push(place) };
        }
        if self.random.random_range(0..10) < self.temper.common {
            return match self.random.random_range(0..5) {
                0 | 1 => self.pull(place),
                2 => self.settle(place, true),
                3 => self.settle(place, false),
                _ => self.pass_time(),
            };
        }
        self.rarer(place)
    }

    fn push(&mut self, place: Place) -> Result<(), Stopped> {
        let mut batch = PushBatch::new();
        for _ in 0..self.random.random_range(1..=self.temper.batch) {
            self.pushed += 1;
            let longest = self.temper.body_bytes;
            let length =
                if self.temper.bodies_vary { self.random.random_range(20..=longest) } else { longest };
            let delay = self.random.random_bool(0.1).then(|| Seconds(self.random.random_range(0..30)));
            batch.add(&body(self.pushed, length), ContentType::Bytes, delay).unwrap();
        }
        let answer = wait(self.store.push(place, batch));
        self.note(answer)?;
        Ok(())
    }

    fn pull(&mut self, place: Place) -> Result<(), Stopped> {
        let most = u16::try_from(self.temper.batch.max(2)).unwrap();
        let batch_size = Some(self.random.random_range(1..=most));
        let answer = wait(self.store.pull(place, Pull { batch_size, visibility_timeout: None }));
        if let Some(pulled) = self.note(answer)? {
            for message in &pulled.messages {
                assert!(is_body(pulled.body(message)), "a pulled body is one that was pushed");
            }
            self.leases.extend(pulled.messages.iter().map(|message| (place, message.lease)));
        }
        Ok(())
    }

    fn settle(&mut self, place: Place, by_ack: bool) -> Result<(), Stopped> {
        let mut settlement = Settlement::default();
        for _ in 0..self.random.random_range(1..=self.temper.batch) {
            let known = self.leases.len();
            let Some((of, lease)) =
                known.checked_sub(1).map(|last| self.leases[self.random.random_range(0..=last)])
            else {
                break;
            };
            if of != place {
                continue;
            }
            if by_ack {
                settlement.acks.push(lease);
            } else {
                let delay = self.random.random_bool(0.5).then(|| Seconds(self.random.random_range(0..10)));
                settlement.retries.push(Retry { lease, delay });
            }
        }
        let answer = wait(self.store.settle(place, settlement));
        self.note(answer)?;
        Ok(())
    }

    fn pass_time(&mut self) -> Result<(), Stopped> {
        self.clock.advance(Milliseconds(self.random.random_range(1..30_000)));
        let answer = wait(self.store.housekeep());
        self.note(answer)?;
        if self.random.random_bool(0.3) {
            self.store.inspect().idle();
        }
        Ok(())
    }
}

/// A body that says of itself whether it is whole: a number, and a filling that follows from it.
fn body(number: u64, length: usize) -> Vec<u8> {
    let mut body = format!("{number:016x}").into_bytes();
    let filling = u8::try_from(number % 251).unwrap();
    body.resize(length.max(16), filling);
    body
}

/// Whether the bytes are a body that [`body`] made.
pub(crate) fn is_body(bytes: &[u8]) -> bool {
    let number =
        core::str::from_utf8(&bytes[..16]).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.is_some_and(|number| body(number, bytes.len()) == bytes)
}
