//! Every frame of every segment of the log.

use std::sync::Arc;

use crate::error::Error;
use crate::frame::{Frame, Kind};
use crate::index;
use crate::position::{Lsn, Position, SegmentInfo};
use crate::recovery::chain::follows;
use crate::scan::{Ahead, Found, Scanner, look_ahead};
use crate::segment::{BLOCK_BYTES, index_name};

use super::members::{End, Member};
use super::{Finding, Look};

/// How far the walk through one segment has come.
struct Pace {
    /// The number before the next payload's, once a frame told.
    last: Option<Lsn>,
    first: Option<Lsn>,
    epoch: Option<u32>,
    offset: u32,
    sealed: bool,
    /// Only payloads below this number count: the next segment holds the others.
    below: Option<Lsn>,
}

impl Look<'_> {
    /// Walks through all members, oldest first.
    pub(super) fn walk(&mut self, members: Vec<Member>) -> Result<(), Error> {
        let limit = |member: &Member| match member.end {
            End::Stated { offset, .. } => u64::from(offset),
            _ => member.file_bytes,
        };
        let all_bytes = members.iter().map(limit).sum();
        let mut read_bytes = 0;
        for (at, member) in members.iter().enumerate() {
            // What lies behind the head is judged together with it.
            if matches!(member.end, End::Behind) {
                break;
            }
            let index = self.read_index(member)?;
            self.examiner.segment(member.segment.id, read_bytes, all_bytes, index.as_deref());
            let outcome = match member.end {
                End::Head => self.walk_head(member, &members[at + 1..]),
                _ => self.walk_sealed(member, members.get(at + 1)),
            };
            match outcome {
                Err(error @ Error::Disk { .. }) => self.note(error, true)?,
                outcome => outcome?,
            }
            read_bytes += limit(member);
        }
        if members.iter().all(|member| matches!(member.end, End::Behind)) {
            self.walk_behind(&members, self.cut.covered)?;
        }
        Ok(())
    }

    /// The blob beside a segment. One that cannot be used is derived again, and hurts nobody.
    fn read_index(&mut self, member: &Member) -> Result<Option<bytes::Bytes>, Error> {
        let End::Stated { offset, .. } = member.end else { return Ok(None) };
        member.segment.set_end_offset(offset);
        let found = index::read(&self.shared, &member.segment);
        let name = index_name(member.segment.id);
        if found.is_none() && self.shared.disk.open(&name).is_ok() {
            self.note(
                Error::damage(&name, 0, "the index cannot be used; it is made anew when needed"),
                false,
            )?;
        }
        Ok(found)
    }

    fn pace(&self, member: &Member) -> Pace {
        let last = member.start.map(|previous| previous.last_lsn);
        Pace { last, first: None, epoch: None, offset: BLOCK_BYTES, sealed: false, below: None }
    }

    fn walk_sealed(&mut self, member: &Member, next: Option<&Member>) -> Result<(), Error> {
        let mut pace = self.pace(member);
        let (limit, stated) = match member.end {
            End::Stated { offset, last_lsn } => (offset, Some(last_lsn)),
            _ => (member.segment.size_bytes, None),
        };
        if stated.is_none() {
            pace.below = next.map(lowest_lsn).transpose()?.flatten();
        }
        self.read_on(member, &mut pace, limit)?;
        while pace.offset < limit && !pace.sealed {
            if !self.step_over(member, &mut pace, limit, stated)? {
                break;
            }
            self.read_on(member, &mut pace, limit)?;
        }
        if let (Some(stated), Some(last)) = (stated, pace.last)
            && last < stated
            && pace.offset >= limit
        {
            self.seen.findings.push(Finding {
                file: member.segment.name(),
                offset: u64::from(pace.offset),
                end: None,
                missing: Some((last.next(), stated)),
                reason: format!("the log goes on to payload {stated}, the segment ends at payload {last}"),
                is_damage: true,
            });
        }
        self.add_segment(member, &pace);
        Ok(())
    }

    /// Reads the last segment up to where it is unbroken, and judges what stands behind.
    fn walk_head(&mut self, member: &Member, behind: &[Member]) -> Result<(), Error> {
        let mut pace = self.pace(member);
        let limit = member.segment.size_bytes;
        let claimed = self.read_on(member, &mut pace, limit)?;
        let mut ahead = Ahead::default();
        if !pace.sealed {
            ahead.add(look_ahead(&member.segment, pace.offset)?);
        }
        for member in behind {
            ahead.add(look_ahead(&member.segment, BLOCK_BYTES)?);
        }
        let last = pace.last.unwrap_or_default();
        let proven = claimed.max(ahead.durable_lsn).max(self.cut.newest);
        let is_damage = proven > last || pace.offset < member.settled_end;
        if is_damage {
            let stated = Some(proven);
            while !pace.sealed && self.step_over(member, &mut pace, limit, stated)? {
                self.read_on(member, &mut pace, limit)?;
            }
        } else if ahead.frames > 0 {
            self.seen.findings.push(Finding {
                file: member.segment.name(),
                offset: u64::from(pace.offset),
                end: None,
                missing: None,
                reason: "a write was cut short here; nobody was answered about it".to_owned(),
                is_damage: false,
            });
        }
        self.add_segment(member, &pace);
        if is_damage { self.walk_behind(behind, self.seen.last_lsn) } else { Ok(()) }
    }

    /// What lies behind the last segment that can be told, when something in it was durable.
    fn walk_behind(&mut self, behind: &[Member], after: Lsn) -> Result<(), Error> {
        for member in behind {
            let ahead = look_ahead(&member.segment, BLOCK_BYTES)?;
            if ahead.durable_lsn <= after {
                continue;
            }
            self.examiner.segment(member.segment.id, 0, 0, None);
            let mut pace = Pace { last: Some(after), ..self.pace(member) };
            let limit = member.segment.size_bytes;
            while self.step_over(member, &mut pace, limit, Some(ahead.durable_lsn))? {
                self.read_on(member, &mut pace, limit)?;
            }
            self.add_segment(member, &pace);
        }
        Ok(())
    }

    /// Shows frames up to the first place that holds none. Tells the highest number that one calls durable.
    fn read_on(&mut self, member: &Member, pace: &mut Pace, limit: u32) -> Result<Lsn, Error> {
        let mut claimed = member.start.map_or(Lsn::NONE, |previous| previous.last_lsn);
        let mut scanner = Scanner::new(&member.segment, pace.offset, limit);
        while !pace.sealed
            && let Found::Frame { offset, header, payload } = scanner.next()?
        {
            let expected = pace.last.is_none_or(|last| follows(header.kind, header.lsn, last));
            if !expected || pace.epoch.is_some_and(|epoch| epoch != header.epoch) {
                let text = format!(
                    "payload {} of epoch {} does not follow payload {}",
                    header.lsn,
                    header.epoch,
                    pace.last.unwrap_or_default()
                );
                let found = Error::damage(&member.segment.name(), u64::from(offset), text);
                self.note(found, true)?;
            }
            pace.epoch = Some(header.epoch);
            pace.last = Some(header.lsn);
            pace.sealed = header.kind == Kind::Seal;
            claimed = claimed.max(header.durable_lsn);
            if header.kind == Kind::Data && pace.below.is_none_or(|below| header.lsn < below) {
                pace.first.get_or_insert(header.lsn);
                let position = Position { segment: member.segment.id, offset };
                self.seen.frames += 1;
                self.seen.last_lsn = self.seen.last_lsn.max(header.lsn);
                if let Err(reason) = self.examiner.frame(Frame { lsn: header.lsn, position, payload }) {
                    self.note(Error::damage(&member.segment.name(), u64::from(offset), reason), true)?;
                }
            }
        }
        pace.offset = scanner.offset();
        Ok(claimed)
    }

    /// Names the place that holds no frame, and moves to the next that does; false when none is left.
    fn step_over(
        &mut self,
        member: &Member,
        pace: &mut Pace,
        limit: u32,
        stated: Option<Lsn>,
    ) -> Result<bool, Error> {
        let mut scanner = Scanner::new(&member.segment, pace.offset, limit);
        let resumes = matches!(scanner.next()?, Found::Frame { .. }) || scanner.resume()?;
        let offset = if resumes { scanner.offset() } else { limit };
        let next = if resumes { number_before(member, offset, limit)? } else { stated };
        let missing = match (pace.last, next) {
            (Some(last), Some(next)) if next > last => Some((last.next(), next)),
            _ => None,
        };
        if !resumes && missing.is_none() && stated.is_none() {
            // Nothing says that the log went on here.
            return Ok(false);
        }
        self.seen.findings.push(Finding {
            file: member.segment.name(),
            offset: u64::from(pace.offset),
            end: resumes.then_some(u64::from(offset)),
            missing,
            reason: "no intact frame stands here".to_owned(),
            is_damage: true,
        });
        pace.offset = offset;
        pace.last = next.or(pace.last);
        Ok(resumes)
    }

    fn add_segment(&mut self, member: &Member, pace: &Pace) {
        let last_lsn = pace.last.unwrap_or_default();
        self.seen.segments.push(SegmentInfo {
            id: member.segment.id,
            first_lsn: pace.first.unwrap_or(last_lsn.next()),
            last_lsn,
            end_offset: pace.offset,
        });
    }
}

/// The number of the payload before the frame at `offset`.
fn number_before(member: &Member, offset: u32, limit: u32) -> Result<Option<Lsn>, Error> {
    let mut scanner = Scanner::new(&member.segment, offset, limit);
    Ok(match scanner.next()? {
        Found::Frame { header, .. } if header.kind == Kind::Data => Some(Lsn(header.lsn.0.saturating_sub(1))),
        Found::Frame { header, .. } => Some(header.lsn),
        _ => None,
    })
}

/// The lowest number of a payload in a segment whose beginning may be damaged.
fn lowest_lsn(member: &Member) -> Result<Option<Lsn>, Error> {
    if let Some(previous) = member.start {
        return Ok(Some(previous.last_lsn.next()));
    }
    let segment = Arc::clone(&member.segment);
    let mut scanner = Scanner::new(&segment, BLOCK_BYTES, segment.size_bytes);
    if !scanner.resume()? {
        return Ok(None);
    }
    let offset = scanner.offset();
    Ok(number_before(member, offset, segment.size_bytes)?.map(Lsn::next))
}
