//! The machine that serves: a disk, the store on it, the server in front, and its power.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kew_embedded::{Embedded, Options};
use kew_journal::{Fault, Loss, OperationKind, SimDisk};
use kew_model::{
    Broker as _, Clock, ConsumerKind, Milliseconds, NewConsumer, NewQueue, NewToken, Place, PullSettings,
    QueueId, QueuePattern, QueueSettings, Scope, Timestamp,
};
use kew_server::{Server, Settings};
use kew_testkit::{FixedChance, ManualClock};
use kew_wire::access::Credential;
use kew_wire::lease_id::KeyRing;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::journey::Troubles;
use super::line::Line;
use super::record::{DEAD, JOBS, MAX_RETRIES, MAX_RETRIES_DEAD, Record};
use super::{Ran, pass};
use crate::kew::ACCOUNT;
use crate::memory::Handed;

/// How often the store looks what time brings while nobody asks.
const BEAT: Duration = Duration::from_millis(200);

/// The wall clock of a runtime whose time is paused.
struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        let passed = Instant::now().duration_since(self.0).as_millis();
        ManualClock::START.after(Milliseconds(passed.try_into().unwrap()))
    }
}

/// A server that is up.
struct Service {
    store: Embedded,
    /// Whoever listens learns when the power goes, in the order of asking.
    power: broadcast::Sender<()>,
    hand_in: mpsc::Sender<(DuplexStream, Option<std::net::IpAddr>)>,
}

/// What only counts.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) troubles: Troubles,
    pub(super) requests: u64,
    cuts: u64,
}

pub(super) struct Site {
    seed: u64,
    disk: SimDisk,
    clock: Arc<Virtual>,
    start: Instant,
    /// None while the power is off.
    service: Mutex<Option<Service>>,
    pub(super) admin: String,
    pub(super) record: Mutex<Record>,
    pub(super) counts: Mutex<Counts>,
    /// What the network carries late.
    late: Mutex<JoinSet<()>>,
    pub(super) gathers: f64,
}

/// Small, so that a short run changes segments, keeps checkpoints and reads from the disk.
fn options() -> Options {
    Options {
        segment_bytes: 64 << 10,
        window_bytes: 2_000,
        checkpoint_bytes: 8_000,
        checkpoint_pieces: 1,
        cleaning_slack_bytes: 0,
        reserve_bytes: Some(0),
        ..Options::default()
    }
}

pub(super) fn queue_id(queue: &str) -> QueueId {
    QueueId([if queue == DEAD { 0xdd } else { 0x0b }; 16])
}

impl Site {
    /// A new machine, with two queues and a token for everything.
    pub(super) async fn open(seed: u64, gathers: f64) -> Self {
        let start = Instant::now();
        let minted = Credential::mint(&FixedChance::new(seed));
        let site = Self {
            seed,
            disk: SimDisk::new(seed),
            clock: Arc::new(Virtual(start)),
            start,
            service: Mutex::new(None),
            admin: format!("authorization: Bearer {}", minted.secret.reveal()),
            record: Mutex::default(),
            counts: Mutex::default(),
            late: Mutex::default(),
            gathers,
        };
        let store = site.start().expect("an empty disk makes a store");
        store.create_account(Some(ACCOUNT), "test".into()).await.unwrap();
        let token = NewToken {
            id: minted.id,
            name: String::new(),
            hash: minted.hash,
            email: None,
            scopes: [Scope::Admin].into_iter().collect(),
            queues: QueuePattern::All,
            expires_on: None,
        };
        store.create_token(ACCOUNT, token).await.unwrap();
        for (name, max_retries) in [(DEAD, MAX_RETRIES_DEAD), (JOBS, MAX_RETRIES)] {
            let (id, settings) = (queue_id(name), QueueSettings::default());
            let queue = NewQueue { name: name.parse().unwrap(), id: Some(id), jurisdiction: None, settings };
            store.create_queue(ACCOUNT, queue).await.unwrap();
            let kind = ConsumerKind::HttpPull(PullSettings { max_retries, ..PullSettings::default() });
            let dead_letter_queue = (name == JOBS).then(|| DEAD.parse().unwrap());
            let consumer = NewConsumer { kind, dead_letter_queue };
            store.create_consumer(Place { account: ACCOUNT, queue: id }, consumer).await.unwrap();
        }
        site
    }

