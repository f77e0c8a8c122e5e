//! What SIGHUP does to a server that runs: the certificate is read again, and nothing else changes.

use anyhow::Context;
use kew_server::Tls;
use tokio::signal::unix::{SignalKind, signal};

use crate::tls::TlsFiles;

/// What can be taken anew while the server runs.
#[derive(Debug, Default)]
pub(crate) struct Reload {
    /// The certificate, if the server encrypts, and its files.
    pub(crate) tls: Option<(Tls, TlsFiles)>,
}

impl Reload {
    /// Reloads whenever the signal comes, for as long as the runtime lives.
    ///
    /// # Errors
    /// When the signal cannot be listened for.
    pub(crate) fn on_hangup(self) -> anyhow::Result<()> {
        let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                self.now();
            }
        });
        Ok(())
    }

    fn now(&self) {
        match &self.tls {
            None => tracing::info!("SIGHUP: there is nothing to read again"),
            Some((tls, files)) => match files.reload(tls) {
                Ok(()) => tracing::info!(%files, "SIGHUP: the certificate was read again"),
                Err(error) => {
                    let reason = format!("{error:#}");
                    tracing::error!(%reason, "SIGHUP: the certificate could not be read; the former one stays");
                }
            },
        }
    }
}
