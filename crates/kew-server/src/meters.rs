//! What the house counts of its own work, for `/metrics`.
//!
//! A request costs a few additions without a lock, a message none of its own. Every series is there from the start, so
//! that a first failure is seen as a rise.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;

use kew_model::figures::{Figure, Histogram, Reading, Sort, number};
use kew_wire::{Fault, Kind};

use crate::routes::{Operation, ROUTES};

/// More operations than there are.
const OPERATIONS_MAX: usize = 64;
/// What requests are counted under that fit no row of the table.
const NO_OPERATION: (usize, &str) = (OPERATIONS_MAX - 1, "none");

/// Bounds of the times of requests, in nanoseconds: 100 µs to 30 s.
const NANOSECONDS: &[u64] = &[
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
    30_000_000_000,
];

/// What became of a request.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Ok,
    Refused,
    Denied,
    Limited,
    Failed,
}

impl Outcome {
    const NAMES: [&str; 5] = ["ok", "refused", "denied", "limited", "failed"];

    fn of(fault: Option<&Fault>) -> Self {
        match fault.map_or(200, |fault| fault.line().status) {
            200 => Self::Ok,
            // That it is about to stop is no failure.
            _ if fault.is_some_and(|fault| fault.kind() == Kind::NotReady) => Self::Refused,
            401 | 403 => Self::Denied,
            429 => Self::Limited,
            500.. => Self::Failed,
            _ => Self::Refused,
        }
    }
}

/// The operations whose times are kept apart from those of all others.
const KINDS: [&str; 4] = ["push", "pull", "ack", "other"];

fn kind_of(operation: Option<Operation>) -> usize {
    match operation {
        Some(Operation::Push | Operation::PushBatch) => 0,
        Some(Operation::Pull) => 1,
        Some(Operation::Ack) => 2,
        _ => 3,
    }
}

/// What happens to messages by request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Happening {
    Pushed,
    Delivered,
    Acknowledged,
    Retried,
    Deleted,
    Redriven,
}

impl Happening {
    const NAMES: [&str; 6] = ["pushed", "delivered", "acknowledged", "retried", "deleted", "redriven"];
}

/// What happens to connections.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrival {
    Accepted,
    /// Its address had as many as it may.
    Refused,
    /// The handshake failed or took too long.
    Unencrypted,
}

impl Arrival {
    const NAMES: [&str; 3] = ["accepted", "refused", "handshake_failed"];
}

/// The counts.
#[derive(Debug)]
pub(crate) struct Meters {
    requests: Box<[[AtomicU64; Outcome::NAMES.len()]]>,
    nanoseconds: [Histogram; KINDS.len()],
    messages: [AtomicU64; Happening::NAMES.len()],
    arrivals: [AtomicU64; Arrival::NAMES.len()],
}

impl Meters {
    pub(crate) fn new() -> Self {
        Self {
            requests: (0..OPERATIONS_MAX).map(|_| Default::default()).collect(),
            nanoseconds: core::array::from_fn(|_| Histogram::new(NANOSECONDS)),
            messages: Default::default(),
            arrivals: Default::default(),
        }
    }

    /// A request was answered; `took` is none when it waited for messages, which says nothing of the server.
    pub(crate) fn answered(
        &self,
        operation: Option<Operation>,
        fault: Option<&Fault>,
        took: Option<Duration>,
    ) {
        let place = operation.map_or(NO_OPERATION.0, |operation| operation as usize);
        self.requests[place][Outcome::of(fault) as usize].fetch_add(1, Relaxed);
        if let Some(took) = took {
            let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            self.nanoseconds[kind_of(operation)].observe(nanoseconds);
        }
    }

    /// Something happened to so many messages.
    pub(crate) fn happened(&self, happening: Happening, messages: usize) {
        self.messages[happening as usize].fetch_add(messages as u64, Relaxed);
    }

    /// A connection came.
    pub(crate) fn arrived(&self, arrival: Arrival) {
        self.arrivals[arrival as usize].fetch_add(1, Relaxed);
    }

    /// Everything, as it is now.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let mut requests =
            Figure::new("kew_requests", "Requests by operation and by what became of them", Sort::Counter);
        for (place, operation) in operations() {
            for (outcome, count) in Outcome::NAMES.iter().zip(&self.requests[place]) {
                let labels = [("operation", operation), ("outcome", *outcome)];
                requests = requests.with(labels, number(count.load(Relaxed)));
            }
        }
        let mut durations = Figure::new(
            "kew_request_duration_seconds",
            "Time from a request's head to its answer, without pulls that waited for messages",
            Sort::Histogram,
        );
        for (kind, histogram) in KINDS.iter().zip(&self.nanoseconds) {
            durations = durations.with([("kind", *kind)], Reading::Spread(histogram.spread(1e9)));
        }
        let messages = "Messages by what requests did with them";
        let arrivals = "Connections by what became of them as they came";
        vec![
            requests,
            durations,
            counts("kew_messages_handled", messages, "what", &Happening::NAMES, &self.messages),
            counts("kew_connections_arrived", arrivals, "outcome", &Arrival::NAMES, &self.arrivals),
        ]
    }
}

fn counts(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    names: &[&str],
    counts: &[AtomicU64],
) -> Figure {
    let figure = Figure::new(name, help, Sort::Counter);
    let samples = names.iter().zip(counts);
    samples.fold(figure, |figure, (name, count)| figure.with([(label, *name)], number(count.load(Relaxed))))
}

/// Each operation of the table, once, with its place and its id; and what stands for none.
fn operations() -> impl Iterator<Item = (usize, &'static str)> {
    let is_first = |index: usize| {
        let operation = ROUTES[index].operation;
        ROUTES[..index].iter().all(|route| route.operation != operation)
    };
    let firsts = (0..ROUTES.len()).filter(move |index| is_first(*index)).map(|index| ROUTES[index].operation);
    firsts.map(|operation| (operation as usize, operation.id())).chain([NO_OPERATION])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_place_of_its_own() {
        let mut places: Vec<_> = operations().map(|(place, _)| place).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), operations().count());
        assert!(places.iter().all(|place| *place < OPERATIONS_MAX));
    }
}
