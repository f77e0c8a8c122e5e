//! The flags of `kew bench`, and the plan that they make.

use core::time::Duration;
use std::net::SocketAddr;

use anyhow::ensure;
use clap::{Args, Subcommand, ValueEnum};
use kew_model::Limits;
use kew_wire::access::Secret;

use crate::bench::requests::body_bytes_min;
use crate::bench::{disk, idle, run};
use crate::client::Client;
use crate::misuse::Misuse;
use crate::target::Target;

/// Messages of a run that names neither a number nor a time.
const MESSAGES_DEFAULT: u64 = 100_000;
/// The most messages of one run: the check keeps a bit for each.
const MESSAGES_MAX: u64 = 1_000_000_000;
/// The most messages of a run bounded by time, so that its check stays at 32 MiB.
const MESSAGES_MAX_TIMED: u64 = 256_000_000;

/// Measures a server under load and checks that no message was lost or doubled.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(super) workload: Workload,
}

#[derive(Debug, Subcommand)]
pub(super) enum Workload {
    /// Producers push batches while consumers pull and ack them.
    Lifecycle(Lifecycle),
    /// Many clients push single messages, each waiting for its answer; drained and checked afterwards.
    Push(Push),
    /// One client alone pushes single messages; drained and checked afterwards.
    Latency(Latency),
    /// Writes and syncs a file: what the disk itself can do.
    Disk(disk::Disk),
    /// Opens connections that ask once and then wait: what each takes of the server's memory.
    Idle(idle::Idle),
}

#[derive(Debug, Args)]
pub(super) struct Lifecycle {
    #[command(flatten)]
    load: Load,
    /// Clients that push, 1-1024.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    producers: u16,
    /// Clients that pull and ack, 1-1024.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    consumers: u16,
    /// Messages in a push, a pull and an ack, 1-100.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=100))]
    batch: u16,
    /// Messages pushed and not yet acked at which producers wait, so that both sides stay at work, 1-1000000000.
    #[arg(long, value_name = "COUNT", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=MESSAGES_MAX))]
    outstanding_max: u64,
}

#[derive(Debug, Args)]
pub(super) struct Push {
    #[command(flatten)]
    load: Load,
    /// Clients that push, 1-4096.
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    clients: u16,
}

#[derive(Debug, Args)]
pub(super) struct Latency {
    #[command(flatten)]
    load: Load,
}

#[derive(Debug, Args)]
struct Load {
    #[command(flatten)]
    target: Target,
    /// Account's id; else CLOUDFLARE_ACCOUNT_ID, else the server's only one.
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Id of an empty queue with an http_pull consumer; without it one is created, and deleted at the end.
    #[arg(long, value_name = "ID")]
    queue: Option<String>,
    /// Messages to push, 1-1000000000 [default: 100000]; with --seconds, whichever comes first.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=MESSAGES_MAX))]
    messages: Option<u64>,
    /// Seconds to push for, 1-86400.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// Messages pushed, and if it applies pulled, before measuring starts.
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=MESSAGES_MAX))]
    warm_up_messages: u64,
    /// Size of each body in bytes, 24 (text) or 39 (json) to 127900.
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    body_bytes: usize,
    /// Content type of the messages.
    #[arg(long, value_enum, default_value_t = BodyKind::Text)]
    content_type: BodyKind,
    /// Length of the leases in seconds, 1-43200.
    #[arg(long, value_name = "COUNT", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=43_200))]
    visibility_timeout_seconds: u64,
    /// Threads of the load generator, 1-16.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    threads: u16,
    /// Process id of the server, when it runs on this machine: its CPU time is reported.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Do not check what comes back: for a server that keeps nothing.
    #[arg(long)]
    no_check: bool,
    /// Print JSON and not a table.
    #[arg(long)]
    json: bool,
}

/// The content type of a run's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BodyKind {
    /// Text.
    Text,
    /// A JSON object.
    Json,
}

impl BodyKind {
    /// The name on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// What a run does, checked.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The workload's name.
    pub(super) workload: &'static str,
    /// Where the server listens.
    pub(super) address: SocketAddr,
    /// How to reach it for other requests than the load's.
    pub(super) target: Target,
    /// The credential of the load's requests.
    pub(super) token: Secret,
    /// The account's id.
    pub(super) account: String,
    /// The queue's id.
    pub(super) queue: String,
    /// Whether the queue was made for this run and is to be deleted.
    pub(super) owns_queue: bool,
    /// Clients that push.
    pub(super) producers: usize,
    /// Clients that pull and ack at the same time; none when draining comes after.
    pub(super) consumers: usize,
    /// Messages in a request.
    pub(super) batch: usize,
    /// Messages pushed and not yet acked at which producers wait for consumers.
    pub(super) outstanding_max: u64,
    /// Messages to push.
    pub(super) messages: u64,
    /// Time after which no more is pushed.
    pub(super) time: Option<Duration>,
    /// Messages of the unmeasured first part.
    pub(super) warm_up_messages: u64,
    /// Size of each body.
    pub(super) body_bytes: usize,
    /// Kind of each body.
    pub(super) body_kind: BodyKind,
    /// Length of the leases.
    pub(super) visibility_timeout: Duration,
    /// Threads of the generator.
    pub(super) threads: usize,
    /// The server's process.
    pub(super) server_pid: Option<u32>,
    /// Whether what comes back is checked.
    pub(super) check: bool,
    /// Whether to print JSON.
    pub(super) json: bool,
    /// Eight hex digits that tell this run's messages from others.
    pub(super) run_key: String,
}

