//! What the store's threads and those who ask it share: what has come and not been decided, the desk where it is
//! decided, and the news that everybody waits for.
//!
//! * H1: whoever puts something into the inbox attends to it ([`Shared::attend`]) and tells a writer, or leaves that to a
//!   task of its runtime, which does so when it is polled or dropped: nothing lies there while nobody looks.
//! * H2: what was decided leaves after the sync that covers it (E1): by a writer, or by whoever asked alone and took its
//!   turn, or at once by whoever decided it when everything that had been decided so far was durable already.
//! * H3: what comes is decided as of a time that was read after it was taken, so that no verb is decided before whatever
//!   whoever asks may have seen come to pass.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use kew_model::{Clock as _, Error};
use tokio::runtime::{Handle, Id};
use tokio::sync::{oneshot, watch};
use tokio::task::yield_now;

use crate::budget::Budget;
use crate::catalog::Catalog;
use crate::clock::StoreClock;
use crate::command::Input;
use crate::desk::{Desk, Leaving, Work};
use crate::driver::Message;
use crate::handoff::{attend, is_to_wake};
use crate::keeper::Keeper;
use crate::mailbox::Mailbox;
use crate::meter::Meter;
use crate::reply::{self, home};
use crate::signals::Signals;
use crate::under_way::UnderWay;
use crate::writers::Writers;

/// Whom to tell that the store is closed.
pub(crate) type CloseReply = oneshot::Sender<Result<(), Error>>;

/// Why a store has failed whose thread panicked.
pub(crate) const NO_ANSWER: &str = "thread came to a state that it has no answer to";

/// What everybody shares.
pub(crate) struct Shared {
    /// What is to be decided.
    pub(crate) inbox: Mailbox<Input>,
    /// What only the writer does.
    pub(crate) orders: Mailbox<Message>,
    pub(crate) desk: Desk,
    /// What requests may take up while they wait.
    pub(crate) budget: Arc<Budget>,
    /// The catalog as far as it is durable.
    pub(crate) catalog: RwLock<Catalog>,
    pub(crate) signals: Signals,
    pub(crate) meter: Meter,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) clock: StoreClock,
    pub(crate) under_way: UnderWay,
    /// For those who make durable what they brought; empty in a store without threads.
    pub(crate) writers: OnceLock<Weak<Writers>>,
    /// The runtime of a task that is about to call the writer.
    pub(crate) called_from: Mutex<Option<Id>>,
    /// Why the store has failed, once it has.
    pub(crate) failure: watch::Sender<Option<String>>,
}

impl core::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Shared").field("inbox", &self.inbox).finish_non_exhaustive()
    }
}

impl Shared {
    /// Decides what has come, unless somebody else is at it: then they go on with this, or the writer does. A panic ends
    /// the store and nothing else: whoever asked has no part in it, and learns that the outcome is unknown.
    pub(crate) fn attend(self: &Arc<Self>) {
        let decided = catch_unwind(AssertUnwindSafe(|| {
            let _alarm = Alarm { shared: Arc::clone(self), thread: "asking" };
            self.decide();
        }));
        // The alarm has told everybody.
        drop(decided);
    }

    fn decide(self: &Arc<Self>) {
        let decide = |work: &mut Work, inputs| {
            work.step(inputs, self.clock.now(), self.keeper.no_space());
            let is_settled = work.is_settled();
            let leaving = is_settled.then(|| work.leave());
            self.under_way.gathers(work.gathered(), work.shard.journal.staged_bytes());
            (leaving, work.wants_writer(is_settled))
        };
        let give_out =
            |leaving: Option<Leaving>| leaving.into_iter().for_each(|leaving| self.give_out(leaving));
        attend(&self.inbox, &self.desk, decide, || self.call_writer(), give_out);
    }

    /// Calls a writer. A task leaves that to another one, which comes after all tasks that are ready now: what these bring
    /// becomes part of the same group, unless that is large already, or most have brought theirs. Nobody waits for a timer,
    /// or for a task of another runtime; and a store without threads does its work on the spot.
    fn call_writer(self: &Arc<Self>) {
        let has_threads = self.writers.get().is_some();
        let Some(runtime) = home().filter(|runtime| has_threads && !self.is_enough(runtime)) else {
            return self.call_writer_now();
        };
        if runtime.metrics().num_workers() > 1 && !is_to_wake(&self.orders, &self.under_way) {
            // The call may lie behind much work of one thread, while others bring more, and a writer comes back.
            return;
        }
        let mut called_from = self.called_from();
        match *called_from {
            Some(id) if id == runtime.id() => {}
            Some(_) => {
                drop(called_from);
                self.call_writer_now();
            }
            None => {
                *called_from = Some(runtime.id());
                drop(called_from);
                let call = Call(Some(Arc::clone(self)));
                drop(runtime.spawn(call.make()));
            }
        }
    }

