//! What the tests of Kew share; never shipped.
//!
//! * [`ManualClock`] and [`FixedChance`] are time and randomness that a test holds in its hand.
//! * [`Oracle`] is a naive broker in memory: the meaning of the queue, in the plainest words.

mod fixed_chance;
mod manual_clock;
mod oracle;
mod wait;

pub use fixed_chance::FixedChance;
pub use manual_clock::ManualClock;
pub use oracle::Oracle;
pub use wait::wait;
