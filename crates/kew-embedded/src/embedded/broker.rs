//! The verbs of the seam, each a command and what its reply must be.

use std::sync::Arc;

use kew_model::figures::Figure;
use kew_model::{
    Account, AccountId, Answer, Backlog, Broker, Change, Clock as _, Consumer, ConsumerId, Extend, Extended,
    NewConsumer, NewQueue, NewSubscription, NewToken, Peek, Peeked, Place, Pull, Pulled, PushBatch, Pushed,
    Queue, QueueChange, QueueNumber, Redrive, Redriven, Sequence, Settled, Settlement, Subscription,
    SubscriptionChange, SubscriptionId, Token, TokenId,
};
use tokio::sync::oneshot;

use super::{Embedded, unexpected};
use crate::command::{BacklogSeen, Reply, Verb};
use crate::driver::Message;

impl Broker for Embedded {
    fn create_account(&self, id: Option<AccountId>, name: String) -> Answer<'_, Arc<Account>> {
        Box::pin(async move {
            match self.ask(Verb::CreateAccount { id, name }).await? {
                Reply::Account(account) => Ok(account),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn accounts(&self) -> Vec<Arc<Account>> {
        self.catalog().accounts().to_vec()
    }

    fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.catalog().account(id).cloned()
    }

    fn create_token(&self, account: AccountId, token: NewToken) -> Answer<'_, Arc<Token>> {
        Box::pin(async move {
            match self.ask(Verb::CreateToken { account, token }).await? {
                Reply::Token(token) => Ok(token),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn tokens(&self, account: AccountId) -> Vec<Arc<Token>> {
        self.catalog().tokens(account).cloned().collect()
    }

    fn token(&self, id: TokenId) -> Option<Arc<Token>> {
        self.catalog().token(id).cloned()
    }

    fn tokens_by_email(&self, email: &str) -> Vec<Arc<Token>> {
        self.catalog().tokens_by_email(email).cloned().collect()
    }

    fn revoke_token(&self, account: AccountId, token: TokenId) -> Answer<'_, ()> {
        Box::pin(self.done(Verb::RevokeToken { account, token }))
    }

    fn create_queue(&self, account: AccountId, queue: NewQueue) -> Answer<'_, Arc<Queue>> {
        Box::pin(self.one_queue(Verb::CreateQueue { account, queue }))
    }

    fn queues(&self, account: AccountId) -> Vec<Arc<Queue>> {
        self.catalog().queues(account).cloned().collect()
    }

    fn queue(&self, place: Place) -> Option<Arc<Queue>> {
        self.catalog().queue(place).cloned()
    }

    fn queue_named(&self, account: AccountId, name: &str) -> Option<Arc<Queue>> {
        self.catalog().queue_named(account, name).cloned()
    }

    fn queue_numbered(&self, account: AccountId, number: QueueNumber) -> Option<Arc<Queue>> {
        self.catalog().queue_numbered(account, number).cloned()
    }

    fn update_queue(&self, place: Place, change: QueueChange) -> Answer<'_, Arc<Queue>> {
        Box::pin(self.one_queue(Verb::UpdateQueue { place, change }))
    }

    fn delete_queue(&self, place: Place) -> Answer<'_, ()> {
        Box::pin(self.done(Verb::DeleteQueue { place }))
    }

    fn create_consumer(&self, place: Place, consumer: NewConsumer) -> Answer<'_, Arc<Consumer>> {
        Box::pin(self.one_consumer(Verb::CreateConsumer { place, consumer }))
    }

