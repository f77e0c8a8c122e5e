//! What `kew dev` and `kew serve` have in common: a store behind the HTTP house, from the first answer to the last.
//!
//! ```text
//!   bind ─▶ open the store ─▶ run ─▶ ask /healthz ─▶ announce ─▶ wait
//!     wait ─┬─ SIGTERM, SIGINT ─▶ drain ─▶ close the store ─▶ exit 0
//!           └─ the store failed ─▶ drain ────────────────▶ exit 1
//! ```
//!
//! * The port is taken first: one that is not to be had leaves the disk as it was.
//! * Nothing is announced before the server has answered a request.
//! * From the signal on `/readyz` says no; draining begins after a wait, if one is set.
//! * Draining accepts no new connection and answers what is in flight; a second signal ends the process at once,
//!   unless it comes with the first.
//! * SIGHUP, where it has a meaning, interrupts nothing (`reload`).
//! * After a failed write or sync nothing is closed in order: the next start recovers (design §2).

use core::num::NonZero;
use core::time::Duration;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail, ensure};
use kew_embedded::Embedded;
use kew_model::Broker;
use kew_server::{Server, Settings};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::reload::Reload;
use crate::store::{DAMAGED, Store};
use crate::tls::TlsFiles;
use crate::{output, supervisor};

/// How long the server may take to answer its first request.
const READY_WAIT: Duration = Duration::from_secs(10);
/// How soon after a signal another one means the same.
const SAME_REQUEST: Duration = Duration::from_millis(200);
/// How much of its answer is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 4096;
/// Files that the process needs for other things than connections.
const FILES_RESERVED: u64 = 128;

/// The runtime of a serving process; 0 threads mean half as many as there are processors, since the store's threads want
/// the others (bench/profile.md). A single thread takes its tasks from nobody and wakes nobody, so it gets a runtime without the
/// bookkeeping that several need.
///
/// # Errors
/// When the system grants no threads.
pub(crate) fn runtime(threads: usize) -> anyhow::Result<Runtime> {
    let processors = || std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = if threads == 0 { (processors() / 2).max(1) } else { threads };
    let mut builder = if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.worker_threads(threads).max_blocking_threads(threads).thread_name("kew-http").enable_all();
    builder.build().context("cannot start the server's threads")
}

/// What to serve, and where.
pub(crate) struct Service {
    /// The port, taken by [`listen`] before the store was opened.
    pub(crate) listener: TcpListener,
    /// How.
    pub(crate) settings: Settings,
    /// Where the certificate is, if the server encrypts.
    pub(crate) tls: Option<TlsFiles>,
    /// What SIGHUP does; without it the signal ends the process, as it does by default.
    pub(crate) reload: Option<Reload>,
    /// What lies behind.
    pub(crate) store: Store,
    /// How long to serve on, not ready, after a signal to stop.
    pub(crate) drain_wait: Duration,
    /// Whether a person is told on standard error that a signal was heard, and that it is done.
    pub(crate) tells_stop: bool,
}

impl Service {
    /// Serves the store until a signal or a failure; `announce` is called once, with the real address, when the server
    /// answers.
    ///
    /// # Errors
    /// A server that does not answer, a store that failed, a second signal.
    pub(crate) async fn run(
        self,
        announce: impl FnOnce(SocketAddr) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut signals = Signals::listen()?;
        let (tells_stop, drain_wait, tls) = (self.tells_stop, self.drain_wait, self.tls.clone());
        let address = self.listener.local_addr().context("the listener has no address")?;
        let (broker, server, listener, reload) = self.server();
        reload.map(Reload::on_hangup).transpose()?;
        let readiness = server.readiness();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut running = tokio::spawn(server.run(listener, async move {
            // An error means that the sender is gone, which asks for the same.
            let _ = stopped.await;
        }));
        first_answer(address, tls.as_ref()).await?;
        announce(address)?;
        supervisor::tell_ready();
        let failure = tokio::select! {
            ended = &mut running => {
                ended.context("the server panicked")?;
                bail!("the server ended by itself");
            }
            name = signals.next() => {
                if tells_stop {
                    output::tell("Stopping; waiting for requests in flight (once more to stop at once)");
                }
                tracing::info!(signal = name, "draining");
                supervisor::tell_stopping();
                readiness.leave();
                tokio::select! {
                    () = sleep_until(Instant::now() + drain_wait) => None,
                    name = signals.next() => stop_at_once(name),
                    cause = broker.failure() => Some(cause),
                }
            }
            cause = broker.failure() => Some(cause),
        };
        readiness.leave();
        drop(stop);
        tokio::select! {
            ended = running => ended.map(drop).context("the server panicked while draining")?,
            name = signals.next() => stop_at_once(name),
        }
        match failure {
            Some(cause) if cause.starts_with("damaged") => {
                bail!("{cause}{DAMAGED}")
            }
            Some(cause) => bail!("the store failed and was not closed; a restart recovers it: {cause}"),
            None => broker.close().await.context("cannot close the store")?,
        }
        if tells_stop {
            output::tell("Stopped.");
        }
        Ok(())
    }

