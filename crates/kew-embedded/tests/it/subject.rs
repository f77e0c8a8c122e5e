//! The embedded broker over a simulated disk, as a subject of the shared suite.

use std::sync::Arc;

use kew_embedded::{Embedded, OpenError, Options};
use kew_journal::{Disk, SimDisk};
use kew_model::{Broker, Chance, Clock};
use kew_testkit::{FixedChance, ManualClock, Subject, wait};

/// An embedded broker with its disk, clock and chance in the test's hand.
pub(crate) struct EmbeddedSubject {
    disk: SimDisk,
    clock: Arc<ManualClock>,
    chance: Arc<FixedChance>,
    options: Options,
    open: Open,
    broker: Arc<Embedded>,
}

/// Opens a store, with threads or without.
type Open = fn(Arc<dyn Disk>, Options, Arc<dyn Clock>, Arc<dyn Chance>) -> Result<Embedded, OpenError>;

impl EmbeddedSubject {
    /// A fresh store.
    pub(crate) fn new(seed: u64, options: Options) -> Self {
        Self::opened_by(Embedded::open, seed, options)
    }

    /// A fresh store without threads: a bug that is planted on this one is there.
    pub(crate) fn inline(seed: u64, options: Options) -> Self {
        Self::opened_by(Embedded::open_inline, seed, options)
    }

    fn opened_by(open: Open, seed: u64, options: Options) -> Self {
        let disk = SimDisk::new(seed);
        let clock = Arc::new(ManualClock::default());
        let chance = Arc::new(FixedChance::new(seed));
        let broker = opened(open, &disk, &options, &clock, &chance);
        Self { disk, clock, chance, options, open, broker }
    }

    /// With room for everything in memory.
    pub(crate) fn roomy() -> Self {
        Self::new(1, Options { segment_bytes: 4 << 20, ..Options::default() })
    }

    /// With no memory for messages, so that every pull reads the disk; small segments; and a checkpoint after every
    /// few frames, so that restarts begin at one and segments are freed or cleaned.
    pub(crate) fn tight() -> Self {
        let options = Options {
            segment_bytes: 512 << 10,
            window_bytes: 0,
            checkpoint_bytes: 2_000,
            cleaning_slack_bytes: 0,
            ..Options::default()
        };
        Self::new(2, options)
    }
}

fn opened(
    open: Open,
    disk: &SimDisk,
    options: &Options,
    clock: &Arc<ManualClock>,
    chance: &Arc<FixedChance>,
) -> Arc<Embedded> {
    let opened = open(Arc::new(disk.clone()), options.clone(), clock.clone(), chance.clone());
    Arc::new(opened.expect("a store that was closed opens"))
}

impl Subject for EmbeddedSubject {
    fn broker(&self) -> Arc<dyn Broker> {
        self.broker.clone()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn restart(self) -> Self {
        assert_eq!(wait(self.broker.close()), Ok(()));
        let broker = opened(self.open, &self.disk, &self.options, &self.clock, &self.chance);
        Self { broker, ..self }
    }
}
