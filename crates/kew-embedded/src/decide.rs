//! Decisions: pure functions from the state, a verb, the time and some random bytes to the frame that carries the
//! verb out. They never change the state: applying the frame does, live as in replay.

pub(crate) mod access;
pub(crate) mod aging;
pub(crate) mod consumers;
pub(crate) mod discard;
pub(crate) mod due;
pub(crate) mod loaded;
pub(crate) mod merge;
pub(crate) mod peek;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod queues;
pub(crate) mod redrive;
pub(crate) mod relocate;
pub(crate) mod settle;
pub(crate) mod subscriptions;

use kew_journal::FrameBuffer;
use kew_model::{Error, Place, QueueNumber, Timestamp};

use crate::command::{Picks, Reply};
use crate::fetch::{Fetch, Locator};
use crate::queue::QueueState;
use crate::record::FrameWriter;
use crate::state::State;

/// What a verb comes to.
#[derive(Debug)]
pub(crate) struct Decision {
    /// The records, when there is anything to write.
    pub(crate) frame: Option<FrameBuffer>,
    pub(crate) outcome: Outcome,
}

/// The answer, made once the frame is applied.
#[derive(Debug)]
pub(crate) enum Outcome {
    Reply(Reply),
    /// The queue's backlog as it is then.
    Backlog(QueueNumber),
    /// As [`Outcome::Backlog`], for a push that was carried out before.
    Repeated(QueueNumber),
    /// These messages and the queue's backlog.
    Pulled(QueueNumber, Picks),
    /// These messages.
    Peeked(Picks),
}

/// Why a verb is not decided now.
#[derive(Debug)]
pub(crate) enum Undecided {
    /// It is refused.
    Refused(Error),
    /// Something must be read first.
    Needs(Fetch),
}

impl From<Error> for Undecided {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

pub(crate) type Decided = Result<Decision, Undecided>;

impl Decision {
    /// Writes records decided at `now`, about `bytes` long.
    pub(crate) fn write(
        now: Timestamp,
        bytes: usize,
        outcome: Outcome,
        write: impl FnOnce(&mut FrameWriter<'_>),
    ) -> Self {
        Self { frame: Some(compose(now, bytes, write)), outcome }
    }

    /// Writes nothing.
    pub(crate) fn nothing(outcome: Outcome) -> Self {
        Self { frame: None, outcome }
    }
}

/// A frame of records decided at `now`, about `bytes` long.
pub(crate) fn compose(now: Timestamp, bytes: usize, write: impl FnOnce(&mut FrameWriter<'_>)) -> FrameBuffer {
    let mut frame = FrameBuffer::with_capacity(bytes + 32);
    write(&mut FrameWriter::begin(frame.bytes_mut(), now));
    frame
}

/// The queue at a place.
pub(crate) fn queue_at(state: &State, place: Place) -> Result<&QueueState, Error> {
    let object = state.catalog.queue(place).ok_or(Error::QueueNotFound)?;
    state.queues.get(&object.number).ok_or(Error::QueueNotFound)
}

/// Where a live message of a queue lies.
pub(crate) fn locate(
    state: &State,
    queue: QueueNumber,
    sequence: kew_model::Sequence,
) -> Result<Locator, Error> {
    let lost = || Error::Internal { cause: format!("queue {} has no segment for {}", queue.0, sequence.0) };
    let (segment, position) = state.locate(queue, sequence).ok_or_else(lost)?;
    Ok(Locator { queue, sequence, segment, position })
}
