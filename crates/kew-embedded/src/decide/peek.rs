//! Peek: show what a pull would take, and take nothing.

use kew_model::{ConsumerKind, Limits, Peek, Place, Timestamp};

use super::pull::gather;
use super::{Decided, Decision, Outcome, queue_at};
use crate::queue::QueueState;
use crate::state::State;

/// Looks at what is available, also in a queue that is paused or has no consumer. Nothing is written.
pub(crate) fn peek(state: &State, place: Place, peek: Peek, now: Timestamp) -> Decided {
    let queue = queue_at(state, place)?;
    let most = usize::from(peek.batch_size.unwrap_or_else(|| batch_size(queue)));
    let picks = gather(state, queue, most, now, 0, |_| {})?;
    Ok(Decision::nothing(Outcome::Peeked(picks)))
}

/// How many messages a peek shows that does not say: as many as a pull would take.
fn batch_size(queue: &QueueState) -> u16 {
    match queue.object.consumer.as_ref().map(|consumer| &consumer.kind) {
        Some(ConsumerKind::HttpPull(settings)) => settings.batch_size,
        _ => Limits::PULL_BATCH_DEFAULT,
    }
}
