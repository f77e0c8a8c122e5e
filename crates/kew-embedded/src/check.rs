//! Looks at a whole store that nobody has open, changes nothing, and says what is wrong with it.
//!
//! The store is opened as a server would open it, over a copy of its names in memory, so that what a start would come to
//! is known. Then everything is read: each checkpoint, each index, each frame of each segment, and each message that
//! lives, where the state says that it lies. Where the store cannot be opened the state is put together from what is
//! intact (`rescue`), so that what is lost still has names: a queue and its messages. `salvage` copies the rest.

mod rescue;
mod salvage;
mod witness;

use std::sync::Arc;

use kew_journal::{CheckpointSeen, Disk, Error, Examination, Finding, Lsn, Overlay, SegmentId};
use kew_model::{AccountId, QueueId, QueueName, QueueNumber};

use crate::open::{OpenError, replay};
use crate::options::Options;
use crate::queue::QueueState;
use crate::queue::runs::Phase;
use crate::state::State;

pub use salvage::{Salvaged, salvage};
use witness::Witness;

/// Where a long look stands: a stage, and bytes of how many.
pub type Progress<'a> = dyn FnMut(Stage, u64, u64) + 'a;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Opening the store, over names in memory.
    Opening,
    /// Putting a state together from what is intact.
    Rescuing,
    /// Reading every frame.
    Reading,
    /// Replaying the log over the checkpoint before the newest.
    Replaying,
}

/// Messages in a row that were promised and are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Their queue.
    pub queue: QueueLabel,
    /// The first and the last of them, by sequence.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// How many of those in between live and cannot be read.
    pub messages: u64,
    /// The segment that should hold them, if the state says so.
    pub segment: Option<SegmentId>,
}

/// A queue by all its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueLabel {
    /// Its number in the log.
    pub number: QueueNumber,
    /// Its account, unless what told of it is lost.
    pub account: Option<AccountId>,
    /// Its id, likewise.
    pub id: Option<QueueId>,
    /// Its name, likewise.
    pub name: Option<QueueName>,
}

/// A queue and its messages.
#[derive(Debug, Clone)]
pub struct QueueSeen {
    /// Which.
    pub queue: QueueLabel,
    /// Messages that live.
    pub messages: u64,
    /// What they count for in the backlog, in bytes.
    pub bytes: u64,
    /// Those that are leased.
    pub leased: u64,
    /// Those that were held back and not delivered yet.
    pub delayed: u64,
    /// Those that live and were read.
    pub readable: u64,
}

/// Whether the log leads from one checkpoint to the state that the next one holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayOutcome {
    /// It does, from the payload on that the older one covers.
    Agrees(Lsn),
    /// There is one checkpoint, or none.
    NoOther,
    /// The log does not reach back to the other one, for what it held is gone.
    OutOfReach,
    /// It does not; the queues that differ.
    Differs(Vec<String>),
}

/// What there is in a store, and what is wrong.
#[derive(Debug, Clone)]
pub struct Report {
    /// What the log consists of, and what is wrong with its files.
    pub log: Examination,
    /// Why a server would not open it, if it would not.
    pub refusal: Option<String>,
    /// Payloads behind the last that is known to have been answered, which a start keeps.
    pub frames_unproven: u64,
    /// Payloads that a crash cut short and a start drops.
    pub frames_dropped: u64,
    /// Accounts.
    pub accounts: usize,
    /// Credentials.
    pub tokens: usize,
    /// The queues by their numbers.
    pub queues: Vec<QueueSeen>,
    /// Messages that are lost.
    pub losses: Vec<Loss>,
    /// Rules of the state that do not hold.
    pub violations: Vec<String>,
    /// Whether the log and the checkpoints agree.
    pub replay: ReplayOutcome,
    /// Live messages by segment.
    pub live: Vec<(SegmentId, u64)>,
}

