//! Everything about the disk that the writer does not wait for: reading for it, preparing segments, keeping
//! checkpoints and indexes, watching the free space. Two threads, so that a long write delays no read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kew_journal::{CheckpointWriter, Cut, Preparer, SegmentId, Step};
use kew_model::{Error, Pulled};
use tokio::sync::oneshot;

use crate::archive::Archive;
use crate::budget::Room;
use crate::checkpoint;
use crate::command::{BacklogSeen, Input, OldestSeen, Picks};
use crate::driver::Message;
use crate::fetch::{Fetch, Part};
use crate::index::SegmentIndex;
use crate::mailbox::Mailbox;
use crate::options::Options;
use crate::pulled::{self, Unreadable};
use crate::shard::NoSpace;
use crate::shared::{Alarm, Shared};
use crate::snapshot::Snapshot;

/// How often it is tried again to prepare segments while there is too little space, or too many files are open.
const PREPARE_AGAIN: Duration = Duration::from_secs(1);

/// Work for the keeping thread.
#[derive(Debug)]
pub(crate) enum Task {
    /// Look whether segments want preparing.
    Prepare,
    /// Keep a checkpoint.
    Checkpoint(Cut, Box<Snapshot>),
    /// Keep a finished segment's index.
    Index(SegmentId, Arc<SegmentIndex>),
}

/// Work for the reading thread.
#[derive(Debug)]
pub(crate) enum Reading {
    /// For the writer.
    Fetch(Fetch),
    /// For an answer whose bytes are not in memory.
    Answer(Box<Unread>, oneshot::Sender<Result<Pulled, Error>>),
    /// For the cleaning of a segment, which nobody waits for.
    Part(Part),
}

impl Reading {
    /// What goes first: answers that wait for one message's time only, as those to pushes; last, what nobody waits for.
    fn turn(&self) -> u8 {
        match self {
            Self::Answer(unread, _) if !unread.picks.need_reading() => 0,
            Self::Answer(..) | Self::Fetch(_) => 1,
            Self::Part(_) => 2,
        }
    }
}

/// An answer whose bytes, or whose oldest time, must be read first.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) backlog: BacklogSeen,
    pub(crate) picks: Picks,
    /// What it counts for while it waits, given back when it is dropped.
    #[expect(dead_code, reason = "held for as long as the rest of it, and never looked at")]
    pub(crate) room: Room,
}

/// The hand-off to the two threads.
#[derive(Debug)]
pub(crate) struct Keeper {
    tasks: Mailbox<Task>,
    readings: Mailbox<Reading>,
    space: Mutex<SpaceSeen>,
}

/// What the volume's free space means.
#[derive(Debug, Clone, Copy, Default)]
struct SpaceSeen {
    no_space: Option<NoSpace>,
    /// Whether it may soon be too little.
    is_scarce: bool,
}

impl Keeper {
    pub(crate) fn new() -> Self {
        Self { tasks: Mailbox::new(), readings: Mailbox::new(), space: Mutex::default() }
    }

    pub(crate) fn give(&self, task: Task) {
        // After the close nobody keeps anything, which the close itself makes up for.
        drop(self.tasks.put(task));
    }

    pub(crate) fn fetch(&self, fetch: Fetch) {
        drop(self.readings.put(Reading::Fetch(fetch)));
    }

    pub(crate) fn read_part(&self, part: Part) {
        drop(self.readings.put(Reading::Part(part)));
    }

    /// Has an answer read; gives the request back when nobody reads any more.
    pub(crate) fn read(
        &self,
        unread: Box<Unread>,
        reply_to: oneshot::Sender<Result<Pulled, Error>>,
    ) -> Result<(), Box<Unread>> {
        match self.readings.put(Reading::Answer(unread, reply_to)) {
            Err(Reading::Answer(unread, _)) => Err(unread),
            _ => Ok(()),
        }
    }

    /// The threads end once they have done what they have.
    pub(crate) fn close(&self) {
        self.tasks.close();
        self.readings.close();
    }

    /// Whether, and by how much, the volume is too full for pushes.
    pub(crate) fn no_space(&self) -> Option<NoSpace> {
        self.space.lock().unwrap_or_else(PoisonError::into_inner).no_space
    }

    /// Whether the volume has less than twice of what pushes need.
    pub(crate) fn is_scarce(&self) -> bool {
        self.space.lock().unwrap_or_else(PoisonError::into_inner).is_scarce
    }

    /// Looks at the free space. A volume that does not say is taken to have enough: a write will tell.
    pub(crate) fn look_at_space(&self, archive: &Archive, options: &Options) {
        let seen = archive.reader().space().ok().map(|space| {
            let needed_bytes = options.needed_bytes(space);
            // The segments that pushes leave free may be such that are there already.
            let spare_bytes = archive.reader().spare_bytes().min(2 * u64::from(options.segment_bytes));
            let free_bytes = space.free_bytes.saturating_add(spare_bytes);
            SpaceSeen {
                no_space: (free_bytes < needed_bytes).then_some(NoSpace { free_bytes, needed_bytes }),
                is_scarce: free_bytes < needed_bytes.saturating_mul(2),
            }
        });
        *self.space.lock().unwrap_or_else(PoisonError::into_inner) = seen.unwrap_or_default();
    }
}

