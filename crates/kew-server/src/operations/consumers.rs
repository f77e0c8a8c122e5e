//! Consumers: list, create, get, replace, delete (spec §2.10).

use std::sync::Arc;

use kew_model::{Consumer, ConsumerKind, Error, NewConsumer, Place, Queue};
use kew_wire::consumers::{ConsumerView, read_new_consumer};
use kew_wire::envelope::{self, Page};
use kew_wire::{Fault, Kind};

use crate::operations::Call;

/// The queue's consumer, as a list; paging parameters mean nothing for one item.
pub(super) fn list(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let queue = call.queue(place)?;
    let views: Vec<_> = queue.consumer.iter().map(|consumer| ConsumerView::of(&queue, consumer)).collect();
    let (page, _) = Page::of(views.len(), None, None);
    Ok(envelope::success_of_page(&views, &page))
}

pub(super) async fn create(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let new = read_allowed(call, &*call.queue(place)?)?;
    let made = call.house.broker.create_consumer(place, new).await;
    made.iter().for_each(|consumer| call.note_made(&consumer.id));
    attached(call, place, made)
}

/// Replaces the consumer of this id, of either type, by another; attaches it when there is none.
pub(super) async fn replace(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let queue = call.queue(place)?;
    let Ok(id) = call.matched.item.parse() else { return Err(Fault::new(Kind::ConsumerNotFound)) };
    let new = read_allowed(call, &queue)?;
    attached(call, place, call.house.broker.replace_consumer(place, id, new).await)
}

/// Reads a consumer whose dead letters would go where the caller may send them: to a queue of its own, or where they
/// go already.
fn read_allowed(call: &Call<'_>, queue: &Queue) -> Result<NewConsumer, Fault> {
    let new = read_new_consumer(&call.body)?;
    let link = queue.consumer.as_ref().and_then(|consumer| consumer.dead_letter_queue.as_ref());
    let is_foreign = |name| !call.caller.may_name(name) && link.is_none_or(|link| link.name != *name);
    if new.dead_letter_queue.as_ref().is_some_and(is_foreign) {
        return Err(Fault::new(Kind::Forbidden));
    }
    Ok(new)
}

fn attached(call: &Call<'_>, place: Place, outcome: Result<Arc<Consumer>, Error>) -> Result<Vec<u8>, Fault> {
    let consumer = outcome.map_err(|error| call.refused(error))?;
    let queue = call.queue(place)?;
    if let ConsumerKind::Worker(worker) = &consumer.kind {
        let (queue, script) = (queue.name.as_str(), worker.script_name.as_str());
        tracing::warn!(queue, ?script, "this queue keeps its messages: nothing delivers to Workers yet");
    }
    Ok(envelope::success_of(&ConsumerView::of(&queue, &consumer)))
}

pub(super) fn get(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let queue = call.queue(place)?;
    let asked = call.matched.item.parse().ok();
    match queue.consumer.as_ref().filter(|consumer| Some(consumer.id) == asked) {
        Some(consumer) => Ok(envelope::success_of(&ConsumerView::of(&queue, consumer))),
        None => Err(Fault::new(Kind::ConsumerNotFound)),
    }
}

pub(super) async fn delete(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    // The queue is looked for first, so that a missing one is not taken for a missing consumer.
    call.queue(place)?;
    let Ok(id) = call.matched.item.parse() else { return Err(Fault::new(Kind::ConsumerNotFound)) };
    call.house.broker.delete_consumer(place, id).await.map_err(|error| call.refused(error))?;
    Ok(envelope::success_without_result())
}
