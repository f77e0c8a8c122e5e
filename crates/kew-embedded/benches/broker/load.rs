//! A store in a temporary folder with one queue, and callers that ask it, each a thread that waits for its answers.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kew_embedded::{Embedded, OpenError, Options};
use kew_journal::RealDisk;
use kew_model::{
    AccountId, Broker, ConsumerKind, ContentType, Milliseconds, NewConsumer, NewQueue, Place, Pull,
    PullSettings, PushBatch, QueueSettings, Settlement,
};
use kew_testkit::{FixedChance, ManualClock, wait};
use tempfile::TempDir;

/// Messages in a batch.
pub(crate) const MESSAGES: usize = 100;

const BODY: [u8; 100] = [b'x'; 100];
const ACCOUNT: AccountId = AccountId([7; 16]);

/// An open store and its queue. The clock stands, so that no lease ends and checkpoints are kept by bytes alone.
pub(crate) struct Load {
    store: Embedded,
    place: Place,
    folder: TempDir,
}

/// How to open a store: with threads or without.
type Open = fn(Arc<RealDisk>, Options, Arc<ManualClock>, Arc<FixedChance>) -> Result<Embedded, OpenError>;

fn open_in(folder: &Path, open: Open) -> Embedded {
    let chance = Arc::new(FixedChance::new(1));
    let disk = Arc::new(RealDisk::new(folder));
    open(disk, Options::default(), Arc::new(ManualClock::default()), chance).unwrap()
}

/// A batch of so many messages of 100 bytes.
pub(crate) fn batch_of(count: usize) -> PushBatch {
    let mut batch = PushBatch::with_capacity(count * BODY.len(), count);
    for _ in 0..count {
        batch.add(&BODY, ContentType::Text, None).unwrap();
    }
    batch
}

fn create_queue(store: &Embedded, name: &str) -> Place {
    let settings = QueueSettings::default();
    let queue = NewQueue { name: name.parse().unwrap(), id: None, jurisdiction: None, settings };
    Place { account: ACCOUNT, queue: wait(store.create_queue(ACCOUNT, queue)).unwrap().id }
}

impl Load {
    /// A fresh store.
    pub(crate) fn new() -> Self {
        Self::fresh(|disk, options, clock, chance| Embedded::open(disk, options, clock, chance))
    }

    /// A fresh store without threads, which ends without a close when it is dropped, as if it had been killed.
    pub(crate) fn to_be_killed() -> Self {
        Self::fresh(|disk, options, clock, chance| Embedded::open_inline(disk, options, clock, chance))
    }

    fn fresh(open: Open) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open_in(folder.path(), open);
        wait(store.create_account(Some(ACCOUNT), "bench".to_owned())).unwrap();
        let place = create_queue(&store, "bench");
        let kind = ConsumerKind::HttpPull(PullSettings::default());
        wait(store.create_consumer(place, NewConsumer { kind, dead_letter_queue: None })).unwrap();
        Self { store, place, folder }
    }

    /// Ends the store, without a close if it was made so, and opens it anew.
    pub(crate) fn reopened(self) -> Self {
        let Self { store, place, folder } = self;
        drop(store);
        let open: Open = |disk, options, clock, chance| Embedded::open(disk, options, clock, chance);
        Self { store: open_in(folder.path(), open), place, folder }
    }

    pub(crate) fn store(&self) -> &Embedded {
        &self.store
    }

    /// The queue that all callers use.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Another queue.
    pub(crate) fn create_queue(&self, name: &str) -> Place {
        create_queue(&self.store, name)
    }

    pub(crate) fn push(&self, batch: PushBatch) -> u64 {
        wait(self.store.push(self.place, batch)).unwrap().backlog.count
    }

    /// Pulls a hundred messages, which must be there.
    pub(crate) fn pull(&self) -> Settlement {
        let pull =
            Pull { batch_size: u16::try_from(MESSAGES).ok(), visibility_timeout: Some(Milliseconds(60_000)) };
        let pulled = wait(self.store.pull(self.place, pull)).unwrap();
        assert_eq!(pulled.messages.len(), MESSAGES);
        assert!(pulled.messages.iter().all(|message| pulled.body(message) == BODY));
        Settlement {
            acks: pulled.messages.iter().map(|message| message.lease).collect(),
            retries: Vec::new(),
        }
    }

    pub(crate) fn ack(&self, settlement: Settlement) {
        wait(self.store.settle(self.place, settlement)).unwrap();
    }

    pub(crate) fn purge(&self) {
        wait(self.store.purge(self.place)).unwrap();
    }

    /// Each caller pushes, pulls and acknowledges a hundred messages, `count` times.
    pub(crate) fn lifecycles(&self, callers: usize, count: u64) -> Duration {
        let batch = batch_of(MESSAGES);
        self.call(callers, count, || {
            self.push(batch.clone());
            // Everybody pushes before pulling, so there is always a hundred, though not always one's own.
            self.ack(self.pull());
        })
    }

    /// Each caller pushes `messages` messages, `count` times.
    pub(crate) fn pushes(&self, callers: usize, count: u64, messages: usize) -> Duration {
        let batch = batch_of(messages);
        self.call(callers, count, || {
            self.push(batch.clone());
        })
    }

    fn call(&self, callers: usize, count: u64, call: impl Fn() + Sync) -> Duration {
        let started = Instant::now();
        thread::scope(|scope| {
            for _ in 0..callers {
                scope.spawn(|| (0..count).for_each(|_| call()));
            }
        });
        started.elapsed()
    }
}
