//! The seam: what every engine that keeps queues can do.
//!
//! ```text
//!   push, delay > 0 ──▶ DELAYED ──(delay over)──▶ READY ◀── push, no delay
//!                          ▲                        │ pull: attempts + 1
//!            retry, delay  │                        ▼
//!            or lease over └──────────────────── LEASED ──ack──▶ gone
//!                                                   │ last allowed attempt failed
//!                                                   └──▶ dead-letter queue, or gone
//! ```
//!
//! The contract, which the shared suite (`kew-testkit`) puts to every engine:
//!
//! * B1. Each verb is one atomic step: all of it happens, or nothing.
//! * B2. An answer is given only when everything it shows or changed is durable, also when it changed nothing.
//! * B3. A leased message is delivered to nobody else before its lease ends, also across a restart.
//! * B4. After an answered ack no pull that starts later returns the message.
//! * B5. Pull order is (available at, sequence) over all available messages of the queue.
//! * B6. A message is delivered at most `max_retries + 1` times; exhaustion is judged when the last of them fails.
//! * B7. After [`Error::OutcomeUnknown`] the verb may have happened or not; every other error means it has not.
//! * B8. A message whose retention period is over is in no answer: it is gone, in whatever state it was, and nobody's
//!   dead letter. The period counts from its arrival in the queue, by the setting of the moment; messages of a queue go
//!   in the order of their sequences.

use core::future::Future;
use core::pin::Pin;
use std::sync::Arc;

use crate::access::{Account, NewToken, Token};
use crate::backlog::Backlog;
use crate::consumer::{Consumer, NewConsumer};
use crate::error::Error;
use crate::figures::Figure;
use crate::id::{AccountId, ConsumerId, QueueId, SubscriptionId, TokenId};
use crate::lease::{QueueNumber, Sequence};
use crate::peek::{Peek, Peeked};
use crate::pull::{Pull, Pulled};
use crate::push::{PushBatch, Pushed};
use crate::queue::{NewQueue, Queue, QueueChange};
use crate::redrive::{Redrive, Redriven};
use crate::settle::{Extend, Extended, Settled, Settlement};
use crate::subscription::{NewSubscription, Subscription, SubscriptionChange};

/// What a verb answers with, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Something to call when there is news; must return quickly and may be called from any thread.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A queue by the names that every request gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The account.
    pub account: AccountId,
    /// The queue.
    pub queue: QueueId,
}

