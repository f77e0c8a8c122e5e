//! A journal under way on a simulated disk, and a ledger of what it promised.
//!
//! Violations come back as texts instead of panics, so that the same world can show that seeded bugs are caught.

use std::io::Read;
use std::sync::Arc;

use kew_journal::{
    Committer, Disk, Error, Flight, Frame, FrameBuffer, Group, Journal, Lsn, Opened, Options, Preparer,
    Reader, RecoveryReport, Replay, SegmentId, SegmentInfo, SimDisk, open,
};

/// Small segments, so that a short script goes through many of them.
pub(crate) const SEGMENT_BYTES: u32 = 64 << 10;

/// What was staged, and how much of it was promised.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    /// The payload of each lsn, from 1 on; those that never became durable are replaced.
    payloads: Vec<Vec<u8>>,
    /// A checksum of all payloads up to each lsn.
    sums: Vec<u32>,
    /// Everything up to here must be there.
    promised: u64,
    /// Everything up to here must be covered by a checkpoint.
    checkpointed: u64,
    /// Payloads that were given up for retirement, as ranges of lsns.
    retired: Vec<(u64, u64)>,
    /// Makes every payload different from every other that ever had its lsn.
    staged_count: u64,
}

impl Ledger {
    fn next_payload(&mut self, bytes: usize) -> Vec<u8> {
        self.staged_count += 1;
        let mut payload = vec![u8::try_from(self.staged_count % 251).unwrap(); bytes];
        let count = bytes.min(8);
        payload[..count].copy_from_slice(&self.staged_count.to_le_bytes()[..count]);
        payload
    }

    fn stage(&mut self, payload: Vec<u8>) {
        let sum = crc32c_of(self.sums.last().copied().unwrap_or_default(), &payload);
        self.sums.push(sum);
        self.payloads.push(payload);
    }

    fn truncate(&mut self, last: u64) {
        let last = usize::try_from(last).unwrap();
        self.payloads.truncate(last);
        self.sums.truncate(last);
    }

    fn payload(&self, lsn: u64) -> Option<&[u8]> {
        self.payloads.get(usize::try_from(lsn).unwrap().checked_sub(1)?).map(Vec::as_slice)
    }

    fn state_at(&self, lsn: u64) -> Vec<u8> {
        let sum = usize::try_from(lsn).unwrap().checked_sub(1).map_or(0, |index| self.sums[index]);
        [lsn.to_le_bytes().to_vec(), sum.to_le_bytes().to_vec()].concat()
    }

    fn is_retired(&self, lsn: u64) -> bool {
        self.retired.iter().any(|&(first, last)| (first..=last).contains(&lsn))
    }

    /// Allows an older checkpoint than the newest, for stores that are damaged on purpose.
    pub(crate) fn forget_checkpoints(&mut self) {
        self.checkpointed = 0;
    }

    /// Allows the last so many payloads to be missing, which nothing on disk calls durable.
    pub(crate) fn promise_less(&mut self, payloads: u64) {
        self.promised -= payloads;
    }
}

/// A sum that depends on every byte and on the order.
fn crc32c_of(before: u32, payload: &[u8]) -> u32 {
    payload.iter().fold(before ^ 0x5bd1, |sum, byte| {
        sum.rotate_left(5).wrapping_mul(0x9e37).wrapping_add(u32::from(*byte))
    })
}

/// Holds a replay against the ledger.
struct Witness<'a> {
    ledger: &'a Ledger,
    last: u64,
    covered: u64,
}

impl Replay for Witness<'_> {
    fn checkpoint(&mut self, covered: Lsn, payload: &mut dyn Read) -> Result<(), String> {
        let mut state = Vec::new();
        payload.read_to_end(&mut state).map_err(|error| error.to_string())?;
        if state != self.ledger.state_at(covered.0) {
            return Err(format!("violation: the checkpoint at {covered} holds another state"));
        }
        self.covered = covered.0;
        self.last = covered.0;
        Ok(())
    }

    fn frame(&mut self, frame: Frame<'_>) -> Result<(), String> {
        if frame.lsn.0 != self.last + 1 {
            return Err(format!("violation: payload {} follows payload {}", frame.lsn, self.last));
        }
        if self.ledger.payload(frame.lsn.0) != Some(frame.payload) {
            return Err(format!("violation: payload {} is another one", frame.lsn));
        }
        self.last = frame.lsn.0;
        Ok(())
    }
}

/// What a world does next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    /// Stages a payload of so many bytes.
    Stage(usize),
    /// Commits what is staged.
    Commit,
    /// Takes a group, stages another payload into the next, and commits both in order.
    CommitTwo(usize),
    /// As [`Op::CommitTwo`], but both are under way at once, and the later one is synced first where that may be.
    CommitCrossed(usize),
    Mark,
    Checkpoint,
    /// Gives up all but the newest `keep` segments, and has the files disposed of.
    Retire {
        keep: usize,
    },
    Prepare,
    /// Closes properly and opens again.
    Reopen,
}

