//! The writer: one thread that takes what has arrived, lets the shard decide it, makes it durable by one write and
//! one sync, and only then answers.
//!
//! There is no timer to tune: while one group syncs, the next gathers in the inbox. When nothing is left to do, the
//! writer sleeps until something comes or the next lease ends.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kew_journal::{CheckpointWriter, Committer, SegmentId};
use kew_model::{Clock, Error, Milliseconds, Timestamp};
use tokio::sync::{oneshot, watch};

use crate::budget::Budget;
use crate::catalog::Catalog;
use crate::checkpoint;
use crate::clock::StoreClock;
use crate::command::Input;
use crate::keeper::{Keeper, Task};
use crate::mailbox::{Mailbox, Taken};
use crate::options::Options;
use crate::shard::{Shard, Stepped};
use crate::signals::Signals;

/// How long after the last commit the log's end is marked as durable.
const IDLE: Duration = Duration::from_millis(50);

/// After so many log bytes the keeper is told that there may be something to prepare.
const POKE_BYTES: u64 = 256 * 1024;

/// How long after a failed checkpoint the next one is tried.
const CHECKPOINT_AGAIN: Milliseconds = Milliseconds(1_000);

/// Whom to tell that the store is closed.
pub(crate) type CloseReply = oneshot::Sender<Result<(), Error>>;

/// What comes to the writer.
#[derive(Debug)]
pub(crate) enum Message {
    Shard(Input),
    /// A checkpoint is durable, or was not written.
    CheckpointKept(Result<(), String>),
    /// A segment's index is in its sidecar, or could not be written there.
    IndexKept(SegmentId, Result<(), String>),
    /// The log has failed outside the writer, for this reason.
    Failed(String),
    /// Finish and close.
    Close(CloseReply),
}

/// What the writer shares with those who ask it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) inbox: Mailbox<Message>,
    /// What requests may take up while they wait.
    pub(crate) budget: Arc<Budget>,
    /// The catalog as far as it is durable.
    pub(crate) catalog: RwLock<Catalog>,
    pub(crate) signals: Signals,
    /// Why the store has failed, once it has.
    pub(crate) failure: watch::Sender<Option<String>>,
}

impl Shared {
    /// The error for whoever asked and was left without an answer.
    pub(crate) fn unanswered(&self) -> Error {
        let reason = self.failure.borrow().clone();
        Error::OutcomeUnknown {
            cause: reason.unwrap_or_else(|| "the store ended without an answer".to_owned()),
        }
    }

    /// The error for whoever asks a store that takes nothing more.
    pub(crate) fn refusal(&self) -> Error {
        match &*self.failure.borrow() {
            Some(cause) => Error::OutcomeUnknown { cause: cause.clone() },
            None => Error::Closing,
        }
    }
}

/// Tells everybody that the store has failed, should the thread that holds it panic: nobody waits for ever, and the
/// process can end. In the writer it goes before those who wait for an answer, so that they learn the reason.
pub(crate) struct Alarm {
    pub(crate) shared: Arc<Shared>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) thread: &'static str,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { shared, keeper, thread } = self;
            let failure = || Some(format!("the {thread} thread came to a state that it has no answer to"));
            shared.failure.send_if_modified(|reason| {
                let is_first = reason.is_none();
                if is_first {
                    *reason = failure();
                }
                is_first
            });
            shared.inbox.close();
            keeper.close();
            shared.signals.tell_all();
            for message in shared.inbox.take(Some(Duration::ZERO)).items {
                // Whoever asked learns it from the answer that does not come.
                drop(message);
            }
        }
    }
}

/// The writer's thread.
pub(crate) struct Driver {
    pub(crate) shard: Shard,
    pub(crate) committer: Committer,
    pub(crate) checkpoints: CheckpointWriter,
    pub(crate) clock: StoreClock,
    pub(crate) options: Options,
    pub(crate) shared: Arc<Shared>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) progress: Progress,
}

/// Where the writer stands in its recurring work.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Whether the log's end is not marked as durable yet.
    unmarked: bool,
    /// Log bytes when the keeper was last told.
    poked_at: u64,
    checkpoint_at: Timestamp,
    checkpoint_running: bool,
    /// After a failure: when to try again.
    checkpoint_again_at: Timestamp,
    /// The newest segment whose predecessors were handed to the keeper.
    indexed: SegmentId,
    /// Segments whose index the keeper has and has not answered for.
    indexing: BTreeSet<SegmentId>,
}

impl Progress {
    /// At the start, when the recurring work counts from now.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { checkpoint_at: now, ..Self::default() }
    }
}

impl Driver {
    /// Takes turns until the store is told to close or fails.
    pub(crate) fn run(self: Box<Self>) {
        let _alarm = self.alarm();
        let mut driver = Some(self);
        while let Some(next) = driver {
            let patience = next.patience();
            driver = next.turn(patience);
        }
    }

