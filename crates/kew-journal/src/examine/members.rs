//! Which files are the log, and up to where each of them counts.
//!
//! As when opening, the newest segment with an intact Start frame is the head, and each Start names the one before. The
//! walk does not end at the checkpoint, though, and goes on below what is missing or unreadable; segments that it does
//! not come to are taken from the checkpoint's list.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Error;
use crate::frame::{Kind, Previous, START_PAYLOAD_BYTES, frame_bytes};
use crate::position::{Lsn, SegmentId};
use crate::recovery::folder::parse;
use crate::scan::{Found, Scanner};
use crate::segment::{BLOCK_BYTES, Segment, SegmentHeader, segment_name};
use crate::shared::LOG_FOLDER;

use super::{Finding, Look};

/// Up to where a segment is part of the log.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// Its successor, or the checkpoint, says so.
    Stated { offset: u32, last_lsn: Lsn },
    /// It is the last one.
    Head,
    /// What would say so is damaged: as far as there are frames before the next segment's.
    Unknown,
    /// It lies behind the head. It counts only if something durable is in it.
    Behind,
}

/// A segment's file.
pub(super) struct Member {
    pub(super) segment: Arc<Segment>,
    pub(super) settled_end: u32,
    pub(super) file_bytes: u64,
    pub(super) start: Option<Previous>,
    pub(super) end: End,
}

/// The log's segments, oldest first.
pub(super) fn find(look: &mut Look<'_>) -> Result<Vec<Member>, Error> {
    let mut files = read_files(look)?;
    let mut ends = BTreeMap::new();
    let head = files.iter().rev().find(|(_, member)| member.start.is_some()).map(|(id, _)| *id);
    let mut current = head.map(|id| (id, End::Head));
    while let Some((id, end)) = current {
        ends.insert(id, end);
        current = before(look, &files, id);
    }
    for info in look.cut.segments.clone() {
        let listed = End::Stated { offset: info.end_offset, last_lsn: info.last_lsn };
        ends.entry(info.id).or_insert(listed);
    }
    // Where the Start of a listed segment is damaged the walk began too low.
    let last = ends.keys().next_back().copied().filter(|last| files.contains_key(last));
    if let (Some(last), Some(begun)) = (last, head)
        && last > begun
    {
        ends.insert(begun, End::Unknown);
        ends.insert(last, End::Head);
    }
    let head = head.max(last);
    let mut members = Vec::new();
    for (id, mut member) in std::mem::take(&mut files) {
        let is_behind = head.is_none_or(|head| id > head);
        match ends.get(&id) {
            Some(end) => member.end = *end,
            None if is_behind => member.end = End::Behind,
            None => continue,
        }
        members.push(member);
    }
    Ok(members)
}

/// The segment before one, as far as it can be told.
fn before(
    look: &mut Look<'_>,
    files: &BTreeMap<SegmentId, Member>,
    id: SegmentId,
) -> Option<(SegmentId, End)> {
    let covered = look.cut.covered;
    if let Some(previous) = files.get(&id)?.start {
        if previous.segment < id && files.contains_key(&previous.segment) {
            let end = End::Stated { offset: previous.end_offset, last_lsn: previous.last_lsn };
            return Some((previous.segment, end));
        }
        if previous.segment == SegmentId(0) || previous.last_lsn <= covered {
            return None;
        }
        look.seen.findings.push(Finding {
            file: segment_name(previous.segment),
            offset: 0,
            end: None,
            missing: Some((covered.next(), previous.last_lsn)),
            reason: format!("the segment is missing, segment {id} follows it"),
            is_damage: true,
        });
    }
    let older = files.range(..id).rev().find(|(_, member)| member.start.is_some());
    older.map(|(id, _)| (*id, End::Unknown))
}

fn read_files(look: &mut Look<'_>) -> Result<BTreeMap<SegmentId, Member>, Error> {
    let mut files = BTreeMap::new();
    for name in look.list(LOG_FOLDER)? {
        let Some((number, "seg")) = parse(&name) else { continue };
        match read_file(look, SegmentId(number)) {
            Ok(member) => {
                files.insert(SegmentId(number), member);
            }
            Err(error) => look.note(error, true)?,
        }
    }
    Ok(files)
}

fn read_file(look: &mut Look<'_>, id: SegmentId) -> Result<Member, Error> {
    let shared = Arc::clone(&look.shared);
    let name = segment_name(id);
    let file = shared.disk.open(&name).map_err(|source| Error::disk("open", &name, source))?;
    let file_bytes = file.size().map_err(|source| Error::disk("look at", &name, source))?;
    let header = match SegmentHeader::read(&*file, id, &shared.store_id, shared.segment_bytes) {
        Ok(header) => header,
        Err(error) => {
            look.note(error, true)?;
            // Frames do not need it: they carry the proof of their place themselves.
            let segment_bytes = shared.segment_bytes;
            SegmentHeader { id, segment_bytes, settled_end: BLOCK_BYTES, file_bytes: 0 }
        }
    };
    if file_bytes < u64::from(header.file_bytes) {
        let text = format!("the file ends here, it once had {} bytes", header.file_bytes);
        look.note(Error::damage(&name, file_bytes, text), true)?;
    }
    let segment = Segment::new(&shared, header, None, BLOCK_BYTES, BLOCK_BYTES);
    let start = read_start(&segment)?;
    Ok(Member { segment, settled_end: header.settled_end, file_bytes, start, end: End::Unknown })
}

fn read_start(segment: &Arc<Segment>) -> Result<Option<Previous>, Error> {
    let limit = BLOCK_BYTES + frame_bytes(START_PAYLOAD_BYTES);
    let mut scanner = Scanner::new(segment, BLOCK_BYTES, limit);
    Ok(match scanner.next()? {
        Found::Frame { header, payload, .. } if header.kind == Kind::Start => Previous::decode(payload),
        _ => None,
    })
}
