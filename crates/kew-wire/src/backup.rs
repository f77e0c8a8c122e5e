//! Copies of the store, as they are shown. Kew's own calls (design §8.20); the vendor has none.

use kew_model::{Backup, BackupState};
use serde::{Deserialize, Serialize};

use crate::text::rfc3339;

/// A copy, finished or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct BackupView {
    /// The name of its folder among the copies.
    pub name: String,
    /// `running`, `done` or `failed`.
    pub state: String,
    /// When it was begun, in RFC 3339.
    pub started_on: String,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Bytes that there are to copy.
    pub total_bytes: u64,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl BackupView {
    /// As clients see it.
    #[must_use]
    pub fn of(backup: &Backup) -> Self {
        let (state, error) = match &backup.state {
            BackupState::Running => ("running", None),
            BackupState::Done => ("done", None),
            BackupState::Failed(reason) => ("failed", Some(reason.clone())),
        };
        Self {
            name: backup.name.clone(),
            state: state.to_owned(),
            started_on: rfc3339(backup.started_on),
            copied_bytes: backup.copied_bytes,
            total_bytes: backup.total_bytes,
            error,
        }
    }
}
