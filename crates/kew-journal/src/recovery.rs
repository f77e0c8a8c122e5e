//! Opening a store: from what a crash left behind to a journal that may be written again.
//!
//! The order is: a look whether the folder is ours, lock, identity, newest checkpoint, inventory of the log folder,
//! the chain of segments from the newest Start frame back to the checkpoint, every frame of it, and the judgement on
//! the last segment ([`tail`]): torn tail or damage. Frames that cannot be proven durable are copied to a new segment
//! and synced before anything is served; an old segment is never written again (J10). Every step may be cut short any
//! number of times: until the new segment has its name, the old state is what the next open finds. Rules in
//! docs/format-journal.md §8.

pub(crate) mod chain;
mod copy;
pub(crate) mod folder;
mod tail;

use std::io::Read;
use std::sync::Arc;

use crate::checkpoint::Cut;
use crate::committer::Committer;
use crate::disk::Disk;
use crate::error::Error;
use crate::frame::Frame;
use crate::journal::{Journal, Recovered};
#[cfg(feature = "mutants")]
use crate::options::Mutant;
use crate::options::Options;
use crate::pool::Pool;
use crate::position::{Lsn, Position, SegmentInfo};
use crate::preparer::Preparer;
use crate::reader::Reader;
#[cfg(feature = "mutants")]
use crate::seeded::{self, Bug};
use crate::segment::segment_name;
use crate::shared::{CHECKPOINT_FOLDER, LOG_FOLDER, Shared};
use crate::store_file;

use chain::Link;
use folder::Inventory;

/// Receives what the store holds, once, in order.
pub trait Replay {
    /// The newest checkpoint's payload, if there is one, to be read from its beginning to its end. Called at most once,
    /// first. It may be called although the open fails later, also since the payload changed under the hands.
    ///
    /// # Errors
    /// A text that says why the payload makes no sense; the open then fails with [`Error::Damage`].
    fn checkpoint(&mut self, covered: Lsn, payload: &mut dyn Read) -> Result<(), String>;

    /// Each payload after the checkpoint, in lsn order, at the position where it can be read from now on.
    ///
    /// # Errors
    /// As [`Replay::checkpoint`].
    fn frame(&mut self, frame: Frame<'_>) -> Result<(), String>;
}

/// An open store.
#[derive(Debug)]
pub struct Opened {
    /// Stages payloads.
    pub journal: Journal,
    /// Makes them durable.
    pub committer: Committer,
    /// Works ahead.
    pub preparer: Preparer,
    /// Reads them back.
    pub reader: Reader,
    /// What opening found and did.
    pub report: RecoveryReport,
    /// The segments of the log, oldest first. A segment that the checkpoint's state refers to and that is not
    /// among them was lost: only the caller can tell, since only the caller knows what lived in it.
    pub segments: Vec<SegmentInfo>,
}

/// What opening a store found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The store did not exist before.
    pub created: bool,
    /// The store's identity, as stored.
    pub store_id: [u8; 16],
    /// When the store was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// The last payload covered by the checkpoint that was used; 0 without one.
    pub checkpoint_lsn: Lsn,
    /// Why a newer checkpoint was passed over for this one.
    pub checkpoint_passed_over: Option<String>,
    /// Segments read frame by frame.
    pub segments_scanned: u64,
    /// Payloads handed to [`Replay::frame`].
    pub frames_replayed: u64,
    /// Payloads that were there but not proven durable, and were therefore copied to a new segment and synced.
    pub frames_copied: u64,
    /// Intact frames behind the end of the log, dropped because something before them is missing. None of their
    /// payloads was ever durable.
    pub frames_dropped: u64,
    /// Where the log was found to end.
    pub end: Position,
    /// Files that belonged to no part of the log any more, and were recycled or removed.
    pub leftovers: u64,
}

