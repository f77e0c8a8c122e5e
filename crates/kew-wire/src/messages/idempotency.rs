//! `Idempotency-Key`: a push that can be sent again without being carried out again (design §8.24). Kew's own.

use kew_model::Idempotency;

use crate::catalogue::Kind;
use crate::fault::Fault;

/// The longest key, in characters.
const KEY_CHARACTERS_MAX: usize = 255;

/// Which of the two calls that push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushing {
    /// One message.
    Message,
    /// A batch.
    Batch,
}

/// The name under which a push is carried out once, from its header's value, and what is pushed, from the body's bytes: a
/// body that says the same in other bytes is another body.
///
/// # Errors
/// 19023 for a key that is not 1 to 255 visible ASCII characters.
pub fn idempotency(key: &[u8], pushing: Pushing, body: &[u8]) -> Result<Idempotency, Fault> {
    if !(1..=KEY_CHARACTERS_MAX).contains(&key.len()) || !key.iter().all(u8::is_ascii_graphic) {
        return Err(Fault::new(Kind::IdempotencyKeyInvalid));
    }
    let mut content = blake3::Hasher::new();
    content.update(match pushing {
        Pushing::Message => b"message\0",
        Pushing::Batch => b"batch\0",
    });
    content.update(body);
    Ok(Idempotency { key: first_half(&blake3::hash(key)), content: first_half(&content.finalize()) })
}

fn first_half(hash: &blake3::Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_1_to_255_visible_characters() {
        for good in [b"a".as_slice(), b"!~", &[b'x'; 255]] {
            assert!(idempotency(good, Pushing::Message, b"").is_ok());
        }
        for wrong in [b"".as_slice(), b"a b", b"a\t", b"\xc3\xa9", &[b'x'; 256]] {
            let fault = idempotency(wrong, Pushing::Message, b"").unwrap_err();
            assert_eq!((fault.line().code, fault.line().status), (19_023, 400));
            assert!(fault.text().contains("Idempotency-Key") && fault.text().contains("255"));
        }
    }

    #[test]
    fn key_call_and_body_each_make_a_difference() {
        let of =
            |key: &str, pushing, body: &str| idempotency(key.as_bytes(), pushing, body.as_bytes()).unwrap();
        let one = of("k", Pushing::Message, r#"{"body":1}"#);
        assert_eq!(one, of("k", Pushing::Message, r#"{"body":1}"#));
        assert_ne!(one.key, of("K", Pushing::Message, r#"{"body":1}"#).key);
        assert_ne!(one.content, of("k", Pushing::Message, r#"{"body": 1}"#).content);
        assert_ne!(one.content, of("k", Pushing::Batch, r#"{"body":1}"#).content);
        assert_eq!(one.key, of("k", Pushing::Batch, "").key);
    }
}
