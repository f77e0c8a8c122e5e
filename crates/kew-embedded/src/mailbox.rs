//! A bounded queue between threads: many put, one takes everything at once.
//!
//! The taker sleeps only when there is nothing, so that under load neither side enters the kernel. The bound is in
//! bytes, as the senders reckon them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Why something was not put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too many bytes wait.
    Full,
    /// Nobody takes any more.
    Closed,
}

#[derive(Debug)]
struct Contents<T> {
    items: Vec<T>,
    bytes: usize,
    closed: bool,
    sleeping: bool,
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
    limit_bytes: usize,
}

impl<T> Mailbox<T> {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        let contents = Contents { items: Vec::new(), bytes: 0, closed: false, sleeping: false, woken: false };
        Self { contents: Mutex::new(contents), news: Condvar::new(), limit_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Contents<T>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item that counts for `bytes`; gives it back when it is refused. One that counts for none is always
    /// taken: what the store's own threads tell each other must not be lost, and is bounded by what they were asked.
    pub(crate) fn put(&self, item: T, bytes: usize) -> Result<(), (Refused, T)> {
        let mut contents = self.lock();
        if contents.closed {
            return Err((Refused::Closed, item));
        }
        if bytes > 0 && contents.bytes > 0 && contents.bytes + bytes > self.limit_bytes {
            return Err((Refused::Full, item));
        }
        contents.bytes += bytes;
        contents.items.push(item);
        self.rouse(contents);
        Ok(())
    }

    /// Wakes the taker though there is nothing new.
    pub(crate) fn wake(&self) {
        let mut contents = self.lock();
        contents.woken = true;
        self.rouse(contents);
    }

    fn rouse(&self, contents: MutexGuard<'_, Contents<T>>) {
        let sleeping = contents.sleeping;
        drop(contents);
        if sleeping {
            self.news.notify_one();
        }
    }

    /// Takes everything, after waiting for something to come, for a wake-up, or for `patience` to run out.
    pub(crate) fn take(&self, patience: Option<Duration>) -> Taken<T> {
        let mut contents = self.lock();
        let at_once = patience == Some(Duration::ZERO);
        if contents.items.is_empty() && !contents.woken && !contents.closed && !at_once {
            contents.sleeping = true;
            contents = match patience {
                None => self.news.wait(contents).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    self.news.wait_timeout(contents, patience).unwrap_or_else(PoisonError::into_inner).0
                }
            };
            contents.sleeping = false;
        }
        let woken = core::mem::take(&mut contents.woken);
        contents.bytes = 0;
        let items = core::mem::take(&mut contents.items);
        Taken { ran_out: items.is_empty() && !woken && !contents.closed, items }
    }

    /// Takes nothing more in; what is there can still be taken.
    pub(crate) fn close(&self) {
        let mut contents = self.lock();
        contents.closed = true;
        self.rouse(contents);
    }

    /// Whether a taker would not have to wait.
    #[cfg(feature = "test-util")]
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
    fn what_waits_is_bounded_in_bytes_and_taken_at_once() {
        let mailbox = Mailbox::new(100);
        assert!(mailbox.put(1, 60).is_ok());
        assert_eq!(mailbox.put(2, 60), Err((Refused::Full, 2)));
        assert!(mailbox.put(3, 0).is_ok());
        assert_eq!(mailbox.take(None).items, [1, 3]);
        assert!(mailbox.put(4, 60).is_ok());
    }

    #[test]
    fn one_item_above_the_limit_passes_when_nothing_waits() {
        let mailbox = Mailbox::new(100);
        assert!(mailbox.put(1, 200).is_ok());
        assert_eq!(mailbox.put(2, 1), Err((Refused::Full, 2)));
    }

    #[test]
    fn a_closed_mailbox_refuses_and_still_gives_out_what_it_holds() {
        let mailbox = Mailbox::new(100);
        assert!(mailbox.put(1, 1).is_ok());
        mailbox.close();
        assert_eq!(mailbox.put(2, 1), Err((Refused::Closed, 2)));
        assert_eq!(mailbox.take(None).items, [1]);
        assert!(mailbox.take(None).items.is_empty());
    }
}
