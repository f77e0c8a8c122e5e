//! The external checker: was what clients saw the life of a durable queue?
//!
//! A test that drives a server from outside writes down every request with the time it was sent and the time its answer
//! came, and what it learned: that it happened, that it did not, or nothing. [`History::check`] then judges the whole
//! by the rules C1–C8 and C10 of store-study §6.5. Messages are independent of each other, so no search for an order is
//! needed: each is judged by itself, in about linear time.
//!
//! Messages are known by a key that the test puts into the body, a new one for each push, also for a push that it
//! repeats. Times are lengths since the start of the test by one monotonic clock. Queues form no dead-letter cycles.

mod check;

use core::fmt;
use core::time::Duration;
use std::collections::HashMap;

/// When a request was sent and when its answer (or the failure to get one) came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Before the request was sent.
    pub invoked: Duration,
    /// After the answer was read.
    pub answered: Duration,
}

/// What the client learned of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// It happened.
    Ok,
    /// It certainly did not happen, or changed nothing: refused, or answered with a warning.
    Failed,
    /// It may have happened, at any time after it was sent: no answer, or one that says so.
    Unknown,
}

/// A rule of store-study §6.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Every answered push is delivered, or still in the queue at the end.
    C1,
    /// Nothing is delivered that was not pushed, or before it was.
    C2,
    /// After an answered ack no pull that started later returns the message.
    C3,
    /// No delivery during another one's lease, unless a retry was sent for that.
    C4,
    /// Attempts are counted 1, 2, 3 …, and a message is dead-lettered just after its last.
    C5,
    /// No delivery before the delay of the push or of the retry is over.
    C6,
    /// No delivery after a purge.
    C7,
    /// A second delivery is counted as one.
    C8,
    /// No lease id is issued twice.
    C10,
    /// The history itself is no record of a test: a key pushed twice, or a lease settled that nobody got.
    Record,
}

/// A rule that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// The message, and what happened to it.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.text)
    }
}

/// How a queue of the test delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRules {
    /// Its consumer's `max_retries`.
    pub max_retries: u16,
    /// The queue that gets what exhausts its retries.
    pub dead_letter_queue: Option<String>,
}

/// One message of a pull's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The key in its body.
    pub key: String,
    /// The lease id.
    pub lease: String,
    /// The attempts it shows.
    pub attempts: u16,
}

#[derive(Debug)]
struct Push {
    queue: String,
    span: Span,
    learned: Learned,
    delay: Duration,
}

#[derive(Debug)]
struct Delivery {
    key: String,
    queue: String,
    lease: String,
    span: Span,
    attempts: u16,
    visibility_timeout: Duration,
}

#[derive(Debug)]
struct Settled {
    span: Span,
    learned: Learned,
    /// Of a retry; an ack has none.
    delay: Duration,
}

/// Everything that the clients of one test did and saw.
#[derive(Debug, Default)]
pub struct History {
    queues: HashMap<String, QueueRules>,
    pushes: HashMap<String, Push>,
    deliveries: Vec<Delivery>,
    /// When pulls were sent whose answer never came, by queue and in order: each may have leased anything.
    lost_pulls: HashMap<String, Vec<Duration>>,
    acks: HashMap<String, Vec<Settled>>,
    retries: HashMap<String, Vec<Settled>>,
    /// Until when leases last at least that were extended.
    extended: HashMap<String, Duration>,
    purges: HashMap<String, Vec<(Span, Learned)>>,
    left_at_end: u64,
    clock_slack: Duration,
    malformed: Vec<String>,
}

impl History {
    /// An empty history of a server whose clock counts in milliseconds, so that the client's may differ by two.
    pub fn new() -> Self {
        Self { clock_slack: Duration::from_millis(2), ..Self::default() }
    }

    /// Says how a queue delivers. A queue that is not described is not judged for exhaustion.
    pub fn describe_queue(&mut self, queue: &str, rules: QueueRules) {
        self.queues.insert(queue.to_owned(), rules);
    }

    /// A push of one message, alone or in a batch. `delay` is the one that it was pushed with.
    pub fn push(&mut self, queue: &str, key: &str, span: Span, learned: Learned, delay: Duration) {
        let push = Push { queue: queue.to_owned(), span, learned, delay };
        if self.pushes.insert(key.to_owned(), push).is_some() {
            self.malformed.push(format!("the key {key} was pushed twice"));
        }
    }

    /// An answered pull with what it returned.
    pub fn pull(&mut self, queue: &str, span: Span, visibility_timeout: Duration, delivered: Vec<Delivered>) {
        self.deliveries.extend(delivered.into_iter().map(|one| Delivery {
            key: one.key,
            queue: queue.to_owned(),
            lease: one.lease,
            span,
            attempts: one.attempts,
            visibility_timeout,
        }));
    }

    /// A pull without an answer: it may have leased messages that nobody saw.
    pub fn lost_pull(&mut self, queue: &str, invoked: Duration) {
        let sent = self.lost_pulls.entry(queue.to_owned()).or_default();
        sent.insert(sent.partition_point(|earlier| *earlier <= invoked), invoked);
    }

    /// An ack. One that was answered with a warning changed nothing, so it is [`Learned::Failed`].
    pub fn ack(&mut self, lease: &str, span: Span, learned: Learned) {
        let settled = Settled { span, learned, delay: Duration::ZERO };
        self.acks.entry(lease.to_owned()).or_default().push(settled);
    }

    /// A retry with the delay that it asked for, or the consumer's. Not counted is [`Learned::Failed`].
    pub fn retry(&mut self, lease: &str, span: Span, learned: Learned, delay: Duration) {
        self.retries.entry(lease.to_owned()).or_default().push(Settled { span, learned, delay });
    }

    /// An extension of a lease, which lasts for `visibility_timeout` from then on. Extensions must prolong: none may end
    /// a lease earlier than it would have ended.
    pub fn extend(&mut self, lease: &str, span: Span, learned: Learned, visibility_timeout: Duration) {
        if learned == Learned::Ok {
            let end = self.extended.entry(lease.to_owned()).or_default();
            *end = (*end).max(span.invoked + visibility_timeout);
        }
    }

    /// A purge of a whole queue.
    pub fn purge(&mut self, queue: &str, span: Span, learned: Learned) {
        self.purges.entry(queue.to_owned()).or_default().push((span, learned));
    }

    /// How many messages the queues still count when the test ends; 0 after a full drain.
    pub fn left_at_end(&mut self, messages: u64) {
        self.left_at_end = messages;
    }

    /// How many deliveries were seen.
    pub fn deliveries(&self) -> usize {
        self.deliveries.len()
    }
}
