//! Figures: what a part of the server tells of itself to whoever watches it.
//!
//! They are read at the moment of asking. Nothing is decided by them, and to count costs an addition without a lock.
//! Their names, as they are shown, are listed in docs/metrics.md.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One figure, with a sample for each set of labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its name, with the unit last; a counter's without the `_total` that is shown after it.
    pub name: &'static str,
    /// What it says, as a sentence without its full stop.
    pub help: &'static str,
    /// The sort of its samples.
    pub sort: Sort,
    /// The samples.
    pub samples: Vec<Sample>,
}

/// The sort of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// It only grows, from 0 at the start of the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How often something was how large.
    Histogram,
}

/// One sample of a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What tells it from the figure's other samples: names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The reading.
    pub reading: Reading,
}

/// What a sample reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// A number.
    Number(f64),
    /// A distribution.
    Spread(Spread),
}

/// How often something was how large.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// The sum of all.
    pub sum: f64,
    /// How often it was above the bound before and not above this one, in the order of the bounds; the last is infinite.
    pub buckets: Vec<(f64, u64)>,
}

impl Figure {
    /// A figure without samples yet.
    pub fn new(name: &'static str, help: &'static str, sort: Sort) -> Self {
        Self { name, help, sort, samples: Vec::new() }
    }

    /// A counter with one sample.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self::new(name, help, Sort::Counter).with([], number(value))
    }

    /// A gauge with one sample.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self::new(name, help, Sort::Gauge).with([], Reading::Number(value))
    }

    /// A histogram with one sample.
    pub fn histogram(name: &'static str, help: &'static str, spread: Spread) -> Self {
        Self::new(name, help, Sort::Histogram).with([], Reading::Spread(spread))
    }

    /// The same with one more sample.
    #[must_use]
    pub fn with<const N: usize>(mut self, labels: [(&'static str, &str); N], reading: Reading) -> Self {
        let labels = labels.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        self.samples.push(Sample { labels, reading });
        self
    }
}

/// A whole number as a reading. Above 2⁵³ it loses its last digits.
#[expect(clippy::cast_precision_loss, reason = "the notation of metrics knows no other numbers")]
pub fn number(value: u64) -> Reading {
    Reading::Number(value as f64)
}

/// Counts how often something was how large. May be added to from any thread.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// One with these bounds, which grow; what is above the last has a count of its own.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Something was so large.
    pub fn observe(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// What was counted, with values divided by `divisor`: nanoseconds become seconds with a billion.
    #[expect(clippy::cast_precision_loss, reason = "the notation of metrics knows no other numbers")]
    pub fn spread(&self, divisor: f64) -> Spread {
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / divisor).chain([f64::INFINITY]);
        let counts = self.counts.iter().map(|count| count.load(Relaxed));
        Spread { sum: self.sum.load(Relaxed) as f64 / divisor, buckets: bounds.zip(counts).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_below_the_first_bound_that_it_does_not_exceed() {
        let histogram = Histogram::new(&[10, 100]);
        for value in [0, 10, 11, 100, 101, 1_000] {
            histogram.observe(value);
        }
        let expected = vec![(1.0, 2), (10.0, 2), (f64::INFINITY, 2)];
        assert_eq!(histogram.spread(10.0), Spread { sum: 122.2, buckets: expected });
    }
}