impl Report {
    /// Whether everything is as it was written. Notes that hurt nobody do not count.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.refusal.is_none()
            && self.losses.is_empty()
            && self.violations.is_empty()
            && !matches!(self.replay, ReplayOutcome::Differs(_))
            && !self.damage().any(|_| true)
    }

    /// The places in files that are damaged.
    pub fn damage(&self) -> impl Iterator<Item = &Finding> {
        self.log.findings.iter().filter(|finding| finding.is_damage)
    }

    /// The checkpoints, the newest first.
    #[must_use]
    pub fn checkpoints(&self) -> &[CheckpointSeen] {
        &self.log.checkpoints
    }

    /// Live messages that could be read, over all queues.
    #[must_use]
    pub fn readable(&self) -> u64 {
        self.queues.iter().map(|queue| queue.readable).sum()
    }
}

/// Checks the store on `disk`, of which nothing is changed.
///
/// # Errors
/// [`OpenError`] for what is no damage: a store that is open, that a newer Kew wrote, a folder that is none, or a disk that
/// refuses to list or open files.
pub fn check(disk: Arc<dyn Disk>, progress: &mut Progress<'_>) -> Result<Report, OpenError> {
    let overlay = Overlay::over(disk)?;
    let mut known = know(&overlay, progress)?;
    let mut witness = Witness::new(&known.state, known.refusal.is_some(), progress, None);
    let log = kew_journal::examine(Arc::clone(&known.disk), &mut witness)?;
    let seen = witness.finish();
    // The log was told apart from a torn tail as it was opened, so what is looked at here has none.
    let mut report = known.report(log, seen);
    if report.refusal.is_none() && report.losses.is_empty() && report.damage().next().is_none() {
        report.replay = replay_older(&overlay, &mut known, &report.log, progress);
    }
    Ok(report)
}

/// The state of a store, as well as it can be known.
struct Known {
    state: State,
    /// The disk on which the state's places are right.
    disk: Arc<dyn Disk>,
    refusal: Option<String>,
    frames_unproven: u64,
    frames_dropped: u64,
    /// What is lost for want of a place.
    lost: Vec<Loss>,
    /// Where the log breaks off, if it does: what follows was applied as far as it makes sense.
    broken_at: Option<Lsn>,
}

/// Opens the store over names in memory; puts a state together where that is refused.
fn know(overlay: &Overlay, progress: &mut Progress<'_>) -> Result<Known, OpenError> {
    progress(Stage::Opening, 0, 0);
    let disk: Arc<dyn Disk> = Arc::new(overlay.fresh());
    // A store is never made here: the options stand for nothing.
    let listed =
        disk.list("").map_err(|source| Error::Disk { operation: "list", file: ".".into(), source })?;
    if listed.is_empty() {
        return Err(Error::NotAStore { reason: "the folder is empty".to_owned() }.into());
    }
    if !listed.iter().any(|name| name == "STORE") && !listed.iter().any(|name| name == "log") {
        return Err(Error::NotAStore { reason: "the folder holds no file STORE".to_owned() }.into());
    }
    let refusal = match replay(Arc::clone(&disk), stored(), keys_kept()) {
        Ok((opened, state)) => {
            return Ok(Known {
                state,
                disk,
                refusal: None,
                frames_unproven: opened.report.frames_copied,
                frames_dropped: opened.report.frames_dropped,
                lost: Vec::new(),
                broken_at: None,
            });
        }
        Err(error) => error,
    };
    match &refusal {
        OpenError::SegmentLost { .. } | OpenError::Log(Error::Damage { .. } | Error::Option { .. }) => {}
        OpenError::Log(Error::NotAStore { .. }) if listed.iter().any(|name| name == "log") => {}
        OpenError::Log(Error::Disk { .. }) => {}
        _ => return Err(refusal),
    }
    let disk: Arc<dyn Disk> = Arc::new(overlay.fresh());
    let rescued = rescue::rescue(&disk, progress)?;
    Ok(Known {
        state: rescued.state,
        disk,
        refusal: Some(refusal.to_string()),
        frames_unproven: 0,
        frames_dropped: 0,
        lost: rescued.lost,
        broken_at: rescued.broken_at,
    })
}

/// How to open a store that is there: as it says itself.
const fn stored() -> kew_journal::Options {
    kew_journal::Options::new([0; 16], 0)
}

