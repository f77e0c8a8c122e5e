//! The nouns of Kew and the seam between HTTP and storage. No files, no sockets, no JSON, no clock of its own.
//!
//! The glossary, in reading order:
//!
//! * an [`Account`] owns queues and [`Token`]s;
//! * a [`Queue`] holds messages and has at most one [`Consumer`], which says how they are delivered;
//! * a **message** is pushed once ([`PushBatch`]) and delivered until somebody acknowledges it ([`Delivery`]);
//! * a pull gives each message it returns a **lease** ([`Lease`]) for the length of the **visibility timeout**;
//!   each delivery is an **attempt**;
//! * the holder settles the lease ([`Settlement`]) by an **ack** (the message is done) or a **retry** (give it back);
//!   a lease that ends unsettled gives it back, too;
//! * a message whose last allowed attempt fails goes to the **dead-letter queue** or is gone;
//! * the **backlog** ([`Backlog`]) is everything not yet acknowledged: ready, delayed and leased.
//!
//! [`Broker`] is the seam: everything above it speaks HTTP and knows no files, everything below it keeps messages
//! and knows no HTTP. Time enters through [`Clock`] and randomness through [`Chance`]; nothing else in the product
//! may ask for either.
//!
//! ```
//! use kew_model::{ContentType, PushBatch};
//!
//! let mut batch = PushBatch::new();
//! batch.add(b"hello", ContentType::Text, None).unwrap();
//! assert_eq!(batch.len(), 1);
//! ```

mod access;
mod backlog;
mod backup;
mod broker;
mod chance;
mod clock;
mod consumer;
mod error;
pub mod figures;
mod id;
mod lease;
mod limits;
mod message;
mod peek;
mod pull;
mod push;
mod queue;
mod redrive;
mod settle;
mod subscription;
mod time;

pub use access::{Account, NewToken, QueuePattern, Scope, ScopeSet, SecretHash, Token};
pub use backlog::Backlog;
pub use backup::{Backup, BackupRefusal, BackupState, Backups};
pub use broker::{Answer, Broker, Change, Place, Wake};
pub use chance::Chance;
pub use clock::Clock;
pub use consumer::{Consumer, ConsumerKind, DeadLetterLink, NewConsumer, PullSettings, WorkerSettings};
pub use error::{Error, Setting};
pub use id::{AccountId, ConsumerId, MessageId, NotHex, QueueId, SubscriptionId, TokenId};
pub use lease::{Lease, QueueNumber, Sequence};
pub use limits::{Limits, OutOfRange};
pub use message::{ContentType, Delivery};
pub use peek::{Glimpse, Peek, Peeked};
pub use pull::{Pull, Pulled};
pub use push::{Idempotency, NewMessage, PushBatch, Pushed};
pub use queue::{Jurisdiction, NewQueue, Purge, Queue, QueueChange, QueueName, QueueSettings};
pub use redrive::{Destination, Redrive, Redriven};
pub use settle::{AckOutcome, Extend, ExtendOutcome, Extended, Retry, RetryOutcome, Settled, Settlement};
pub use subscription::{EventSource, NewSubscription, Subscription, SubscriptionChange};
pub use time::{Milliseconds, Seconds, Timestamp};
