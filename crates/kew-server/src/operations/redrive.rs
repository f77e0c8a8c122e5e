//! Redrive: messages of a dead-letter queue go back to be processed again, a batch a call. Kew's own (design §8.24).
//!
//! Who redrives takes messages here and publishes them there, so it needs both rights (the table of routes), and the queues
//! that they go to must be its own: the one that it names, or, since nobody knows beforehand where messages came from, all
//! of the account's when each goes back to its origin.

use std::sync::Arc;

use kew_model::{Destination, Error, Place, Queue, QueueId, Redrive};
use kew_wire::redrive::{no_destination, read_redrive, write_redriven};
use kew_wire::{Fault, Kind};

use crate::meters::Happening;
use crate::operations::Call;

pub(super) async fn redrive(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let asked = read_redrive(&call.body)?;
    // A queue that is missing is said to be, before anything is said of where its messages would go.
    call.queue(place)?;
    let destination = match asked.destination.as_deref() {
        Some(text) => Destination::Queue(named(call, place, text)?),
        None if call.caller.sees_all() => Destination::Origin,
        None => {
            let why = "Authentication error: messages may have come from any queue, so to send them back needs a token \
                       for all queues; with a token for some, name the destination";
            return Err(Fault::new(Kind::Forbidden).detailed(why));
        }
    };
    let redrive = Redrive { destination, batch_size: asked.batch_size };
    let redriven = call.house.broker.redrive(place, redrive).await.map_err(|error| match error {
        Error::DestinationNotFound => no_destination(),
        Error::RedriveCycle => call.refused(error).at("/destination"),
        other => call.refused(other),
    })?;
    call.house.meters.happened(Happening::Redriven, usize::try_from(redriven.moved).unwrap_or(usize::MAX));
    Ok(write_redriven(&redriven))
}

/// The queue of the same account with this id or, if there is none, this name. A queue that is not the caller's is as
/// missing as one that never was.
fn named(call: &Call<'_>, source: Place, text: &str) -> Result<QueueId, Fault> {
    let broker = call.house.broker.as_ref();
    let is_seen = |queue: &Arc<Queue>| call.caller.sees(queue);
    let by_id = text.parse().ok().and_then(|queue| broker.queue(Place { queue, ..source })).filter(is_seen);
    let found = by_id.or_else(|| broker.queue_named(source.account, text).filter(is_seen));
    found.map(|queue| queue.id).ok_or_else(no_destination)
}
