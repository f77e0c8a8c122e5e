//! Queues changed, replaced, renamed, purged and measured through HTTP (spec §2.5, §2.6, §2.8, §12).

use kew_model::{Broker as _, Milliseconds, QueuePattern, Scope};
use serde_json::{Value, json};

use crate::kew::{ACCOUNT, JOBS, Kew, QUEUE, QUEUES, create_queue};

fn settings(delay: u32, paused: bool, retention: u32) -> Value {
    json!({"delivery_delay": delay, "delivery_paused": paused, "message_retention_period": retention})
}

#[tokio::test]
async fn patch_pause_keeps_delay_and_retention_and_put_without_settings_resets() {
    let kew = Kew::start().await;
    let given = r#"{"settings":{"delivery_delay":7,"message_retention_period":3600}}"#;
    assert_eq!(kew.call("PATCH", JOBS, given).await.expect(200)["settings"], settings(7, false, 3600));
    // As wrangler and scripts do it, with the name and without.
    for body in [
        r#"{"queue_name":"jobs","settings":{"delivery_paused":true}}"#,
        r#"{"settings":{"delivery_paused":true}}"#,
        "{}",
        r#"{"settings":null,"queue_name":null,"unknown":[1]}"#,
    ] {
        let changed = kew.call("PATCH", JOBS, body).await.expect(200);
        assert_eq!(
            (&changed["settings"], &changed["queue_name"]),
            (&settings(7, true, 3600), &json!("jobs"))
        );
    }
    // A replacement with some settings gives the others their defaults; one without gives all.
    let partial = kew.call("PUT", JOBS, r#"{"settings":{"delivery_delay":9}}"#).await.expect(200);
    assert_eq!(partial["settings"], settings(9, false, 345_600));
    let replaced = kew.call("PUT", JOBS, "{}").await.expect(200);
    assert_eq!(
        (&replaced["settings"], &replaced["queue_name"]),
        (&settings(0, false, 345_600), &json!("jobs"))
    );
    // The consumer stays in each case, and what is answered is what is kept.
    assert_eq!(replaced["consumers_total_count"], 1);
    assert_eq!(kew.call("GET", JOBS, "").await.expect(200), replaced);
}

#[tokio::test]
async fn a_queue_cannot_take_the_name_of_its_deleted_dead_letter_queue() {
    // Given a queue whose dead-letter queue was deleted, to be found again by its name
    let kew = Kew::start().await;
    let consumer = kew.call("GET", JOBS, "").await.expect(200)["consumers"][0]["consumer_id"].clone();
    let path = format!("{JOBS}/consumers/{}", consumer.as_str().unwrap());
    let dead = create_queue(kew.broker.as_ref(), "dead", None).await;
    kew.call("PUT", &path, r#"{"type":"http_pull","dead_letter_queue":"dead"}"#).await.expect(200);
    kew.call("DELETE", &format!("{QUEUES}/{dead}"), "").await.expect(200);

    // When it is to get that name, then it is refused, and the error points at the name
    for method in ["PATCH", "PUT"] {
        let refused = kew.call(method, JOBS, r#"{"queue_name":"dead"}"#).await;
        assert_eq!((refused.failure(), refused.pointer()), ((400, 100_127), "/queue_name".into()));
    }
}

#[tokio::test]
async fn a_queue_is_renamed_by_put_and_by_patch_and_a_taken_name_is_a_conflict() {
    let kew = Kew::start().await;
    create_queue(kew.broker.as_ref(), "other", None).await;
    for (method, name) in [("PATCH", "tasks"), ("PUT", "chores")] {
        kew.clock.advance(Milliseconds(1));
        let renamed = kew.call(method, JOBS, &format!(r#"{{"queue_name":"{name}"}}"#)).await.expect(200);
        assert_eq!((&renamed["queue_name"], &renamed["queue_id"]), (&json!(name), &json!(QUEUE.to_string())));
        assert_eq!(renamed["consumers"][0]["queue_name"], name);
        assert_ne!(renamed["modified_on"], renamed["created_on"]);
        let found = kew.call("GET", &format!("{QUEUES}?page=1&name={name}"), "").await;
        assert_eq!(found.envelope()["result_info"]["total_count"], 1);
        // When it is to get the name of another
        let taken = kew.call(method, JOBS, r#"{"queue_name":"other","settings":{"delivery_delay":1}}"#).await;
        // Then nothing of the request happens, and clients are told not to try again
        assert_eq!((taken.failure(), taken.pointer()), ((409, 11_009), "/queue_name".into()));
        assert_eq!(taken.header("x-should-retry"), Some("false"));
        assert_eq!(kew.call("GET", JOBS, "").await.expect(200), renamed);
        let invalid = kew.call(method, JOBS, r#"{"queue_name":"A"}"#).await;
        assert_eq!((invalid.failure(), invalid.pointer()), ((400, 11_003), "/queue_name".into()));
    }
    kew.post(QUEUES, r#"{"queue_name":"jobs"}"#).await.expect(200);
}

#[tokio::test]
async fn settings_bounds_hold_for_changes_and_name_value_and_limit() {
    let kew = Kew::start().await;
    for (setting, value, range) in [
        ("delivery_delay", "-1", "0 to 86400"),
        ("delivery_delay", "86401", "0 to 86400"),
        ("delivery_delay", "1.5", "0 to 86400"),
        ("message_retention_period", "59", "60 to 1209600"),
        ("message_retention_period", "1209601", "60 to 1209600"),
        ("message_retention_period", "\"60\"", "60 to 1209600"),
    ] {
        for method in ["PUT", "PATCH"] {
            let answer = kew.call(method, JOBS, &format!(r#"{{"settings":{{"{setting}":{value}}}}}"#)).await;
            assert_eq!(answer.failure(), (400, 100_128), "{method} {setting} {value}");
            assert_eq!(answer.pointer(), format!("/settings/{setting}"));
            assert_eq!(answer.text(), format!("{setting} must be a whole number from {range}, not {value}"));
        }
    }
    for (setting, values) in [("delivery_delay", [0, 86_400]), ("message_retention_period", [60, 1_209_600])]
    {
        for value in values {
            let body = format!(r#"{{"settings":{{"{setting}":{value}}}}}"#);
            assert_eq!(kew.call("PUT", JOBS, &body).await.expect(200)["settings"][setting], value);
        }
    }
    let answer = kew.call("PATCH", JOBS, r#"{"settings":{"delivery_paused":"yes"}}"#).await;
    assert_eq!((answer.failure(), answer.pointer()), ((400, 100_128), "/settings/delivery_paused".into()));
    for method in ["PUT", "PATCH"] {
        for body in ["", "[]", "{", "null"] {
            assert_eq!(kew.call(method, JOBS, body).await.failure(), (400, 10_026), "{method} {body}");
        }
        let missing = format!("{QUEUES}/{}", "0".repeat(32));
        assert_eq!(kew.call(method, &missing, "{}").await.failure(), (404, 11_000));
    }
}

#[tokio::test]
async fn a_jurisdiction_is_kept_and_cannot_change() {
    let kew = Kew::start().await;
    let made = kew.post(QUEUES, r#"{"queue_name":"here","jurisdiction":"eu"}"#).await.expect(200);
    let here = format!("{QUEUES}/{}", made["queue_id"].as_str().unwrap());
    for method in ["PUT", "PATCH"] {
        for body in ["{}", r#"{"jurisdiction":"eu"}"#, r#"{"jurisdiction":null}"#] {
            assert_eq!(kew.call(method, &here, body).await.expect(200)["jurisdiction"], "eu");
        }
        for (path, other) in [(here.as_str(), "us"), (JOBS, "eu")] {
            let body = format!(r#"{{"jurisdiction":"{other}","settings":{{"delivery_delay":5}}}}"#);
            let refused = kew.call(method, path, &body).await;
            assert_eq!((refused.failure(), refused.pointer()), ((400, 19_002), "/jurisdiction".into()));
            assert_eq!(kew.call("GET", path, "").await.expect(200)["settings"]["delivery_delay"], 0);
        }
    }
}

#[tokio::test]
async fn a_limited_token_keeps_a_name_or_takes_one_of_its_own() {
    let kew = Kew::start().await;
    let by_id = kew.token(&[Scope::Write], QueuePattern::Exact(QUEUE)).await;
    let by_prefix = kew.token(&[Scope::Write], QueuePattern::Prefix("jo".into())).await;
    for (token, name, status) in [
        (&by_id, "jobs", 200),
        (&by_id, "joys", 403),
        (&by_prefix, "jobs", 200),
        (&by_prefix, "mail", 403),
        (&by_prefix, "joys", 200),
    ] {
        for method in ["PATCH", "PUT"] {
            let body = format!(r#"{{"queue_name":"{name}","settings":{{"delivery_delay":1}}}}"#);
            let answer = kew.call_as(token, method, JOBS, &body).await;
            assert_eq!(answer.status, status, "{method} {name}: {answer:?}");
        }
    }
    assert!(kew.broker.queue_named(ACCOUNT, "joys").is_some());
}

#[tokio::test]
async fn pausing_lets_pushes_in_and_refuses_pulls_until_resumed() {
    let kew = Kew::start().await;
    kew.call("PATCH", JOBS, r#"{"settings":{"delivery_paused":true}}"#).await.expect(200);
    kew.push_texts(&["a"]).await;
    let refused = kew.post(&format!("{JOBS}/messages/pull"), "").await;
    assert_eq!((refused.failure(), refused.text()), ((409, 10_252), "queue_delivery_paused".into()));
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    kew.call("PATCH", JOBS, r#"{"settings":{"delivery_paused":false}}"#).await.expect(200);
    assert_eq!(kew.pull("").await["messages"][0]["body"], "a");
}

#[tokio::test]
async fn purge_removes_delayed_and_leased_shows_its_status_and_makes_later_acks_harmless() {
    // Given a leased, a delayed and a ready message, in a queue that is paused
    let kew = Kew::start().await;
    let purge = format!("{JOBS}/purge");
    assert_eq!(kew.call("GET", &purge, "").await.expect(200), json!({}));
    kew.push_texts(&["leased"]).await;
    let lease = kew.pull("").await["messages"][0]["lease_id"].as_str().unwrap().to_owned();
    kew.post(&format!("{JOBS}/messages"), r#"{"body":1,"delay_seconds":60}"#).await.expect(200);
    kew.push_texts(&["ready"]).await;
    kew.call("PATCH", JOBS, r#"{"settings":{"delivery_paused":true}}"#).await.expect(200);
    kew.clock.advance(Milliseconds(1_500));
    // When it is purged
    let purged = kew.post(&purge, r#"{"delete_messages_permanently":true}"#).await.expect(200);
    // Then the answer is the queue, and when and that it was purged
    let moment = "2026-01-01T00:00:01.500Z";
    assert_eq!((&purged["queue_id"], &purged["queue_name"]), (&json!(QUEUE.to_string()), &json!("jobs")));
    assert_eq!((&purged["started_at"], &purged["complete"]), (&json!(moment), &json!(true)));
    assert_eq!(purged["consumers_total_count"], 1);
    let status = kew.call("GET", &purge, "").await.expect(200);
    assert_eq!(status, json!({"started_at": moment, "completed": moment, "complete": true}));
    // And nothing is left, at once and later
    kew.call("PATCH", JOBS, r#"{"settings":{"delivery_paused":false}}"#).await.expect(200);
    kew.clock.advance(Milliseconds(120_000));
    let pulled = kew.pull("").await;
    assert_eq!((&pulled["messages"], &pulled["message_backlog_count"]), (&json!([]), &json!(0)));
    // And the ack of a lease from before is counted
    let acks = format!(r#"{{"acks":[{{"lease_id":"{lease}"}}]}}"#);
    assert_eq!(kew.post(&format!("{JOBS}/messages/ack"), &acks).await.expect(200)["ackCount"], 1);
}

#[tokio::test]
async fn a_purge_needs_no_body_and_refuses_to_be_told_no() {
    let kew = Kew::start().await;
    let purge = format!("{JOBS}/purge");
    for body in ["", "{}", r#"{"delete_messages_permanently":true}"#] {
        kew.push_texts(&["a"]).await;
        kew.post(&purge, body).await.expect(200);
        assert_eq!(kew.pull("").await["message_backlog_count"], 0, "{body}");
    }
    kew.push_texts(&["a"]).await;
    let refused = kew.post(&purge, r#"{"delete_messages_permanently":false}"#).await;
    assert_eq!(
        (refused.failure(), refused.pointer()),
        ((400, 10_026), "/delete_messages_permanently".into())
    );
    assert_eq!(kew.pull("").await["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn retention_ends_messages_also_while_paused_and_the_oldest_moves() {
    // Given two messages, a second apart, in a paused queue that keeps them for a minute
    let kew = Kew::start().await;
    kew.call("PATCH", JOBS, r#"{"settings":{"message_retention_period":60}}"#).await.expect(200);
    kew.push_texts(&["first"]).await;
    kew.clock.advance(Milliseconds(1_000));
    kew.push_texts(&["second"]).await;
    kew.call("PATCH", JOBS, r#"{"settings":{"delivery_paused":true}}"#).await.expect(200);
    let measured = async || {
        let shown = kew.call("GET", &format!("{JOBS}/metrics"), "").await.expect(200);
        (shown["backlog_count"].clone(), shown["oldest_message_timestamp_ms"].clone())
    };
    let start = kew_testkit::ManualClock::START.0;
    // When the first is a minute old, then it is gone, and the oldest is the second
    kew.clock.advance(Milliseconds(58_999));
    assert_eq!(measured().await, (json!(2), json!(start)));
    kew.clock.advance(Milliseconds(1));
    assert_eq!(measured().await, (json!(1), json!(start + 1_000)));
    // When the period is lengthened, then the second stays, and is delivered once the queue goes on
    let settings = r#"{"settings":{"message_retention_period":3600,"delivery_paused":false}}"#;
    kew.call("PATCH", JOBS, settings).await.expect(200);
    kew.clock.advance(Milliseconds(3_540_999));
    assert_eq!(kew.pull("").await["messages"][0]["body"], "second");
    // When its time is over, leased or not, then nothing is left
    kew.clock.advance(Milliseconds(1));
    assert_eq!(measured().await, (json!(0), json!(0)));
}

#[tokio::test]
async fn metrics_follow_each_step() {
    let kew = Kew::start().await;
    let metrics = format!("{JOBS}/metrics");
    let measured = async || {
        let shown = kew.call("GET", &metrics, "").await.expect(200);
        let whole = |name: &str| shown[name].as_u64().expect("a whole number");
        (whole("backlog_count"), whole("backlog_bytes"), whole("oldest_message_timestamp_ms"))
    };
    let start = kew_testkit::ManualClock::START.0;
    assert_eq!(measured().await, (0, 0, 0));
    kew.push_texts(&["hello"]).await;
    assert_eq!(measured().await, (1, 105, start));
    kew.clock.advance(Milliseconds(10));
    let delayed = r#"{"body":"later","content_type":"text","delay_seconds":60}"#;
    kew.post(&format!("{JOBS}/messages"), delayed).await.expect(200);
    assert_eq!(measured().await, (2, 210, start));
    let lease = kew.pull("").await["messages"][0]["lease_id"].as_str().unwrap().to_owned();
    assert_eq!(measured().await, (2, 210, start), "a leased message is not acknowledged yet");
    let acks = format!(r#"{{"acks":[{{"lease_id":"{lease}"}}]}}"#);
    kew.post(&format!("{JOBS}/messages/ack"), &acks).await.expect(200);
    assert_eq!(measured().await, (1, 105, start + 10));
    kew.post(&format!("{JOBS}/purge"), "").await.expect(200);
    assert_eq!(measured().await, (0, 0, 0));
}

#[tokio::test]
async fn malformed_and_missing_ids_are_told_apart_at_metrics_and_purge() {
    let kew = Kew::start().await;
    for (method, tail, missing) in
        [("GET", "metrics", 11_000), ("GET", "purge", 10_104), ("POST", "purge", 10_104)]
    {
        let at = |id: &str| format!("{QUEUES}/{id}/{tail}");
        assert_eq!(kew.call(method, &at("jobs"), "").await.failure(), (400, 10_107), "{method} {tail}");
        let answer = kew.call(method, &at(&"0".repeat(32)), "").await;
        assert_eq!(answer.failure(), (404, missing), "{method} {tail}");
    }
}
