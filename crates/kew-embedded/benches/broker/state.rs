//! What a large state costs: the memory of millions of messages in every condition. Printed, never asserted.
//!
//! A tenth of what the design names, or all of it with `KEW_BENCH_STATE=10`. `TMPDIR` chooses the disk; a folder in
//! memory makes filling the store quick.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::path::Path;
use std::sync::Arc;

use kew_embedded::{Embedded, Inspect, Options};
use kew_journal::RealDisk;
use kew_model::{
    AccountId, Broker, ConsumerKind, ContentType, Milliseconds, NewConsumer, NewQueue, Place, Pull,
    PullSettings, PushBatch, QueueSettings, Seconds, Settlement,
};
use kew_testkit::{FixedChance, ManualClock, wait};

use crate::figures::resident_bytes;

/// How many tenths of the whole.
const TENTHS: &str = "KEW_BENCH_STATE";

const ACCOUNT: AccountId = AccountId([7; 16]);
/// How long a lease is that does not end meanwhile.
pub(crate) const LONG: Milliseconds = Milliseconds(43_200_000);

/// How much of the large state is wanted.
pub(crate) fn tenths() -> u64 {
    std::env::var(TENTHS).map_or(1, |text| text.parse().unwrap())
}

/// A store without threads, so that each turn of the writer can be timed.
pub(crate) struct Store {
    store: Embedded,
    clock: Arc<ManualClock>,
}

impl Store {
    /// The one in a folder, or a fresh one.
    pub(crate) fn open(folder: &Path) -> Self {
        let options = Options {
            window_bytes: 16 << 20,
            inbox_bytes: 16 << 20,
            checkpoint_bytes: u64::MAX,
            reserve_bytes: Some(0),
            ..Options::default()
        };
        let clock = Arc::new(ManualClock::default());
        let (disk, chance) = (Arc::new(RealDisk::new(folder)), Arc::new(FixedChance::new(1)));
        let store = Embedded::open_inline(disk, options, clock.clone(), chance).unwrap();
        if store.accounts().is_empty() {
            wait(store.create_account(Some(ACCOUNT), "bench".to_owned())).unwrap();
        }
        Self { store, clock }
    }

    pub(crate) fn broker(&self) -> &Embedded {
        &self.store
    }

    pub(crate) fn inspect(&self) -> Inspect<'_> {
        self.store.inspect()
    }

    /// A queue that is there already.
    pub(crate) fn place_of(&self, name: &str) -> Place {
        let queue = self.store.queues(ACCOUNT).into_iter().find(|queue| queue.name.as_str() == name);
        Place { account: ACCOUNT, queue: queue.unwrap().id }
    }

    pub(crate) fn backlog_count(&self, place: Place) -> u64 {
        wait(self.store.backlog(place)).unwrap().count
    }

    pub(crate) fn advance(&self, length: Milliseconds) {
        self.clock.advance(length);
    }

    /// Lets a minute pass, and the writer take turns until a checkpoint of everything is kept.
    pub(crate) fn keep_checkpoint(&self) {
        self.clock.advance(Milliseconds(60_000));
        let mut noted_before = u64::MAX;
        while noted_before != self.store.inspect().noted() {
            noted_before = self.store.inspect().noted();
            self.store.inspect().write();
        }
        wait(self.store.housekeep()).unwrap();
    }

    pub(crate) fn queue(&self, name: &str) -> Place {
        let settings = QueueSettings::default();
        let queue = NewQueue { name: name.parse().unwrap(), id: None, jurisdiction: None, settings };
        let place =
            Place { account: ACCOUNT, queue: wait(self.store.create_queue(ACCOUNT, queue)).unwrap().id };
        let kind = ConsumerKind::HttpPull(PullSettings::default());
        wait(self.store.create_consumer(place, NewConsumer { kind, dead_letter_queue: None })).unwrap();
        place
    }

    /// Pushes so many messages, a hundred at a time; the delay of each hundred, or of each message, goes from 1 s to a
    /// day.
    pub(crate) fn push(&self, place: Place, messages: u64, delay: Option<bool>) {
        let seconds = |at: u64| Some(Seconds(u32::try_from(at % 86_400).unwrap() + 1));
        for hundred in 0..messages / 100 {
            let mut batch = PushBatch::with_capacity(1_000, 100);
            for at in 0..100 {
                let delay = delay.and_then(|each| seconds(if each { hundred * 100 + at } else { hundred }));
                batch.add(b"0123456789", ContentType::Text, delay).unwrap();
            }
            self.push_batch(place, batch);
        }
    }

    pub(crate) fn push_batch(&self, place: Place, batch: PushBatch) {
        wait(self.store.push(place, batch)).unwrap();
    }

    pub(crate) fn pull(&self, place: Place, count: u16) -> Settlement {
        let pull = Pull { batch_size: Some(count), visibility_timeout: Some(LONG) };
        let pulled = wait(self.store.pull(place, pull)).unwrap();
        assert_eq!(pulled.messages.len(), usize::from(count));
        let acks = pulled.messages.iter().map(|message| message.lease).collect();
        Settlement { acks, retries: Vec::new() }
    }
}

/// Resident memory, step by step.
pub(crate) fn memory() {
    let tenths = tenths();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path());
    let mut before = resident_bytes();
    println!("state: {:.1} MiB of an empty store, windows and inbox at 16 MiB each", mebibytes(before));
    let mut tell = |what: &str| {
        let now = resident_bytes();
        let (more, all) = (mebibytes(now.saturating_sub(before)), mebibytes(now));
        println!("state: {what}: {more:.1} MiB more, {all:.1} MiB in all");
        before = now;
    };
    let queues: Vec<_> = (0..1_000 * tenths).map(|number| store.queue(&format!("queue-{number}"))).collect();
    tell(&format!("{} queues", queues.len()));
    let (ready, leased, delayed) = (queues[0], queues[1], queues[2]);
    store.push(ready, 3_000_000 * tenths, None);
    tell(&format!("{} messages ready", 3_000_000 * tenths));
    store.push(leased, 100_000 * tenths, None);
    (0..1_000 * tenths).for_each(|_| drop(store.pull(leased, 100)));
    tell(&format!("{} leased in pulls of 100", 100_000 * tenths));
    store.push(delayed, 1_000_000 * tenths, Some(false));
    tell(&format!("{} delayed, a hundred alike", 1_000_000 * tenths));
    store.push(queues[3], 1_000_000 * tenths, Some(true));
    tell(&format!("{} delayed, none alike", 1_000_000 * tenths));
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1048576.0
}
