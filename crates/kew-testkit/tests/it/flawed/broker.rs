//! A flawed broker as a [`Broker`].

use std::sync::Arc;

use kew_model::{
    Account, AccountId, Answer, Backlog, Broker, Change, Consumer, ConsumerId, Destination, Extend,
    ExtendOutcome, Extended, NewConsumer, NewQueue, NewSubscription, NewToken, Peek, Peeked, Place, Pull,
    Pulled, PushBatch, Pushed, Queue, QueueChange, Redrive, Redriven, Sequence, Settled, Settlement,
    Subscription, SubscriptionChange, SubscriptionId, Token, TokenId,
};

use super::Flaw;
use super::bend::Flawed;

impl Broker for Flawed {
    fn create_account(&self, id: Option<AccountId>, name: String) -> Answer<'_, Arc<Account>> {
        self.inner.create_account(id, name)
    }

    fn accounts(&self) -> Vec<Arc<Account>> {
        self.inner.accounts()
    }

    fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.inner.account(id)
    }

    fn create_token(&self, account: AccountId, token: NewToken) -> Answer<'_, Arc<Token>> {
        self.inner.create_token(account, token)
    }

    fn tokens(&self, account: AccountId) -> Vec<Arc<Token>> {
        self.inner.tokens(account)
    }

    fn token(&self, id: TokenId) -> Option<Arc<Token>> {
        self.inner.token(id)
    }

    fn tokens_by_email(&self, email: &str) -> Vec<Arc<Token>> {
        self.inner.tokens_by_email(email)
    }

    fn revoke_token(&self, account: AccountId, token: TokenId) -> Answer<'_, ()> {
        self.inner.revoke_token(account, token)
    }

    fn create_queue(&self, account: AccountId, queue: NewQueue) -> Answer<'_, Arc<Queue>> {
        Box::pin(async move {
            let period = queue.settings.message_retention_period;
            let mut queue = queue;
            queue.settings.message_retention_period = self.bent_period(period);
            Ok(self.asked(self.inner.create_queue(account, queue).await?, Some(period)))
        })
    }

    fn queues(&self, account: AccountId) -> Vec<Arc<Queue>> {
        self.inner.queues(account).into_iter().map(|queue| self.shown(queue)).collect()
    }

    fn queue(&self, place: Place) -> Option<Arc<Queue>> {
        self.inner.queue(place).map(|queue| self.shown(queue))
    }

    fn queue_named(&self, account: AccountId, name: &str) -> Option<Arc<Queue>> {
        self.inner.queue_named(account, name).map(|queue| self.shown(queue))
    }

    fn update_queue(&self, place: Place, mut change: QueueChange) -> Answer<'_, Arc<Queue>> {
        if self.has(Flaw::IgnoresPauses) {
            change.delivery_paused = None;
        }
        let period = change.message_retention_period;
        change.message_retention_period = period.map(|period| self.bent_period(period));
        Box::pin(async move { Ok(self.asked(self.inner.update_queue(place, change).await?, period)) })
    }

    fn delete_queue(&self, place: Place) -> Answer<'_, ()> {
        self.inner.delete_queue(place)
    }

    fn create_consumer(&self, place: Place, mut consumer: NewConsumer) -> Answer<'_, Arc<Consumer>> {
        if self.has(Flaw::IgnoresDeadLetterQueues) {
            consumer.dead_letter_queue = None;
        }
        self.inner.create_consumer(place, consumer)
    }

    fn replace_consumer(
        &self,
        place: Place,
        id: ConsumerId,
        consumer: NewConsumer,
    ) -> Answer<'_, Arc<Consumer>> {
        self.inner.replace_consumer(place, id, consumer)
    }

    fn delete_consumer(&self, place: Place, id: ConsumerId) -> Answer<'_, ()> {
        self.inner.delete_consumer(place, id)
    }

    fn create_subscription(
        &self,
        account: AccountId,
        subscription: NewSubscription,
    ) -> Answer<'_, Arc<Subscription>> {
        self.inner.create_subscription(account, subscription)
    }

    fn subscriptions(&self, account: AccountId) -> Vec<Arc<Subscription>> {
        self.inner.subscriptions(account)
    }

    fn subscription(&self, account: AccountId, id: SubscriptionId) -> Option<Arc<Subscription>> {
        self.inner.subscription(account, id)
    }

    fn update_subscription(
        &self,
        account: AccountId,
        id: SubscriptionId,
        mut change: SubscriptionChange,
    ) -> Answer<'_, Arc<Subscription>> {
        if self.has(Flaw::IgnoresChangesOfSubscriptions) {
            change = SubscriptionChange { destination: change.destination, ..SubscriptionChange::default() };
        }
        self.inner.update_subscription(account, id, change)
    }

    fn delete_subscription(&self, account: AccountId, id: SubscriptionId) -> Answer<'_, Arc<Subscription>> {
        self.inner.delete_subscription(account, id)
    }

    fn push(&self, place: Place, batch: PushBatch) -> Answer<'_, Pushed> {
        let bent = self.bent_batch(&batch);
        Box::pin(async move {
            let pushed = self.inner.push(place, bent).await.inspect_err(|error| self.see(error))?;
            self.see(("repeated", pushed.repeated));
            Ok(pushed)
        })
    }

    fn pull(&self, place: Place, mut pull: Pull) -> Answer<'_, Pulled> {
        pull.visibility_timeout = self.bent_timeout(place, pull.visibility_timeout);
        if self.has(Flaw::Loose) {
            pull.batch_size = pull.batch_size.map(|most| most.div_ceil(2));
        }
        Box::pin(async move {
            let pulled = self.inner.pull(place, pull).await.inspect_err(|error| self.see(error))?;
            Ok(self.bent_pulled(place, pulled))
        })
    }

    fn settle(&self, place: Place, settlement: Settlement) -> Answer<'_, Settled> {
        let (acks, retries) = (settlement.acks.len(), settlement.retries.len());
        let bent = self.bent_settlement(settlement);
        Box::pin(async move { Ok(self.bent_settled(acks, retries, self.inner.settle(place, bent).await?)) })
    }

    fn extend(&self, place: Place, extend: Extend) -> Answer<'_, Extended> {
        Box::pin(async move {
            if self.has(Flaw::IgnoresExtensions) {
                let leases = vec![ExtendOutcome::Extended; extend.leases.len()];
                return self.inner.backlog(place).await.map(|_| Extended { leases });
            }
            let extended = self.inner.extend(place, extend).await?;
            extended.leases.iter().for_each(|outcome| self.see(("extend", outcome)));
            Ok(extended)
        })
    }

    fn peek(&self, place: Place, peek: Peek) -> Answer<'_, Peeked> {
        Box::pin(async move {
            if self.has(Flaw::PeeksByPulling)
                && let Ok(pulled) =
                    self.inner.pull(place, Pull { batch_size: peek.batch_size, ..Pull::default() }).await
            {
                return Ok(pulled.into());
            }
            let peeked = self.inner.peek(place, peek).await?;
            peeked.messages.iter().for_each(|seen| self.see(("peeked", seen.attempts.min(2))));
            Ok(self.bent_peeked(peeked))
        })
    }

    fn redrive(&self, place: Place, redrive: Redrive) -> Answer<'_, Redriven> {
        let bent = self.bent_redrive(redrive);
        Box::pin(async move {
            let redriven = self.inner.redrive(place, bent).await.inspect_err(|error| self.see(error))?;
            self.see(("moved", redriven.moved.min(1)));
            self.see(("without origin", redriven.without_origin.min(1)));
            if let (true, Destination::Queue(queue)) =
                (self.has(Flaw::LosesWhatItRedrives), redrive.destination)
            {
                self.inner.purge(Place { queue, ..place }).await?;
            }
            Ok(redriven)
        })
    }

    fn discard(&self, place: Place, messages: Vec<Sequence>) -> Answer<'_, Vec<bool>> {
        Box::pin(async move {
            let discarded = self.inner.discard(place, messages).await?;
            discarded.iter().for_each(|there| self.see(("discard", there)));
            Ok(if self.has(Flaw::DiscardsWithoutLooking) { vec![true; discarded.len()] } else { discarded })
        })
    }

    fn purge(&self, place: Place) -> Answer<'_, Arc<Queue>> {
        if self.has(Flaw::IgnoresPurges) {
            return self.update_queue(place, QueueChange::default());
        }
        Box::pin(async move { Ok(self.shown(self.inner.purge(place).await?)) })
    }

    fn backlog(&self, place: Place) -> Answer<'_, Backlog> {
        Box::pin(async move {
            let mut backlog = self.inner.backlog(place).await?;
            if self.has(Flaw::MiscountsTheBacklog) && backlog.count > 1 {
                backlog.bytes += 1;
            }
            Ok(backlog)
        })
    }

    fn changed(&self, place: Place) -> Change {
        if self.has(Flaw::ForgetsPromises) {
            return Box::pin(std::future::pending());
        }
        self.inner.changed(place)
    }

    fn housekeep(&self) -> Answer<'_, ()> {
        self.inner.housekeep()
    }

    fn close(&self) -> Answer<'_, ()> {
        self.inner.close()
    }
}
