//! What the folders hold: checkpoints, segments, spares, and leftovers of work cut short.
//!
//! Nothing is changed here before the log was judged, so a damaged store stays as it was found. Files that turn
//! out to belong to no part of the log are recycled or removed at the very end, never replayed.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::checkpoint::{Checkpoint, Cut, checkpoint_name};
use crate::error::Error;
use crate::journal::Recovered;
use crate::pool::{SPARES_MAX, sync_folder};
use crate::position::{SegmentId, SegmentInfo};
use crate::scan::look_ahead;
use crate::segment::{BLOCK_BYTES, Segment, SegmentHeader, segment_name, spare_name};
use crate::shared::{CHECKPOINT_FOLDER, Checkpoints, LOG_FOLDER, Shared, locked};

use super::chain::Link;
use super::{RecoveryReport, Replay};

/// The checkpoint that recovery starts from.
pub(super) struct Loaded {
    pub(super) cut: Cut,
    /// What is wrong with a newer one.
    pub(super) passed_over: Option<Error>,
    /// Files of no further use.
    outdated: Vec<String>,
}

/// Picks the newest intact checkpoint and shows it to the caller.
pub(super) fn load_checkpoint(
    shared: &Shared,
    replay: &mut dyn Replay,
    report: &mut RecoveryReport,
) -> Result<Loaded, Error> {
    let mut loaded = Loaded { cut: Cut::start(), passed_over: None, outdated: Vec::new() };
    let mut numbers = Vec::new();
    for name in list(shared, CHECKPOINT_FOLDER)? {
        match parse(&name) {
            Some((number, "ckpt")) => numbers.push(number),
            _ => loaded.outdated.push(format!("{CHECKPOINT_FOLDER}/{name}")),
        }
    }
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    let mut checkpoints =
        Checkpoints { attempted: numbers.first().copied().unwrap_or_default(), ..Checkpoints::default() };
    for (index, &number) in numbers.iter().enumerate() {
        match Checkpoint::read(&*shared.disk, &shared.store_id, number) {
            Ok(checkpoint) => {
                checkpoint.show(|payload| replay.checkpoint(checkpoint.cut.covered, payload))?;
                checkpoints.number = number;
                checkpoints.older_number = numbers.get(index + 1).copied();
                checkpoints.covered = checkpoint.cut.covered;
                report.checkpoint_lsn = checkpoint.cut.covered;
                loaded.cut = checkpoint.cut;
                loaded.outdated.extend(numbers.iter().skip(index + 2).copied().map(checkpoint_name));
                break;
            }
            Err(error @ Error::Damage { .. }) => {
                report.checkpoint_passed_over.get_or_insert(error.to_string());
                loaded.passed_over.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    *locked(&shared.checkpoints) = checkpoints;
    Ok(loaded)
}

/// A `.seg` file with a readable header.
pub(super) struct Entry {
    pub(super) segment: Arc<Segment>,
    pub(super) settled_end: u32,
    pub(super) file_bytes: u64,
}

impl Entry {
    /// Refuses a file that is shorter than the log in it is known to be.
    fn require(&self, end_offset: u32) -> Result<(), Error> {
        if self.file_bytes >= u64::from(end_offset) {
            return Ok(());
        }
        let text = format!("the file ends here, its log ends at byte {end_offset}");
        Err(Error::damage(&self.segment.name(), self.file_bytes, text))
    }
}

/// The log folder.
pub(super) struct Inventory {
    pub(super) segments: BTreeMap<SegmentId, Entry>,
    spares: Vec<SegmentId>,
    indexes: Vec<SegmentId>,
    leftovers: Vec<String>,
}

impl Inventory {
    /// Lists the log folder and reads the header of every segment. Sets the id that the next segment takes.
    pub(super) fn take(shared: &Shared, cut: &Cut) -> Result<Self, Error> {
        let mut inventory = Self {
            segments: BTreeMap::new(),
            spares: Vec::new(),
            indexes: Vec::new(),
            leftovers: Vec::new(),
        };
        let mut next_id = cut.next_segment.0.max(1);
        for name in list(shared, LOG_FOLDER)? {
            let Some((number, suffix)) = parse(&name) else { continue };
            let id = SegmentId(number);
            next_id = next_id.max(number + 1);
            match suffix {
                "seg" => {
                    inventory.segments.insert(id, load_segment(shared, id)?);
                }
                "spare" => inventory.spares.push(id),
                "index" => inventory.indexes.push(id),
                _ => inventory.leftovers.push(format!("{LOG_FOLDER}/{name}")),
            }
        }
        locked(&shared.pool).next_id = next_id;
        Ok(inventory)
    }

    /// The segments that the checkpoint covers as a whole, as far as they are still there. The one that it covers in part
    /// holds that part at least, which was durable before the checkpoint was, although nothing there is read now.
    pub(super) fn covered_segments(&self, cut: &Cut, chain: &[Link]) -> Result<Vec<SegmentInfo>, Error> {
        if let Some(entry) = self.segments.get(&cut.at.segment) {
            entry.require(cut.at.offset)?;
        }
        let mut covered = Vec::new();
        for info in &cut.segments {
            let Some(entry) = self.segments.get(&info.id) else { continue };
            if chain.iter().any(|link| link.segment.id == info.id) {
                continue;
            }
            let mut info = *info;
            if let Some(link) = chain.first().filter(|link| link.previous.segment == info.id) {
                info.end_offset = info.end_offset.max(link.previous.end_offset);
            }
            entry.require(info.end_offset)?;
            entry.segment.set_end_offset(info.end_offset);
            covered.push(info);
        }
        Ok(covered)
    }

    /// Opens the chain's segments to readers.
    pub(super) fn keep(&mut self, shared: &Shared, recovered: &Recovered) {
        for info in &recovered.chain {
            if let Some(entry) = self.segments.remove(&info.id) {
                entry.segment.set_end_offset(info.end_offset);
                shared.add_segment(entry.segment);
            }
        }
        self.indexes.retain(|id| !recovered.chain.iter().any(|info| info.id == *id));
    }

    /// Makes room for a tail that is about to be copied, where less than so many bytes are free: drafts of earlier
    /// attempts, spares, and segments behind the last one that nothing was written to are removed. Without any, the copy
    /// may fail, and the next open finds the log as it is.
    pub(super) fn make_room(&mut self, shared: &Shared, last: SegmentId, bytes: u64) -> Result<(), Error> {
        if !shared.disk.space().is_ok_and(|space| space.free_bytes < bytes) {
            return Ok(());
        }
        let mut names = std::mem::take(&mut self.leftovers);
        names.extend(self.spares.drain(..).map(spare_name));
        for (id, entry) in self.segments.range((Bound::Excluded(last), Bound::Unbounded)) {
            if look_ahead(&entry.segment, BLOCK_BYTES)?.frames == 0 {
                names.push(segment_name(*id));
            }
        }
        // Until they are closed, files that are removed keep their space.
        self.segments.retain(|id, _| !names.contains(&segment_name(*id)));
        // The copy has a name already, with the highest id. It must not vanish after these have (J2).
        sync_folder(shared)?;
        names.iter().try_for_each(|name| remove(shared, name))
    }

    /// Recycles or removes everything that was not kept, and says how many files that were.
    pub(super) fn clear(self, shared: &Shared, loaded: &Loaded) -> Result<u64, Error> {
        let mut pool = locked(&shared.pool);
        let mut removed = self.leftovers;
        removed.extend(loaded.outdated.iter().cloned());
        removed.extend(self.indexes.into_iter().map(crate::segment::index_name));
        for id in self.spares {
            if pool.spares.len() < SPARES_MAX && is_full(shared, id)? {
                pool.spares.push(id);
            } else {
                removed.push(spare_name(id));
            }
        }
        let mut count = 0;
        for name in removed {
            remove(shared, &name)?;
            count += 1;
        }
        for (id, entry) in self.segments {
            pool.give_up(shared, id, entry.file_bytes >= u64::from(shared.segment_bytes))?;
            count += 1;
        }
        Ok(count)
    }
}

fn list(shared: &Shared, folder: &str) -> Result<Vec<String>, Error> {
    shared.disk.list(folder).map_err(|source| Error::disk("list", folder, source))
}

fn remove(shared: &Shared, name: &str) -> Result<(), Error> {
    shared.disk.remove(name).map_err(|source| Error::disk("remove", name, source))
}

/// Splits `<16 hex digits>.<suffix>`.
pub(crate) fn parse(name: &str) -> Option<(u64, &str)> {
    let (stem, suffix) = name.split_once('.')?;
    let number = u64::from_str_radix(stem, 16).ok().filter(|number| *number < u64::MAX)?;
    (stem.len() == 16).then_some((number, suffix))
}

fn load_segment(shared: &Shared, id: SegmentId) -> Result<Entry, Error> {
    let name = segment_name(id);
    let file = shared.disk.open(&name).map_err(|source| Error::disk("open", &name, source))?;
    let header = SegmentHeader::read(&*file, id, &shared.store_id, shared.segment_bytes)?;
    let file_bytes = file.size().map_err(|source| Error::disk("look at", &name, source))?;
    if file_bytes < u64::from(header.file_bytes) {
        let text = format!("the file ends here, it once had {} bytes", header.file_bytes);
        return Err(Error::damage(&name, file_bytes, text));
    }
    let filled_to = u32::try_from(file_bytes).unwrap_or(u32::MAX).min(header.segment_bytes);
    let segment = Segment::new(shared, header, None, BLOCK_BYTES, filled_to);
    Ok(Entry { segment, settled_end: header.settled_end, file_bytes })
}

fn is_full(shared: &Shared, id: SegmentId) -> Result<bool, Error> {
    let name = spare_name(id);
    let size = shared.disk.open(&name).and_then(|file| file.size());
    Ok(size.map_err(|source| Error::disk("look at", &name, source))? >= u64::from(shared.segment_bytes))
}
