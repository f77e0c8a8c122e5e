//! Ack and retry (spec §2.11 row 18, §4.5).

use kew_model::{
    AckOutcome, Lease, QueueNumber, Retry, RetryOutcome, Seconds, Sequence, Settled, Settlement,
};
use kew_wire::lease_id::KeyRing;
use kew_wire::messages::{read_settlement, write_settled};

use crate::{Fixed, shown, text};

fn lease(message: u64) -> Lease {
    Lease { queue: QueueNumber(1), message: Sequence(message), fence: 9 }
}

fn id(keys: &KeyRing, message: u64) -> String {
    keys.sealer().seal(lease(message), &mut [0; 51]).to_owned()
}

#[test]
fn leases_are_opened_in_their_order_and_whole_messages_may_be_sent() {
    let keys = KeyRing::generate(&Fixed(1));
    let body = format!(
        r#"{{"acks":[{{"lease_id":"{}","id":"x","body":{{}},"delay_seconds":"none"}},{{"lease_id":"{}"}}],
            "retries":[{{"lease_id":"{}","delay_seconds":7}},{{"lease_id":"{}"}}]}}"#,
        id(&keys, 1),
        id(&keys, 2),
        id(&keys, 3),
        id(&keys, 4)
    );
    let asked = read_settlement(body.as_bytes(), &keys).unwrap();
    assert_eq!(
        asked.settlement,
        Settlement {
            acks: vec![lease(1), lease(2)],
            retries: vec![
                Retry { lease: lease(3), delay: Some(Seconds(7)) },
                Retry { lease: lease(4), delay: None }
            ],
        }
    );
}

#[test]
fn nothing_may_be_settled() {
    let keys = KeyRing::generate(&Fixed(1));
    for body in ["", "{}", r#"{"acks":[],"retries":[]}"#, r#"{"acks":null}"#] {
        let asked = read_settlement(body.as_bytes(), &keys).unwrap();
        assert_eq!(asked.settlement, Settlement::default(), "{body}");
        assert_eq!(
            text(write_settled(&asked, &Settled::default())),
            r#"{"success":true,"errors":[],"messages":[],"result":{"ackCount":0,"retryCount":0,"warnings":{}}}"#
        );
    }
}