    fn server(self) -> (Embedded, Server, TcpListener, Option<Reload>) {
        let Self { mut settings, store, listener, reload, .. } = self;
        settings.connections_max = within_file_limit(settings.connections_max);
        let broker: Arc<dyn Broker> = Arc::new(store.broker.clone());
        let server = Server::new(broker, store.clock, store.chance, store.keys, settings);
        (store.broker, server, listener, reload)
    }
}

/// Ends the process without waiting for anything.
fn stop_at_once(signal: &str) -> ! {
    // Whatever hangs must not hang this: nothing is dropped or joined any more.
    output::print_error(&anyhow!("stopped at once by a second signal ({signal})"));
    std::process::exit(1)
}

/// The two signals that ask a process to end. What comes right after one is the same request: timeout(1), and parents that
/// hand on what a terminal sent to all, send it twice.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    deaf_until: Option<Instant>,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        let (terminate, interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, deaf_until: None })
    }

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        loop {
            let name = tokio::select! {
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
            };
            let now = Instant::now();
            if self.deaf_until.is_none_or(|until| now >= until) {
                self.deaf_until = Some(now + SAME_REQUEST);
                return name;
            }
        }
    }
}

/// Takes the port. Clients may connect from now on, and are answered once the server runs.
///
/// # Errors
/// A port in use, an address that is not this machine's.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow!(
            "cannot listen on {address}: the port is taken, perhaps by another kew; stop it or give --listen \
             127.0.0.1:0"
        ),
        ErrorKind::AddrNotAvailable => anyhow!("cannot listen on {address}: this machine has no such address"),
        ErrorKind::PermissionDenied => anyhow!(
            "cannot listen on {address}: not permitted; ports below 1024 often are the administrator's, so give a \
             higher one"
        ),
        _ => anyhow!(error).context(format!("cannot listen on {address}")),
    })
}

/// Asks the server for a sign of life.
async fn first_answer(address: SocketAddr, tls: Option<&TlsFiles>) -> anyhow::Result<()> {
    let reachable = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let address = SocketAddr::new(reachable, address.port());
    let ask = async {
        match tls {
            Some(tls) => ask_health(tls.connect(address).await?, address).await,
            None => ask_health(TcpStream::connect(address).await?, address).await,
        }
    };
    let asked = tokio::time::timeout(READY_WAIT, ask).await.context("the server does not answer")?;
    asked.context("the server does not answer its own question")
}

async fn ask_health(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
) -> anyhow::Result<()> {
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    let status = String::from_utf8_lossy(answer.get(..15).unwrap_or(&answer)).into_owned();
    ensure!(status.starts_with("HTTP/1.1 200"), "it says {status:?}");
    Ok(())
}

/// As many connections as asked for, or as the process may open files; the soft limit is raised for them.
fn within_file_limit(asked: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let Some(soft) = limit.current else { return asked };
    let wanted = asked as u64 + FILES_RESERVED;
    let granted = limit.maximum.map_or(wanted, |hard| hard.min(wanted)).max(soft);
    let mut raised = limit;
    raised.current = Some(granted);
    let files = if setrlimit(Resource::Nofile, raised).is_ok() { granted } else { soft };
    let room = usize::try_from(files.saturating_sub(FILES_RESERVED)).unwrap_or(usize::MAX).max(1);
    if room < asked {
        tracing::warn!(
            asked,
            granted = room,
            "fewer connections than asked for: the limit of open files is low"
        );
    }
    room.min(asked)
}
