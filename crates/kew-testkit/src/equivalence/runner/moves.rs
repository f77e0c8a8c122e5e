//! The steps that look at messages or move them without a delivery: peeks and redrives.

use kew_model::{Destination, Peek, Peeked, Redrive, Sequence};

use super::super::pairing::same;
use super::super::script::Slot;
use super::Pair;
use crate::subject::Subject;
use crate::wait::wait;

impl<A: Subject, B: Subject> Pair<A, B> {
    pub(super) fn peek(&mut self, slot: Slot, batch_size: Option<u16>) -> Result<(), String> {
        let places = self.places[slot];
        let peek = Peek { batch_size };
        let Some([a, b]) = self.both(|broker, index| wait(broker.peek(places[index], peek)))? else {
            return Ok(());
        };
        let facts = |peeked: &Peeked| -> Vec<_> {
            let of_one = |one: &kew_model::Glimpse| {
                let start = format!("{:.24}", String::from_utf8_lossy(peeked.body(one)));
                (start, one.sequence, one.attempts, one.sent_at, one.content_type)
            };
            peeked.messages.iter().map(of_one).collect()
        };
        same("a peek (body, sequence, attempts, sent at, type)", &facts(&a), &facts(&b))?;
        for (first, second) in a.messages.iter().zip(&b.messages) {
            if a.body(first) != b.body(second) {
                return Err(format!("the bodies of message {:?} differ", first.sequence));
            }
            self.names.messages.pair(first.id, second.id)?;
            self.names.numbers.pair(first.queue, second.queue)?;
        }
        if !a.messages.is_empty() {
            self.peeked[slot] = a.messages.iter().map(|one| one.sequence).collect();
        }
        Ok(())
    }

    pub(super) fn discard_peeked(&mut self, slot: Slot, places: &[usize]) -> Result<(), String> {
        let peeked = &self.peeked[slot];
        let messages: Vec<Sequence> = places.iter().filter_map(|place| peeked.get(*place)).copied().collect();
        let places = self.places[slot];
        let answers = self.both(|broker, index| wait(broker.discard(places[index], messages.clone())))?;
        answers.map_or(Ok(()), |[a, b]| same("what was discarded", &a, &b))
    }

    pub(super) fn redrive(&mut self, slot: Slot, to: Option<Slot>, batch_size: u16) -> Result<(), String> {
        let places = self.places[slot];
        let targets = to.map(|to| self.places[to]);
        let answers = self.both(|broker, index| {
            let destination =
                targets.map_or(Destination::Origin, |targets| Destination::Queue(targets[index].queue));
            wait(broker.redrive(places[index], Redrive { destination, batch_size }))
        })?;
        answers.map_or(Ok(()), |[a, b]| same("redrive", &a, &b))
    }
}
