//! Why messages left that nobody acknowledged, for as long as it is worth remembering.
//!
//! A late ack of a message that was dead-lettered, or whose retention ended, is counted with a warning (spec §4.5). The
//! last 1,024 ranges of such messages are kept; an older one is answered without its reason (design §8.6).

use std::collections::VecDeque;

use kew_model::{AckOutcome, Sequence};

use crate::record::ranges::Range;

/// How many ranges are kept, and so at least as many messages.
const KEPT: usize = 1_024;

/// Why messages left unacknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Their last allowed attempt failed.
    Exhausted,
    /// Their retention ended while somebody could still hold a lease of them.
    RetentionEnded,
}

/// The latest departures of a queue, in the order of leaving.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Departures(VecDeque<(Range, Reason)>);

impl Departures {
    pub(crate) fn note(&mut self, range: Range, reason: Reason) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back((range, reason));
    }

    /// What to answer to an ack of a message that is gone.
    pub(crate) fn outcome(&self, sequence: Sequence) -> AckOutcome {
        let mut latest_first = self.0.iter().rev();
        let known = latest_first.find(|(range, _)| (range.first.0..range.end()).contains(&sequence.0));
        match known {
            Some((_, Reason::Exhausted)) => AckOutcome::Exhausted,
            Some((_, Reason::RetentionEnded)) => AckOutcome::RetentionEnded,
            None => AckOutcome::AlreadyGone,
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &(Range, Reason)> {
        self.0.iter()
    }
}
