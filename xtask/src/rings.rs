//! The rings of the test command: run one after the other, timed, counted, and told in a table at the end.
//!
//! A ring that fails does not keep the others from running, so that one run tells everything; the whole fails then.

use core::ops::AddAssign;
use core::time::Duration;
use std::time::Instant;

use anyhow::bail;

use crate::say;

/// How many tests passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
}

impl Count {
    /// What one line of a test program's output reports: the result lines of cargo and of Python's runner here, and the
    /// last lines of node's runner.
    pub(crate) fn of_line(line: &str) -> Self {
        let number_before = |word: &str| {
            let before = line.split(word).next().filter(|before| before.len() < line.len())?;
            before.split_whitespace().last()?.parse().ok()
        };
        let number_after = |word: &str| line.strip_prefix(word).and_then(|rest| rest.trim().parse().ok());
        if ["test result:", "python:", "openapi:"].iter().any(|start| line.starts_with(start)) {
            let count = |word| number_before(word).unwrap_or_default();
            return Self { passed: count(" passed"), failed: count(" failed") };
        }
        let count = |word| number_after(word).unwrap_or_default();
        Self { passed: count("# pass "), failed: count("# fail ") }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// What became of the rings so far.
#[derive(Debug, Default)]
pub(crate) struct Rings {
    done: Vec<Ring>,
}

#[derive(Debug)]
struct Ring {
    name: &'static str,
    took: Duration,
    count: Count,
    failure: Option<String>,
}

impl Rings {
    /// Runs a ring.
    #[expect(clippy::disallowed_methods, reason = "the table says how long each ring took")]
    pub(crate) fn run(&mut self, name: &'static str, ring: impl FnOnce() -> anyhow::Result<Count>) {
        say::line(&format!("\n=== {name}"));
        let start = Instant::now();
        let (count, failure) = match ring() {
            Ok(count) => (count, None),
            Err(error) => (Count::default(), Some(format!("{error:#}"))),
        };
        if let Some(failure) = &failure {
            say::complaint(&format!("{name} failed: {failure}"));
        }
        self.done.push(Ring { name, took: start.elapsed(), count, failure });
    }

    /// Prints the table.
    ///
    /// # Errors
    /// When a ring failed.
    pub(crate) fn report(&self) -> anyhow::Result<()> {
        say::line(&format!("\n{}", self.table()));
        let failures: Vec<_> = self.done.iter().filter(|ring| ring.failure.is_some()).collect();
        if failures.is_empty() {
            let passed: u64 = self.done.iter().map(|ring| ring.count.passed).sum();
            say::line(&format!("{passed} passed, 0 failed"));
            return Ok(());
        }
        let names: Vec<_> = failures.iter().map(|ring| ring.name).collect();
        bail!("failed: {}", names.join(", "))
    }

    fn table(&self) -> String {
        let mut table = format!("{:<28} {:>8} {:>8}  result\n", "ring", "time", "tests");
        for ring in &self.done {
            let tests =
                if ring.count == Count::default() { "-".to_owned() } else { ring.count.passed.to_string() };
            let result = ring.failure.as_deref().map_or("ok", |_| "FAILED");
            table += &format!("{:<28} {:>8} {tests:>8}  {result}\n", ring.name, clock(ring.took));
        }
        let all = self.done.iter().map(|ring| ring.took).sum();
        table + &format!("{:<28} {:>8}\n", "all", clock(all))
    }
}

/// A time as minutes and seconds.
pub(crate) fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_of_three_runners_are_counted() {
        let cargo = "test result: FAILED. 21 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(Count::of_line(cargo), Count { passed: 21, failed: 2 });
        assert_eq!(Count::of_line("python: 30 passed, 1 failed"), Count { passed: 30, failed: 1 });
        let mut node = Count::of_line("# pass 12");
        node += Count::of_line("# fail 3");
        assert_eq!(node, Count { passed: 12, failed: 3 });
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in ["running 3 tests", "test a_test_that_passed ... ok", "# tests 5", "5 passed", ""] {
            assert_eq!(Count::of_line(line), Count::default(), "{line}");
        }
    }

    #[test]
    fn a_ring_that_fails_fails_the_whole_but_not_the_next() {
        let mut rings = Rings::default();
        rings.run("first", || bail!("broken"));
        rings.run("second", || Ok(Count { passed: 7, failed: 0 }));
        assert_eq!(rings.report().unwrap_err().to_string(), "failed: first");
        assert!(rings.table().lines().nth(2).is_some_and(|line| line.ends_with("7  ok")));
    }

    #[test]
    fn times_are_minutes_and_seconds() {
        assert_eq!(clock(Duration::from_secs(605)), "10:05");
    }
}
