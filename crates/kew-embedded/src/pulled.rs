//! From the writer's picks to the messages of an answer: their bytes, from memory or from the disk.

use bytes::Bytes;
use kew_model::{Backlog, Error, Lease, Pulled, QueueNumber, Timestamp};

use crate::archive::Archive;
use crate::command::{BacklogSeen, OldestSeen, Pick, Picks, Source};
use crate::fetch::Locator;
use crate::keeper::Unread;
use crate::queue::window::Head;
use crate::record::batch::Stored;
use crate::record::read_batch;

/// Messages of a queue that an answer needs cannot be read. Their leases are on disk by now, so whoever asked must not
/// take this for "nothing happened".
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) queue: QueueNumber,
    pub(crate) error: kew_journal::Error,
}

impl From<Unreadable> for Error {
    fn from(unreadable: Unreadable) -> Self {
        Self::OutcomeUnknown { cause: unreadable.error.to_string() }
    }
}

/// Reads what an answer needs and builds it.
pub(crate) fn answer(archive: &Archive, unread: Unread) -> Result<Pulled, Unreadable> {
    let BacklogSeen { count, bytes, oldest } = unread.backlog;
    let oldest = match oldest {
        OldestSeen::None => None,
        OldestSeen::At(at) => Some(at),
        OldestSeen::Unread(locator) => sent_at(archive, locator)?,
    };
    assemble(archive, unread.picks, Backlog { count, bytes, oldest })
}

/// Builds the answer to a pull: frame by frame, each read and added once.
fn assemble(archive: &Archive, picks: Picks, backlog: Backlog) -> Result<Pulled, Unreadable> {
    let mut pulled = Pulled::empty(backlog);
    let Some(queue) = picks.queue else { return Ok(pulled) };
    let mut frames = Frames { archive, queue, read: Vec::new() };
    pulled.messages.reserve(picks.messages.len());
    for of_one_source in picks.messages.chunk_by(|one, next| one.source == next.source) {
        let source = &picks.sources[of_one_source[0].source as usize];
        let Some(frame) = frames.open(source, &mut pulled)? else { continue };
        frame.add(of_one_source, queue, picks.fence, &mut pulled)?;
    }
    Ok(pulled)
}

/// When the message was published; `None` when it has gone meanwhile and its segment with it, or the disk does not say
/// now. For this alone no answer fails.
fn sent_at(archive: &Archive, locator: Locator) -> Result<Option<Timestamp>, Unreadable> {
    let head = match read(archive, locator) {
        Err(Unreadable { error: kew_journal::Error::Disk { .. }, .. }) => None,
        head => head?,
    };
    Ok(head.and_then(|head| {
        let (batch, _) = head.batch();
        batch.messages().find(|stored| stored.sequence == locator.sequence).map(|stored| stored.sent_at)
    }))
}

/// Reads a message's frame. What an answer is to be read from stays until then, unless the store has closed.
fn read(archive: &Archive, locator: Locator) -> Result<Option<Head>, Unreadable> {
    match archive.message(locator) {
        Ok(head) => Ok(Some(head)),
        Err(kew_journal::Error::Gone { .. }) => Ok(None),
        Err(error) => Err(Unreadable { queue: locator.queue, error }),
    }
}

/// The frames of one answer.
struct Frames<'a> {
    archive: &'a Archive,
    queue: QueueNumber,
    /// Frames read from the disk for this answer, so that neighbours share one read.
    read: Vec<(Head, Frame)>,
}

/// A frame whose payload is a chunk of the answer.
#[derive(Clone)]
struct Frame {
    payload: Bytes,
    record_start: u32,
    chunk: u32,
}

impl Frames<'_> {
    /// The frame of a source; `None` when it has gone.
    fn open(&mut self, source: &Source, pulled: &mut Pulled) -> Result<Option<Frame>, Unreadable> {
        let locator = match source {
            Source::Payload(payload, record_start) => {
                return Ok(Some(Frame::new(payload.clone(), *record_start, pulled)));
            }
            Source::Stored(locator) => *locator,
        };
        let held = |head: &Head| locator.queue == self.queue && head.holds(locator.sequence);
        if let Some((_, frame)) = self.read.iter().find(|(head, _)| held(head)) {
            return Ok(Some(frame.clone()));
        }
        let Some(head) = read(self.archive, locator)? else { return Ok(None) };
        let frame = Frame::new(head.payload.clone(), head.record_start, pulled);
        self.read.push((head, frame.clone()));
        Ok(Some(frame))
    }
}

impl Frame {
    fn new(payload: Bytes, record_start: u32, pulled: &mut Pulled) -> Self {
        Self { chunk: pulled.add_chunk(payload.clone()), payload, record_start }
    }

    /// Adds its messages to the answer. They mostly rise, so each search goes on from the message before.
    fn add(
        &self,
        picks: &[Pick],
        queue: QueueNumber,
        fence: u64,
        pulled: &mut Pulled,
    ) -> Result<(), Unreadable> {
        let damaged = |reason: String| Unreadable {
            queue,
            error: kew_journal::Error::Damage { file: "log".to_owned(), offset: 0, reason },
        };
        let batch = read_batch(&self.payload, self.record_start).map_err(|error| damaged(error.to_string()));
        let (batch, record_end) = batch?;
        let mut before: Option<Stored> = None;
        for pick in picks {
            let found = match before.filter(|before| before.sequence < pick.sequence) {
                Some(before) => batch.messages_after(&before).find(|stored| stored.sequence == pick.sequence),
                None => batch.messages().find(|stored| stored.sequence == pick.sequence),
            };
            let lost = || damaged(format!("message {} is not in its frame", pick.sequence.0));
            let stored = found.ok_or_else(lost)?;
            let body = batch.body_in_payload(&stored, record_end);
            let lease = Lease { queue, message: pick.sequence, fence };
            pulled.add(
                stored.id,
                lease,
                pick.attempts,
                stored.sent_at,
                stored.content_type,
                self.chunk,
                body,
            );
            pulled.set_origin(batch.origin(&stored));
            before = found;
        }
        Ok(())
    }
}
