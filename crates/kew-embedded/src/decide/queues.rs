//! Queues: create, change, purge, delete.

use std::sync::Arc;

use kew_model::{
    AccountId, Error, Limits, NewQueue, Place, Purge, Queue, QueueChange, QueueId, QueueNumber, Sequence,
    Timestamp,
};

use super::{Decided, Decision, Outcome, queue_at};
use crate::command::Reply;
use crate::record::Record;
use crate::state::State;

/// Creates a queue; `drawn` is its id when none is asked for.
pub(crate) fn create_queue(
    state: &State,
    account: AccountId,
    new: &NewQueue,
    drawn: QueueId,
    now: Timestamp,
) -> Decided {
    if state.catalog.account(account).is_none() {
        return Err(Error::AccountNotFound.into());
    }
    if state.catalog.queue_named(account, new.name.as_str()).is_some() {
        return Err(Error::NameTaken { name: new.name.clone() }.into());
    }
    let id = new.id.unwrap_or(drawn);
    if state.catalog.has_queue_id(id) {
        return Err(Error::IdTaken.into());
    }
    if state.catalog.queue_count(account) >= Limits::QUEUES_MAX {
        return Err(Error::TooMany { what: "queues", limit: Limits::QUEUES_MAX }.into());
    }
    let queue = fresh(QueueNumber(state.next_queue), id, account, new.clone(), now);
    Ok(put(now, Reply::Queue(Arc::new(queue.clone())), [queue]))
}

/// A queue as it begins.
pub(crate) fn fresh(
    number: QueueNumber,
    id: QueueId,
    account: AccountId,
    new: NewQueue,
    now: Timestamp,
) -> Queue {
    Queue {
        number,
        id,
        account,
        name: new.name,
        created_on: now,
        modified_on: now,
        jurisdiction: new.jurisdiction,
        settings: new.settings,
        consumer: None,
        purge: None,
    }
}

/// Writes queues as they now are.
pub(crate) fn put(now: Timestamp, reply: Reply, queues: impl IntoIterator<Item = Queue>) -> Decision {
    Decision::write(now, 512, Outcome::Reply(reply), |frame| {
        for queue in queues {
            frame.put(&Record::QueuePut(Box::new(queue)));
        }
    })
}

/// Changes a queue's name or settings. A new name follows into the dead-letter links that point at the queue.
pub(crate) fn update_queue(state: &State, place: Place, change: &QueueChange, now: Timestamp) -> Decided {
    let mut queue = (*queue_at(state, place)?.object).clone();
    let mut linked = Vec::new();
    if let Some(name) = change.name.as_ref().filter(|name| **name != queue.name) {
        if state.catalog.queue_named(place.account, name.as_str()).is_some() {
            return Err(Error::NameTaken { name: name.clone() }.into());
        }
        // Its deleted dead-letter queue is found again by its name, and would be the queue itself.
        let link = queue.consumer.as_ref().and_then(|consumer| consumer.dead_letter_queue.as_ref());
        if link.is_some_and(|link| link.name == *name) {
            return Err(Error::DeadLetterCycle.into());
        }
        queue.name = name.clone();
        linked.extend(state.catalog.queues(place.account).filter_map(|other| {
            let mut other = (**other).clone();
            let link =
                other.consumer.as_mut()?.dead_letter_queue.as_mut().filter(|link| link.queue == queue.id)?;
            link.name = name.clone();
            Some(other)
        }));
    }
    let settings = &mut queue.settings;
    settings.delivery_delay = change.delivery_delay.unwrap_or(settings.delivery_delay);
    settings.delivery_paused = change.delivery_paused.unwrap_or(settings.delivery_paused);
    settings.message_retention_period =
        change.message_retention_period.unwrap_or(settings.message_retention_period);
    queue.modified_on = now;
    Ok(put(now, Reply::Queue(Arc::new(queue.clone())), linked.into_iter().chain([queue])))
}

/// Deletes a queue with all in it, and the event subscriptions that point at it.
pub(crate) fn delete_queue(state: &State, place: Place, now: Timestamp) -> Decided {
    let number = queue_at(state, place)?.object.number;
    let account = place.account;
    let to_it = state.catalog.subscriptions(account).filter(|other| other.destination == place.queue);
    Ok(Decision::write(now, 64, Outcome::Reply(Reply::Done), |frame| {
        to_it.for_each(|subscription| {
            frame.put(&Record::SubscriptionDeleted { account, subscription: subscription.id });
        });
        frame.put(&Record::QueueDeleted(number));
    }))
}

/// Deletes everything in a queue.
pub(crate) fn purge(state: &State, place: Place, now: Timestamp) -> Decided {
    let state = queue_at(state, place)?;
    let queue = Queue { purge: Some(Purge { started_at: now }), ..(*state.object).clone() };
    let purged = Record::Purged { queue: queue.number, before: Sequence(state.next) };
    let outcome = Outcome::Reply(Reply::Queue(Arc::new(queue.clone())));
    Ok(Decision::write(now, 512, outcome, |frame| {
        frame.put(&purged);
        frame.put(&Record::QueuePut(Box::new(queue)));
    }))
}