    /// Whether what has gathered does not wait for what other tasks of the runtime are about to bring.
    fn is_enough(&self, runtime: &Handle) -> bool {
        self.under_way.is_large() || self.under_way.is_most_of(|| runtime.metrics().num_alive_tasks())
    }

    fn call_writer_now(&self) {
        if is_to_wake(&self.orders, &self.under_way) {
            self.orders.wake();
        }
    }

    fn called_from(&self) -> MutexGuard<'_, Option<Id>> {
        self.called_from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the writer's turn if there is so little to do that to wake a writer, and to be woken by it, takes as long; false
    /// when a writer has to.
    fn turn_here(self: &Arc<Self>) -> bool {
        if !self.under_way.suits_whoever_asks() {
            return false;
        }
        let turn = catch_unwind(AssertUnwindSafe(|| {
            let _alarm = Alarm { shared: Arc::clone(self), thread: "asking" };
            self.writers.get().and_then(Weak::upgrade).is_some_and(|writers| writers.turn_here())
        }));
        // After a panic the alarm has told everybody.
        turn.unwrap_or(true)
    }

    /// D1, D2: publishes, answers, and sends off what is to be read.
    pub(crate) fn give_out(&self, leaving: Leaving) {
        let Leaving { stepped, ripe } = leaving;
        if !stepped.effects.catalog.is_empty() {
            let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
            stepped.effects.catalog.iter().for_each(|change| catalog.apply(change));
        }
        self.signals.tell(&stepped.effects.available);
        reply::give_out(stepped.answers);
        for fetch in stepped.fetches {
            self.keeper.fetch(fetch);
        }
        self.signals.tell(&ripe);
    }

    /// The store has failed; gives the first reason, which is the one that stays.
    pub(crate) fn has_failed(&self, cause: String) -> String {
        let mut first = String::new();
        self.failure.send_if_modified(|reason| {
            let is_first = reason.is_none();
            first.clone_from(reason.get_or_insert(cause));
            is_first
        });
        first
    }

    /// Takes nothing more in.
    pub(crate) fn close(&self) {
        self.inbox.close();
        self.orders.close();
    }

    /// The error for whoever asked and was left without an answer.
    pub(crate) fn unanswered(&self) -> Error {
        let reason = self.failure.borrow().clone();
        Error::OutcomeUnknown {
            cause: reason.unwrap_or_else(|| "the store ended without an answer".to_owned()),
        }
    }

    /// What whoever closes a store learns that has ended: that it is closed, or has failed.
    pub(crate) fn ended(&self) -> Result<(), Error> {
        match self.refusal() {
            Error::Closing => Ok(()),
            failed => Err(failed),
        }
    }

    /// The error for whoever asks a store that takes nothing more.
    pub(crate) fn refusal(&self) -> Error {
        match &*self.failure.borrow() {
            Some(cause) => Error::OutcomeUnknown { cause: cause.clone() },
            None => Error::Closing,
        }
    }
}

/// A call to the writer, made at the latest when it is dropped, with a runtime that ends.
struct Call(Option<Arc<Shared>>);

impl Call {
    /// Once all tasks that are ready have come, takes the writer's turn or calls one.
    async fn make(mut self) {
        yield_now().await;
        let Some(shared) = self.0.take() else { return };
        // Whatever is decided from here on is another call's.
        shared.called_from().take();
        if is_to_wake(&shared.orders, &shared.under_way) && !shared.turn_here() {
            shared.orders.wake();
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Some(shared) = &self.0 else { return };
        shared.called_from().take();
        shared.orders.wake();
    }
}

/// Tells everybody that the store has failed, should the thread that holds it panic: nobody waits for ever, and the
/// process can end.
pub(crate) struct Alarm {
    pub(crate) shared: Arc<Shared>,
    pub(crate) thread: &'static str,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { shared, thread } = self;
            shared.has_failed(format!("the {thread} {NO_ANSWER}"));
            shared.close();
            shared.keeper.close();
            shared.signals.tell_all();
            // Those whose verbs were decided learn it from the answer that does not come, as all others do.
            drop(shared.desk.lock().take());
            for input in shared.inbox.take(Some(Duration::ZERO)).items {
                // Whoever asked learns it from the answer that does not come.
                drop(input);
            }
            for message in shared.orders.take(Some(Duration::ZERO)).items {
                drop(message);
            }
        }
    }
}

#[cfg(test)]
mod tests;
