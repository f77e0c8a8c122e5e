//! Queues: created and shown (spec §2.1–§2.3).

use kew_model::{AccountId, Jurisdiction, Queue, QueueId, QueueNumber, QueueSettings, Seconds};
use kew_wire::envelope;
use kew_wire::queues::{QueueView, read_new_queue};

use crate::{MOMENT, shown, text};

fn queue() -> Queue {
    Queue {
        number: QueueNumber(1),
        id: QueueId([0x02; 16]),
        account: AccountId([1; 16]),
        name: "jobs".parse().unwrap(),
        created_on: MOMENT,
        modified_on: MOMENT,
        jurisdiction: None,
        settings: QueueSettings::default(),
        consumer: None,
        purge: None,
    }
}

#[test]
fn a_queue_needs_a_name_and_nothing_else() {
    let new = read_new_queue(br#"{"queue_name":"jobs","unknown":1}"#).unwrap();
    assert_eq!((new.name.as_str(), new.jurisdiction, new.settings), ("jobs", None, QueueSettings::default()));
    let refused = shown(read_new_queue(b"{}"));
    assert_eq!(refused, (10_026, "queue_name is required".into(), "/queue_name".into()));
    for body in [b"".as_slice(), b"{", b"[]", br#"{"queue_name":1}"#] {
        assert_eq!(shown(read_new_queue(body)).0, 10_026);
    }
}

#[test]
fn names_that_break_the_rule_are_11003() {
    for name in ["", "A", "-a", "a-", "a_b", "a.b", "a/b"] {
        let refused = shown(read_new_queue(format!(r#"{{"queue_name":"{name}"}}"#).as_bytes()));
        assert_eq!((refused.0, refused.2.as_str()), (11_003, "/queue_name"), "{name}");
        assert!(refused.1.contains("[a-z0-9]"), "{}", refused.1);
    }
}

#[test]
fn settings_and_jurisdiction_are_taken_at_creation() {
    let new = read_new_queue(
        br#"{"queue_name":"a","jurisdiction":"eu","settings":{"delivery_delay":86400,"delivery_paused":true,"message_retention_period":60}}"#,
    )
    .unwrap();
    assert_eq!(new.jurisdiction, Some(Jurisdiction::Eu));
    let settings = QueueSettings {
        delivery_delay: Seconds(86_400),
        delivery_paused: true,
        message_retention_period: Seconds(60),
    };
    assert_eq!(new.settings, settings);
    assert_eq!(shown(read_new_queue(br#"{"queue_name":"a","jurisdiction":"mars"}"#)).2, "/jurisdiction");
}

#[test]
fn settings_out_of_bounds_are_100128() {
    for (setting, wrong) in [
        ("delivery_delay", "-1"),
        ("delivery_delay", "86401"),
        ("message_retention_period", "59"),
        ("message_retention_period", "1209601"),
        ("message_retention_period", "60.5"),
        ("delivery_paused", "1"),
        ("delivery_paused", "\"true\""),
    ] {
        let body = format!(r#"{{"queue_name":"a","settings":{{"{setting}":{wrong}}}}}"#);
        let refused = shown(read_new_queue(body.as_bytes()));
        assert_eq!((refused.0, refused.2), (100_128, format!("/settings/{setting}")), "{setting} {wrong}");
        assert!(refused.1.contains(wrong), "{}", refused.1);
    }
    for settings in ["[]", "1", "\"x\""] {
        let body = format!(r#"{{"queue_name":"a","settings":{settings}}}"#);
        assert_eq!(shown(read_new_queue(body.as_bytes())).0, 100_128, "{settings}");
    }
    for good in ["0", "86400"] {
        let body = format!(r#"{{"queue_name":"a","settings":{{"delivery_delay":{good}}}}}"#);
        assert!(read_new_queue(body.as_bytes()).is_ok(), "{good}");
    }
}

#[test]
fn a_queue_shows_every_field_but_an_unset_jurisdiction() {
    assert_eq!(
        text(envelope::success_of(&QueueView::of(&queue()))),
        concat!(
            r#"{"success":true,"errors":[],"messages":[],"result":{"queue_id":"02020202020202020202020202020202","#,
            r#""queue_name":"jobs","created_on":"2024-05-20T14:43:56.704Z","modified_on":"2024-05-20T14:43:56.704Z","#,
            r#""settings":{"delivery_delay":0,"delivery_paused":false,"message_retention_period":345600},"#,
            r#""producers":[],"producers_total_count":0,"consumers":[],"consumers_total_count":0}}"#
        )
    );
    let view = QueueView::of(&Queue { jurisdiction: Some(Jurisdiction::Fedramp), ..queue() });
    assert_eq!(view.jurisdiction.as_deref(), Some("fedramp"));
}
