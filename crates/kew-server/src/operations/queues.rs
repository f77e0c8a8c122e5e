//! Queues: list, create, get, replace, change, delete, measure, purge (spec §2.2–§2.8).

use kew_model::{AccountId, Error, Place};
use kew_wire::envelope::{self, Page};
use kew_wire::queues::{
    AskedChange, MetricsView, PurgeView, PurgedView, QueueView, read_change, read_new_queue, read_purge,
    read_replacement,
};
use kew_wire::{Fault, Kind};

use crate::operations::Call;
use crate::query::ListQuery;

/// The caller's queues, in the order of their creation; with `name`, those named so (spec §2.2).
pub(super) fn list(call: &Call<'_>, account: AccountId) -> Result<Vec<u8>, Fault> {
    let query = ListQuery::read(call.query)?;
    let mut queues = call.house.broker.queues(account);
    queues.retain(|queue| {
        let is_asked = query.names.is_empty() || query.names.iter().any(|name| name == queue.name.as_str());
        is_asked && call.caller.sees(queue)
    });
    let (page, range) = Page::of(queues.len(), query.page, query.per_page);
    let views: Vec<_> = queues[range].iter().map(|queue| QueueView::of(queue)).collect();
    Ok(envelope::success_of_page(&views, &page))
}

pub(super) async fn create(call: &Call<'_>, account: AccountId) -> Result<Vec<u8>, Fault> {
    let new = read_new_queue(&call.body)?;
    if !call.caller.may_name(&new.name) {
        return Err(Fault::new(Kind::Forbidden));
    }
    let queue = call.house.broker.create_queue(account, new).await.map_err(|error| call.refused(error))?;
    call.note_made(&queue.id);
    Ok(envelope::success_of(&QueueView::of(&queue)))
}

pub(super) fn get(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    Ok(envelope::success_of(&QueueView::of(&*call.queue(place)?)))
}

/// Gives a queue the settings of the body, and defaults where it names none (spec §2.5).
pub(super) async fn replace(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    update(call, place, read_replacement(&call.body)?).await
}

/// Changes what the body names (spec §2.6).
pub(super) async fn change(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    update(call, place, read_change(&call.body)?).await
}

async fn update(call: &Call<'_>, place: Place, asked: AskedChange) -> Result<Vec<u8>, Fault> {
    let queue = call.queue(place)?;
    asked.check_jurisdiction(queue.jurisdiction)?;
    if asked.change.name.as_ref().is_some_and(|name| !call.caller.may_rename(&queue, name)) {
        return Err(Fault::new(Kind::Forbidden));
    }
    let changed = call.house.broker.update_queue(place, asked.change).await.map_err(|error| match error {
        // Here it is the name that closes the circle, and not the consumer.
        Error::DeadLetterCycle => call.refused(error).at("/queue_name"),
        error => call.refused(error),
    });
    Ok(envelope::success_of(&QueueView::of(&*changed?)))
}

/// The queue's backlog, exact at the moment of the answer's making.
pub(super) async fn metrics(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let backlog = call.house.broker.backlog(place).await.map_err(|error| call.refused(error))?;
    Ok(envelope::success_of(&MetricsView::of(&backlog)))
}

/// Deletes all messages of a queue.
pub(super) async fn purge(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    read_purge(&call.body)?;
    let queue = call.house.broker.purge(place).await.map_err(|error| call.refused(error))?;
    Ok(envelope::success_of(&PurgedView::of(&queue)))
}

/// When the queue was last purged.
pub(super) fn get_purge(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    Ok(envelope::success_of(&PurgeView::of(call.queue(place)?.purge)))
}

pub(super) async fn delete(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    call.house.broker.delete_queue(place).await.map_err(|error| call.refused(error))?;
    Ok(envelope::success_without_result())
}
