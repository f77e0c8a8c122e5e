//! The chain: which segments are the log, and in which order.
//!
//! The newest segment with an intact Start frame is the head; each Start frame names its predecessor and where
//! that one ends. Everything else in the folder is a leftover: prepared, abandoned by an earlier recovery, or
//! retired. The walk ends where the checkpoint covers the rest.

use std::sync::Arc;

use crate::checkpoint::Cut;
use crate::error::Error;
use crate::frame::{Frame, Kind, Previous, START_PAYLOAD_BYTES, frame_bytes};
use crate::position::{Lsn, Position};
use crate::scan::{Found, Scanner};
use crate::segment::{BLOCK_BYTES, Segment, segment_name};

use super::Run;
use super::folder::{Entry, Inventory};

/// A segment of the chain that is read frame by frame.
pub(super) struct Link {
    pub(super) segment: Arc<Segment>,
    pub(super) settled_end: u32,
    pub(super) previous: Previous,
    pub(super) epoch: u32,
}

impl Link {
    /// Where reading begins, and the payload before it.
    pub(super) fn beginning(&self, cut: &Cut) -> (u32, Lsn) {
        if cut.at.segment == self.segment.id {
            (cut.at.offset, cut.covered)
        } else {
            (BLOCK_BYTES, self.previous.last_lsn)
        }
    }
}

/// Whether a frame of this kind and number may follow the payload `last`.
pub(crate) fn follows(kind: Kind, lsn: Lsn, last: Lsn) -> bool {
    lsn == if kind == Kind::Data { last.next() } else { last }
}

/// Finds the segments behind the checkpoint, oldest first.
pub(super) fn find(inventory: &Inventory, cut: &Cut) -> Result<Vec<Link>, Error> {
    let mut chain = Vec::new();
    let mut current = None;
    for entry in inventory.segments.values().rev() {
        current = read_start(entry)?;
        if current.is_some() {
            break;
        }
    }
    while let Some(link) = current {
        let (previous, id) = (link.previous, link.segment.id);
        chain.push(link);
        if previous.last_lsn <= cut.covered {
            break;
        }
        if previous.segment >= id {
            return Err(Error::damage(
                &segment_name(id),
                u64::from(BLOCK_BYTES),
                "the chain runs in a circle",
            ));
        }
        let name = segment_name(previous.segment);
        let missing = || Error::damage(&name, 0, format!("the segment is missing, segment {id} follows it"));
        let entry = inventory.segments.get(&previous.segment).ok_or_else(missing)?;
        let no_start =
            || Error::damage(&name, u64::from(BLOCK_BYTES), "the segment's Start frame is damaged");
        current = Some(read_start(entry)?.ok_or_else(no_start)?);
    }
    if chain.is_empty() && cut.covered > Lsn::NONE {
        let text = format!("no segment is there, the checkpoint covers payloads up to {}", cut.covered);
        return Err(Error::damage(&segment_name(cut.at.segment), 0, text));
    }
    chain.reverse();
    Ok(chain)
}

/// The segment as a link, if its first frame is an intact Start.
fn read_start(entry: &Entry) -> Result<Option<Link>, Error> {
    let limit = BLOCK_BYTES + frame_bytes(START_PAYLOAD_BYTES);
    let mut scanner = Scanner::new(&entry.segment, BLOCK_BYTES, limit);
    if let Found::Frame { header, payload, .. } = scanner.next()?
        && header.kind == Kind::Start
        && let Some(previous) = Previous::decode(payload)
    {
        let segment = Arc::clone(&entry.segment);
        return Ok(Some(Link { segment, settled_end: entry.settled_end, previous, epoch: header.epoch }));
    }
    if entry.settled_end > BLOCK_BYTES {
        let text = "the Start frame is damaged; it was synced before the file got its name";
        return Err(Error::damage(&entry.segment.name(), u64::from(BLOCK_BYTES), text));
    }
    Ok(None)
}

impl Run<'_> {
    /// Replays every segment but the last. Their ends are stated by their successors, so anything amiss is damage.
    pub(super) fn replay_sealed(&mut self, chain: &[Link]) -> Result<(), Error> {
        for pair in chain.windows(2) {
            self.replay_one(&pair[0], &pair[1].previous)?;
        }
        Ok(())
    }

    fn replay_one(&mut self, link: &Link, stated: &Previous) -> Result<(), Error> {
        self.report.segments_scanned += 1;
        let (beginning, mut last) = link.beginning(self.cut);
        let mut scanner = Scanner::new(&link.segment, beginning, stated.end_offset);
        let end = loop {
            match scanner.next()? {
                Found::End => break beginning.max(stated.end_offset),
                Found::Frame { offset, header, payload }
                    if header.epoch == link.epoch && follows(header.kind, header.lsn, last) =>
                {
                    last = header.lsn;
                    if header.kind == Kind::Data && last > self.cut.covered {
                        let position = Position { segment: link.segment.id, offset };
                        self.replay_frame(Frame { lsn: last, position, payload })?;
                    }
                }
                Found::Frame { offset, .. } | Found::Invalid { offset } => break offset,
            }
        };
        if end != stated.end_offset || last != stated.last_lsn || link.epoch != stated.epoch {
            let text = format!(
                "after payload {last} the log breaks off; it went on to payload {} at byte {}",
                stated.last_lsn, stated.end_offset
            );
            return Err(Error::damage(&link.segment.name(), u64::from(end), text));
        }
        self.recovered.log_bytes += u64::from(end - beginning);
        self.add_to_chain(link, last, end);
        Ok(())
    }
}
