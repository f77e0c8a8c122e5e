//! Copies what is whole of a damaged store into a new one.
//!
//! The new store has an identity of its own, the frames in which messages live, byte for byte, and a checkpoint of the
//! state, from which what is lost was taken out. Of a frame that cleaning has moved in part it has only what still lives
//! there, for both parts may come into one segment, whose index leads to one frame for each message. Queues, accounts,
//! tokens, attempts, delays and leases stay as far as they are known. Lease ids and refs that were given before must not
//! open anything in it: its numbers begin anew. So the keys that seal them are not copied.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use kew_journal::{
    Committer, Disk, Error, Frame, FrameBuffer, Journal, Lsn, Opened, Overlay, Position, Replay,
};
use kew_model::{Chance, Clock, QueueNumber, Sequence, Timestamp};

use super::witness::{Living, Seen, Stretch, Take, Witness};
use super::{Loss, Progress, Report, know};
use crate::checkpoint;
use crate::decide::compose;
use crate::open::OpenError;
use crate::options::Options;
use crate::queue::extents::{Extent, Extents, Live};
use crate::record::BatchKind;
use crate::record::batch::Batch;
use crate::record::ranges::Range;
use crate::record::relocated::{Relocating, put_relocated};
use crate::snapshot::Snapshot;
use crate::state::State;

/// How much is written before it is synced.
const GROUP_BYTES: usize = 4 << 20;

/// The most bytes of messages in a frame that is made of a part of another, or one message.
const PART_BYTES: usize = 256 << 10;

/// What a salvage came to.
#[derive(Debug, Clone)]
pub struct Salvaged {
    /// What the damaged store held, and what of it is lost.
    pub report: Report,
    /// Where its log breaks off, if it does: leases, returns and attempts after that payload are not known, and their
    /// messages stand in line again.
    pub broken_at: Option<Lsn>,
    /// Messages in the new store.
    pub messages: u64,
    /// Queues in the new store.
    pub queues: usize,
}

/// Copies what is whole of the store on `damaged`, which is not changed, to `target`, an empty folder.
///
/// # Errors
/// As [`super::check`]; and whatever keeps the new store from being written, which is of no use then.
pub fn salvage(
    damaged: Arc<dyn Disk>,
    target: Arc<dyn Disk>,
    options: &Options,
    clock: &dyn Clock,
    chance: &dyn Chance,
    progress: &mut Progress<'_>,
) -> Result<Salvaged, OpenError> {
    let overlay = Overlay::over(damaged)?;
    let mut known = know(&overlay, progress)?;
    let mut copy = Copy::create(target, options, clock, chance)?;
    let mut witness = Witness::new(&known.state, known.refusal.is_some(), progress, Some(&mut copy));
    let log = kew_journal::examine(Arc::clone(&known.disk), &mut witness)?;
    let mut seen = witness.finish();
    if let Some(error) = seen.failure.take() {
        return Err(error.into());
    }
    let lost: Vec<Loss> = seen.losses.clone();
    let report = known.report(log, Seen { failure: None, ..seen });
    let broken_at = known.broken_at;
    let (messages, queues) = copy.finish(&mut known.state, &lost)?;
    Ok(Salvaged { report, broken_at, messages, queues })
}

/// A new store under construction.
struct Copy {
    journal: Journal,
    committer: Committer,
    staged_bytes: usize,
    /// Where the messages of each queue lie now.
    stretches: BTreeMap<QueueNumber, Vec<(Stretch, Position)>>,
}

/// A new store holds nothing to replay.
struct Nothing;

impl Replay for Nothing {
    fn checkpoint(&mut self, _covered: Lsn, _payload: &mut dyn Read) -> Result<(), String> {
        Err("the folder holds a store already".to_owned())
    }

    fn frame(&mut self, _frame: Frame<'_>) -> Result<(), String> {
        Err("the folder holds a store already".to_owned())
    }
}

impl Copy {
    fn create(
        target: Arc<dyn Disk>,
        options: &Options,
        clock: &dyn Clock,
        chance: &dyn Chance,
    ) -> Result<Self, Error> {
        let options =
            kew_journal::Options::new(chance.id(), clock.now().0).with_segment_bytes(options.segment_bytes);
        let Opened { journal, committer, report, .. } = kew_journal::open(target, options, &mut Nothing)?;
        if !report.created {
            return Err(Error::NotAStore { reason: "the folder holds a store already".to_owned() });
        }
        Ok(Self { journal, committer, staged_bytes: 0, stretches: BTreeMap::new() })
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.staged_bytes = 0;
        if let Some(group) = self.journal.take_group() {
            let durable = self.committer.commit(group)?;
            self.journal.note_durable(durable);
        }
        Ok(())
    }

