//! How a store ends: in order, with a checkpoint, or by a failure that everybody who waits is told of.

use std::time::Duration;

use kew_model::Error;

use super::{Driver, Failed, Message, cause_of};
use crate::checkpoint;
use crate::command::Input;
use crate::desk::{Leaving, Work};
use crate::reply::ReplyTo;
use crate::shared::CloseReply;
use crate::snapshot::Snapshot;

impl Driver {
    /// Takes nothing more in, answers what is decided, keeps a checkpoint, and seals the log.
    pub(crate) fn close(mut self, mut asked: Vec<CloseReply>) {
        self.shared.close();
        if let Err(error) = self.committer.settle() {
            return self.fail(Failed { cause: cause_of(&error), waiting: Vec::new() }, asked);
        }
        let Some(mut work) = self.shared.desk.lock().take() else {
            let cause = self.reason();
            return self.fail(Failed { cause, waiting: Vec::new() }, asked);
        };
        let leaving = match self.commit_last(&mut work) {
            Ok(leaving) => leaving,
            Err(failed) => return self.fail(failed, asked),
        };
        self.shared.give_out(leaving);
        asked.extend(self.refuse(&Error::Closing, work.abandon()));
        self.shared.keeper.close();
        let Work { shard, .. } = work;
        let cut = shard.journal.checkpoint_cut();
        let kept = if shard.journal.log_bytes_since_checkpoint() > 0 {
            let snapshot = Snapshot::of(&shard.state);
            self.checkpoints.write(&cut, |out| checkpoint::encode(&snapshot, out)).map(drop)
        } else {
            Ok(())
        };
        // All that was answered is in the log; without the checkpoint the next start reads more of it.
        if let Err(reason) = kept {
            tracing::warn!(%reason, "the last checkpoint could not be kept; the next start reads the log instead");
        }
        let Self { committer, shared, .. } = self;
        let closed = shard.journal.close(committer);
        shared.signals.tell_all();
        let closed = closed.map_err(|error| Error::Internal { cause: error.to_string() });
        for reply_to in asked {
            // A closed store that nobody waits for is closed all the same.
            drop(reply_to.send(closed.clone()));
        }
    }

    /// Makes durable what was decided before the close.
    pub(super) fn commit_last(&mut self, work: &mut Work) -> Result<Leaving, Failed> {
        let (group, leaving) =
            work.take_group().map_err(|error| Failed { cause: cause_of(&error), waiting: work.abandon() })?;
        match group.map(|group| self.committer.commit(group)) {
            Some(Err(error)) => {
                let waiting = leaving.into_reply_tos().into_iter().chain(work.abandon()).collect();
                Err(Failed { cause: cause_of(&error), waiting })
            }
            Some(Ok(_)) | None => Ok(leaving),
        }
    }

    /// The store has failed: everybody who waits is told that the outcome is unknown.
    pub(crate) fn fail(&mut self, failed: Failed, mut close: Vec<CloseReply>) {
        let Failed { cause, mut waiting } = failed;
        let cause = self.shared.has_failed(cause);
        self.shared.close();
        if let Some(mut work) = self.shared.desk.lock().take() {
            waiting.extend(work.abandon());
        }
        let error = Error::OutcomeUnknown { cause };
        close.extend(self.refuse(&error, waiting));
        self.shared.keeper.close();
        self.shared.signals.tell_all();
        for reply_to in close {
            drop(reply_to.send(Err(error.clone())));
        }
    }

    /// Answers everybody who still waits, here or in the closed inbox; gives back those who asked to close.
    pub(super) fn refuse(&mut self, error: &Error, mut waiting: Vec<ReplyTo>) -> Vec<CloseReply> {
        let inputs = self.shared.inbox.take(Some(Duration::ZERO)).items;
        waiting.extend(inputs.into_iter().filter_map(Input::into_reply_to));
        waiting.into_iter().for_each(|reply_to| reply_to.send(Err(error.clone())));
        let orders = self.shared.orders.take(Some(Duration::ZERO)).items.into_iter();
        let closes = orders.filter_map(|order| match order {
            Message::Close(reply_to) => Some(reply_to),
            // Whoever asked for a snapshot learns it from the answer that does not come.
            Message::Snapshot(_)
            | Message::CheckpointKept(_)
            | Message::IndexKept(..)
            | Message::Failed(_) => None,
        });
        closes.collect()
    }
}
