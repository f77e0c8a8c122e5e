//! Queues: list, create, get, delete (spec §2.2–§2.4, §2.7).

use kew_model::{AccountId, Place};
use kew_wire::envelope::{self, Page};
use kew_wire::queues::{QueueView, read_new_queue};
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
    Ok(envelope::success_of(&QueueView::of(&queue)))
}

pub(super) fn get(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    Ok(envelope::success_of(&QueueView::of(&*call.queue(place)?)))
}

pub(super) async fn delete(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    call.house.broker.delete_queue(place).await.map_err(|error| call.refused(error))?;
    Ok(envelope::success_without_result())
}