/// How many idempotency keys are remembered.
fn keys_kept() -> usize {
    Options::default().idempotency_keys
}

impl Known {
    fn report(&self, log: Examination, seen: witness::Seen) -> Report {
        let state = &self.state;
        let queues = state.queues.values().map(|queue| {
            let leased = queue.runs.iter().filter(|run| run.phase == Phase::Leased);
            QueueSeen {
                queue: label(queue),
                messages: queue.backlog_count,
                bytes: queue.backlog_bytes,
                leased: leased.map(|run| run.mask.count()).sum(),
                delayed: queue.delayed_count(),
                readable: seen.readable.get(&queue.object.number).copied().unwrap_or_default(),
            }
        });
        let mut losses = self.lost.clone();
        losses.extend(seen.losses);
        let violations = if self.refusal.is_none() { state.violations() } else { Vec::new() };
        Report {
            refusal: self.refusal.clone(),
            frames_unproven: self.frames_unproven,
            frames_dropped: self.frames_dropped,
            accounts: state.catalog.accounts().len(),
            tokens: state.catalog.all_tokens().count(),
            queues: queues.collect(),
            losses,
            violations: violations.into_iter().chain(seen.violations).collect(),
            replay: ReplayOutcome::NoOther,
            live: state.live.iter().map(|(segment, live)| (*segment, live.messages)).collect(),
            log,
        }
    }
}

fn label(queue: &QueueState) -> QueueLabel {
    let object = &queue.object;
    QueueLabel {
        number: object.number,
        account: Some(object.account),
        id: Some(object.id),
        name: Some(object.name.clone()),
    }
}

/// Whether the log, replayed over the checkpoint before the newest, comes to the same state.
fn replay_older(
    overlay: &Overlay,
    known: &mut Known,
    log: &Examination,
    progress: &mut Progress<'_>,
) -> ReplayOutcome {
    let [newest, older] = &log.checkpoints[..] else { return ReplayOutcome::NoOther };
    progress(Stage::Replaying, 0, 0);
    let disk = overlay.fresh();
    let removed = disk.remove(&format!("checkpoint/{:016x}.ckpt", newest.number));
    let replayed = removed.ok().and_then(|()| replay(Arc::new(disk), stored(), keys_kept()).ok());
    let Some((_, state)) = replayed else { return ReplayOutcome::OutOfReach };
    let differing = known.state.differing_queues(&state);
    if differing.is_empty() {
        ReplayOutcome::Agrees(older.covered)
    } else {
        ReplayOutcome::Differs(differing)
    }
}

impl State {
    /// The names of queues whose messages mean something else in another state.
    fn differing_queues(&self, other: &Self) -> Vec<String> {
        let numbers =
            self.queues.keys().chain(other.queues.keys()).collect::<std::collections::BTreeSet<_>>();
        let differing = numbers.into_iter().filter_map(|number| {
            let (mine, theirs) = (self.queues.get(number), other.queues.get(number));
            let agree = match (mine, theirs) {
                (Some(mine), Some(theirs)) => mine.means_the_same(theirs),
                _ => false,
            };
            (!agree).then(|| mine.or(theirs).map_or_else(String::new, |queue| queue.object.name.to_string()))
        });
        differing.collect()
    }
}

impl QueueState {
    /// Whether the same messages live in the same states.
    fn means_the_same(&self, other: &Self) -> bool {
        let counts = |queue: &Self| (queue.next, queue.in_line, queue.backlog_count, queue.backlog_bytes);
        let delivered = |queue: &Self| {
            let each = queue.runs.iter().flat_map(|run| {
                let (phase, due, attempts) = (run.phase, run.due, run.attempts);
                run.sequences().map(move |sequence| (sequence, phase, due, attempts))
            });
            let mut all: Vec<_> = each.collect();
            all.sort_unstable();
            all
        };
        counts(self) == counts(other)
            && self.object == other.object
            && self.gone.floor() == other.gone.floor()
            && self.gone.words().eq(other.gone.words())
            && delivered(self) == delivered(other)
    }
}
