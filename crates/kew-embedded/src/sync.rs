//! Locks and counters of the hand-off between asking threads and writers: those of the standard library, and in the models
//! of it ([`crate::models`]) those of loom, which tries every order in which threads can come.

#[cfg(not(all(test, kew_loom)))]
pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(not(all(test, kew_loom)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(all(test, kew_loom))]
pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
#[cfg(all(test, kew_loom))]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
