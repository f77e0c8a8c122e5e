//! `kew backup`: has a running server make a copy of its store, and waits for it.

use std::thread;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use kew_wire::backup::BackupView;
use serde::Serialize;

use crate::client::Client;
use crate::target::Target;
use crate::{output, progress};

/// How often the server is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Back up a running server.
///
/// The copy is made by the server, on its own machine, in a folder of its --backup-folder that is named by the time; all
/// that was answered before is in it. Needs the scope admin. Restore it by serving it: kew serve --data DIR/NAME.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    target: Target,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A request without fields.
#[derive(Debug, Serialize)]
struct Nothing {}

impl Backup {
    /// Asks for a copy and waits until it is complete.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, and when the copy fails.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let client = Client::new(&self.target)?;
        let mut backup: BackupView = client.post("/kew/v1/backups", &Nothing {})?;
        let name = backup.name.clone();
        let bar = progress::bar("backup", Some(0));
        while backup.state == "running" {
            thread::park_timeout(ASK_EVERY);
            backup = client.get("/kew/v1/backups")?;
            if backup.name != name {
                bail!("backup {name}: another one was begun since, so what became of it is not known");
            }
            bar.set_length(backup.total_bytes >> 20);
            bar.set_position(backup.copied_bytes >> 20);
        }
        bar.finish_and_clear();
        if let Some(error) = &backup.error {
            bail!("backup {name} failed: {error}");
        }
        if self.json {
            return output::print(&output::json(&backup));
        }
        let bytes = output::count(backup.copied_bytes, "byte");
        output::print(&format!("backup {name} is complete in the server's backup folder ({bytes})"))
    }
}
