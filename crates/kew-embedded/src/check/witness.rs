//! Holds every frame against the state: each live message is where the state says, and its index finds it there.

use std::collections::BTreeMap;
use std::io::Read;

use kew_journal::{CheckpointSeen, Examiner, Frame, Position, SegmentId};
use kew_model::{QueueNumber, Timestamp};

use super::{Loss, Progress, Stage, label};
use crate::checkpoint;
use crate::index::SegmentIndex;
use crate::queue::QueueState;
use crate::record::batch::Batch;
use crate::record::codec::Reader;
use crate::record::ranges::{Range, Ranges};
use crate::record::read_frame;
use crate::state::State;

/// Messages that live, in a row, in one frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) queue: QueueNumber,
    pub(super) range: Range,
    /// What they count for in the backlog.
    pub(super) bytes: u64,
}

/// A frame in which messages live.
pub(super) struct Living<'a> {
    pub(super) frame: Frame<'a>,
    /// When it was decided.
    pub(super) at: Timestamp,
    /// What it says of messages.
    pub(super) batches: Vec<Batch<'a>>,
    /// Those of them that live here.
    pub(super) stretches: Vec<Stretch>,
    /// Whether others of them live elsewhere: cleaning has moved a part.
    pub(super) is_split: bool,
}

/// Takes over frames in which messages live.
pub(super) trait Take {
    /// A frame.
    fn take(&mut self, living: &Living<'_>) -> Result<(), kew_journal::Error>;
}

/// The witness.
pub(super) struct Witness<'a> {
    state: &'a State,
    progress: &'a mut Progress<'a>,
    taker: Option<&'a mut dyn Take>,
    /// Why the taker failed.
    failure: Option<kew_journal::Error>,
    found: BTreeMap<QueueNumber, Ranges>,
    index: Option<SegmentIndex>,
    violations: Vec<String>,
    /// Whether a message counts wherever it is found first, since the state does not know well where it lies.
    is_anywhere: bool,
}

/// What a witness has seen.
pub(super) struct Seen {
    pub(super) readable: BTreeMap<QueueNumber, u64>,
    pub(super) losses: Vec<Loss>,
    pub(super) violations: Vec<String>,
    pub(super) failure: Option<kew_journal::Error>,
}

impl<'a> Witness<'a> {
    pub(super) fn new(
        state: &'a State,
        is_anywhere: bool,
        progress: &'a mut Progress<'_>,
        taker: Option<&'a mut dyn Take>,
    ) -> Self {
        Self {
            state,
            progress,
            taker,
            failure: None,
            found: BTreeMap::new(),
            index: None,
            violations: Vec::new(),
            is_anywhere,
        }
    }

    /// Names what lives and was not seen.
    pub(super) fn finish(self) -> Seen {
        let mut losses = Vec::new();
        let mut readable = BTreeMap::new();
        for (number, queue) in &self.state.queues {
            let found = self.found.get(number);
            let count = found.map_or(0, |ranges| ranges.iter().map(|range| range.count).sum());
            readable.insert(*number, count);
            if count < live_count(queue) {
                losses.extend(lost_of(queue, found));
            }
        }
        Seen { readable, losses, violations: self.violations, failure: self.failure }
    }

    /// The stretches of a batch that live here, and whether others of it live elsewhere.
    fn stretches(&self, batch: &Batch<'_>, position: Position) -> (Vec<Stretch>, bool) {
        let Some(queue) = self.state.queues.get(&batch.queue) else { return (Vec::new(), false) };
        let found = self.found.get(&batch.queue);
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut is_split = false;
        for stored in batch.messages() {
            let sequence = stored.sequence.0;
            if sequence >= queue.next || queue.gone.contains(sequence) {
                continue;
            }
            let is_here = if self.is_anywhere {
                found.is_none_or(|found| !found.contains(stored.sequence))
            } else {
                queue.extents.segment(sequence) == Some(position.segment)
            };
            if !is_here {
                is_split = true;
                continue;
            }
            match stretches.last_mut().filter(|last| last.range.end() == sequence) {
                Some(last) => {
                    last.range.count += 1;
                    last.bytes += stored.accounted_bytes();
                }
                None => stretches.push(Stretch {
                    queue: batch.queue,
                    range: Range { first: stored.sequence, count: 1 },
                    bytes: stored.accounted_bytes(),
                }),
            }
        }
        (stretches, is_split)
    }

