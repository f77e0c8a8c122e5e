//! Deleting messages by their refs (spec §2.11 row 20).

use kew_model::{QueueNumber, Sequence};
use kew_wire::lease_id::KeyRing;
use kew_wire::messages::{read_references, write_discarded};
use kew_wire::reference::{LENGTH, Reference};
use serde_json::{Value, json};

use crate::{Fixed, shown};

const QUEUE: QueueNumber = QueueNumber(1);

fn reference(keys: &KeyRing, queue: u32, message: u64) -> String {
    let reference = Reference { queue: QueueNumber(queue), message: Sequence(message) };
    keys.seal_reference(reference, &mut [0; LENGTH]).to_owned()
}

fn result(answer: &[u8]) -> Value {
    serde_json::from_slice::<Value>(answer).unwrap()["result"].clone()
}

#[test]
fn refs_of_this_queue_are_read_once_each() {
    let keys = KeyRing::generate(&Fixed(1));
    let (first, second) = (reference(&keys, 1, 9), reference(&keys, 1, 3));
    let body = json!({"refs": [{"ref": first}, {"ref": second, "id": 7}, {"ref": first}]}).to_string();
    let asked = read_references(body.as_bytes(), &keys, QUEUE).unwrap();
    assert_eq!(asked.messages, [Sequence(9), Sequence(3)]);
    assert_eq!(result(&write_discarded(&asked, &[true, true])), json!({"errors": [], "warnings": {}}));
}

#[test]
fn what_cannot_be_deleted_is_a_warning_under_its_ref() {
    // Given a ref of another queue, one that nobody issued, one of a message that is gone, and a good one
    let keys = KeyRing::generate(&Fixed(1));
    let (gone, good, foreign) = (reference(&keys, 1, 1), reference(&keys, 1, 2), reference(&keys, 2, 1));
    let body = json!({"refs": [{"ref": foreign}, {"ref": "x\"y"}, {"ref": gone}, {"ref": good}]}).to_string();
    // When the queue is asked
    let asked = read_references(body.as_bytes(), &keys, QUEUE).unwrap();
    assert_eq!(asked.messages, [Sequence(1), Sequence(2)]);
    // Then the rest counts, and each has its reason
    assert_eq!(
        result(&write_discarded(&asked, &[false, true])),
        json!({"errors": [], "warnings": {
            foreign: "the ref belongs to another queue",
            "x\"y": "the ref was not issued by this server",
            gone: "the message is not in the queue any more",
        }})
    );
}

#[test]
fn a_list_without_entries_is_one_and_a_missing_one_is_none() {
    let keys = KeyRing::generate(&Fixed(1));
    assert!(read_references(br#"{"refs":[]}"#, &keys, QUEUE).unwrap().messages.is_empty());
    for body in ["", "{}", r#"{"refs":null}"#] {
        let text = "refs is required: a list of objects with a ref each".to_owned();
        let refused = shown(read_references(body.as_bytes(), &keys, QUEUE));
        assert_eq!(refused, (10_026, text, "/refs".into()), "{body}");
    }
}

#[test]
fn an_entry_that_is_none_refuses_the_whole_request() {
    let keys = KeyRing::generate(&Fixed(1));
    for (entry, said) in [
        ("{}", "is required"),
        (r#"{"ref":null}"#, "must be a string, not null"),
        (r#"{"ref":7}"#, "must be a string, not 7"),
    ] {
        let body = format!(r#"{{"refs":[{{"ref":"x"}},{entry}]}}"#);
        let refused = shown(read_references(body.as_bytes(), &keys, QUEUE));
        assert_eq!(refused, (10_026, format!("ref {said}"), "/refs/1/ref".into()));
    }
    let text = "each entry of refs must be an object with a ref, not a string".to_owned();
    let refused = shown(read_references(br#"{"refs":["x"]}"#, &keys, QUEUE));
    assert_eq!(refused, (10_026, text, "/refs/0".into()));
    for body in [r#"{"refs":{}}"#, r#"{"refs":["x"]}"#, r#"{"refs":[{"ref":"x","ref":"y"}]}"#, "["] {
        assert_eq!(shown(read_references(body.as_bytes(), &keys, QUEUE)).0, 10_026, "{body}");
    }
}

#[test]
fn a_thousand_refs_are_read_and_one_more_is_not() {
    let keys = KeyRing::generate(&Fixed(1));
    let of = |count: usize| format!(r#"{{"refs":[{}]}}"#, vec![r#"{"ref":"x"}"#; count].join(","));
    assert!(read_references(of(1_000).as_bytes(), &keys, QUEUE).is_ok());
    let refused = shown(read_references(of(1_001).as_bytes(), &keys, QUEUE));
    assert_eq!(refused, (10_026, "refs holds at most 1000 entries, not 1001".into(), "/refs".into()));
}
