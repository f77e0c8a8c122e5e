//! The oracle's event subscriptions: objects that are kept and shown.

use std::sync::Arc;

use kew_model::{
    AccountId, Error, Limits, NewSubscription, Place, QueueId, Subscription, SubscriptionChange,
    SubscriptionId,
};

use super::Moment;
use super::state::State;

impl State {
    pub(super) fn create_subscription(
        &mut self,
        moment: &Moment<'_>,
        account: AccountId,
        new: NewSubscription,
    ) -> Result<Arc<Subscription>, Error> {
        self.account(account).ok_or(Error::AccountNotFound)?;
        self.destination(account, new.destination)?;
        let of_account = || self.subscriptions.iter().filter(|other| other.account == account);
        if of_account().any(|other| other.source == new.source) {
            return Err(Error::SubscriptionExists);
        }
        if of_account().count() >= Limits::SUBSCRIPTIONS_MAX {
            return Err(Error::TooMany { what: "subscriptions", limit: Limits::SUBSCRIPTIONS_MAX });
        }
        let subscription = Arc::new(Subscription {
            id: SubscriptionId(moment.chance.id()),
            account,
            name: new.name,
            enabled: new.enabled,
            source: new.source,
            events: new.events,
            destination: new.destination,
            created_on: moment.now,
            modified_on: moment.now,
        });
        self.subscriptions.push(subscription.clone());
        Ok(subscription)
    }

    pub(super) fn subscription(&self, account: AccountId, id: SubscriptionId) -> Option<Arc<Subscription>> {
        self.subscriptions.iter().find(|it| it.account == account && it.id == id).cloned()
    }

    pub(super) fn update_subscription(
        &mut self,
        moment: &Moment<'_>,
        account: AccountId,
        id: SubscriptionId,
        change: SubscriptionChange,
    ) -> Result<Arc<Subscription>, Error> {
        let index = self.subscription_index(account, id)?;
        if let Some(destination) = change.destination {
            self.destination(account, destination)?;
        }
        let before = self.subscriptions[index].as_ref().clone();
        let after = Arc::new(Subscription {
            name: change.name.unwrap_or(before.name),
            enabled: change.enabled.unwrap_or(before.enabled),
            events: change.events.unwrap_or(before.events),
            destination: change.destination.unwrap_or(before.destination),
            modified_on: moment.now,
            ..before
        });
        self.subscriptions[index] = after.clone();
        Ok(after)
    }

    pub(super) fn delete_subscription(
        &mut self,
        account: AccountId,
        id: SubscriptionId,
    ) -> Result<Arc<Subscription>, Error> {
        let index = self.subscription_index(account, id)?;
        Ok(self.subscriptions.remove(index))
    }

    fn subscription_index(&self, account: AccountId, id: SubscriptionId) -> Result<usize, Error> {
        let is_it = |it: &Arc<Subscription>| it.account == account && it.id == id;
        self.subscriptions.iter().position(is_it).ok_or(Error::SubscriptionNotFound)
    }

    /// Events can only go to a queue of the account.
    fn destination(&self, account: AccountId, queue: QueueId) -> Result<(), Error> {
        self.held(Place { account, queue }).map(drop).map_err(|_| Error::DestinationNotFound)
    }
}
