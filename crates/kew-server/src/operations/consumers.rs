//! Consumers: list, create, get, delete (spec §2.10).

use kew_model::Place;
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
    let new = read_new_consumer(&call.body)?;
    if new.dead_letter_queue.as_ref().is_some_and(|name| !call.caller.may_name(name)) {
        return Err(Fault::new(Kind::Forbidden));
    }
    let broker = &call.house.broker;
    let consumer = broker.create_consumer(place, new).await.map_err(|error| call.refused(error))?;
    Ok(envelope::success_of(&ConsumerView::of(&*call.queue(place)?, &consumer)))
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
