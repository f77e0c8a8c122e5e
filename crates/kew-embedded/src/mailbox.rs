//! A queue between threads: many put, and whoever takes, takes everything at once.
//!
//! The taker sleeps only when there is nothing, so that under load neither side enters the kernel. What requests may
//! put is bounded by their budget (`budget.rs`), what the store's own threads tell each other by what they were asked.

use std::sync::PoisonError;
use std::time::Duration;

use crate::sync::{Condvar, Mutex, MutexGuard};

#[derive(Debug)]
struct Contents<T> {
    items: Vec<T>,
    closed: bool,
    /// How many takers sleep.
    sleeping: usize,
    /// Whether one of them was roused and has not come yet. It will take all that has come by then.
    roused: bool,
    woken: bool,
}

/// What was taken at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken<T> {
    pub(crate) items: Vec<T>,
    /// Whether there was nothing, not even a wake-up, for as long as the taker had patience.
    pub(crate) ran_out: bool,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    contents: Mutex<Contents<T>>,
    news: Condvar,
}

impl<T> Taken<T> {
    /// Nothing came but the word that there is something to do.
    pub(crate) const fn nothing() -> Self {
        Self { items: Vec::new(), ran_out: false }
    }
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Self {
        let contents =
            Contents { items: Vec::new(), closed: false, sleeping: 0, roused: false, woken: false };
        Self { contents: Mutex::new(contents), news: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Contents<T>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item; gives it back when nobody takes any more.
    pub(crate) fn put(&self, item: T) -> Result<(), T> {
        let mut contents = self.lock();
        if contents.closed {
            return Err(item);
        }
        contents.items.push(item);
        self.rouse(contents);
        Ok(())
    }

    /// Says that there is something to do. Whether a taker sleeps and none is on its way, so that nobody hears of it yet.
    pub(crate) fn note(&self) -> bool {
        let mut contents = self.lock();
        contents.woken = true;
        contents.sleeping > 0 && !contents.roused
    }

    /// Takes note of what was said by [`Mailbox::note`], if there is no item that a taker has to see to.
    pub(crate) fn heed(&self) -> bool {
        let mut contents = self.lock();
        if contents.items.is_empty() && !contents.closed {
            contents.woken = false;
            return true;
        }
        false
    }

    /// Wakes the taker though there is nothing new.
    pub(crate) fn wake(&self) {
        let mut contents = self.lock();
        contents.woken = true;
        self.rouse(contents);
    }

    fn rouse(&self, mut contents: MutexGuard<'_, Contents<T>>) {
        let is_to_come = contents.sleeping > 0 && !contents.roused;
        contents.roused |= is_to_come;
        drop(contents);
        if is_to_come {
            self.news.notify_one();
        }
    }

    /// Takes everything, after waiting for something to come, for a wake-up, or for `patience` to run out.
    pub(crate) fn take(&self, patience: Option<Duration>) -> Taken<T> {
        let mut contents = self.lock();
        let at_once = patience == Some(Duration::ZERO);
        // Another taker may have taken what this one is woken for: that is no sign of quiet.
        let mut has_waited = at_once;
        if contents.items.is_empty() && !contents.woken && !contents.closed && !at_once {
            contents.sleeping += 1;
            contents = match patience {
                None => self.news.wait(contents).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let waited = self.news.wait_timeout(contents, patience);
                    let (contents, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    has_waited = timeout.timed_out();
                    contents
                }
            };
            contents.sleeping -= 1;
            // Whoever has come, it takes everything.
            contents.roused = false;
        }
        let woken = core::mem::take(&mut contents.woken);
        let items = core::mem::take(&mut contents.items);
        let ran_out = has_waited && items.is_empty() && !woken && !contents.closed;
        Taken { items, ran_out }
    }

    /// Takes nothing more in; what is there can still be taken.
    pub(crate) fn close(&self) {
        let mut contents = self.lock();
        contents.closed = true;
        drop(contents);
        self.news.notify_all();
    }

    /// Whether a taker would not have to wait.
    pub(crate) fn has_news(&self) -> bool {
        let contents = self.lock();
        !contents.items.is_empty() || contents.woken
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_taken_at_once_and_a_wake_up_is_no_item() {
        let mailbox = Mailbox::new();
        assert_eq!((mailbox.put(1), mailbox.put(2)), (Ok(()), Ok(())));
        assert_eq!(mailbox.take(None).items, [1, 2]);
        mailbox.wake();
        assert_eq!(mailbox.take(None), Taken { items: Vec::<i32>::new(), ran_out: false });
        assert!(mailbox.take(Some(Duration::ZERO)).ran_out);
    }

    #[test]
    fn a_word_can_be_heeded_without_taking_and_an_item_cannot() {
        let mailbox = Mailbox::new();
        mailbox.note();
        assert!(mailbox.heed());
        assert!(!mailbox.has_news());
        assert_eq!(mailbox.put(1), Ok(()));
        mailbox.note();
        assert!(!mailbox.heed());
        assert_eq!(mailbox.take(None).items, [1]);
        mailbox.close();
        assert!(!mailbox.heed());
    }

    #[test]
    fn a_taker_on_its_way_is_not_called_again_until_it_has_come() {
        // Given a taker that was roused, and is slow to come
        let mailbox = Mailbox::new();
        mailbox.lock().sleeping = 1;
        assert!(mailbox.note());
        mailbox.wake();
        assert!(!mailbox.note());
        assert_eq!(mailbox.put(1), Ok(()));

        // When one has slept and come, then the next can be called
        let mailbox = Mailbox::new();
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| mailbox.take(None).items);
            while mailbox.lock().sleeping == 0 {
                std::thread::yield_now();
            }
            assert_eq!(mailbox.put(2), Ok(()));
            assert_eq!(taker.join().unwrap(), [2]);
        });
        assert!(!mailbox.lock().roused);
    }

    #[test]
    fn a_closed_mailbox_refuses_and_still_gives_out_what_it_holds() {
        let mailbox = Mailbox::new();
        assert_eq!(mailbox.put(1), Ok(()));
        mailbox.close();
        assert_eq!(mailbox.put(2), Err(2));
        assert_eq!(mailbox.take(None).items, [1]);
        assert!(mailbox.take(None).items.is_empty());
    }
}
