//! A clock that stands still until a test moves it.

use std::sync::{Mutex, PoisonError};

use kew_model::{Clock, Milliseconds, Timestamp, Wake};

/// Time that passes by hand: twelve hours in a microsecond, and never by itself.
///
/// After each move everybody who asked by [`Clock::on_jump`] is told, on the thread that moved the clock.
pub struct ManualClock {
    inner: Mutex<Inner>,
}

struct Inner {
    now: Timestamp,
    wakes: Vec<Wake>,
}

impl ManualClock {
    /// Where tests start when the moment does not matter: 2026-01-01 00:00:00 UTC.
    pub const START: Timestamp = Timestamp(1_767_225_600_000);

    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { inner: Mutex::new(Inner { now, wakes: Vec::new() }) }
    }

    /// Moves the clock forward by `length` and tells who asked.
    pub fn advance(&self, length: impl Into<Milliseconds>) {
        let length = length.into();
        self.move_to(|now| now.after(length));
    }

    /// Moves the clock to `now` and tells who asked.
    ///
    /// # Panics
    /// When `now` is earlier than what the clock shows: a [`Clock`] never goes back.
    pub fn set(&self, now: Timestamp) {
        self.move_to(|before| {
            assert!(now >= before, "a clock never goes back: {before:?} to {now:?}");
            now
        });
    }

    fn move_to(&self, next: impl FnOnce(Timestamp) -> Timestamp) {
        let wakes = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.now = next(inner.now);
            inner.wakes.clone()
        };
        for wake in wakes {
            wake();
        }
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::at(Self::START)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    fn on_jump(&self, wake: Wake) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).wakes.push(wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use kew_model::Seconds;

    use super::*;

    #[test]
    fn the_clock_moves_only_by_hand_and_tells_of_each_move() {
        let clock = Arc::new(ManualClock::at(Timestamp(1_000)));
        let seen = Arc::new(AtomicU64::new(0));
        let (watched, noted) = (Arc::downgrade(&clock), seen.clone());
        clock.on_jump(Arc::new(move || {
            let now = watched.upgrade().map_or(0, |clock| clock.now().0);
            noted.store(now, Ordering::SeqCst);
        }));

        clock.advance(Seconds(2));
        assert_eq!((clock.now(), seen.load(Ordering::SeqCst)), (Timestamp(3_000), 3_000));

        clock.set(Timestamp(5_000));
        assert_eq!((clock.now(), seen.load(Ordering::SeqCst)), (Timestamp(5_000), 5_000));
    }

    #[test]
    #[should_panic(expected = "a clock never goes back")]
    fn the_clock_refuses_to_go_back() {
        ManualClock::at(Timestamp(10)).set(Timestamp(9));
    }
}
