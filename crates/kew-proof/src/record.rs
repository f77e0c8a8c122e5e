//! What clients did and saw, event by event.
//!
//! A record is kept apart from the judgement, so that a test can spoil one on purpose and see that it is noticed.

use core::time::Duration;

use kew_testkit::history::{Delivered, History, Learned, Span};

/// What the server's clock may differ by between two of its processes, beyond what the judge allows for one: each reads
/// the wall clock once, and counts whole milliseconds from there.
const RESTART_SLACK: Duration = Duration::from_millis(2);

/// One message of a pull's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The key in its body.
    pub key: String,
    /// Its id.
    pub id: String,
    /// The lease id.
    pub lease: String,
    /// The attempts it shows.
    pub attempts: u16,
}

/// One step of a client.
#[derive(Debug, Clone)]
pub enum Event {
    /// One message was pushed, alone or in a batch.
    Push {
        /// To which queue.
        queue: String,
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
        delivered: Vec<Message>,
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
        /// Of which queue's message.
        queue: String,
        /// Which.
        lease: String,
        /// When.
        span: Span,
        /// Whether it happened.
        learned: Learned,
    },
    /// A message was given back.
    Retry {
        /// Of which queue.
        queue: String,
        /// Its lease.
        lease: String,
        /// When.
        span: Span,
        /// Whether it happened.
        learned: Learned,
        /// With which delay.
        delay: Duration,
    },
    /// A lease was extended.
    Extend {
        /// Of which queue's message.
        queue: String,
        /// Which.
        lease: String,
        /// When.
        span: Span,
        /// Whether it happened.
        learned: Learned,
        /// How long it lasts from then on.
        visibility_timeout: Duration,
    },
    /// A push under an idempotency key was repeated, and answered.
    Repeat {
        /// The idempotency key: the first of its messages' keys.
        key: String,
        /// What was known of it before.
        before: Learned,
        /// Whether the answer says that it was carried out before.
        is_repeat: bool,
    },
    /// A queue was purged.
    Purge {
        /// Which.
        queue: String,
        /// When.
        span: Span,
        /// Whether it happened.
        learned: Learned,
    },
    /// Dead letters were sent back.
    Redrive {
        /// From which dead-letter queue.
        queue: String,
        /// When.
        span: Span,
        /// How many.
        moved: u64,
    },
}

impl Event {
    /// The queue that it is about; none for a repeated push, which changes no queue.
    fn queue(&self) -> Option<&str> {
        match self {
            Self::Push { queue, .. }
            | Self::Pull { queue, .. }
            | Self::LostPull { queue, .. }
            | Self::Ack { queue, .. }
            | Self::Retry { queue, .. }
            | Self::Extend { queue, .. }
            | Self::Purge { queue, .. }
            | Self::Redrive { queue, .. } => Some(queue),
            Self::Repeat { .. } => None,
        }
    }
}

/// Everything that the clients of one run did and saw, in no particular order.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The steps.
    pub events: Vec<Event>,
}

impl Record {
    /// What happened in some queues.
    pub fn of_queues(&self, queues: &[&str]) -> Self {
        let is_theirs = |event: &&Event| event.queue().is_some_and(|queue| queues.contains(&queue));
        Self { events: self.events.iter().filter(is_theirs).cloned().collect() }
    }

    /// Writes the record into a history that is to be judged. Queues whose messages are sent back from their dead-letter
    /// queue are not for it: it takes attempts that begin anew for attempts that were not counted.
    pub fn write_to(&self, history: &mut History) {
        for event in self.events.iter().cloned() {
            match event {
                Event::Push { queue, key, span, learned, delay } => {
                    history.push(&queue, &key, span, learned, delay.saturating_sub(RESTART_SLACK));
                }
                Event::Pull { queue, span, visibility_timeout, delivered } => {
                    let delivered = delivered.into_iter().map(|message| {
                        let Message { key, lease, attempts, .. } = message;
                        Delivered { key, lease, attempts }
                    });
                    let certain = visibility_timeout.saturating_sub(RESTART_SLACK);
                    history.pull(&queue, span, certain, delivered.collect());
                }
                Event::LostPull { queue, invoked } => history.lost_pull(&queue, invoked),
                Event::Ack { lease, span, learned, .. } => history.ack(&lease, span, learned),
                Event::Retry { lease, span, learned, delay, .. } => {
                    history.retry(&lease, span, learned, delay.saturating_sub(RESTART_SLACK));
                }
                Event::Purge { queue, span, learned } => history.purge(&queue, span, learned),
                Event::Extend { lease, span, learned, visibility_timeout, .. } => {
                    history.extend(&lease, span, learned, visibility_timeout.saturating_sub(RESTART_SLACK));
                }
                Event::Repeat { .. } | Event::Redrive { .. } => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kew_testkit::history::Rule;

    use super::*;

    /// A step that was sent and answered within a second.
    fn at(second: u64) -> Span {
        let invoked = Duration::from_secs(second);
        Span { invoked, answered: invoked + Duration::from_millis(500) }
    }

    fn push(second: u64) -> Event {
        let (queue, key) = ("queue".to_owned(), "key".to_owned());
        Event::Push { queue, key, span: at(second), learned: Learned::Ok, delay: Duration::ZERO }
    }

    fn pull(second: u64, attempts: u16) -> Event {
        let lease = format!("lease {attempts}");
        let message = Message { key: "key".to_owned(), id: "id".to_owned(), lease, attempts };
        Event::Pull {
            queue: "queue".to_owned(),
            span: at(second),
            visibility_timeout: Duration::from_secs(1),
            delivered: vec![message],
        }
    }

    fn extend(second: u64, learned: Learned) -> Event {
        Event::Extend {
            queue: "queue".to_owned(),
            lease: "lease 1".to_owned(),
            span: at(second),
            learned,
            visibility_timeout: Duration::from_secs(10),
        }
    }

    fn purge(second: u64, learned: Learned) -> Event {
        Event::Purge { queue: "queue".to_owned(), span: at(second), learned }
    }

    fn broken(events: Vec<Event>) -> Vec<Rule> {
        let mut history = History::new();
        Record { events }.write_to(&mut history);
        history.check().into_iter().map(|violation| violation.rule).collect()
    }

    #[test]
    fn a_delivery_under_an_extended_lease_is_noticed() {
        assert_eq!(broken(vec![push(0), pull(1, 1), pull(3, 2)]), [], "the lease was over");
        assert_eq!(broken(vec![push(0), pull(1, 1), extend(2, Learned::Failed), pull(3, 2)]), []);
        assert_eq!(broken(vec![push(0), pull(1, 1), extend(2, Learned::Unknown), pull(3, 2)]), []);
        assert_eq!(broken(vec![push(0), pull(1, 1), extend(2, Learned::Ok), pull(10, 2)]), [Rule::C4]);
        assert_eq!(broken(vec![push(0), pull(1, 1), extend(2, Learned::Ok), pull(12, 2)]), []);
    }

    #[test]
    fn a_delivery_after_a_purge_is_noticed() {
        assert_eq!(broken(vec![push(0), purge(2, Learned::Ok), pull(4, 1)]), [Rule::C7]);
        assert_eq!(broken(vec![push(0), purge(2, Learned::Unknown), pull(4, 1)]), []);
        assert_eq!(broken(vec![purge(0, Learned::Ok), push(2), pull(4, 1)]), []);
        assert_eq!(broken(vec![purge(0, Learned::Ok), push(2)]), [Rule::C1], "the purge came before");
    }
}
