//! The older way to delete messages that were seen by a preview: an ack of the ref that stood as `lease_id`
//! (spec §2.11 row 23).
//!
//! It is asked and answered as an ack is, and as one, it counts what is gone already, so that a client whose answer was lost
//! reads the same again. A previewed message was never taken, so there is nothing to give back: a retry of one counts and
//! changes nothing.

use std::borrow::Cow;
use std::collections::BTreeSet;

use kew_model::{Limits, QueueNumber, Sequence};

use crate::catalogue::Kind;
use crate::fault::Fault;
use crate::fields::{Reader, Refusal, Within};
use crate::keys::KeyRing;
use crate::messages::Warnings;
use crate::messages::references::{NoMessage, open};
use crate::messages::settle::{GONE, NOT_ISSUED, OTHER_QUEUE, Request, named, write_counts};

/// Previewed messages to delete, and what the answer will say.
#[derive(Debug)]
pub struct AskedPreview<'a> {
    /// The messages to delete, each once.
    pub messages: Vec<Sequence>,
    acked: usize,
    retried: usize,
    /// Ids that do nothing, and why.
    refused: Vec<(Cow<'a, str>, &'static str)>,
}

/// Reads an ack of messages of `queue` that a preview has shown; an absent body settles nothing.
///
/// # Errors
/// As those of an ack: 10026 for anything unreadable, for an id that is missing, `null` or no string, for a delay out of
/// its range, and for more than [`Limits::SETTLE_ENTRIES_MAX`] entries.
pub fn read_preview_settlement<'a>(
    body: &'a [u8],
    keys: &KeyRing,
    queue: QueueNumber,
) -> Result<AskedPreview<'a>, Fault> {
    let request: Request<'a> = Refusal::OTHER.read_or_default(body)?;
    let (acks, retries) = request.entries()?;
    let mut asked = AskedPreview { messages: Vec::new(), acked: 0, retried: 0, refused: Vec::new() };
    let mut doomed = BTreeSet::new();
    for (index, entry) in acks.iter().enumerate() {
        let reader = Reader::new(Kind::BodyInvalid, Within::Item("acks", index));
        let id = named(reader, "lease_id", entry.lease_id)?;
        match open(&id, keys, queue) {
            Ok(message) => {
                doomed.insert(message);
                asked.acked += 1;
            }
            Err(why) => asked.refused.push((id, text_of(why))),
        }
    }
    for (index, entry) in retries.iter().enumerate() {
        let reader = Reader::new(Kind::BodyInvalid, Within::Item("retries", index));
        let id = named(reader, "lease_id", entry.lease_id)?;
        reader.number("delay_seconds", entry.delay_seconds, Limits::DELAY_SECONDS)?;
        match open(&id, keys, queue) {
            Ok(message) if doomed.contains(&message) => asked.refused.push((id, GONE)),
            Ok(_) => asked.retried += 1,
            Err(why) => asked.refused.push((id, text_of(why))),
        }
    }
    asked.messages = doomed.into_iter().collect();
    Ok(asked)
}

fn text_of(why: NoMessage) -> &'static str {
    match why {
        NoMessage::NotIssued => NOT_ISSUED,
        NoMessage::OtherQueue => OTHER_QUEUE,
    }
}

/// The answer, once the messages are deleted.
pub fn write_preview_settled(asked: &AskedPreview<'_>) -> Vec<u8> {
    let warnings: Warnings<'_> = asked.refused.iter().map(|(id, why)| (&**id, *why)).collect();
    write_counts(asked.acked, asked.retried, &warnings)
}
