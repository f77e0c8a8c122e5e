//! The desk: where verbs are decided, by one at a time.
//!
//! Whoever brings a verb sits down at the desk if it is free, and decides what has come, their own verb and those of
//! others; whoever finds it taken leaves theirs to whoever sits there. So a verb changes threads once, to be made
//! durable, and while the writer syncs one group, the next is decided on the threads that brought it.
//!
//! What was decided stays here until the writer takes it, together with the frames that it depends on: nothing of it
//! leaves before the sync that covers it (H2).

use kew_journal::Group;
use kew_model::{QueueNumber, Timestamp};

use crate::command::Input;
use crate::reply::ReplyTo;
use crate::shard::{Cleaned, NoSpace, Shard, Stepped};
use crate::sync::{Mutex, MutexGuard};

/// The place. Empty once the store is closed or has failed.
pub(crate) struct Desk<W = Work>(Mutex<Option<W>>);

/// What lies there.
pub(crate) struct Work {
    pub(crate) shard: Shard,
    leaving: Leaving,
    failed: Option<Failed>,
    /// How many groups that were taken change the catalog, while everybody still sees the old one.
    pub(crate) unpublished: u32,
    /// Until when the writer sleeps if nobody calls it.
    pub(crate) writer_until: Option<Timestamp>,
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
        let leaving = Leaving::default();
        Self::of(Work { shard, leaving, failed: None, unpublished: 0, writer_until: None })
    }
}

impl<W> Desk<W> {
    /// A desk with this on it.
    pub(crate) fn of(work: W) -> Self {
        Self(Mutex::new(Some(work)))
    }

    /// Waits for the desk.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<W>> {
        self.0.lock().unwrap_or_else(|poisoned| {
            // Whoever sat here left it half done, and has told everybody (`Alarm`).
            let mut work = poisoned.into_inner();
            work.take();
            work
        })
    }

    /// The desk, if nobody sits there.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, Option<W>>> {
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
            if let Err(error) = self.shard.step(inputs.by_ref(), now, &mut self.leaving.stepped) {
                self.failed = Some(Failed { error, unseen: Vec::new() });
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

    /// Whether all that was decided so far is durable, and the catalog that everybody sees is that of the decisions. To be
    /// asked once for one purpose, since the writer may come to the end of a commit at any time.
    pub(crate) fn is_settled(&self) -> bool {
        self.failed.is_none() && self.unpublished == 0 && self.shard.journal.is_durable()
    }

    /// How many answers are here.
    pub(crate) fn gathered(&self) -> usize {
        self.leaving.stepped.answers.len()
    }

    /// What was decided, to leave at once. What is left to do stays with the writer.
    pub(crate) fn leave(&mut self) -> Leaving {
        let unfinished = core::mem::take(&mut self.leaving.stepped.unfinished);
        let leaving = core::mem::take(&mut self.leaving);
        self.leaving.stepped.unfinished = unfinished;
        leaving
    }

    /// Whether there is something here that the writer is to make durable or to go on with, or something to do before it
    /// wakes by itself.
    pub(crate) fn wants_writer(&self, is_settled: bool) -> bool {
        let is_early = |at: Timestamp| self.writer_until.is_none_or(|until| at < until);
        !is_settled || self.leaving.stepped.unfinished || self.shard.next_due().is_some_and(is_early)
    }

    /// Takes what was decided and the frames that it depends on, for a commit. After a step that failed there is nothing
    /// to take but the failure.
    pub(crate) fn take_group(&mut self) -> Result<(Option<Group>, Leaving), kew_journal::Error> {
        if let Some(failed) = &mut self.failed {
            return Err(core::mem::replace(&mut failed.error, kew_journal::Error::Closed));
        }
        self.shard.journal.mark_group()?;
        let leaving = core::mem::take(&mut self.leaving);
        self.unpublished += u32::from(leaving.changes_catalog());
        Ok((self.shard.journal.take_group(), leaving))
    }

    /// Everybody who waits for an answer, when there will be none.
    pub(crate) fn abandon(&mut self) -> Vec<ReplyTo> {
        let Self { shard, leaving, failed, .. } = self;
        let unseen = failed.take().into_iter().flat_map(|failed| failed.unseen);
        let decided = core::mem::take(leaving).stepped.answers.into_iter().map(|(reply_to, _)| reply_to);
        decided.chain(shard.abandon()).chain(unseen).collect()
    }
}

impl Leaving {
    /// Whether there is nothing to give out, and nobody to tell.
    pub(crate) fn is_empty(&self) -> bool {
        let Stepped { answers, fetches, effects, unfinished } = &self.stepped;
        answers.is_empty() && fetches.is_empty() && effects.is_empty() && !unfinished && self.ripe.is_empty()
    }

    /// Those who wait for what was decided.
    pub(crate) fn into_reply_tos(self) -> Vec<ReplyTo> {
        self.stepped.answers.into_iter().map(|(reply_to, _)| reply_to).collect()
    }

    /// Whether it brings a new catalog.
    pub(crate) fn changes_catalog(&self) -> bool {
        !self.stepped.effects.catalog.is_empty()
    }
}
