//! The product's limits, each with its source. Numbers of the wire are checked against these before they become
//! domain values; they are never clamped.

use core::ops::RangeInclusive;

/// A number outside its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRange {
    /// The smallest allowed.
    pub min: u64,
    /// The largest allowed.
    pub max: u64,
}

/// The namespace of the product's limits (spec §4.12).
#[derive(Debug, Clone, Copy)]
pub struct Limits;

impl Limits {
    /// Metadata that each message counts for, in bytes (spec §3.1, design §8.23).
    pub const MESSAGE_OVERHEAD_BYTES: u32 = 100;
    /// The largest message with its overhead, in bytes (spec §4.12, error 10204).
    pub const MESSAGE_BYTES_MAX: u32 = 128_000;
    /// The largest body, in bytes.
    pub const BODY_BYTES_MAX: u32 = Self::MESSAGE_BYTES_MAX - Self::MESSAGE_OVERHEAD_BYTES;
    /// The most messages in a batch (spec §4.12, error 10206).
    pub const BATCH_MESSAGES_MAX: usize = 100;
    /// The largest batch with its overheads, in bytes (spec §10 C21, error 10205).
    pub const BATCH_BYTES_MAX: u64 = 256_000;
    /// Delays of messages, batches, queues and retries, in seconds (spec §10 C1, C20).
    pub const DELAY_SECONDS: RangeInclusive<u64> = 0..=86_400;
    /// How many messages a pull may ask for.
    pub const PULL_BATCH: RangeInclusive<u64> = 1..=100;
    /// How many a pull returns when neither it nor the consumer says (spec §10 C13).
    pub const PULL_BATCH_DEFAULT: u16 = 5;
    /// Visibility timeouts, in milliseconds: up to 12 hours (spec §2.9).
    pub const VISIBILITY_TIMEOUT_MS: RangeInclusive<u64> = 0..=43_200_000;
    /// The visibility timeout of a consumer that names none, in milliseconds.
    pub const VISIBILITY_TIMEOUT_MS_DEFAULT: u64 = 30_000;
    /// How often a message may be tried again after its first attempt (spec §2.9).
    pub const RETRIES: RangeInclusive<u64> = 0..=100;
    /// Retries of a consumer that names none.
    pub const RETRIES_DEFAULT: u16 = 3;
    /// Retention periods, in seconds: a minute to 14 days (spec §2.1).
    pub const RETENTION_SECONDS: RangeInclusive<u64> = 60..=1_209_600;
    /// The retention of a queue that names none, in seconds: four days.
    pub const RETENTION_SECONDS_DEFAULT: u32 = 345_600;
    /// Batch sizes of a consumer of either kind.
    pub const CONSUMER_BATCH: RangeInclusive<u64> = 1..=100;
    /// The batch size of a worker consumer that names none.
    pub const WORKER_BATCH_DEFAULT: u16 = 10;
    /// How long a worker's batch may wait to fill, in milliseconds.
    pub const WORKER_WAIT_MS: RangeInclusive<u64> = 0..=60_000;
    /// The wait of a worker consumer that names none, in milliseconds.
    pub const WORKER_WAIT_MS_DEFAULT: u64 = 5_000;
    /// Concurrent invocations of a worker consumer.
    pub const WORKER_CONCURRENCY: RangeInclusive<u64> = 1..=250;
    /// Entries in one settlement, acks and retries together (spec §2.11 row 18).
    pub const SETTLE_ENTRIES_MAX: usize = 1_000;
    /// Queues of one account.
    pub const QUEUES_MAX: usize = 10_000;
    /// Tokens of one account (store-study §7.3).
    pub const TOKENS_MAX: usize = 10_000;
    /// The longest queue name, in characters.
    pub const QUEUE_NAME_MAX: usize = 63;
    /// The most body bytes in one pull's answer, in bytes; at least one message is returned (design §8.23). Text counts as
    /// it is, everything else in base64. What stands around the bodies does not count, nor what JSON adds to text: a
    /// character that must be escaped takes up to six bytes on the wire.
    pub const PULL_ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

    /// How long an idempotency key is remembered, in seconds (design §8.24).
    pub const IDEMPOTENCY_SECONDS: u32 = 900;
    /// How many idempotency keys a queue remembers at the most, the newest (design §8.24). A broker may bound those of all
    /// queues together, too.
    pub const IDEMPOTENCY_KEYS_MAX: usize = 1_000_000;
    /// The most messages that one step of a redrive moves.
    pub const REDRIVE_BATCH_MAX: u16 = 100;
    /// Event subscriptions of one account.
    pub const SUBSCRIPTIONS_MAX: usize = 10_000;
    /// How long a pull may wait for messages, in milliseconds.
    pub const PULL_WAIT_MS: RangeInclusive<u64> = 0..=60_000;

    /// Gives the value back if it lies in the range.
    ///
    /// # Errors
    /// [`OutOfRange`] with the range's ends.
    pub fn check(value: u64, range: RangeInclusive<u64>) -> Result<u64, OutOfRange> {
        if range.contains(&value) {
            Ok(value)
        } else {
            Err(OutOfRange { min: *range.start(), max: *range.end() })
        }
    }
}