/// A promise that is kept when something may have become available in a queue.
pub type Change = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An engine that keeps queues. See the module for the contract.
///
/// The catalog's reading half (`account`, `token`, `queue`, …) answers at once from memory and shows only what is
/// durable: a change is visible there before its own answer is given.
pub trait Broker: Send + Sync + 'static {
    /// Creates an account, with a certain id if one is given.
    /// Errors: [`Error::IdTaken`].
    fn create_account(&self, id: Option<AccountId>, name: String) -> Answer<'_, Arc<Account>>;

    /// All accounts, in the order of their creation.
    fn accounts(&self) -> Vec<Arc<Account>>;

    /// One account.
    fn account(&self, id: AccountId) -> Option<Arc<Account>>;

    /// Creates a token. Errors: [`Error::AccountNotFound`], [`Error::IdTaken`], [`Error::TooMany`].
    fn create_token(&self, account: AccountId, token: NewToken) -> Answer<'_, Arc<Token>>;

    /// The tokens of an account, in the order of their creation.
    fn tokens(&self, account: AccountId) -> Vec<Arc<Token>>;

    /// One token, whosever it is. Expired ones are found, revoked ones are not.
    fn token(&self, id: TokenId) -> Option<Arc<Token>>;

    /// Every token that carries this e-mail address (compared in lower case), for the legacy pair.
    fn tokens_by_email(&self, email: &str) -> Vec<Arc<Token>>;

    /// Revokes a token: from its answer on the token opens nothing. Errors: [`Error::TokenNotFound`].
    fn revoke_token(&self, account: AccountId, token: TokenId) -> Answer<'_, ()>;

    /// Creates a queue. Errors: [`Error::AccountNotFound`], [`Error::NameTaken`], [`Error::IdTaken`], [`Error::TooMany`].
    fn create_queue(&self, account: AccountId, queue: NewQueue) -> Answer<'_, Arc<Queue>>;

    /// The queues of an account, in the order of their creation.
    fn queues(&self, account: AccountId) -> Vec<Arc<Queue>>;

    /// One queue.
    fn queue(&self, place: Place) -> Option<Arc<Queue>>;

    /// One queue of an account by its name.
    fn queue_named(&self, account: AccountId, name: &str) -> Option<Arc<Queue>>;

    /// One queue of an account by its number.
    fn queue_numbered(&self, account: AccountId, number: QueueNumber) -> Option<Arc<Queue>> {
        self.queues(account).into_iter().find(|queue| queue.number == number)
    }

    /// Changes name or settings. Errors: [`Error::QueueNotFound`], [`Error::NameTaken`], [`Error::DeadLetterCycle`] for the
    /// name of its own dead-letter queue, deleted since.
    fn update_queue(&self, place: Place, change: QueueChange) -> Answer<'_, Arc<Queue>>;

    /// Deletes a queue with its consumer and messages. Errors: [`Error::QueueNotFound`].
    fn delete_queue(&self, place: Place) -> Answer<'_, ()>;

    /// Attaches the queue's consumer, creating its dead-letter queue when absent (spec §2.10).
    /// Errors: [`Error::QueueNotFound`], [`Error::ConsumerExists`], [`Error::DeadLetterCycle`], [`Error::TooMany`].
    fn create_consumer(&self, place: Place, consumer: NewConsumer) -> Answer<'_, Arc<Consumer>>;

    /// Replaces the queue's consumer, keeping id and creation time; creates it under the id when there is none
    /// (spec §2.10). Errors: as [`Broker::create_consumer`], which a consumer with another id gives, too.
    fn replace_consumer(
        &self,
        place: Place,
        id: ConsumerId,
        consumer: NewConsumer,
    ) -> Answer<'_, Arc<Consumer>>;

    /// Detaches the consumer. Leases stay ackable; messages and attempts stay (spec §4.6).
    /// Errors: [`Error::QueueNotFound`], [`Error::ConsumerNotFound`].
    fn delete_consumer(&self, place: Place, id: ConsumerId) -> Answer<'_, ()>;

    /// Creates an event subscription. Errors: [`Error::AccountNotFound`], [`Error::DestinationNotFound`],
    /// [`Error::SubscriptionExists`], [`Error::TooMany`].
    fn create_subscription(
        &self,
        account: AccountId,
        subscription: NewSubscription,
    ) -> Answer<'_, Arc<Subscription>>;

    /// The event subscriptions of an account, in the order of their creation. Those of a deleted queue are gone with it.
    fn subscriptions(&self, account: AccountId) -> Vec<Arc<Subscription>>;

    /// One event subscription of an account.
    fn subscription(&self, account: AccountId, id: SubscriptionId) -> Option<Arc<Subscription>>;

    /// Changes an event subscription. Errors: [`Error::SubscriptionNotFound`], [`Error::DestinationNotFound`].
    fn update_subscription(
        &self,
        account: AccountId,
        id: SubscriptionId,
        change: SubscriptionChange,
    ) -> Answer<'_, Arc<Subscription>>;

    /// Deletes an event subscription, and shows it a last time. Errors: [`Error::SubscriptionNotFound`].
    fn delete_subscription(&self, account: AccountId, id: SubscriptionId) -> Answer<'_, Arc<Subscription>>;

    /// Publishes a batch, all or nothing; or nothing more, when its idempotency key was used for it already.
    /// Errors: [`Error::QueueNotFound`], those of [`PushBatch::check`], [`Error::StorageFull`], [`Error::Overloaded`],
    /// [`Error::IdempotencyMismatch`].
    fn push(&self, place: Place, batch: PushBatch) -> Answer<'_, Pushed>;

    /// Leases available messages, at once; never waits for some.
    /// Errors: [`Error::QueueNotFound`], [`Error::PullNotEnabled`], [`Error::QueuePaused`].
    fn pull(&self, place: Place, pull: Pull) -> Answer<'_, Pulled>;

    /// Ends leases (spec §4.5). Errors: [`Error::QueueNotFound`].
    fn settle(&self, place: Place, settlement: Settlement) -> Answer<'_, Settled>;

    /// Prolongs leases. Errors: [`Error::QueueNotFound`].
    fn extend(&self, place: Place, extend: Extend) -> Answer<'_, Extended>;

    /// Shows messages that a pull could take, without taking them; also of a queue that is paused or has no consumer.
    /// Errors: [`Error::QueueNotFound`].
    fn peek(&self, place: Place, peek: Peek) -> Answer<'_, Peeked>;

    /// Moves messages out of a dead-letter queue, as one step. Errors: [`Error::QueueNotFound`],
    /// [`Error::DestinationNotFound`], [`Error::RedriveCycle`], [`Error::StorageFull`].
    fn redrive(&self, place: Place, redrive: Redrive) -> Answer<'_, Redriven>;

    /// Deletes messages by their sequence, leased or not, without counting a delivery; tells of each whether it was
    /// there. Errors: [`Error::QueueNotFound`].
    fn discard(&self, place: Place, messages: Vec<Sequence>) -> Answer<'_, Vec<bool>>;

    /// Deletes everything in the queue, leased and delayed messages included (spec §4.9).
    /// Errors: [`Error::QueueNotFound`].
    fn purge(&self, place: Place) -> Answer<'_, Arc<Queue>>;

    /// The queue's backlog. Errors: [`Error::QueueNotFound`].
    fn backlog(&self, place: Place) -> Answer<'_, Backlog>;

    /// A promise kept as soon as something may have become available in the queue after this call: by a push, a retry,
    /// a delay that ended, a lease that expired, or a change of settings. It may be kept without need, never forgotten.
    fn changed(&self, place: Place) -> Change;

    /// Does now what is due (leases that expired, dead letters, retention periods) without waiting for a verb or the broker's own timer.
    fn housekeep(&self) -> Answer<'_, ()>;

    /// What the engine tells of itself: how long it takes, how full it is. May wait for a disk, so it is not asked where
    /// others would wait, too. An engine that has nothing to tell need not.
    fn figures(&self) -> Vec<Figure> {
        Vec::new()
    }

    /// Finishes what has been decided and makes it durable; whatever still waits for the disk, and what comes after, is
    /// refused with [`Error::Closing`] and has not happened.
    fn close(&self) -> Answer<'_, ()>;
}
