//! The real clock: the wall clock once, and from then on the time that passes.
//!
//! Reading the wall clock only at the start keeps a leap, a correction or a mistaken `date -s` from expiring leases or
//! from stopping delays while Kew runs (design §8.5). The time since counts suspended hours, too, on systems that
//! tell it.

use kew_model::{Clock, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// The clock that passes by itself.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PASSING: ClockId = ClockId::Boottime;
/// The clock that passes by itself.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PASSING: ClockId = ClockId::Monotonic;

/// The time of this process.
#[derive(Debug)]
pub(crate) struct SystemClock {
    wall_at_start: u64,
    passing_at_start: u64,
}

impl SystemClock {
    /// A clock that starts at the wall clock's time of now.
    pub(crate) fn start() -> Self {
        Self { wall_at_start: milliseconds(ClockId::Realtime), passing_at_start: milliseconds(PASSING) }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall_at_start + milliseconds(PASSING).saturating_sub(self.passing_at_start))
    }
}

/// A clock's reading in milliseconds; 0 for one that stands before its epoch.
fn milliseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_with_the_wall_clock_and_never_goes_back() {
        let clock = SystemClock::start();
        assert!(clock.now().0 >= clock.wall_at_start);
        let readings: Vec<_> = (0..1000).map(|_| clock.now()).collect();
        assert!(readings.is_sorted());
    }
}
