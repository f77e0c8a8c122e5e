//! The store's folder: opened once, with the keys that seal lease ids beside it.
//!
//! Whatever keeps a folder from being opened becomes one line that names the folder and the reason.
//!
//! A store belongs to the command that made it: what `kew dev` leaves must not come into service with accounts that
//! nobody chose, and a token that everybody knows must not open what `kew serve` keeps. Nothing is stored for that. The
//! account that was made first tells, since that of `kew dev` has an id of its own.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use kew_embedded::{Embedded, OpenError, Options};
use kew_journal::{Error, RealDisk};
use kew_model::{Broker, Chance, Clock};
use kew_wire::lease_id::KeyRing;

use crate::chance::SystemChance;
use crate::clock::SystemClock;
use crate::{dev, private_file};

/// The file of the lease keys.
const KEYS: &str = "keys";
/// The file that the journal holds a lock on.
const LOCK: &str = "LOCK";

/// What to do about a folder that is not to be used.
const ANOTHER: &str = "; name another folder with --data";

/// What to do about a store that is damaged.
pub(crate) const DAMAGED: &str = "; a restart does not help: restore the folder from a copy, or save what is whole: \
    kew check --data DIR --salvage NEW_DIR";

/// The commands that keep a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// `kew dev`.
    Dev,
    /// `kew serve`.
    Serve,
}

/// An open store.
pub(crate) struct Store {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// The engine.
    pub(crate) broker: Embedded,
    /// The keys of lease ids.
    pub(crate) keys: KeyRing,
    /// The time that all of it goes by: the store's own, which stands behind none of its records.
    pub(crate) clock: Arc<dyn Clock>,
    /// The source of its ids and secrets.
    pub(crate) chance: Arc<dyn Chance>,
}

impl Keeper {
    /// The command that made a store; `None` before its first account.
    fn of(broker: &Embedded) -> Option<Self> {
        let first = broker.accounts().into_iter().next()?;
        Some(if first.id == dev::ACCOUNT { Self::Dev } else { Self::Serve })
    }

    /// What a folder of the other command is, and why this one does not take it.
    fn refusal(self) -> &'static str {
        match self {
            Self::Dev => "was made by kew serve, and kew dev would open it to a token that everybody knows",
            Self::Serve => "was made by kew dev, and kew serve does not go on with its account",
        }
    }
}

impl Store {
    /// Opens the store in a folder, which is made when absent.
    ///
    /// # Errors
    /// A folder that cannot be made or written to, that another process has open, that holds something else, that is
    /// from a newer Kew, that is damaged, or that another command than `keeper` made.
    pub(crate) async fn open(folder: &Path, keeper: Keeper) -> anyhow::Result<Self> {
        if folder.exists() && !folder.is_dir() {
            bail!("cannot open the store in {}: it is a file and no folder{ANOTHER}", folder.display());
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let chance: Arc<dyn Chance> = Arc::new(SystemChance);
        let disk = Arc::new(RealDisk::new(folder));
        let clock = Arc::new(SystemClock::start());
        let opened = Embedded::open(disk, Options::default(), clock, Arc::clone(&chance));
        let broker = opened.map_err(|error| explain(folder, error))?;
        log_recovery(&broker);
        if Keeper::of(&broker).is_some_and(|maker| maker != keeper) {
            broker.close().await.context("cannot close the store")?;
            bail!("{} {}{ANOTHER}", folder.display(), keeper.refusal());
        }
        let keys = read_or_make_keys(folder, &*chance, broker.report().created)?;
        let clock = broker.clock();
        Ok(Self { folder: folder.to_owned(), broker, keys, clock, chance })
    }
}

fn log_recovery(broker: &Embedded) {
    let report = broker.report();
    if report.frames_copied > 0 || report.frames_dropped > 0 {
        tracing::info!(
            frames_copied = report.frames_copied,
            frames_dropped = report.frames_dropped,
            "the store was recovered as it was opened"
        );
    }
    tracing::debug!(
        created = report.created,
        checkpoint_lsn = report.checkpoint_lsn.0,
        frames_replayed = report.frames_replayed,
        "the store is open"
    );
    if let Some(reason) = &report.checkpoint_passed_over {
        let instead = match report.checkpoint_lsn.0 {
            0 => "no checkpoint could be used; the log was read from its beginning",
            _ => "the newest checkpoint could not be used; the one before it was",
        };
        tracing::warn!(reason, "{instead}");
    }
}

/// Reads the keys; a file of an older version is written anew. One that is not there is made.
fn read_or_make_keys(folder: &Path, chance: &dyn Chance, is_new: bool) -> anyhow::Result<KeyRing> {
    let path = folder.join(KEYS);
    let text = private_file::read(&path)?;
    let keys = match &text {
        Some(text) => KeyRing::parse(text).map_err(|reason| {
            let advice =
                "bring the file from a copy, or move it away: lease ids given before then open nothing";
            anyhow!("cannot use {}: {reason}; {advice}", path.display())
        })?,
        None => KeyRing::generate(chance),
    };
    if text.is_none() && !is_new {
        tracing::warn!(
            "the file keys was missing and is made anew: lease ids and refs given before open nothing"
        );
    }
    match text {
        None => private_file::replace(&path, &keys.format())?,
        Some(text) if text == keys.format() => {}
        // It may be tried again at every start.
        Some(_) => drop(private_file::replace(&path, &keys.format()).inspect_err(|error| {
            tracing::warn!(%error, "the file keys is of an older version and could not be written anew");
        })),
    }
    Ok(keys)
}

fn explain(folder: &Path, error: OpenError) -> anyhow::Error {
    let advice = match &error {
        OpenError::Log(Error::Locked) => {
            holder(folder).map_or_else(String::new, |process| format!(" (process {process})"))
        }
        OpenError::Log(Error::NotAStore { .. }) => ANOTHER.to_owned(),
        OpenError::Log(Error::Version { .. }) => {
            ": it was written by a newer Kew, or is damaged; take that Kew, or restore the folder from a copy"
                .to_owned()
        }
        OpenError::Log(Error::Damage { .. }) | OpenError::SegmentLost { .. } => DAMAGED.to_owned(),
        OpenError::Log(_) | OpenError::Thread(_) => String::new(),
    };
    anyhow!("cannot open the store in {}: {error}{advice}", folder.display())
}

/// The process that holds a lock on the folder, as far as the system tells.
fn holder(folder: &Path) -> Option<u32> {
    let inode = fs::metadata(folder.join(LOCK)).ok()?.ino();
    holder_in(&fs::read_to_string("/proc/locks").ok()?, inode)
}

/// Finds the process in lines as `1: FLOCK  ADVISORY  WRITE 4242 08:01:1234 0 EOF`.
fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let kind = fields.next()?;
        let process = fields.nth(2)?.parse().ok()?;
        let locked: u64 = fields.next()?.rsplit(':').next()?.parse().ok()?;
        (kind == "FLOCK" && locked == inode).then_some(process)
    })
}

