//! Event subscriptions: created, changed and shown (spec §2.12).

use kew_model::{AccountId, EventSource, NewSubscription, QueueId, Subscription, SubscriptionId, Timestamp};
use kew_wire::Fault;
use kew_wire::envelope;
use kew_wire::subscriptions::{SubscriptionView, read_new_subscription, read_subscription_change};

use crate::{MOMENT, shown, text};

const QUEUE: &str = "02020202020202020202020202020202";

fn read(body: &str) -> Result<NewSubscription, Fault> {
    read_new_subscription(body.as_bytes())
}

/// A subscription to a source with these events.
fn with(source: &str, events: &str) -> String {
    format!(
        r#"{{"name":"n","enabled":true,"source":{source},"destination":{{"type":"queues.queue","queue_id":"{QUEUE}"}},"events":{events}}}"#
    )
}

#[test]
fn what_wrangler_sends_is_taken() {
    let new = read(&with(r#"{"type":"workflows.workflow","workflow_name":"w"}"#, r#"["instance.queued"]"#));
    assert_eq!(
        new.unwrap(),
        NewSubscription {
            name: "n".into(),
            enabled: true,
            source: EventSource {
                kind: "workflows.workflow".into(),
                selector: vec![("workflow_name".into(), "w".into())],
            },
            events: vec!["instance.queued".into()],
            destination: QueueId([2; 16]),
        }
    );
}

#[test]
fn every_listed_source_has_its_selector_and_events() {
    for (source, events) in [
        (r#"{"type":"access"}"#, r#"["application.created","application.deleted"]"#),
        (r#"{"type":"artifacts"}"#, r#"["repo.created","repo.deleted","repo.forked","repo.imported"]"#),
        (r#"{"type":"artifacts.repo","namespace":"n","repo_name":"r"}"#, r#"["pushed","cloned","fetched"]"#),
        (
            r#"{"type":"email.sending","zone_id":"z","domain":"d"}"#,
            r#"["message.delivered","message.deferred","message.bounced","message.spam_rejected","message.failed","message.rejected","message.dropped","message.unauthenticated_forward"]"#,
        ),
        (r#"{"type":"images"}"#, r#"["image.uploaded","image.anything"]"#),
        (r#"{"type":"kv"}"#, r#"["namespace.created","namespace.deleted"]"#),
        (r#"{"type":"r2"}"#, r#"["bucket.created","bucket.deleted"]"#),
        (
            r#"{"type":"superSlurper"}"#,
            r#"["job.started","job.paused","job.resumed","job.completed","job.aborted","job.object.migrated"]"#,
        ),
        (r#"{"type":"vectorize"}"#, r#"["index.created","index.deleted"]"#),
        (
            r#"{"type":"workers.script","script_tag":"t"}"#,
            r#"["worker.created","worker.updated","worker.deleted","version.created","version.deleted","deployment.created","deployment.deleted"]"#,
        ),
        (
            r#"{"type":"workersAi.model","model_name":"m"}"#,
            r#"["batch.queued","batch.succeeded","batch.failed"]"#,
        ),
        (
            r#"{"type":"workersBuilds.worker","worker_name":"w"}"#,
            r#"["build.started","build.failed","build.canceled","build.succeeded"]"#,
        ),
        (
            r#"{"type":"workflows.workflow","workflow_name":"w"}"#,
            r#"["instance.queued","instance.started","instance.paused","instance.errored","instance.terminated","instance.completed"]"#,
        ),
    ] {
        let new = read(&with(source, events)).unwrap();
        assert_eq!(serde_json::to_string(&new.events).unwrap(), events, "{source}");
        let refused = shown(read(&with(source, r#"["moon.risen"]"#)));
        assert_eq!((refused.0, refused.2.as_str()), (19_022, "/events"), "{source}");
        assert!(refused.1.starts_with(r#"Unrecognized event types: ["moon.risen"]; "#), "{}", refused.1);
    }
}

#[test]
fn what_is_missing_or_wrong_is_pointed_at() {
    let good = with(r#"{"type":"kv"}"#, r#"["namespace.created"]"#);
    for (body, code, pointer) in [
        (String::new(), 10_026, ""),
        ("[]".into(), 10_026, ""),
        (good.replace(r#""name":"n","#, ""), 10_026, "/name"),
        (good.replace(r#""name":"n""#, r#""name":"""#), 10_026, "/name"),
        (good.replace(r#""name":"n""#, &format!(r#""name":"{}""#, "x".repeat(256))), 10_026, "/name"),
        (good.replace("true", "1"), 10_026, "/enabled"),
        (good.replace(r#"{"type":"kv"}"#, "null"), 10_026, "/source"),
        (good.replace(r#"{"type":"kv"}"#, "[]"), 10_026, "/source"),
        (good.replace(r#"{"type":"kv"}"#, "{}"), 10_026, "/source/type"),
        (good.replace("kv", "moon"), 10_026, "/source/type"),
        (good.replace(r#""kv""#, r#""workersAi.model""#), 10_026, "/source/model_name"),
        (good.replace(r#""kv""#, r#""workers.script","script_tag":"""#), 10_026, "/source/script_tag"),
        (good.replace("queues.queue", "r2.bucket"), 10_026, "/destination/type"),
        (good.replace(&format!(r#","queue_id":"{QUEUE}""#), ""), 10_026, "/destination/queue_id"),
        (good.replace(QUEUE, "jobs"), 19_019, "/destination/queue_id"),
        (good.replace(r#"["namespace.created"]"#, "[]"), 10_026, "/events"),
        (good.replace(r#"["namespace.created"]"#, "{}"), 10_026, "/events"),
        (good.replace(r#"["namespace.created"]"#, "[1]"), 10_026, "/events"),
        (good.replace(r#"["namespace.created"]"#, "[null]"), 10_026, "/events"),
        (good.replace(r#"["namespace.created"]"#, "null"), 10_026, "/events"),
        (good.replace("namespace.created", "bucket.created"), 19_022, "/events"),
    ] {
        let refused = shown(read(&body));
        assert_eq!((refused.0, refused.2.as_str()), (code, pointer), "{body}");
    }
    let many = format!("[{}]", vec![r#""namespace.created""#; 101].join(","));
    let refused = shown(read(&good.replace(r#"["namespace.created"]"#, &many)));
    assert_eq!(refused.1, "events must hold 1 to 100 items, not 101");
}

#[test]
fn a_subscription_is_enabled_unless_it_says_otherwise() {
    let good = with(r#"{"type":"kv"}"#, r#"["namespace.created"]"#);
    assert!(read(&good.replace(r#""enabled":true,"#, "")).unwrap().enabled);
    assert!(!read(&good.replace("true", "false")).unwrap().enabled);
}

#[test]
fn a_change_names_what_changes_and_events_of_its_source_only() {
    let change = read_subscription_change(b"{}", "kv").unwrap();
    assert_eq!((change.name, change.enabled, change.events, change.destination), (None, None, None, None));
    let body = r#"{"name":"m","enabled":false,"events":["namespace.deleted"]}"#;
    let change = read_subscription_change(body.as_bytes(), "kv").unwrap();
    assert_eq!((change.name.as_deref(), change.enabled), (Some("m"), Some(false)));
    assert_eq!(change.events, Some(vec!["namespace.deleted".to_owned()]));
    assert_eq!(shown(read_subscription_change(body.as_bytes(), "r2")).0, 19_022);
    assert_eq!(shown(read_subscription_change(br#"{"events":[]}"#, "r2")).2, "/events");
}

#[test]
fn a_subscription_shows_every_field() {
    let subscription = Subscription {
        id: SubscriptionId([5; 16]),
        account: AccountId([1; 16]),
        name: "n".into(),
        enabled: false,
        source: EventSource {
            kind: "workersAi.model".into(),
            selector: vec![("model_name".into(), "m".into())],
        },
        events: vec!["batch.queued".into()],
        destination: QueueId([2; 16]),
        created_on: MOMENT,
        modified_on: Timestamp(MOMENT.0 + 1),
    };
    assert_eq!(
        text(envelope::success_of(&SubscriptionView::of(&subscription))),
        concat!(
            r#"{"success":true,"errors":[],"messages":[],"result":{"id":"05050505050505050505050505050505","#,
            r#""created_at":"2024-05-20T14:43:56.704Z","modified_at":"2024-05-20T14:43:56.705Z","name":"n","enabled":false,"#,
            r#""source":{"type":"workersAi.model","model_name":"m"},"#,
            r#""destination":{"type":"queues.queue","queue_id":"02020202020202020202020202020202"},"events":["batch.queued"]}}"#
        )
    );
}
