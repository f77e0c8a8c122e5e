//! A shard: one state, one log, one step at a time. No threads, no channels, no clock of its own.
//!
//! `step` takes what has arrived and the time, decides each verb, stages its frame and applies it, in this order and
//! before anything is synced. Whoever drives the shard then commits what was staged and only after that gives the
//! answers out and reads what was asked for:
//!
//! * D1: answers leave after the commit of the group in which they were decided.
//! * D2: what a step asks to be read is read after that commit, so that it finds it.
//! * D3: verbs on queues with a turn of burials under way wait for its end, in their order, and some for all that was
//!   exhausted when they came, but for nothing that fails later (`drain.rs`).
//! * D4: pulls, peeks and redrives that wait for the line to be read stay in their order.
//! * D5: verbs on a queue wait while its oldest frames are read to tell whether they are too old (`looks.rs`).

mod cleaning;
mod commit;
mod reading;
mod time;
mod windows;

pub(crate) use cleaning::Cleaned;
use commit::broken;
use windows::STEPS_IDLE;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use kew_journal::seeded::{self, Bug};
use kew_journal::{Journal, SegmentId};
use kew_model::{
    AccountId, Chance, ConsumerId, Limits, MessageId, QueueId, QueueNumber, SubscriptionId, Timestamp,
};

use crate::cleaning::Cleaner;
use crate::command::{Command, Input, Reply, Verb};
use crate::decide::due::burial_bytes;
use crate::decide::loaded::Loaded;
use crate::decide::{
    Decided, Decision, Outcome, Undecided, access, consumers, discard, peek, pull, push, queues, redrive,
    settle, subscriptions,
};
use crate::drain::{Drain, Wait};
use crate::fetch::{Fetch, Part, Wish};
use crate::looks::{Looks, holds_up};
use crate::options::Options;
use crate::pins::Pinned;
use crate::reply::{Answered, ReplyTo};
use crate::state::{Effects, State};

/// What a step leaves to do, after the commit.
#[derive(Debug, Default)]
pub(crate) struct Stepped {
    pub(crate) answers: Vec<(ReplyTo, Answered)>,
    pub(crate) fetches: Vec<Fetch>,
    pub(crate) effects: Effects,
    /// Whether there is more to do even if nothing arrives: another step should follow at once.
    pub(crate) unfinished: bool,
}

/// A refusal of pushes for want of space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSpace {
    pub(crate) free_bytes: u64,
    pub(crate) needed_bytes: u64,
}

/// One shard.
pub(crate) struct Shard {
    pub(crate) state: State,
    pub(crate) journal: Journal,
    chance: Arc<dyn Chance>,
    /// Payload bytes that windows may hold, over all queues.
    window_budget: usize,
    /// Steps so far, the clock of what was used last.
    steps: u64,
    /// Pulls that wait for frames to be read, by queue.
    line_waits: BTreeMap<QueueNumber, VecDeque<Command>>,
    /// Discards that wait for frames to be read.
    message_waits: Vec<(QueueNumber, Command)>,
    /// Burials, and the verbs that wait for them.
    drain: Drain,
    /// Looks at the age of queues, and the verbs that wait for them.
    looks: Looks,
    pub(crate) no_space: Option<NoSpace>,
    pub(crate) cleaner: Cleaner,
    /// Dead bytes that the log may hold beside as many as live.
    cleaning_slack: u64,
    part: Option<Part>,
    /// What answers are still to be read from.
    pinned: Pinned,
    answers: Vec<(ReplyTo, Answered)>,
    fetches: Vec<Fetch>,
}

impl Shard {
    pub(crate) fn new(state: State, journal: Journal, chance: Arc<dyn Chance>, options: &Options) -> Self {
        Self {
            state,
            journal,
            chance,
            window_budget: options.window_bytes,
            steps: 0,
            line_waits: BTreeMap::new(),
            message_waits: Vec::new(),
            drain: Drain::default(),
            looks: Looks::default(),
            no_space: None,
            cleaner: Cleaner::new(),
            cleaning_slack: options.cleaning_slack_bytes,
            part: None,
            pinned: Pinned::default(),
            answers: Vec::new(),
            fetches: Vec::new(),
        }
    }

    /// Lets burials go on that rest after a turn. Not every step begins one, so that those who only bring a verb do not
    /// have to wait for many.
    pub(crate) fn begin_turn(&mut self, now: Timestamp) {
        self.drain.begin_turn(now.max(self.state.latest));
    }

