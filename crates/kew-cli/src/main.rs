//! `kew`: the binary.
//!
//! It puts the parts together and decides nothing about queues: commands that serve open a store and hand it to the
//! HTTP house; commands that administer or measure talk to a running server over HTTP. One file for each command;
//! everything that is printed goes through `output`.

mod bench;
mod client;
mod dev;
mod output;
mod target;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A durable message queue that speaks the Cloudflare Queues API.
#[derive(Debug, Parser)]
#[command(name = "kew", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure a server, or the disk.
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Bench(bench) => bench.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_error(&error);
            ExitCode::FAILURE
        }
    }
}
