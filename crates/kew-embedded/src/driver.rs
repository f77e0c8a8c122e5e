//! The writer: one thread that takes what was decided at the desk, makes it durable by one write and one sync, and only
//! then answers.
//!
//! There is no timer to tune: while one group syncs, the next is decided and gathers at the desk. What time brings, and
//! verbs that nobody came to, the writer decides itself. When nothing is left to do, it sleeps until somebody calls or
//! the next lease ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kew_journal::seeded::{self, Bug};
use kew_journal::{CheckpointWriter, Committer, SegmentId};
use kew_model::{Clock as _, Error, Milliseconds, Timestamp};

use crate::backup::{self, SnapshotReply, SnapshotTaken};
use crate::checkpoint;
use crate::command::Input;
use crate::desk::{Leaving, Work};
use crate::fetch::Part;
use crate::keeper::Task;
use crate::mailbox::Taken;
use crate::meter::Stopwatch;
use crate::options::Options;
use crate::reply::ReplyTo;
use crate::shard::Cleaned;
use crate::shared::{Alarm, CloseReply, NO_ANSWER, Shared};
use crate::snapshot::{Noting, Snapshot};

/// How long after the last commit the log's end is marked as durable.
const IDLE: Duration = Duration::from_millis(50);

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

/// The writer's thread.
pub(crate) struct Driver {
    pub(crate) committer: Committer,
    pub(crate) checkpoints: CheckpointWriter,
    pub(crate) options: Options,
    pub(crate) shared: Arc<Shared>,
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
    /// Who waits for a snapshot of the log.
    snapshots: Vec<SnapshotReply>,
}

/// Work that waits for a group to be durable.
#[derive(Debug, Default)]
struct Chores {
    tasks: Vec<Task>,
    /// Segments in which nothing lives once the group is durable.
    dead: Vec<SegmentId>,
    /// What is to be read of a segment that is being cleaned.
    part: Option<Part>,
    snapshots: Vec<SnapshotTaken>,
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

    /// Waits for something to do and does it; `None` when that was to close, or the store has failed.
    pub(crate) fn turn(mut self: Box<Self>, patience: Option<Duration>) -> Option<Box<Self>> {
        let _alarm = self.alarm();
        let Taken { items: messages, ran_out: quiet } = self.shared.orders.take(patience);
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
        let stepped = match failure {
            Some(cause) => Err((cause, Vec::new())),
            None => self.step(quiet),
        };
        if let Err((cause, waiting)) = stepped {
            self.fail(&cause, waiting, close);
            return None;
        }
        if close.is_empty() {
            return Some(self);
        }
        (*self).close(close);
        None
    }

    fn alarm(&self) -> Alarm {
        Alarm { shared: Arc::clone(&self.shared), thread: "writer" }
    }

    /// How long to wait: until the next lease ends, a delay is over while somebody waits, or the log's end wants
    /// marking.
    fn patience(&self) -> Option<Duration> {
        if self.progress.noting.is_some() {
            return Some(Duration::ZERO);
        }
        let now = self.shared.clock.now();
        let mut desk = self.shared.desk.lock();
        let Work { shard, writer_until, .. } = desk.as_mut()?;
        let ripening = shard.state.next_ripening().map(|(at, _)| at);
        let next = ripening.filter(|_| self.shared.signals.any());
        // One that is being written comes to its end by a message.
        let wants_checkpoint =
            !self.progress.checkpoint_running && shard.journal.log_bytes_since_checkpoint() > 0;
        let checkpoint = wants_checkpoint.then(|| {
            let period = Milliseconds(self.options.checkpoint_ms);
            let period = if shard.no_space.is_some() { period.min(CHECKPOINT_PRESSED) } else { period };
            let at = self.progress.checkpoint_at.after(period);
            at.max(self.progress.checkpoint_again_at)
        });
        let wake = [shard.next_due(), next, checkpoint].into_iter().flatten().min();
        *writer_until = wake;
        let wait = wake.map(|wake| Duration::from_millis(wake.since(now).0.max(1)));
        let mark = self.progress.unmarked.then_some(IDLE);
        [wait, mark].into_iter().flatten().min()
    }

    /// Decide what is left, make everything durable, answer. On failure gives the reason, and those who wait for an
    /// answer.
    fn step(&mut self, quiet: bool) -> Result<(), (String, Vec<ReplyTo>)> {
        let shared = Arc::clone(&self.shared);
        let mut desk = shared.desk.lock();
        let Some(work) = desk.as_mut() else { return Err((self.reason(), Vec::new())) };
        // H3: who comes after the clock was read may know of a later time.
        let inputs = shared.inbox.take(Some(Duration::ZERO)).items;
        let now = shared.clock.now();
        work.shard.begin_turn(now);
        work.step(inputs, now, shared.keeper.no_space());
        let cleaned = work.clean(now, shared.keeper.is_scarce());
        self.progress.may_free |= cleaned == Cleaned::Segment;
        let taken = self.mark_if_quiet(work, quiet).and_then(|()| work.take_group());
        let (group, leaving) = taken.map_err(|error| (error.to_string(), work.abandon()))?;
        let mut chores = self.chores(work, now);
        chores.part = work.shard.take_part();
        chores.snapshots = backup::take(&mut self.progress.snapshots, &work.shard.journal);
        drop(desk);
        let leaving = if seeded::is(Bug::AnswerBeforeSync) {
            shared.give_out(leaving);
            Leaving::default()
        } else {
            leaving
        };
        if let Some(group) = group {
            self.progress.unmarked = true;
            let stopwatch = Stopwatch::start(&group);
            if let Err(error) = self.committer.commit(group) {
                return Err((error.to_string(), leaving.into_reply_tos()));
            }
            shared.meter.committed(&stopwatch);
        }
        if leaving.stepped.unfinished {
            shared.orders.wake();
        }
        let is_published = leaving.changes_catalog();
        shared.give_out(leaving);
        if is_published && let Some(work) = shared.desk.lock().as_mut() {
            work.is_unpublished = false;
        }
        self.carry_out(chores);
        Ok(())
    }

