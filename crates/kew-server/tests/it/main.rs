//! The server from outside: real sockets, the oracle behind it, and a clock that only moves by hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

mod client;
mod kew;
mod push;
