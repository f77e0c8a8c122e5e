//! `kew bench idle`: what connections that wait for their next request take of the server's memory.
//!
//! Each connection makes one request, so that somebody is known on it, and stays. The memory is looked at before, when all
//! have asked, when all have waited, and when all have asked again, which shows that none was closed. What the kernel
//! keeps for a connection is the same for every server, and is not counted.

use core::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use comfy_table::CellAlignment;
use kew_wire::access::Secret;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::bench::measure::resident_bytes;
use crate::connection::{Connection, connect};
use crate::misuse::Misuse;
use crate::output;
use crate::target::Target;
use crate::tls;

/// Files that this process needs for other things than connections.
const FILES_RESERVED: u64 = 64;
/// The size of a connection's buffer on this side, in bytes: more than the answer.
const BUFFER_BYTES: usize = 1024;
/// How long an answer may take. A connection that the server has no place for is not answered at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Flags of `kew bench idle`.
#[derive(Debug, Args)]
pub(super) struct Idle {
    #[command(flatten)]
    target: Target,
    /// Connections to open, 1-100000; the server takes as many as its connections_max says.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    connections: u32,
    /// Seconds to leave them alone, 0-50; the server closes them after 60.
    #[arg(long, value_name = "COUNT", default_value_t = 15, value_parser = clap::value_parser!(u64).range(0..=50))]
    seconds: u64,
    /// Process id of the server, which runs on this machine.
    #[arg(long, value_name = "PID")]
    server_pid: u32,
    /// Print JSON and not a table.
    #[arg(long)]
    pub(super) json: bool,
}

/// The server's memory, in bytes.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    connections: u32,
    is_encrypted: bool,
    waited_seconds: u64,
    /// Before the connections, and after one that has ended.
    before_bytes: u64,
    /// When all have asked.
    asked_bytes: u64,
    /// When all have waited.
    waited_bytes: u64,
    /// When all have asked again.
    asked_again_bytes: u64,
    /// What one that waits takes.
    bytes_per_connection: u64,
}

/// Opens the connections and looks at the server's memory.
///
/// # Errors
/// When this process may not open so many files, the server is not reached or refuses, or closes a connection.
pub(super) async fn measure(arguments: &Idle) -> anyhow::Result<Report> {
    allow_files(u64::from(arguments.connections) + FILES_RESERVED)?;
    let (address, proven_name) = arguments.target.endpoint()?;
    let request = request(&arguments.target.token()?);
    match proven_name {
        None => hold(arguments, false, &request, async || connect(address).await).await,
        Some(name) => {
            let file = arguments.target.ca_file();
            let why = "--ca-file: an https:// address needs the file of its certificate here";
            let trusted = file.ok_or_else(|| Misuse::new(why))?;
            let connector = tls::Connector::trusting(&trusted, name)?;
            hold(arguments, true, &request, async || connector.shake_hands(connect(address).await?).await)
                .await
        }
    }
}

async fn hold<S: AsyncRead + AsyncWrite + Unpin>(
    arguments: &Idle,
    is_encrypted: bool,
    request: &[u8],
    dial: impl AsyncFn() -> anyhow::Result<S>,
) -> anyhow::Result<Report> {
    let memory = || resident_bytes(arguments.server_pid).context("--server-pid");
    // What the server needs once is there after one request.
    ask(&mut Connection::over(dial().await?, BUFFER_BYTES), request).await?;
    let before_bytes = memory()?;
    let mut connections = Vec::new();
    for number in 1..=arguments.connections {
        let opened = async {
            let mut connection = Connection::over(dial().await?, BUFFER_BYTES);
            ask(&mut connection, request).await?;
            anyhow::Ok(connection)
        };
        let opened = timeout(PATIENCE, opened).await.context(
            "it is not answered: the server takes as many as its connections_max says, and its limit of open files allows",
        );
        let opened = opened.flatten().with_context(|| format!("connection {number}"))?;
        connections.push(opened);
    }
    let asked_bytes = memory()?;
    tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_secs(arguments.seconds)).await;
    let waited_bytes = memory()?;
    for (connection, number) in connections.iter_mut().zip(1..) {
        let asked = ask(connection, request).await;
        asked.with_context(|| format!("connection {number}, which has waited"))?;
    }
    Ok(Report {
        connections: arguments.connections,
        is_encrypted,
        waited_seconds: arguments.seconds,
        before_bytes,
        asked_bytes,
        waited_bytes,
        asked_again_bytes: memory()?,
        bytes_per_connection: waited_bytes.saturating_sub(before_bytes) / u64::from(arguments.connections),
    })
}

/// A request that any credential may make.
fn request(token: &Secret) -> Vec<u8> {
    let path = "/client/v4/user/tokens/verify";
    format!("GET {path} HTTP/1.1\r\nhost: kew\r\nauthorization: Bearer {}\r\n\r\n", token.reveal())
        .into_bytes()
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    request: &[u8],
) -> anyhow::Result<()> {
    let answer = connection.ask(request).await?;
    let said = || String::from_utf8_lossy(answer.body).into_owned();
    ensure!(answer.status == 200, "the server answered with {}: {}", answer.status, said());
    Ok(())
}

/// Lets this process open so many files.
fn allow_files(count: u64) -> anyhow::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|soft| soft >= count) {
        return Ok(());
    }
    ensure!(
        limit.maximum.is_none_or(|hard| hard >= count),
        Misuse::new(format!(
            "--connections: this process may open {} files and would need {count}: raise its limit (ulimit -n)",
            limit.maximum.unwrap_or_default()
        ))
    );
    limit.current = Some(count);
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

impl Report {
    /// The report as JSON.
    pub(super) fn json(&self) -> String {
        output::json(self)
    }

    /// The report as a table.
    #[expect(clippy::cast_precision_loss, reason = "shown to one digit")]
    pub(super) fn table(&self) -> String {
        let mut table = output::table(&["the server's memory", "in all", "for each connection"]);
        let count = f64::from(self.connections);
        for (when, bytes) in [
            ("before", self.before_bytes),
            ("when all have asked", self.asked_bytes),
            ("when all have waited", self.waited_bytes),
            ("when all have asked again", self.asked_again_bytes),
        ] {
            let more = bytes.saturating_sub(self.before_bytes) as f64;
            let mebibytes = bytes as f64 / f64::from(1 << 20);
            let each = format!("{:.1} KiB", more / count / 1024.0);
            table.add_row([when.to_owned(), format!("{mebibytes:.1} MiB"), each]);
        }
        table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        let kind = if self.is_encrypted { "encrypted connections" } else { "connections" };
        format!("{} {kind}, which wait for {} s\n{table}", self.connections, self.waited_seconds)
    }
}
