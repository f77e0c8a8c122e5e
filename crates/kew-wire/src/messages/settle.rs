//! Ack: end leases, by an ack or a retry (spec §2.11 row 18, §4.5).
//!
//! A lease id that was not sealed here is a warning, not an error: the rest of the request still counts. A missing
//! one, or one that is no string, refuses the whole request.

use std::borrow::Cow;

use kew_model::{AckOutcome, Limits, Retry, RetryOutcome, Seconds, Settled, Settlement};

use crate::catalogue::Kind;
use crate::entries::Entries;
use crate::envelope;
use crate::fault::Fault;
use crate::fields::{Raw, Reader, Refusal, Within, fields};
use crate::keys::KeyRing;
use crate::messages::{Warnings, write_warnings};
use crate::text::write_number;

fields! {
    /// What an ack may say.
    struct Request { acks: Option<Leases<'a>>, retries: Option<Leases<'a>> }
}

impl<'a> Request<'a> {
    /// Acks and retries, when they are not too many.
    pub(super) fn entries(self) -> Result<(Vec<Entry<'a>>, Vec<Entry<'a>>), Fault> {
        let mut count = 0;
        let mut read = |field, leases: Option<Leases<'a>>| {
            let Some(leases) = leases else { return Ok(Vec::new()) };
            count += leases.count();
            leases.read(Reader::new(Kind::BodyInvalid, Within::Root), field, LEASE)
        };
        let entries = (read("acks", self.acks.flatten())?, read("retries", self.retries.flatten())?);
        let limit = Limits::SETTLE_ENTRIES_MAX;
        if count > limit {
            let why = format!("acks and retries hold at most {limit} entries together, not {count}");
            return Err(Fault::new(Kind::BodyInvalid).detailed(why));
        }
        Ok(entries)
    }
}

fields! {
    /// One lease; an ack's `delay_seconds` means nothing and is passed over.
    struct Entry { lease_id: Raw<'a>, delay_seconds: Raw<'a> }
}

/// The entries of one list.
type Leases<'a> = Entries<Entry<'a>, { Limits::SETTLE_ENTRIES_MAX }>;
/// What stands for a lease.
pub(super) const LEASE: &str = "an object with a lease_id";

/// A settlement, and the lease ids it came from.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The leases that are genuine.
    pub settlement: Settlement,
    /// The ids of [`Settlement::acks`], in their order.
    acks: Vec<Cow<'a, str>>,
    /// The ids of [`Settlement::retries`], in their order.
    retries: Vec<Cow<'a, str>>,
    /// The ids that are not genuine.
    unknown: Vec<Cow<'a, str>>,
}

/// Reads an ack; an absent body settles nothing.
///
/// # Errors
/// 10026 for anything unreadable, for a lease id that is missing, `null` or no string, for a delay out of its range,
/// and for more than [`Limits::SETTLE_ENTRIES_MAX`] entries.
pub fn read_settlement<'a>(body: &'a [u8], keys: &KeyRing) -> Result<Asked<'a>, Fault> {
    let request: Request<'a> = Refusal::OTHER.read_or_default(body)?;
    let (acks, retries) = request.entries()?;
    let mut asked = Asked {
        settlement: Settlement {
            acks: Vec::with_capacity(acks.len()),
            retries: Vec::with_capacity(retries.len()),
        },
        acks: Vec::with_capacity(acks.len()),
        retries: Vec::with_capacity(retries.len()),
        unknown: Vec::new(),
    };
    let mut opener = keys.opener();
    for (index, entry) in acks.iter().enumerate() {
        let id =
            named(Reader::new(Kind::BodyInvalid, Within::Item("acks", index)), "lease_id", entry.lease_id)?;
        match opener.open(&id) {
            Some(lease) => {
                asked.settlement.acks.push(lease);
                asked.acks.push(id);
            }
            None => asked.unknown.push(id),
        }
    }
    for (index, entry) in retries.iter().enumerate() {
        let reader = Reader::new(Kind::BodyInvalid, Within::Item("retries", index));
        let id = named(reader, "lease_id", entry.lease_id)?;
        let delay = reader.narrow("delay_seconds", entry.delay_seconds, Limits::DELAY_SECONDS)?.map(Seconds);
        match opener.open(&id) {
            Some(lease) => {
                asked.settlement.retries.push(Retry { lease, delay });
                asked.retries.push(id);
            }
            None => asked.unknown.push(id),
        }
    }
    Ok(asked)
}

/// The text that names an entry; without one the whole request is refused.
pub(super) fn named<'a>(reader: Reader, field: &str, raw: Option<Raw<'a>>) -> Result<Cow<'a, str>, Fault> {
    reader.text(field, raw)?.ok_or_else(|| {
        let why = if raw.is_some() { "must be a string, not null" } else { "is required" };
        reader.refuse(field, format!("{field} {why}"))
    })
}

/// The answer to an ack.
pub fn write_settled(asked: &Asked<'_>, settled: &Settled) -> Vec<u8> {
    let acked = settled.acks.iter().filter(|outcome| outcome.is_counted()).count();
    let retried = settled.retries.iter().filter(|outcome| outcome.is_counted()).count();
    write_counts(acked, retried, &warnings(asked, settled))
}

/// Counts and warnings, as an ack and its older relative are answered.
pub(super) fn write_counts(acked: usize, retried: usize, warnings: &Warnings<'_>) -> Vec<u8> {
    envelope::success(64, |out| {
        out.extend_from_slice(br#"{"ackCount":"#);
        write_number(out, acked as u64);
        out.extend_from_slice(br#","retryCount":"#);
        write_number(out, retried as u64);
        out.push(b',');
        write_warnings(out, warnings);
        out.push(b'}');
    })
}

/// One warning for each lease id that has one; the first, when it was named more than once.
fn warnings<'a>(asked: &'a Asked<'_>, settled: &Settled) -> Warnings<'a> {
    let unknown = asked.unknown.iter().map(|id| (id, Some(NOT_ISSUED)));
    let acks = asked.acks.iter().zip(settled.acks.iter().map(|outcome| ack_warning(*outcome)));
    let retries = asked.retries.iter().zip(settled.retries.iter().map(|outcome| retry_warning(*outcome)));
    let mut warnings = Warnings::new();
    for (id, text) in unknown.chain(acks).chain(retries) {
        if let Some(text) = text {
            warnings.entry(&**id).or_insert(text);
        }
    }
    warnings
}

fn ack_warning(outcome: AckOutcome) -> Option<&'static str> {
    match outcome {
        AckOutcome::Acked | AckOutcome::AlreadyGone => None,
        AckOutcome::Exhausted => Some("the message had left the queue after its last attempt"),
        AckOutcome::RetentionEnded => {
            Some("the message had left the queue at the end of its retention period")
        }
        AckOutcome::OtherQueue => Some(OTHER_QUEUE),
    }
}

fn retry_warning(outcome: RetryOutcome) -> Option<&'static str> {
    match outcome {
        RetryOutcome::Retried => None,
        RetryOutcome::Redelivered => {
            Some("the message has been delivered again since; the newer lease stands")
        }
        RetryOutcome::Gone => Some(GONE),
        RetryOutcome::OtherQueue => Some(OTHER_QUEUE),
    }
}

/// What is said of a retry of a message that is gone.
pub(super) const GONE: &str = "the message is gone and cannot be retried";
/// What is said of a lease id that was not sealed here.
pub(super) const NOT_ISSUED: &str = "the lease id was not issued by this server";
/// What is said of a lease of another queue.
pub(super) const OTHER_QUEUE: &str = "the lease id belongs to another queue";