    /// Takes what has arrived, and adds what is left to do to what earlier steps have left. After an error nothing of this
    /// step may be answered as done.
    pub(crate) fn step(
        &mut self,
        inputs: impl IntoIterator<Item = Input>,
        now: Timestamp,
        stepped: &mut Stepped,
    ) -> Result<(), kew_journal::Error> {
        let now = now.max(self.state.latest);
        self.steps += 1;
        if self.state.window_bytes >= self.window_budget && self.steps.is_multiple_of(STEPS_IDLE) {
            self.drop_idle_windows();
        }
        self.due(now)?;
        self.resume(now)?;
        for input in inputs {
            match input {
                Input::Command(command) => self.take(command, now)?,
                Input::Fetched(fetched) => self.fetched(fetched, now)?,
                Input::OldestRead(queue, sequence, sent_at) => {
                    let queue = self.state.queues.get_mut(&queue);
                    queue.into_iter().for_each(|queue| queue.remember(sequence, sent_at));
                }
                Input::Sliced(segment, slice) => self.sliced(segment, slice, now),
                Input::Damaged(queue, error) => return Err(self.damaged(queue, error)),
            }
        }
        stepped.answers.append(&mut self.answers);
        stepped.fetches.append(&mut self.fetches);
        stepped.effects.add(self.state.take_effects());
        stepped.unfinished = self.is_unfinished(now);
        Ok(())
    }

    /// Whether there is something to do that no read and no time will bring up: a burial, or a verb whose wait came to
    /// its end in the middle of the step.
    fn is_unfinished(&self, now: Timestamp) -> bool {
        let buries = self.drain.parked.is_none() && self.drain.has_work(&self.state, now);
        let looked = self.state.exhausted.is_empty() && self.looks.may_release();
        buries || looked || self.drain.may_release(&self.state) || self.cleaner.goes_on(now)
    }

    /// Whether the next turn would do more than decide what comes: go on with burials, or clean.
    pub(crate) fn has_more_to_do(&self, now: Timestamp) -> bool {
        self.is_unfinished(now) || self.drain.rests()
    }

    /// Everybody who waits for an answer, when there will be none.
    pub(crate) fn abandon(&mut self) -> impl Iterator<Item = ReplyTo> {
        let waits = core::mem::take(&mut self.line_waits).into_values().flatten();
        let discards = core::mem::take(&mut self.message_waits).into_iter().map(|(_, command)| command);
        let commands = waits.chain(discards).chain(self.looks.abandon()).chain(self.drain.abandon());
        let answered = core::mem::take(&mut self.answers).into_iter().map(|(reply_to, _)| reply_to);
        answered.chain(commands.map(|command| command.reply_to))
    }

    fn take(&mut self, command: Command, now: Timestamp) -> Result<(), kew_journal::Error> {
        self.take_with(command, &Loaded::new(), now)
    }

