//! Push and batch push: one message is the whole body (spec §0.2 item 1), a batch is a list of the same shape.
//!
//! Bodies go from the request's bytes into the batch's buffer by one copy, unescaped or decoded on the way. JSON keeps
//! its original bytes (design §8.23). A batch's delay is handed to the messages that have none of their own.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kew_model::{ContentType, Error, Limits, PushBatch, Pushed, Seconds};

use crate::catalogue::Kind;
use crate::entries::Entries;
use crate::envelope;
use crate::fault::{Fault, NotFound};
use crate::fields::{Raw, Reader, Refusal, Within, fields, present, shorten};
use crate::messages::write_metrics;
use crate::text;

/// How deep a JSON body may be nested (store-study §7.3).
const JSON_DEPTH_MAX: usize = 32;

/// Which JSON bodies are taken (spec §10 C8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JsonBodies {
    /// Any JSON value.
    #[default]
    Any,
    /// Objects and arrays only, as the vendor does.
    Strict,
}

fields! {
    /// A message as it is pushed.
    struct Message { body: Raw<'a>, content_type: Raw<'a>, delay_seconds: Raw<'a> }
}

fields! {
    /// A batch as it is pushed.
    struct Batch { messages: Option<Entries<Message<'a>, { Limits::BATCH_MESSAGES_MAX }>>, delay_seconds: Raw<'a> }
}

/// Reads one message to push.
///
/// # Errors
/// 10208 for what is not JSON, 10207 for a wrong shape, 10203 for a wrong content type or delay, 10204 for a body
/// over the limit (spec §2.11 row 15).
pub fn read_push(body: &[u8], json: JsonBodies) -> Result<PushBatch, Fault> {
    let message: Message<'_> = Refusal::PUSH.read(body)?;
    let mut batch = PushBatch::with_capacity(body.len(), 1);
    add(&mut batch, &message, None, Within::Root, json)?;
    Ok(batch)
}

/// Reads a batch to push.
///
/// # Errors
/// As [`read_push`]; 10202 for a wrong delay of the batch, 10206 unless it holds 1 to 100 messages, 10205 over the
/// limit of its size (spec §2.11 row 16). Errors of a message point at it.
pub fn read_batch(body: &[u8], json: JsonBodies) -> Result<PushBatch, Fault> {
    let fields: Batch<'_> = Refusal::PUSH.read(body)?;
    let reader = Reader::new(Kind::BatchDelayInvalid, Within::Root);
    let delay = reader.narrow("delay_seconds", fields.delay_seconds, Limits::DELAY_SECONDS)?.map(Seconds);
    let Some(entries) = fields.messages.flatten() else { return Err(required("messages", Within::Root)) };
    let count = entries.count();
    let messages =
        entries.read(Reader::new(Kind::JsonInvalid, Within::Root), "messages", "an object with a body")?;
    if !(1..=Limits::BATCH_MESSAGES_MAX).contains(&count) {
        return Err(Fault::of(Error::BatchCount { count }, NotFound::Data));
    }
    let mut batch = PushBatch::with_capacity(body.len(), count);
    for (index, message) in messages.iter().enumerate() {
        add(&mut batch, message, delay, Within::Item("messages", index), json)?;
    }
    batch.check().map_err(|error| Fault::of(error, NotFound::Data))?;
    Ok(batch)
}

fn required(field: &str, within: Within) -> Fault {
    Reader::new(Kind::JsonInvalid, within)
        .refuse(field, format!("Validation error: Required at \"{}\"", within.path(field)))
}

/// Adds one message to the batch.
fn add(
    batch: &mut PushBatch,
    message: &Message<'_>,
    batch_delay: Option<Seconds>,
    within: Within,
    json: JsonBodies,
) -> Result<(), Fault> {
    let metadata = Reader::new(Kind::MessageMetadataInvalid, within);
    let delay = metadata.narrow("delay_seconds", message.delay_seconds, Limits::DELAY_SECONDS)?.map(Seconds);
    let content_type = content_type(metadata, message.content_type)?;
    let body = message.body.ok_or_else(|| required("body", within))?.get();
    let shape = Reader::new(Kind::JsonInvalid, within);
    let mut unreadable = None;
    let added = match content_type {
        ContentType::Json => {
            check_json(body, shape, json)?;
            batch.add(body.as_bytes(), content_type, delay.or(batch_delay))
        }
        _ if !body.starts_with('"') => {
            let why = format!("the body of a {content_type} message must be a string, not {}", shorten(body));
            return Err(shape.refuse("body", why));
        }
        ContentType::Text => batch.add_with(content_type, delay.or(batch_delay), |out| {
            unreadable = text::unescape(body, out).is_err().then_some("body holds half a surrogate pair");
        }),
        ContentType::Bytes | ContentType::V8 => {
            batch.add_with(content_type, delay.or(batch_delay), |out| unreadable = decode(body, out).err())
        }
    };
    if let Some(why) = unreadable {
        return Err(shape.refuse("body", why));
    }
    added.map_err(|error| too_large(&error, within))
}

fn content_type(reader: Reader, raw: Option<Raw<'_>>) -> Result<ContentType, Fault> {
    match present(raw) {
        None | Some("\"json\"") => Ok(ContentType::Json),
        Some("\"text\"") => Ok(ContentType::Text),
        Some("\"bytes\"") => Ok(ContentType::Bytes),
        Some(other) => {
            let why = format!("content_type must be \"text\", \"json\" or \"bytes\", not {}", shorten(other));
            Err(reader.refuse("content_type", why))
        }
    }
}

/// Appends what base64 text stands for.
fn decode(literal: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    const WRONG: &str = "the body of a bytes message must be padded base64 of the standard alphabet";
    let mut text = Cow::Borrowed(text::inside(literal).as_bytes());
    if text.contains(&b'\\') {
        let mut unfolded = Vec::with_capacity(text.len());
        text::unescape(literal, &mut unfolded).map_err(|_| WRONG)?;
        text = Cow::Owned(unfolded);
    }
    STANDARD.decode_vec(&text, out).map_err(|_| WRONG)
}

fn check_json(body: &str, reader: Reader, json: JsonBodies) -> Result<(), Fault> {
    if json == JsonBodies::Strict && !body.starts_with(['{', '[']) {
        let kind = match body.as_bytes().first() {
            Some(b'"') => "string",
            Some(b't' | b'f') => "boolean",
            Some(b'n') => "null",
            _ => "number",
        };
        let path = reader.within.path("body");
        return Err(reader
            .refuse("body", format!("Validation error: Expected object, received {kind} at \"{path}\"")));
    }
    if is_too_deep(body) {
        return Err(reader.refuse("body", format!("a JSON body is nested at most {JSON_DEPTH_MAX} deep")));
    }
    Ok(())
}

/// Whether a JSON value is nested deeper than allowed.
fn is_too_deep(value: &str) -> bool {
    let opened = value.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    // What opens no more than the limit cannot be deeper; this spares nearly every body the walk.
    if opened <= JSON_DEPTH_MAX {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in value.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > JSON_DEPTH_MAX {
            return true;
        }
    }
    false
}

fn too_large(error: &Error, within: Within) -> Fault {
    let Error::MessageTooLarge { size, .. } = error else {
        return Fault::of(error.clone(), NotFound::Data);
    };
    let counted = size + u64::from(Limits::MESSAGE_OVERHEAD_BYTES);
    let (limit, overhead) = (Limits::MESSAGE_BYTES_MAX, Limits::MESSAGE_OVERHEAD_BYTES);
    Reader::new(Kind::MessageTooLarge, within).refuse(
        "body",
        format!("body counts for {counted} bytes with {overhead} of metadata, at most {limit} are allowed"),
    )
}

/// The answer to a push of either kind.
pub fn write_pushed(pushed: &Pushed) -> Vec<u8> {
    envelope::success(192, |out| {
        out.push(b'{');
        write_metrics(out, &pushed.backlog);
        out.push(b'}');
    })
}
