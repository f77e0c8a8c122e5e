//! The older way to delete messages that were seen (spec §2.11 row 23).

use kew_model::{QueueNumber, Sequence};
use kew_wire::lease_id::KeyRing;
use kew_wire::messages::{read_preview_settlement, write_preview_settled};
use kew_wire::reference::{LENGTH, Reference};
use serde_json::{Value, json};

use crate::{Fixed, shown};

const QUEUE: QueueNumber = QueueNumber(1);

fn reference(keys: &KeyRing, queue: u32, message: u64) -> String {
    let reference = Reference { queue: QueueNumber(queue), message: Sequence(message) };
    keys.seal_reference(reference, &mut [0; LENGTH]).to_owned()
}

fn answer(keys: &KeyRing, body: &Value) -> (Vec<Sequence>, Value) {
    let body = body.to_string();
    let asked = read_preview_settlement(body.as_bytes(), keys, QUEUE).unwrap();
    let answer: Value = serde_json::from_slice(&write_preview_settled(&asked)).unwrap();
    (asked.messages, answer["result"].clone())
}

#[test]
fn acks_delete_and_count_each_and_retries_count_and_do_nothing() {
    let keys = KeyRing::generate(&Fixed(1));
    let (a, b, c) = (reference(&keys, 1, 1), reference(&keys, 1, 2), reference(&keys, 1, 3));
    let body = json!({
        "acks": [{"lease_id": b}, {"lease_id": a}, {"lease_id": a}],
        "retries": [{"lease_id": c, "delay_seconds": 60}],
    });
    let expected = json!({"ackCount": 3, "retryCount": 1, "warnings": {}});
    assert_eq!(answer(&keys, &body), (vec![Sequence(1), Sequence(2)], expected));
}

#[test]
fn an_absent_body_settles_nothing() {
    let keys = KeyRing::generate(&Fixed(1));
    let asked = read_preview_settlement(b"", &keys, QUEUE).unwrap();
    assert!(asked.messages.is_empty());
    assert_eq!(answer(&keys, &json!({})).1, json!({"ackCount": 0, "retryCount": 0, "warnings": {}}));
}

#[test]
fn of_ack_and_retry_of_one_message_the_ack_wins() {
    let keys = KeyRing::generate(&Fixed(1));
    let a = reference(&keys, 1, 1);
    let (messages, result) = answer(&keys, &json!({"acks": [{"lease_id": a}], "retries": [{"lease_id": a}]}));
    assert_eq!(messages, [Sequence(1)]);
    let warning = json!({a: "the message is gone and cannot be retried"});
    assert_eq!(result, json!({"ackCount": 1, "retryCount": 0, "warnings": warning}));
}

#[test]
fn a_lease_id_is_no_ref_and_other_queues_refs_do_nothing() {
    let keys = KeyRing::generate(&Fixed(1));
    let lease = kew_model::Lease { queue: QUEUE, message: Sequence(1), fence: 1 };
    let lease_id = keys.sealer().seal(lease, &mut [0; 51]).to_owned();
    let foreign = reference(&keys, 2, 1);
    let entries = json!([{"lease_id": lease_id}, {"lease_id": foreign}]);
    for field in ["acks", "retries"] {
        let (messages, result) = answer(&keys, &json!({ field: entries }));
        assert!(messages.is_empty());
        let warnings = json!({
            &lease_id: "the lease id was not issued by this server",
            &foreign: "the lease id belongs to another queue",
        });
        assert_eq!(result, json!({"ackCount": 0, "retryCount": 0, "warnings": warnings}), "{field}");
    }
}

#[test]
fn what_an_ack_refuses_is_refused_here_too() {
    let keys = KeyRing::generate(&Fixed(1));
    let refused = |body: &str| shown(read_preview_settlement(body.as_bytes(), &keys, QUEUE));
    assert_eq!(
        refused(r#"{"acks":[{"lease_id":null}]}"#),
        (10_026, "lease_id must be a string, not null".into(), "/acks/0/lease_id".into())
    );
    assert_eq!(
        refused(r#"{"retries":[{"lease_id":"x","delay_seconds":86401}]}"#),
        (
            10_026,
            "delay_seconds must be a whole number from 0 to 86400, not 86401".into(),
            "/retries/0/delay_seconds".into()
        )
    );
    let entries = vec![r#"{"lease_id":"x"}"#; 1_001].join(",");
    assert_eq!(refused(&format!(r#"{{"acks":[{entries}]}}"#)).0, 10_026);
    assert_eq!(refused("[]").0, 10_026);
}
