//! A broker that fails as a test wants: at push it does what it is told, and else it is the oracle. It counts its pulls and
//! those who listen for news.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use kew_model::{
    Account, AccountId, Answer, Backlog, Broker, Change, Consumer, ConsumerId, Error, Extend, Extended,
    NewConsumer, NewQueue, NewSubscription, NewToken, Peek, Peeked, Place, Pull, Pulled, PushBatch, Pushed,
    Queue, QueueChange, QueueNumber, Redrive, Redriven, Sequence, Settled, Settlement, Subscription,
    SubscriptionChange, SubscriptionId, Token, TokenId,
};
use kew_testkit::Oracle;
use tokio::sync::Notify;

/// What the next pushes do.
#[derive(Clone)]
pub(crate) enum Push {
    /// What they are asked.
    Through,
    /// Fail so.
    Fail(Error),
    /// Panic.
    Panic,
    /// Tell by the first that they have begun, and go on when the second is told.
    Wait(Arc<Notify>, Arc<Notify>),
}

pub(crate) struct Faulty {
    pub(crate) inner: Arc<Oracle>,
    pub(crate) push: Mutex<Push>,
    /// How many pulls were answered.
    pub(crate) pulls: AtomicU64,
    /// How many promises of news somebody holds: one less than the references to this.
    listeners: Arc<()>,
}

impl Faulty {
    pub(crate) fn new(inner: Arc<Oracle>, push: Push) -> Self {
        Self { inner, push: Mutex::new(push), pulls: AtomicU64::new(0), listeners: Arc::new(()) }
    }
}

impl Faulty {
    /// How many listen for news.
    pub(crate) fn listeners(&self) -> usize {
        Arc::strong_count(&self.listeners) - 1
    }
}

/// Hands verbs on to the oracle.
macro_rules! hand_on {
    ($(fn $verb:ident($($name:ident: $kind:ty),*) -> $answer:ty;)+) => {
        $(fn $verb(&self, $($name: $kind),*) -> $answer {
            self.inner.$verb($($name),*)
        })+
    };
}

impl Broker for Faulty {
    fn push(&self, place: Place, batch: PushBatch) -> Answer<'_, Pushed> {
        let push = self.push.lock().unwrap().clone();
        Box::pin(async move {
            match push {
                Push::Through => self.inner.push(place, batch).await,
                Push::Fail(error) => Err(error),
                Push::Panic => panic!("told to panic"),
                Push::Wait(begun, go) => {
                    begun.notify_one();
                    go.notified().await;
                    self.inner.push(place, batch).await
                }
            }
        })
    }

    fn changed(&self, place: Place) -> Change {
        let (change, listener) = (self.inner.changed(place), self.listeners.clone());
        Box::pin(async move {
            change.await;
            drop(listener);
        })
    }

    fn pull(&self, place: Place, pull: Pull) -> Answer<'_, Pulled> {
        Box::pin(async move {
            let pulled = self.inner.pull(place, pull).await;
            self.pulls.fetch_add(1, Ordering::SeqCst);
            pulled
        })
    }

    hand_on! {
        fn create_account(id: Option<AccountId>, name: String) -> Answer<'_, Arc<Account>>;
        fn accounts() -> Vec<Arc<Account>>;
        fn account(id: AccountId) -> Option<Arc<Account>>;
        fn create_token(account: AccountId, token: NewToken) -> Answer<'_, Arc<Token>>;
        fn tokens(account: AccountId) -> Vec<Arc<Token>>;
        fn token(id: TokenId) -> Option<Arc<Token>>;
        fn tokens_by_email(email: &str) -> Vec<Arc<Token>>;
        fn revoke_token(account: AccountId, token: TokenId) -> Answer<'_, ()>;
        fn create_queue(account: AccountId, queue: NewQueue) -> Answer<'_, Arc<Queue>>;
        fn queues(account: AccountId) -> Vec<Arc<Queue>>;
        fn queue(place: Place) -> Option<Arc<Queue>>;
        fn queue_numbered(account: AccountId, number: QueueNumber) -> Option<Arc<Queue>>;
        fn queue_named(account: AccountId, name: &str) -> Option<Arc<Queue>>;
        fn update_queue(place: Place, change: QueueChange) -> Answer<'_, Arc<Queue>>;
        fn delete_queue(place: Place) -> Answer<'_, ()>;
        fn create_consumer(place: Place, consumer: NewConsumer) -> Answer<'_, Arc<Consumer>>;
        fn replace_consumer(place: Place, id: ConsumerId, consumer: NewConsumer) -> Answer<'_, Arc<Consumer>>;
        fn delete_consumer(place: Place, id: ConsumerId) -> Answer<'_, ()>;
        fn create_subscription(account: AccountId, new: NewSubscription) -> Answer<'_, Arc<Subscription>>;
        fn subscriptions(account: AccountId) -> Vec<Arc<Subscription>>;
        fn subscription(account: AccountId, id: SubscriptionId) -> Option<Arc<Subscription>>;
        fn update_subscription(account: AccountId, id: SubscriptionId, change: SubscriptionChange) -> Answer<'_, Arc<Subscription>>;
        fn delete_subscription(account: AccountId, id: SubscriptionId) -> Answer<'_, Arc<Subscription>>;
        fn settle(place: Place, settlement: Settlement) -> Answer<'_, Settled>;
        fn extend(place: Place, extend: Extend) -> Answer<'_, Extended>;
        fn peek(place: Place, peek: Peek) -> Answer<'_, Peeked>;
        fn redrive(place: Place, redrive: Redrive) -> Answer<'_, Redriven>;
        fn discard(place: Place, messages: Vec<Sequence>) -> Answer<'_, Vec<bool>>;
        fn purge(place: Place) -> Answer<'_, Arc<Queue>>;
        fn backlog(place: Place) -> Answer<'_, Backlog>;
        fn housekeep() -> Answer<'_, ()>;
        fn close() -> Answer<'_, ()>;
    }
}
