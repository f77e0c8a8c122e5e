//! Retention: messages that are too old go, oldest first (spec §4.10, contract B8 of `kew_model`).
//!
//! A queue remembers a time before which no message came that it still holds. When that time and the retention period
//! have passed, somebody must look: the messages at the queue's floor either are too old and go, in one record for
//! however many, or they came later than was known. So a queue costs one look each time its oldest may be due, and none
//! otherwise.

use kew_journal::FrameBuffer;
use kew_model::{Milliseconds, QueueNumber, Sequence, Timestamp};

use super::discard::Loaded;
use super::pull::frames_from;
use super::{Undecided, compose};
use crate::command::Fetch;
use crate::queue::QueueState;
use crate::queue::window::Head;
use crate::record::{Aged, Record};
use crate::state::State;

/// How many messages one record looks at, at the most.
const LOOKED_AT_MAX: u64 = 100_000;

/// The frame that says what became of a queue's oldest messages by the time `horizon`; `loaded` are frames that an
/// earlier look asked for.
pub(crate) fn look(
    state: &State,
    number: QueueNumber,
    loaded: &Loaded,
    horizon: Timestamp,
    now: Timestamp,
) -> Result<FrameBuffer, Undecided> {
    let internal = || kew_model::Error::Internal { cause: "a look into a queue that is gone".to_owned() };
    let queue = state.queues.get(&number).ok_or_else(internal)?;
    match judge(queue, loaded, horizon) {
        Some(aged) => Ok(compose(now, 64, |frame| frame.put(&Record::Aged(aged)))),
        None => {
            let (from, positions) = frames_from(state, queue, Sequence(queue.gone.floor()))?;
            Err(Undecided::Needs(Fetch::Oldest { from, positions }))
        }
    }
}

/// What the frames at hand say; nothing when not even the oldest message's is.
fn judge(queue: &QueueState, loaded: &Loaded, horizon: Timestamp) -> Option<Aged> {
    let period: Milliseconds = queue.object.settings.message_retention_period.into();
    let floor = queue.gone.floor();
    let mut aged = Aged {
        queue: queue.object.number,
        before: Sequence(floor),
        in_line: 0,
        bytes: 0,
        oldest: queue.aged,
    };
    let mut sequence = floor;
    while sequence < queue.next && sequence - floor < LOOKED_AT_MAX {
        let Some(head) = head_of(queue, loaded, sequence) else {
            return (sequence > floor).then_some(aged);
        };
        for stored in head.batch().0.messages().filter(|stored| stored.sequence.0 >= sequence) {
            if queue.gone.contains(stored.sequence.0) {
                continue;
            }
            aged.oldest = stored.enqueued_at;
            if stored.enqueued_at.after(period) > horizon {
                return Some(aged);
            }
            aged.before = Sequence(stored.sequence.0 + 1);
            if stored.sequence.0 >= queue.cursor && !stored.is_delayed() {
                aged.in_line += 1;
                aged.bytes += stored.accounted_bytes();
            }
        }
        sequence = queue.gone.first_left(head.end);
    }
    Some(aged)
}

fn head_of<'a>(queue: &'a QueueState, loaded: &'a Loaded, sequence: u64) -> Option<&'a Head> {
    let in_window = queue.window.find(Sequence(sequence));
    in_window.or_else(|| {
        loaded.range(..=sequence).next_back().map(|(_, head)| head).filter(|head| head.end > sequence)
    })
}
