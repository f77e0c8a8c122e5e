//! `kew-noop`: the ceiling that Kew is measured against.
//!
//! A server that reads and answers the same HTTP and the same JSON as the four message endpoints, and keeps nothing:
//! no store, no credentials, no router, no limits but a body cap. What a benchmark does against it costs HTTP, JSON
//! and the load generator alone, so the distance between it and Kew in one run is what durability and the rest cost.
//!
//! Pulls are answered with the full batch that was asked for: bodies of the size last pushed, and lease ids of the
//! length of Kew's. It listens on loopback only, and prints its address once it accepts connections.

mod answer;
mod request;
mod serve;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Parser;

/// A server that answers like Kew and keeps nothing: the ceiling of benchmarks.
#[derive(Debug, Parser)]
#[command(name = "kew-noop", version)]
struct Arguments {
    /// Loopback address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Threads that answer requests, 1-64; connections are dealt out to them in turn.
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "kew-noop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!(arguments.listen.ip().is_loopback(), "--listen: {} is not loopback", arguments.listen);
    let listener = TcpListener::bind(arguments.listen)
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let workers = serve::start_workers(usize::from(arguments.threads))?;
    writeln!(std::io::stdout(), "listening on http://{address}").context("cannot print the address")?;
    serve::deal_out(&listener, &workers)
}
