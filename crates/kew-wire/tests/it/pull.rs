//! Pull (spec §2.11 row 17, §3).

use bytes::Bytes;
use kew_model::{
    Backlog, ContentType, Lease, MessageId, Milliseconds, Pulled, QueueNumber, Sequence, Timestamp,
};
use kew_wire::lease_id::KeyRing;
use kew_wire::messages::{AskedPull, BodyEncoding, Origins, read_pull, write_pulled};

use crate::{Fixed, shown, text};

const LEASE: Lease = Lease { queue: QueueNumber(1), message: Sequence(2), fence: 3 };

fn pulled(content_type: ContentType, body: &'static [u8]) -> Pulled {
    let backlog = Backlog { count: 5, bytes: 1024, oldest: Some(Timestamp(1_710_950_954_154)) };
    let mut pulled = Pulled::empty(backlog);
    let chunk = pulled.add_chunk(Bytes::from_static(body));
    let id = MessageId([0xb0; 16]);
    let end = u32::try_from(body.len()).unwrap();
    pulled.add(id, LEASE, 1, Timestamp(1_710_950_954_154), content_type, chunk, 0..end);
    pulled
}

/// The body's JSON string in the answer.
fn body_of(content_type: ContentType, body: &'static [u8], encoding: BodyEncoding) -> String {
    let answer = text(write_pulled(
        &pulled(content_type, body),
        &KeyRing::generate(&Fixed(1)),
        encoding,
        &Origins::default(),
    ));
    let start = answer.find(r#""body":"#).unwrap() + 7;
    let end = answer.find(r#","lease_id""#).unwrap();
    answer[start..end].to_owned()
}

#[test]
fn an_absent_body_asks_for_the_defaults() {
    for body in ["", " \n", "{}", r#"{"batch_size":null,"other":1}"#] {
        assert_eq!(read_pull(body.as_bytes()).unwrap(), AskedPull::default(), "{body:?}");
    }
}

#[test]
fn both_names_of_the_visibility_timeout_are_milliseconds_and_the_newer_wins() {
    let asked = |body: &str| read_pull(body.as_bytes()).unwrap().pull.visibility_timeout;
    assert_eq!(asked(r#"{"visibility_timeout":6000}"#), Some(Milliseconds(6000)));
    assert_eq!(
        asked(r#"{"visibility_timeout_ms":7000,"visibility_timeout":6000}"#),
        Some(Milliseconds(7000))
    );
    assert_eq!(asked(r#"{"visibility_timeout_ms":43200000}"#), Some(Milliseconds(43_200_000)));
    assert_eq!(asked(r#"{"visibility_timeout_ms":0}"#), Some(Milliseconds(0)));
}

#[test]
fn a_pull_waits_for_as_long_as_it_says_and_else_not_at_all() {
    let wait = |body: &str| read_pull(body.as_bytes()).unwrap().wait;
    assert_eq!(wait(r#"{"batch_size":1}"#), Milliseconds(0));
    assert_eq!(wait(r#"{"wait_time_ms":null}"#), Milliseconds(0));
    assert_eq!(wait(r#"{"wait_time_ms":0}"#), Milliseconds(0));
    assert_eq!(wait(r#"{"wait_time_ms":60000}"#), Milliseconds(60_000));
}

#[test]
fn numbers_out_of_range_are_refused_and_never_clamped() {
    for (field, wrong, range) in [
        ("batch_size", "0", "1 to 100"),
        ("batch_size", "101", "1 to 100"),
        ("batch_size", "2.5", "1 to 100"),
        ("batch_size", "\"5\"", "1 to 100"),
        ("visibility_timeout_ms", "-1", "0 to 43200000"),
        ("visibility_timeout_ms", "43200001", "0 to 43200000"),
        ("visibility_timeout", "43200001", "0 to 43200000"),
        ("wait_time_ms", "60001", "0 to 60000"),
        ("wait_time_ms", "-1", "0 to 60000"),
        ("wait_time_ms", "0.5", "0 to 60000"),
    ] {
        let refused = shown(read_pull(format!(r#"{{"{field}":{wrong}}}"#).as_bytes()));
        let text = format!("{field} must be a whole number from {range}, not {wrong}");
        assert_eq!(refused, (10_026, text, format!("/{field}")));
    }
}

#[test]
fn an_unreadable_body_is_10026() {
    for body in [b"{".as_slice(), b"[]", b"1", b"\xff", b"{\"batch_size\":1,\"batch_size\":1}"] {
        assert_eq!(shown(read_pull(body)).0, 10_026);
    }
}

#[test]
fn the_answer_has_every_field_as_clients_expect_it() {
    let keys = KeyRing::generate(&Fixed(1));
    let id = keys.sealer().seal(LEASE, &mut [0; 51]).to_owned();
    let answer = text(write_pulled(
        &pulled(ContentType::Text, b"hello world"),
        &keys,
        BodyEncoding::Base64,
        &Origins::default(),
    ));
    let metrics = concat!(
        r#""metadata":{"metrics":{"backlog_bytes":1024,"backlog_count":5,"#,
        r#""oldest_message_timestamp_ms":1710950954154}}"#
    );
    let message = format!(
        concat!(
            r#"{{"id":"b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0","attempts":1,"body":"hello world","lease_id":"{}","#,
            r#""metadata":{{"CF-Content-Type":"text","CF-sourceMessageSource":"http"}},"timestamp_ms":1710950954154}}"#
        ),
        id
    );
    assert_eq!(
        answer,
        format!(
            concat!(
                r#"{{"success":true,"errors":[],"messages":[],"result":"#,
                r#"{{"message_backlog_count":5,"messages":[{}],{}}}}}"#
            ),
            message, metrics
        )
    );
}

#[test]
fn an_empty_queue_answers_with_no_messages_and_no_oldest() {
    let answer = write_pulled(
        &Pulled::default(),
        &KeyRing::generate(&Fixed(1)),
        BodyEncoding::Base64,
        &Origins::default(),
    );
    assert_eq!(
        text(answer),
        concat!(
            r#"{"success":true,"errors":[],"messages":[],"result":{"message_backlog_count":0,"messages":[],"#,
            r#""metadata":{"metrics":{"backlog_bytes":0,"backlog_count":0,"oldest_message_timestamp_ms":0}}}}"#
        )
    );
}

#[test]
fn bodies_are_shown_as_their_type_asks() {
    assert_eq!(
        body_of(ContentType::Text, "a\"\\\n\u{1}é😀".as_bytes(), BodyEncoding::Base64),
        r#""a\"\\\n\u0001é😀""#
    );
    assert_eq!(body_of(ContentType::Json, br#"{"a":1}"#, BodyEncoding::Base64), r#""eyJhIjoxfQ==""#);
    assert_eq!(body_of(ContentType::Json, br#"{"a":1}"#, BodyEncoding::Plain), r#""{\"a\":1}""#);
    assert_eq!(body_of(ContentType::Bytes, &[0, 0xff, 0xfe], BodyEncoding::Plain), r#""AP/+""#);
    assert_eq!(body_of(ContentType::V8, &[0xff, 0x0f], BodyEncoding::Plain), r#""/w8=""#);
    assert_eq!(body_of(ContentType::Bytes, b"", BodyEncoding::Base64), r#""""#);
}

#[test]
fn many_messages_are_one_list() {
    let mut two = pulled(ContentType::Text, b"x");
    let again = two.messages[0].clone();
    two.messages.push(again);
    let answer =
        text(write_pulled(&two, &KeyRing::generate(&Fixed(1)), BodyEncoding::Base64, &Origins::default()));
    assert_eq!(answer.matches(r#"},{"id":"#).count(), 1);
    assert_eq!(answer.matches(r#""lease_id""#).count(), 2);
}
