//! What can go wrong, as kinds. No HTTP here: `kew-wire` maps each kind to one line of the wire's table.

use crate::limits::Limits;
use crate::queue::QueueName;

/// The setting that a value was refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// A queue's setting.
    Queue(&'static str),
    /// A consumer's setting.
    Consumer(&'static str),
}

/// Why a verb was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such account.
    #[error("account not found")]
    AccountNotFound,
    /// No such queue in the account.
    #[error("queue not found")]
    QueueNotFound,
    /// No such consumer on the queue.
    #[error("consumer not found")]
    ConsumerNotFound,
    /// No such token in the account.
    #[error("token not found")]
    TokenNotFound,
    /// No such event subscription in the account.
    #[error("subscription not found")]
    SubscriptionNotFound,
    /// Another subscription of the account listens to the same resource.
    #[error("a subscription to this resource exists")]
    SubscriptionExists,
    /// The queue that messages or events should go to does not exist in the account.
    #[error("the destination queue does not exist")]
    DestinationNotFound,
    /// A redrive into the queue that it takes from.
    #[error("a queue cannot be redriven into itself")]
    RedriveCycle,
    /// The idempotency key was used within its time for another content. Nothing happened.
    #[error("the idempotency key was used for another request")]
    IdempotencyMismatch,
    /// An account, queue or token with this id exists.
    #[error("the id is taken")]
    IdTaken,
    /// The name breaks the rule for queue names.
    #[error("queue name {name:?} must match ^[a-z0-9]([a-z0-9-]{{0,61}}[a-z0-9])?$")]
    NameInvalid {
        /// The name, cut after 100 characters.
        name: String,
    },
    /// Another queue of the account has the name.
    #[error("a queue named {name} exists")]
    NameTaken {
        /// The name.
        name: QueueName,
    },
    /// The queue has its one consumer.
    #[error("the queue has a consumer already")]
    ConsumerExists,
    /// A queue cannot be its own dead-letter queue.
    #[error("a queue cannot be its own dead-letter queue")]
    DeadLetterCycle,
    /// A value out of its range.
    #[error("{setting:?} must be {min} to {max}, not {value}")]
    SettingOutOfRange {
        /// Which one.
        setting: Setting,
        /// The value given.
        value: u64,
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// The account holds as many as it may.
    #[error("the account holds {limit} {what} already, the most allowed")]
    TooMany {
        /// Of what: "queues", "tokens", "accounts".
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A body over the limit.
    #[error("message {index} has {size} body bytes, more than {}", Limits::BODY_BYTES_MAX)]
    MessageTooLarge {
        /// Its place in the batch, from 0.
        index: usize,
        /// The size of its body in bytes.
        size: u64,
    },
    /// A batch over the limit.
    #[error("the batch counts for {size} bytes, more than {}", Limits::BATCH_BYTES_MAX)]
    BatchTooLarge {
        /// Its size in bytes, overheads included.
        size: u64,
    },
    /// A batch with no message, or with too many.
    #[error("a batch holds 1 to {} messages, not {count}", Limits::BATCH_MESSAGES_MAX)]
    BatchCount {
        /// How many it has.
        count: usize,
    },
    /// The queue has no pull consumer.
    #[error("messages cannot be pulled unless http_pull mode is enabled")]
    PullNotEnabled,
    /// The queue's delivery is paused.
    #[error("queue_delivery_paused")]
    QueuePaused,
    /// Too much is waiting inside the server. Nothing happened; try again later.
    #[error("the server has too many requests waiting")]
    Overloaded,
    /// The disk is nearly full: pushes are refused, pulls and acks go on.
    #[error("the disk is nearly full: {free_bytes} bytes are free, pushes need {needed_bytes}")]
    StorageFull {
        /// What is free, in bytes.
        free_bytes: u64,
        /// What must be free for a push, in bytes.
        needed_bytes: u64,
    },
    /// The broker is closing. Nothing happened.
    #[error("the server is shutting down")]
    Closing,
    /// The store failed while the request was on its way to disk: it may have happened or not.
    #[error("the store failed and the outcome of this request is unknown: {cause}")]
    OutcomeUnknown {
        /// What failed, for the log.
        cause: String,
    },
    /// Something inside went wrong that has no name of its own. Nothing happened.
    #[error("internal error: {cause}")]
    Internal {
        /// What, for the log.
        cause: String,
    },
}

impl Error {
    /// Whether the verb certainly changed nothing.
    pub fn had_no_effect(&self) -> bool {
        !matches!(self, Self::OutcomeUnknown { .. })
    }
}