#[cfg(test)]
mod tests {
    use kew_model::{Seconds, Timestamp};

    use super::*;

    #[test]
    fn a_key_file_without_a_checksum_gets_one_and_one_that_has_changed_is_refused() {
        // Given a key file of the first version
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEYS);
        let key = "1f".repeat(32);
        fs::write(&path, format!("kew-keys 1\n0 {key}\n")).unwrap();

        // When it is read, then it is written anew, with the same key, and not again
        let keys = read_or_make_keys(folder.path(), &SystemChance, false).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("kew-keys 2\n") && text.contains(&key));
        let again = read_or_make_keys(folder.path(), &SystemChance, false).unwrap();
        assert_eq!(again.format(), keys.format());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);

        // When a digit of the key is another one, then it is refused and left alone
        let changed = text.replacen("1f", "2f", 1);
        fs::write(&path, &changed).unwrap();
        let refused = read_or_make_keys(folder.path(), &SystemChance, false).unwrap_err();
        assert!(format!("{refused:#}").contains("checksum"), "{refused:#}");
        assert_eq!(fs::read_to_string(&path).unwrap(), changed);
    }

    /// A clock that stands still.
    struct Still(Timestamp);

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    #[tokio::test]
    async fn all_goes_by_the_stores_clock_when_the_wall_clock_was_set_back() {
        // Given a store that was last written to while the wall clock stood a day ahead
        let folder = tempfile::tempdir().unwrap();
        let tomorrow = SystemClock::start().now().after(Seconds(86_400));
        let disk = Arc::new(RealDisk::new(folder.path()));
        let clock = Arc::new(Still(tomorrow));
        let store = Embedded::open(disk, Options::default(), clock, Arc::new(SystemChance)).unwrap();
        store.create_account(None, "default".to_owned()).await.unwrap();
        store.close().await.unwrap();

        // When it is opened today
        let store = Store::open(folder.path(), Keeper::Serve).await.unwrap();

        // Then a token that ended tomorrow has ended
        assert!(store.clock.now() >= tomorrow);
        store.broker.close().await.unwrap();
    }

    #[test]
    fn the_holder_of_a_lock_is_found_by_the_file() {
        let locks = "1: POSIX  ADVISORY  READ 11 08:01:99 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 4242 08:01:1234 0 EOF\n";
        assert_eq!(holder_in(locks, 1234), Some(4242));
        assert_eq!(holder_in(locks, 99), None);
    }
}
