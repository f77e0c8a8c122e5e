//! The proof on the real binary; never shipped.
//!
//! Everything here stands outside the server: it starts the program `kew`, speaks HTTP to it from several threads, takes
//! it away by a signal or a failing disk, and writes down what its clients saw. Whether that was the life of a durable
//! queue is for [`kew_testkit::history`] to judge; in which order the program synced and answered is for [`trace`].
//!
//! * [`Site`] is a folder and an address that outlive the processes which serve them; [`Kew`] is one such process.
//! * [`load`] is thirteen clients that push, pull, ack, retry, extend, purge, redrive and let leases end.
//! * [`Vitals`] are the memory and the connections of such a process, which no request may blow up.
//! * [`Record`] is what they saw; [`identity`] and [`moves`] judge what a history leaves out; [`drain`] takes out of the queues whatever is left.
//!
//! Nothing here sleeps: threads wait for answers and for each other, and every wait ends by itself, in failure, after
//! [`PATIENCE`].

mod binary;
mod connection;
mod drain;
mod gate;
pub mod identity;
mod kew;
pub mod load;
pub mod moves;
mod record;
mod site;
mod stopwatch;
pub mod strace;
mod tally;
pub mod trace;
mod vitals;

use core::time::Duration;

pub use connection::{Answer, Connection};
pub use drain::drain;
pub use gate::Gate;
pub use kew::Kew;
pub use record::{Event, Message, Record};
pub use site::{Queues, Site};
pub use stopwatch::Stopwatch;
pub use tally::Tally;
pub use vitals::Vitals;

/// How long to wait for something that must come. Only a hanging server ever takes it.
pub const PATIENCE: Duration = Duration::from_secs(60);
