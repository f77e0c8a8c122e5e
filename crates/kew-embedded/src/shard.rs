//! A shard: one state, one log, one step at a time. No threads, no channels, no clock of its own.
//!
//! `step` takes what has arrived and the time, decides each verb, stages its frame and applies it, in this order and
//! before anything is synced. Whoever drives the shard then commits what was staged and only after that gives the
//! answers out and reads what was asked for:
//!
//! * D1: answers leave after the commit of the group in which they were decided.
//! * D2: what a step asks to be read is read after that commit, so that it finds it.
//! * D3: verbs on queues with a burial under way wait for its end, in their order.
//! * D4: pulls that wait for the line to be read stay in their order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use kew_journal::{FrameBuffer, Journal, Lsn, SegmentId};
use kew_model::{
    AccountId, Chance, ConsumerId, Error, MessageId, Place, QueueId, QueueNumber, SubscriptionId, Timestamp,
};

use crate::command::{
    BacklogSeen, Command, Fetch, Fetched, Input, OldestSeen, Purpose, Reply, ReplyTo, Verb,
};
use crate::decide::discard::Loaded;
use crate::decide::due::{Burial, burial_bytes, burial_target, end_leases};
use crate::decide::{
    Decided, Decision, Outcome, Undecided, access, aging, consumers, discard, locate, peek, pull, push,
    queues, redrive, settle, subscriptions,
};
use crate::queue::{Oldest, QueueState};
use crate::state::{Applied, Effects, State};

/// A window that no pull has used for so many steps is idle. What was read for pulls may exceed the budget until
/// then: by a read of about 1 MiB for each step.
const STEPS_IDLE: u64 = 32;

/// What a message takes more of a frame when it is buried than when it is pushed, in bytes, at the most.
const BURIAL_ROOM: usize = 1_024;

/// What a step leaves to do, after the commit.
#[derive(Debug, Default)]
pub(crate) struct Stepped {
    pub(crate) answers: Vec<(ReplyTo, Result<Reply, Error>)>,
    pub(crate) fetches: Vec<Fetch>,
    pub(crate) effects: Effects,
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
    /// The burial that waits for bodies to be read.
    burial: Option<Burial>,
    /// Queues whose oldest frames are being read to tell how old they are.
    aging: BTreeSet<QueueNumber>,
    /// Verbs that wait for the end of a burial or of such a look.
    deferred: VecDeque<Command>,
    pub(crate) no_space: Option<NoSpace>,
    answers: Vec<(ReplyTo, Result<Reply, Error>)>,
    fetches: Vec<Fetch>,
}

impl Shard {
    pub(crate) fn new(state: State, journal: Journal, chance: Arc<dyn Chance>, window_budget: usize) -> Self {
        Self {
            state,
            journal,
            chance,
            window_budget,
            steps: 0,
            line_waits: BTreeMap::new(),
            message_waits: Vec::new(),
            burial: None,
            aging: BTreeSet::new(),
            deferred: VecDeque::new(),
            no_space: None,
            answers: Vec::new(),
            fetches: Vec::new(),
        }
    }

    /// Takes what has arrived. After an error nothing of this step may be answered as done.
    pub(crate) fn step(
        &mut self,
        inputs: impl IntoIterator<Item = Input>,
        now: Timestamp,
    ) -> Result<Stepped, kew_journal::Error> {
        let now = now.max(self.state.latest);
        self.steps += 1;
        if self.state.window_bytes >= self.window_budget && self.steps.is_multiple_of(STEPS_IDLE) {
            self.drop_idle_windows();
        }
        self.due(now)?;
        for input in inputs {
            match input {
                Input::Command(command) => self.take(command, now)?,
                Input::Fetched(Ok(fetched)) => self.fetched(fetched, now)?,
                Input::Fetched(Err(error)) => return Err(error),
            }
        }
        Ok(Stepped {
            answers: core::mem::take(&mut self.answers),
            fetches: core::mem::take(&mut self.fetches),
            effects: self.state.take_effects(),
        })
    }