/// Reads what the writer and the askers need from the disk.
#[derive(Debug)]
pub(crate) struct Fetcher {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) archive: Archive,
    pub(crate) shared: Arc<Shared>,
}

impl Fetcher {
    /// Reads on until the hand-off closes.
    pub(crate) fn run(&self) {
        let _alarm = Alarm { shared: Arc::clone(&self.shared), thread: "reader" };
        while self.read(None) || !self.keeper.readings.is_closed() {}
    }

    /// Waits for requests and serves them; false when there were none.
    pub(crate) fn read(&self, patience: Option<Duration>) -> bool {
        let mut readings = self.keeper.readings.take(patience).items;
        readings.sort_by_key(Reading::turn);
        let any = !readings.is_empty();
        for reading in readings {
            match reading {
                Reading::Fetch(fetch) => {
                    let fetched = self.archive.fetch(fetch);
                    self.tell(Input::Fetched(fetched));
                }
                Reading::Part(part) => self.tell(Input::Sliced(part.segment, self.archive.slice(part))),
                // Whoever asked may have gone; the lease stands until it ends.
                Reading::Answer(_, reply_to) if reply_to.is_closed() => {}
                Reading::Answer(unread, reply_to) => {
                    drop(reply_to.send(self.answer(*unread)));
                }
            }
        }
        any
    }
}

impl Fetcher {
    /// Reads an answer. Damage ends the store; a read that failed leaves the leases to end by themselves.
    fn answer(&self, unread: Unread) -> Result<Pulled, Error> {
        let oldest = unread.backlog.oldest;
        match pulled::answer(&self.archive, unread) {
            Ok(pulled) => {
                if let (OldestSeen::Unread(locator), Some(sent_at)) = (oldest, pulled.backlog.oldest) {
                    self.tell(Input::OldestRead(locator.queue, locator.sequence, sent_at));
                }
                Ok(pulled)
            }
            Err(Unreadable { queue, error }) => {
                let cause = error.to_string();
                if !matches!(error, kew_journal::Error::Disk { .. }) {
                    self.tell(Input::Damaged(queue, error));
                }
                Err(Error::OutcomeUnknown { cause })
            }
        }
    }

    /// Brings it to the desk; a store that has ended needs to know nothing.
    fn tell(&self, input: Input) {
        if self.shared.inbox.put(input).is_ok() {
            self.shared.attend();
        }
    }
}

/// Keeps checkpoints and indexes, and prepares segments.
#[derive(Debug)]
pub(crate) struct Housekeeper {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) archive: Archive,
    pub(crate) shared: Arc<Shared>,
    pub(crate) checkpoints: CheckpointWriter,
    pub(crate) preparer: Preparer,
    /// Whether the last try to prepare segments met too many open files.
    pub(crate) lacks_files: bool,
    pub(crate) options: Options,
}

impl Housekeeper {
    /// Keeps on until the hand-off closes.
    pub(crate) fn run(&mut self) {
        let _alarm = Alarm { shared: Arc::clone(&self.shared), thread: "keeper" };
        loop {
            let waits = self.lacks_files || self.keeper.no_space().is_some();
            let patience = waits.then_some(PREPARE_AGAIN);
            if !self.keep(patience) && self.keeper.tasks.is_closed() {
                return;
            }
        }
    }

    /// Waits for tasks and does them; false when there were none.
    pub(crate) fn keep(&mut self, patience: Option<Duration>) -> bool {
        let Self { keeper, archive, shared, checkpoints, options, .. } = self;
        let tasks = keeper.tasks.take(patience).items;
        let any = !tasks.is_empty();
        for task in tasks {
            let told = match task {
                Task::Prepare => continue,
                Task::Checkpoint(cut, snapshot) => {
                    let written = checkpoints.write(&cut, move |out| {
                        // Once it is written, and before the sync, nothing is copied any more when it changes.
                        checkpoint::encode(&snapshot, out)
                    });
                    let kept = written.map(|bytes| shared.meter.note_checkpoint_bytes(bytes));
                    Message::CheckpointKept(kept.map_err(|error| error.to_string()))
                }
                Task::Index(segment, index) => {
                    let kept = match archive.keep_index(segment, &index) {
                        // It was freed meanwhile, and its index with it.
                        Err(kew_journal::Error::Gone { .. }) => Ok(()),
                        kept => kept,
                    };
                    Message::IndexKept(segment, kept.map_err(|error| error.to_string()))
                }
            };
            drop(shared.orders.put(told));
        }
        keeper.look_at_space(archive, options);
        self.prepare();
        any
    }

    /// Prepares what there is to prepare.
    fn prepare(&mut self) {
        let mut step = Ok(Step::Worked);
        while matches!(step, Ok(Step::Worked)) && !self.keeper.tasks.is_closed() {
            step = self.preparer.step();
        }
        let lacked_files = core::mem::replace(&mut self.lacks_files, matches!(step, Ok(Step::NoFiles)));
        if self.lacks_files && !lacked_files {
            tracing::warn!("too many files are open to prepare the log's next segment; it is tried again");
        }
        if let Err(error) = step {
            // The log takes nothing more, also when the writer has nothing to write and would not notice.
            drop(self.shared.orders.put(Message::Failed(error.to_string())));
        }
    }
}
