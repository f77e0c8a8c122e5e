//! Reading what lies on disk, outside the writer.
//!
//! A message is found by its segment's index: in memory while the segment is young, later in the segment's sidecar,
//! and by a scan of the segment where the sidecar is missing. Decoded indexes are kept as far as they fit.

mod indexes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kew_journal::{Error, Position, Reader, SegmentId};
use kew_model::{QueueNumber, Sequence};

use crate::command::{Fetch, Fetched, Locator};
use crate::decide::pull::FRAMES_AHEAD;
use crate::index::SegmentIndex;
use crate::queue::window::Head;
use crate::record::batch::Batch;
use crate::record::codec;
use crate::record::{Record, read_frame};
use indexes::Indexes;

/// How many bytes are read ahead at a time, about.
const BYTES_AHEAD: usize = 1024 * 1024;

/// How far apart the first and the last frame that are read ahead at a time may lie. What lies between them is read with
/// them, or costs a read for each.
const SPAN_AHEAD: u32 = 4 * 1024 * 1024;

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
            Fetch::Messages { messages, .. } => self.frames(messages),
        };
        Fetched { queue, purpose, heads }
    }

    /// The frames that hold these messages, each once.
    fn frames(&self, messages: Vec<Locator>) -> Result<Vec<Head>, Error> {
        let mut heads: BTreeMap<u64, Head> = BTreeMap::new();
        for locator in messages {
            let known = heads.range(..=locator.sequence.0).next_back();
            if known.is_none_or(|(_, head)| head.end() <= locator.sequence.0) {
                match self.message(locator) {
                    Err(Error::Gone { .. }) => {}
                    head => {
                        let head = head?;
                        heads.insert(head.first, head);
                    }
                }
            }
        }
        Ok(heads.into_values().collect())
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
        head(locator.queue, locator.sequence, position, payload)
    }

    /// A queue's frames from a message on, as far as its segment and a read's worth of bytes go.
    fn heads(&self, from: Locator, mut positions: Vec<Position>) -> Result<Vec<Head>, Error> {
        if positions.is_empty() {
            let index = self.index(from.segment)?;
            let entries = index.from(from.queue, from.sequence.0).iter().take(FRAMES_AHEAD);
            positions.extend(entries.map(|entry| Position { segment: from.segment, offset: entry.offset }));
        }
        let Some(first) = positions.first() else { return Err(lost(from)) };
        let reach = first.offset.saturating_add(SPAN_AHEAD);
        positions.truncate(positions.partition_point(|position| position.offset <= reach));
        let mut heads = Vec::new();
        let mut sequence = from.sequence;
        let mut bytes = 0;
        let mut at = 0;
        let mut chunk = 1;
        while at < positions.len() && bytes < BYTES_AHEAD {
            let some = &positions[at..positions.len().min(at + chunk)];
            for (position, payload) in some.iter().zip(self.reader.read_many(some)?) {
                bytes += payload.len();
                let head = head(from.queue, sequence, *position, payload)?;
                sequence = Sequence(head.end());
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
            None => self.scan(segment)?,
        });
        self.indexes().keep(segment, Arc::clone(&index));
        Ok(index)
    }

    fn indexes(&self) -> MutexGuard<'_, Indexes> {
        self.indexes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scan(&self, segment: SegmentId) -> Result<SegmentIndex, Error> {
        let mut index = SegmentIndex::default();
        self.reader.scan(segment, 0, u32::MAX, &mut |frame| {
            let (_, records) = read_frame(frame.payload).map_err(|error| error.to_string())?;
            for placed in &records {
                if let Record::Pushed(batch) | Record::Moved(batch) = &placed.record {
                    index.add(batch.queue, batch.first.0, frame.position.offset);
                }
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

/// The record of a frame that holds a message, as a head.
fn head(queue: QueueNumber, sequence: Sequence, position: Position, payload: Bytes) -> Result<Head, Error> {
    let damage = |reason: String| Error::Damage {
        file: format!("log/{}.seg", position.segment),
        offset: u64::from(position.offset),
        reason,
    };
    let holds = |batch: &Batch<'_>| batch.queue == queue && (batch.first..batch.end()).contains(&sequence);
    let (_, records) = read_frame(&payload).map_err(|error| damage(error.to_string()))?;
    let found = records.iter().find_map(|placed| match &placed.record {
        Record::Pushed(batch) | Record::Moved(batch) if holds(batch) => {
            Some((batch.first.0, u64::from(batch.count), placed.start))
        }
        _ => None,
    });
    let (first, count, record_start) =
        found.ok_or_else(|| damage(format!("message {} of queue {} is not there", sequence.0, queue.0)))?;
    Ok(Head { first, count, payload, record_start })
}

fn lost(locator: Locator) -> Error {
    let reason = format!("message {} of queue {} is in no frame", locator.sequence.0, locator.queue.0);
    Error::Damage { file: format!("log/{}.seg", locator.segment), offset: 0, reason }
}
