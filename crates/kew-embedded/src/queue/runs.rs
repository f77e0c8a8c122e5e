//! Delivered messages: leased, waiting to be delivered again, or exhausted, as runs ordered by sequence and by time.
//!
//! R1: a live message that was ever delivered is in exactly one run, in one bit. R2: a run with no bits left is gone.

use std::collections::BTreeSet;

use kew_model::{Sequence, Timestamp};

use crate::queue::chunks::Chunks;
use crate::record::ranges::Range;
use crate::record::run::{Details, Mask, RUN_WIDTH, Span};

/// What the messages of a run are waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    /// The end of their lease.
    Leased,
    /// Their next delivery.
    Waiting,
    /// To leave the queue: their last allowed attempt failed.
    Exhausted,
}

/// Messages with one history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: Sequence,
    pub(crate) mask: Mask,
    pub(crate) phase: Phase,
    /// The end of the lease, the time of the next delivery, or the time of exhaustion.
    pub(crate) due: Timestamp,
    /// The number of the newest delivery.
    pub(crate) fence: u64,
    /// Deliveries so far.
    pub(crate) attempts: u16,
    pub(crate) details: Details,
}

impl Run {
    fn bit(&self, sequence: Sequence) -> Option<u64> {
        let bit = sequence.0.checked_sub(self.first.0)?;
        self.mask.has(bit).then_some(bit)
    }

    /// What its messages count for in the backlog.
    pub(crate) fn accounted_bytes(&self) -> u64 {
        self.details.accounted_bytes(self.mask)
    }

    pub(crate) fn sequences(&self) -> impl Iterator<Item = Sequence> + use<> {
        let first = self.first.0;
        self.mask.iter().map(move |bit| Sequence(first + bit))
    }

    /// One of its messages.
    pub(crate) fn span(&self, sequence: Sequence) -> Span {
        self.details.at(sequence.0 - self.first.0)
    }
}

/// A run's place: by sequence first, then by when it was made.
pub(crate) type RunKey = (Sequence, u64);

/// The runs of a queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Runs {
    by_sequence: Chunks<RunKey, Run>,
    by_due: BTreeSet<(Phase, Timestamp, RunKey)>,
    made: u64,
}

impl Runs {
    pub(crate) fn insert(&mut self, run: Run) {
        if run.mask.is_empty() {
            return;
        }
        let key = (run.first, self.made);
        self.made += 1;
        self.by_due.insert((run.phase, run.due, key));
        self.by_sequence.insert(key, run);
    }

    /// The run that holds a message.
    pub(crate) fn find(&self, sequence: Sequence) -> Option<(RunKey, &Run)> {
        let last = self.by_sequence.last_up_to((sequence, u64::MAX)).map(|(key, run)| (*key, run));
        if last.is_none_or(|(_, run)| run.bit(sequence).is_some()) {
            return last;
        }
        let lowest = Sequence(sequence.0.saturating_sub(RUN_WIDTH - 1));
        let near = self.by_sequence.down_from((sequence, u64::MAX)).map(|(key, run)| (*key, run));
        near.take_while(|(key, _)| key.0 >= lowest).find(|(_, run)| run.bit(sequence).is_some())
    }

    /// Takes a range's messages out of whatever runs hold them; each piece comes with its run's history.
    /// Messages that no run holds are passed over.
    pub(crate) fn take(&mut self, range: Range) -> Vec<Run> {
        let mut pieces = Vec::new();
        let mut sequence = range.first.0;
        while sequence < range.end() {
            let Some((key, run)) = self.find(Sequence(sequence)) else {
                sequence += 1;
                continue;
            };
            let from = sequence - run.first.0;
            let to = (range.end() - run.first.0).min(RUN_WIDTH);
            // Up to the first message that another run holds: those in between are nobody's or this run's.
            let wanted = Mask::between(from, to);
            let piece = self.split(key, wanted);
            let taken = piece.mask;
            pieces.push(piece);
            sequence = first_untaken(sequence, range.end(), pieces.last().map(|run| run.first.0), taken);
        }
        pieces
    }

