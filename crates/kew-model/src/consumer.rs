//! Consumers: how a queue's messages are delivered.

use crate::id::{ConsumerId, QueueId};
use crate::limits::Limits;
use crate::queue::QueueName;
use crate::time::{Milliseconds, Seconds, Timestamp};

/// The one consumer of a queue (spec §2.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Its id.
    pub id: ConsumerId,
    /// When it was created.
    pub created_on: Timestamp,
    /// How it takes messages.
    pub kind: ConsumerKind,
    /// Where messages go whose last attempt failed; gone when `None`.
    pub dead_letter_queue: Option<DeadLetterLink>,
}

/// How a consumer takes messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsumerKind {
    /// Anybody with a token pulls over HTTP.
    HttpPull(PullSettings),
    /// A Worker is called with batches; kept and shown as configured.
    Worker(WorkerSettings),
}

/// Settings of a pull consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullSettings {
    /// How many messages a pull returns that does not say, 1–100.
    pub batch_size: u16,
    /// How often a message is tried again after its first attempt, 0–100.
    pub max_retries: u16,
    /// How long a failed message waits that does not say, 0–86,400 s.
    pub retry_delay: Seconds,
    /// How long leases last of a pull that does not say, 0–43,200,000 ms.
    pub visibility_timeout: Milliseconds,
}

impl Default for PullSettings {
    fn default() -> Self {
        Self {
            batch_size: Limits::PULL_BATCH_DEFAULT,
            max_retries: Limits::RETRIES_DEFAULT,
            retry_delay: Seconds(0),
            visibility_timeout: Milliseconds(Limits::VISIBILITY_TIMEOUT_MS_DEFAULT),
        }
    }
}

/// Settings of a Worker consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSettings {
    /// The Worker's name.
    pub script_name: String,
    /// Its environment; usually empty.
    pub environment_name: String,
    /// Messages in a batch, 1–100.
    pub batch_size: u16,
    /// Concurrent invocations, 1–250; automatic when `None`.
    pub max_concurrency: Option<u16>,
    /// As [`PullSettings::max_retries`].
    pub max_retries: u16,
    /// How long a batch may wait to fill, 0–60,000 ms.
    pub max_wait: Milliseconds,
    /// As [`PullSettings::retry_delay`].
    pub retry_delay: Seconds,
}

/// A consumer's dead-letter queue, by id and name: a rename keeps the link, and a deleted target is made anew under
/// its name by the next dead letter (design §8.15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterLink {
    /// The queue's id when the link was made.
    pub queue: QueueId,
    /// The queue's name; follows renames.
    pub name: QueueName,
}

/// A consumer to attach or to replace by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConsumer {
    /// How it takes messages.
    pub kind: ConsumerKind,
    /// The name of its dead-letter queue, which is created when absent.
    pub dead_letter_queue: Option<QueueName>,
}

impl ConsumerKind {
    /// How often a message is tried again after its first attempt.
    pub fn max_retries(&self) -> u16 {
        match self {
            Self::HttpPull(settings) => settings.max_retries,
            Self::Worker(settings) => settings.max_retries,
        }
    }

    /// How long a failed message waits that does not say.
    pub fn retry_delay(&self) -> Seconds {
        match self {
            Self::HttpPull(settings) => settings.retry_delay,
            Self::Worker(settings) => settings.retry_delay,
        }
    }
}
