//! The four message calls (spec §2.11 rows 15–18), a file each: what is asked, and how it is answered.

mod pull;
mod push;
mod settle;

use kew_model::Backlog;

use crate::text::write_number;

pub use pull::{BodyEncoding, read_pull, write_pulled};
pub use push::{JsonBodies, read_batch, read_push, write_pushed};
pub use settle::{Asked, read_settlement, write_settled};

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