    /// Whether the index beside the segment leads to the frame.
    fn check_index(&mut self, stretch: &Stretch, position: Position) -> Result<(), String> {
        let Some(index) = &self.index else { return Ok(()) };
        let found = index.position(position.segment, stretch.queue, stretch.range.first.0);
        if found == Some(position) {
            return Ok(());
        }
        let place = found.map_or_else(|| "nowhere".to_owned(), |found| format!("to byte {}", found.offset));
        Err(format!(
            "the segment's index leads {place} for message {} of queue {}, which stands here",
            stretch.range.first.0, stretch.queue.0
        ))
    }
}

impl Examiner for Witness<'_> {
    fn checkpoint(&mut self, _seen: &CheckpointSeen, payload: &mut dyn Read) -> Result<(), String> {
        checkpoint::decode(payload).map(drop).map_err(|error| error.to_string())
    }

    fn segment(&mut self, segment: SegmentId, read_bytes: u64, all_bytes: u64, index: Option<&[u8]>) {
        (self.progress)(Stage::Reading, read_bytes, all_bytes);
        self.index = match index.map(|bytes| SegmentIndex::read(&mut Reader::new(bytes, "index"))) {
            Some(Ok(index)) => Some(index),
            Some(Err(error)) => {
                self.violations.push(format!("the index of segment {segment} makes no sense: {error}"));
                None
            }
            None => None,
        };
    }

    fn frame(&mut self, frame: Frame<'_>) -> Result<(), String> {
        let (at, records) = read_frame(frame.payload).map_err(|error| error.to_string())?;
        let batches: Vec<_> = records.iter().filter_map(|placed| placed.record.messages().copied()).collect();
        let (mut here, mut is_split) = (Vec::new(), false);
        for batch in &batches {
            let (stretches, has_others) = self.stretches(batch, frame.position);
            here.extend(stretches);
            is_split |= has_others;
        }
        if here.is_empty() {
            return Ok(());
        }
        let living = Living { frame, at, batches, stretches: here, is_split };
        for stretch in &living.stretches {
            let found = self.found.entry(stretch.queue).or_default();
            (stretch.range.first.0..stretch.range.end()).for_each(|sequence| {
                found.insert(kew_model::Sequence(sequence));
            });
        }
        if let Some(taker) = &mut self.taker
            && self.failure.is_none()
        {
            self.failure = taker.take(&living).err();
        }
        living.stretches.iter().try_for_each(|stretch| self.check_index(stretch, frame.position))
    }
}

/// How many messages of a queue live.
pub(super) fn live_count(queue: &QueueState) -> u64 {
    let floor = queue.gone.floor().min(queue.next);
    queue.next - floor - queue.gone.count(floor, queue.next)
}

/// What lives in a queue and was not found, in rows that lie in one segment each.
fn lost_of(queue: &QueueState, found: Option<&Ranges>) -> Vec<Loss> {
    let mut losses: Vec<Loss> = Vec::new();
    let mut goes_on = false;
    for sequence in queue.gone.floor()..queue.next {
        if queue.gone.contains(sequence) {
            continue;
        }
        if found.is_some_and(|found| found.contains(kew_model::Sequence(sequence))) {
            goes_on = false;
            continue;
        }
        let segment = queue.extents.segment(sequence);
        match losses.last_mut().filter(|last| goes_on && last.segment == segment) {
            Some(last) => {
                last.last = sequence;
                last.messages += 1;
            }
            None => {
                let queue = label(queue);
                losses.push(Loss { queue, first: sequence, last: sequence, messages: 1, segment });
            }
        }
        goes_on = true;
    }
    losses
}
