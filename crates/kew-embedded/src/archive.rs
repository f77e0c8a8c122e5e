//! Reading what lies on disk, outside the writer.
//!
//! A message is found by its segment's index: in memory while the segment is young, later in the segment's sidecar,
//! and by a scan of the segment where the sidecar is missing. Decoded indexes are kept as far as they fit.

mod indexes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kew_journal::{Error, Position, Reader, SegmentId};
use kew_model::{QueueNumber, Sequence};

use crate::decide::loaded::Loaded;
use crate::decide::pull::FRAMES_AHEAD;
use crate::fetch::{Fetch, Fetched, Locator, Part, Slice};
use crate::index::SegmentIndex;
use crate::queue::window::Head;
use crate::record::batch::Batch;
use crate::record::codec;
use crate::record::read_frame;
use indexes::Indexes;

/// How many bytes are read ahead at a time, about.
const BYTES_AHEAD: usize = 1024 * 1024;

/// How far apart the first and the last frame that are read ahead at a time may lie. What lies between them is read with
/// them, or costs a read for each.
const SPAN_AHEAD: u32 = 4 * 1024 * 1024;

/// How much of a segment is read at a time when it is cleaned.
const SLICE_BYTES: u32 = 256 << 10;

/// Reads frames by the messages in them.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    reader: Reader,
    indexes: Arc<Mutex<Indexes>>,
    /// Held while an index is decoded or made, so that the same is not made twice.
    making: Arc<Mutex<()>>,
}

