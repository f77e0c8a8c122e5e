//! Redrive: messages of a dead-letter queue go back to where they can be processed again. Kew's own call
//! (design §8.24); the vendor has none.

use std::borrow::Cow;

use kew_model::{Limits, Redriven};
use serde::{Deserialize, Serialize};

use crate::catalogue::Kind;
use crate::envelope;
use crate::fault::Fault;
use crate::fields::{Raw, Reader, Refusal, Within, fields};

fields! {
    /// What a redrive may say.
    struct Request { destination: Raw<'a>, batch_size: Raw<'a> }
}

/// A batch of messages to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedRedrive<'a> {
    /// Id or name of the queue that they go to; each to the one it came from when absent.
    pub destination: Option<Cow<'a, str>>,
    /// The most messages to move, 1–100.
    pub batch_size: u16,
}

/// Reads a redrive; an absent body asks for the defaults.
///
/// # Errors
/// 10026 for anything unreadable or out of range.
pub fn read_redrive(body: &[u8]) -> Result<AskedRedrive<'_>, Fault> {
    let request: Request<'_> = Refusal::OTHER.read_or_default(body)?;
    let reader = Reader::new(Kind::BodyInvalid, Within::Root);
    let destination = reader.text("destination", request.destination)?;
    let range = 1..=u64::from(Limits::REDRIVE_BATCH_MAX);
    let batch_size = reader.narrow("batch_size", request.batch_size, range)?;
    Ok(AskedRedrive { destination, batch_size: batch_size.unwrap_or(Limits::REDRIVE_BATCH_MAX) })
}

/// What a redrive did, as clients read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedrivenView {
    /// Messages that moved.
    pub moved: u64,
    /// Messages, of those looked at, that stay because they have no queue to go back to.
    pub without_origin: u64,
    /// Messages still in the queue, in whatever state.
    pub left: u64,
}

/// The answer to a redrive.
pub fn write_redriven(redriven: &Redriven) -> Vec<u8> {
    let Redriven { moved, without_origin, left } = *redriven;
    envelope::success_of(&RedrivenView { moved, without_origin, left })
}

/// A destination that is not there, or that the caller may not know of.
pub fn no_destination() -> Fault {
    Fault::new(Kind::DestinationNotFound).at("/destination")
}
