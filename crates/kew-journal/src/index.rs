//! The sidecar of a segment: an opaque blob of the caller, derived from the segment's frames.
//!
//! It only saves a scan. So it is written without a folder sync, and whatever is wrong with it, a stale end of
//! the segment included, reads as "there is none". The layout is docs/format-journal.md §7.

use std::io::{self, IoSlice};

use bytes::Bytes;

use crate::error::Error;
use crate::frame::{read_u32, read_u64};
use crate::pool::write_all;
use crate::position::SegmentId;
use crate::segment::{Segment, index_name};
use crate::shared::{FORMAT_MAJOR, FORMAT_MINOR, Shared};

const MAGIC: [u8; 8] = *b"KEWINDEX";
const HEADER: usize = 56;

fn header(store_id: &[u8; 16], segment: SegmentId, end_offset: u32, blob: &[u8]) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&FORMAT_MAJOR.to_le_bytes());
    bytes[10..12].copy_from_slice(&FORMAT_MINOR.to_le_bytes());
    bytes[12..16].copy_from_slice(&end_offset.to_le_bytes());
    bytes[16..32].copy_from_slice(store_id);
    bytes[32..40].copy_from_slice(&segment.0.to_le_bytes());
    bytes[40..48].copy_from_slice(&(blob.len() as u64).to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..52]), blob);
    bytes[52..56].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

pub(crate) fn write(shared: &Shared, segment: &Segment, blob: &[u8]) -> Result<(), Error> {
    let name = index_name(segment.id);
    let temporary = format!("{name}.tmp");
    let file = match shared.disk.create(&temporary) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let removed = shared.disk.remove(&temporary);
            removed.and_then(|()| shared.disk.create(&temporary))
        }
        created => created,
    }
    .map_err(|source| Error::disk("create", &temporary, source))?;
    let header = header(&shared.store_id, segment.id, segment.end_offset(), blob);
    write_all(&*file, &temporary, &[IoSlice::new(&header), IoSlice::new(blob)], 0)?;
    file.sync().map_err(|source| Error::disk("sync", &temporary, source))?;
    shared.disk.rename(&temporary, &name).map_err(|source| Error::disk("rename", &temporary, source))
}

pub(crate) fn read(shared: &Shared, segment: &Segment) -> Option<Bytes> {
    let file = shared.disk.open(&index_name(segment.id)).ok()?;
    let mut bytes = vec![0; usize::try_from(file.size().ok()?).ok()?];
    let count = file.read_at(&mut bytes, 0).ok()?;
    if count < HEADER || count < bytes.len() || read_u64(&bytes, 40) != (count - HEADER) as u64 {
        return None;
    }
    let blob = &bytes[HEADER..];
    let expected = header(&shared.store_id, segment.id, segment.end_offset(), blob);
    if bytes[..HEADER] != expected || read_u32(&bytes, 52) != read_u32(&expected, 52) {
        return None;
    }
    Some(Bytes::from(bytes).slice(HEADER..))
}
