//! The numbers of a batch's table.

use kew_model::{ContentType, MessageId};

use super::LENGTH_BITS;

pub(super) fn word_at(bytes: &[u8], start: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[start..start + 4]);
    u32::from_le_bytes(word)
}

pub(super) fn id_at(bytes: &[u8], start: usize) -> MessageId {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[start..start + 16]);
    MessageId(id)
}

/// Which of a `Relocated` record's lists of extensions an entry names, counted from 1; 0 for none.
pub(super) fn list_of(entry: &[u8]) -> u16 {
    u16::from_le_bytes([entry[56], entry[57]])
}

pub(super) fn long_at(bytes: &[u8], start: usize) -> u64 {
    let mut long = [0; 8];
    long.copy_from_slice(&bytes[start..start + 8]);
    u64::from_le_bytes(long)
}

pub(super) fn content_type(word: u32) -> Option<ContentType> {
    content_type_of(word.to_le_bytes()[3])
}

pub(crate) fn content_type_of(code: u8) -> Option<ContentType> {
    match code {
        0 => Some(ContentType::Text),
        1 => Some(ContentType::Json),
        2 => Some(ContentType::Bytes),
        3 => Some(ContentType::V8),
        _ => None,
    }
}

pub(crate) fn content_type_code(content_type: ContentType) -> u8 {
    match content_type {
        ContentType::Text => 0,
        ContentType::Json => 1,
        ContentType::Bytes => 2,
        ContentType::V8 => 3,
    }
}

pub(crate) fn table_word(length: u32, content_type: ContentType) -> u32 {
    length | u32::from(content_type_code(content_type)) << LENGTH_BITS
}