/// Opens the store on `disk`, creating it if the folder is empty, and replays it.
///
/// # Errors
/// [`Error::Locked`], [`Error::NotAStore`], [`Error::Version`] and [`Error::Damage`] leave the log as it was;
/// [`Error::Disk`] at any step leaves a state that the next open handles.
pub fn open(disk: Arc<dyn Disk>, mut options: Options, replay: &mut dyn Replay) -> Result<Opened, Error> {
    disk.create_folder("").map_err(|source| Error::disk("create", ".", source))?;
    store_file::look_before_locking(&*disk, &options)?;
    let lock = disk.lock(store_file::LOCK_NAME);
    let lock = lock.map_err(|source| Error::disk("lock", store_file::LOCK_NAME, source))?;
    let lock = lock.ok_or(Error::Locked)?;
    let created = store_file::open_or_create(&*disk, &mut options)?;
    let mut report = RecoveryReport {
        created,
        store_id: options.store_id,
        created_ms: options.created_ms,
        ..Default::default()
    };
    let pool = Pool { next_id: 1, ..Pool::default() };
    let shared = Arc::new(Shared::new(Arc::clone(&disk), &options, pool, lock));
    // Names that a killed process gave must not vanish in a later power cut, once they were acted upon.
    for folder in ["", LOG_FOLDER, CHECKPOINT_FOLDER] {
        disk.sync_folder(folder).map_err(|source| Error::disk("sync", folder, source))?;
    }
    let recovered = recover(&shared, replay, &mut report)?;
    let segments = recovered.chain.clone();
    Ok(Opened {
        journal: Journal::new(Arc::clone(&shared), recovered),
        committer: Committer::new(Arc::clone(&shared)),
        preparer: Preparer::new(Arc::clone(&shared)),
        reader: Reader::new(shared),
        report,
        segments,
    })
}

fn recover(
    shared: &Arc<Shared>,
    replay: &mut dyn Replay,
    report: &mut RecoveryReport,
) -> Result<Recovered, Error> {
    let mut loaded = folder::load_checkpoint(shared, replay, report)?;
    let passed_over = loaded.passed_over.take();
    let cut = &loaded.cut;
    let mut inventory = Inventory::take(shared, cut)?;
    // Where the log no longer reaches back to the older checkpoint, the newer one's damage is what is wrong.
    let chain = chain::find(&inventory, cut).map_err(|error| passed_over.unwrap_or(error))?;
    let mut run = Run { shared, cut, replay, report, recovered: Recovered::default() };
    run.recovered.chain.extend(inventory.covered_segments(cut, &chain)?);
    run.recovered.tail.last_lsn = cut.covered;
    run.replay_sealed(&chain)?;
    run.judge_tail(&mut inventory, &chain)?;
    let Run { recovered, report, .. } = run;
    inventory.keep(shared, &recovered);
    report.leftovers = inventory.clear(shared, &loaded)?;
    Ok(recovered)
}

/// One recovery under way.
struct Run<'a> {
    shared: &'a Arc<Shared>,
    cut: &'a Cut,
    replay: &'a mut dyn Replay,
    report: &'a mut RecoveryReport,
    recovered: Recovered,
}

impl Run<'_> {
    fn replay_frame(&mut self, frame: Frame<'_>) -> Result<(), Error> {
        self.report.frames_replayed += 1;
        let shown = self.replay.frame(frame);
        let place = frame.position;
        shown.map_err(|reason| Error::damage(&segment_name(place.segment), u64::from(place.offset), reason))
    }

    fn add_to_chain(&mut self, link: &Link, last_lsn: Lsn, end_offset: u32) {
        let first_lsn = link.previous.last_lsn.next();
        self.recovered.chain.push(SegmentInfo { id: link.segment.id, first_lsn, last_lsn, end_offset });
    }
}

#[cfg(feature = "mutants")]
impl Run<'_> {
    fn ignores_claims(&self) -> bool {
        self.shared.mutant == Some(Mutant::IgnoreDurableClaims) || seeded::is(Bug::IgnoreClaims)
    }

    fn trusts_tail(&self) -> bool {
        matches!(self.shared.mutant, Some(Mutant::ServeUnprovenTail | Mutant::AppendAfterTornTail))
            || seeded::is(Bug::ServeUnprovenTail)
    }

    fn append_in_place(&mut self, link: &Link, end_offset: u32) {
        if self.shared.mutant == Some(Mutant::AppendAfterTornTail)
            && self.recovered.tail.segment == link.segment.id
        {
            link.segment.set_end_offset(end_offset);
            self.recovered.tail.end_offset = end_offset;
            self.recovered.tail.epoch = link.epoch;
            self.recovered.active = Some(Arc::clone(&link.segment));
        }
    }
}

#[cfg(not(feature = "mutants"))]
#[expect(clippy::unused_self, reason = "the build with seeded bugs looks at the options")]
impl Run<'_> {
    const fn ignores_claims(&self) -> bool {
        false
    }

    const fn trusts_tail(&self) -> bool {
        false
    }

    const fn append_in_place(&mut self, _link: &Link, _end_offset: u32) {}
}
