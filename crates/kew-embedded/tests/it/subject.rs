//! The embedded broker over a simulated disk, as a subject of the shared suite.

use std::sync::Arc;

use kew_embedded::{Embedded, Options};
use kew_journal::SimDisk;
use kew_model::Broker;
use kew_testkit::{FixedChance, ManualClock, Subject, wait};

/// An embedded broker with its disk, clock and chance in the test's hand.
pub(crate) struct EmbeddedSubject {
    disk: SimDisk,
    clock: Arc<ManualClock>,
    chance: Arc<FixedChance>,
    options: Options,
    broker: Arc<Embedded>,
}

impl EmbeddedSubject {
    /// A fresh store.
    pub(crate) fn new(seed: u64, options: Options) -> Self {
        let disk = SimDisk::new(seed);
        let clock = Arc::new(ManualClock::default());
        let chance = Arc::new(FixedChance::new(seed));
        let broker = open(&disk, &options, &clock, &chance);
        Self { disk, clock, chance, options, broker }
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

fn open(
    disk: &SimDisk,
    options: &Options,
    clock: &Arc<ManualClock>,
    chance: &Arc<FixedChance>,
) -> Arc<Embedded> {
    let opened = Embedded::open(Arc::new(disk.clone()), options.clone(), clock.clone(), chance.clone());
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
        let broker = open(&self.disk, &self.options, &self.clock, &self.chance);
        Self { broker, ..self }
    }
}
