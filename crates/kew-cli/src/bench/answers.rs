//! What the load needs from answers, found by scanning for the few fields that matter.
//!
//! The bodies of a run are its own and hold none of the searched texts; a quotation mark inside any other body is
//! escaped by a backslash, so that it cannot look like a field either.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::{memchr, memmem};

use crate::bench::options::BodyKind;
use crate::bench::requests::{JSON_START, KEY_LENGTH};

/// Finds fields in the answers to pulls.
#[derive(Debug)]
pub(super) struct PullScanner {
    lease_id: memmem::Finder<'static>,
    body: memmem::Finder<'static>,
    kind: BodyKind,
    run_key: Box<[u8]>,
}

/// A message in the answer to a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulled {
    /// One of this run, by its number.
    Own(u64),
    /// One that this run has not pushed.
    Foreign,
}

impl PullScanner {
    /// A scanner for bodies of `kind` whose keys start with `run_key`.
    pub(super) fn new(kind: BodyKind, run_key: &str) -> Self {
        Self {
            lease_id: memmem::Finder::new(r#""lease_id":""#),
            body: memmem::Finder::new(r#""body":""#),
            kind,
            run_key: run_key.as_bytes().into(),
        }
    }

    /// The lease ids, in order.
    pub(super) fn lease_ids<'a>(&'a self, answer: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.lease_id.find_iter(answer).filter_map(move |at| {
            let value = &answer[at + self.lease_id.needle().len()..];
            Some(&value[..memchr(b'"', value)?])
        })
    }

    /// The messages, in order, told by the keys in their bodies.
    pub(super) fn messages<'a>(&'a self, answer: &'a [u8]) -> impl Iterator<Item = Pulled> + 'a {
        self.body.find_iter(answer).map(move |at| {
            let value = &answer[at + self.body.needle().len()..];
            self.number(value).map_or(Pulled::Foreign, Pulled::Own)
        })
    }

    fn number(&self, body: &[u8]) -> Option<u64> {
        match self.kind {
            BodyKind::Text => self.number_of_key(body.get(..KEY_LENGTH)?),
            BodyKind::Json => {
                // Six and 24 bytes are 8 and 32 characters of base64: the key can be decoded by itself.
                let start = JSON_START.len() / 3 * 4;
                let mut key = [0; KEY_LENGTH];
                let coded = body.get(start..start + KEY_LENGTH / 3 * 4)?;
                STANDARD.decode_slice(coded, &mut key).ok()?;
                self.number_of_key(&key)
            }
        }
    }

    fn number_of_key(&self, key: &[u8]) -> Option<u64> {
        let digits = key.strip_prefix(&*self.run_key)?;
        digits.iter().try_fold(0_u64, |number, digit| {
            let value = char::from(*digit).to_digit(16)?;
            Some(number << 4 | u64::from(value))
        })
    }
}

/// The whole number behind `"name":` in an answer, if there is one.
pub(super) fn number_field(answer: &[u8], name: &str) -> Option<u64> {
    let needle = format!("\"{name}\":");
    let at = memmem::find(answer, needle.as_bytes())? + needle.len();
    let digits = answer[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    core::str::from_utf8(&answer[at..at + digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "0badcafe";

    #[test]
    fn leases_and_numbers_of_text_bodies_are_found() {
        let scanner = PullScanner::new(BodyKind::Text, RUN);
        let answer = br#"{"messages":[{"body":"0badcafe00000000000000ffxx","lease_id":"one"},
            {"lease_id":"two","body":"somebody else's"},{"body":"","lease_id":"three"}]}"#;
        let leases: Vec<_> = scanner.lease_ids(answer).collect();
        assert_eq!(leases, [&b"one"[..], b"two", b"three"]);
        let messages: Vec<_> = scanner.messages(answer).collect();
        assert_eq!(messages, [Pulled::Own(0xff), Pulled::Foreign, Pulled::Foreign]);
    }

    #[test]
    fn numbers_of_json_bodies_are_found_through_base64() {
        let scanner = PullScanner::new(BodyKind::Json, RUN);
        let body = STANDARD.encode(format!("{JSON_START}{RUN}0000000000000abc\",\"p\":\"\"}}"));
        let answer = format!(r#"{{"body":"{body}"}}"#);
        assert_eq!(scanner.messages(answer.as_bytes()).next(), Some(Pulled::Own(0xabc)));
    }

    #[test]
    fn a_number_field_is_read_up_to_its_end() {
        let answer = br#"{"result":{"ackCount":100,"retryCount":0}}"#;
        assert_eq!(number_field(answer, "ackCount"), Some(100));
        assert_eq!(number_field(answer, "retryCount"), Some(0));
        assert_eq!(number_field(answer, "count"), None);
    }
}
