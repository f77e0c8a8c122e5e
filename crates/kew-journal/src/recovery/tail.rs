//! The judgement on the last segment: where the log ends, and whether something is missing.
//!
//! Each frame says what was durable when it was composed, and so do a Start frame (J5) and a checkpoint (J6). If
//! anything intact claims more than the unbroken log holds, answered data is damaged and the store stays closed.
//! Otherwise the log ends at the last unbroken frame. What lies behind the highest claim may exist in the page
//! cache alone, so it is copied to a new segment, which gets its name only after it was synced.

use std::sync::Arc;

use crate::error::Error;
use crate::frame::{Frame, Kind};
use crate::journal::Tail;
use crate::position::{Lsn, Position, SegmentId, SegmentInfo};
use crate::scan::{Ahead, Found, Scanner, look_ahead};
use crate::segment::{BLOCK_BYTES, segment_name};

use super::Run;
use super::chain::{Link, follows};
use super::copy::Copy;
use super::folder::Inventory;

/// What a first look at the last segment shows.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// Where the unbroken part ends.
    end_offset: u32,
    /// The last unbroken payload.
    last_lsn: Lsn,
    /// The highest payload that anything calls durable.
    proven_lsn: Lsn,
    /// Whether the part ends with a Seal.
    sealed: bool,
}

