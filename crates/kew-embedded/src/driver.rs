//! The writers' work: taking what was decided at the desk, to make it durable by one write and one sync, and only then to
//! answer.
//!
//! There is no timer to tune: while one group syncs, the next is decided and gathers at the desk. What time brings, and
//! verbs that nobody came to, a writer decides itself. When nothing is left to do, they sleep until somebody calls or
//! the next lease ends.

mod ending;
mod rest;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kew_journal::seeded::{self, Bug};
use kew_journal::{CheckpointWriter, Committer, SegmentId};
use kew_model::{Clock as _, Milliseconds, Timestamp};

use crate::backup::{self, SnapshotReply};
use crate::desk::Work;
use crate::keeper::Task;
use crate::mailbox::Taken;
use crate::meter::Stopwatch;
use crate::options::Options;
use crate::reply::ReplyTo;
use crate::shard::{Cleaned, Shard};
use crate::shared::{CloseReply, NO_ANSWER, Shared};
use crate::snapshot::Noting;
use turn::Chores;
pub(crate) use turn::Turn;

/// After so many log bytes the keeper is told that there may be something to prepare.
const POKE_BYTES: u64 = 256 * 1024;

/// How long after a checkpoint the next is kept if only that gives space back to a volume that is too full for pushes.
const CHECKPOINT_PRESSED: Milliseconds = Milliseconds(1_000);

/// How long after a failed checkpoint the next one is tried.
const CHECKPOINT_AGAIN: Milliseconds = Milliseconds(1_000);

/// What comes to the writer.
#[derive(Debug)]
pub(crate) enum Message {
    /// A checkpoint is durable, or was not written.
    CheckpointKept(Result<(), String>),
    /// A segment's index is in its sidecar, or could not be written there.
    IndexKept(SegmentId, Result<(), String>),
    /// The log has failed outside the writer, for this reason.
    Failed(String),
    /// Take a snapshot of the log.
    Snapshot(SnapshotReply),
    /// Finish and close.
    Close(CloseReply),
}

/// What the writers take turns at.
pub(crate) struct Driver {
    pub(crate) committer: Committer,
    pub(crate) checkpoints: CheckpointWriter,
    pub(crate) options: Options,
    pub(crate) shared: Arc<Shared>,
    pub(crate) progress: Progress,
}

/// What became of the beginning of a turn.
pub(crate) struct Begun {
    pub(crate) turn: Result<Turn, Failed>,
    /// Who asked that it be the last one.
    pub(crate) close: Vec<CloseReply>,
}

/// The first cause of a failure of the log.
fn cause_of(error: &kew_journal::Error) -> String {
    match error {
        kew_journal::Error::Poisoned { cause } => cause.clone(),
        other => other.to_string(),
    }
}

/// Why the store has failed, and who waits for an answer.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) cause: String,
    pub(crate) waiting: Vec<ReplyTo>,
}

/// Where the writers stand in their recurring work.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Log bytes when the keeper was last told.
    poked_at: u64,
    checkpoint_at: Timestamp,
    checkpoint_running: bool,
    /// The state as far as it was noted for that checkpoint.
    noting: Option<Noting>,
    /// After a failure: when to try again.
    checkpoint_again_at: Timestamp,
    /// The newest segment whose predecessors were handed to the keeper.
    indexed: SegmentId,
    /// Segments whose index the keeper has and has not answered for.
    indexing: BTreeSet<SegmentId>,
    /// Whether a new checkpoint may have made segments free.
    may_free: bool,
    /// Whether others have taken turns since a writer went to sleep.
    pub(crate) is_restless: bool,
    /// Who waits for a snapshot of the log.
    snapshots: Vec<SnapshotReply>,
}

impl Progress {
    /// At the start, when the recurring work counts from now.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { checkpoint_at: now, ..Self::default() }
    }

    /// Whether it is time to begin a checkpoint.
    fn wants_checkpoint(&self, shard: &Shard, options: &Options, now: Timestamp) -> bool {
        let log_bytes = shard.journal.log_bytes_since_checkpoint();
        let elapsed_ms = now.since(self.checkpoint_at).0;
        let is_pressed = shard.no_space.is_some() && elapsed_ms >= CHECKPOINT_PRESSED.0;
        let due = log_bytes >= options.checkpoint_bytes
            || (log_bytes > 0 && elapsed_ms >= options.checkpoint_ms)
            || (log_bytes > 0 && is_pressed && shard.holds_dead_segments());
        due && !self.checkpoint_running && now >= self.checkpoint_again_at
    }
}

impl Driver {
    /// Takes what came for the writer, decides what is left at the desk, and takes a group for a commit.
    pub(crate) fn begin(&mut self, taken: Taken<Message>) -> Begun {
        let Taken { items: messages, ran_out: quiet } = taken;
        let (mut close, mut failure) = (Vec::new(), None);
        for message in messages {
            match message {
                Message::CheckpointKept(outcome) => self.checkpoint_kept(outcome),
                Message::IndexKept(segment, outcome) => self.index_kept(segment, outcome),
                Message::Failed(cause) => failure = Some(cause),
                Message::Snapshot(reply_to) => self.progress.snapshots.push(reply_to),
                Message::Close(reply_to) => close.push(reply_to),
            }
        }
        if close.is_empty() && self.shared.orders.is_closed() {
            // Another thread has given up, and has said why.
            failure = Some(self.reason());
        }
        if !self.progress.snapshots.is_empty()
            && let Err(error) = self.committer.settle()
        {
            // What a snapshot ends with says that all before it is durable.
            failure.get_or_insert(cause_of(&error));
        }
        let turn = match failure {
            Some(cause) => Err(Failed { cause, waiting: Vec::new() }),
            None => self.step(quiet),
        };
        Begun { turn, close }
    }

