//! Copies of the store while it is served. Where they go was said when the server was started: nothing that a request says
//! becomes a path.

use kew_model::BackupRefusal;
use kew_wire::backup::BackupView;
use kew_wire::{Fault, Kind, envelope};

use crate::operations::Call;

/// Begins a copy; it goes on when the request is over.
pub(super) fn start(call: &Call<'_>) -> Result<Vec<u8>, Fault> {
    let backups = call.house.settings().backups.as_ref().ok_or_else(|| Fault::new(Kind::BackupsOff))?;
    match backups.start() {
        Ok(backup) => Ok(envelope::success_of(&BackupView::of(&backup))),
        Err(BackupRefusal::Running) => Err(Fault::new(Kind::BackupRunning)),
        Err(BackupRefusal::Failed(reason)) => Err(Fault::new(Kind::InternalError).caused_by(reason)),
    }
}

/// Shows the copy that was begun last.
pub(super) fn show(call: &Call<'_>) -> Result<Vec<u8>, Fault> {
    let backups = call.house.settings().backups.as_ref().ok_or_else(|| Fault::new(Kind::BackupsOff))?;
    let latest = backups.latest().ok_or_else(|| Fault::new(Kind::BackupNotFound))?;
    Ok(envelope::success_of(&BackupView::of(&latest)))
}
