//! Waiting for what rarely happens beside what often does, without looking at it each time.
//!
//! A connection waits for requests and answers, and beside them for its timer and the server's end. Whoever selects among
//! futures polls all of them whenever one of them has woken the task. Here the rare one has a waker of its own, and is polled
//! only when that was used.

use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

/// A future that is polled only when it has asked for that. It costs an allocation, so it is for what is polled many times.
pub(crate) struct Rarely<F> {
    inner: F,
    bell: Option<Arc<Bell>>,
}

/// Tells that the future has something to say, and wakes whoever waits for it.
struct Bell {
    has_rung: AtomicBool,
    task: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // In this order: whoever is woken sees that it has rung.
        self.has_rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl<F: Future + Unpin> Rarely<F> {
    pub(crate) fn new(inner: F) -> Self {
        Self { inner, bell: None }
    }
}

impl<F: Future + Unpin> Future for Rarely<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let known = self.bell.take().filter(|bell| bell.task.will_wake(context.waker()));
        let bell = known.unwrap_or_else(|| {
            // It has never been polled, or for another task.
            Arc::new(Bell { has_rung: AtomicBool::new(true), task: context.waker().clone() })
        });
        let has_rung = bell.has_rung.swap(false, Ordering::Acquire);
        self.bell = Some(bell.clone());
        if !has_rung {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll(&mut Context::from_waker(&Waker::from(bell)))
    }
}

#[cfg(test)]
mod tests {
    use core::future::poll_fn;
    use core::sync::atomic::AtomicUsize;

    use tokio::sync::oneshot;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_is_polled_once_and_then_when_it_has_called_and_for_whoever_waits_now() {
        // Given a future that was polled for one task
        let (sender, mut receiver) = oneshot::channel();
        let polls = AtomicUsize::new(0);
        let mut rarely = Rarely::new(poll_fn(|context| {
            polls.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut receiver).poll(context)
        }));
        let [first, second] = [(); 2].map(|()| Arc::new(Task::default()));
        let mut poll = |task: &Arc<Task>| {
            let waker = Waker::from(task.clone());
            Pin::new(&mut rarely).poll(&mut Context::from_waker(&waker))
        };
        assert!(poll(&first).is_pending());
        let polled = || polls.load(Ordering::Relaxed);
        assert_eq!(polled(), 1);

        // When the task is woken by something else, then it is not polled
        assert!(poll(&first).is_pending());
        assert_eq!(polled(), 1);

        // When another task waits for it, then that one is woken
        assert!(poll(&second).is_pending());
        assert_eq!(polled(), 2);
        sender.send(7).unwrap();
        assert_eq!([&first, &second].map(|task| task.0.load(Ordering::Relaxed)), [0, 1]);
        assert_eq!(poll(&second), Poll::Ready(Ok(7)));
        assert_eq!(polled(), 3);
    }

    #[test]
    fn what_calls_while_it_is_polled_is_polled_again() {
        let mut polls = 0;
        let mut rarely = Rarely::new(poll_fn(|context| {
            polls += 1;
            context.waker().wake_by_ref();
            if polls < 3 { Poll::Pending } else { Poll::Ready(polls) }
        }));
        let task = Arc::new(Task::default());
        let waker = Waker::from(task.clone());
        let mut poll = || Pin::new(&mut rarely).poll(&mut Context::from_waker(&waker));
        assert_eq!([poll(), poll(), poll()], [Poll::Pending, Poll::Pending, Poll::Ready(3)]);
        assert_eq!(task.0.load(Ordering::Relaxed), 3);
    }
}
