//! The calls about messages (spec §2.11 rows 15–23), a file each: what is asked, and how it is answered.

pub(crate) mod extend;
mod idempotency;
mod origins;
pub(crate) mod peek;
mod preview;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod references;
pub(crate) mod settle;

use std::collections::BTreeMap;

use kew_model::Backlog;

use crate::text::{write_number, write_string};

pub use extend::{AskedExtend, read_extend, write_extended};
pub use idempotency::{Pushing, idempotency};
pub use origins::Origins;
pub use peek::{read_peek, write_peeked, write_previewed};
pub use preview::{AskedPreview, read_preview_settlement, write_preview_settled};
pub use pull::{AskedPull, BodyEncoding, read_pull, write_pulled};
pub use push::{JsonBodies, read_batch, read_push, write_pushed};
pub use references::{AskedReferences, read_references, write_discarded};
pub use settle::{Asked, read_settlement, write_settled};

/// What is said of single entries of a request, by the ids that they were named with.
type Warnings<'a> = BTreeMap<&'a str, &'static str>;

/// Appends `"warnings":{…}`.
fn write_warnings(out: &mut Vec<u8>, warnings: &Warnings<'_>) {
    out.extend_from_slice(br#""warnings":{"#);
    for (index, (id, text)) in warnings.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(out, id);
        out.push(b':');
        write_string(out, text);
    }
    out.push(b'}');
}

/// Appends `"metadata":{"metrics":{…}}`: the backlog as every answer about messages tells it (spec §2.11 row 15).
fn write_metrics(out: &mut Vec<u8>, backlog: &Backlog) {
    out.extend_from_slice(br#""metadata":{"metrics":{"backlog_bytes":"#);
    write_number(out, backlog.bytes);
    out.extend_from_slice(br#","backlog_count":"#);
    write_number(out, backlog.count);
    out.extend_from_slice(br#","oldest_message_timestamp_ms":"#);
    write_number(out, backlog.oldest.unwrap_or_default().0);
    out.extend_from_slice(b"}}");
}
