//! Opening a store: replay the log into a state, then set the threads going.

use std::io::Read;
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::thread;

use kew_journal::{Disk, FLIGHTS_MAX, Frame, Lsn, Opened, Replay};
use kew_model::{Chance, Clock};
use tokio::sync::watch;

use crate::archive::Archive;
use crate::budget::Budget;
use crate::checkpoint;
use crate::clock::StoreClock;
use crate::desk::Desk;
use crate::driver::{Driver, Progress};
use crate::embedded::{Embedded, Engine, Threads};
use crate::keeper::{Fetcher, Housekeeper, Keeper};
use crate::mailbox::Mailbox;
use crate::meter::Meter;
use crate::options::Options;
use crate::shard::Shard;
use crate::shared::Shared;
use crate::signals::Signals;
use crate::state::{Applied, State};
use crate::under_way::UnderWay;
use crate::writers::Writers;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log could not be opened, or is damaged.
    #[error(transparent)]
    Log(#[from] kew_journal::Error),
    /// Messages that were answered for lie in a segment that is gone.
    #[error("damaged: log/{segment}.seg is gone, and {messages} messages in it")]
    SegmentLost {
        /// The segment.
        segment: kew_journal::SegmentId,
        /// How many live messages were in it.
        messages: u64,
    },
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Folds what the log gives out.
struct Fold {
    state: State,
    /// How many idempotency keys are remembered.
    keys: usize,
    /// The last frame that is not replayed.
    covered: Lsn,
}

impl Fold {
    fn new(keys: usize) -> Self {
        let mut state = State::default();
        state.bound_keys(keys);
        Self { state, keys, covered: Lsn::NONE }
    }
}

impl Replay for Fold {
    fn checkpoint(&mut self, covered: Lsn, payload: &mut dyn Read) -> Result<(), String> {
        self.covered = covered;
        self.state = checkpoint::decode(payload).map_err(|error| error.to_string())?;
        self.state.bound_keys(self.keys);
        Ok(())
    }

    fn frame(&mut self, frame: Frame<'_>) -> Result<(), String> {
        let Frame { lsn, position, payload } = frame;
        self.state.apply(Applied { lsn, position, payload, shared: None }).map_err(|error| error.to_string())
    }
}

/// The store's log and the state that it folds to.
pub(crate) fn recover(
    disk: Arc<dyn Disk>,
    options: &Options,
    clock: &dyn Clock,
    chance: &dyn Chance,
) -> Result<(Opened, State), OpenError> {
    let journal_options =
        kew_journal::Options::new(chance.id(), clock.now().0).with_segment_bytes(options.segment_bytes);
    #[cfg(feature = "mutants")]
    let journal_options = match options.mutant {
        Some(mutant) => journal_options.with_mutant(mutant),
        None => journal_options,
    };
    replay(disk, journal_options, options.idempotency_keys)
}

/// Opens the log and folds it.
pub(crate) fn replay(
    disk: Arc<dyn Disk>,
    journal_options: kew_journal::Options,
    idempotency_keys: usize,
) -> Result<(Opened, State), OpenError> {
    let mut fold = Fold::new(idempotency_keys);
    let opened = kew_journal::open(disk, journal_options, &mut fold)?;
    let Fold { mut state, covered, .. } = fold;
    state.take_effects();
    state.catalog.settle_names();
    let there = |segment| opened.segments.iter().any(|info| info.id == segment);
    if let Some((segment, live)) = state.live.iter().find(|(segment, _)| !there(**segment)) {
        return Err(OpenError::SegmentLost { segment: *segment, messages: live.messages });
    }
    // Replay went through these from their beginning, so that their indexes are complete. Others are made by scans.
    let whole = |segment| opened.segments.iter().any(|info| info.id == segment && info.first_lsn > covered);
    state.indexes.retain(|segment, _| whole(*segment));
    Ok((opened, state))
}

/// The parts of an open store, before anybody sets them going.
struct Parts {
    driver: Box<Driver>,
    fetcher: Fetcher,
    housekeeper: Housekeeper,
    shared: Arc<Shared>,
    archive: Archive,
    keeper: Arc<Keeper>,
    clock: StoreClock,
    report: Arc<kew_journal::RecoveryReport>,
}

fn assemble(
    disk: Arc<dyn Disk>,
    options: Options,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
) -> Result<Parts, OpenError> {
    let (opened, state) = recover(disk, &options, &*clock, &*chance)?;
    let Opened { journal, committer, preparer, reader, report, .. } = opened;
    let clock = StoreClock::starting_at(state.latest, clock);
    let archive = Archive::new(reader);
    let keeper = Arc::new(Keeper::new());
    keeper.look_at_space(&archive, &options);
    let checkpoints = journal.checkpoint_writer();
    let catalog = RwLock::new(state.catalog.clone());
    let progress = Progress::new(clock.now());
    let shared = Arc::new(Shared {
        inbox: Mailbox::new(),
        orders: Mailbox::new(),
        desk: Desk::new(Shard::new(state, journal, chance, &options)),
        budget: Budget::new(options.inbox_bytes),
        catalog,
        signals: Signals::default(),
        meter: Meter::new(clock.now(), &options),
        keeper: Arc::clone(&keeper),
        clock: clock.clone(),
        under_way: UnderWay::default(),
        writers: OnceLock::new(),
        called_from: Mutex::new(None),
        failure: watch::Sender::new(None),
    });
    let waker = Arc::downgrade(&shared);
    clock.on_jump(Arc::new(move || {
        if let Some(shared) = waker.upgrade() {
            shared.orders.wake();
        }
    }));
    let fetcher =
        Fetcher { keeper: Arc::clone(&keeper), archive: archive.clone(), shared: Arc::clone(&shared) };
    let housekeeper = Housekeeper {
        keeper: Arc::clone(&keeper),
        archive: archive.clone(),
        shared: Arc::clone(&shared),
        checkpoints: checkpoints.clone(),
        preparer,
        lacks_files: false,
        options: options.clone(),
    };
    let driver = Box::new(Driver { committer, checkpoints, options, shared: Arc::clone(&shared), progress });
    Ok(Parts { driver, fetcher, housekeeper, shared, archive, keeper, clock, report: Arc::new(report) })
}

impl Embedded {
    /// Opens the store in a folder, or makes one there if it is empty.
    ///
    /// # Errors
    /// [`OpenError`]: the folder is in use, no store, of a newer version, or damaged. Nothing is changed then.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: Options,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
    ) -> Result<Self, OpenError> {
        let Parts { driver, fetcher, mut housekeeper, shared, archive, keeper, clock, report } =
            assemble(disk, options, clock, chance)?;
        let thread = |name: &str| thread::Builder::new().name(name.to_owned());
        let threads = Arc::new(Threads { shared: Arc::clone(&shared), running: Mutex::default() });
        // The writers first: should another not start, they are told to close, and end those that did.
        let writers = Arc::new(Writers::new(driver));
        shared.writers.get_or_init(|| Arc::downgrade(&writers));
        for _ in 0..FLIGHTS_MAX {
            let writers = Arc::clone(&writers);
            threads.started(thread("kew-writer").spawn(move || writers.run())?);
        }
        threads.started(thread("kew-reader").spawn(move || fetcher.run())?);
        threads.started(thread("kew-keeper").spawn(move || housekeeper.run())?);
        Ok(Self { shared, archive, keeper, engine: Engine::Threads(threads), clock, report })
    }

    /// As [`Embedded::open`], but without threads: whoever asks does the work ([`crate::Inspect`] tells more).
    ///
    /// # Errors
    /// As [`Embedded::open`].
    #[cfg(feature = "test-util")]
    pub fn open_inline(
        disk: Arc<dyn Disk>,
        options: Options,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
    ) -> Result<Self, OpenError> {
        let Parts { driver, fetcher, housekeeper, shared, archive, keeper, clock, report } =
            assemble(disk, options, clock, chance)?;
        let inline = crate::inline::Inline::new(Writers::new(driver), fetcher, housekeeper);
        Ok(Self { shared, archive, keeper, engine: Engine::Inline(Arc::new(inline)), clock, report })
    }
}
