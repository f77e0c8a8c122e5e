//! Deleting messages that were peeked, by their refs (spec §2.11 row 20). Not to be mistaken for the purge of a queue.
//!
//! A ref that names no message here is a warning, not an error: the rest of the request still counts. A missing one, or one
//! that is no string, refuses the whole request.

use std::borrow::Cow;

use kew_model::{Limits, QueueNumber, Sequence};

use crate::catalogue::Kind;
use crate::entries::Entries;
use crate::envelope;
use crate::fault::Fault;
use crate::fields::{Raw, Reader, Refusal, Within, fields};
use crate::keys::KeyRing;
use crate::messages::settle::named;
use crate::messages::{Warnings, write_warnings};

fields! {
    /// What it must say.
    struct Request { refs: Option<Entries<Entry<'a>, { Limits::SETTLE_ENTRIES_MAX }>> }
}

fields! {
    /// One message.
    struct Entry { reference = "ref": Raw<'a> }
}

/// Messages to delete, and the refs that they were named with.
#[derive(Debug)]
pub struct AskedReferences<'a> {
    /// The messages of this queue, each once.
    pub messages: Vec<Sequence>,
    /// The refs of [`AskedReferences::messages`], in their order.
    refs: Vec<Cow<'a, str>>,
    /// Refs that name no message of this queue, and why.
    refused: Vec<(Cow<'a, str>, &'static str)>,
}

/// Why a ref names no message of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoMessage {
    /// It was not sealed here.
    NotIssued,
    /// It is of another queue.
    OtherQueue,
}

/// The message of a queue that a ref names.
pub(super) fn open(text: &str, keys: &KeyRing, queue: QueueNumber) -> Result<Sequence, NoMessage> {
    match keys.open_reference(text) {
        Some(reference) if reference.queue == queue => Ok(reference.message),
        Some(_) => Err(NoMessage::OtherQueue),
        None => Err(NoMessage::NotIssued),
    }
}

impl NoMessage {
    fn text(self) -> &'static str {
        match self {
            Self::NotIssued => "the ref was not issued by this server",
            Self::OtherQueue => "the ref belongs to another queue",
        }
    }
}

/// Reads the refs of messages of `queue` to delete.
///
/// # Errors
/// 10026 for anything unreadable, for a missing list, for more than [`Limits::SETTLE_ENTRIES_MAX`] entries, and for a ref
/// that is missing, `null` or no string.
pub fn read_references<'a>(
    body: &'a [u8],
    keys: &KeyRing,
    queue: QueueNumber,
) -> Result<AskedReferences<'a>, Fault> {
    let request: Request<'a> = Refusal::OTHER.read_or_default(body)?;
    let reader = Reader::new(Kind::BodyInvalid, Within::Root);
    let Some(entries) = request.refs.flatten() else {
        return Err(reader.refuse("refs", "refs is required: a list of objects with a ref each"));
    };
    let (count, limit) = (entries.count(), Limits::SETTLE_ENTRIES_MAX);
    let entries = entries.read(reader, "refs", "an object with a ref")?;
    if count > limit {
        return Err(reader.refuse("refs", format!("refs holds at most {limit} entries, not {count}")));
    }
    let mut asked = AskedReferences {
        messages: Vec::with_capacity(count),
        refs: Vec::with_capacity(count),
        refused: Vec::new(),
    };
    let mut seen = std::collections::BTreeSet::new();
    for (index, entry) in entries.iter().enumerate() {
        let reader = Reader::new(Kind::BodyInvalid, Within::Item("refs", index));
        let text = named(reader, "ref", entry.reference)?;
        match open(&text, keys, queue) {
            Ok(message) if seen.insert(message) => {
                asked.messages.push(message);
                asked.refs.push(text);
            }
            Ok(_) => {}
            Err(why) => asked.refused.push((text, why.text())),
        }
    }
    Ok(asked)
}

/// The answer: `found` says of each of [`AskedReferences::messages`] whether it was there.
///
/// `errors` is what the schema has for a message that could not be deleted; here the whole call fails then, so it is empty.
pub fn write_discarded(asked: &AskedReferences<'_>, found: &[bool]) -> Vec<u8> {
    let mut warnings: Warnings<'_> = asked.refused.iter().map(|(text, why)| (&**text, *why)).collect();
    for (text, _) in asked.refs.iter().zip(found).filter(|(_, is_found)| !**is_found) {
        warnings.insert(text, "the message is not in the queue any more");
    }
    envelope::success(64, |out| {
        out.extend_from_slice(br#"{"errors":[],"#);
        write_warnings(out, &warnings);
        out.push(b'}');
    })
}
