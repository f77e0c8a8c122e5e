//! Where clients wait while there is no server, and where their progress is counted.
//!
//! A client whose connection broke comes here and goes on with the next server. Whoever directs the run waits here for a
//! number of answered pushes: the event that its next step hangs on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::PATIENCE;

/// How many pushes may be answered while a failure is waited for.
const PUSHES_WITHOUT_LOSS_MAX: u64 = 10_000;

#[derive(Debug, Default)]
struct State {
    /// How many servers there have been; clients that saw the end of one wait for the next.
    server: u64,
    is_over: bool,
    pushes_answered: u64,
    requests_cut: u64,
    /// Whether the store is to fail, so that such answers are in order.
    is_to_fail: bool,
    requests_unsure: u64,
    failure: Option<String>,
}

/// The meeting point of a run.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    news: Condvar,
}

/// Ends the run when dropped, so that no client waits for a director that panicked.
#[derive(Debug)]
pub(crate) struct Ending<'a>(pub(crate) &'a Gate);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.is_over = true);
    }
}

impl Gate {
    /// A gate before the first server.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, how: impl FnOnce(&mut State)) {
        how(&mut self.lock());
        self.news.notify_all();
    }

    /// Lets the clients go on: a server answers.
    pub fn open(&self) {
        self.change(|state| state.server += 1);
    }

    /// Waits for a server after the one numbered `seen`, and tells its number; `None` when the run is over.
    pub(crate) fn pass(&self, seen: u64) -> Option<u64> {
        let waits = |state: &mut State| !state.is_over && state.server <= seen;
        let state = self.news.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        (!state.is_over).then_some(state.server)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    pub(crate) fn count_push(&self) {
        self.change(|state| state.pushes_answered += 1);
    }

    pub(crate) fn count_cut(&self) {
        self.change(|state| state.requests_cut += 1);
    }

    pub(crate) fn count_unsure(&self) {
        self.change(|state| state.requests_unsure += 1);
    }

    /// Ends the run for something that no kill explains.
    pub(crate) fn fail(&self, text: String) {
        self.change(|state| {
            state.failure.get_or_insert(text);
            state.is_over = true;
        });
    }

    /// How many push requests were answered with 200.
    pub fn pushes_answered(&self) -> u64 {
        self.lock().pushes_answered
    }

    /// How many requests ended without an answer.
    pub fn requests_cut(&self) -> u64 {
        self.lock().requests_cut
    }

    /// How many requests were answered with 503 and "outcome unknown".
    pub fn requests_unsure(&self) -> u64 {
        self.lock().requests_unsure
    }

    /// Waits until so many pushes have been answered since the run began.
    ///
    /// # Panics
    /// When a client met what no kill explains, such as a store that failed, or nothing is answered for [`PATIENCE`].
    pub fn wait_for_pushes(&self, count: u64) {
        let has_failed = |state: &State| state.requests_unsure > 0 && !state.is_to_fail;
        self.wait_for(|state| state.pushes_answered >= count || has_failed(state));
        assert!(!has_failed(&self.lock()), "the store failed, though nothing failed it");
    }

    /// From now on the store may fail: its disk is taken away.
    pub fn let_fail(&self) {
        self.change(|state| state.is_to_fail = true);
    }

    /// Waits until so many requests have been answered with "outcome unknown" or not at all.
    ///
    /// # Panics
    /// As [`Gate::wait_for_pushes`], or when ten thousand pushes are answered and no such loss came.
    pub fn wait_for_losses(&self, count: u64) {
        let losses = |state: &State| state.requests_cut + state.requests_unsure;
        self.wait_for(|state| losses(state) >= count || state.pushes_answered >= PUSHES_WITHOUT_LOSS_MAX);
        let losses = losses(&self.lock());
        assert!(losses >= count, "{losses} of {count} requests were lost: what should have failed did not");
    }

    fn wait_for(&self, reached: impl Fn(&State) -> bool) {
        let mut state = self.lock();
        let progress = |state: &State| (state.pushes_answered, state.requests_cut, state.requests_unsure);
        while !reached(&state) {
            assert!(state.failure.is_none(), "{}", state.failure.as_deref().unwrap_or_default());
            let before = progress(&state);
            let still = |state: &mut State| progress(state) == before && state.failure.is_none();
            let (after, waited) =
                self.news.wait_timeout_while(state, PATIENCE, still).unwrap_or_else(PoisonError::into_inner);
            assert!(!waited.timed_out(), "nothing was answered for {PATIENCE:?}: {after:?}");
            state = after;
        }
    }
}
