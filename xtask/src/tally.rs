//! How much the tests did, as they tell it themselves: lines `counted: NUMBER WHAT` in what they print.

use core::fmt;
use std::collections::BTreeMap;

/// The counts so far, each under what was counted. Tests that count the same add up.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Takes note of a line, if it tells a count. A test runner may have begun the line with something of its own.
    pub(crate) fn note(&mut self, line: &str) {
        let told = line.split_once("counted: ").and_then(|(_, told)| told.split_once(' '));
        let Some((count, what)) = told else { return };
        if let Ok(count) = count.parse::<u64>() {
            let sum = self.0.entry(what.to_owned()).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// All counts together whose name begins so.
    pub(crate) fn sum(&self, start: &str) -> u64 {
        self.0.iter().filter(|(what, _)| what.starts_with(start)).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, count)| writeln!(f, "{count:>12}  {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_counted_adds_up() {
        let mut tally = Tally::default();
        for line in [
            "counted: 20 crashes: a store",
            "test crash::one ... counted: 3 crashes: a store",
            "counted: 4 crashes: the log",
            "counted: some flips",
            "test result: ok. 5 passed",
        ] {
            tally.note(line);
        }
        assert_eq!(tally.to_string(), "          23  crashes: a store\n           4  crashes: the log\n");
        assert_eq!((tally.sum("crashes"), tally.sum("flips")), (27, 0));
    }
}
