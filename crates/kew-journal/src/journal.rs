//! The writer's side: where a payload gets its number and its place.
//!
//! Staging composes the frame in the caller's own buffer and decides everything about it at once: lsn, segment,
//! offset, checksum. Nothing touches the disk except when a segment is full and none is prepared. What was staged
//! becomes durable when its group is committed, strictly in order. Control frames take no lsn, so the numbers of
//! payloads stay contiguous (J4).

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::checkpoint::{CheckpointWriter, Cut, checkpoint_name};
use crate::committer::{Committer, Group, Part};
use crate::error::Error;
use crate::frame::{FrameBuffer, HEADER_BYTES, Header, Kind, Previous, START_PAYLOAD_BYTES, frame_bytes};
use crate::position::{Lsn, Position, SegmentId, SegmentInfo};
use crate::seeded::{self, Bug};
use crate::segment::{BLOCK_BYTES, Segment};
use crate::shared::{Shared, locked};
use crate::snapshot::Snapshot;

/// Where a staged payload went.
#[derive(Debug, Clone)]
pub struct Staged {
    /// Its number.
    pub lsn: Lsn,
    /// Where its frame begins.
    pub position: Position,
    /// The payload. Shares the one buffer that will be written.
    pub payload: Bytes,
}

/// Stages payloads. Owned by the one writer.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    chain: Vec<SegmentInfo>,
    tail: Tail,
    active: Option<Arc<Segment>>,
    durable_lsn: Lsn,
    /// The highest lsn that a staged frame calls durable.
    stated_lsn: Lsn,
    staged: Vec<Part>,
    next_group: u64,
    log_bytes: u64,
}

/// Where the log ends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tail {
    /// The last segment of the chain; id 0 before the first.
    pub(crate) segment: SegmentId,
    /// The end of its last frame.
    pub(crate) end_offset: u32,
    /// The epoch of the frames there.
    pub(crate) segment_epoch: u32,
    /// The epoch this run writes in.
    pub(crate) epoch: u32,
    /// The last payload.
    pub(crate) last_lsn: Lsn,
    /// Where the last payload's frame ends; the place a checkpoint names.
    pub(crate) data_end: Position,
}

/// What recovery hands to the writer.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) chain: Vec<SegmentInfo>,
    pub(crate) tail: Tail,
    /// The segment this run goes on in, if recovery had to start one.
    pub(crate) active: Option<Arc<Segment>>,
    /// Bytes of log behind the checkpoint.
    pub(crate) log_bytes: u64,
}

impl Journal {
    pub(crate) fn new(shared: Arc<Shared>, recovered: Recovered) -> Self {
        let Recovered { chain, tail, active, log_bytes } = recovered;
        shared.advance_durable(tail.last_lsn);
        locked(&shared.pool).active.clone_from(&active);
        Self {
            shared,
            chain,
            tail,
            active,
            durable_lsn: tail.last_lsn,
            stated_lsn: tail.last_lsn,
            staged: Vec::new(),
            next_group: 0,
            log_bytes,
        }
    }

    /// The number that the next payload gets.
    #[must_use]
    pub const fn next_lsn(&self) -> Lsn {
        self.tail.last_lsn.next()
    }

    /// Everything up to here survives, as far as this side was told.
    #[must_use]
    pub const fn durable_lsn(&self) -> Lsn {
        self.durable_lsn
    }

    /// The segment the last payload went to, or the next one goes to; 0 before anything was staged.
    #[must_use]
    pub const fn active_segment(&self) -> SegmentId {
        self.tail.segment
    }

    /// The size of the largest payload this store can hold, in bytes.
    #[must_use]
    pub fn largest_payload(&self) -> usize {
        let room = self.shared.segment_bytes - BLOCK_BYTES - frame_bytes(START_PAYLOAD_BYTES);
        (room - 2 * HEADER_BYTES) as usize
    }

    /// Bytes of log that a start would have to replay now, staged ones included.
    #[must_use]
    pub fn log_bytes_since_checkpoint(&self) -> u64 {
        self.log_bytes - locked(&self.shared.checkpoints).log_bytes
    }