impl Run<'_> {
    pub(super) fn judge_tail(&mut self, inventory: &mut Inventory, chain: &[Link]) -> Result<(), Error> {
        let head = chain.last();
        let head_id = head.map_or(SegmentId(0), |link| link.segment.id);
        let mut ahead = Ahead { epoch: self.cut.epoch, ..Ahead::default() };
        let extent = match head {
            Some(link) => {
                self.report.segments_scanned += 1;
                let extent = self.measure(link)?;
                if !extent.sealed {
                    ahead.add(look_ahead(&link.segment, extent.end_offset)?);
                }
                ahead.epoch = ahead.epoch.max(link.epoch);
                extent
            }
            None => Extent { end_offset: 0, last_lsn: Lsn::NONE, proven_lsn: Lsn::NONE, sealed: true },
        };
        let mut successor = None;
        for (id, entry) in inventory.segments.iter().filter(|(id, _)| **id > head_id) {
            successor = successor.or(Some(*id));
            ahead.add(look_ahead(&entry.segment, BLOCK_BYTES)?);
        }
        let proven_lsn = extent.proven_lsn.max(ahead.durable_lsn);
        if proven_lsn > extent.last_lsn && !self.ignores_claims() {
            let (id, offset) = match successor {
                Some(successor) if extent.sealed => (successor, BLOCK_BYTES),
                _ => (head_id, extent.end_offset),
            };
            let text = format!(
                "payload {} is missing, and payloads up to {proven_lsn} were durable",
                extent.last_lsn.next()
            );
            return Err(Error::damage(&segment_name(id), u64::from(offset), text));
        }
        self.report.frames_dropped = ahead.frames;
        self.recovered.tail.epoch = ahead.epoch + 1;
        match head {
            Some(link) => {
                let extent = Extent { proven_lsn: proven_lsn.min(extent.last_lsn), ..extent };
                self.settle(inventory, link, extent)
            }
            None => Ok(()),
        }
    }

    /// Reads the last segment up to where it is unbroken, without showing anything.
    fn measure(&self, link: &Link) -> Result<Extent, Error> {
        let (beginning, mut last_lsn) = link.beginning(self.cut);
        let mut proven_lsn = self.cut.newest.max(link.previous.last_lsn);
        let mut sealed = false;
        let mut scanner = Scanner::new(&link.segment, beginning, link.segment.size_bytes);
        let end_offset = loop {
            if sealed {
                break scanner.offset();
            }
            match scanner.next()? {
                Found::End => break scanner.offset(),
                Found::Invalid { offset } => break offset,
                Found::Frame { offset, header, .. } => {
                    if header.epoch != link.epoch || !follows(header.kind, header.lsn, last_lsn) {
                        // Segments are never rewritten, so an intact frame out of order is nobody's torn write.
                        let text = format!("payload {} stands where payload {last_lsn} ends", header.lsn);
                        return Err(Error::damage(&link.segment.name(), u64::from(offset), text));
                    }
                    last_lsn = header.lsn;
                    proven_lsn = proven_lsn.max(header.durable_lsn);
                    sealed = header.kind == Kind::Seal;
                }
            }
        };
        if end_offset < link.settled_end {
            let text = "a frame is damaged that was synced before the file got its name";
            return Err(Error::damage(&link.segment.name(), u64::from(end_offset), text));
        }
        Ok(Extent { end_offset, last_lsn, proven_lsn, sealed })
    }

    /// Shows the proven part where it is, and moves the rest to a new segment.
    fn settle(&mut self, inventory: &mut Inventory, link: &Link, extent: Extent) -> Result<(), Error> {
        let proven_lsn = if self.trusts_tail() { extent.last_lsn } else { extent.proven_lsn };
        let (beginning, before) = link.beginning(self.cut);
        let mut scanner = Scanner::new(&link.segment, beginning, extent.end_offset);
        let mut end_offset = beginning;
        let mut last_lsn = before;
        while last_lsn < proven_lsn {
            let Found::Frame { offset, header, payload } = scanner.next()? else {
                return Err(changed(link, scanner.offset()));
            };
            if header.kind == Kind::Data {
                last_lsn = header.lsn;
                if last_lsn > self.cut.covered {
                    let position = Position { segment: link.segment.id, offset };
                    self.replay_frame(Frame { lsn: last_lsn, position, payload })?;
                }
                end_offset = scanner.offset();
            }
        }
        self.recovered.log_bytes += u64::from(end_offset - beginning);
        self.recovered.tail.last_lsn = last_lsn;
        let tail = &mut self.recovered.tail;
        if last_lsn > link.previous.last_lsn {
            tail.segment = link.segment.id;
            tail.end_offset = end_offset;
            tail.segment_epoch = link.epoch;
            tail.data_end = Position { segment: link.segment.id, offset: end_offset };
            self.add_to_chain(link, last_lsn, end_offset);
        } else {
            // Nothing in it is proven, its Start frame included: the log ends where that one says.
            tail.segment = link.previous.segment;
            tail.end_offset = link.previous.end_offset;
            tail.segment_epoch = link.previous.epoch;
            tail.data_end = Position { segment: tail.segment, offset: tail.end_offset };
            if self.cut.covered == last_lsn {
                tail.data_end = self.cut.at;
            }
        }
        if extent.last_lsn > last_lsn {
            self.copy_rest(inventory, link, &mut scanner, extent)?;
        }
        self.append_in_place(link, extent.end_offset);
        let tail = &self.recovered.tail;
        self.report.end = Position { segment: tail.segment, offset: tail.end_offset };
        Ok(())
    }

    /// Copies what the scanner still has to a new segment, and goes on there.
    fn copy_rest(
        &mut self,
        inventory: &mut Inventory,
        link: &Link,
        scanner: &mut Scanner<'_>,
        extent: Extent,
    ) -> Result<(), Error> {
        let (tail, last_lsn) = (self.recovered.tail, extent.last_lsn);
        let mut copy = Copy::start(self.shared, &tail, last_lsn)?;
        let mut copied = tail.last_lsn;
        // Room for the copy, and for the log to go on in it.
        let wanted_bytes =
            u64::from(extent.end_offset - scanner.offset()) + u64::from(self.shared.segment_bytes);
        inventory.make_room(self.shared, link.segment.id, wanted_bytes)?;
        while let Found::Frame { header, payload, .. } = scanner.next()? {
            if header.kind == Kind::Data {
                let position = copy.add(header.lsn, payload)?;
                self.report.frames_copied += 1;
                self.replay_frame(Frame { lsn: header.lsn, position, payload })?;
                copied = header.lsn;
            }
        }
        if copied < last_lsn {
            return Err(changed(link, scanner.offset()));
        }
        let segment = copy.finish()?;
        let end_offset = segment.end_offset();
        self.recovered.chain.push(SegmentInfo {
            id: segment.id,
            first_lsn: tail.last_lsn.next(),
            last_lsn,
            end_offset,
        });
        let data_end = Position { segment: segment.id, offset: end_offset };
        let (epoch, id) = (tail.epoch, segment.id);
        self.recovered.tail =
            Tail { segment: id, end_offset, segment_epoch: epoch, epoch, last_lsn, data_end };
        self.recovered.log_bytes += u64::from(end_offset);
        self.shared.add_segment(Arc::clone(&segment));
        self.recovered.active = Some(segment);
        Ok(())
    }
}

/// What was unbroken at the first look is not at the second. Nothing may be dropped for that.
fn changed(link: &Link, offset: u32) -> Error {
    let text = "an intact frame stood here, and does not at a second look";
    Error::damage(&link.segment.name(), u64::from(offset), text)
}
