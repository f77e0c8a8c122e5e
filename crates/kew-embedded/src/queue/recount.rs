//! A queue's counts made anew from what is there, where records were left out on purpose.

use super::QueueState;
use crate::record::ranges::Range;

impl QueueState {
    /// Messages are lost: they are gone, in whatever state they were. [`QueueState::recount`] comes after the last.
    pub(crate) fn lose(&mut self, messages: Range) {
        drop(self.runs.take(messages));
        self.gone.insert(messages.first.0, messages.end().min(self.next));
    }

    /// Counts again what lives, from what is gone; keeps the invariants but Q4, for which the places are needed.
    pub(crate) fn recount(&mut self) {
        let floor = self.gone.floor().min(self.next);
        self.backlog_count = self.next - floor - self.gone.count(floor, self.next);
        let gone = &self.gone;
        self.delays = self.delays.in_order(|sequence| !gone.contains(sequence));
        let in_runs: u64 = self.runs.iter().map(|run| run.mask.count()).sum();
        self.in_line = self.backlog_count.saturating_sub(in_runs + self.delayed_count());
        self.window.clear();
        self.settle_cursor();
    }
}