    /// Why another thread has given up; it may not have come to say so.
    fn reason(&self) -> String {
        self.shared.failure.borrow().clone().unwrap_or_else(|| NO_ANSWER.to_owned())
    }

    /// Marks the log's end when there has been nothing to do for a while.
    fn mark_if_quiet(&mut self, work: &mut Work, quiet: bool) -> Result<(), kew_journal::Error> {
        let is_idle = quiet && self.progress.unmarked && self.progress.noting.is_none();
        if is_idle || !self.progress.snapshots.is_empty() {
            self.progress.unmarked = false;
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
        let elapsed_ms = now.since(progress.checkpoint_at).0;
        let is_pressed = shard.no_space.is_some() && elapsed_ms >= CHECKPOINT_PRESSED.0;
        let due = log_bytes >= self.options.checkpoint_bytes
            || (log_bytes > 0 && elapsed_ms >= self.options.checkpoint_ms)
            || (log_bytes > 0 && is_pressed && shard.holds_dead_segments());
        if due && !progress.checkpoint_running && now >= progress.checkpoint_again_at {
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
        chores
    }

    /// The group is durable.
    fn carry_out(&mut self, chores: Chores) {
        let Chores { tasks, dead, part, snapshots } = chores;
        snapshots.into_iter().for_each(SnapshotTaken::hand_over);
        part.into_iter().for_each(|part| self.shared.keeper.read_part(part));
        tasks.into_iter().for_each(|task| self.shared.keeper.give(task));
        if !dead.is_empty() {
            self.free_segments(&dead);
        }
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

    /// Lets go of segments in which nothing lives, for good: what emptied them is durable.
    fn free_segments(&mut self, dead: &[SegmentId]) {
        let mut desk = self.shared.desk.lock();
        let Some(Work { shard, .. }) = desk.as_mut() else { return };
        let freed = shard.journal.retire(dead);
        if freed.is_ok_and(|count| count > 0) {
            let left: Vec<_> = shard.journal.segments().iter().map(|info| info.id).collect();
            shard.state.indexes.retain(|segment, _| left.contains(segment));
            self.shared.keeper.give(Task::Prepare);
        }
    }

    /// Takes nothing more in, answers what is decided, keeps a checkpoint, and seals the log.
    fn close(mut self, mut asked: Vec<CloseReply>) {
        self.shared.close();
        let Some(mut work) = self.shared.desk.lock().take() else {
            let cause = self.reason();
            return self.fail(&cause, Vec::new(), asked);
        };
        let leaving = match self.commit_last(&mut work) {
            Ok(leaving) => leaving,
            Err((cause, waiting)) => return self.fail(&cause, waiting, asked),
        };
        self.shared.give_out(leaving);
        asked.extend(self.refuse(&Error::Closing, work.abandon()));
        self.shared.keeper.close();
        let Work { shard, .. } = work;
        let cut = shard.journal.checkpoint_cut();
        let kept = if shard.journal.log_bytes_since_checkpoint() > 0 {
            self.checkpoints.write(&cut, &checkpoint::encode(&Snapshot::of(&shard.state)))
        } else {
            Ok(())
        };
        let Self { committer, shared, .. } = self;
        let closed = shard.journal.close(committer).and(kept);
        shared.signals.tell_all();
        let closed = closed.map_err(|error| Error::Internal { cause: error.to_string() });
        for reply_to in asked {
            // A closed store that nobody waits for is closed all the same.
            drop(reply_to.send(closed.clone()));
        }
    }

    /// Makes durable what was decided before the close.
    fn commit_last(&mut self, work: &mut Work) -> Result<Leaving, (String, Vec<ReplyTo>)> {
        let (group, leaving) = work.take_group().map_err(|error| (error.to_string(), work.abandon()))?;
        match group.map(|group| self.committer.commit(group)) {
            Some(Err(error)) => {
                let waiting = leaving.into_reply_tos().into_iter().chain(work.abandon()).collect();
                Err((error.to_string(), waiting))
            }
            Some(Ok(_)) | None => Ok(leaving),
        }
    }

    /// The store has failed: everybody who waits is told that the outcome is unknown.
    fn fail(&mut self, cause: &str, mut waiting: Vec<ReplyTo>, mut close: Vec<CloseReply>) {
        self.shared.failure.send_replace(Some(cause.to_owned()));
        self.shared.close();
        if let Some(mut work) = self.shared.desk.lock().take() {
            waiting.extend(work.abandon());
        }
        let error = Error::OutcomeUnknown { cause: cause.to_owned() };
        close.extend(self.refuse(&error, waiting));
        self.shared.keeper.close();
        self.shared.signals.tell_all();
        for reply_to in close {
            drop(reply_to.send(Err(error.clone())));
        }
    }

    /// Answers everybody who still waits, here or in the closed inbox; gives back those who asked to close.
    fn refuse(&mut self, error: &Error, mut waiting: Vec<ReplyTo>) -> Vec<CloseReply> {
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
