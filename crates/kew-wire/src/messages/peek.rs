//! Peek: messages as they lie in the queue, each with a ref by which it can be deleted (spec §2.11 rows 19 and 22).
//!
//! A message looks as in a pull, but for its lease, which it does not have.

use kew_model::{Glimpse, Limits, Peek, Peeked};

use crate::catalogue::Kind;
use crate::envelope;
use crate::fault::Fault;
use crate::fields::{Raw, Reader, Refusal, Within, fields};
use crate::keys::KeyRing;
use crate::messages::pull::{write_beginning, write_body, write_end};
use crate::messages::{BodyEncoding, Origins};
use crate::reference::{self, Reference};

fields! {
    /// What a peek may say.
    struct Request { batch_size: Raw<'a> }
}

/// Under which names a message's ref is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// As `ref`.
    Reference,
    /// As `ref`, and as `lease_id`, which older clients send back.
    Both,
}

/// Reads a peek; an absent body asks for the defaults.
///
/// # Errors
/// 10026 for anything unreadable or out of range.
pub fn read_peek(body: &[u8]) -> Result<Peek, Fault> {
    let request: Request<'_> = Refusal::OTHER.read_or_default(body)?;
    let reader = Reader::new(Kind::BodyInvalid, Within::Root);
    let batch_size = reader.narrow("batch_size", request.batch_size, Limits::PULL_BATCH)?;
    Ok(Peek { batch_size })
}

/// The answer to a peek.
pub fn write_peeked(peeked: &Peeked, keys: &KeyRing, encoding: BodyEncoding, origins: &Origins) -> Vec<u8> {
    write(peeked, keys, encoding, origins, Names::Reference)
}

/// The answer to a preview, the older relative of a peek: each ref stands under both names, since nobody knows which one
/// its clients read (spec §2.11 row 22).
pub fn write_previewed(
    peeked: &Peeked,
    keys: &KeyRing,
    encoding: BodyEncoding,
    origins: &Origins,
) -> Vec<u8> {
    write(peeked, keys, encoding, origins, Names::Both)
}

fn write(
    peeked: &Peeked,
    keys: &KeyRing,
    encoding: BodyEncoding,
    origins: &Origins,
    names: Names,
) -> Vec<u8> {
    // As for a pull: a message's frame is 256 bytes at most with both names, and base64 takes four bytes for three.
    let bodies: usize = peeked.messages.iter().map(|message| peeked.body(message).len()).sum();
    let capacity = 64 + peeked.messages.len() * 256 + bodies + bodies / 2;
    envelope::success(capacity, |out| {
        out.extend_from_slice(br#"{"messages":["#);
        for (index, message) in peeked.messages.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_beginning(out, message.id, message.attempts);
            write_body(out, message.content_type, peeked.body(message), encoding);
            write_names(out, message, keys, names);
            write_end(out, message.content_type, origins.name_of(message.origin), message.sent_at);
        }
        out.extend_from_slice(b"]}");
    })
}

fn write_names(out: &mut Vec<u8>, message: &Glimpse, keys: &KeyRing, names: Names) {
    let mut room = [0; reference::LENGTH];
    let sealed =
        keys.seal_reference(Reference { queue: message.queue, message: message.sequence }, &mut room);
    if names == Names::Both {
        out.extend_from_slice(br#","lease_id":""#);
        out.extend_from_slice(sealed.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(br#","ref":""#);
    out.extend_from_slice(sealed.as_bytes());
    out.push(b'"');
}
