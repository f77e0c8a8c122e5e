//! The desk: where verbs are decided, by one at a time.
//!
//! Whoever brings a verb sits down at the desk if it is free, and decides what has come, their own verb and those of
//! others; whoever finds it taken leaves theirs to whoever sits there. So a verb changes threads once, to be made
//! durable, and while the writer syncs one group, the next is decided on the threads that brought it.
//!
//! What was decided stays here until the writer takes it, together with the frames that it depends on: nothing of it
//! leaves before the sync that covers it (H2).

use std::sync::{Mutex, MutexGuard};

use kew_journal::Group;
use kew_model::{QueueNumber, Timestamp};

use crate::command::Input;
use crate::reply::ReplyTo;
use crate::shard::{Cleaned, NoSpace, Shard, Stepped};

/// The place. Empty once the store is closed or has failed.
pub(crate) struct Desk(Mutex<Option<Work>>);

/// What lies there.
pub(crate) struct Work {
    pub(crate) shard: Shard,
    leaving: Leaving,
    failed: Option<Failed>,
}

/// What was decided and has not left.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    pub(crate) stepped: Stepped,
    /// Queues in which time has made something available.
    pub(crate) ripe: Vec<QueueNumber>,
}

/// A step that failed, and with it the store.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: kew_journal::Error,
    /// Those whose verbs the step did not come to.
    pub(crate) unseen: Vec<ReplyTo>,
}

impl Desk {
    pub(crate) fn new(shard: Shard) -> Self {
        Self(Mutex::new(Some(Work { shard, leaving: Leaving::default(), failed: None })))
    }

    /// Waits for the desk.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<Work>> {
        self.0.lock().unwrap_or_else(|poisoned| {
            // Whoever sat here left it half done, and has told everybody (`Alarm`).
            let mut work = poisoned.into_inner();
            work.take();
            work
        })
    }

    /// The desk, if nobody sits there.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, Option<Work>>> {
        // Poisoned counts as taken: the store has failed.
        self.0.try_lock().ok()
    }
}

impl Work {
    /// Decides what has come. After a failure nothing is decided any more.
    pub(crate) fn step(&mut self, inputs: Vec<Input>, now: Timestamp, no_space: Option<NoSpace>) {
        let mut inputs = inputs.into_iter();
        if self.failed.is_none() {
            self.shard.no_space = no_space;
            self.shard.journal.note_commits();
            // Before the verbs, which may take away again what time has made available.
            self.leaving.ripe.extend(self.shard.state.ripen(now));
            match self.shard.step(inputs.by_ref(), now) {
                Ok(stepped) => self.leaving.stepped.add(stepped),
                Err(error) => self.failed = Some(Failed { error, unseen: Vec::new() }),
            }
        }
        if let Some(failed) = &mut self.failed {
            failed.unseen.extend(inputs.filter_map(Input::into_reply_to));
        }
    }

    /// Takes a step of cleaning, if one may be taken now.
    pub(crate) fn clean(&mut self, now: Timestamp, is_scarce: bool) -> Cleaned {
        if self.failed.is_some() {
            return Cleaned::Nothing;
        }
        self.shard.cleaner.look_at_space(is_scarce);
        self.shard.clean(now).unwrap_or_else(|error| {
            self.failed = Some(Failed { error, unseen: Vec::new() });
            Cleaned::Nothing
        })
    }

    /// What was decided, when all that it shows is durable already.
    pub(crate) fn leave_if_durable(&mut self) -> Option<Leaving> {
        let may_leave = self.failed.is_none() && self.shard.journal.is_durable() && !self.leaving.is_empty();
        may_leave.then(|| {
            // The rest of the work stays with the writer.
            let unfinished = core::mem::take(&mut self.leaving.stepped.unfinished);
            let leaving = core::mem::take(&mut self.leaving);
            self.leaving.stepped.unfinished = unfinished;
            leaving
        })
    }

    /// Whether there is something here that the writer is to make durable or to go on with.
    pub(crate) fn wants_writer(&self) -> bool {
        self.failed.is_some() || self.leaving.stepped.unfinished || !self.shard.journal.is_durable()
    }

    /// Takes what was decided and the frames that it depends on, for a commit. After a step that failed there is nothing
    /// to take but the failure.
    pub(crate) fn take_group(&mut self) -> Result<(Option<Group>, Leaving), kew_journal::Error> {
        if let Some(failed) = &mut self.failed {
            return Err(core::mem::replace(&mut failed.error, kew_journal::Error::Closed));
        }
        self.shard.journal.mark_group()?;
        Ok((self.shard.journal.take_group(), core::mem::take(&mut self.leaving)))
    }

    /// Everybody who waits for an answer, when there will be none.
    pub(crate) fn abandon(&mut self) -> Vec<ReplyTo> {
        let Self { shard, leaving, failed } = self;
        let unseen = failed.take().into_iter().flat_map(|failed| failed.unseen);
        let decided = core::mem::take(leaving).stepped.answers.into_iter().map(|(reply_to, _)| reply_to);
        decided.chain(shard.abandon()).chain(unseen).collect()
    }
}

impl Leaving {
    /// Those who wait for what was decided.
    pub(crate) fn into_reply_tos(self) -> Vec<ReplyTo> {
        self.stepped.answers.into_iter().map(|(reply_to, _)| reply_to).collect()
    }

    fn is_empty(&self) -> bool {
        let Stepped { answers, fetches, effects, unfinished: _ } = &self.stepped;
        answers.is_empty()
            && fetches.is_empty()
            && effects.catalog.is_empty()
            && effects.available.is_empty()
            && self.ripe.is_empty()
    }
}
