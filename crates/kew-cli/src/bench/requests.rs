//! The bytes of requests, built once and patched in place.

use std::io::Write;

use crate::bench::options::{BodyKind, Plan};

/// The length of a message's key: the run's eight hex digits and the message's sixteen.
pub(super) const KEY_LENGTH: usize = 24;
/// What a JSON body starts with; six bytes, so that its base64 does not share characters with the key's.
pub(super) const JSON_START: &str = r#"{"k":""#;
/// What stands between key and padding of a JSON body, and at its end.
const JSON_MIDDLE: &str = r#"","p":""#;
const JSON_END: &str = r#""}"#;

/// The smallest body of a kind that has room for the key, in bytes.
pub(super) fn body_bytes_min(kind: BodyKind) -> usize {
    match kind {
        BodyKind::Text => KEY_LENGTH,
        BodyKind::Json => JSON_START.len() + KEY_LENGTH + JSON_MIDDLE.len() + JSON_END.len(),
    }
}

/// A push of one message or of a batch, whose keys are overwritten for each sending.
#[derive(Debug)]
pub(super) struct PushRequest {
    bytes: Vec<u8>,
    keys: Vec<usize>,
}

impl PushRequest {
    /// The request for `plan`, of `plan.batch` messages; one alone goes to the single endpoint.
    pub(super) fn new(plan: &Plan, batch: usize) -> Self {
        let mut body = Vec::new();
        let mut keys = Vec::with_capacity(batch);
        if batch == 1 {
            write_message(&mut body, plan, &mut keys);
        } else {
            body.extend_from_slice(br#"{"messages":["#);
            for index in 0..batch {
                if index > 0 {
                    body.push(b',');
                }
                write_message(&mut body, plan, &mut keys);
            }
            body.extend_from_slice(b"]}");
        }
        let mut bytes = head(plan, if batch == 1 { "" } else { "/batch" }, body.len());
        keys.iter_mut().for_each(|key| *key += bytes.len());
        bytes.extend_from_slice(&body);
        Self { bytes, keys }
    }

    /// The bytes to send for the messages numbered from `first`.
    pub(super) fn numbered(&mut self, first: u64) -> &[u8] {
        for (number, key) in (first..).zip(&self.keys) {
            write_hex(number, &mut self.bytes[key + 8..key + KEY_LENGTH]);
        }
        &self.bytes
    }
}

/// A pull of up to `batch` messages.
pub(super) fn pull_request(plan: &Plan, batch: usize) -> Vec<u8> {
    let milliseconds = plan.visibility_timeout.as_millis();
    let body = format!(r#"{{"batch_size":{batch},"visibility_timeout_ms":{milliseconds}}}"#);
    let mut bytes = head(plan, "/pull", body.len());
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

/// An ack of leases, written anew for each sending into buffers that are used again.
#[derive(Debug)]
pub(super) struct AckRequest {
    bytes: Vec<u8>,
    head_length: usize,
    body: Vec<u8>,
    count: usize,
}

impl AckRequest {
    /// A request without leases yet.
    pub(super) fn new(plan: &Plan) -> Self {
        let bytes = open_head(plan, "/ack");
        Self { head_length: bytes.len(), bytes, body: Vec::new(), count: 0 }
    }

    /// Starts over.
    pub(super) fn clear(&mut self) {
        self.body.clear();
        self.count = 0;
    }

    /// Adds a lease.
    pub(super) fn add(&mut self, lease_id: &[u8]) {
        self.body.extend_from_slice(if self.count == 0 { br#"{"acks":["# } else { b"," });
        self.body.extend_from_slice(br#"{"lease_id":""#);
        self.body.extend_from_slice(lease_id);
        self.body.extend_from_slice(br#""}"#);
        self.count += 1;
    }

    /// How many leases are in it.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The bytes to send.
    pub(super) fn bytes(&mut self) -> &[u8] {
        self.bytes.truncate(self.head_length);
        close_head(&mut self.bytes, self.body.len() + 2);
        self.bytes.extend_from_slice(&self.body);
        self.bytes.extend_from_slice(b"]}");
        &self.bytes
    }
}

fn write_message(out: &mut Vec<u8>, plan: &Plan, keys: &mut Vec<usize>) {
    let padding = plan.body_bytes - body_bytes_min(plan.body_kind);
    match plan.body_kind {
        BodyKind::Text => out.extend_from_slice(br#"{"body":""#),
        BodyKind::Json => {
            out.extend_from_slice(br#"{"body":"#);
            out.extend_from_slice(JSON_START.as_bytes());
        }
    }
    keys.push(out.len());
    out.extend_from_slice(plan.run_key.as_bytes());
    out.extend_from_slice(&[b'0'; KEY_LENGTH - 8]);
    match plan.body_kind {
        BodyKind::Text => {
            out.resize(out.len() + padding, b'x');
            out.extend_from_slice(br#"","content_type":"text"}"#);
        }
        BodyKind::Json => {
            out.extend_from_slice(JSON_MIDDLE.as_bytes());
            out.resize(out.len() + padding, b'x');
            out.extend_from_slice(JSON_END.as_bytes());
            out.extend_from_slice(br#","content_type":"json"}"#);
        }
    }
}

fn head(plan: &Plan, verb: &str, body_length: usize) -> Vec<u8> {
    let mut bytes = open_head(plan, verb);
    close_head(&mut bytes, body_length);
    bytes
}

fn open_head(plan: &Plan, verb: &str) -> Vec<u8> {
    format!(
        "POST /client/v4/accounts/{}/queues/{}/messages{verb} HTTP/1.1\r\nHost: {}\r\n\
         Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: ",
        plan.account,
        plan.queue,
        plan.address,
        plan.token.reveal()
    )
    .into_bytes()
}

fn close_head(bytes: &mut Vec<u8>, body_length: usize) {
    // Writing to a vector cannot fail.
    let _ = write!(bytes, "{body_length}\r\n\r\n");
}

fn write_hex(number: u64, out: &mut [u8]) {
    for (place, digit) in out.iter_mut().rev().enumerate() {
        let nibble = (number >> (4 * place)) & 15;
        *digit = b"0123456789abcdef"[nibble as usize & 15];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(request: &[u8]) -> &[u8] {
        let text = core::str::from_utf8(request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
        body.as_bytes()
    }

    #[test]
    fn a_batch_has_numbered_bodies_of_the_size_asked_for() {
        for kind in [BodyKind::Text, BodyKind::Json] {
            let plan = Plan::for_test(kind, 100);
            let mut push = PushRequest::new(&plan, 3);
            let read: serde_json::Value = serde_json::from_slice(body_of(push.numbered(0xabc))).unwrap();
            let messages = read["messages"].as_array().unwrap();
            assert_eq!(messages.len(), 3);
            let last = match kind {
                BodyKind::Text => messages[2]["body"].as_str().unwrap().to_owned(),
                BodyKind::Json => messages[2]["body"].to_string(),
            };
            assert_eq!(last.len(), 100);
            assert!(last.contains(&format!("{}{:016x}", plan.run_key, 0xabe)), "{last}");
        }
    }

    #[test]
    fn an_ack_names_every_lease_and_can_be_used_again() {
        let plan = Plan::for_test(BodyKind::Text, 100);
        let mut ack = AckRequest::new(&plan);
        for round in 1..=2 {
            ack.clear();
            (0..round).for_each(|_| ack.add(b"lease"));
            assert_eq!(ack.count(), round);
            let read: serde_json::Value = serde_json::from_slice(body_of(ack.bytes())).unwrap();
            assert_eq!(read["acks"].as_array().unwrap().len(), round);
        }
    }
}
