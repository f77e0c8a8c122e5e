//! What clients did and saw, event by event.
//!
//! A record is kept apart from the judgement, so that a test can spoil one on purpose and see that it is noticed.

use core::time::Duration;

use kew_testkit::history::{Delivered, History, Learned, Span};

/// What the server's clock may differ by between two of its processes, beyond what the judge allows for one: each reads
/// the wall clock once, and counts whole milliseconds from there.
const RESTART_SLACK: Duration = Duration::from_millis(2);

/// One step of a client.
#[derive(Debug, Clone)]
pub enum Event {
    /// One message was pushed, alone or in a batch.
    Push {
        /// Its key.
        key: String,
        /// When.
        span: Span,
        /// Whether it happened.
        learned: Learned,
        /// With which delay.
        delay: Duration,
    },
    /// A pull brought messages.
    Pull {
        /// From which queue.
        queue: String,
        /// When.
        span: Span,
        /// How long their leases last.
        visibility_timeout: Duration,
        /// The messages.
        delivered: Vec<Delivered>,
    },
    /// A pull was not answered.
    LostPull {
        /// From which queue.
        queue: String,
        /// When it was sent.
        invoked: Duration,
    },
    /// A lease was acked.
    Ack {
        /// Which.
        lease: String,
        /// When.
        span: Span,
        /// Whether it happened.
        learned: Learned,
    },
    /// A message was given back.
    Retry {
        /// Its lease.
        lease: String,
        /// When.
        span: Span,
        /// Whether it happened.
        learned: Learned,
        /// With which delay.
        delay: Duration,
    },
}

/// Everything that the clients of one run did and saw, in no particular order.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The steps.
    pub events: Vec<Event>,
}

impl Record {
    /// Writes the record into a history that is to be judged. `work` is the queue that is pushed to.
    pub fn write_to(&self, history: &mut History, work: &str) {
        for event in self.events.iter().cloned() {
            match event {
                Event::Push { key, span, learned, delay } => {
                    history.push(work, &key, span, learned, delay.saturating_sub(RESTART_SLACK));
                }
                Event::Pull { queue, span, visibility_timeout, delivered } => {
                    let certain = visibility_timeout.saturating_sub(RESTART_SLACK);
                    history.pull(&queue, span, certain, delivered);
                }
                Event::LostPull { queue, invoked } => history.lost_pull(&queue, invoked),
                Event::Ack { lease, span, learned } => history.ack(&lease, span, learned),
                Event::Retry { lease, span, learned, delay } => {
                    history.retry(&lease, span, learned, delay.saturating_sub(RESTART_SLACK));
                }
            }
        }
    }
}
