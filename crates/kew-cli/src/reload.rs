//! What SIGHUP does to a server that runs: the certificate is read again, and the audit log opened anew.

use std::sync::Arc;

use anyhow::Context;
use kew_server::Tls;
use tokio::signal::unix::{SignalKind, signal};

use crate::audit::AuditFile;
use crate::tls::TlsFiles;

/// What can be taken anew while the server runs.
#[derive(Debug, Default)]
pub(crate) struct Reload {
    /// The certificate, if the server encrypts, and its files.
    pub(crate) tls: Option<(Tls, TlsFiles)>,
    /// The audit log, if one is kept.
    pub(crate) audit: Option<Arc<AuditFile>>,
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
        if let Some((tls, files)) = &self.tls {
            match files.reload(tls) {
                Ok(()) => tracing::info!(%files, "SIGHUP: the certificate was read again"),
                Err(error) => {
                    let reason = format!("{error:#}");
                    tracing::error!(%reason, "SIGHUP: the certificate could not be read; the former one stays");
                }
            }
        }
        if let Some(audit) = &self.audit {
            match audit.reopen() {
                Ok(()) => tracing::info!("SIGHUP: the audit log was opened anew"),
                Err(error) => {
                    let reason = format!("{error:#}");
                    tracing::error!(%reason, "SIGHUP: the audit log could not be opened; the former file stays in use");
                }
            }
        }
        if self.tls.is_none() && self.audit.is_none() {
            tracing::info!("SIGHUP: there is nothing to read again");
        }
    }
}
