//! What the suite is told about a broker that it tests.

use std::sync::Arc;

use kew_model::{Broker, Milliseconds};

use crate::manual_clock::ManualClock;
use crate::wait::wait;
use crate::{FixedChance, Oracle};

/// A broker under test, with its clock, that can be closed and opened again.
pub trait Subject: Sized + Sync {
    /// The broker as it is open now.
    fn broker(&self) -> Arc<dyn Broker>;

    /// The clock that the broker reads; the same over restarts.
    fn clock(&self) -> &ManualClock;

    /// Closes the broker and opens it again on what it kept. Whoever still holds the old one gets
    /// [`kew_model::Error::Closing`].
    #[must_use]
    fn restart(self) -> Self;

    /// What this engine promises beyond what every engine must.
    fn capabilities(&self) -> Capabilities {
        Capabilities::EXACT
    }
}

/// Where engines may differ, as values that the cases consult (scale-out-study §5.2). No case is left out for an
/// engine; it allows for the lag or looseness that the engine declares, and checks everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether pull order is exactly (available at, sequence); otherwise any order passes, with every message once.
    pub pull_order_is_exact: bool,
    /// How many pulls it may take until all that is available and asked for has been returned, and how many steps of
    /// a redrive until it has moved; 1 when a pull always fills up.
    pub pulls_until_full: u32,
    /// Whether the ack of a message that was dead-lettered, dropped or kept for its whole period can be told from the
    /// ack of one that was acked before.
    pub remembers_exhaustion: bool,
    /// How long after a change of settings or consumer it acts everywhere.
    pub settings_lag: Milliseconds,
    /// How long after the end of the last lease its message has reached the dead-letter queue.
    pub exhaustion_lag: Milliseconds,
    /// How long after a verb the backlog shows it.
    pub backlog_lag: Milliseconds,
}

impl Capabilities {
    /// An engine of one process: everything exact, at once.
    pub const EXACT: Self = Self {
        pull_order_is_exact: true,
        pulls_until_full: 1,
        remembers_exhaustion: true,
        settings_lag: Milliseconds(0),
        exhaustion_lag: Milliseconds(0),
        backlog_lag: Milliseconds(0),
    };
}

/// The oracle as a subject: the measure in comparisons, and itself put to the suite.
pub struct OracleSubject {
    oracle: Arc<Oracle>,
    clock: Arc<ManualClock>,
}

impl OracleSubject {
    /// An empty oracle whose ids come from `seed`, at [`ManualClock::START`].
    pub fn new(seed: u64) -> Self {
        let clock = Arc::new(ManualClock::default());
        let oracle = Arc::new(Oracle::new(clock.clone(), Arc::new(FixedChance::new(seed))));
        Self { oracle, clock }
    }
}

impl Subject for OracleSubject {
    fn broker(&self) -> Arc<dyn Broker> {
        self.oracle.clone()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn restart(self) -> Self {
        let closed = wait(self.oracle.close());
        assert_eq!(closed, Ok(()));
        Self { oracle: Arc::new(self.oracle.reopen()), clock: self.clock }
    }
}