/// An open journal and its ledger.
pub(crate) struct World {
    pub(crate) disk: SimDisk,
    pub(crate) options: Options,
    pub(crate) ledger: Ledger,
    open: Option<Parts>,
}

struct Parts {
    journal: Journal,
    committer: Committer,
    preparer: Preparer,
}

/// Why a world ended.
#[derive(Debug)]
pub(crate) enum End {
    /// A call failed, as it may when the process is stopped.
    Failed(Error),
    /// The journal itself says that answered data is damaged.
    Damaged(Error),
    /// The promise was broken.
    Violation(String),
}

impl End {
    /// Whether a stopped process is a good enough reason for it.
    pub(crate) fn is_excused_by(&self, disk: &SimDisk) -> bool {
        matches!(self, Self::Failed(_)) && disk.is_stopped()
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(error) | Self::Damaged(error) => write!(formatter, "{error}"),
            Self::Violation(text) => formatter.write_str(text),
        }
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match &error {
            Error::Damage { reason, .. } if reason.starts_with("violation") => {
                Self::Violation(error.to_string())
            }
            Error::Disk { .. } | Error::Poisoned { .. } => Self::Failed(error),
            _ => Self::Damaged(error),
        }
    }
}

pub(crate) fn options() -> Options {
    Options::new([7; 16], 1_700_000_000_000).with_segment_bytes(SEGMENT_BYTES)
}

impl World {
    /// A world that is not open yet.
    pub(crate) fn new(disk: SimDisk, options: Options, ledger: Ledger) -> Self {
        Self { disk, options, ledger, open: None }
    }

    /// Opens the store and holds all that it shows against the ledger. What it shows is promised from then on.
    pub(crate) fn open(&mut self) -> Result<RecoveryReport, End> {
        self.open = None;
        let mut witness = Witness { ledger: &self.ledger, last: 0, covered: 0 };
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let opened = open(disk, self.options.clone(), &mut witness)?;
        let (last, covered) = (witness.last, witness.covered);
        let Opened { journal, committer, preparer, reader, report, segments } = opened;
        if last < self.ledger.promised {
            return violation(format!(
                "payload {} was promised, the log ends at {last}",
                self.ledger.promised
            ));
        }
        if covered < self.ledger.checkpointed {
            return violation(format!(
                "checkpoint {} was promised, found {covered}",
                self.ledger.checkpointed
            ));
        }
        if journal.next_lsn() != Lsn(last + 1) || journal.durable_lsn() != Lsn(last) {
            return violation(format!("the journal goes on at {} after {last}", journal.next_lsn()));
        }
        self.ledger.truncate(last);
        self.ledger.promised = last;
        self.ledger.checkpointed = covered;
        self.read_everything(&reader, &segments, last)?;
        self.open = Some(Parts { journal, committer, preparer });
        Ok(report)
    }

    /// Every payload that was not given up can be read, and reads as it was staged.
    fn read_everything(&self, reader: &Reader, segments: &[SegmentInfo], last: u64) -> Result<(), End> {
        let mut seen = vec![false; usize::try_from(last).unwrap() + 1];
        for info in segments {
            let mut positions = Vec::new();
            let mut expected = info.first_lsn;
            reader.scan(info.id, 0, info.end_offset, &mut |frame| {
                if frame.lsn != expected || self.ledger.payload(frame.lsn.0) != Some(frame.payload) {
                    return Err(format!("violation: scanning shows another payload {}", frame.lsn));
                }
                expected = expected.next();
                seen[usize::try_from(frame.lsn.0).unwrap()] = true;
                positions.push(frame.position);
                Ok(())
            })?;
            if expected != info.last_lsn.next() {
                return violation(format!("segment {} ends before payload {expected}", info.id));
            }
            for (index, payload) in reader.read_many(&positions)?.into_iter().enumerate() {
                if self.ledger.payload(info.first_lsn.0 + index as u64) != Some(&payload[..]) {
                    return violation(format!("reading segment {} shows another payload", info.id));
                }
            }
        }
        match (1..=last).find(|&lsn| !seen[usize::try_from(lsn).unwrap()] && !self.ledger.is_retired(lsn)) {
            Some(lsn) => violation(format!("payload {lsn} is in no segment")),
            None => Ok(()),
        }
    }

    /// Does one thing. After an error the journal must refuse everything.
    pub(crate) fn run(&mut self, op: Op) -> Result<(), End> {
        let done = self.run_op(op);
        if let (
            Err(End::Failed(_)),
            Some(parts),
            Op::Stage(_) | Op::Commit | Op::CommitTwo(_) | Op::CommitCrossed(_),
        ) = (&done, &mut self.open, op)
            && !matches!(parts.journal.stage(FrameBuffer::with_capacity(0)), Err(Error::Poisoned { .. }))
        {
            return violation("something was accepted after a failure".to_owned());
        }
        done
    }

