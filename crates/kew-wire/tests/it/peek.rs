//! Peek and preview (spec §2.11 rows 19 and 22).

use bytes::Bytes;
use kew_model::{
    Backlog, ContentType, Lease, MessageId, Peek, Peeked, Pulled, QueueNumber, Sequence, Timestamp,
};
use kew_wire::lease_id::KeyRing;
use kew_wire::messages::{BodyEncoding, Origins, read_peek, write_peeked, write_previewed};
use kew_wire::reference::{LENGTH, Reference};

use crate::{Fixed, shown, text};

/// One message of each type.
fn peeked(messages: &[(ContentType, &'static [u8])]) -> Peeked {
    let mut pulled = Pulled::empty(Backlog::default());
    for (index, (content_type, body)) in (0..).zip(messages) {
        let chunk = pulled.add_chunk(Bytes::from_static(body));
        let lease = Lease { queue: QueueNumber(1), message: Sequence(2 + index), fence: 0 };
        let end = u32::try_from(body.len()).unwrap();
        let sent_at = Timestamp(1_710_950_954_154);
        pulled.add(MessageId([0xb0; 16]), lease, 0, sent_at, *content_type, chunk, 0..end);
    }
    pulled.into()
}

fn reference(keys: &KeyRing, message: u64) -> String {
    let reference = Reference { queue: QueueNumber(1), message: Sequence(message) };
    keys.seal_reference(reference, &mut [0; LENGTH]).to_owned()
}

#[test]
fn an_absent_body_asks_for_the_defaults() {
    for body in ["", " \n", "{}", r#"{"batch_size":null,"other":1}"#] {
        assert_eq!(read_peek(body.as_bytes()).unwrap(), Peek::default(), "{body:?}");
    }
    assert_eq!(read_peek(br#"{"batch_size":100}"#).unwrap(), Peek { batch_size: Some(100) });
}

#[test]
fn numbers_out_of_range_and_unreadable_bodies_are_refused() {
    for wrong in ["0", "101", "2.5", "\"5\""] {
        let refused = shown(read_peek(format!(r#"{{"batch_size":{wrong}}}"#).as_bytes()));
        let text = format!("batch_size must be a whole number from 1 to 100, not {wrong}");
        assert_eq!(refused, (10_026, text, "/batch_size".into()));
    }
    for body in [b"{".as_slice(), b"[]", b"\xff", b"{\"batch_size\":1,\"batch_size\":1}"] {
        assert_eq!(shown(read_peek(body)).0, 10_026);
    }
}

#[test]
fn a_peeked_message_has_a_ref_and_no_lease() {
    let keys = KeyRing::generate(&Fixed(1));
    let answer = write_peeked(
        &peeked(&[(ContentType::Text, b"hello")]),
        &keys,
        BodyEncoding::Base64,
        &Origins::default(),
    );
    assert_eq!(
        text(answer),
        format!(
            concat!(
                r#"{{"success":true,"errors":[],"messages":[],"result":{{"messages":[{{"#,
                r#""id":"b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0","attempts":0,"body":"hello","ref":"{}","#,
                r#""metadata":{{"CF-Content-Type":"text","CF-sourceMessageSource":"http"}},"#,
                r#""timestamp_ms":1710950954154}}]}}}}"#
            ),
            reference(&keys, 2)
        )
    );
}

#[test]
fn a_previewed_message_has_its_ref_under_both_names() {
    let keys = KeyRing::generate(&Fixed(1));
    let peeked = peeked(&[(ContentType::Text, b"a"), (ContentType::Text, b"b")]);
    let answer: serde_json::Value =
        serde_json::from_slice(&write_previewed(&peeked, &keys, BodyEncoding::Base64, &Origins::default()))
            .unwrap();
    for (index, sequence) in [(0, 2), (1, 3)] {
        let message = &answer["result"]["messages"][index];
        let expected = reference(&keys, sequence);
        assert_eq!(
            (message["ref"].as_str(), message["lease_id"].as_str()),
            (Some(&*expected), Some(&*expected))
        );
    }
}

#[test]
fn bodies_look_as_in_a_pull_in_both_encodings() {
    let keys = KeyRing::generate(&Fixed(1));
    let peeked = peeked(&[
        (ContentType::Text, "é\"".as_bytes()),
        (ContentType::Json, br#"{"a":1}"#),
        (ContentType::Bytes, &[0, 0xff, 0xfe]),
    ]);
    for (encoding, json) in [(BodyEncoding::Base64, "eyJhIjoxfQ=="), (BodyEncoding::Plain, r#"{"a":1}"#)] {
        let answer: serde_json::Value =
            serde_json::from_slice(&write_peeked(&peeked, &keys, encoding, &Origins::default())).unwrap();
        let bodies: Vec<_> = (0..3).map(|index| &answer["result"]["messages"][index]["body"]).collect();
        assert_eq!(bodies, ["é\"", json, "AP/+"]);
    }
}

#[test]
fn an_empty_queue_shows_no_messages() {
    let answer = write_peeked(
        &Peeked::default(),
        &KeyRing::generate(&Fixed(1)),
        BodyEncoding::Base64,
        &Origins::default(),
    );
    assert_eq!(text(answer), r#"{"success":true,"errors":[],"messages":[],"result":{"messages":[]}}"#);
}
