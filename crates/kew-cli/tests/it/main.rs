//! The binary as its users meet it: started, spoken to over a real socket, stopped by signals.
//!
//! Every test has its own folder and a free port, takes the printed address as the sign that the server is ready, and
//! stops only the process that it started.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails is a test that fails")]

mod backup;
mod bench;
mod check;
mod config;
mod consumers;
mod desk;
mod dev;
mod extend;
mod flags;
mod http;
mod kew;
mod messages;
mod metrics;
mod queues;
mod redrive;
mod refused;
mod serve;
mod tls;
mod tokens;
