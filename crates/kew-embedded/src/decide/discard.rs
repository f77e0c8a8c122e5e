//! Discard: delete messages by name, wherever they are.
//!
//! A message that was never delivered is known only where it lies, so its frame is read first; the record then says
//! all that replay must know.

use kew_model::{Place, Sequence, Timestamp};

use super::loaded::Loaded;
use super::{Decided, Decision, Outcome, Undecided, locate, queue_at};
use crate::command::Reply;
use crate::fetch::{Fetch, Purpose};
use crate::queue::QueueState;
use crate::queue::runs::Phase;
use crate::record::Record;
use crate::record::ranges::Ranges;
use crate::record::run::{Details, Mask, Origin, PickedRun, Span};
use crate::state::State;

/// Deletes messages; `loaded` are the frames that an earlier call asked for.
pub(crate) fn discard(
    state: &State,
    place: Place,
    messages: &[Sequence],
    loaded: &Loaded,
    now: Timestamp,
) -> Decided {
    let queue = queue_at(state, place)?;
    let number = queue.object.number;
    let mut chosen = Ranges::default();
    let mut were_there = Vec::with_capacity(messages.len());
    let mut runs = Vec::new();
    let mut named = Vec::new();
    let mut unread = false;
    for sequence in messages {
        let there = is_there(queue, *sequence) && chosen.insert(*sequence);
        were_there.push(there);
        if !there {
            continue;
        }
        match pick(queue, *sequence, loaded) {
            Some(run) => runs.push(run),
            None => unread = true,
        }
        named.push(*sequence);
    }
    if unread {
        // All of them, also those in memory now: the window may have moved on when the frames are here.
        let messages = named.into_iter().map(|sequence| locate(state, number, sequence));
        let messages = messages.collect::<Result<_, _>>()?;
        return Err(Undecided::Needs(Fetch::Messages {
            queue: number,
            messages,
            most_bytes: usize::MAX,
            purpose: Purpose::Verb,
        }));
    }
    let outcome = Outcome::Reply(Reply::Discarded(were_there));
    if runs.is_empty() {
        return Ok(Decision::nothing(outcome));
    }
    Ok(Decision::write(now, 64, outcome, |frame| frame.put(&Record::Discarded { queue: number, runs })))
}

/// Whether there is such a message, other than one on its way out because its last attempt failed.
fn is_there(queue: &QueueState, sequence: Sequence) -> bool {
    let lives = (1..queue.next).contains(&sequence.0) && !queue.gone.contains(sequence.0);
    lives && queue.runs.find(sequence).is_none_or(|(_, run)| run.phase != Phase::Exhausted)
}

fn pick(queue: &QueueState, sequence: Sequence, loaded: &Loaded) -> Option<PickedRun> {
    let mask = Mask(1);
    if queue.runs.find(sequence).is_some() {
        return Some(PickedRun {
            origin: Origin::Delivered,
            first: sequence,
            mask,
            attempts: 0,
            details: None,
        });
    }
    let in_window = queue.window.find(sequence).and_then(|head| {
        let (batch, _) = head.batch();
        batch.messages().find(|stored| stored.sequence == sequence)
    });
    let stored = in_window.or_else(|| loaded.find(sequence).map(|(_, stored)| stored))?;
    let origin = if stored.is_delayed() { Origin::Delayed } else { Origin::Ready };
    let span =
        Span { from: 0, content_type: stored.content_type, length: stored.length, sent_at: stored.sent_at };
    Some(PickedRun { origin, first: sequence, mask, attempts: 0, details: Some(Details::One(span)) })
}
