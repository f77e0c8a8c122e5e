//! Brokers that are wrong in one way each, made of a right one; and one that only counts what it is asked.

#![expect(clippy::unwrap_used, reason = "test code")]

mod bend;
mod broker;
mod flaw;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use kew_model::{Broker, Milliseconds};
use kew_testkit::{Capabilities, ManualClock, OracleSubject, Subject};

use bend::Flawed;
pub(crate) use flaw::Flaw;

/// How often each outcome was seen.
pub(crate) type Seen = Arc<Mutex<BTreeMap<String, u32>>>;

/// A subject with a flaw.
pub(crate) struct FlawedSubject {
    inner: OracleSubject,
    broker: Arc<Flawed>,
}

impl FlawedSubject {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self::watched(flaw, Seen::default())
    }

    pub(crate) fn watched(flaw: Flaw, seen: Seen) -> Self {
        Self::around(OracleSubject::new(3), flaw, seen, 0)
    }

    fn around(inner: OracleSubject, flaw: Flaw, seen: Seen, opened: u8) -> Self {
        let broker = Arc::new(Flawed::new(inner.broker(), flaw, seen, opened));
        Self { inner, broker }
    }
}

impl Subject for FlawedSubject {
    fn broker(&self) -> Arc<dyn Broker> {
        self.broker.clone()
    }

    fn clock(&self) -> &ManualClock {
        self.inner.clock()
    }

    fn capabilities(&self) -> Capabilities {
        if self.broker.flaw != Flaw::Loose {
            return Capabilities::EXACT;
        }
        Capabilities {
            pull_order_is_exact: false,
            pulls_until_full: 10,
            remembers_exhaustion: false,
            settings_lag: Milliseconds(2_000),
            exhaustion_lag: Milliseconds(2_000),
            backlog_lag: Milliseconds(1_000),
        }
    }

    fn restart(self) -> Self {
        let (flaw, seen) = (self.broker.flaw, self.broker.seen.clone());
        if flaw == Flaw::ForgetsLeasesAtRestart {
            self.broker.end_leases();
        }
        if flaw == Flaw::ForgetsEverythingAtRestart {
            return Self::watched(flaw, seen);
        }
        let opened = self.broker.opened.wrapping_add(1);
        Self::around(self.inner.restart(), flaw, seen, opened)
    }
}
