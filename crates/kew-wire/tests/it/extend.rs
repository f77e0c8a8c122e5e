//! Extend (spec §2.11 row 21).

use kew_model::{ExtendOutcome, Extended, Lease, Milliseconds, QueueNumber, Sequence};
use kew_wire::lease_id::KeyRing;
use kew_wire::messages::{read_extend, write_extended};
use serde_json::{Value, json};

use crate::{Fixed, shown};

fn lease(message: u64) -> Lease {
    Lease { queue: QueueNumber(1), message: Sequence(message), fence: 1 }
}

fn id(keys: &KeyRing, message: u64) -> String {
    keys.sealer().seal(lease(message), &mut [0; 51]).to_owned()
}

#[test]
fn leases_are_read_with_the_timeout_under_either_name() {
    let keys = KeyRing::generate(&Fixed(1));
    let entries =
        format!(r#""extend":[{{"lease_id":"{}"}},{{"lease_id":"{}"}}]"#, id(&keys, 1), id(&keys, 2));
    for (timeout, expected) in [
        ("", None),
        (r#","visibility_timeout_ms":7000"#, Some(Milliseconds(7_000))),
        (r#","visibility_timeout":6000"#, Some(Milliseconds(6_000))),
        (r#","visibility_timeout":6000,"visibility_timeout_ms":0"#, Some(Milliseconds(0))),
    ] {
        let body = format!("{{{entries}{timeout}}}");
        let asked = read_extend(body.as_bytes(), &keys).unwrap();
        assert_eq!(asked.extend.leases, [lease(1), lease(2)]);
        assert_eq!(asked.extend.visibility_timeout, expected, "{timeout}");
    }
}

#[test]
fn only_what_was_extended_counts_and_the_rest_is_told_by_its_id() {
    let keys = KeyRing::generate(&Fixed(1));
    let ids: Vec<_> = (1..=4).map(|message| id(&keys, message)).collect();
    let mut entries: Vec<_> = ids.iter().map(|id| json!({"lease_id": id})).collect();
    entries.insert(1, json!({"lease_id": "forged"}));
    let body = json!({ "extend": entries }).to_string();
    let asked = read_extend(body.as_bytes(), &keys).unwrap();
    let outcomes =
        [ExtendOutcome::Extended, ExtendOutcome::Ended, ExtendOutcome::Gone, ExtendOutcome::OtherQueue];
    let answer = write_extended(&asked, &Extended { leases: outcomes.to_vec() });
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(
        answer["result"],
        json!({"extendCount": 1, "warnings": {
            "forged": "the lease id was not issued by this server",
            &ids[1]: "the lease has ended",
            &ids[2]: "the message is gone",
            &ids[3]: "the lease id belongs to another queue",
        }})
    );
}

#[test]
fn a_missing_list_a_wrong_entry_and_a_wrong_timeout_refuse_the_request() {
    let keys = KeyRing::generate(&Fixed(1));
    let refused = |body: &str| shown(read_extend(body.as_bytes(), &keys));
    for body in ["", "{}", r#"{"extend":null}"#] {
        let text = "extend is required: a list of objects with a lease_id each".to_owned();
        assert_eq!(refused(body), (10_026, text, "/extend".into()), "{body}");
    }
    assert!(read_extend(br#"{"extend":[]}"#, &keys).unwrap().extend.leases.is_empty());
    assert_eq!(
        refused(r#"{"extend":[{}]}"#),
        (10_026, "lease_id is required".into(), "/extend/0/lease_id".into())
    );
    assert_eq!(
        refused(r#"{"extend":[{"lease_id":"x"},null]}"#),
        (
            10_026,
            "each entry of extend must be an object with a lease_id, not null".into(),
            "/extend/1".into()
        )
    );
    for field in ["visibility_timeout_ms", "visibility_timeout"] {
        let text = format!("{field} must be a whole number from 0 to 43200000, not 43200001");
        let body = format!(r#"{{"extend":[],"{field}":43200001}}"#);
        assert_eq!(refused(&body), (10_026, text, format!("/{field}")));
    }
    let entries = vec![r#"{"lease_id":"x"}"#; 1_001].join(",");
    assert_eq!(
        refused(&format!(r#"{{"extend":[{entries}]}}"#)),
        (10_026, "extend holds at most 1000 entries, not 1001".into(), "/extend".into())
    );
}
