//! The default broker: queues kept in a folder of this machine.
//!
//! Three parts, each of which can be read alone. `record` is what the log holds: decisions. `state` and `queue` are
//! what they fold to, and `decide` what new ones come to; both are pure. `shard` joins them to the log, one step at a
//! time; `writers` (by `driver`) and `keeper` are the threads; `embedded` is the [`kew_model::Broker`] that stands in front.
//!
//! Invariants, beside those that modules name:
//! * E1: an answer leaves only after the sync that covers everything it shows.
//! * E2: deciding never changes the state, applying never refuses, and replay is applying.
//! * E3: one verb is one frame; it happens whole or not at all.
//! * E4: the writer never reads the disk.
//! * E5: a segment is freed only when no message in it lives and a durable checkpoint covers it.

mod archive;
mod backup;
mod budget;
mod catalog;
pub mod check;
mod checkpoint;
mod cleaning;
mod clock;
mod command;
mod decide;
mod desk;
mod drain;
mod driver;
mod effort;
mod embedded;
mod fetch;
mod handoff;
mod index;
#[cfg(feature = "test-util")]
mod inline;
#[cfg(feature = "test-util")]
mod inspect;
mod keeper;
mod looks;
mod mailbox;
mod meter;
#[cfg(all(test, kew_loom))]
mod models;
mod open;
mod options;
mod pins;
mod portions;
mod pulled;
mod queue;
mod record;
mod reply;
mod schedule;
mod shard;
mod shared;
mod signals;
mod snapshot;
mod state;
mod sync;
mod under_way;
mod writers;

pub use backup::BackupError;
pub use embedded::Embedded;
#[cfg(feature = "test-util")]
pub use inspect::{Inspect, Trace};
pub use open::OpenError;
pub use options::Options;