    /// Waits for messages and does what they ask; `None` when that was to close, or the store has failed.
    pub(crate) fn turn(mut self: Box<Self>, patience: Option<Duration>) -> Option<Box<Self>> {
        let _alarm = self.alarm();
        let Taken { items: messages, ran_out: quiet } = self.shared.inbox.take(patience);
        let mut inputs = Vec::with_capacity(messages.len());
        let (mut close, mut failure) = (Vec::new(), None);
        for message in messages {
            match message {
                Message::Shard(input) => inputs.push(input),
                Message::CheckpointKept(outcome) => self.checkpoint_kept(outcome),
                Message::IndexKept(segment, outcome) => self.index_kept(segment, outcome),
                Message::Failed(cause) => failure = Some(cause),
                Message::Close(reply_to) => close.push(reply_to),
            }
        }
        if close.is_empty() && self.shared.inbox.is_closed() {
            // Another of the store's threads has given up, and has said why.
            failure = Some(self.shared.failure.borrow().clone().unwrap_or_default());
        }
        if let Some(cause) = failure {
            let waiting = inputs.into_iter().filter_map(Input::into_reply_to).collect();
            self.fail(&cause, waiting, close);
            return None;
        }
        if let Err((error, waiting)) = self.step(inputs, quiet) {
            self.fail(&error.to_string(), waiting, close);
            return None;
        }
        if close.is_empty() {
            return Some(self);
        }
        self.close(close);
        None
    }

    fn alarm(&self) -> Alarm {
        Alarm { shared: Arc::clone(&self.shared), keeper: Arc::clone(&self.keeper), thread: "writer" }
    }

    /// How long to wait for a message: until the next lease ends, a delay is over while somebody waits, or the log's
    /// end wants marking.
    fn patience(&self) -> Option<Duration> {
        let now = self.clock.now();
        let ripening = self.shard.state.next_ripening().map(|(at, _)| at);
        let next = ripening.filter(|_| self.shared.signals.any());
        // One that is being written comes to its end by a message.
        let wants_checkpoint =
            !self.progress.checkpoint_running && self.shard.journal.log_bytes_since_checkpoint() > 0;
        let checkpoint = wants_checkpoint.then(|| {
            let at = self.progress.checkpoint_at.after(Milliseconds(self.options.checkpoint_ms));
            at.max(self.progress.checkpoint_again_at)
        });
        let wake = [self.shard.next_due(), next, checkpoint].into_iter().flatten().min();
        let wait = wake.map(|wake| Duration::from_millis(wake.since(now).0.max(1)));
        let mark = self.progress.unmarked.then_some(IDLE);
        [wait, mark].into_iter().flatten().min()
    }

    /// Decide, make durable, answer. On failure gives back those who wait for an answer.
    fn step(
        &mut self,
        inputs: Vec<Input>,
        quiet: bool,
    ) -> Result<(), (kew_journal::Error, Vec<crate::command::ReplyTo>)> {
        let now = self.clock.now();
        self.shard.no_space = self.keeper.no_space();
        // Before the verbs, which may take away again what time has made available.
        let ripe = self.shard.state.ripen(now);
        let mut inputs = inputs.into_iter();
        let stepped = match self.shard.step(inputs.by_ref(), now) {
            Ok(stepped) => stepped,
            Err(error) => {
                let unseen: Vec<_> = inputs.filter_map(Input::into_reply_to).collect();
                return Err((error, self.shard.abandon().chain(unseen).collect()));
            }
        };
        match self.commit(quiet) {
            Ok(()) => {
                self.give_out(stepped);
                self.shared.signals.tell(&ripe);
                self.keep_house(now);
                Ok(())
            }
            Err(error) => {
                let answered = stepped.answers.into_iter().map(|(reply_to, _)| reply_to);
                Err((error, answered.chain(self.shard.abandon()).collect()))
            }
        }
    }

    /// Makes durable what is staged; marks the log's end when there has been nothing to do for a while.
    fn commit(&mut self, quiet: bool) -> Result<(), kew_journal::Error> {
        let group = match self.shard.journal.take_group() {
            Some(group) => {
                self.progress.unmarked = true;
                Some(group)
            }
            None if quiet && self.progress.unmarked => {
                self.progress.unmarked = false;
                self.shard.journal.mark()?;
                self.shard.journal.take_group()
            }
            None => None,
        };
        if let Some(group) = group {
            let durable = self.committer.commit(group)?;
            self.shard.journal.note_durable(durable);
        }
        Ok(())
    }

    /// D1, D2: publishes, answers, and sends off what is to be read.
    fn give_out(&mut self, stepped: Stepped) {
        if !stepped.effects.catalog.is_empty() {
            let mut catalog = self.shared.catalog.write().unwrap_or_else(PoisonError::into_inner);
            stepped.effects.catalog.iter().for_each(|change| catalog.apply(change));
        }
        self.shared.signals.tell(&stepped.effects.available);
        for (reply_to, answer) in stepped.answers {
            // Whoever asked may have gone; what was done stays done.
            drop(reply_to.send(answer));
        }
        for fetch in stepped.fetches {
            self.keeper.fetch(fetch);
        }
        if stepped.unfinished {
            self.shared.inbox.wake();
        }
    }

