//! Consumers: attached and shown (spec §2.9, §2.10).

use kew_model::{
    AccountId, Consumer, ConsumerId, ConsumerKind, DeadLetterLink, NewConsumer, PullSettings, Queue, QueueId,
    QueueNumber, QueueSettings, Seconds,
};
use kew_wire::Fault;
use kew_wire::consumers::{ConsumerView, read_new_consumer};
use kew_wire::envelope;
use kew_wire::queues::QueueView;

use crate::{MOMENT, shown, text};

fn read(body: &str) -> Result<NewConsumer, Fault> {
    read_new_consumer(body.as_bytes())
}

fn queue_with(kind: ConsumerKind) -> Queue {
    let link = DeadLetterLink { queue: QueueId([9; 16]), name: "dead".parse().unwrap() };
    let consumer =
        Consumer { id: ConsumerId([3; 16]), created_on: MOMENT, kind, dead_letter_queue: Some(link) };
    Queue {
        number: QueueNumber(1),
        id: QueueId([2; 16]),
        account: AccountId([1; 16]),
        name: "jobs".parse().unwrap(),
        created_on: MOMENT,
        modified_on: MOMENT,
        jurisdiction: None,
        settings: QueueSettings::default(),
        consumer: Some(consumer),
        purge: None,
    }
}

fn shown_consumer(kind: ConsumerKind) -> String {
    let queue = queue_with(kind);
    let view = ConsumerView::of(&queue, queue.consumer.as_ref().unwrap());
    assert_eq!(QueueView::of(&queue).consumers.first(), Some(&view));
    text(envelope::success_of(&view))
}

#[test]
fn a_pull_consumer_needs_its_type_only() {
    let new = read(r#"{"type":"http_pull"}"#).unwrap();
    assert_eq!(
        new,
        NewConsumer { kind: ConsumerKind::HttpPull(PullSettings::default()), dead_letter_queue: None }
    );
    for body in ["", "{}", r#"{"type":"carrier_pigeon"}"#, r#"{"type":1}"#, r#"{"type":null}"#] {
        assert_eq!(shown(read(body)).0, 10_026, "{body}");
    }
}

#[test]
fn settings_are_shown_as_they_were_given() {
    let new = read(
        r#"{"type":"http_pull","dead_letter_queue":"dead","settings":{"batch_size":10,"max_retries":4,"retry_delay":5,"visibility_timeout_ms":6000}}"#,
    )
    .unwrap();
    assert_eq!(new.dead_letter_queue.as_ref().map(|name| name.as_str()), Some("dead"));
    assert_eq!(
        shown_consumer(new.kind),
        concat!(
            r#"{"success":true,"errors":[],"messages":[],"result":{"consumer_id":"03030303030303030303030303030303","#,
            r#""created_on":"2024-05-20T14:43:56.704Z","type":"http_pull","queue_name":"jobs","#,
            r#""queue_id":"02020202020202020202020202020202","dead_letter_queue":"dead","#,
            r#""settings":{"batch_size":10,"max_retries":4,"retry_delay":5,"visibility_timeout_ms":6000}}}"#
        )
    );
}

#[test]
fn a_worker_consumer_shows_its_script_under_both_names() {
    let new = read(
        r#"{"script_name":"worker-1","environment_name":"","type":"worker","settings":{"batch_size":10,"max_retries":3,"max_wait_time_ms":5000,"max_concurrency":null,"retry_delay":9}}"#,
    )
    .unwrap();
    assert_eq!(
        shown_consumer(new.kind),
        concat!(
            r#"{"success":true,"errors":[],"messages":[],"result":{"consumer_id":"03030303030303030303030303030303","#,
            r#""created_on":"2024-05-20T14:43:56.704Z","type":"worker","queue_name":"jobs","#,
            r#""queue_id":"02020202020202020202020202020202","dead_letter_queue":"dead","#,
            r#""settings":{"batch_size":10,"max_concurrency":null,"max_retries":3,"max_wait_time_ms":5000,"retry_delay":9},"#,
            r#""script":"worker-1","script_name":"worker-1","environment_name":""}}"#
        )
    );
    let by_older_name = read(r#"{"type":"worker","service":"w","environment":"e"}"#).unwrap();
    let ConsumerKind::Worker(settings) = by_older_name.kind else { panic!("a worker") };
    assert_eq!((settings.script_name.as_str(), settings.environment_name.as_str()), ("w", "e"));
    assert_eq!((settings.batch_size, settings.max_concurrency, settings.retry_delay), (10, None, Seconds(0)));
    assert_eq!(shown(read(r#"{"type":"worker"}"#)).2, "/script_name");
}

#[test]
fn settings_out_of_bounds_are_100127() {
    for (setting, good, wrong) in [
        ("batch_size", ["1", "100"], ["0", "101"]),
        ("max_retries", ["0", "100"], ["-1", "101"]),
        ("retry_delay", ["0", "86400"], ["-1", "86401"]),
        ("visibility_timeout_ms", ["0", "43200000"], ["-1", "43200001"]),
        ("max_wait_time_ms", ["0", "60000"], ["-1", "60001"]),
        ("max_concurrency", ["1", "250"], ["0", "251"]),
    ] {
        let kind = match setting {
            "max_wait_time_ms" | "max_concurrency" => r#""type":"worker","script_name":"w""#,
            _ => r#""type":"http_pull""#,
        };
        for value in good {
            assert!(
                read(&format!(r#"{{{kind},"settings":{{"{setting}":{value}}}}}"#)).is_ok(),
                "{setting} {value}"
            );
        }
        for value in wrong {
            let refused = shown(read(&format!(r#"{{{kind},"settings":{{"{setting}":{value}}}}}"#)));
            assert_eq!(
                (refused.0, refused.2),
                (100_127, format!("/settings/{setting}")),
                "{setting} {value}"
            );
            assert!(refused.1.ends_with(&format!("not {value}")), "{}", refused.1);
        }
    }
}

#[test]
fn an_empty_dead_letter_queue_is_none_and_a_bad_name_is_pointed_at() {
    for absent in [r#""""#, "null"] {
        let new = read(&format!(r#"{{"type":"http_pull","dead_letter_queue":{absent}}}"#)).unwrap();
        assert_eq!(new.dead_letter_queue, None);
    }
    let refused = shown(read(r#"{"type":"http_pull","dead_letter_queue":"Dead"}"#));
    assert_eq!((refused.0, refused.2.as_str()), (11_003, "/dead_letter_queue"));
}
