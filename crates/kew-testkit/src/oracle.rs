//! The oracle: a queue so plain that one can see it is right, and itself a [`Broker`].
//!
//! Everything is a list in memory behind one lock, and every verb walks all of it. A verb first settles what is due by
//! now (retention periods and leases that ended, in the order of their ends, over all queues) and then does its own
//! work; that is the whole of its notion of time. It forgets nothing, so it can always say why a message is gone.
//!
//! Other brokers are compared with it, verb by verb; servers are tested on it, because it needs no disk. It is
//! meant for a clock that tells of every move, as [`crate::ManualClock`] does: promises of [`Broker::changed`] are kept
//! by verbs and by moves of the clock, not by a timer.

mod catalog;
mod change;
mod dead_letter;
mod due;
mod messages;
mod redrive;
mod state;
mod subscriptions;

use std::sync::Arc;

use kew_model::{
    Account, AccountId, Answer, Backlog, Broker, Chance, Change, Clock, Consumer, ConsumerId, Error, Extend,
    Extended, NewConsumer, NewQueue, NewSubscription, NewToken, Peek, Peeked, Place, Pull, Pulled, PushBatch,
    Pushed, Queue, QueueChange, Redrive, Redriven, Sequence, Settled, Settlement, Subscription,
    SubscriptionChange, SubscriptionId, Timestamp, Token, TokenId,
};

use change::{Shared, Until};
use state::State;

/// What every verb is given besides its arguments.
struct Moment<'a> {
    now: Timestamp,
    chance: &'a dyn Chance,
}

/// A naive broker in memory. See the module.
pub struct Oracle {
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    shared: Arc<Shared>,
}

impl Oracle {
    /// An empty oracle.
    pub fn new(clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        Self::with_state(clock, chance, State::default())
    }

    /// The same queues in a new oracle, as if a store had been opened again; this one answers [`Error::Closing`] from
    /// now on.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self::with_state(self.clock.clone(), self.chance.clone(), self.shared.close())
    }

    fn with_state(clock: Arc<dyn Clock>, chance: Arc<dyn Chance>, state: State) -> Self {
        let shared = Arc::new(Shared::new(state));
        let told = Arc::downgrade(&shared);
        clock.on_jump(Arc::new(move || {
            if let Some(shared) = told.upgrade() {
                shared.announce();
            }
        }));
        Self { clock, chance, shared }
    }

    /// Does one verb, when its answer is awaited: what is due first, then the verb, as one step.
    fn verb<'a, T: Send + 'a>(
        &'a self,
        act: impl FnOnce(&mut State, &Moment<'_>) -> Result<T, Error> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            self.shared.with_open(|state| {
                let moment = Moment { now: self.clock.now(), chance: self.chance.as_ref() };
                state.settle_due(&moment);
                act(state, &moment)
            })
        })
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        self.shared.with(|state| look(state))
    }
}

