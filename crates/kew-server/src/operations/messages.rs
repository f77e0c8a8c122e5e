//! The calls about messages: push, pull, ack, extend, and the two pairs that look and delete without leases
//! (spec §2.11 rows 15–23).

use hyper::header::HeaderName;
use kew_model::{AckOutcome, Peeked, Place, PushBatch, QueueNumber, RetryOutcome, Sequence};
use kew_wire::messages::{
    Origins, Pushing, idempotency, read_batch, read_extend, read_peek, read_preview_settlement, read_pull,
    read_push, read_references, read_settlement, write_discarded, write_extended, write_peeked,
    write_preview_settled, write_previewed, write_pulled, write_pushed, write_settled,
};
use kew_wire::{Fault, Kind};

use crate::meters::Happening;
use crate::operations::{Call, Success, long_poll};

/// The name under which a push is carried out once (design §8.24).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

pub(super) async fn push(call: &Call<'_>, place: Place) -> Result<Success, Fault> {
    let batch = read_push(&call.body, call.house.settings().json_bodies)?;
    publish(call, place, batch, Pushing::Message).await
}

pub(super) async fn push_batch(call: &Call<'_>, place: Place) -> Result<Success, Fault> {
    let batch = read_batch(&call.body, call.house.settings().json_bodies)?;
    publish(call, place, batch, Pushing::Batch).await
}

async fn publish(
    call: &Call<'_>,
    place: Place,
    mut batch: PushBatch,
    pushing: Pushing,
) -> Result<Success, Fault> {
    let mut keys = call.headers.get_all(IDEMPOTENCY_KEY).iter();
    if let Some(key) = keys.next() {
        if keys.next().is_some() {
            return Err(Fault::new(Kind::IdempotencyKeyInvalid));
        }
        batch.idempotency = Some(idempotency(key.as_bytes(), pushing, &call.body)?);
    }
    let count = batch.len();
    let pushed = call.house.broker.push(place, batch).await.map_err(|error| call.refused(error))?;
    if !pushed.repeated {
        call.house.meters.happened(Happening::Pushed, count);
    }
    Ok(Success { is_repeated: pushed.repeated, ..Success::from(write_pushed(&pushed)) })
}

pub(super) async fn pull(call: &mut Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let asked = read_pull(&call.body)?;
    // It may wait for long, and as long its body would take room from others'.
    call.let_go_of_body();
    let pulled = if asked.wait.0 == 0 {
        long_poll::look(call, place, asked.pull).await?
    } else {
        long_poll::pull(call, place, asked).await?
    };
    call.house.meters.happened(Happening::Delivered, pulled.messages.len());
    let origins = origins(call, place, pulled.messages.iter().filter_map(|message| message.origin));
    Ok(write_pulled(&pulled, &call.house.keys, call.house.settings().pull_json_encoding, &origins))
}

pub(super) async fn ack(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let mut asked = read_settlement(&call.body, &call.house.keys)?;
    let settlement = core::mem::take(&mut asked.settlement);
    let settled = call.house.broker.settle(place, settlement).await.map_err(|error| call.refused(error))?;
    let acknowledged = settled.acks.iter().filter(|outcome| **outcome == AckOutcome::Acked).count();
    let retried = settled.retries.iter().filter(|outcome| **outcome == RetryOutcome::Retried).count();
    call.house.meters.happened(Happening::Acknowledged, acknowledged);
    call.house.meters.happened(Happening::Retried, retried);
    Ok(write_settled(&asked, &settled))
}

pub(super) async fn extend(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let mut asked = read_extend(&call.body, &call.house.keys)?;
    let extend = core::mem::take(&mut asked.extend);
    let extended = call.house.broker.extend(place, extend).await.map_err(|error| call.refused(error))?;
    Ok(write_extended(&asked, &extended))
}

pub(super) async fn peek(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let (peeked, origins) = glance(call, place).await?;
    Ok(write_peeked(&peeked, &call.house.keys, call.house.settings().pull_json_encoding, &origins))
}

/// The older name of a peek.
pub(super) async fn preview(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let (peeked, origins) = glance(call, place).await?;
    Ok(write_previewed(&peeked, &call.house.keys, call.house.settings().pull_json_encoding, &origins))
}

async fn glance(call: &Call<'_>, place: Place) -> Result<(Peeked, Origins), Fault> {
    let peek = read_peek(&call.body)?;
    let peeked = call.house.broker.peek(place, peek).await.map_err(|error| call.refused(error))?;
    let origins = origins(call, place, peeked.messages.iter().filter_map(|message| message.origin));
    Ok((peeked, origins))
}

/// The queues that dead letters came from, those that the caller may know of.
fn origins(call: &Call<'_>, place: Place, numbers: impl Iterator<Item = QueueNumber>) -> Origins {
    let find = |number| call.house.broker.queue_numbered(place.account, number);
    Origins::of(numbers, |number| find(number).filter(|queue| call.caller.sees(queue)))
}

/// Deletes peeked messages by their refs.
pub(super) async fn discard(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let mut asked = read_references(&call.body, &call.house.keys, number(call, place)?)?;
    let found = delete(call, place, core::mem::take(&mut asked.messages)).await?;
    Ok(write_discarded(&asked, &found))
}

/// Deletes previewed messages, asked and answered as an ack.
pub(super) async fn ack_preview(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let mut asked = read_preview_settlement(&call.body, &call.house.keys, number(call, place)?)?;
    delete(call, place, core::mem::take(&mut asked.messages)).await?;
    Ok(write_preview_settled(&asked))
}

/// The number that refs of a queue's messages hold; it is nobody else's, before or after.
fn number(call: &Call<'_>, place: Place) -> Result<QueueNumber, Fault> {
    Ok(call.queue(place)?.number)
}

async fn delete(call: &Call<'_>, place: Place, messages: Vec<Sequence>) -> Result<Vec<bool>, Fault> {
    let found = call.house.broker.discard(place, messages).await.map_err(|error| call.refused(error))?;
    call.house.meters.happened(Happening::Deleted, found.iter().filter(|found| **found).count());
    Ok(found)
}
