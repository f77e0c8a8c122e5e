//! `kew`: the binary.
//!
//! It puts the parts together and decides nothing about queues: commands that serve open a store and hand it to the
//! HTTP house; commands that administer or measure talk to a running server over HTTP. One file for each command;
//! everything that is printed goes through `output`, and an error is one line and a non-zero exit.

mod account;
mod account_client;
mod admin_token;
mod audit;
mod backup;
mod backup_folder;
mod bench;
mod chance;
mod check;
mod client;
mod clock;
mod completions;
mod config;
mod connection;
mod consumers;
mod count;
mod dev;
mod duration;
mod extend;
mod interrupt;
mod leases;
mod lines;
mod logging;
mod message;
mod misuse;
mod output;
mod peek;
mod private_file;
mod process;
mod progress;
mod pull;
mod push;
mod queues;
mod redrive;
mod reload;
mod serve;
mod serving;
mod settle;
mod store;
mod supervisor;
mod target;
mod tls;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use misuse::Misuse;

/// A request's memory is taken on one thread and often given back on another, which the system's allocator is slow at
/// (bench/profile.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What stands below the list of commands.
const AFTER_HELP: &str = "Start with: kew dev --queue jobs\n\n\
    Exit status: 0 when it is done, 1 when it could not be, 2 when the command line cannot be meant so";

/// The status of a command line that cannot be meant as it is, which is also that of its parser.
const MISUSED: u8 = 2;

/// A durable message queue that speaks the Cloudflare Queues API.
#[derive(Debug, Parser)]
#[command(name = "kew", version, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What to do. A command without a text here has it, and a longer one for its own help, where its flags are.
#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a durable queue for development: loopback only, with a well-known token.
    Dev(dev::Dev),
    /// Serve queues for real: with accounts, scoped tokens, and settings from a file, the environment and flags.
    Serve(serve::Serve),
    Queues(queues::Queues),
    Consumers(consumers::Consumers),
    Push(push::Push),
    Pull(pull::Pull),
    Peek(peek::Peek),
    Ack(settle::Ack),
    Retry(settle::Retry),
    Extend(extend::Extend),
    Redrive(redrive::Redrive),
    /// Manage the accounts of a running server.
    Account(account::Account),
    /// Manage the credentials of a running server.
    Token(token::Token),
    /// Measure a server under load, or the disk.
    Bench(bench::Bench),
    Backup(backup::Backup),
    Check(check::Check),
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Dev(dev) => dev.run(),
        Command::Serve(serve) => serve.run(),
        Command::Queues(queues) => queues.run(),
        Command::Consumers(consumers) => consumers.run(),
        Command::Push(push) => push.run(),
        Command::Pull(pull) => pull.run(),
        Command::Peek(peek) => peek.run(),
        Command::Ack(ack) => ack.run(),
        Command::Retry(retry) => retry.run(),
        Command::Extend(extend) => extend.run(),
        Command::Redrive(redrive) => redrive.run(),
        Command::Account(account) => account.run(),
        Command::Token(token) => token.run(),
        Command::Bench(bench) => bench.run(),
        Command::Backup(backup) => backup.run(),
        Command::Check(check) => return check.run(),
        Command::Completions(completions) => completions.run::<Arguments>(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_error(&error);
            if error.is::<Misuse>() { ExitCode::from(MISUSED) } else { ExitCode::FAILURE }
        }
    }
}
