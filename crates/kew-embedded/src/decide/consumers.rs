//! Consumers: attach, replace, detach.

use std::sync::Arc;

use kew_model::{
    Consumer, ConsumerId, DeadLetterLink, Error, Limits, NewConsumer, NewQueue, Place, Queue, QueueId,
    QueueName, QueueNumber, QueueSettings, Timestamp,
};

use super::queues::{fresh, put};
use super::{Decided, queue_at};
use crate::command::Reply;
use crate::state::State;

/// Attaches a consumer; `drawn` are ids for it and for its dead-letter queue, should that be absent.
pub(crate) fn create_consumer(
    state: &State,
    place: Place,
    new: &NewConsumer,
    drawn: (ConsumerId, QueueId),
    now: Timestamp,
) -> Decided {
    let queue = &queue_at(state, place)?.object;
    if queue.consumer.is_some() {
        return Err(Error::ConsumerExists.into());
    }
    attach(state, queue, new, drawn, now, now)
}

/// Replaces the consumer with this id, or attaches one under it when there is none.
pub(crate) fn replace_consumer(
    state: &State,
    place: Place,
    id: ConsumerId,
    new: &NewConsumer,
    drawn: QueueId,
    now: Timestamp,
) -> Decided {
    let queue = &queue_at(state, place)?.object;
    let created_on = match &queue.consumer {
        Some(old) if old.id != id => return Err(Error::ConsumerExists.into()),
        Some(old) => old.created_on,
        None => now,
    };
    attach(state, queue, new, (id, drawn), created_on, now)
}

fn attach(
    state: &State,
    queue: &Queue,
    new: &NewConsumer,
    (id, drawn): (ConsumerId, QueueId),
    created_on: Timestamp,
    now: Timestamp,
) -> Decided {
    let mut created = None;
    let dead_letter_queue = match &new.dead_letter_queue {
        None => None,
        Some(name) if *name == queue.name => return Err(Error::DeadLetterCycle.into()),
        Some(name) => {
            let target = match state.catalog.queue_named(queue.account, name.as_str()) {
                Some(target) => target.id,
                None if state.catalog.queue_count(queue.account) >= Limits::QUEUES_MAX => {
                    return Err(Error::TooMany { what: "queues", limit: Limits::QUEUES_MAX }.into());
                }
                None => created.insert(dead_letter_queue(state, queue, name, drawn, now)).id,
            };
            Some(DeadLetterLink { queue: target, name: name.clone() })
        }
    };
    let consumer = Consumer { id, created_on, kind: new.kind.clone(), dead_letter_queue };
    let changed = Queue { consumer: Some(consumer.clone()), modified_on: now, ..queue.clone() };
    Ok(put(now, Reply::Consumer(Arc::new(consumer)), created.into_iter().chain([changed])))
}

/// A dead-letter queue that is made because it is named (spec §4.6): the source's account and jurisdiction, default
/// settings, no consumer.
pub(crate) fn dead_letter_queue(
    state: &State,
    source: &Queue,
    name: &QueueName,
    id: QueueId,
    now: Timestamp,
) -> Queue {
    let new = NewQueue {
        name: name.clone(),
        id: None,
        jurisdiction: source.jurisdiction,
        settings: QueueSettings::default(),
    };
    fresh(QueueNumber(state.next_queue), id, source.account, new, now)
}

/// Detaches the consumer.
pub(crate) fn delete_consumer(state: &State, place: Place, id: ConsumerId, now: Timestamp) -> Decided {
    let queue = &queue_at(state, place)?.object;
    queue.consumer.as_ref().filter(|consumer| consumer.id == id).ok_or(Error::ConsumerNotFound)?;
    let changed = Queue { consumer: None, modified_on: now, ..(**queue).clone() };
    Ok(put(now, Reply::Done, [changed]))
}