    /// The preparer of the open journal.
    pub(crate) fn preparer(&mut self) -> &mut Preparer {
        &mut self.open.as_mut().expect("the world is open").preparer
    }

    pub(crate) fn run_all(&mut self, ops: &[Op]) -> Result<(), End> {
        ops.iter().try_for_each(|op| self.run(*op))
    }

    fn run_op(&mut self, op: Op) -> Result<(), End> {
        let parts = self.open.as_mut().expect("the world is open");
        match op {
            Op::Stage(bytes) => self.stage(bytes),
            Op::Commit => match parts.journal.take_group() {
                Some(group) => self.commit(group),
                None => Ok(()),
            },
            Op::CommitTwo(bytes) => {
                let first = parts.journal.take_group();
                self.stage(bytes)?;
                let second = self.open.as_mut().and_then(|parts| parts.journal.take_group());
                first.into_iter().chain(second).try_for_each(|group| self.commit(group))
            }
            Op::CommitCrossed(bytes) => self.commit_crossed(bytes),
            Op::Mark => Ok(parts.journal.mark()?),
            Op::Checkpoint => self.checkpoint(),
            Op::Retire { keep } => self.retire(keep),
            Op::Prepare => {
                parts.preparer.step()?;
                Ok(())
            }
            Op::Reopen => {
                let Parts { journal, committer, .. } = self.open.take().expect("the world is open");
                let staged = journal.next_lsn().0 - 1;
                journal.close(committer)?;
                self.ledger.promised = staged;
                self.open().map(drop)
            }
        }
    }

    fn stage(&mut self, bytes: usize) -> Result<(), End> {
        let parts = self.open.as_mut().expect("the world is open");
        let payload = self.ledger.next_payload(bytes.min(parts.journal.largest_payload()));
        let lsn = parts.journal.next_lsn();
        let staged = parts.journal.stage(FrameBuffer::from(&payload[..]))?;
        if staged.lsn != lsn || staged.payload != payload {
            return violation(format!("payload {lsn} was staged as {}", staged.lsn));
        }
        self.ledger.stage(payload);
        Ok(())
    }

    fn commit(&mut self, group: Group) -> Result<(), End> {
        let parts = self.open.as_mut().expect("the world is open");
        let durable = parts.committer.commit(group)?;
        parts.journal.note_durable(durable);
        self.ledger.promised = durable.0;
        Ok(())
    }

    fn commit_crossed(&mut self, bytes: usize) -> Result<(), End> {
        let parts = self.open.as_mut().expect("the world is open");
        let first = parts.journal.take_group();
        let mut first = parts.committer.begin(first)?;
        self.stage(bytes)?;
        let parts = self.open.as_mut().expect("the world is open");
        let second = parts.journal.take_group();
        let mut second = parts.committer.begin(second)?;
        let waits = second.waits();
        if !waits {
            let before = parts.journal.durable_lsn();
            second.run()?;
            parts.journal.note_commits();
            if parts.journal.durable_lsn() > before {
                return violation("a group counts as durable before the one in front of it".to_owned());
            }
        }
        first.run()?;
        self.land(first)?;
        if waits {
            second.run()?;
        }
        self.land(second)
    }

    fn land(&mut self, flight: Flight) -> Result<(), End> {
        drop(flight.land()?);
        let journal = &mut self.open.as_mut().expect("the world is open").journal;
        journal.note_commits();
        self.ledger.promised = journal.durable_lsn().0;
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), End> {
        self.run_op(Op::Commit)?;
        let parts = self.open.as_mut().expect("the world is open");
        let cut = parts.journal.checkpoint_cut();
        let state = self.ledger.state_at(cut.covered().0);
        parts.journal.checkpoint_writer().write(&cut, |payload| payload.write_all(&state))?;
        self.ledger.checkpointed = cut.covered().0;
        Ok(())
    }

    fn retire(&mut self, keep: usize) -> Result<(), End> {
        let parts = self.open.as_mut().expect("the world is open");
        let before = parts.journal.segments();
        let dead: Vec<SegmentId> = before.iter().rev().skip(keep).map(|info| info.id).collect();
        parts.journal.retire(&dead)?;
        let after = parts.journal.segments();
        let gone = before.iter().filter(|info| !after.contains(info));
        self.ledger.retired.extend(gone.clone().map(|info| (info.first_lsn.0, info.last_lsn.0)));
        if let Some(early) = gone.clone().find(|info| info.last_lsn.0 > self.ledger.checkpointed) {
            return violation(format!("segment {} was freed, no checkpoint covers it", early.id));
        }
        for _ in gone {
            parts.preparer.step()?;
        }
        Ok(())
    }
}

pub(crate) fn violation<T>(text: String) -> Result<T, End> {
    Err(End::Violation(text))
}
