//! The time that a store goes by: the clock it was opened with, or later where the log has been further.

use std::sync::Arc;

use kew_model::{Clock, Milliseconds, Timestamp, Wake};

/// A clock that goes on from the newest time in the log, should the wall clock stand before it (design §8.5).
#[derive(Clone)]
pub(crate) struct StoreClock {
    clock: Arc<dyn Clock>,
    ahead: Milliseconds,
}

impl StoreClock {
    /// A clock that shows `latest` at least.
    pub(crate) fn starting_at(latest: Timestamp, clock: Arc<dyn Clock>) -> Self {
        let ahead = Milliseconds(latest.0.saturating_sub(clock.now().0));
        Self { clock, ahead }
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        self.clock.now().after(self.ahead)
    }

    fn on_jump(&self, wake: Wake) {
        self.clock.on_jump(wake);
    }
}