impl Lifecycle {
    /// The plan of this workload.
    ///
    /// # Errors
    /// Values that do not fit together, or a server that cannot be asked.
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let crew = (usize::from(self.producers), usize::from(self.consumers));
        let plan = self.load.plan("lifecycle", crew, usize::from(self.batch))?;
        Ok(Plan { outstanding_max: self.outstanding_max, ..plan })
    }
}

impl Push {
    /// As [`Lifecycle::plan`].
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        self.load.plan("push", (usize::from(self.clients), 0), 1)
    }
}

impl Latency {
    /// As [`Lifecycle::plan`].
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        self.load.plan("latency", (1, 0), 1)
    }
}

impl Load {
    fn plan(&self, workload: &'static str, crew: (usize, usize), batch: usize) -> anyhow::Result<Plan> {
        let (bytes_min, bytes_max) = (body_bytes_min(self.content_type), Limits::BODY_BYTES_MAX as usize);
        ensure!(
            (bytes_min..=bytes_max).contains(&self.body_bytes),
            Misuse::new(format!(
                "--body-bytes: {} bodies have {bytes_min} to {bytes_max} bytes, not {}",
                self.content_type.name(),
                self.body_bytes
            ))
        );
        let batch_bytes = (self.body_bytes + Limits::MESSAGE_OVERHEAD_BYTES as usize) * batch;
        ensure!(
            batch_bytes as u64 <= Limits::BATCH_BYTES_MAX,
            Misuse::new(format!(
                "--batch and --body-bytes: a batch may count for {} bytes, not {batch_bytes}",
                Limits::BATCH_BYTES_MAX
            ))
        );
        let messages = match (self.messages, self.seconds) {
            (Some(messages), _) => messages,
            (None, Some(_)) => MESSAGES_MAX_TIMED,
            (None, None) => MESSAGES_DEFAULT,
        };
        let batched = |count: u64| count.div_ceil(batch as u64) * batch as u64;
        let target = self.target.clone();
        let token = target.token()?;
        let address = target.address()?;
        ensure!(
            self.queue.is_some() || !self.no_check,
            Misuse::new("--no-check needs --queue: nothing is created there")
        );
        let account = Client::new(&target)?.account(self.account.as_deref())?;
        let run_key = format!("{:08x}", rand::random::<u32>());
        let (queue, owns_queue) = match &self.queue {
            Some(queue) => (queue.clone(), false),
            None => (run::create_queue(&target, &account, &run_key)?, true),
        };
        Ok(Plan {
            workload,
            address,
            target,
            token,
            account,
            queue,
            owns_queue,
            producers: crew.0,
            consumers: crew.1,
            batch,
            outstanding_max: MESSAGES_MAX,
            messages: batched(messages),
            time: self.seconds.map(Duration::from_secs),
            warm_up_messages: batched(self.warm_up_messages),
            body_bytes: self.body_bytes,
            body_kind: self.content_type,
            visibility_timeout: Duration::from_secs(self.visibility_timeout_seconds),
            threads: usize::from(self.threads),
            server_pid: self.server_pid,
            check: !self.no_check,
            json: self.json,
            run_key,
        })
    }
}

#[cfg(test)]
impl Plan {
    /// A plan that reaches no server, for tests of the bytes that it makes.
    pub(super) fn for_test(body_kind: BodyKind, body_bytes: usize) -> Self {
        #[derive(clap::Parser)]
        struct Flags {
            #[command(flatten)]
            push: Push,
        }
        let bytes = body_bytes.to_string();
        let account = "11111111111111111111111111111111";
        let flags =
            ["bench", "--token=t", "--no-check", "--queue=q", "--account", account, "--body-bytes", &bytes];
        let kind = format!("--content-type={}", body_kind.name());
        let flags = flags.into_iter().chain([kind.as_str()]);
        <Flags as clap::Parser>::parse_from(flags).push.plan().expect("the flags fit together")
    }
}
