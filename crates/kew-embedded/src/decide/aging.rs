//! Retention: messages that are too old go, oldest first (spec §4.10, contract B8 of `kew_model`).
//!
//! A queue remembers a time before which no message came that it still holds. When that time and the retention period
//! have passed, somebody must look: the messages at the queue's floor either are too old and go, in one record for
//! however many, or they came later than was known. So a queue costs one look each time its oldest may be due, and none
//! otherwise.
//!
//! A look goes from extent to extent. What each of them remembers of its messages' ages settles all but the one in which
//! the limit falls; only the frames of that one are looked into.

use kew_journal::FrameBuffer;
use kew_model::{Milliseconds, QueueNumber, Sequence, Timestamp};

use super::loaded::Loaded;
use super::pull::frames_from;
use super::{Undecided, compose};
use crate::fetch::Fetch;
use crate::queue::QueueState;
use crate::queue::window::Head;
use crate::record::{Aged, Record};
use crate::state::State;

/// How many messages one record looks at in frames, at the most.
const LOOKED_AT_MAX: u64 = 100_000;

/// The frame that says what became of a queue's oldest messages by the time `horizon`; `loaded` are frames that earlier
/// looks asked for, and `is_fresh` says that some of them were read for this one.
pub(crate) fn look(
    state: &State,
    number: QueueNumber,
    (loaded, is_fresh): (&Loaded, bool),
    horizon: Timestamp,
    now: Timestamp,
) -> Result<FrameBuffer, Undecided> {
    let internal = || kew_model::Error::Internal { cause: "a look into a queue that is gone".to_owned() };
    let queue = state.queues.get(&number).ok_or_else(internal)?;
    let mut look = Look::new(queue, loaded, horizon);
    match look.go() {
        Reached::Limit => {}
        // What was read did not reach the limit. What it tells is written down; the next look goes on from there.
        Reached::Unread if is_fresh && look.aged.before.0 > queue.gone.floor() => {}
        Reached::Unread => {
            let (from, positions) = frames_from(state, queue, look.aged.before)?;
            return Err(Undecided::Needs(Fetch::Oldest { from, positions }));
        }
    }
    Ok(compose(now, 64, |frame| frame.put(&Record::Aged(look.aged))))
}

/// Where a look ended.
enum Reached {
    /// At the first message that stays, at the end, or at what one look looks at.
    Limit,
    /// At a message whose frame is not at hand.
    Unread,
}

/// A look under way.
struct Look<'a> {
    queue: &'a QueueState,
    loaded: &'a Loaded,
    period: Milliseconds,
    horizon: Timestamp,
    /// What is known so far.
    aged: Aged,
    /// How many messages were looked at in frames.
    looked_at: u64,
}

impl<'a> Look<'a> {
    fn new(queue: &'a QueueState, loaded: &'a Loaded, horizon: Timestamp) -> Self {
        let aged = Aged {
            queue: queue.object.number,
            before: Sequence(queue.gone.floor()),
            in_line: 0,
            bytes: 0,
            oldest: queue.aged,
        };
        let period = queue.object.settings.message_retention_period.into();
        Self { queue, loaded, period, horizon, aged, looked_at: 0 }
    }

    fn is_over(&self, enqueued_at: Timestamp) -> bool {
        enqueued_at.after(self.period) <= self.horizon
    }

    /// Goes on from message to message that is left, by whole extents where these tell enough.
    fn go(&mut self) -> Reached {
        while self.aged.before.0 < self.queue.next && self.looked_at < LOOKED_AT_MAX {
            let sequence = self.aged.before.0;
            match self.queue.extents.of(sequence).and_then(|extent| extent.summary) {
                Some(summary) if !self.is_over(summary.oldest) => {
                    self.aged.oldest = summary.oldest;
                    return Reached::Limit;
                }
                Some(summary) if self.is_over(summary.newest) => {
                    self.aged.in_line += summary.in_line;
                    self.aged.bytes += summary.bytes;
                    self.aged.oldest = summary.newest;
                    self.go_to(self.queue.extents.end_of(sequence).unwrap_or(self.queue.next));
                }
                _ => {
                    let Some(head) = self.head_of(sequence) else { return Reached::Unread };
                    if !self.look_into(head) {
                        return Reached::Limit;
                    }
                }
            }
        }
        Reached::Limit
    }

    /// Looks at the messages of a frame; false when one of them stays.
    fn look_into(&mut self, head: &Head) -> bool {
        let from = self.aged.before;
        for stored in head.batch().0.messages().filter(|stored| stored.sequence >= from) {
            if self.queue.gone.contains(stored.sequence.0) {
                continue;
            }
            self.looked_at += 1;
            self.aged.oldest = stored.kept_from();
            if !self.is_over(stored.kept_from()) {
                self.aged.before = stored.sequence;
                return false;
            }
            if stored.sequence.0 >= self.queue.cursor && !stored.is_delayed() {
                self.aged.in_line += 1;
                self.aged.bytes += stored.accounted_bytes();
            }
        }
        self.go_to(head.end);
        true
    }

    /// The next message that is left.
    fn go_to(&mut self, sequence: u64) {
        self.aged.before = Sequence(self.queue.gone.first_left(sequence));
    }

    fn head_of(&self, sequence: u64) -> Option<&'a Head> {
        self.queue.window.find(Sequence(sequence)).or_else(|| self.loaded.holding(sequence))
    }
}
