//! `kew serve`: the real server.
//!
//! The first start makes one account and an admin token. The token is written to a file that only its owner may read
//! before the store learns of it, so that a crash in between leaves no token that nobody holds; nothing prints it. A
//! later start does so again when nobody could administer the server otherwise: its admin tokens were all revoked, or
//! have expired.

use core::time::Duration;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args;
use kew_model::{Account, Backups, Broker, NewToken, QueuePattern, Scope, ScopeSet, Token};
use kew_server::{Access, Settings};
use kew_wire::access::Credential;

use crate::audit::AuditFile;
use crate::backup_folder::BackupFolder;
use crate::config::{Configuration, Flags, LogFormat, Written};
use crate::process::Process;
use crate::reload::Reload;
use crate::serving::{self, Service};
use crate::store::{Keeper, Store};
use crate::{logging, output, private_file};

/// The file of the first admin token.
const ADMIN_TOKEN: &str = "admin.token";
/// The name of the first account and of its token.
const FIRST_ACCOUNT: &str = "default";
const FIRST_TOKEN: &str = "first admin";

/// Serves queues. Settings come from defaults, then the settings file, then KEW_ variables, then flags.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    flags: Flags,
}

/// What is known of the account that a server without accounts was given.
struct Start {
    account: Arc<Account>,
    token_file: Option<PathBuf>,
}

impl Serve {
    /// Serves until a signal.
    ///
    /// # Errors
    /// Bad settings, a store that cannot be opened or that fails, a port in use.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let written = Written::read(&self.flags)?;
        let configuration = written.configuration()?;
        if self.flags.prints_config() {
            return output::print(&written.listing());
        }
        ensure!(
            configuration.listen.ip().is_loopback()
                || configuration.tls.is_some()
                || configuration.allow_plaintext,
            "listen: {} can be reached from other machines, and nothing would be encrypted: give --tls-certificate and \
             --tls-key, or put a proxy that ends TLS in front and give --allow-plaintext, or listen on 127.0.0.1",
            configuration.listen
        );
        logging::start(configuration.log_format, configuration.log_level)?;
        serving::runtime(configuration.threads)?.block_on(serve(configuration))
    }
}

async fn serve(configuration: Configuration) -> anyhow::Result<()> {
    // A certificate that cannot be used leaves the disk as it was.
    let tls = configuration.tls.as_ref().map(|files| Ok::<_, anyhow::Error>((files.open()?, files.clone())));
    let tls = tls.transpose()?;
    let listener = serving::listen(configuration.listen).await?;
    let store = Store::open(&configuration.data, Keeper::Serve).await?;
    let start = first_start(&store).await?;
    let folder = store.folder.clone();
    let audit =
        configuration.audit_log.path(&folder).map(|path| AuditFile::open(&path).map(Arc::new)).transpose()?;
    let backups = configuration.backup_folder.as_deref().map(|backups| {
        let (clock, chance) = (Arc::clone(&store.clock), Arc::clone(&store.chance));
        let made = BackupFolder::new(backups, &folder, store.broker.clone(), clock, chance)?;
        Ok::<_, anyhow::Error>(Arc::new(made) as Arc<dyn Backups>)
    });
    let settings = Settings {
        backups: backups.transpose()?,
        access: Access::Tokens,
        connections_max: configuration.connections_max,
        connections_per_address_max: configuration.connections_per_address_max,
        trusted_proxies: configuration.trusted_proxies,
        tls: tls.as_ref().map(|(tls, _)| tls.clone()),
        waiters_max: configuration.waiters_max,
        auth_failures_per_minute_max: configuration.auth_failures_per_minute_max,
        token_requests_per_second_max: configuration.token_requests_per_second_max,
        metrics_queues_max: configuration.metrics_queues_max,
        figures: Some(Arc::new(Process::start())),
        audit: audit.clone().map(|audit| audit as Arc<dyn kew_server::Audit>),
        json_bodies: configuration.json_bodies,
        pull_json_encoding: configuration.pull_json_encoding,
        log_requests: configuration.log_requests,
        ..Settings::default()
    };
    // Whoever reads a log of JSON lines from standard error must find nothing else there.
    let tells_stop = configuration.log_format == LogFormat::Text;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let reload = Some(Reload { tls, audit });
    let drain_wait = Duration::from_secs(configuration.drain_wait_seconds);
    let service =
        Service { listener, settings, tls: configuration.tls, reload, store, drain_wait, tells_stop };
    service.run(move |address| announce(&start, &folder, scheme, address)).await
}

/// Makes an account if there is none, and an admin token if no token administers the server.
async fn first_start(store: &Store) -> anyhow::Result<Start> {
    let broker = &store.broker;
    let path = store.folder.join(ADMIN_TOKEN);
    let account = match broker.accounts().into_iter().next() {
        Some(account) => account,
        None => {
            broker.create_account(None, FIRST_ACCOUNT.to_owned()).await.context("cannot make an account")?
        }
    };
    let now = store.clock.now();
    let administers = |token: &Token| {
        let is_over_all = token.scopes.allows(Scope::Admin) && token.queues == QueuePattern::All;
        is_over_all && token.expires_on.is_none_or(|end| end > now)
    };
    let tokens = broker.accounts().into_iter().flat_map(|account| broker.tokens(account.id));
    let administrators: Vec<_> = tokens.filter(|token| administers(token)).collect();
    if !administrators.is_empty() {
        // The file may have been removed, or its token revoked in favour of another one.
        let held = private_file::read(&path).ok().flatten().and_then(|text| Credential::id_in(text.trim()));
        let is_good = administrators.iter().any(|token| Some(token.id) == held);
        return Ok(Start { account, token_file: is_good.then_some(path) });
    }
    let credential = Credential::mint(&*store.chance);
    private_file::replace(&path, &format!("{}\n", credential.secret.reveal()))?;
    let token = NewToken {
        id: credential.id,
        name: FIRST_TOKEN.to_owned(),
        hash: credential.hash,
        email: None,
        scopes: ScopeSet::default().with(Scope::Admin),
        queues: QueuePattern::All,
        expires_on: None,
    };
    broker.create_token(account.id, token).await.context("cannot make the admin token")?;
    Ok(Start { account, token_file: Some(path) })
}

fn announce(
    start: &Start,
    folder: &std::path::Path,
    scheme: &str,
    address: SocketAddr,
) -> anyhow::Result<()> {
    let mut lines = vec![format!("Kew serves on {scheme}://{address}/client/v4 from {}", folder.display())];
    if let Some(path) = &start.token_file {
        lines.push(format!("admin token  in {} (readable by its owner alone)", path.display()));
    }
    lines.push(format!("account id   {}", start.account.id));
    output::print(&lines.join("\n"))
}
