//! Waits for futures without a runtime: the suite must not choose one for the brokers that it tests.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Wake;
use std::time::Duration;

/// How long a future may stay silent before the wait is given up: long enough for any machine, so that only a promise
/// that was forgotten runs into it.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.heard.notify_one();
    }
}

/// Runs a future to its end on this thread.
///
/// # Panics
/// When the future stays silent for a minute: it never ends, and the test should say so instead of hanging.
pub fn wait<F: Future>(future: F) -> F::Output {
    wait_at_most(future, PATIENCE).expect("an answer or a promise was forgotten")
}

/// As [`wait`], but gives up, with `None`, when the future stays silent for `patience`.
pub(crate) fn wait_at_most<F: Future>(future: F, patience: Duration) -> Option<F::Output> {
    let mut future = pin!(future);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        let rung = bell.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rung, waited) = bell
            .heard
            .wait_timeout_while(rung, patience, |rung| !*rung)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return None;
        }
        *rung = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_that_is_woken_from_another_thread_ends() {
        let (sender, receiver) = std::sync::mpsc::sync_channel::<Waker>(1);
        let helper = std::thread::spawn(move || receiver.recv().unwrap().wake());
        let mut polls = 0;
        let answer = wait(core::future::poll_fn(|context| {
            polls += 1;
            if polls == 1 {
                sender.send(context.waker().clone()).unwrap();
                return Poll::Pending;
            }
            Poll::Ready("done")
        }));
        helper.join().unwrap();
        assert_eq!((answer, polls), ("done", 2));
    }

    #[test]
    fn a_future_that_stays_silent_is_given_up() {
        assert_eq!(wait_at_most(core::future::pending::<()>(), Duration::ZERO), None);
    }
}
