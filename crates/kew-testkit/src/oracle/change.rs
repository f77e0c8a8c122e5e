//! The oracle's one lock, and the promises that wait for news behind it.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kew_model::Error;

use super::state::State;

/// The state, and who waits for news of it.
pub(super) struct Shared {
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    closed: bool,
    /// How often there was news.
    edition: u64,
    waiting: Vec<Waker>,
}

impl Shared {
    pub(super) fn new(state: State) -> Self {
        Self { inner: Mutex::new(Inner { state, closed: false, edition: 0, waiting: Vec::new() }) }
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.lock().state)
    }

    /// As [`Shared::with`], but [`Error::Closing`] once it is closed; and promises are kept if there is news.
    pub(super) fn with_open<T>(&self, act: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        let (answer, news) = {
            let mut inner = self.lock();
            if inner.closed {
                return Err(Error::Closing);
            }
            let answer = act(&mut inner.state);
            (answer, core::mem::take(&mut inner.state.news))
        };
        if news {
            self.announce();
        }
        answer
    }

    /// Keeps every promise that is waiting. Which queue the news is of does not matter: a promise may be kept
    /// without need.
    pub(super) fn announce(&self) {
        let waiting = {
            let mut inner = self.lock();
            inner.edition += 1;
            core::mem::take(&mut inner.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Refuses every later verb.
    pub(super) fn refuse(&self) {
        self.lock().closed = true;
        self.announce();
    }

    /// Refuses every later verb and hands the state over.
    pub(super) fn close(&self) -> State {
        self.refuse();
        core::mem::take(&mut self.lock().state)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends at the first news after its making.
pub(super) struct Until {
    shared: Arc<Shared>,
    seen: u64,
}

impl Until {
    pub(super) fn news_of(shared: &Arc<Shared>) -> Self {
        Self { seen: shared.lock().edition, shared: shared.clone() }
    }
}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.shared.lock();
        if inner.closed || inner.edition != self.seen {
            return Poll::Ready(());
        }
        if !inner.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            inner.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}
