//! Copies of the store over the server's own calls: who may ask, and what is answered in each state.

use std::sync::{Arc, Mutex};

use kew_model::{Backup, BackupRefusal, BackupState, Backups, QueuePattern, Scope, Timestamp};
use kew_server::Settings;
use serde_json::json;

use crate::kew::Kew;

const BACKUPS: &str = "/kew/v1/backups";

/// Begins what is never done by itself.
#[derive(Debug, Default)]
struct InHand(Mutex<Option<Backup>>);

impl Backups for InHand {
    fn start(&self) -> Result<Backup, BackupRefusal> {
        let mut latest = self.0.lock().unwrap();
        if latest.as_ref().is_some_and(|backup| backup.state == BackupState::Running) {
            return Err(BackupRefusal::Running);
        }
        let backup = Backup {
            name: "one".into(),
            started_on: Timestamp(0),
            state: BackupState::Running,
            copied_bytes: 0,
            total_bytes: 7,
        };
        *latest = Some(backup.clone());
        Ok(backup)
    }

    fn latest(&self) -> Option<Backup> {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_backup_is_begun_once_and_shown_in_each_state() {
    let backups = Arc::new(InHand::default());
    let kew = Kew::start_with(Settings { backups: Some(backups.clone()), ..Settings::default() }).await;
    assert_eq!(kew.call("GET", BACKUPS, "").await.failure(), (404, 19_028));

    let begun = kew.call("POST", BACKUPS, "").await;
    let shown = json!({
        "name": "one", "state": "running", "started_on": "1970-01-01T00:00:00.000Z",
        "copied_bytes": 0, "total_bytes": 7, "error": null,
    });
    assert_eq!(begun.envelope()["result"], shown);
    assert_eq!(kew.call("POST", BACKUPS, "").await.failure(), (409, 19_027));
    assert_eq!(kew.call("GET", BACKUPS, "").await.envelope()["result"], shown);

    backups.0.lock().unwrap().as_mut().unwrap().state = BackupState::Failed("no room".into());
    let failed = kew.call("GET", BACKUPS, "").await.envelope()["result"].clone();
    assert_eq!((&failed["state"], &failed["error"]), (&json!("failed"), &json!("no room")));
    kew.call("POST", BACKUPS, "").await.expect(200);
}

#[tokio::test]
async fn a_server_without_a_place_for_them_says_so_and_others_may_not_ask() {
    let mut kew = Kew::start().await;
    for method in ["POST", "GET"] {
        assert_eq!(kew.call(method, BACKUPS, "").await.failure(), (409, 19_026));
    }
    kew.admin = kew.token(&[Scope::Read, Scope::Write, Scope::Push, Scope::Consume], QueuePattern::All).await;
    for method in ["POST", "GET"] {
        assert_eq!(kew.call(method, BACKUPS, "").await.failure(), (403, 10_000));
    }
}
