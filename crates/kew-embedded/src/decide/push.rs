//! Push: one frame, one record, one copy of the bodies.

use kew_model::{MessageId, Place, PushBatch, Sequence, Timestamp};

use super::{Decided, Decision, Outcome, queue_at};
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
    let delay = queue.object.settings.delivery_delay;
    Ok(Decision::write(now, pushed_bytes(batch), Outcome::Backlog(number), |frame| {
        frame.messages(false, |out| put_pushed(out, number, Sequence(queue.next), base, batch, delay));
    }))
}
