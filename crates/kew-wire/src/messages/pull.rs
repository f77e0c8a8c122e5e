//! Pull: messages under a lease, each body as the string that its content type asks for (spec §3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kew_model::{ContentType, Delivery, Limits, MessageId, Milliseconds, Pull, Pulled, Timestamp};

use crate::catalogue::Kind;
use crate::envelope;
use crate::fault::Fault;
use crate::fields::{Raw, Reader, Refusal, Within, fields};
use crate::lease_id::{self, KeyRing, Sealer};
use crate::messages::{Origins, write_metrics};
use crate::text::{write_number, write_string};

fields! {
    /// What a pull may say. `visibility_timeout` is the older name of the same milliseconds (spec §10 C2).
    struct Request {
        batch_size: Raw<'a>,
        visibility_timeout_ms: Raw<'a>,
        visibility_timeout: Raw<'a>,
        wait_time_ms: Raw<'a>,
    }
}

/// A pull, and for how long it would wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AskedPull {
    /// What to take.
    pub pull: Pull,
    /// How long to wait for messages when there are none, 0–60,000 ms; not at all when absent.
    pub wait: Milliseconds,
}

/// How JSON bodies are shown (spec §3.3, setting `pull_json_encoding`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyEncoding {
    /// As base64 of the JSON text: what the vendor documents.
    #[default]
    Base64,
    /// As the JSON text itself.
    Plain,
}

/// Reads a pull; an absent body asks for the defaults.
///
/// # Errors
/// 10026 for anything unreadable or out of range.
pub fn read_pull(body: &[u8]) -> Result<AskedPull, Fault> {
    let request: Request<'_> = Refusal::OTHER.read_or_default(body)?;
    let reader = Reader::new(Kind::BodyInvalid, Within::Root);
    let batch_size = reader.narrow("batch_size", request.batch_size, Limits::PULL_BATCH)?;
    let visibility_timeout =
        visibility_timeout(reader, request.visibility_timeout_ms, request.visibility_timeout)?;
    let wait = reader.number("wait_time_ms", request.wait_time_ms, Limits::PULL_WAIT_MS)?;
    let wait = Milliseconds(wait.unwrap_or_default());
    Ok(AskedPull { pull: Pull { batch_size, visibility_timeout }, wait })
}

/// A visibility timeout under either of its names; with both, the newer one counts.
pub(super) fn visibility_timeout(
    reader: Reader,
    newer: Option<Raw<'_>>,
    older: Option<Raw<'_>>,
) -> Result<Option<Milliseconds>, Fault> {
    let range = Limits::VISIBILITY_TIMEOUT_MS;
    let older = reader.number("visibility_timeout", older, range.clone())?;
    let newer = reader.number("visibility_timeout_ms", newer, range)?;
    Ok(newer.or(older).map(Milliseconds))
}

/// The answer to a pull.
pub fn write_pulled(pulled: &Pulled, keys: &KeyRing, encoding: BodyEncoding, origins: &Origins) -> Vec<u8> {
    // A message's frame is 240 bytes at most; base64 takes four bytes for three.
    let bodies: usize = pulled.messages.iter().map(|message| pulled.body(message).len()).sum();
    let capacity = 256 + pulled.messages.len() * 256 + bodies + bodies / 2;
    envelope::success(capacity, |out| {
        out.extend_from_slice(br#"{"message_backlog_count":"#);
        write_number(out, pulled.backlog.count);
        out.extend_from_slice(br#","messages":["#);
        let mut sealer = keys.sealer();
        for (index, message) in pulled.messages.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_message(out, message, pulled.body(message), &mut sealer, encoding);
            write_end(out, message.content_type, origins.name_of(message.origin), message.sent_at);
        }
        out.extend_from_slice(b"],");
        write_metrics(out, &pulled.backlog);
        out.push(b'}');
    })
}

fn write_message(
    out: &mut Vec<u8>,
    message: &Delivery,
    body: &[u8],
    sealer: &mut Sealer<'_>,
    encoding: BodyEncoding,
) {
    write_beginning(out, message.id, message.attempts);
    write_body(out, message.content_type, body, encoding);
    out.extend_from_slice(br#","lease_id":""#);
    out.extend_from_slice(sealer.seal(message.lease, &mut [0; lease_id::LENGTH]).as_bytes());
    out.push(b'"');
}

/// Appends a message up to its body, which follows.
pub(super) fn write_beginning(out: &mut Vec<u8>, id: MessageId, attempts: u16) {
    out.extend_from_slice(br#"{"id":""#);
    out.extend_from_slice(id.write_hex(&mut [0; 32]).as_bytes());
    out.extend_from_slice(br#"","attempts":"#);
    write_number(out, u64::from(attempts));
    out.extend_from_slice(br#","body":"#);
}

/// Appends what ends a message. Its origin is Kew's own; what is in `metadata` is all text, as clients expect.
pub(super) fn write_end(
    out: &mut Vec<u8>,
    content_type: ContentType,
    origin: Option<&str>,
    sent_at: Timestamp,
) {
    out.extend_from_slice(br#","metadata":{"CF-Content-Type":""#);
    out.extend_from_slice(content_type.name().as_bytes());
    out.extend_from_slice(br#"","CF-sourceMessageSource":"http""#);
    if let Some(name) = origin {
        out.extend_from_slice(br#","Kew-Origin-Queue":"#);
        write_string(out, name);
    }
    out.extend_from_slice(br#"},"timestamp_ms":"#);
    write_number(out, sent_at.0);
    out.push(b'}');
}

/// Appends a body as the JSON string that its type asks for.
pub(super) fn write_body(out: &mut Vec<u8>, content_type: ContentType, body: &[u8], encoding: BodyEncoding) {
    let is_text = match content_type {
        ContentType::Text => true,
        ContentType::Json => encoding == BodyEncoding::Plain,
        ContentType::Bytes | ContentType::V8 => false,
    };
    if is_text {
        match core::str::from_utf8(body) {
            Ok(text) => write_string(out, text),
            // Text was text when it was pushed; should it no longer be, the answer still is JSON.
            Err(_) => write_string(out, &String::from_utf8_lossy(body)),
        }
        return;
    }
    out.push(b'"');
    let start = out.len();
    out.resize(start + body.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(body, &mut out[start..]).unwrap_or_default();
    out.truncate(start + written);
    out.push(b'"');
}