    /// Takes some of a run's messages out of it, as a run of their own that is in no order yet.
    pub(crate) fn split(&mut self, key: RunKey, wanted: Mask) -> Run {
        let run = self.by_sequence.get_mut(&key).expect("a key of this set, from find or due");
        let taken = Mask(run.mask.0 & wanted.0);
        let rest = Mask(run.mask.0 & !wanted.0);
        if rest.is_empty() {
            let run = self.by_sequence.remove(&key).expect("it was there a line above");
            self.by_due.remove(&(run.phase, run.due, key));
            return run;
        }
        run.mask = rest;
        Run { mask: taken, details: run.details.of(taken), ..run.clone() }
    }

    /// Runs of a phase by their time, up to and including `until`.
    pub(crate) fn due(&self, phase: Phase, until: Timestamp) -> impl Iterator<Item = (RunKey, &Run)> {
        let range = (phase, Timestamp(0), (Sequence(0), 0))..=(phase, until, (Sequence(u64::MAX), u64::MAX));
        self.by_due.range(range).filter_map(|(_, _, key)| Some((*key, self.by_sequence.get(key)?)))
    }

    /// The earliest time of a phase that is later than `since`.
    pub(crate) fn next_after(&self, phase: Phase, since: Timestamp) -> Option<Timestamp> {
        let from = (phase, Timestamp(since.0.saturating_add(1)), (Sequence(0), 0));
        let next = self.by_due.range(from..).next();
        next.filter(|(of, ..)| *of == phase).map(|(_, due, _)| *due)
    }

    /// The earliest time of a phase.
    pub(crate) fn next(&self, phase: Phase) -> Option<Timestamp> {
        self.due(phase, Timestamp::NEVER).next().map(|(_, run)| run.due)
    }

    /// The last message of a phase, by time and sequence.
    pub(crate) fn last(&self, phase: Phase) -> Option<(Timestamp, Sequence)> {
        let of = |from, until| {
            let lowest = (Sequence(0), 0);
            let highest = (Sequence(u64::MAX), u64::MAX);
            self.by_due.range((phase, from, lowest)..=(phase, until, highest))
        };
        let (_, due, _) = of(Timestamp(0), Timestamp::NEVER).next_back()?;
        let last = of(*due, *due).filter_map(|(_, _, key)| self.by_sequence.get(key)?.sequences().last());
        Some((*due, last.max()?))
    }

    /// Whether there are messages of a phase up to and including one, by time and sequence.
    pub(crate) fn holds_until(&self, phase: Phase, (due, sequence): (Timestamp, Sequence)) -> bool {
        let mut runs = self.due(phase, due);
        runs.any(|(_, run)| run.due < due || run.sequences().next().is_some_and(|first| first <= sequence))
    }

    /// Takes all messages before a sequence out, in pieces.
    pub(crate) fn take_below(&mut self, before: u64) -> Vec<Run> {
        let below = self.by_sequence.iter().map(|(key, _)| *key).take_while(|key| key.0.0 < before);
        let keys: Vec<_> = below.collect();
        let pieces = keys.into_iter().map(|key| {
            let wanted = Mask::between(0, (before - key.0.0).min(RUN_WIDTH));
            self.split(key, wanted)
        });
        pieces.filter(|piece| !piece.mask.is_empty()).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.by_sequence.clear();
        self.by_due.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.by_sequence.values()
    }

    /// All of them, to be copied.
    pub(crate) fn entries(&self) -> &Chunks<RunKey, Run> {
        &self.by_sequence
    }
}

/// Where to go on after a piece was taken: past the bits in a row that it took.
fn first_untaken(from: u64, end: u64, first: Option<u64>, taken: Mask) -> u64 {
    let Some(first) = first else { return end };
    let mut sequence = from;
    while sequence < end && taken.has(sequence - first) {
        sequence += 1;
    }
    sequence
}
