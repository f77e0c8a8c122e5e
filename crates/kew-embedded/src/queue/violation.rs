//! Whether a queue's counts agree with each other: Q1 to Q5, Q7 and R1.

use super::QueueState;
use super::extents::{Live, Summary};
use super::runs::Run;

impl QueueState {
    /// The invariant that does not hold, if there is one.
    pub(crate) fn violation(&self) -> Option<&'static str> {
        let in_runs: u64 = self.runs.iter().map(|run| run.mask.count()).sum();
        let delayed = self.delayed_count();
        let mut live = Live::default();
        self.extents.iter().for_each(|extent| live.add(extent.live));
        let bytes_agree = self.extents.guessed || self.backlog_bytes == live.bytes;
        let summaries: Option<Vec<_>> = self.extents.iter().map(|extent| extent.summary).collect();
        let in_line = |all: Vec<Summary>| all.iter().map(|summary| summary.in_line).sum::<u64>();
        let summed = summaries.is_none_or(|all| in_line(all) == self.in_line);
        let ends = (self.cursor, self.window.bytes()) == (self.next, 0);
        let in_gone = |run: &Run| run.sequences().any(|sequence| self.gone.contains(sequence.0));
        let rules = [
            (
                self.backlog_count == self.in_line + delayed + in_runs,
                "Q1: the backlog is what is in line, delayed and delivered",
            ),
            (self.backlog_count == live.messages, "Q4: the messages of the segments sum up to the backlog"),
            (bytes_agree, "Q4: the bytes of the segments sum up to the backlog"),
            (summed, "Q7: what the segments know to be in line is in line"),
            (self.in_line > 0 || ends, "Q3: with nothing in line the cursor stands at the next message"),
            (self.in_line == 0 || self.cursor >= self.gone.floor(), "Q5: the cursor is not below the floor"),
            (self.gone.floor() <= self.next, "the floor is not past the end"),
            (!self.runs.iter().any(in_gone), "R1: what was delivered and is listed is not gone"),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map(|(_, rule)| rule)
    }
}