    /// The segments of the log, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.chain.clone()
    }

    /// The last payload that a durable checkpoint covers.
    #[must_use]
    pub fn checkpointed_lsn(&self) -> Lsn {
        locked(&self.shared.checkpoints).covered
    }

    /// How many bytes of the disk a segment's file takes; 0 for one that is not part of the log.
    #[must_use]
    pub fn file_bytes(&self, segment: SegmentId) -> u32 {
        self.shared.segment(segment).map_or(0, |segment| segment.progress().1)
    }

    /// Gives a payload its number and place. It is durable when the group it is taken with was committed.
    ///
    /// # Errors
    /// [`Error::TooLarge`] leaves everything as it was; any other error ends the journal.
    pub fn stage(&mut self, frame: FrameBuffer) -> Result<Staged, Error> {
        self.shared.alive()?;
        let payload_bytes = frame.payload().len();
        let limit_bytes = self.largest_payload();
        let Some(room) = u32::try_from(payload_bytes).ok().filter(|_| payload_bytes <= limit_bytes) else {
            return Err(Error::TooLarge { payload_bytes, limit_bytes });
        };
        self.make_room(frame_bytes(room))?;
        self.tail.last_lsn = self.tail.last_lsn.next();
        let (position, frame) = self.push(Kind::Data, frame)?;
        self.tail.data_end = Position { segment: self.tail.segment, offset: self.tail.end_offset };
        let payload = frame.slice(FrameBuffer::PAYLOAD_OFFSET..FrameBuffer::PAYLOAD_OFFSET + payload_bytes);
        Ok(Staged { lsn: self.tail.last_lsn, position, payload })
    }

    /// Stages a frame that says what is durable, if no frame says so yet. To be called when the store falls idle:
    /// from then on a torn tail can be told from damage up to the last payload.
    ///
    /// # Errors
    /// Any error ends the journal.
    pub fn mark(&mut self) -> Result<(), Error> {
        self.shared.alive()?;
        if self.durable_lsn <= self.stated_lsn {
            return Ok(());
        }
        self.make_room(HEADER_BYTES)?;
        if self.durable_lsn > self.stated_lsn {
            self.push(Kind::Mark, FrameBuffer::with_capacity(0))?;
        }
        Ok(())
    }

    /// Whether payloads were staged that no frame calls durable yet: the log's end wants a mark once they are.
    #[must_use]
    pub fn wants_mark(&self) -> bool {
        self.stated_lsn < self.tail.last_lsn
    }

    /// Has the group that is being staged say what is durable by now, if none of its frames does: they may have been
    /// staged while the group before was being synced.
    ///
    /// # Errors
    /// Any error ends the journal.
    pub fn mark_group(&mut self) -> Result<(), Error> {
        self.note_commits();
        if self.staged.is_empty() { Ok(()) } else { self.mark() }
    }

    /// How many bytes the next group has so far.
    #[must_use]
    pub fn staged_bytes(&self) -> u64 {
        self.staged.iter().map(|part| part.range.len() as u64).sum()
    }

    /// Whether everything that was staged is durable.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.shared.durable_lsn() >= self.tail.last_lsn
    }

    /// Takes everything staged, for [`Committer::commit`]. Groups must be committed in the order they were taken.
    pub fn take_group(&mut self) -> Option<Group> {
        if self.staged.is_empty() {
            return None;
        }
        let parts = std::mem::take(&mut self.staged);
        let bytes = parts.iter().map(|part| part.range.len() as u64).sum();
        let number = self.next_group;
        self.next_group += 1;
        Some(Group { number, parts, last_lsn: self.tail.last_lsn, bytes })
    }

    /// Takes note of what the committer made durable; later frames say so on disk. More than was really committed
    /// is ignored.
    pub fn note_durable(&mut self, lsn: Lsn) {
        let proven = lsn.min(self.shared.durable_lsn());
        self.durable_lsn = self.durable_lsn.max(proven);
    }

    /// Takes note of everything that the committer has made durable by now.
    pub fn note_commits(&mut self) {
        self.durable_lsn = self.shared.durable_lsn();
    }

    /// What a checkpoint of the state after the last staged payload has to say of the log.
    #[must_use]
    pub fn checkpoint_cut(&self) -> Cut {
        let held = |info: &&SegmentInfo| info.first_lsn <= info.last_lsn;
        let next_segment = locked(&self.shared.pool).next_id;
        Cut {
            covered: self.tail.last_lsn,
            newest: self.tail.last_lsn,
            at: self.tail.data_end,
            epoch: self.tail.epoch,
            next_segment: SegmentId(next_segment),
            segments: self.chain.iter().filter(held).copied().collect(),
            log_bytes: self.log_bytes,
        }
    }

    /// The log up to the group that was taken last, to be copied from another thread once that is committed. Nothing
    /// may be staged since.
    ///
    /// # Errors
    /// [`Error::NotDurable`] while something is staged; [`Error::Disk`] when the newest checkpoint cannot be
    /// opened, which does not end the journal.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        self.shared.alive()?;
        let last_lsn = self.tail.last_lsn;
        if !self.staged.is_empty() {
            return Err(Error::NotDurable { covered: last_lsn, durable: self.shared.durable_lsn() });
        }
        let segments = self.chain.iter().map(|info| Ok((*info, self.shared.segment(info.id)?)));
        let number = locked(&self.shared.checkpoints).number;
        let name = checkpoint_name(number);
        let opened = (number > 0).then(|| self.shared.disk.open(&name));
        let file = opened.transpose().map_err(|source| Error::disk("open", &name, source))?;
        let hold = Arc::new(self.chain.iter().map(|info| info.id).collect());
        self.shared.hold(&hold);
        Ok(Snapshot {
            shared: Arc::clone(&self.shared),
            segments: segments.collect::<Result<_, Error>>()?,
            checkpoint: file.map(|file| (number, file)),
            last_lsn,
            _hold: hold,
        })
    }

    /// A handle that writes checkpoints, also from another thread.
    #[must_use]
    pub fn checkpoint_writer(&self) -> CheckpointWriter {
        CheckpointWriter::new(Arc::clone(&self.shared))
    }

    /// Frees those of the `dead` segments that a durable checkpoint covers, and says how many. The others, those of a
    /// snapshot, and the one being written, stay. The files are recycled or removed by later steps of the preparer.
    ///
    /// # Errors
    /// [`Error::Poisoned`] after a failure.
    pub fn retire(&mut self, dead: &[SegmentId]) -> Result<usize, Error> {
        self.shared.alive()?;
        let covered = locked(&self.shared.checkpoints).covered;
        let before = self.chain.len();
        let shared = &self.shared;
        let durable = shared.durable_lsn();
        // J6: what a start would replay is never freed, nor the last segment that a crash could not undo: without
        // it the next start could not tell a log that was lost from one that is empty.
        let dead: BTreeSet<SegmentId> = dead.iter().copied().collect();
        let newest = self.chain.iter().rev().find(|info| info.first_lsn <= durable).map(|info| info.id);
        let held = shared.held();
        self.chain.retain(|info| {
            let older = newest.is_some_and(|newest| info.id < newest) && !held.contains(&info.id);
            let free = older
                && dead.contains(&info.id)
                && (info.last_lsn <= covered || seeded::is(Bug::FreeUncovered));
            if free && let Some(segment) = shared.take_segment(info.id) {
                locked(&shared.pool).retired.push(segment);
            }
            !free
        });
        Ok(before - self.chain.len())
    }

    /// Commits what is staged, seals the segment, and lets the next process in. The preparer and the checkpoint
    /// writer do nothing from here on; readers go on reading.
    ///
    /// # Errors
    /// Any error of the last commits; the lock is released all the same.
    pub fn close(mut self, mut committer: Committer) -> Result<(), Error> {
        let sealed = self.seal_all(&mut committer);
        let _alone = locked(&self.shared.writing_checkpoint);
        locked(&self.shared.pool).closed = true;
        self.shared.unlock();
        sealed
    }

    fn seal_all(&mut self, committer: &mut Committer) -> Result<(), Error> {
        self.shared.alive()?;
        self.commit_staged(committer)?;
        if self.active.is_some() {
            self.push(Kind::Seal, FrameBuffer::with_capacity(0))?;
            self.commit_staged(committer)?;
        }
        Ok(())
    }

    fn commit_staged(&mut self, committer: &mut Committer) -> Result<(), Error> {
        if let Some(group) = self.take_group() {
            let durable = committer.commit(group)?;
            self.note_durable(durable);
        }
        Ok(())
    }

    /// Goes on in the next segment unless a frame of so many bytes, and a Seal, fit the active one.
    fn make_room(&mut self, bytes: u32) -> Result<(), Error> {
        if let Some(active) = &self.active {
            if bytes + HEADER_BYTES <= active.size_bytes - self.tail.end_offset {
                return Ok(());
            }
            let sealed = Arc::clone(active);
            self.push(Kind::Seal, FrameBuffer::with_capacity(0))?;
            self.shared.handles.may_close(&sealed);
        }
        let segment = self.next_segment().map_err(|error| self.shared.poison(error))?;
        let previous = Previous {
            segment: self.tail.segment,
            end_offset: self.tail.end_offset,
            epoch: self.tail.segment_epoch,
            last_lsn: self.tail.last_lsn,
        };
        self.tail.segment = segment.id;
        self.tail.end_offset = BLOCK_BYTES;
        self.tail.segment_epoch = self.tail.epoch;
        self.chain.push(SegmentInfo {
            id: segment.id,
            first_lsn: self.next_lsn(),
            last_lsn: self.tail.last_lsn,
            end_offset: BLOCK_BYTES,
        });
        self.shared.add_segment(Arc::clone(&segment));
        self.active = Some(segment);
        self.push(Kind::Start, FrameBuffer::from(&previous.encode()[..]))?;
        Ok(())
    }

    fn next_segment(&self) -> Result<Arc<Segment>, Error> {
        let mut pool = locked(&self.shared.pool);
        self.shared.alive()?;
        let segment = match pool.next.take() {
            Some(segment) => segment,
            None => pool.prepare(&self.shared)?,
        };
        assert!(segment.id > self.tail.segment, "J2: segment ids only grow along the chain");
        pool.active = Some(Arc::clone(&segment));
        Ok(segment)
    }

    /// Composes a frame at the end of the active segment, where there is room for it.
    fn push(&mut self, kind: Kind, frame: FrameBuffer) -> Result<(Position, Bytes), Error> {
        let Some(active) = self.active.clone() else { return Err(Error::Closed) };
        let position = Position { segment: active.id, offset: self.tail.end_offset };
        let durable_lsn = if seeded::is(Bug::ClaimTooMuch) { self.tail.last_lsn } else { self.durable_lsn };
        let header = Header { kind, epoch: self.tail.epoch, lsn: self.tail.last_lsn, durable_lsn };
        let bytes = frame_bytes(u32::try_from(frame.payload().len()).unwrap_or(u32::MAX));
        let end_offset = position.offset + bytes;
        assert!(end_offset <= active.size_bytes, "J1: a frame ends inside its segment");
        let frame = frame.into_frame(active.seed, position.offset, header);
        self.stated_lsn = self.durable_lsn;
        self.tail.end_offset = end_offset;
        self.log_bytes += u64::from(bytes);
        active.set_end_offset(end_offset);
        if let Some(info) = self.chain.last_mut() {
            info.last_lsn = self.tail.last_lsn;
            info.end_offset = end_offset;
        }
        self.add_to_part(active, position.offset..end_offset, frame.clone());
        Ok((position, frame))
    }

    fn add_to_part(&mut self, segment: Arc<Segment>, range: Range<u32>, frame: Bytes) {
        match self.staged.last_mut() {
            Some(part) if part.segment.id == segment.id => {
                part.range.end = range.end;
                part.frames.push(frame);
            }
            _ => self.staged.push(Part { segment, range, frames: vec![frame] }),
        }
    }
}
