//! Push: one frame, one record, one copy of the bodies.

use kew_journal::seeded::{self, Bug};
use kew_model::{Error, MessageId, Place, PushBatch, Sequence, Timestamp};

use super::{Decided, Decision, Outcome, queue_at};
use crate::queue::keys::Known;
use crate::record::BatchKind;
use crate::record::batch::{pushed_bytes, put_pushed};
use crate::state::State;

/// Publishes a batch whose message ids count up from `base`.
pub(crate) fn push(
    state: &State,
    place: Place,
    batch: &PushBatch,
    base: MessageId,
    now: Timestamp,
) -> Decided {
    let queue = queue_at(state, place)?;
    batch.check()?;
    let number = queue.object.number;
    if let Some(idempotency) = batch.idempotency {
        match queue.keys.find(idempotency, now) {
            Known::No => {}
            Known::Same if seeded::is(Bug::IgnoreIdempotency) => {}
            Known::Same => return Ok(Decision::nothing(Outcome::Repeated(number))),
            Known::Other => return Err(Error::IdempotencyMismatch.into()),
        }
    }
    let delay = queue.object.settings.delivery_delay;
    Ok(Decision::write(now, pushed_bytes(batch), Outcome::Backlog(number), |frame| {
        frame.messages(BatchKind::Pushed, |out| {
            put_pushed(out, number, Sequence(queue.next), base, batch, delay)
        });
    }))
}