    /// Decides a verb for which frames were read, or lets it wait. What was read is let go then, and asked for again.
    fn take_with(
        &mut self,
        mut command: Command,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<(), kew_journal::Error> {
        self.want_looks(&command.verb, now);
        self.due(now)?;
        // What comes to pass in a queue on which a verb waits for its fence comes after that verb.
        let is_held_up = command.holds().is_none() && holds_up(&self.state, &command.verb, now);
        if !is_held_up {
            self.drain.fence_in(&self.state, &mut command);
        }
        let wait = self.drain.wait(&self.state, &command, now);
        if !is_held_up && wait == Wait::No {
            let held = command.holds();
            self.drain.let_go(&command);
            self.decide(command, loaded, now)?;
            return if held.is_some() { self.due(now) } else { Ok(()) };
        }
        if !loaded.is_empty() {
            command.wish = Wish::default();
        }
        if is_held_up {
            self.looks.defer(&self.state, command);
            return self.due(now);
        }
        self.drain.defer(command, wait);
        Ok(())
    }

    fn decide(
        &mut self,
        command: Command,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<(), kew_journal::Error> {
        if command.is_in_vain() {
            return Ok(());
        }
        // What was read for a verb is not kept: if that stood back, too, it might never come to an end.
        let stands_in_line = loaded.is_empty() && !self.line_waits.is_empty();
        if let Some(place) = command.verb.takes_from().filter(|_| stands_in_line) {
            let number = self.state.catalog.queue(place).map(|queue| queue.number);
            if let Some(waits) = number.and_then(|number| self.line_waits.get_mut(&number)) {
                waits.push_back(command);
                return Ok(());
            }
        }
        match self.verb(&command, loaded, now) {
            Ok(decision) => {
                let answer = match self.too_large(&decision) {
                    Some(error) => Err(error),
                    None => Ok(self.carry_out(decision)?),
                };
                self.answers.push((command.reply_to, answer));
            }
            Err(Undecided::Refused(error)) => self.answers.push((command.reply_to, Err(error))),
            Err(Undecided::Needs(fetch)) => self.wait_for(fetch, command),
        }
        Ok(())
    }

    fn verb(&mut self, command: &Command, loaded: &Loaded, now: Timestamp) -> Decided {
        let verb = &command.verb;
        if let Some(place) = verb.takes_from() {
            self.use_window(place);
        }
        let state = &self.state;
        let chance = &self.chance;
        match verb {
            Verb::Push { place, batch } => {
                let decision = push::push(state, *place, batch, MessageId(chance.id()), now)?;
                self.needs_space(decision)
            }
            Verb::Pull { place, pull: terms } => pull::pull(state, *place, *terms, now),
            Verb::Peek { place, peek: terms } => peek::peek(state, *place, *terms, now),
            Verb::Redrive { place, redrive: terms } => {
                let bytes = burial_bytes(self.journal.largest_payload()).min(Limits::BATCH_BYTES_MAX);
                self.needs_space(redrive::redrive(
                    state,
                    *place,
                    *terms,
                    (loaded, command.origins.as_deref()),
                    bytes,
                    now,
                )?)
            }
            Verb::CreateSubscription { account, subscription } => {
                let drawn = SubscriptionId(chance.id());
                subscriptions::create_subscription(state, *account, subscription, drawn, now)
            }
            Verb::UpdateSubscription { account, id, change } => {
                subscriptions::update_subscription(state, *account, *id, change, now)
            }
            Verb::DeleteSubscription { account, id } => {
                subscriptions::delete_subscription(state, *account, *id, now)
            }
            Verb::Settle { place, settlement } => settle::settle(state, *place, settlement, now),
            Verb::Extend { place, extend } => settle::extend(state, *place, extend, now),
            Verb::Discard { place, messages } => discard::discard(state, *place, messages, loaded, now),
            Verb::Purge { place } => queues::purge(state, *place, now),
            Verb::Backlog { place } => {
                let number = crate::decide::queue_at(state, *place)?.object.number;
                Ok(Decision::nothing(Outcome::Backlog(number)))
            }
            Verb::Housekeep => Ok(Decision::nothing(Outcome::Reply(Reply::Done))),
            Verb::CreateAccount { id, name } => {
                access::create_account(state, *id, name, AccountId(chance.id()), now)
            }
            Verb::CreateToken { account, token } => access::create_token(state, *account, token, now),
            Verb::RevokeToken { account, token } => access::revoke_token(state, *account, *token, now),
            Verb::CreateQueue { account, queue } => {
                queues::create_queue(state, *account, queue, QueueId(chance.id()), now)
            }
            Verb::UpdateQueue { place, change } => queues::update_queue(state, *place, change, now),
            Verb::DeleteQueue { place } => queues::delete_queue(state, *place, now),
            Verb::CreateConsumer { place, consumer } => {
                let drawn = (ConsumerId(chance.id()), QueueId(chance.id()));
                consumers::create_consumer(state, *place, consumer, drawn, now)
            }
            Verb::ReplaceConsumer { place, id, consumer } => {
                consumers::replace_consumer(state, *place, *id, consumer, QueueId(chance.id()), now)
            }
            Verb::DeleteConsumer { place, id } => consumers::delete_consumer(state, *place, *id, now),
        }
    }

    /// Goes on with the verbs whose wait for looks and burials is over.
    fn resume(&mut self, now: Timestamp) -> Result<(), kew_journal::Error> {
        for queue in self.looks.waited_for() {
            self.state.want_look(queue);
        }
        let looked = self.looks.release(&self.state, now);
        self.take_again(looked, now)
    }

    /// As [`Shard::resume`], after the look at a queue.
    fn resume_after(&mut self, queue: QueueNumber, now: Timestamp) -> Result<(), kew_journal::Error> {
        let looked = self.looks.release_after(&self.state, queue);
        self.take_again(looked, now)
    }

    fn take_again(&mut self, looked: VecDeque<Command>, now: Timestamp) -> Result<(), kew_journal::Error> {
        for command in looked.into_iter().chain(self.drain.release(&self.state)) {
            self.take(command, now)?;
        }
        Ok(())
    }

    /// Whether a checkpoint would make a segment free.
    pub(crate) fn holds_dead_segments(&self) -> bool {
        let active = self.journal.active_segment();
        self.dead_segments().iter().any(|segment| *segment < active)
    }

    /// Segments in which nothing lives, and from which no answer is to be read. The journal frees those of them that a
    /// checkpoint covers.
    pub(crate) fn dead_segments(&self) -> Vec<SegmentId> {
        let segments = self.journal.segments().into_iter().map(|info| info.id);
        segments
            .filter(|id| (self.state.is_dead(*id) || seeded::is(Bug::FreeAlive)) && !self.pinned.holds(*id))
            .collect()
    }
}
