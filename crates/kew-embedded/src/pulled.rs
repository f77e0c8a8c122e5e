//! From the writer's picks to the messages of an answer: their bytes, from memory or from the disk.

use bytes::Bytes;
use kew_model::{Backlog, Error, Lease, Pulled, QueueNumber, Timestamp};

use crate::command::{Locator, Picks, Source};
use crate::library::Library;
use crate::queue::window::Head;
use crate::record::batch::{Batch, Stored};
use crate::record::read_batch;

/// Builds the answer to a pull.
pub(crate) fn assemble(library: &Library, picks: Picks, backlog: Backlog) -> Result<Pulled, Error> {
    let mut pulled = Pulled::empty(backlog);
    let Some(queue) = picks.queue else { return Ok(pulled) };
    let mut frames = Frames { library, sources: picks.sources, read: Vec::new(), open: None };
    pulled.messages.reserve(picks.messages.len());
    for pick in picks.messages {
        let Some(frame) = frames.open(pick.source, &mut pulled)? else { continue };
        let (batch, record_end) = frame.batch()?;
        let Some(stored) = frame.find(&batch, pick.sequence.0) else {
            return Err(Error::Internal {
                cause: format!("message {} is not in its frame", pick.sequence.0),
            });
        };
        let body = batch.body_in_payload(&stored, record_end);
        let lease = Lease { queue, message: pick.sequence, fence: picks.fence };
        pulled.add(stored.id, lease, pick.attempts, stored.sent_at, stored.content_type, frame.chunk, body);
    }
    Ok(pulled)
}

/// When the message was published; `None` when it has gone meanwhile and its segment with it.
pub(crate) fn sent_at(library: &Library, locator: Locator) -> Result<Option<Timestamp>, Error> {
    let Some(head) = read(library, locator)? else { return Ok(None) };
    let (batch, _) = head.batch();
    Ok(batch.messages().find(|stored| stored.sequence == locator.sequence).map(|stored| stored.sent_at))
}

/// Reads a message's frame. Between the commit and the read the message may have been settled and its segment freed:
/// then there is nothing to deliver any more, and nothing is lost.
fn read(library: &Library, locator: Locator) -> Result<Option<Head>, Error> {
    match library.message(locator) {
        Ok(head) => Ok(Some(head)),
        Err(kew_journal::Error::Gone { .. }) => Ok(None),
        Err(error) => Err(Error::Internal { cause: error.to_string() }),
    }
}

/// The frames of one answer, each added to it once.
struct Frames<'a> {
    library: &'a Library,
    sources: Vec<Source>,
    /// Frames read from the disk for this answer, so that neighbours share one read.
    read: Vec<(QueueNumber, Head)>,
    open: Option<(u32, Open)>,
}

/// The frame that messages are being taken from.
#[derive(Clone)]
struct Open {
    payload: Bytes,
    record_start: u32,
    chunk: u32,
    /// The last message found and where the search goes on.
    at: core::cell::Cell<Option<Stored>>,
}

impl Open {
    fn batch(&self) -> Result<(Batch<'_>, u32), Error> {
        read_batch(&self.payload, self.record_start)
            .map_err(|error| Error::Internal { cause: error.to_string() })
    }

    /// Finds a message, going on from the one found before, since messages come in rising order.
    fn find(&self, batch: &Batch<'_>, sequence: u64) -> Option<Stored> {
        let found = match self.at.get() {
            Some(before) if before.sequence.0 < sequence => {
                batch.messages_after(&before).find(|stored| stored.sequence.0 == sequence)
            }
            _ => batch.messages().find(|stored| stored.sequence.0 == sequence),
        };
        self.at.set(found);
        found
    }
}

impl Frames<'_> {
    /// The frame of a source; `None` when it has gone.
    fn open(&mut self, source: u32, pulled: &mut Pulled) -> Result<Option<&Open>, Error> {
        let is_open = self.open.as_ref().is_some_and(|(open, _)| *open == source);
        if !is_open {
            let (payload, record_start) = match &self.sources[source as usize] {
                Source::Payload(payload, record_start) => (payload.clone(), *record_start),
                Source::Stored(locator) => match self.stored(*locator)? {
                    Some(head) => (head.payload, head.record_start),
                    None => return Ok(None),
                },
            };
            let same = self.open.as_ref().filter(|(_, open)| open.payload.as_ptr() == payload.as_ptr());
            let chunk = same.map_or_else(|| pulled.add_chunk(payload.clone()), |(_, open)| open.chunk);
            self.open =
                Some((source, Open { payload, record_start, chunk, at: core::cell::Cell::new(None) }));
        }
        Ok(self.open.as_ref().map(|(_, open)| open))
    }

    fn stored(&mut self, locator: Locator) -> Result<Option<Head>, Error> {
        let holds = |(queue, head): &&(QueueNumber, Head)| {
            *queue == locator.queue && (head.first..head.end()).contains(&locator.sequence.0)
        };
        if let Some((_, head)) = self.read.iter().find(holds) {
            return Ok(Some(head.clone()));
        }
        let head = read(self.library, locator)?;
        self.read.extend(head.iter().map(|head| (locator.queue, head.clone())));
        Ok(head)
    }
}
