//! Where `kew serve` keeps backups: each in a folder of its own, named by the time at which it was begun.
//!
//! The folder is a setting; requests say nothing of it. A backup is made under a name that ends in `.partial`, and gets its
//! own once it is complete and synced. Its keys are new: leases that were given after it was taken could otherwise mean
//! other leases of a store that goes on from it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, bail};
use kew_embedded::Embedded;
use kew_journal::{Disk, RealDisk, Snapshot};
use kew_model::{Backup, BackupRefusal, BackupState, Backups, Chance, Clock};
use kew_wire::lease_id::KeyRing;
use kew_wire::rfc3339;
use tokio::runtime::Handle;

use crate::private_file;

/// The ending of a backup that is not complete.
const PARTIAL: &str = "partial";
/// The file of the keys in a store's folder.
const KEYS: &str = "keys";

/// Makes backups of one store in one folder.
#[derive(Debug, Clone)]
pub(crate) struct BackupFolder(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    broker: Embedded,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    runtime: Handle,
    latest: Mutex<Option<Backup>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupFolder").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl BackupFolder {
    /// Backups of `broker` in `folder`, which is made when absent. Called in the server's runtime.
    ///
    /// # Errors
    /// A folder that cannot be made, or that lies in the store's own.
    pub(crate) fn new(
        folder: &Path,
        data: &Path,
        broker: Embedded,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
    ) -> anyhow::Result<Self> {
        let cannot = || format!("cannot make the folder of backups {}", folder.display());
        RealDisk::new(folder).create_folder("").with_context(cannot)?;
        let (folder, data) = (fs::canonicalize(folder).with_context(cannot)?, fs::canonicalize(data)?);
        if folder.starts_with(&data) {
            bail!("backup_folder: {} lies in the store's own folder; name one elsewhere", folder.display());
        }
        let (runtime, latest) = (Handle::current(), Mutex::default());
        Ok(Self(Arc::new(Inner { folder, broker, clock, chance, runtime, latest })))
    }
}

impl Backups for BackupFolder {
    fn start(&self) -> Result<Backup, BackupRefusal> {
        let inner = Arc::clone(&self.0);
        let mut latest = inner.latest();
        if latest.as_ref().is_some_and(|backup| backup.state == BackupState::Running) {
            return Err(BackupRefusal::Running);
        }
        let started_on = inner.clock.now();
        let name = inner.free_name(&rfc3339(started_on));
        let (copied_bytes, total_bytes) = (0, 0);
        let backup =
            Backup { name: name.clone(), started_on, state: BackupState::Running, copied_bytes, total_bytes };
        let worker = Arc::clone(&inner);
        let spawned = thread::Builder::new().name("kew-backup".to_owned()).spawn(move || worker.run(&name));
        spawned.map_err(|error| BackupRefusal::Failed(format!("cannot start a thread: {error}")))?;
        *latest = Some(backup.clone());
        Ok(backup)
    }

    fn latest(&self) -> Option<Backup> {
        self.0.latest().clone()
    }
}

impl Inner {
    fn latest(&self) -> MutexGuard<'_, Option<Backup>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Backup)) {
        self.latest().as_mut().map(change);
    }

    /// The time without what file systems and shells dislike; numbered when two backups began in one second.
    fn free_name(&self, moment: &str) -> String {
        let digits: String = moment.chars().filter(char::is_ascii_alphanumeric).take(15).collect();
        let taken = |name: &str| {
            [self.folder.join(name), self.folder.join(format!("{name}.{PARTIAL}"))]
                .iter()
                .any(|path| path.exists())
        };
        let numbered = (2..).map(|number| format!("{digits}Z-{number}"));
        std::iter::once(format!("{digits}Z")).chain(numbered).find(|name| !taken(name)).unwrap_or(digits)
    }

    fn run(&self, name: &str) {
        let partial = self.folder.join(format!("{name}.{PARTIAL}"));
        let state = match self.copy(name, &partial) {
            Ok(()) => {
                tracing::info!(folder = %self.folder.join(name).display(), "a backup is complete");
                BackupState::Done
            }
            Err(error) => {
                // Made above and by nobody else; what cannot be removed keeps a name that says what it is.
                let _ = fs::remove_dir_all(&partial);
                let reason = format!("{error:#}");
                tracing::error!(%reason, "a backup failed");
                BackupState::Failed(reason)
            }
        };
        self.change(|backup| backup.state = state);
    }

    fn copy(&self, name: &str, partial: &Path) -> anyhow::Result<()> {
        let snapshot = self.runtime.block_on(self.broker.snapshot())?;
        let disk = RealDisk::new(&self.folder);
        require_room(&snapshot, &disk)?;
        self.change(|backup| backup.total_bytes = snapshot.bytes());
        let copied = snapshot.copy_to(&RealDisk::new(partial), &mut |bytes| {
            self.change(|backup| backup.copied_bytes = bytes);
            true
        });
        copied.context("the copy broke off")?;
        private_file::replace(&partial.join(KEYS), &KeyRing::generate(&*self.chance).format())?;
        disk.rename(&format!("{name}.{PARTIAL}"), name).context("cannot name the backup")?;
        File::open(&self.folder)?.sync_all().context("cannot sync the folder of backups")
    }
}

/// A backup must not fill the volume that the store itself may lie on.
fn require_room(snapshot: &Snapshot, disk: &dyn Disk) -> anyhow::Result<()> {
    let space = disk.space().context("cannot look at the free space")?;
    let needed = snapshot.bytes();
    if space.free_bytes.saturating_sub(needed) < (space.total_bytes / 20).min(1 << 30) {
        bail!(
            "{needed} bytes are needed, and {} are free, of which 5 % of the volume are kept",
            space.free_bytes
        );
    }
    Ok(())
}