    /// Starts store and server on what the disk holds.
    fn start(&self) -> Result<Embedded, String> {
        let lives = self.counts.lock().unwrap().cuts;
        let chance = Arc::new(FixedChance::new(self.seed.wrapping_mul(1_000).wrapping_add(lives)));
        let disk = Arc::new(self.disk.clone());
        let store = Embedded::open_inline(disk, options(), self.clock.clone(), chance.clone())
            .map_err(|error| format!("after {lives} power cuts the store does not open: {error}"))?;
        let keys = KeyRing::generate(&FixedChance::new(7));
        let server = Server::new(Arc::new(store.clone()), store.clock(), chance, keys, Settings::default());
        let (hand_in, handed) = mpsc::channel(16);
        tokio::spawn(server.run(Handed(handed), core::future::pending()));
        let (power, mut gone) = broadcast::channel(1);
        let watched = store.clone();
        tokio::spawn(async move {
            // What time brings to a store that nobody asks.
            while timeout(BEAT, gone.recv()).await.is_err() {
                watched.inspect().idle();
            }
        });
        *self.service.lock().unwrap() = Some(Service { store: store.clone(), power, hand_in });
        Ok(store)
    }

    /// Since the beginning of the run.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// A connection with room for so many bytes under way; none while the power is off.
    pub(super) async fn connect(&self, room_bytes: usize) -> Option<Line> {
        let (hand_in, power) = {
            let service = self.service.lock().unwrap();
            let service = service.as_ref()?;
            (service.hand_in.clone(), service.power.subscribe())
        };
        let (ours, theirs) = duplex(room_bytes);
        hand_in.send((theirs, None)).await.ok()?;
        Some(Line::new(ours, power, self.disk.clone()))
    }

    /// Has verbs wait for each other for a while, as they do while a sync takes its time.
    pub(super) fn gather(&self, length: Duration) {
        let Some(store) = self.service.lock().unwrap().as_ref().map(|service| service.store.clone()) else {
            return;
        };
        store.inspect().hold();
        self.later(async move {
            pass(length).await;
            store.inspect().release();
        });
    }

    /// Does something that no client waits for.
    pub(super) fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.late.lock().unwrap().spawn(work);
    }

    /// Waits for what the network carries late.
    pub(super) async fn stragglers(&self) {
        loop {
            let mut late = core::mem::take(&mut *self.late.lock().unwrap());
            if late.is_empty() {
                return;
            }
            while let Some(ended) = late.join_next().await {
                ended.unwrap();
            }
        }
    }

    /// Ends the process in the middle of its work with the disk, or has the disk fail it; takes the power away, and starts
    /// again.
    pub(super) async fn cut_power(&self, random: &mut StdRng) {
        let Some(store) = self.service.lock().unwrap().as_ref().map(|service| service.store.clone()) else {
            return;
        };
        let soon = random.random_range(1..6);
        let fails = |kind| self.disk.fail(kind, self.disk.calls(kind) + soon, Fault::Error(ErrorKind::Other));
        match random.random_range(0..4) {
            0 => fails(OperationKind::Write),
            1 => fails(OperationKind::Sync),
            _ => self.disk.stop_at(self.disk.steps() + soon),
        }
        let patience = Duration::from_millis(random.random_range(1..1_000));
        // A process whose store has failed answers what is in hand and ends; or the power goes while there is nothing to write.
        if timeout(patience, store.failure()).await.is_ok() && !self.disk.is_stopped() {
            pass(Duration::from_millis(random.random_range(0..20))).await;
        }
        self.service.lock().unwrap().take();
        match random.random_range(0..5) {
            0 => self.disk.kill(),
            1 => self.disk.power_cut(Loss::Everything),
            2 => self.disk.power_cut(Loss::Torn),
            _ => self.disk.power_cut(Loss::Random),
        }
        self.counts.lock().unwrap().cuts += 1;
        pass(Duration::from_millis(random.random_range(0..500))).await;
        if let Err(text) = self.start() {
            self.record.lock().unwrap().wrong.push(text);
        }
    }

    /// Judges what happened.
    pub(super) fn end(&self) -> Ran {
        if let Some(service) = &*self.service.lock().unwrap() {
            service.store.inspect().check();
        }
        let record = self.record.lock().unwrap();
        let counts = core::mem::take(&mut *self.counts.lock().unwrap());
        let (violations, deliveries) = record.judge();
        let story = record.events.iter().map(|event| format!("{event:?}\n")).collect();
        let Counts { troubles, requests, cuts } = counts;
        Ran { violations, troubles, requests, deliveries, cuts, story }
    }
}