    /// Decides what is left, and takes what is to be made durable. On failure gives the reason, and those who wait for an
    /// answer.
    fn step(&mut self, quiet: bool) -> Result<Turn, Failed> {
        let shared = Arc::clone(&self.shared);
        let mut desk = shared.desk.lock();
        let Some(work) = desk.as_mut() else {
            return Err(Failed { cause: self.reason(), waiting: Vec::new() });
        };
        // H3: who comes after the clock was read may know of a later time.
        let inputs = shared.inbox.take(Some(Duration::ZERO)).items;
        let now = shared.clock.now();
        work.shard.begin_turn(now);
        work.step(inputs, now, shared.keeper.no_space());
        let cleaned = work.clean(now, shared.keeper.is_scarce());
        self.progress.may_free |= cleaned == Cleaned::Segment;
        let taken = self.mark_if_quiet(work, quiet).and_then(|()| work.take_group());
        let (group, mut leaving) =
            taken.map_err(|error| Failed { cause: cause_of(&error), waiting: work.abandon() })?;
        let chores = self.chores(work, now);
        let answers = leaving.stepped.answers.len();
        shared.under_way.begins(answers);
        drop(desk);
        if seeded::is(Bug::AnswerBeforeSync) {
            shared.give_out(core::mem::take(&mut leaving));
        }
        let stopwatch = group.as_ref().map(Stopwatch::start);
        let mut turn = Turn::new(&shared, leaving, answers, chores, stopwatch);
        if group.is_none() && turn.is_empty() {
            return Ok(turn);
        }
        match self.committer.begin(group) {
            Ok(flight) => turn.leaves_with(flight),
            Err(error) => return Err(turn.fail(&error)),
        }
        Ok(turn)
    }

    /// Why another thread has given up; it may not have come to say so.
    fn reason(&self) -> String {
        self.shared.failure.borrow().clone().unwrap_or_else(|| NO_ANSWER.to_owned())
    }

    /// Marks the log's end when there has been nothing to do for a while.
    fn mark_if_quiet(&mut self, work: &mut Work, quiet: bool) -> Result<(), kew_journal::Error> {
        let is_idle = quiet
            && !self.progress.is_restless
            && self.progress.noting.is_none()
            && self.shared.under_way.is_none();
        if is_idle || !self.progress.snapshots.is_empty() {
            work.shard.journal.mark()?;
        }
        Ok(())
    }

    /// The recurring work that no answer waits for, as of the group that was just taken: it may be carried out once that
    /// is durable, whatever is decided meanwhile. A checkpoint must not be there before the frames that it covers, nor a
    /// segment be used again before the acks that emptied it are safe (E5).
    fn chores(&mut self, work: &mut Work, now: Timestamp) -> Chores {
        let shard = &mut work.shard;
        let progress = &mut self.progress;
        let mut chores = Chores::default();
        let log_bytes = shard.journal.log_bytes_since_checkpoint();
        self.shared.meter.note_log_bytes(log_bytes);
        if log_bytes.abs_diff(progress.poked_at) >= POKE_BYTES {
            progress.poked_at = log_bytes;
            chores.tasks.push(Task::Prepare);
        }
        let active = shard.journal.active_segment();
        if active != progress.indexed {
            progress.indexed = active;
            for (segment, index) in shard.state.indexes.range(..active) {
                if progress.indexing.insert(*segment) {
                    chores.tasks.push(Task::Index(*segment, Arc::clone(index)));
                }
            }
        }
        if progress.wants_checkpoint(shard, &self.options, now) {
            progress.checkpoint_running = true;
            progress.checkpoint_at = now;
            progress.noting = Some(Noting::begin(shard.journal.checkpoint_cut()));
        }
        if let Some(noting) = progress.noting.take() {
            match noting.note(&mut shard.state, self.options.checkpoint_pieces) {
                Ok((cut, snapshot)) => chores.tasks.push(Task::Checkpoint(cut, Box::new(snapshot))),
                Err(noting) => progress.noting = Some(noting),
            }
        }
        if core::mem::take(&mut progress.may_free) {
            chores.dead = shard.dead_segments();
        }
        chores.part = shard.take_part();
        chores.snapshots = backup::take(&mut progress.snapshots, &shard.journal);
        chores
    }

    fn checkpoint_kept(&mut self, outcome: Result<(), String>) {
        self.progress.checkpoint_running = false;
        self.progress.poked_at = 0;
        self.shared.meter.checkpoint_ended(outcome.is_ok(), self.shared.clock.now());
        match outcome {
            Ok(()) => {
                self.progress.may_free = true;
                if let Some(work) = self.shared.desk.lock().as_mut() {
                    work.shard.cleaner.may_choose = true;
                }
            }
            Err(reason) => {
                tracing::warn!(%reason, "a checkpoint could not be kept; the log grows until one can");
                self.progress.checkpoint_again_at = self.shared.clock.now().after(CHECKPOINT_AGAIN);
            }
        }
    }

    /// A segment's index need not stay in memory any more. One that could not be kept stays until it can.
    fn index_kept(&mut self, segment: SegmentId, outcome: Result<(), String>) {
        self.progress.indexing.remove(&segment);
        match outcome {
            Ok(()) => {
                if let Some(work) = self.shared.desk.lock().as_mut() {
                    work.shard.state.indexes.remove(&segment);
                }
            }
            Err(reason) => {
                tracing::warn!(%segment, %reason, "a segment's index could not be kept, and stays in memory")
            }
        }
    }
}
