//! Queues: created, changed, emptied and shown (spec §2.1–§2.8).

use kew_model::{
    AccountId, Backlog, Jurisdiction, Purge, Queue, QueueChange, QueueId, QueueNumber, QueueSettings,
    Seconds, Timestamp,
};
use kew_wire::envelope;
use kew_wire::queues::{
    MetricsView, PurgeView, PurgedView, QueueView, read_change, read_new_queue, read_purge, read_replacement,
};

use crate::{MOMENT, shown, text};

pub(crate) fn jobs() -> Queue {
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
        text(envelope::success_of(&QueueView::of(&jobs()))),
        concat!(
            r#"{"success":true,"errors":[],"messages":[],"result":{"queue_id":"02020202020202020202020202020202","#,
            r#""queue_name":"jobs","created_on":"2024-05-20T14:43:56.704Z","modified_on":"2024-05-20T14:43:56.704Z","#,
            r#""settings":{"delivery_delay":0,"delivery_paused":false,"message_retention_period":345600},"#,
            r#""producers":[],"producers_total_count":0,"consumers":[],"consumers_total_count":0}}"#
        )
    );
    let view = QueueView::of(&Queue { jurisdiction: Some(Jurisdiction::Fedramp), ..jobs() });
    assert_eq!(view.jurisdiction.as_deref(), Some("fedramp"));
}

#[test]
fn a_change_names_what_changes_and_a_replacement_names_every_setting() {
    let body = br#"{"queue_name":"b","settings":{"delivery_paused":true}}"#;
    let paused = QueueChange {
        name: Some("b".parse().unwrap()),
        delivery_paused: Some(true),
        ..QueueChange::default()
    };
    assert_eq!(read_change(body).unwrap().change, paused);
    let replaced = QueueChange {
        delivery_delay: Some(Seconds(0)),
        message_retention_period: Some(Seconds(345_600)),
        ..paused
    };
    assert_eq!(read_replacement(body).unwrap().change, replaced);
    assert_eq!(read_change(b"{}").unwrap().change, QueueChange::default());
    let defaults = read_replacement(b"{}").unwrap().change;
    assert_eq!((defaults.name, defaults.delivery_paused), (None, Some(false)));
    for (body, code, pointer) in [
        ("", 10_026, ""),
        (r#"{"queue_name":"A"}"#, 11_003, "/queue_name"),
        (r#"{"settings":{"delivery_delay":86401}}"#, 100_128, "/settings/delivery_delay"),
        (r#"{"jurisdiction":"mars"}"#, 10_026, "/jurisdiction"),
    ] {
        for refused in [shown(read_change(body.as_bytes())), shown(read_replacement(body.as_bytes()))] {
            assert_eq!((refused.0, refused.2.as_str()), (code, pointer), "{body}");
        }
    }
}

#[test]
fn a_jurisdiction_may_be_repeated_and_not_changed() {
    let asked = read_change(br#"{"jurisdiction":"eu"}"#).unwrap();
    assert_eq!(asked.check_jurisdiction(Some(Jurisdiction::Eu)), Ok(()));
    assert_eq!(read_change(b"{}").unwrap().check_jurisdiction(Some(Jurisdiction::Eu)), Ok(()));
    for (own, said) in [(Some(Jurisdiction::Us), "\"us\""), (None, "none")] {
        let refused = shown(asked.check_jurisdiction(own));
        assert_eq!((refused.0, refused.2.as_str()), (19_002, "/jurisdiction"));
        assert!(refused.1.ends_with(&format!("it is {said}, not \"eu\"")), "{}", refused.1);
    }
}

#[test]
fn a_purge_is_confirmed_or_silent_and_never_denied() {
    for body in
        ["", "{}", r#"{"delete_messages_permanently":true}"#, r#"{"delete_messages_permanently":null}"#]
    {
        assert_eq!(read_purge(body.as_bytes()), Ok(()), "{body}");
    }
    let refused = shown(read_purge(br#"{"delete_messages_permanently":false}"#));
    let said = "delete_messages_permanently must be true or absent, not false";
    assert_eq!(refused, (10_026, said.to_owned(), "/delete_messages_permanently".to_owned()));
    for body in ["[]", "{", r#"{"delete_messages_permanently":1}"#] {
        assert_eq!(shown(read_purge(body.as_bytes())).0, 10_026, "{body}");
    }
}

#[test]
fn a_purge_is_shown_for_sdks_and_for_wrangler() {
    let purged = Queue { purge: Some(Purge { started_at: Timestamp(MOMENT.0 + 1) }), ..jobs() };
    let shown = serde_json::to_value(PurgedView::of(&purged)).unwrap();
    assert_eq!(shown["queue_name"], "jobs");
    assert_eq!(
        (&shown["started_at"], &shown["complete"]),
        (&"2024-05-20T14:43:56.705Z".into(), &true.into())
    );
    assert_eq!(
        serde_json::to_string(&PurgeView::of(purged.purge)).unwrap(),
        r#"{"started_at":"2024-05-20T14:43:56.705Z","completed":"2024-05-20T14:43:56.705Z","complete":true}"#
    );
    assert_eq!(serde_json::to_string(&PurgeView::of(None)).unwrap(), "{}");
}

#[test]
fn metrics_are_whole_numbers_and_zero_when_there_is_nothing() {
    let full = Backlog { count: 5, bytes: 1024, oldest: Some(Timestamp(1_710_950_954_154)) };
    assert_eq!(
        serde_json::to_string(&MetricsView::of(&full)).unwrap(),
        r#"{"backlog_bytes":1024,"backlog_count":5,"oldest_message_timestamp_ms":1710950954154}"#
    );
    let empty = MetricsView::of(&Backlog::default());
    assert_eq!((empty.backlog_bytes, empty.backlog_count, empty.oldest_message_timestamp_ms), (0, 0, 0));
}
