//! The server from outside: real sockets, the oracle behind it, and a clock that only moves by hand. In `network` the
//! sockets are simulated, and the real store is behind it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

mod abuse;
mod admin;
mod audit;
mod auth;
mod backups;
mod client;
mod consumer_replacement;
mod consumers;
mod documentation;
mod door;
mod drain;
mod envelope;
mod extend;
mod faulty;
mod guests;
mod idempotency;
mod identity;
mod kew;
mod late_bodies;
mod limits;
mod log;
mod long_poll;
mod long_poll_ends;
mod memory;
mod metrics;
mod network;
mod openapi;
mod origins;
mod peek;
mod pipelining;
mod preview;
mod pull;
mod push;
mod queue_changes;
mod queues;
mod redrive;
mod references;
mod rights;
mod settle;
mod subscriptions;
mod terraform;
mod tls;
