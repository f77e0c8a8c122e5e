//! What time brings, in its order: retention periods and leases that end, and the burials that follow from them.
//!
//! Within a queue everything is done in the order of time, and at one time a message is too old before its lease ends.
//! Queues do not wait for each other, but those that share their dead letters: these arrive in the order of time. A
//! look at a queue's oldest messages waits for its exhausted messages to leave, for they did so at the moment of their
//! exhaustion.

use kew_journal::FrameBuffer;
use kew_journal::seeded::{self, Bug};
use kew_model::{QueueId, QueueNumber, Timestamp};

use super::{Shard, broken};
use crate::command::Verb;
use crate::decide::due::{Burial, burial_bytes, end_leases};
use crate::decide::loaded::Loaded;
use crate::decide::{Undecided, aging};

impl Shard {
    /// When time next brings something: a lease that ends, a message that may be too old, or another try.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let may_end = |(at, number): &(Timestamp, QueueNumber)| {
            !self.is_held_up(*number, *at) && !self.drain.holds(*number)
        };
        let end = self.state.deadlines().find(may_end);
        let may_look = |(_, number): &(Timestamp, QueueNumber)| !self.may_not_look(*number);
        let look = (!self.looks.is_full()).then(|| self.state.looks().find(may_look)).flatten();
        let again = [self.drain.again_at(), self.looks.again_at(), self.cleaner.due_at()];
        [end, look].into_iter().flatten().map(|(at, _)| at).chain(again.into_iter().flatten()).min()
    }

    /// Does what time brings, and what it entails.
    pub(super) fn due(&mut self, now: Timestamp) -> Result<(), kew_journal::Error> {
        self.looks.retry(now);
        loop {
            if let Some(number) = self.next_look(now) {
                self.look(number, None, now)?;
            } else if let Some(frame) = self.next_end(now) {
                self.commit(frame)?;
            } else if self.drain.parked.is_none()
                && !self.drain.rests()
                && self.drain.has_work(&self.state, now)
            {
                self.bury(Loaded::new(), now)?;
            } else {
                return Ok(());
            }
        }
    }

    /// Somebody asks: no answer shows a message that is too old, so the looks that this takes are due at once.
    pub(super) fn want_looks(&mut self, verb: &Verb, now: Timestamp) {
        if self.state.expiries().next().is_none_or(|(at, _)| at > now) {
            return;
        }
        let wanted = match verb {
            Verb::Housekeep => {
                let due = self.state.expiries().take_while(|(at, _)| *at <= now);
                due.map(|(_, number)| number).collect()
            }
            _ => {
                let queue = verb.place().and_then(|place| self.state.catalog.queue(place));
                queue.into_iter().map(|queue| queue.number).collect::<Vec<_>>()
            }
        };
        wanted.into_iter().for_each(|number| self.state.want_look(number));
    }

    /// The queue that is to be looked at next for messages that are too old.
    fn next_look(&self, now: Timestamp) -> Option<QueueNumber> {
        if self.looks.is_full() {
            return None;
        }
        let mut due = self.state.looks().take_while(|(at, _)| *at <= now).map(|(_, number)| number);
        due.find(|number| self.is_look_due(*number, now))
    }

    fn is_look_due(&self, number: QueueNumber, now: Timestamp) -> bool {
        let goes_first = |at: &Timestamp| self.state.deadline(number).is_none_or(|deadline| *at <= deadline);
        let expiry = self.state.expiry(number).filter(|at| *at <= now);
        expiry.is_some_and(|at| goes_first(&at)) && !self.may_not_look(number)
    }

    /// Whether a look at a queue must wait.
    fn may_not_look(&self, number: QueueNumber) -> bool {
        self.looks.is_under_way(number) || self.state.exhausted.has(number)
    }

    /// The frame that ends the next leases.
    fn next_end(&self, now: Timestamp) -> Option<FrameBuffer> {
        let late = u64::from(seeded::is(Bug::LeaseEndsLate));
        let mut due = self.state.deadlines().take_while(|(at, _)| at.0 + late <= now.0);
        let next = due.find(|(at, number)| {
            !self.drain.holds(*number) && self.state.expiry(*number).is_none_or(|expiry| *at < expiry)
        })?;
        end_leases(&self.state, next, now)
    }

    /// Whether the end of a lease waits for a look that cannot be taken yet.
    fn is_held_up(&self, number: QueueNumber, deadline: Timestamp) -> bool {
        (self.looks.is_full() || self.may_not_look(number))
            && self.state.expiry(number).is_some_and(|expiry| expiry <= deadline)
    }

    /// A look's frames are here.
    pub(super) fn look_again(
        &mut self,
        number: QueueNumber,
        loaded: Loaded,
        now: Timestamp,
    ) -> Result<(), kew_journal::Error> {
        let exhausted = self.state.exhausted.has(number);
        let expiry = self.state.expiry(number).filter(|at| *at <= now && !exhausted);
        if expiry.is_some_and(|at| self.state.deadline(number).is_none_or(|deadline| at <= deadline)) {
            self.look(number, Some(loaded), now)?;
        } else {
            self.looks.end(number);
        }
        self.due(now)?;
        self.resume_after(number, now)
    }

    /// Looks how old the oldest messages of a queue are, and lets go those that are too old; `fresh` are frames that
    /// were read for it.
    fn look(
        &mut self,
        number: QueueNumber,
        fresh: Option<Loaded>,
        now: Timestamp,
    ) -> Result<(), kew_journal::Error> {
        let horizon = self.state.deadline(number).map_or(now, |deadline| deadline.min(now));
        let is_fresh = fresh.is_some();
        fresh.into_iter().for_each(|frames| self.looks.kept.add(number, frames));
        match aging::look(&self.state, number, (self.looks.kept.of(number), is_fresh), horizon, now) {
            Ok(frame) => {
                self.looks.end(number);
                self.commit(frame)?;
                let floor = self.state.queues.get(&number).map_or(u64::MAX, |queue| queue.gone.floor());
                self.looks.kept.trim(number, floor);
                Ok(())
            }
            Err(Undecided::Needs(fetch)) if self.looks.begin(number, &fetch) => {
                self.fetches.push(fetch);
                Ok(())
            }
            Err(Undecided::Needs(_)) => {
                let queue = self.name_of(number);
                Err(broken(&format!("what was read to tell the age of {queue} lacks its oldest message")))
            }
            Err(Undecided::Refused(error)) => Err(broken(&error.to_string())),
        }
    }

    /// Carries out burials until none is left, one needs something read, or the turn is over.
    pub(super) fn bury(&mut self, mut loaded: Loaded, now: Timestamp) -> Result<(), kew_journal::Error> {
        while !self.state.exhausted.is_empty() {
            let parked = self.drain.parked.take();
            if parked.is_none() && self.drain.rests() {
                return Ok(());
            }
            let bytes = burial_bytes(self.journal.largest_payload());
            let next =
                parked.or_else(|| Burial::next(&self.state, bytes, now, |queue| self.drain.may_bury(queue)));
            let Some(mut burial) = next else { return Ok(()) };
            match burial.decide(&self.state, &loaded, QueueId(self.chance.id()), now) {
                Ok((frame, bytes)) => {
                    self.commit(frame)?;
                    self.drain.spend(bytes);
                    loaded = Loaded::new();
                    if self.drain.has_passed(&self.state) {
                        self.drain.rest();
                    }
                }
                Err(Undecided::Needs(fetch)) if burial.wish.goes_on(fetch.extent()) => {
                    self.fetches.push(fetch);
                    self.drain.parked = Some(burial);
                    return Ok(());
                }
                Err(Undecided::Needs(_)) => {
                    let queue = self.name_of(burial.source);
                    return Err(broken(&format!("what was read for the dead letters of {queue} lacks some")));
                }
                Err(Undecided::Refused(error)) => return Err(broken(&error.to_string())),
            }
        }
        self.drain.begin_turn(now);
        Ok(())
    }
}