impl Broker for Oracle {
    fn create_account(&self, id: Option<AccountId>, name: String) -> Answer<'_, Arc<Account>> {
        self.verb(move |state, moment| state.create_account(moment, id, name))
    }

    fn accounts(&self) -> Vec<Arc<Account>> {
        self.read(|state| state.accounts.clone())
    }

    fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.read(|state| state.account(id))
    }

    fn create_token(&self, account: AccountId, token: NewToken) -> Answer<'_, Arc<Token>> {
        self.verb(move |state, moment| state.create_token(moment, account, token))
    }

    fn tokens(&self, account: AccountId) -> Vec<Arc<Token>> {
        self.read(|state| state.tokens.iter().filter(|token| token.account == account).cloned().collect())
    }

    fn token(&self, id: TokenId) -> Option<Arc<Token>> {
        self.read(|state| state.tokens.iter().find(|token| token.id == id).cloned())
    }

    fn tokens_by_email(&self, email: &str) -> Vec<Arc<Token>> {
        self.read(|state| state.tokens_by_email(email))
    }

    fn revoke_token(&self, account: AccountId, token: TokenId) -> Answer<'_, ()> {
        self.verb(move |state, _| state.revoke_token(account, token))
    }

    fn create_queue(&self, account: AccountId, queue: NewQueue) -> Answer<'_, Arc<Queue>> {
        self.verb(move |state, moment| state.create_queue(moment, account, queue))
    }

    fn queues(&self, account: AccountId) -> Vec<Arc<Queue>> {
        self.read(|state| {
            let queues = state.queues.iter().map(|held| &held.queue);
            queues.filter(|queue| queue.account == account).cloned().map(Arc::new).collect()
        })
    }

    fn queue(&self, place: Place) -> Option<Arc<Queue>> {
        self.read(|state| state.held(place).ok().map(|held| Arc::new(held.queue.clone())))
    }

    fn queue_named(&self, account: AccountId, name: &str) -> Option<Arc<Queue>> {
        self.read(|state| state.named(account, name).map(|held| Arc::new(held.queue.clone())))
    }

    fn update_queue(&self, place: Place, change: QueueChange) -> Answer<'_, Arc<Queue>> {
        self.verb(move |state, moment| state.update_queue(moment, place, change))
    }

    fn delete_queue(&self, place: Place) -> Answer<'_, ()> {
        self.verb(move |state, _| state.delete_queue(place))
    }

    fn create_consumer(&self, place: Place, consumer: NewConsumer) -> Answer<'_, Arc<Consumer>> {
        self.verb(move |state, moment| state.create_consumer(moment, place, consumer))
    }

    fn replace_consumer(
        &self,
        place: Place,
        id: ConsumerId,
        consumer: NewConsumer,
    ) -> Answer<'_, Arc<Consumer>> {
        self.verb(move |state, moment| state.replace_consumer(moment, place, id, consumer))
    }

    fn delete_consumer(&self, place: Place, id: ConsumerId) -> Answer<'_, ()> {
        self.verb(move |state, moment| state.delete_consumer(moment, place, id))
    }

    fn create_subscription(
        &self,
        account: AccountId,
        subscription: NewSubscription,
    ) -> Answer<'_, Arc<Subscription>> {
        self.verb(move |state, moment| state.create_subscription(moment, account, subscription))
    }

    fn subscriptions(&self, account: AccountId) -> Vec<Arc<Subscription>> {
        self.read(|state| state.subscriptions.iter().filter(|it| it.account == account).cloned().collect())
    }

    fn subscription(&self, account: AccountId, id: SubscriptionId) -> Option<Arc<Subscription>> {
        self.read(|state| state.subscription(account, id))
    }

    fn update_subscription(
        &self,
        account: AccountId,
        id: SubscriptionId,
        change: SubscriptionChange,
    ) -> Answer<'_, Arc<Subscription>> {
        self.verb(move |state, moment| state.update_subscription(moment, account, id, change))
    }

    fn delete_subscription(&self, account: AccountId, id: SubscriptionId) -> Answer<'_, Arc<Subscription>> {
        self.verb(move |state, _| state.delete_subscription(account, id))
    }

    fn push(&self, place: Place, batch: PushBatch) -> Answer<'_, Pushed> {
        self.verb(move |state, moment| state.push(moment, place, &batch))
    }

    fn pull(&self, place: Place, pull: Pull) -> Answer<'_, Pulled> {
        self.verb(move |state, moment| state.pull(moment, place, pull))
    }

    fn settle(&self, place: Place, settlement: Settlement) -> Answer<'_, Settled> {
        self.verb(move |state, moment| state.settle(moment, place, &settlement))
    }

    fn extend(&self, place: Place, extend: Extend) -> Answer<'_, Extended> {
        self.verb(move |state, moment| state.extend(moment, place, &extend))
    }

    fn peek(&self, place: Place, peek: Peek) -> Answer<'_, Peeked> {
        self.verb(move |state, moment| state.peek(moment, place, peek))
    }

    fn redrive(&self, place: Place, redrive: Redrive) -> Answer<'_, Redriven> {
        self.verb(move |state, moment| state.redrive(moment, place, redrive))
    }

    fn discard(&self, place: Place, messages: Vec<Sequence>) -> Answer<'_, Vec<bool>> {
        self.verb(move |state, _| state.discard(place, &messages))
    }

    fn purge(&self, place: Place) -> Answer<'_, Arc<Queue>> {
        self.verb(move |state, moment| state.purge(moment, place))
    }

    fn backlog(&self, place: Place) -> Answer<'_, Backlog> {
        self.verb(move |state, _| state.held(place).map(|held| held.backlog()))
    }

    fn changed(&self, _place: Place) -> Change {
        Box::pin(Until::news_of(&self.shared))
    }

    fn housekeep(&self) -> Answer<'_, ()> {
        self.verb(|_, _| Ok(()))
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.shared.refuse();
            Ok(())
        })
    }
}
