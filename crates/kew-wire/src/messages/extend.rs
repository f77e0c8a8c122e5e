//! Extend: leases that are to last longer (spec §2.11 row 21).
//!
//! The vendor's text promises new lease ids and its schema has no field for them; here every lease keeps its id
//! (spec §10 C34). What cannot be extended is a warning and does not count.

use std::borrow::Cow;

use kew_model::{Extend, ExtendOutcome, Extended, Limits};

use crate::catalogue::Kind;
use crate::entries::Entries;
use crate::envelope;
use crate::fault::Fault;
use crate::fields::{Raw, Reader, Refusal, Within, fields};
use crate::keys::KeyRing;
use crate::messages::pull::visibility_timeout;
use crate::messages::settle::{LEASE, NOT_ISSUED, OTHER_QUEUE, named};
use crate::messages::{Warnings, write_warnings};
use crate::text::write_number;

fields! {
    /// What it must and may say. `visibility_timeout` is the older name of the same milliseconds (spec §10 C2).
    struct Request {
        extend: Option<Entries<Entry<'a>, { Limits::SETTLE_ENTRIES_MAX }>>,
        visibility_timeout_ms: Raw<'a>,
        visibility_timeout: Raw<'a>,
    }
}

fields! {
    /// One lease.
    struct Entry { lease_id: Raw<'a> }
}

/// Leases to extend, and the ids they came from.
#[derive(Debug)]
pub struct AskedExtend<'a> {
    /// The leases that are genuine.
    pub extend: Extend,
    /// The ids of [`Extend::leases`], in their order.
    ids: Vec<Cow<'a, str>>,
    /// The ids that are not genuine.
    unknown: Vec<Cow<'a, str>>,
}

/// Reads the leases to extend.
///
/// # Errors
/// 10026 for anything unreadable, for a missing list, for more than [`Limits::SETTLE_ENTRIES_MAX`] entries, for a lease id
/// that is missing, `null` or no string, and for a timeout out of its range.
pub fn read_extend<'a>(body: &'a [u8], keys: &KeyRing) -> Result<AskedExtend<'a>, Fault> {
    let request: Request<'a> = Refusal::OTHER.read_or_default(body)?;
    let reader = Reader::new(Kind::BodyInvalid, Within::Root);
    let visibility_timeout =
        visibility_timeout(reader, request.visibility_timeout_ms, request.visibility_timeout)?;
    let Some(entries) = request.extend.flatten() else {
        return Err(reader.refuse("extend", "extend is required: a list of objects with a lease_id each"));
    };
    let (count, limit) = (entries.count(), Limits::SETTLE_ENTRIES_MAX);
    let entries = entries.read(reader, "extend", LEASE)?;
    if count > limit {
        return Err(reader.refuse("extend", format!("extend holds at most {limit} entries, not {count}")));
    }
    let mut asked = AskedExtend {
        extend: Extend { leases: Vec::with_capacity(count), visibility_timeout },
        ids: Vec::with_capacity(count),
        unknown: Vec::new(),
    };
    let mut opener = keys.opener();
    for (index, entry) in entries.iter().enumerate() {
        let reader = Reader::new(Kind::BodyInvalid, Within::Item("extend", index));
        let id = named(reader, "lease_id", entry.lease_id)?;
        match opener.open(&id) {
            Some(lease) => {
                asked.extend.leases.push(lease);
                asked.ids.push(id);
            }
            None => asked.unknown.push(id),
        }
    }
    Ok(asked)
}

/// The answer to an extension.
pub fn write_extended(asked: &AskedExtend<'_>, extended: &Extended) -> Vec<u8> {
    let count = extended.leases.iter().filter(|outcome| **outcome == ExtendOutcome::Extended).count();
    let mut warnings: Warnings<'_> = asked.unknown.iter().map(|id| (&**id, NOT_ISSUED)).collect();
    for (id, outcome) in asked.ids.iter().zip(&extended.leases) {
        if let Some(text) = warning(*outcome) {
            warnings.insert(id, text);
        }
    }
    envelope::success(64, |out| {
        out.extend_from_slice(br#"{"extendCount":"#);
        write_number(out, count as u64);
        out.push(b',');
        write_warnings(out, &warnings);
        out.push(b'}');
    })
}

fn warning(outcome: ExtendOutcome) -> Option<&'static str> {
    match outcome {
        ExtendOutcome::Extended => None,
        ExtendOutcome::Ended => Some("the lease has ended"),
        ExtendOutcome::Gone => Some("the message is gone"),
        ExtendOutcome::OtherQueue => Some(OTHER_QUEUE),
    }
}
