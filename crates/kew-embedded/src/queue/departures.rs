//! Why messages left that nobody acknowledged, for as long as it is worth remembering.
//!
//! A late ack of a dead-lettered message is counted with a warning (spec §4.5). The last 1,024 ranges of such messages
//! are kept; an older one is answered without its reason (design §8.6).

use std::collections::VecDeque;

use kew_model::{AckOutcome, Sequence};

use crate::record::ranges::Range;

/// How many ranges are kept, and so at least as many messages.
const KEPT: usize = 1_024;

/// The latest departures of a queue: messages that left by exhaustion, in the order of leaving.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Departures(VecDeque<Range>);

impl Departures {
    pub(crate) fn exhausted(&mut self, range: Range) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(range);
    }

    /// What to answer to an ack of a message that is gone.
    pub(crate) fn outcome(&self, sequence: Sequence) -> AckOutcome {
        let known = self.0.iter().rev().any(|range| (range.first.0..range.end()).contains(&sequence.0));
        if known { AckOutcome::Exhausted } else { AckOutcome::AlreadyGone }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Range> {
        self.0.iter()
    }
}
