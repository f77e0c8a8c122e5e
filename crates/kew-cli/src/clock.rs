//! The real clock: the wall clock once, and from then on the time that passes.
//!
//! Reading the wall clock only at the start keeps a leap, a correction or a mistaken `date -s` from expiring leases or
//! from stopping delays while Kew runs (design §8.5). The time since counts suspended hours, too, on systems that
//! tell it. The two clocks cannot be read at once: the wall clock is read between two readings of the other one, and
//! again if time went by between those, as it does when the machine is suspended there.

use kew_model::{Clock, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// The clock that passes by itself.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PASSING: ClockId = ClockId::Boottime;
/// The clock that passes by itself.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PASSING: ClockId = ClockId::Monotonic;

/// How far apart the readings around that of the wall clock may lie, in milliseconds: a change of the thread on a busy
/// machine is longer, and then another try costs nothing.
const APART_MS: u64 = 2;
/// How often to try; the last try is taken as it is.
const TRIES: usize = 16;

/// The time of this process.
#[derive(Debug)]
pub(crate) struct SystemClock {
    wall_at_start: u64,
    passing_at_start: u64,
}

impl SystemClock {
    /// A clock that starts at the wall clock's time of now.
    pub(crate) fn start() -> Self {
        Self::of(milliseconds)
    }

    /// The start by these readings, in milliseconds.
    fn of(mut read: impl FnMut(ClockId) -> u64) -> Self {
        let mut passing_at_start = read(PASSING);
        let mut wall_at_start = read(ClockId::Realtime);
        for _ in 1..TRIES {
            let after = read(PASSING);
            if after.saturating_sub(passing_at_start) <= APART_MS {
                break;
            }
            (passing_at_start, wall_at_start) = (after, read(ClockId::Realtime));
        }
        Self { wall_at_start, passing_at_start }
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

    #[test]
    fn a_suspend_between_the_readings_shifts_nothing() {
        // Given a machine that is suspended for an hour right before the wall clock is read for the first time.
        let mut readings = 0;
        let clock = SystemClock::of(|clock| {
            readings += 1;
            let passed = if readings < 2 { 0 } else { 3_600_000 };
            passed + if clock == PASSING { 5_000 } else { 1_700_000_000_000 }
        });
        // Then the two that are kept are of the same moment.
        assert_eq!(clock.wall_at_start - clock.passing_at_start, 1_700_000_000_000 - 5_000);
        assert_eq!(readings, 5, "a first pair, a second one, and the reading that proves it");
    }

    #[test]
    fn a_machine_that_is_never_quick_enough_starts_all_the_same() {
        let mut now = 0;
        let clock = SystemClock::of(|_| {
            now += 10;
            now
        });
        assert_eq!(clock.wall_at_start - clock.passing_at_start, 10);
    }
}