    fn replace_consumer(
        &self,
        place: Place,
        id: ConsumerId,
        consumer: NewConsumer,
    ) -> Answer<'_, Arc<Consumer>> {
        Box::pin(self.one_consumer(Verb::ReplaceConsumer { place, id, consumer }))
    }

    fn delete_consumer(&self, place: Place, id: ConsumerId) -> Answer<'_, ()> {
        Box::pin(self.done(Verb::DeleteConsumer { place, id }))
    }

    fn create_subscription(
        &self,
        account: AccountId,
        subscription: NewSubscription,
    ) -> Answer<'_, Arc<Subscription>> {
        Box::pin(self.one_subscription(Verb::CreateSubscription { account, subscription }))
    }

    fn subscriptions(&self, account: AccountId) -> Vec<Arc<Subscription>> {
        self.catalog().subscriptions(account).cloned().collect()
    }

    fn subscription(&self, account: AccountId, id: SubscriptionId) -> Option<Arc<Subscription>> {
        self.catalog().subscription(account, id).cloned()
    }

    fn update_subscription(
        &self,
        account: AccountId,
        id: SubscriptionId,
        change: SubscriptionChange,
    ) -> Answer<'_, Arc<Subscription>> {
        Box::pin(self.one_subscription(Verb::UpdateSubscription { account, id, change }))
    }

    fn delete_subscription(&self, account: AccountId, id: SubscriptionId) -> Answer<'_, Arc<Subscription>> {
        Box::pin(self.one_subscription(Verb::DeleteSubscription { account, id }))
    }

    fn push(&self, place: Place, batch: PushBatch) -> Answer<'_, Pushed> {
        Box::pin(async move {
            let (seen, pins, repeated) = match self.ask(Verb::Push { place, batch }).await? {
                Reply::Backlog(seen, pins) => (seen, pins, false),
                Reply::Repeated(seen, pins) => (seen, pins, true),
                other => return Err(unexpected(&other)),
            };
            Ok(Pushed { backlog: self.backlog_of(seen, pins).await?, repeated })
        })
    }

    fn pull(&self, place: Place, pull: Pull) -> Answer<'_, Pulled> {
        Box::pin(async move {
            match self.ask(Verb::Pull { place, pull }).await? {
                Reply::Pulled(seen, picks) => self.build(seen, picks).await,
                other => Err(unexpected(&other)),
            }
        })
    }

    fn settle(&self, place: Place, settlement: Settlement) -> Answer<'_, Settled> {
        Box::pin(async move {
            match self.ask(Verb::Settle { place, settlement }).await? {
                Reply::Settled(settled) => Ok(settled),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn extend(&self, place: Place, extend: Extend) -> Answer<'_, Extended> {
        Box::pin(async move {
            match self.ask(Verb::Extend { place, extend }).await? {
                Reply::Extended(extended) => Ok(extended),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn peek(&self, place: Place, peek: Peek) -> Answer<'_, Peeked> {
        Box::pin(async move {
            match self.ask(Verb::Peek { place, peek }).await? {
                Reply::Peeked(picks) => Ok(Peeked::from(self.build(BacklogSeen::NOT_ASKED, picks).await?)),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn redrive(&self, place: Place, redrive: Redrive) -> Answer<'_, Redriven> {
        Box::pin(async move {
            match self.ask(Verb::Redrive { place, redrive }).await? {
                Reply::Redriven(redriven) => Ok(redriven),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn discard(&self, place: Place, messages: Vec<Sequence>) -> Answer<'_, Vec<bool>> {
        Box::pin(async move {
            match self.ask(Verb::Discard { place, messages }).await? {
                Reply::Discarded(were_there) => Ok(were_there),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn purge(&self, place: Place) -> Answer<'_, Arc<Queue>> {
        Box::pin(self.one_queue(Verb::Purge { place }))
    }

    fn backlog(&self, place: Place) -> Answer<'_, Backlog> {
        Box::pin(async move {
            match self.ask(Verb::Backlog { place }).await? {
                Reply::Backlog(seen, pins) => self.backlog_of(seen, pins).await,
                other => Err(unexpected(&other)),
            }
        })
    }

    fn changed(&self, place: Place) -> Change {
        let number = self.catalog().queue(place).map(|queue| queue.number);
        match number {
            None => Box::pin(core::future::ready(())),
            Some(number) => {
                let change = self.shared.signals.wait(number);
                if self.shared.inbox.is_closed() || self.catalog().queue(place).is_none() {
                    // The store may have closed, or the queue gone, just before this promise was made.
                    return Box::pin(core::future::ready(()));
                }
                // The writer may be asleep for longer than the next delay of this queue lasts.
                self.shared.orders.wake();
                change
            }
        }
    }

    fn housekeep(&self) -> Answer<'_, ()> {
        Box::pin(self.done(Verb::Housekeep))
    }

    fn figures(&self) -> Vec<Figure> {
        self.shared.meter.figures(&self.archive, &self.shared.budget, self.clock.now())
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let (reply_to, closed) = oneshot::channel();
            let outcome = match self.shared.orders.put(Message::Close(reply_to)) {
                Ok(()) => {
                    self.engine.asked();
                    closed.await.unwrap_or_else(|_| Err(self.shared.unanswered()))
                }
                Err(_) => self.shared.ended(),
            };
            self.engine.join();
            outcome
        })
    }
}