    /// Fits the state to where messages lie now, keeps it as a checkpoint, and closes the store.
    fn finish(mut self, state: &mut State, lost: &[Loss]) -> Result<(u64, usize), Error> {
        self.commit()?;
        for loss in lost {
            if let Some(queue) = state.queues.get_mut(&loss.queue.number) {
                queue.lose(Range { first: Sequence(loss.first), count: loss.last - loss.first + 1 });
            }
        }
        state.live.clear();
        for (number, queue) in &mut state.queues {
            let mut stretches = self.stretches.remove(number).unwrap_or_default();
            stretches.sort_unstable_by_key(|(stretch, _)| stretch.range.first);
            queue.extents = Extents::default();
            queue.backlog_bytes = stretches.iter().map(|(stretch, _)| stretch.bytes).sum();
            for extent in extents_of(&stretches) {
                queue.extents.restore(extent);
                state.live.entry(extent.segment).or_default().add(extent.live);
            }
            queue.recount();
        }
        state.applied = Lsn(self.journal.next_lsn().0 - 1);
        let cut = self.journal.checkpoint_cut();
        let snapshot = Snapshot::of(state);
        // Nothing can be replayed over an older one here, so there are two that say the same.
        for _ in 0..2 {
            self.journal.checkpoint_writer().write(&cut, |out| checkpoint::encode(&snapshot, out))?;
        }
        self.journal.close(self.committer)?;
        let messages = state.queues.values().map(|queue| queue.backlog_count).sum();
        Ok((messages, state.queues.len()))
    }
}

impl Take for Copy {
    fn take(&mut self, living: &Living<'_>) -> Result<(), Error> {
        if !living.is_split {
            return self.stage(FrameBuffer::from(living.frame.payload), &living.stretches);
        }
        for stretch in &living.stretches {
            let holds = |batch: &&Batch<'_>| {
                batch.queue == stretch.queue && (batch.first..batch.end()).contains(&stretch.range.first)
            };
            if let Some(batch) = living.batches.iter().find(holds) {
                self.take_part(living.at, batch, stretch)?;
            }
        }
        Ok(())
    }
}

impl Copy {
    /// Writes a frame and notes which messages live in it.
    fn stage(&mut self, frame: FrameBuffer, stretches: &[Stretch]) -> Result<(), Error> {
        self.staged_bytes += frame.payload().len();
        let staged = self.journal.stage(frame)?;
        for stretch in stretches {
            let places = self.stretches.entry(stretch.queue).or_default();
            places.push((*stretch, staged.position));
        }
        if self.staged_bytes >= GROUP_BYTES { self.commit() } else { Ok(()) }
    }

    /// Writes one stretch of a batch as if cleaning had moved it.
    fn take_part(&mut self, at: Timestamp, batch: &Batch<'_>, stretch: &Stretch) -> Result<(), Error> {
        let most_bytes = PART_BYTES.min(self.journal.largest_payload() / 2);
        let range = stretch.range.first.0..stretch.range.end();
        let stored = batch.messages().filter(|stored| range.contains(&stored.sequence.0));
        let each = stored.map(|stored| Relocating {
            stored,
            origin: batch.origin(&stored).unwrap_or(batch.queue),
            extensions: batch.extensions(&stored),
            body: batch.body(&stored),
        });
        let mut messages = each.peekable();
        while messages.peek().is_some() {
            let (mut part, mut size, mut bytes) = (Vec::new(), 0, 0);
            while let Some(message) =
                messages.next_if(|next| part.is_empty() || size + next.bytes() <= most_bytes)
            {
                size += message.bytes();
                bytes += message.stored.accounted_bytes();
                part.push(message);
            }
            let first = part[0].stored.sequence;
            let range = Range { first, count: part.len() as u64 };
            let ends = (first, Sequence(range.end()));
            let frame = compose(at, size, |frame| {
                frame.messages(BatchKind::Relocated, |out| put_relocated(out, batch.queue, ends, &part));
            });
            self.stage(frame, &[Stretch { queue: batch.queue, range, bytes }])?;
        }
        Ok(())
    }
}

/// Where a queue's messages lie, by rising sequence.
fn extents_of(stretches: &[(Stretch, Position)]) -> Vec<Extent> {
    let mut extents: Vec<Extent> = Vec::new();
    let mut before = Position::default();
    for (stretch, position) in stretches {
        let live = Live { messages: stretch.range.count, bytes: stretch.bytes };
        let (first, segment) = (stretch.range.first.0, position.segment);
        match extents.last_mut() {
            // Q6: what lies before its predecessor is an extent of its own.
            Some(last) if last.segment == segment && *position >= before => last.live.add(live),
            _ => extents.push(Extent { first, segment, live, summary: None }),
        }
        before = *position;
    }
    extents
}
