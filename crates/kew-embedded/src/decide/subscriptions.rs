//! Event subscriptions: create, change, delete.

use std::sync::Arc;

use kew_model::{
    AccountId, Error, Limits, NewSubscription, Place, QueueId, Subscription, SubscriptionChange,
    SubscriptionId, Timestamp,
};

use super::{Decided, Decision, Outcome};
use crate::command::Reply;
use crate::record::Record;
use crate::state::State;

/// Creates a subscription under the id `drawn`.
pub(crate) fn create_subscription(
    state: &State,
    account: AccountId,
    new: &NewSubscription,
    drawn: SubscriptionId,
    now: Timestamp,
) -> Decided {
    if state.catalog.account(account).is_none() {
        return Err(Error::AccountNotFound.into());
    }
    check_destination(state, account, new.destination)?;
    if state.catalog.subscriptions(account).any(|other| other.source == new.source) {
        return Err(Error::SubscriptionExists.into());
    }
    if state.catalog.subscriptions(account).count() >= Limits::SUBSCRIPTIONS_MAX {
        return Err(Error::TooMany { what: "subscriptions", limit: Limits::SUBSCRIPTIONS_MAX }.into());
    }
    let NewSubscription { name, enabled, source, events, destination } = new.clone();
    let (created_on, modified_on) = (now, now);
    let subscription = Subscription {
        id: drawn,
        account,
        name,
        enabled,
        source,
        events,
        destination,
        created_on,
        modified_on,
    };
    Ok(put(subscription, now))
}

/// Changes a subscription.
pub(crate) fn update_subscription(
    state: &State,
    account: AccountId,
    id: SubscriptionId,
    change: &SubscriptionChange,
    now: Timestamp,
) -> Decided {
    let old = state.catalog.subscription(account, id).ok_or(Error::SubscriptionNotFound)?;
    if let Some(destination) = change.destination {
        check_destination(state, account, destination)?;
    }
    let subscription = Subscription {
        name: change.name.clone().unwrap_or_else(|| old.name.clone()),
        enabled: change.enabled.unwrap_or(old.enabled),
        events: change.events.clone().unwrap_or_else(|| old.events.clone()),
        destination: change.destination.unwrap_or(old.destination),
        modified_on: now,
        ..(**old).clone()
    };
    Ok(put(subscription, now))
}

/// Deletes a subscription.
pub(crate) fn delete_subscription(
    state: &State,
    account: AccountId,
    id: SubscriptionId,
    now: Timestamp,
) -> Decided {
    let old = state.catalog.subscription(account, id).ok_or(Error::SubscriptionNotFound)?;
    let outcome = Outcome::Reply(Reply::Subscription(Arc::clone(old)));
    let record = Record::SubscriptionDeleted { account, subscription: id };
    Ok(Decision::write(now, 64, outcome, |frame| frame.put(&record)))
}

fn check_destination(state: &State, account: AccountId, queue: QueueId) -> Result<(), Error> {
    state.catalog.queue(Place { account, queue }).map(|_| ()).ok_or(Error::DestinationNotFound)
}

fn put(subscription: Subscription, now: Timestamp) -> Decision {
    let record = Record::SubscriptionPut(Box::new(subscription.clone()));
    let outcome = Outcome::Reply(Reply::Subscription(Arc::new(subscription)));
    Decision::write(now, 512, outcome, |frame| frame.put(&record))
}