impl Archive {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader, indexes: Arc::default(), making: Arc::default() }
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Reads what a shard asked for. What has gone meanwhile, and its segment with it, is left out: whoever asked
    /// looks again.
    pub(crate) fn fetch(&self, fetch: Fetch) -> Fetched {
        let (queue, purpose) = (fetch.queue(), fetch.purpose());
        let heads = match fetch {
            Fetch::Heads { from, positions } | Fetch::Oldest { from, positions } => {
                match self.heads(from, positions) {
                    Err(Error::Gone { .. }) => Ok(Vec::new()),
                    heads => heads,
                }
            }
            Fetch::Messages { messages, most_bytes, .. } => self.frames(messages, most_bytes),
        };
        Fetched { queue, purpose, heads }
    }

    /// The frames that hold these messages, each once, until they come to so many bytes.
    fn frames(&self, messages: Vec<Locator>, most_bytes: usize) -> Result<Vec<Head>, Error> {
        let mut heads = Loaded::new();
        let mut bytes = 0;
        for locator in messages {
            if bytes >= most_bytes {
                break;
            }
            if heads.holding(locator.sequence.0).is_none() {
                match self.message(locator) {
                    Err(Error::Gone { .. }) => {}
                    head => {
                        let head = head?;
                        bytes += head.payload.len();
                        heads.add(head);
                    }
                }
            }
        }
        Ok(heads.heads().cloned().collect())
    }

    /// The frame that holds a message.
    pub(crate) fn message(&self, locator: Locator) -> Result<Head, Error> {
        let position = match locator.position {
            Some(position) => position,
            None => {
                let index = self.index(locator.segment)?;
                let found = index.position(locator.segment, locator.queue, locator.sequence.0);
                found.ok_or_else(|| lost(locator))?
            }
        };
        let payload = self.reader.read(position)?;
        let holds = |batch: &Batch<'_>| (batch.first..batch.end()).contains(&locator.sequence);
        head(locator.queue, position, payload, holds)?.ok_or_else(|| lost(locator))
    }

    /// A queue's frames from a message on, as far as its segment and a read's worth of bytes go.
    fn heads(&self, from: Locator, mut positions: Vec<Position>) -> Result<Vec<Head>, Error> {
        if positions.is_empty() {
            let index = self.index(from.segment)?;
            let entries = index.from(from.queue, from.sequence.0).iter().take(FRAMES_AHEAD);
            positions.extend(entries.map(|entry| Position { segment: from.segment, offset: entry.offset }));
        }
        let Some(first) = positions.first() else { return Err(lost(from)) };
        let reach = first.offset..=first.offset.saturating_add(SPAN_AHEAD);
        let near = positions.iter().take_while(|position| reach.contains(&position.offset)).count();
        positions.truncate(near);
        let mut heads = Vec::new();
        let mut sequence = from.sequence;
        let mut bytes = 0;
        let mut at = 0;
        let mut chunk = 1;
        while at < positions.len() && bytes < BYTES_AHEAD {
            let some = &positions[at..positions.len().min(at + chunk)];
            for (position, payload) in some.iter().zip(self.reader.read_many(some)?) {
                bytes += payload.len();
                // The first holds the message. Behind it there may be frames of other stretches of the queue.
                let is_first = heads.is_empty();
                let is_wanted =
                    |batch: &Batch<'_>| batch.end() > sequence && (!is_first || batch.first <= sequence);
                let head = match head(from.queue, *position, payload, is_wanted)? {
                    Some(head) => head,
                    None if is_first => return Err(lost(from)),
                    None => continue,
                };
                sequence = Sequence(head.end);
                heads.push(Head { payload: Bytes::copy_from_slice(&head.payload), ..head });
            }
            at += some.len();
            // Small frames are read many at a time, large ones few.
            chunk = (BYTES_AHEAD / (bytes / at).max(1)).clamp(1, FRAMES_AHEAD);
        }
        Ok(heads)
    }

    /// A segment's index: kept, from its sidecar, or made by a scan.
    fn index(&self, segment: SegmentId) -> Result<Arc<SegmentIndex>, Error> {
        if let Some(index) = self.indexes().find(segment) {
            return Ok(index);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = self.indexes().find(segment) {
            return Ok(index);
        }
        let stored = self.reader.read_index(segment);
        let decoded =
            stored.and_then(|bytes| SegmentIndex::read(&mut codec::Reader::new(&bytes, "index")).ok());
        let index = Arc::new(match decoded {
            Some(index) => index,
            None => {
                let index = self.scan(segment)?;
                // Kept for the next time; if that fails it is made again.
                drop(self.keep_index(segment, &index));
                index
            }
        });
        self.indexes().keep(segment, Arc::clone(&index));
        Ok(index)
    }

    fn indexes(&self) -> MutexGuard<'_, Indexes> {
        self.indexes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a part of a segment: some hundred kilobytes, or one frame.
    pub(crate) fn slice(&self, part: Part) -> Result<Slice, Error> {
        let Part { segment, from_offset } = part;
        let mut frames = Vec::new();
        let mut bytes = 0;
        let next_offset = self.reader.scan_some(segment, from_offset, SLICE_BYTES, &mut |frame| {
            bytes += frame.payload.len() as u64;
            let (_, records) = read_frame(frame.payload).map_err(|error| error.to_string())?;
            let mut payload = None;
            for placed in &records {
                if let Some(batch) = placed.record.messages() {
                    let payload = payload.get_or_insert_with(|| Bytes::copy_from_slice(frame.payload));
                    frames.push((batch.queue, Head::new(batch, payload.clone(), placed.start)));
                }
            }
            Ok(())
        })?;
        Ok(Slice { segment, frames, next_offset, bytes })
    }

    fn scan(&self, segment: SegmentId) -> Result<SegmentIndex, Error> {
        let mut index = SegmentIndex::default();
        self.reader.scan(segment, 0, u32::MAX, &mut |frame| {
            let (_, records) = read_frame(frame.payload).map_err(|error| error.to_string())?;
            for batch in records.iter().filter_map(|placed| placed.record.messages()) {
                index.add(batch.queue, batch.first.0, frame.position.offset);
            }
            Ok(())
        })?;
        Ok(index)
    }

    /// Keeps a finished segment's index beside it.
    pub(crate) fn keep_index(&self, segment: SegmentId, index: &SegmentIndex) -> Result<(), Error> {
        let mut bytes = Vec::new();
        index.put(&mut bytes);
        self.reader.write_index(segment, &bytes)
    }
}

/// The first record of a frame with messages of a queue that are wanted, as a head.
fn head(
    queue: QueueNumber,
    position: Position,
    payload: Bytes,
    is_wanted: impl Fn(&Batch<'_>) -> bool,
) -> Result<Option<Head>, Error> {
    let damage = |error: codec::Malformed| Error::Damage {
        file: format!("log/{}.seg", position.segment),
        offset: u64::from(position.offset),
        reason: error.to_string(),
    };
    let (_, records) = read_frame(&payload).map_err(damage)?;
    let of_queue = records.iter().filter_map(|placed| Some((placed.start, placed.record.messages()?)));
    let wanted = of_queue.filter(|(_, batch)| batch.queue == queue && is_wanted(batch));
    let first = wanted.min_by_key(|(_, batch)| batch.first);
    Ok(first.map(|(start, batch)| Head::new(batch, payload.clone(), start)))
}

fn lost(locator: Locator) -> Error {
    let reason = format!("message {} of queue {} is in no frame", locator.sequence.0, locator.queue.0);
    Error::Damage { file: format!("log/{}.seg", locator.segment), offset: 0, reason }
}
