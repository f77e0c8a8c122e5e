//! A copy of the store while it is served.
//!
//! The writer takes a snapshot of the log together with a group, and hands it over once that is durable. A frame in the
//! group says that all before it is, so that damage to what had been answered is noticed in the copy, too. The copying is
//! done elsewhere and takes its time, while the store goes on.

use kew_journal::{Journal, Snapshot};
use tokio::sync::oneshot;

use crate::driver::Message;
use crate::embedded::Embedded;

/// Whom to give a snapshot.
pub(crate) type SnapshotReply = oneshot::Sender<Result<Snapshot, kew_journal::Error>>;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store is closed, or has failed.
    #[error("the store is closed")]
    Closed,
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] kew_journal::Error),
}

/// A snapshot that ends with a group which is not durable yet, and whoever waits for it.
#[derive(Debug)]
pub(crate) struct SnapshotTaken {
    reply_to: SnapshotReply,
    snapshot: Result<Snapshot, kew_journal::Error>,
}

impl SnapshotTaken {
    /// The group is durable.
    pub(crate) fn hand_over(self) {
        // Whoever asked may have gone.
        drop(self.reply_to.send(self.snapshot));
    }
}

/// Takes a snapshot for each who asked, as of the group that was just taken.
pub(crate) fn take(asked: &mut Vec<SnapshotReply>, journal: &Journal) -> Vec<SnapshotTaken> {
    let each = asked.drain(..).map(|reply_to| SnapshotTaken { reply_to, snapshot: journal.snapshot() });
    each.collect()
}

impl Embedded {
    /// The log as it is now: everything that was answered before this was asked is in it. As long as it is kept, no
    /// segment in it is freed.
    ///
    /// # Errors
    /// [`BackupError`]: the store is closed, or its checkpoint cannot be opened.
    pub async fn snapshot(&self) -> Result<Snapshot, BackupError> {
        let (reply_to, reply) = oneshot::channel();
        self.shared.orders.put(Message::Snapshot(reply_to)).map_err(|_| BackupError::Closed)?;
        self.engine.asked();
        Ok(reply.await.map_err(|_| BackupError::Closed)??)
    }
}
