//! Points and lengths of time, in whole units that cannot overflow or go negative.

use core::fmt;

/// A point in time: milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

/// A length of time in whole seconds: delays and retention periods (spec §2.1, §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seconds(pub u32);

/// A length of time in whole milliseconds: visibility timeouts (spec §2.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Milliseconds(pub u64);

impl Timestamp {
    /// A moment that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// This moment and `length` more; stops at [`Timestamp::NEVER`].
    #[must_use]
    pub fn after(self, length: impl Into<Milliseconds>) -> Self {
        Self(self.0.saturating_add(length.into().0))
    }

    /// How long after `earlier` this is; zero when it is not later.
    pub fn since(self, earlier: Self) -> Milliseconds {
        Milliseconds(self.0.saturating_sub(earlier.0))
    }
}

impl From<Seconds> for Milliseconds {
    fn from(seconds: Seconds) -> Self {
        Self(u64::from(seconds.0) * 1000)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_add_up_and_stop_where_time_does() {
        let moment = Timestamp(5_000);
        assert_eq!(moment.after(Seconds(2)), Timestamp(7_000));
        assert_eq!(moment.after(Milliseconds(2)), Timestamp(5_002));
        assert_eq!(Timestamp(u64::MAX - 1).after(Milliseconds(2)), Timestamp::NEVER);
        assert_eq!(Timestamp(7_001).since(moment), Milliseconds(2_001));
        assert_eq!(moment.since(Timestamp(7_001)), Milliseconds(0));
    }

    #[test]
    fn lengths_are_shown_with_their_unit() {
        assert_eq!(format!("{} {}", Seconds(3), Milliseconds(4)), "3 s 4 ms");
    }
}
