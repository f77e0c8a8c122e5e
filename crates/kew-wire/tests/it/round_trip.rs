//! What is pushed comes back the same, whatever it is; and no bytes make a reader panic.

use bytes::Bytes;
use kew_model::{
    Backlog, ContentType, Lease, MessageId, Pulled, PushBatch, QueueNumber, Sequence, Timestamp,
};
use kew_wire::lease_id::KeyRing;
use kew_wire::messages::{
    BodyEncoding, JsonBodies, Origins, read_batch, read_extend, read_peek, read_preview_settlement,
    read_pull, read_push, read_references, read_settlement, write_pulled,
};
use kew_wire::{access, consumers, queues, redrive, subscriptions};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::Fixed;

/// The messages of a pull that returns a pushed batch.
fn pulled_of(batch: &PushBatch) -> Value {
    let mut pulled = Pulled::empty(Backlog::default());
    for (index, (message, body)) in batch.iter().enumerate() {
        let chunk = pulled.add_chunk(Bytes::copy_from_slice(body));
        let lease = Lease { queue: QueueNumber(1), message: Sequence(index as u64), fence: 1 };
        let end = message.length;
        pulled.add(MessageId([1; 16]), lease, 1, Timestamp(1), message.content_type, chunk, 0..end);
    }
    let answer =
        write_pulled(&pulled, &KeyRing::generate(&Fixed(1)), BodyEncoding::Plain, &Origins::default());
    let mut envelope: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
    envelope["result"]["messages"].take()
}

/// JSON that is a little wrong: a good request with some bytes changed, or anything at all.
fn bytes_like_a_request() -> impl Strategy<Value = Vec<u8>> {
    const GOOD: [&str; 10] = [
        r#"{"body":{"a":[1,"\u00e9"]},"content_type":"json","delay_seconds":60}"#,
        r#"{"messages":[{"body":"x","content_type":"text"},{"body":"AA==","content_type":"bytes"}],"delay_seconds":1}"#,
        r#"{"batch_size":10,"visibility_timeout_ms":1000,"visibility_timeout":1}"#,
        r#"{"acks":[{"lease_id":"x"}],"retries":[{"lease_id":"y","delay_seconds":1}]}"#,
        r#"{"refs":[{"ref":"x"},{"ref":"\u0079"}]}"#,
        r#"{"extend":[{"lease_id":"x"}],"visibility_timeout_ms":1000,"wait_time_ms":5}"#,
        r#"{"destination":"jobs","batch_size":5}"#,
        r#"{"queue_name":"a","settings":{"delivery_delay":1},"jurisdiction":"eu"}"#,
        r#"{"name":"s","source":{"type":"kv"},"destination":{"queue_id":"02020202020202020202020202020202"},"events":["namespace.created"]}"#,
        r#"{"type":"worker","script_name":"s","settings":{"max_concurrency":null},"scopes":["push"],"expires_on":"x"}"#,
    ];
    let changed = (0..GOOD.len(), vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)).prop_map(
        |(index, changes)| {
            let mut bytes = GOOD[index].as_bytes().to_vec();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            bytes
        },
    );
    prop_oneof![4 => changed, 1 => vec(any::<u8>(), 0..64)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn texts_come_back_as_they_were(texts in vec(any::<String>(), 1..5)) {
        let messages: Vec<_> =
            texts.iter().map(|text| serde_json::json!({"body": text, "content_type": "text"})).collect();
        let body = serde_json::json!({"messages": messages}).to_string();
        let pulled = pulled_of(&read_batch(body.as_bytes(), JsonBodies::Any).unwrap());
        for (index, text) in texts.iter().enumerate() {
            prop_assert_eq!(pulled[index]["body"].as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn bytes_come_back_as_they_were(bytes in vec(any::<u8>(), 0..200)) {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
        let body = serde_json::json!({"body": text, "content_type": "bytes"}).to_string();
        let batch = read_push(body.as_bytes(), JsonBodies::Any).unwrap();
        prop_assert_eq!(batch.bodies(), bytes.as_slice());
        prop_assert_eq!(batch.messages()[0].content_type, ContentType::Bytes);
        prop_assert_eq!(&pulled_of(&batch)[0]["body"], &Value::from(text));
    }

    #[test]
    fn json_keeps_its_bytes(text in any::<String>(), number in any::<i64>()) {
        let value = format!("{{ \"t\":{} ,\"n\" : [{number}]}}", serde_json::to_string(&text).unwrap());
        let batch = read_push(format!(r#"{{"body":{value}}}"#).as_bytes(), JsonBodies::Any).unwrap();
        prop_assert_eq!(batch.bodies(), value.as_bytes());
        prop_assert_eq!(&pulled_of(&batch)[0]["body"], &Value::from(value));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in bytes_like_a_request()) {
        let keys = KeyRing::generate(&Fixed(1));
        let _ = read_push(&bytes, JsonBodies::Strict);
        let _ = read_batch(&bytes, JsonBodies::Any);
        let _ = read_pull(&bytes);
        let _ = read_settlement(&bytes, &keys);
        let _ = read_peek(&bytes);
        let _ = read_references(&bytes, &keys, QueueNumber(1));
        let _ = read_extend(&bytes, &keys);
        let _ = read_preview_settlement(&bytes, &keys, QueueNumber(1));
        let _ = redrive::read_redrive(&bytes);
        let _ = queues::read_new_queue(&bytes);
        let _ = queues::read_replacement(&bytes);
        let _ = queues::read_purge(&bytes);
        let _ = subscriptions::read_new_subscription(&bytes);
        let _ = subscriptions::read_subscription_change(&bytes, "kv");
        let _ = consumers::read_new_consumer(&bytes);
        let _ = access::read_new_account(&bytes);
        let _ = access::read_new_token(&bytes);
    }

    #[test]
    fn what_a_reader_takes_is_json(bytes in bytes_like_a_request()) {
        let is_json = serde_json::from_slice::<Value>(&bytes).is_ok();
        prop_assert!(is_json || read_push(&bytes, JsonBodies::Any).is_err());
        prop_assert!(is_json || read_batch(&bytes, JsonBodies::Any).is_err());
    }
}
