//! `kew serve`: the real server.
//!
//! What a start does about the admin token is in `admin_token`.

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::ensure;
use clap::Args;
use kew_model::Backups;
use kew_server::{Access, Settings};

use crate::admin_token::{self, Start};
use crate::audit::AuditFile;
use crate::backup_folder::BackupFolder;
use crate::config::{Configuration, Flags, LogFormat, Written};
use crate::process::Process;
use crate::reload::Reload;
use crate::serving::{self, Service};
use crate::store::{Keeper, Store};
use crate::{logging, output};

/// Serves queues. Settings come from defaults, then the settings file, then KEW_ variables, then flags.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    flags: Flags,
    /// Write a new admin token to admin.token in the store's folder, unless a good one is there: for when all are lost.
    #[arg(long)]
    new_admin_token: bool,
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
        serving::runtime(configuration.threads)?.block_on(serve(configuration, self.new_admin_token))
    }
}

async fn serve(configuration: Configuration, wants_admin_token: bool) -> anyhow::Result<()> {
    // A certificate that cannot be used leaves the disk as it was.
    let tls = configuration.tls.as_ref().map(|files| Ok::<_, anyhow::Error>((files.open()?, files.clone())));
    let tls = tls.transpose()?;
    let listener = serving::listen(configuration.listen).await?;
    let store = Store::open(&configuration.data, Keeper::Serve).await?;
    let folder = store.folder.clone();
    let audit =
        configuration.audit_log.path(&folder).map(|path| AuditFile::open(&path).map(Arc::new)).transpose()?;
    let start = admin_token::start(&store, wants_admin_token, audit.as_deref()).await?;
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

fn announce(
    start: &Start,
    folder: &std::path::Path,
    scheme: &str,
    address: SocketAddr,
) -> anyhow::Result<()> {
    let mut lines = vec![format!("Kew serves on {scheme}://{address}/client/v4 from {}", folder.display())];
    lines.push(match &start.token_file {
        Some(path) => format!("admin token  in {} (readable by its owner alone)", path.display()),
        None => {
            "admin token  not in that folder; if nobody has one any more, start once with --new-admin-token"
                .to_owned()
        }
    });
    lines.push(format!("account id   {}", start.account.id));
    output::print(&lines.join("\n"))
}
