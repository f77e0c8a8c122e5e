//! How often somebody may do something: so many times a period, at any moment.
//!
//! Of each one only the moment is kept at which all of it would be there again, so counting costs nothing with time, and
//! who has done nothing for a period is forgotten. The table has a bound; who finds no place in it is not limited, which
//! is the better of two evils: the other would let strangers lock out everybody.

use core::hash::Hash;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// The most that are kept at a time, of about 40 bytes each.
const KEPT_MAX: usize = 65_536;
/// How often those who may be forgotten are looked for in a full table.
const SWEEP: Duration = Duration::from_secs(1);

/// Counts how often each one does something.
#[derive(Debug)]
pub(crate) struct Rate<K> {
    /// How long one time takes to come back.
    interval: Duration,
    /// How far ahead of now somebody may be.
    slack: Duration,
    kept: Mutex<Kept<K>>,
}

#[derive(Debug)]
struct Kept<K> {
    full_at: HashMap<K, Instant>,
    swept_at: Option<Instant>,
}

impl<K: Eq + Hash> Rate<K> {
    /// So many times a period, all at once or one after the other; `None` for 0, which stands for no limit.
    pub(crate) fn new(times: u32, period: Duration) -> Option<Self> {
        let interval = period.checked_div(times)?;
        let kept = Mutex::new(Kept { full_at: HashMap::new(), swept_at: None });
        Some(Self { interval, slack: period.saturating_sub(interval), kept })
    }

    /// Whether somebody has none left.
    pub(crate) fn is_spent(&self, who: &K) -> bool {
        let now = Instant::now();
        self.kept().full_at.get(who).is_some_and(|full_at| *full_at > now + self.slack)
    }

    /// Takes one, if there is one; says whether there was.
    pub(crate) fn take(&self, who: K) -> bool {
        let now = Instant::now();
        let mut kept = self.kept();
        if let Some(full_at) = kept.full_at.get_mut(&who) {
            let is_left = *full_at <= now + self.slack;
            if is_left {
                *full_at = (*full_at).max(now) + self.interval;
            }
            return is_left;
        }
        if kept.full_at.len() >= KEPT_MAX && kept.swept_at.is_none_or(|swept_at| now >= swept_at + SWEEP) {
            kept.full_at.retain(|_, full_at| *full_at > now);
            kept.swept_at = Some(now);
        }
        if kept.full_at.len() < KEPT_MAX {
            kept.full_at.insert(who, now + self.interval);
        }
        true
    }

    fn kept(&self) -> MutexGuard<'_, Kept<K>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_spent_comes_back_one_by_one() {
        let rate = Rate::new(10, Duration::from_secs(60)).unwrap();
        for _ in 0..10 {
            assert!(!rate.is_spent(&1) && rate.take(1));
        }
        assert!(rate.is_spent(&1) && !rate.take(1));
        assert!(!rate.is_spent(&2) && rate.take(2), "each one has its own");
        advance(Duration::from_secs(6)).await;
        assert!(!rate.is_spent(&1) && rate.take(1) && !rate.take(1));
        advance(Duration::from_secs(600)).await;
        assert_eq!((0..20).filter(|_| rate.take(1)).count(), 10, "no more than all of it comes back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_table_forgets_who_has_all_of_it_and_limits_nobody_else() {
        let rate = Rate::new(1, Duration::from_secs(60)).unwrap();
        assert!((0..KEPT_MAX).all(|who| rate.take(who)));
        assert!(rate.take(KEPT_MAX) && rate.take(KEPT_MAX), "there is no place for another one");
        assert!(!rate.take(0));
        advance(Duration::from_secs(60)).await;
        assert!(rate.take(KEPT_MAX) && !rate.take(KEPT_MAX));
        assert_eq!(rate.kept().full_at.len(), 1);
    }

    #[test]
    fn zero_is_no_limit() {
        assert!(Rate::<u8>::new(0, Duration::from_secs(60)).is_none());
    }
}