#[test]
fn a_missing_lease_id_refuses_the_whole_request() {
    let keys = KeyRing::generate(&Fixed(1));
    for (entry, why) in [
        ("{}", "is required"),
        (r#"{"lease_id":null}"#, "must be a string, not null"),
        (r#"{"lease_id":1}"#, "must be a string, not 1"),
    ] {
        for list in ["acks", "retries"] {
            let body = format!(r#"{{"{list}":[{{"lease_id":"x"}},{entry}]}}"#);
            let text = format!("lease_id {why}");
            assert_eq!(
                shown(read_settlement(body.as_bytes(), &keys)),
                (10_026, text, format!("/{list}/1/lease_id"))
            );
        }
    }
}

#[test]
fn a_wrong_list_or_entry_is_told_by_its_place() {
    let keys = KeyRing::generate(&Fixed(1));
    let long = format!("\"{}\"", "x".repeat(100_000));
    for (entry, shape) in [
        ("null", "null"),
        (long.as_str(), "a string"),
        ("[[]]", "an array"),
        ("true", "a boolean"),
        ("7", "a number"),
        ("-7", "a number"),
        ("0.7", "a number"),
    ] {
        for list in ["acks", "retries"] {
            let body = format!(r#"{{"{list}":[{{"lease_id":"x"}},{entry},"later"]}}"#);
            let text = format!("each entry of {list} must be an object with a lease_id, not {shape}");
            let refused = shown(read_settlement(body.as_bytes(), &keys));
            assert_eq!(refused, (10_026, text, format!("/{list}/1")));
        }
    }
    for (list, shape) in [("{\"a\":[]}", "an object"), ("7", "a number"), (long.as_str(), "a string")] {
        let refused = shown(read_settlement(format!(r#"{{"acks":{list}}}"#).as_bytes(), &keys));
        assert_eq!(refused, (10_026, format!("acks must be a list, not {shape}"), "/acks".into()));
    }
    // After a wrong entry the rest still has to be JSON.
    let refused = shown(read_settlement(br#"{"acks":[null,nul]}"#, &keys));
    assert_eq!((refused.0, refused.2.as_str()), (10_026, ""));
}

#[test]
fn wrong_shapes_and_delays_are_10026() {
    let keys = KeyRing::generate(&Fixed(1));
    for body in ["{", "[]", r#"{"acks":{}}"#, r#"{"acks":["x"]}"#, r#"{"acks":[["x"]]}"#] {
        assert_eq!(shown(read_settlement(body.as_bytes(), &keys)).0, 10_026, "{body}");
    }
    for delay in ["-1", "86401", "0.5"] {
        let body = format!(r#"{{"retries":[{{"lease_id":"x","delay_seconds":{delay}}}]}}"#);
        let text = format!("delay_seconds must be a whole number from 0 to 86400, not {delay}");
        let pointer = "/retries/0/delay_seconds".to_owned();
        assert_eq!(shown(read_settlement(body.as_bytes(), &keys)), (10_026, text, pointer));
    }
}

#[test]
fn a_thousand_entries_are_taken_and_no_more() {
    let keys = KeyRing::generate(&Fixed(1));
    let of = |acks: usize, retries: usize| {
        let entries = |count| vec![r#"{"lease_id":"x"}"#; count].join(",");
        format!(r#"{{"acks":[{}],"retries":[{}]}}"#, entries(acks), entries(retries))
    };
    assert!(read_settlement(of(600, 400).as_bytes(), &keys).is_ok());
    let refused = shown(read_settlement(of(600, 401).as_bytes(), &keys));
    assert_eq!(
        (refused.0, refused.1.as_str()),
        (10_026, "acks and retries hold at most 1000 entries together, not 1001")
    );
}

#[test]
fn outcomes_are_counted_and_warned_of_as_the_matrix_says() {
    let keys = KeyRing::generate(&Fixed(1));
    let entries = |ids: &[String]| {
        let entries: Vec<_> = ids.iter().map(|id| format!(r#"{{"lease_id":"{id}"}}"#)).collect();
        entries.join(",")
    };
    let acks: Vec<_> = (1..=5).map(|message| id(&keys, message)).collect();
    let retries: Vec<_> = [6, 7, 8, 9, 1].into_iter().map(|message| id(&keys, message)).collect();
    let body = format!(
        r#"{{"acks":[{},{{"lease_id":"forged \"one\""}}],"retries":[{}]}}"#,
        entries(&acks),
        entries(&retries)
    );
    let asked = read_settlement(body.as_bytes(), &keys).unwrap();
    let settled = Settled {
        acks: vec![
            AckOutcome::Acked,
            AckOutcome::AlreadyGone,
            AckOutcome::Exhausted,
            AckOutcome::RetentionEnded,
            AckOutcome::OtherQueue,
        ],
        retries: vec![
            RetryOutcome::Retried,
            RetryOutcome::Redelivered,
            RetryOutcome::Gone,
            RetryOutcome::OtherQueue,
            RetryOutcome::Gone,
        ],
    };
    let answer = text(write_settled(&asked, &settled));
    assert!(answer.contains(r#""result":{"ackCount":4,"retryCount":1,"warnings":{"#), "{answer}");
    for warned in [&acks[2], &acks[3], &acks[4], &retries[1], &retries[2], &retries[3], &retries[4]] {
        assert_eq!(answer.matches(&format!(r#""{warned}":"#)).count(), 1, "{answer}");
    }
    assert!(answer.contains(r#""forged \"one\"":"the lease id was not issued by this server""#), "{answer}");
    assert!(!answer.contains(&acks[1]) && !answer.contains(&retries[0]), "{answer}");
}

#[test]
fn one_lease_id_has_one_warning() {
    let keys = KeyRing::generate(&Fixed(1));
    let body = r#"{"acks":[{"lease_id":"x"},{"lease_id":"x"}],"retries":[{"lease_id":"x"}]}"#;
    let asked = read_settlement(body.as_bytes(), &keys).unwrap();
    assert_eq!(text(write_settled(&asked, &Settled::default())).matches(r#""x":"#).count(), 1);
}