    /// When time next brings something: a lease that ends, or a message that may be too old.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let mut ends = self.state.deadlines().filter(|(_, number)| !self.aging.contains(number));
        let mut expiries = self.state.expiries().filter(|(_, number)| !self.may_not_look(*number));
        [ends.next(), expiries.next()].into_iter().flatten().map(|(at, _)| at).min()
    }

    /// Everybody who waits for an answer, when there will be none.
    pub(crate) fn abandon(&mut self) -> impl Iterator<Item = ReplyTo> {
        let waits = core::mem::take(&mut self.line_waits).into_values().flatten();
        let discards = core::mem::take(&mut self.message_waits).into_iter().map(|(_, command)| command);
        let commands = waits.chain(discards).chain(core::mem::take(&mut self.deferred));
        let answered = core::mem::take(&mut self.answers).into_iter().map(|(reply_to, _)| reply_to);
        answered.chain(commands.map(|command| command.reply_to))
    }

    /// Does what time brings, and what it entails. Within a queue it is done in the order of time, and at one time a
    /// message is too old before its lease ends; queues do not wait for each other.
    fn due(&mut self, now: Timestamp) -> Result<(), kew_journal::Error> {
        loop {
            if let Some(number) = self.next_look(now) {
                self.look(number, &Loaded::new(), now)?;
            } else if let Some(frame) = self.next_end(now) {
                self.commit(frame)?;
            } else if self.burial.is_none() && !self.state.exhausted.is_empty() {
                self.bury(Loaded::new(), now)?;
            } else {
                return Ok(());
            }
        }
    }

    /// The queue that is to be looked at next for messages that are too old.
    fn next_look(&self, now: Timestamp) -> Option<QueueNumber> {
        let mut due = self.state.expiries().take_while(|(at, _)| *at <= now).map(|(_, number)| number);
        due.find(|number| self.is_look_due(*number, now))
    }

    fn is_look_due(&self, number: QueueNumber, now: Timestamp) -> bool {
        let goes_first = |at: &Timestamp| self.state.deadline(number).is_none_or(|deadline| *at <= deadline);
        let expiry = self.state.expiry(number).filter(|at| *at <= now);
        expiry.is_some_and(|at| goes_first(&at)) && !self.may_not_look(number)
    }

    /// Whether a look at a queue's oldest messages must wait: until its frames are read, and until its exhausted messages
    /// have left, which they did at the moment they were exhausted.
    fn may_not_look(&self, number: QueueNumber) -> bool {
        self.aging.contains(&number) || self.state.exhausted.contains(&number)
    }

    /// The frame that ends the next leases.
    fn next_end(&self, now: Timestamp) -> Option<FrameBuffer> {
        let mut due = self.state.deadlines().take_while(|(at, _)| *at <= now);
        let next = due.find(|(at, number)| self.state.expiry(*number).is_none_or(|expiry| *at < expiry))?;
        end_leases(&self.state, next, now)
    }

    /// Looks how old the oldest messages of a queue are, and lets go those that are too old.
    fn look(
        &mut self,
        number: QueueNumber,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<(), kew_journal::Error> {
        let horizon = self.state.deadline(number).map_or(now, |deadline| deadline.min(now));
        match aging::look(&self.state, number, loaded, horizon, now) {
            Ok(frame) => self.commit(frame).map(|_| ()),
            Err(Undecided::Needs(fetch)) => {
                self.fetches.push(fetch);
                self.aging.insert(number);
                Ok(())
            }
            Err(Undecided::Refused(error)) => Err(broken(&error.to_string())),
        }
    }

    /// Carries out burials until none is left or one needs something read.
    fn bury(&mut self, mut loaded: Loaded, now: Timestamp) -> Result<(), kew_journal::Error> {
        while !self.state.exhausted.is_empty() {
            let bytes = burial_bytes(self.journal.largest_payload());
            let Some(burial) = self.burial.take().or_else(|| Burial::next(&self.state, bytes)) else {
                return Ok(());
            };
            match burial.decide(&self.state, &loaded, QueueId(self.chance.id()), now) {
                Ok(frame) => {
                    self.commit(frame)?;
                    loaded = Loaded::new();
                }
                Err(Undecided::Needs(fetch)) => {
                    self.fetches.push(fetch);
                    self.burial = Some(burial);
                    return Ok(());
                }
                Err(Undecided::Refused(error)) => return Err(broken(&error.to_string())),
            }
        }
        Ok(())
    }

    fn take(&mut self, command: Command, now: Timestamp) -> Result<(), kew_journal::Error> {
        self.due(now)?;
        if self.must_wait(&command) {
            self.deferred.push_back(command);
            return Ok(());
        }
        self.decide(command, &Loaded::new(), now)
    }

    /// D3. Verbs that create or change queues wait as well, since a burial may make one, or look for one by its name;
    /// those on accounts and tokens never do.
    fn must_wait(&self, command: &Command) -> bool {
        let place = command.verb.place();
        let queue = place.and_then(|place| self.state.catalog.queue(place));
        if queue.is_some_and(|queue| self.aging.contains(&queue.number)) {
            return true;
        }
        if self.burial.is_none() {
            return false;
        }
        if command.verb.concerns_queues() {
            return true;
        }
        let Some(queue) = queue else { return false };
        let exhausted = &self.state.exhausted;
        exhausted.contains(&queue.number)
            || exhausted.iter().any(|source| burial_target(&self.state, *source) == Some(queue.number))
    }

    fn decide(
        &mut self,
        command: Command,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<(), kew_journal::Error> {
        if let (Some(place), false) = (command.verb.takes_from(), self.line_waits.is_empty()) {
            let number = self.state.catalog.queue(place).map(|queue| queue.number);
            if let Some(waits) = number.and_then(|number| self.line_waits.get_mut(&number)) {
                waits.push_back(command);
                return Ok(());
            }
        }
        match self.verb(&command.verb, loaded, now) {
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

    fn wait_for(&mut self, fetch: Fetch, command: Command) {
        match &fetch {
            Fetch::Heads { from, .. } => {
                self.line_waits.entry(from.queue).or_default().push_back(command);
            }
            Fetch::Messages { queue, .. } => self.message_waits.push((*queue, command)),
            Fetch::Oldest { .. } => unreachable!("only a look at the oldest messages asks for them"),
        }
        self.fetches.push(fetch);
    }

    fn verb(&mut self, verb: &Verb, loaded: &Loaded, now: Timestamp) -> Decided {
        if let Some(place) = verb.takes_from() {
            self.prepare_line(place, now);
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
                let bytes = burial_bytes(self.journal.largest_payload());
                self.needs_space(redrive::redrive(state, *place, *terms, loaded, bytes, now)?)
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

    /// Puts the delayed messages of a queue in order as far as they are due, and its window in use.
    fn prepare_line(&mut self, place: Place, now: Timestamp) {
        let Some(number) = self.state.catalog.queue(place).map(|queue| queue.number) else { return };
        let used = self.steps;
        self.state.queues.entry(number).and_modify(|queue| {
            queue.delays.prepare(now);
            queue.window.used = used;
        });
    }

    /// Refuses what would write messages while the volume is nearly full.
    fn needs_space(&self, decision: Decision) -> Decided {
        match self.no_space.filter(|_| decision.frame.is_some()) {
            Some(NoSpace { free_bytes, needed_bytes }) => {
                Err(Error::StorageFull { free_bytes, needed_bytes }.into())
            }
            None => Ok(decision),
        }
    }

    /// Refuses what no segment of this store can hold, now or as a dead letter, which only a store of small segments
    /// meets.
    fn too_large(&self, decision: &Decision) -> Option<Error> {
        let size = decision.frame.as_ref()?.payload().len();
        (size + BURIAL_ROOM > self.journal.largest_payload())
            .then_some(Error::BatchTooLarge { size: size as u64 })
    }

    /// Writes and applies a decision, and makes its answer.
    fn carry_out(&mut self, decision: Decision) -> Result<Reply, kew_journal::Error> {
        let lsn = match decision.frame {
            Some(frame) => self.commit(frame)?,
            None => Lsn::NONE,
        };
        Ok(match decision.outcome {
            Outcome::Reply(reply) => reply,
            Outcome::Backlog(number) => Reply::Backlog(self.backlog(number)),
            Outcome::Repeated(number) => Reply::Repeated(self.backlog(number)),
            Outcome::Pulled(number, mut picks) => {
                picks.fence = lsn.0;
                Reply::Pulled(self.backlog(number), picks)
            }
        })
    }

    /// Stages a frame and applies it.
    fn commit(&mut self, frame: FrameBuffer) -> Result<Lsn, kew_journal::Error> {
        let staged = self.journal.stage(frame)?;
        let shared = (self.state.window_bytes < self.window_budget).then_some(&staged.payload);
        let frame = Applied { lsn: staged.lsn, position: staged.position, payload: &staged.payload, shared };
        self.state.apply(frame).map_err(|error| broken(&error.to_string()))?;
        Ok(staged.lsn)
    }

    /// Empties windows that nobody has pulled from for a while, so that busy queues have the room.
    fn drop_idle_windows(&mut self) {
        let since = self.steps.saturating_sub(STEPS_IDLE);
        let waits = &self.line_waits;
        let idle = |number: &QueueNumber, queue: &QueueState| {
            queue.window.used < since && !waits.contains_key(number)
        };
        for (_, queue) in self.state.queues.iter_mut().filter(|(number, queue)| idle(number, queue)) {
            self.state.window_bytes -= queue.window.bytes();
            queue.window.clear();
        }
    }

    fn backlog(&self, number: QueueNumber) -> BacklogSeen {
        let none = BacklogSeen { count: 0, bytes: 0, oldest: OldestSeen::None };
        self.state.queues.get(&number).map_or(none, |queue| BacklogSeen {
            count: queue.backlog_count,
            bytes: queue.backlog_bytes,
            oldest: match queue.oldest() {
                Oldest::None => OldestSeen::None,
                Oldest::At(at) => OldestSeen::At(at),
                Oldest::Unread(sequence) => {
                    locate(&self.state, number, sequence).map_or(OldestSeen::None, OldestSeen::Unread)
                }
            },
        })
    }

    /// Frames that were asked for are here.
    fn fetched(&mut self, fetched: Fetched, now: Timestamp) -> Result<(), kew_journal::Error> {
        let number = fetched.queue;
        if fetched.purpose == Purpose::Window {
            self.extend_window(number, fetched);
            for command in self.line_waits.remove(&number).unwrap_or_default() {
                self.take(command, now)?;
            }
            return Ok(());
        }
        let loaded: Loaded = fetched.heads.into_iter().map(|head| (head.first, head)).collect();
        if fetched.purpose == Purpose::Oldest {
            self.aging.remove(&number);
            if self.is_look_due(number, now) {
                self.look(number, &loaded, now)?;
            }
            self.due(now)?;
            return self.resume(now);
        }
        if self.burial.as_ref().is_some_and(|burial| burial.source == number) {
            self.bury(loaded, now)?;
            return self.resume(now);
        }
        if let Some(at) = self.message_waits.iter().position(|(queue, _)| *queue == number) {
            let (_, command) = self.message_waits.remove(at);
            if self.must_wait(&command) {
                self.deferred.push_back(command);
            } else {
                self.decide(command, &loaded, now)?;
            }
        }
        Ok(())
    }

    fn extend_window(&mut self, number: QueueNumber, fetched: Fetched) {
        let Some(queue) = self.state.queues.get_mut(&number) else { return };
        self.state.window_bytes -= queue.window.bytes();
        for head in fetched.heads {
            let from = queue.window.end().unwrap_or(queue.cursor);
            let follows = head.first <= queue.gone.first_left(from) && head.end() > from;
            if follows && queue.in_line > 0 {
                queue.window.append(head);
            }
        }
        self.state.window_bytes += queue.window.bytes();
    }

    /// Goes on with the verbs that waited; those that still must do so again, in their order.
    fn resume(&mut self, now: Timestamp) -> Result<(), kew_journal::Error> {
        for command in core::mem::take(&mut self.deferred) {
            self.take(command, now)?;
        }
        Ok(())
    }

    /// Segments in which nothing lives. The journal frees those of them that a checkpoint covers.
    pub(crate) fn dead_segments(&self) -> Vec<SegmentId> {
        let segments = self.journal.segments();
        segments.into_iter().map(|info| info.id).filter(|id| self.state.is_dead(*id)).collect()
    }

    /// Queues, of those asked about, in which something is available at `now` by time alone, or the time of the next.
    pub(crate) fn availability(
        &self,
        watched: &BTreeSet<QueueNumber>,
        since: Timestamp,
        now: Timestamp,
    ) -> (Vec<QueueNumber>, Option<Timestamp>) {
        let mut ripe = Vec::new();
        let mut next: Option<Timestamp> = None;
        for number in watched {
            let Some(queue) = self.state.queues.get(number) else { continue };
            match queue.next_available(since) {
                Some(at) if at <= now => ripe.push(*number),
                Some(at) => next = Some(next.map_or(at, |next| next.min(at))),
                None => {}
            }
        }
        (ripe, next)
    }
}

/// The state and the log disagree: the store ends before it can answer wrongly.
fn broken(reason: &str) -> kew_journal::Error {
    kew_journal::Error::Damage { file: "log".to_owned(), offset: 0, reason: reason.to_owned() }
}