    /// The recurring work that no answer waits for.
    fn keep_house(&mut self, now: Timestamp) {
        let log_bytes = self.shard.journal.log_bytes_since_checkpoint();
        if log_bytes.abs_diff(self.progress.poked_at) >= POKE_BYTES {
            self.progress.poked_at = log_bytes;
            self.keeper.give(Task::Prepare);
        }
        let active = self.shard.journal.active_segment();
        if active != self.progress.indexed {
            self.progress.indexed = active;
            for (segment, index) in self.shard.state.indexes.range(..active) {
                if self.progress.indexing.insert(*segment) {
                    self.keeper.give(Task::Index(*segment, index.clone()));
                }
            }
        }
        let elapsed_ms = now.since(self.progress.checkpoint_at).0;
        let due = log_bytes >= self.options.checkpoint_bytes
            || (log_bytes > 0 && elapsed_ms >= self.options.checkpoint_ms);
        if due && !self.progress.checkpoint_running && now >= self.progress.checkpoint_again_at {
            self.progress.checkpoint_running = true;
            self.progress.checkpoint_at = now;
            // A queue that gets no more pushes would keep its keys for ever.
            self.shard.state.queues.values_mut().for_each(|queue| queue.keys.forget_old(now));
            let cut = self.shard.journal.checkpoint_cut();
            self.keeper.give(Task::Checkpoint(cut, checkpoint::encode(&self.shard.state)));
        }
    }

    fn checkpoint_kept(&mut self, outcome: Result<(), String>) {
        self.progress.checkpoint_running = false;
        self.progress.poked_at = 0;
        match outcome {
            Ok(()) => self.free_segments(),
            Err(reason) => {
                tracing::warn!(%reason, "a checkpoint could not be kept; the log grows until one can");
                self.progress.checkpoint_again_at = self.clock.now().after(CHECKPOINT_AGAIN);
            }
        }
    }

    /// A segment's index need not stay in memory any more. One that could not be kept stays until it can.
    fn index_kept(&mut self, segment: SegmentId, outcome: Result<(), String>) {
        self.progress.indexing.remove(&segment);
        match outcome {
            Ok(()) => {
                self.shard.state.indexes.remove(&segment);
            }
            Err(reason) => {
                tracing::warn!(%segment, %reason, "a segment's index could not be kept, and stays in memory")
            }
        }
    }

    fn free_segments(&mut self) {
        let dead = self.shard.dead_segments();
        let freed = self.shard.journal.retire(&dead);
        if freed.is_ok_and(|count| count > 0) {
            let left: Vec<_> = self.shard.journal.segments().iter().map(|info| info.id).collect();
            self.shard.state.indexes.retain(|segment, _| left.contains(segment));
            self.keeper.give(Task::Prepare);
        }
    }

    /// Takes nothing more in, keeps a checkpoint, and seals the log.
    fn close(mut self: Box<Self>, mut asked: Vec<CloseReply>) {
        self.shared.inbox.close();
        asked.extend(self.refuse(&Error::Closing, Vec::new()));
        self.keeper.close();
        let cut = self.shard.journal.checkpoint_cut();
        let kept = if self.shard.journal.log_bytes_since_checkpoint() > 0 {
            self.checkpoints.write(&cut, &checkpoint::encode(&self.shard.state))
        } else {
            Ok(())
        };
        let Self { shard, committer, shared, .. } = *self;
        let closed = shard.journal.close(committer).and(kept);
        shared.signals.tell_all();
        let closed = closed.map_err(|error| Error::Internal { cause: error.to_string() });
        for reply_to in asked {
            // A closed store that nobody waits for is closed all the same.
            drop(reply_to.send(closed.clone()));
        }
    }

    /// The store has failed: everybody who waits is told that the outcome is unknown.
    fn fail(
        mut self: Box<Self>,
        cause: &str,
        waiting: Vec<crate::command::ReplyTo>,
        mut close: Vec<CloseReply>,
    ) {
        self.shared.failure.send_replace(Some(cause.to_owned()));
        self.shared.inbox.close();
        let error = Error::OutcomeUnknown { cause: cause.to_owned() };
        close.extend(self.refuse(&error, waiting));
        self.keeper.close();
        self.shared.signals.tell_all();
        for reply_to in close {
            drop(reply_to.send(Err(error.clone())));
        }
    }

    /// Answers everybody who still waits, here or in the closed inbox; gives back those who asked to close.
    fn refuse(&mut self, error: &Error, mut waiting: Vec<crate::command::ReplyTo>) -> Vec<CloseReply> {
        let mut closes = Vec::new();
        waiting.extend(self.shard.abandon());
        for message in self.shared.inbox.take(Some(Duration::ZERO)).items {
            match message {
                Message::Shard(input) => waiting.extend(input.into_reply_to()),
                Message::Close(reply_to) => closes.push(reply_to),
                Message::CheckpointKept(_) | Message::IndexKept(..) | Message::Failed(_) => {}
            }
        }
        for reply_to in waiting {
            drop(reply_to.send(Err(error.clone())));
        }
        closes
    }
}
