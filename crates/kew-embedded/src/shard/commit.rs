//! Decisions become frames of the log, are applied, and get their answers.

use kew_journal::{FrameBuffer, Lsn};
use kew_model::{Error, QueueNumber};

use super::{NoSpace, Shard};
use crate::command::{BacklogSeen, OldestSeen, Reply};
use crate::decide::{Decided, Decision, Outcome, locate};
use crate::queue::Oldest;
use crate::state::Applied;

/// What a message takes more of a frame when it is buried than when it is pushed, in bytes, at the most.
const BURIAL_ROOM: usize = 1_024;

impl Shard {
    /// Refuses what would write messages while the volume is nearly full.
    pub(super) fn needs_space(&self, decision: Decision) -> Decided {
        match self.no_space.filter(|_| decision.frame.is_some()) {
            Some(NoSpace { free_bytes, needed_bytes }) => {
                Err(Error::StorageFull { free_bytes, needed_bytes }.into())
            }
            None => Ok(decision),
        }
    }

    /// Refuses what no segment of this store can hold, now or as a dead letter, which only a store of small segments
    /// meets.
    pub(super) fn too_large(&self, decision: &Decision) -> Option<Error> {
        let size = decision.frame.as_ref()?.payload().len();
        (size + BURIAL_ROOM > self.journal.largest_payload())
            .then_some(Error::BatchTooLarge { size: size as u64 })
    }

    /// Writes and applies a decision, and makes its answer.
    pub(super) fn carry_out(&mut self, decision: Decision) -> Result<Reply, kew_journal::Error> {
        let lsn = match decision.frame {
            Some(frame) => self.commit(frame)?,
            None => Lsn::NONE,
        };
        Ok(match decision.outcome {
            Outcome::Reply(reply) => reply,
            Outcome::Backlog(number) => {
                let backlog = self.backlog(number);
                Reply::Backlog(backlog, self.pinned.pin(backlog.segment()))
            }
            Outcome::Repeated(number) => {
                let backlog = self.backlog(number);
                Reply::Repeated(backlog, self.pinned.pin(backlog.segment()))
            }
            Outcome::Pulled(number, mut picks) => {
                picks.fence = lsn.0;
                let backlog = self.backlog(number);
                picks.pins = self.pinned.pin(picks.segments().chain(backlog.segment()));
                Reply::Pulled(backlog, picks)
            }
            Outcome::Peeked(mut picks) => {
                picks.pins = self.pinned.pin(picks.segments());
                Reply::Peeked(picks)
            }
        })
    }

    /// Stages a frame and applies it.
    pub(super) fn commit(&mut self, frame: FrameBuffer) -> Result<Lsn, kew_journal::Error> {
        self.cleaner.wrote(frame.payload().len());
        self.commit_apart(frame)
    }

    /// As [`Shard::commit`], for a frame that is none of the work by which cleaning is measured.
    pub(super) fn commit_apart(&mut self, frame: FrameBuffer) -> Result<Lsn, kew_journal::Error> {
        let staged = self.journal.stage(frame)?;
        let shared = (self.state.window_bytes < self.window_budget).then_some(&staged.payload);
        let frame = Applied { lsn: staged.lsn, position: staged.position, payload: &staged.payload, shared };
        self.state.apply(frame).map_err(|error| broken(&error.to_string()))?;
        Ok(staged.lsn)
    }

    pub(super) fn backlog(&mut self, number: QueueNumber) -> BacklogSeen {
        let none = BacklogSeen { count: 0, bytes: 0, oldest: OldestSeen::None };
        let Some(queue) = self.state.queues.get_mut(&number) else { return none };
        let (count, bytes, oldest) = (queue.backlog_count, queue.backlog_bytes, queue.oldest());
        let oldest = match oldest {
            Oldest::None => OldestSeen::None,
            Oldest::At(at) => OldestSeen::At(at),
            Oldest::Unread(sequence) => {
                locate(&self.state, number, sequence).map_or(OldestSeen::None, OldestSeen::Unread)
            }
        };
        BacklogSeen { count, bytes, oldest }
    }
}

/// The state and the log disagree: the store ends before it can answer wrongly.
pub(super) fn broken(reason: &str) -> kew_journal::Error {
    kew_journal::Error::Damage { file: "log".to_owned(), offset: 0, reason: reason.to_owned() }
}
