//! Makes a failing script short: whole runs of steps are taken out first, then single entries of steps.
//!
//! The property library shrinks values one by one, which takes thousands of tries for two hundred steps; taking out
//! halves, quarters and so on takes dozens.

use super::script::{Script, Step};

/// The shortest script found in at most `tries_max` tries that still fails, and how it fails.
pub(super) fn shortest(
    script: Script,
    difference: String,
    tries_max: u32,
    run: impl Fn(&Script) -> Result<(), String>,
) -> (String, Script) {
    let mut search = Search { script, difference, tries_left: tries_max, run };
    search.take_steps_out();
    search.make_steps_smaller();
    search.take_steps_out();
    (search.difference, search.script)
}

struct Search<F> {
    script: Script,
    difference: String,
    tries_left: u32,
    run: F,
}

impl<F: Fn(&Script) -> Result<(), String>> Search<F> {
    /// Keeps the steps if they still fail, be it in another way.
    fn try_with(&mut self, steps: Vec<Step>) -> bool {
        if self.tries_left == 0 {
            return false;
        }
        self.tries_left -= 1;
        let shorter = Script { queues: self.script.queues.clone(), steps };
        match (self.run)(&shorter) {
            Ok(()) => false,
            Err(difference) => {
                self.script = shorter;
                self.difference = difference;
                true
            }
        }
    }

    fn take_steps_out(&mut self) {
        let mut length = self.script.steps.len().next_power_of_two();
        while length > 0 {
            let mut start = 0;
            while start < self.script.steps.len() {
                let end = (start + length).min(self.script.steps.len());
                let mut steps = self.script.steps.clone();
                steps.drain(start..end);
                if !self.try_with(steps) {
                    start += length;
                }
            }
            length /= 2;
        }
    }

    fn make_steps_smaller(&mut self) {
        for index in 0..self.script.steps.len() {
            let mut entry = 0;
            while let Some(smaller) = smaller(&self.script.steps[index], entry) {
                let mut steps = self.script.steps.clone();
                steps[index] = smaller;
                if !self.try_with(steps) {
                    entry += 1;
                }
            }
        }
    }
}

/// The step without one of its entries; `None` when it has none of that number.
fn smaller(step: &Step, entry: usize) -> Option<Step> {
    let mut step = step.clone();
    match &mut step {
        Step::Push { count, pieces, request, .. } => match entry {
            0 if *count > 1 => *count /= 2,
            0 | 1 if *count > 1 => *count -= 1,
            0..=2 if pieces.len() > 1 => drop(pieces.pop()),
            0..=3 if request.is_some() => *request = None,
            _ => return None,
        },
        Step::Settle { acks, retries, .. } => {
            if entry < acks.len() {
                acks.remove(entry);
            } else if entry < acks.len() + retries.len() {
                retries.remove(entry - acks.len());
            } else {
                return None;
            }
        }
        Step::Extend { leases, .. } | Step::Discard { leases, .. } if entry < leases.len() => {
            leases.remove(entry);
        }
        Step::DiscardPeeked { places, .. } if entry < places.len() => {
            places.remove(entry);
        }
        _ => return None,
    }
    Some(step)
}
