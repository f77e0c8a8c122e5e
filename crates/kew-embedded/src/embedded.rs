//! The broker: each verb goes to the writer as a command, and its answer comes back once it is durable. Bodies are
//! read here, on the asker's side, after the commit.

mod broker;

use std::sync::{Arc, Mutex, PoisonError, RwLockReadGuard};
use std::thread::JoinHandle;

use kew_model::{Backlog, Clock, Consumer, Error, Pulled, Queue, Subscription};
use tokio::sync::oneshot;

use crate::archive::Archive;
use crate::catalog::Catalog;
use crate::clock::StoreClock;
use crate::command::{BacklogSeen, Command, Input, Picks, Reply, Verb};
use crate::driver::Message;
use crate::keeper::{Keeper, Unread};
use crate::pins::Pins;
use crate::pulled;
use crate::reply::{Answered, promise};
use crate::shared::Shared;

/// Keeps queues in a folder of this machine. Cheap to clone; all clones are the same store.
///
/// What a task of a runtime asks, or a thread that the runtime has for what blocks, is made durable after its other tasks
/// that are ready have asked, too. So somebody must drive that runtime until the answer comes.
#[derive(Clone)]
pub struct Embedded {
    pub(crate) shared: Arc<Shared>,
    pub(crate) archive: Archive,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) engine: Engine,
    pub(crate) clock: StoreClock,
    pub(crate) report: Arc<kew_journal::RecoveryReport>,
}

/// Who does the store's work.
#[derive(Clone)]
pub(crate) enum Engine {
    /// Threads of its own.
    Threads(Arc<Threads>),
    /// Whoever asks.
    #[cfg(feature = "test-util")]
    Inline(Arc<crate::inline::Inline>),
}

impl Engine {
    /// Something was put into the inbox, or ordered.
    pub(crate) fn asked(&self) {
        match self {
            Self::Threads(threads) => threads.shared.attend(),
            #[cfg(feature = "test-util")]
            Self::Inline(inline) => inline.pump(),
        }
    }

    /// Waits for the end of a store that was told to end.
    fn join(&self) {
        match self {
            Self::Threads(threads) => threads.join(),
            #[cfg(feature = "test-util")]
            Self::Inline(_) => {}
        }
    }
}

/// The store's threads. When the last handle to the store goes without a close, they are told to end all the same.
pub(crate) struct Threads {
    pub(crate) shared: Arc<Shared>,
    pub(crate) running: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    /// Another one is running.
    pub(crate) fn started(&self, thread: JoinHandle<()>) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    fn join(&self) {
        let threads = core::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // Each has been told to end and has nothing left to wait for.
            drop(thread.join());
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let (reply_to, _) = oneshot::channel();
        drop(self.shared.orders.put(Message::Close(reply_to)));
        self.join();
    }
}

impl Embedded {
    /// Resolves, with the reason, when the store has failed: from then on every verb is answered with
    /// [`Error::OutcomeUnknown`], and only opening the store anew can tell what happened. Never resolves otherwise.
    pub async fn failure(&self) -> String {
        let mut failure = self.shared.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await.map(|reason| reason.clone());
        match failed {
            Ok(Some(reason)) => reason,
            _ => core::future::pending().await,
        }
    }

    /// What opening the store found and did.
    pub fn report(&self) -> &kew_journal::RecoveryReport {
        &self.report
    }

    /// The time that the store goes by, in milliseconds since the Unix epoch: that of the clock it was opened with,
    /// moved forward when its log has been further (design §8.5). Whatever else is judged by time beside the store, as
    /// the end of a token is, is judged by this clock: it does not go back when the wall clock was set back.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.shared.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and waits for the answer.
    #[expect(clippy::manual_async_fn, reason = "an async fn holds its argument twice")]
    fn ask(&self, verb: Verb) -> impl Future<Output = Result<Reply, Error>> + Send + '_ {
        async move {
            let reply = self.put(verb)?;
            // Every orderly end answers; only a thread that panicked leaves without a word.
            reply.await.unwrap_or_else(|_| Err(self.shared.unanswered()))
        }
    }

    /// Puts a verb where it is decided, and sees to that.
    fn put(&self, verb: Verb) -> Result<oneshot::Receiver<Answered>, Error> {
        let room = self.shared.budget.take(waiting_bytes(&verb)).ok_or(Error::Overloaded)?;
        let (reply_to, reply) = promise(room);
        let command = Command::new(verb, reply_to);
        self.shared.inbox.put(Input::Command(command)).map_err(|_| self.shared.refusal())?;
        self.engine.asked();
        Ok(reply)
    }

    /// Builds an answer, on the spot when everything is in memory and on the reading thread when not.
    async fn build(&self, backlog: BacklogSeen, picks: Picks) -> Result<Pulled, Error> {
        let room = self.shared.budget.take_anyway(picks.waiting_bytes());
        let unread = Unread { backlog, picks, room };
        if !unread.picks.need_reading() && backlog.known().is_some() {
            return Ok(pulled::answer(&self.archive, unread)?);
        }
        let (reply_to, answer) = oneshot::channel();
        match self.keeper.read(Box::new(unread), reply_to) {
            Ok(()) => {
                self.engine.asked();
                answer.await.unwrap_or_else(|_| Err(self.shared.unanswered()))
            }
            // The store has closed since; its files can still be read.
            Err(unread) => Ok(pulled::answer(&self.archive, *unread)?),
        }
    }

    async fn done(&self, verb: Verb) -> Result<(), Error> {
        match self.ask(verb).await? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    async fn one_queue(&self, verb: Verb) -> Result<Arc<Queue>, Error> {
        match self.ask(verb).await? {
            Reply::Queue(queue) => Ok(queue),
            other => Err(unexpected(&other)),
        }
    }

    async fn one_consumer(&self, verb: Verb) -> Result<Arc<Consumer>, Error> {
        match self.ask(verb).await? {
            Reply::Consumer(consumer) => Ok(consumer),
            other => Err(unexpected(&other)),
        }
    }

    async fn one_subscription(&self, verb: Verb) -> Result<Arc<Subscription>, Error> {
        match self.ask(verb).await? {
            Reply::Subscription(subscription) => Ok(subscription),
            other => Err(unexpected(&other)),
        }
    }

    async fn backlog_of(&self, seen: BacklogSeen, pins: Pins) -> Result<Backlog, Error> {
        match seen.known() {
            Some(backlog) => Ok(backlog),
            // In a box, so that the many who need not read are small.
            None => Ok(Box::pin(self.build(seen, Picks { pins, ..Picks::default() })).await?.backlog),
        }
    }
}

/// What a verb counts for while it waits: its data, and something for itself.
fn waiting_bytes(verb: &Verb) -> usize {
    256 + match verb {
        Verb::Push { batch, .. } => batch.bodies().len() + batch.len() * 16,
        Verb::Settle { settlement, .. } => (settlement.acks.len() + settlement.retries.len()) * 40,
        Verb::Extend { extend, .. } => extend.leases.len() * 24,
        Verb::Discard { messages, .. } => messages.len() * 8,
        Verb::CreateSubscription { subscription, .. } => {
            subscription.events.iter().map(|event| event.len() + 24).sum::<usize>() + subscription.name.len()
        }
        _ => 0,
    }
}

fn unexpected(reply: &Reply) -> Error {
    Error::Internal { cause: format!("a verb was answered with {reply:?}") }
}
