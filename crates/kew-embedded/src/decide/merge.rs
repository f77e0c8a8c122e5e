//! The messages that a pull may take, in the one order of delivery: by (available at, sequence) over those in line,
//! those whose delay is over, and those that were given back.

use core::cmp::Reverse;
use core::iter::Peekable;
use std::collections::BinaryHeap;

use kew_model::{Sequence, Timestamp};

use crate::queue::QueueState;
use crate::queue::runs::{Phase, Run, RunKey};
use crate::queue::window::Head;
use crate::record::run::{Origin, Span};

/// An available message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) available_at: Timestamp,
    pub(crate) sequence: Sequence,
    pub(crate) origin: Origin,
    /// Deliveries so far.
    pub(crate) attempts: u16,
    pub(crate) span: Span,
    /// Its frame, for a message in line.
    pub(crate) head: Option<&'a Head>,
}

impl Candidate<'_> {
    fn key(&self) -> (Timestamp, Sequence) {
        (self.available_at, self.sequence)
    }
}

/// The next candidate cannot be known before more of the line is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineEnds;

/// The available messages of a queue in order.
pub(crate) struct Merge<'a> {
    line: Peekable<Box<dyn Iterator<Item = Candidate<'a>> + 'a>>,
    /// Messages in line that have not come from `line` yet, read or not.
    line_left: u64,
    delayed: Peekable<Box<dyn Iterator<Item = Candidate<'a>> + 'a>>,
    waiting: Waiting<'a>,
}

impl<'a> Merge<'a> {
    pub(crate) fn new(queue: &'a QueueState, now: Timestamp) -> Self {
        let line = queue
            .window
            .in_line(queue.cursor)
            .filter(|message| !queue.gone.contains(message.stored.sequence.0));
        let line = line.map(|message| Candidate {
            available_at: message.stored.available_at,
            sequence: message.stored.sequence,
            origin: Origin::Ready,
            attempts: 0,
            span: Span {
                from: 0,
                content_type: message.stored.content_type,
                length: message.stored.length,
                sent_at: message.stored.sent_at,
            },
            head: Some(message.head),
        });
        let delayed = queue.delays.due(now).flat_map(|entry| {
            (entry.first..entry.first + u64::from(entry.count)).map(move |sequence| Candidate {
                available_at: entry.available_at,
                sequence: Sequence(sequence),
                origin: Origin::Delayed,
                attempts: 0,
                span: entry.span,
                head: None,
            })
        });
        let delayed = delayed.filter(|candidate| !queue.gone.contains(candidate.sequence.0));
        let line: Box<dyn Iterator<Item = Candidate<'a>> + 'a> = Box::new(line);
        let delayed: Box<dyn Iterator<Item = Candidate<'a>> + 'a> = Box::new(delayed);
        Self {
            line: line.peekable(),
            line_left: queue.in_line,
            delayed: delayed.peekable(),
            waiting: Waiting::new(Box::new(queue.runs.due(Phase::Waiting, now))),
        }
    }

    /// The next message; `None` when there is none.
    pub(crate) fn next(&mut self) -> Result<Option<Candidate<'a>>, LineEnds> {
        if self.line_left > 0 && self.line.peek().is_none() {
            return Err(LineEnds);
        }
        let line = self.line.peek().map(Candidate::key);
        let delayed = self.delayed.peek().map(Candidate::key);
        let waiting = self.waiting.peek();
        let first = [line, delayed, waiting].into_iter().flatten().min();
        Ok(match first {
            None => None,
            first if first == line => {
                self.line_left -= 1;
                self.line.next()
            }
            first if first == delayed => self.delayed.next(),
            _ => self.waiting.next(),
        })
    }
}

/// The messages of the waiting runs in order. Runs of one time may interleave, so all that could hold the next
/// message are open at once: those of that time that begin at or before it.
struct Waiting<'a> {
    runs: Peekable<Box<dyn Iterator<Item = (RunKey, &'a Run)> + 'a>>,
    open: BinaryHeap<Reverse<(Timestamp, Sequence, usize)>>,
    opened: Vec<&'a Run>,
}

impl<'a> Waiting<'a> {
    fn new(runs: Box<dyn Iterator<Item = (RunKey, &'a Run)> + 'a>) -> Self {
        Self { runs: runs.peekable(), open: BinaryHeap::new(), opened: Vec::new() }
    }

    fn peek(&mut self) -> Option<(Timestamp, Sequence)> {
        while let Some((_, run)) = self.runs.peek() {
            let may_be_next = match self.open.peek() {
                None => true,
                Some(Reverse((due, sequence, _))) => (run.due, run.first) <= (*due, *sequence),
            };
            if !may_be_next {
                break;
            }
            let run = *run;
            self.runs.next();
            self.opened.push(run);
            self.open_at(self.opened.len() - 1, 0);
        }
        self.open.peek().map(|Reverse((due, sequence, _))| (*due, *sequence))
    }

    fn open_at(&mut self, at: usize, from: u64) {
        let run = self.opened[at];
        if let Some(bit) = run.mask.next(from) {
            self.open.push(Reverse((run.due, Sequence(run.first.0 + bit), at)));
        }
    }

    fn next(&mut self) -> Option<Candidate<'a>> {
        self.peek()?;
        let Reverse((due, sequence, at)) = self.open.pop()?;
        let run = self.opened[at];
        self.open_at(at, sequence.0 - run.first.0 + 1);
        Some(Candidate {
            available_at: due,
            sequence,
            origin: Origin::Delivered,
            attempts: run.attempts,
            span: run.span(sequence),
            head: None,
        })
    }
}
