//! What the tests of Kew share; never shipped.
//!
//! * [`ManualClock`] and [`FixedChance`] are time and randomness that a test holds in its hand.
//! * [`Oracle`] is a naive broker in memory: the meaning of the queue, in the plainest words.
//! * [`exercise`] is the suite that every broker passes, and [`broker_suite!`] makes a test of each of its cases.
//! * [`equivalence`] drives two brokers by the same random scripts and compares every answer.
//! * [`history`] judges from outside what clients of a server saw.
//! * [`counted`] tells how much a test did.

mod counted;
pub mod equivalence;
pub mod exercise;
mod fixed_chance;
pub mod history;
mod manual_clock;
mod oracle;
mod subject;
mod wait;

pub use counted::counted;
pub use fixed_chance::FixedChance;
pub use manual_clock::ManualClock;
pub use oracle::Oracle;
pub use subject::{Capabilities, OracleSubject, Subject};
pub use wait::wait;
