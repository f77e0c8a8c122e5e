//! Push, batch push, pull, ack (spec §2.11 rows 15–18).

use kew_model::{Place, PushBatch};
use kew_wire::Fault;
use kew_wire::messages::{
    read_batch, read_pull, read_push, read_settlement, write_pulled, write_pushed, write_settled,
};

use crate::operations::Call;

pub(super) async fn push(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    publish(call, place, read_push(&call.body, call.house.settings().json_bodies)?).await
}

pub(super) async fn push_batch(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    publish(call, place, read_batch(&call.body, call.house.settings().json_bodies)?).await
}

async fn publish(call: &Call<'_>, place: Place, batch: PushBatch) -> Result<Vec<u8>, Fault> {
    let pushed = call.house.broker.push(place, batch).await.map_err(|error| call.refused(error))?;
    Ok(write_pushed(&pushed))
}

pub(super) async fn pull(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let pull = read_pull(&call.body)?.pull;
    let pulled = call.house.broker.pull(place, pull).await.map_err(|error| call.refused(error))?;
    Ok(write_pulled(&pulled, &call.house.keys, call.house.settings().pull_json_encoding))
}

pub(super) async fn ack(call: &Call<'_>, place: Place) -> Result<Vec<u8>, Fault> {
    let mut asked = read_settlement(&call.body, &call.house.keys)?;
    let settlement = core::mem::take(&mut asked.settlement);
    let settled = call.house.broker.settle(place, settlement).await.map_err(|error| call.refused(error))?;
    Ok(write_settled(&asked, &settled))
}
