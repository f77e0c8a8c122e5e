//! Pull: lease the oldest available messages.

use kew_journal::Position;
use kew_journal::seeded::{self, Bug};
use kew_model::{ConsumerKind, ContentType, Error, Limits, Place, Pull, Sequence, Timestamp};

use super::merge::{Candidate, Merge};
use super::{Decided, Decision, Outcome, Undecided, locate, queue_at};
use crate::command::{Pick, Picks, Source};
use crate::fetch::{Fetch, Locator};
use crate::index::Entry;
use crate::queue::QueueState;
use crate::record::Record;
use crate::record::run::{DetailsBuilder, Mask, Origin, PickedRun, RUN_WIDTH};
use crate::state::State;

/// Leases what is available, up to the pull's batch size and the limit on an answer's bytes.
pub(crate) fn pull(state: &State, place: Place, pull: Pull, now: Timestamp) -> Decided {
    let queue = queue_at(state, place)?;
    let number = queue.object.number;
    let (batch_size, visibility_timeout) = terms(queue, pull)?;
    let mut runs = RunsBuilder::default();
    let picks = gather(state, queue, batch_size, now, 1, |candidate| runs.push(candidate))?;
    if picks.messages.is_empty() {
        return Ok(Decision::nothing(Outcome::Pulled(number, picks)));
    }
    let record =
        Record::Leased { queue: number, deadline: now.after(visibility_timeout), runs: runs.finish() };
    Ok(Decision::write(now, 128, Outcome::Pulled(number, picks), |frame| frame.put(&record)))
}

/// The first available messages, up to a number and the limit on an answer's bytes, shown with `attempts` more than
/// they have had.
pub(super) fn gather(
    state: &State,
    queue: &QueueState,
    most: usize,
    now: Timestamp,
    attempts: u16,
    mut taken: impl FnMut(&Candidate<'_>),
) -> Result<Picks, Undecided> {
    let mut picks = Picks { queue: Some(queue.object.number), ..Picks::default() };
    let mut merge = Merge::new(queue, now);
    let mut answer_bytes = 0;
    while picks.messages.len() < most {
        let candidate = match merge.next() {
            Ok(Some(candidate)) => candidate,
            Ok(None) => break,
            Err(_) => return Err(Undecided::Needs(next_of_line(state, queue)?)),
        };
        answer_bytes += encoded_bytes(&candidate);
        if answer_bytes > Limits::PULL_ANSWER_BYTES_MAX && !picks.messages.is_empty() {
            break;
        }
        let source = source(state, queue, &candidate, &mut picks)?;
        let attempts = candidate.attempts.saturating_add(attempts);
        picks.messages.push(Pick { sequence: candidate.sequence, attempts, source });
        taken(&candidate);
    }
    Ok(picks)
}

/// How many messages and for how long, by the pull or else by the consumer.
fn terms(queue: &QueueState, pull: Pull) -> Result<(usize, kew_model::Milliseconds), Error> {
    let Some(ConsumerKind::HttpPull(settings)) =
        queue.object.consumer.as_ref().map(|consumer| &consumer.kind)
    else {
        return Err(Error::PullNotEnabled);
    };
    if queue.object.settings.delivery_paused && !seeded::is(Bug::IgnorePause) {
        return Err(Error::QueuePaused);
    }
    let batch_size = pull.batch_size.unwrap_or(settings.batch_size);
    Ok((usize::from(batch_size), pull.visibility_timeout.unwrap_or(settings.visibility_timeout)))
}

/// The frames to read next so that the queue's window goes on.
pub(crate) fn next_of_line(state: &State, queue: &QueueState) -> Result<Fetch, Error> {
    let sequence = queue.gone.first_left(queue.window.end().unwrap_or(queue.cursor));
    let (from, positions) = frames_from(state, queue, Sequence(sequence))?;
    Ok(Fetch::Heads { from, positions })
}

/// Where a live message lies, and the next frames of its queue as far as memory knows them.
pub(super) fn frames_from(
    state: &State,
    queue: &QueueState,
    sequence: Sequence,
) -> Result<(Locator, Vec<Position>), Error> {
    let number = queue.object.number;
    let from = locate(state, number, sequence)?;
    let entries = state.indexes.get(&from.segment).map_or(&[][..], |index| index.from(number, sequence.0));
    let position = |entry: &Entry| Position { segment: from.segment, offset: entry.offset };
    Ok((from, entries.iter().take(FRAMES_AHEAD).map(position).collect()))
}

/// How many frames are read ahead at a time, at most.
pub(crate) const FRAMES_AHEAD: usize = 1_024;

/// How many bytes a body takes in the answer (design §8.23): text as it is, all else in base64.
fn encoded_bytes(candidate: &Candidate<'_>) -> u64 {
    let length = u64::from(candidate.span.length);
    match candidate.span.content_type {
        ContentType::Text => length,
        ContentType::Json | ContentType::Bytes | ContentType::V8 => length.div_ceil(3) * 4,
    }
}

/// Where a candidate's bytes are, as a number among the sources.
fn source(
    state: &State,
    queue: &QueueState,
    candidate: &Candidate<'_>,
    picks: &mut Picks,
) -> Result<u32, Error> {
    let head = candidate.head.or_else(|| queue.window.find(candidate.sequence));
    match head {
        Some(head) => {
            let same = matches!(picks.sources.last(), Some(Source::Payload(last, start))
                if last.as_ptr() == head.payload.as_ptr() && *start == head.record_start);
            if !same {
                picks.sources.push(Source::Payload(head.payload.clone(), head.record_start));
            }
        }
        None => {
            let locator = locate(state, queue.object.number, candidate.sequence)?;
            picks.sources.push(Source::Stored(locator));
        }
    }
    Ok(u32::try_from(picks.sources.len() - 1).unwrap_or(u32::MAX))
}

/// Gathers candidates into runs, in the order in which they come.
#[derive(Default)]
pub(super) struct RunsBuilder {
    done: Vec<PickedRun>,
    open: Option<(PickedRun, DetailsBuilder)>,
}

impl RunsBuilder {
    pub(super) fn push(&mut self, candidate: &Candidate<'_>) {
        let again = !seeded::is(Bug::ForgetAttempt) || candidate.attempts == 0;
        let attempts = candidate.attempts.saturating_add(u16::from(again));
        let continues = self.open.as_ref().and_then(|(run, _)| {
            let bit = candidate.sequence.0.checked_sub(run.first.0)?;
            let alike = run.origin == candidate.origin && run.attempts == attempts;
            (alike && bit < RUN_WIDTH && run.mask.0 >> bit == 0).then_some(bit)
        });
        if continues.is_none() {
            self.close();
        }
        let bit = continues.unwrap_or(0);
        let (run, details) = self.open.get_or_insert_with(|| {
            let run = PickedRun {
                origin: candidate.origin,
                first: candidate.sequence,
                mask: Mask::default(),
                attempts,
                details: None,
            };
            (run, DetailsBuilder::default())
        });
        run.mask.0 |= 1 << bit;
        details.push(bit, candidate.span);
    }

    fn close(&mut self) {
        if let Some((mut run, details)) = self.open.take() {
            if run.origin != Origin::Delivered {
                run.details = details.finish();
            }
            self.done.push(run);
        }
    }

    pub(super) fn finish(mut self) -> Vec<PickedRun> {
        self.close();
        self.done
    }
}
