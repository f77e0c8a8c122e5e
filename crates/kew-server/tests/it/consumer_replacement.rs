//! Consumers replaced through HTTP (spec §2.10, §12): settings, type, dead-letter queue, and one that was not there.

use kew_model::{Broker as _, QueuePattern, Scope};
use serde_json::{Value, json};

use crate::kew::{ACCOUNT, JOBS, Kew, QUEUES, create_queue};

/// The path of the consumer of `jobs`, and its id.
async fn consumer_of_jobs(kew: &Kew) -> (String, String) {
    let listed = kew.call("GET", &format!("{JOBS}/consumers"), "").await.expect(200);
    let id = listed[0]["consumer_id"].as_str().unwrap().to_owned();
    (format!("{JOBS}/consumers/{id}"), id)
}

#[tokio::test]
async fn put_replaces_and_gives_what_is_missing_its_default() {
    let kew = Kew::start().await;
    let (path, id) = consumer_of_jobs(&kew).await;
    let before = kew.call("GET", &path, "").await.expect(200);
    let settings =
        json!({"batch_size": 50, "max_retries": 9, "retry_delay": 8, "visibility_timeout_ms": 7000});
    let body = json!({"type": "http_pull", "dead_letter_queue": "dead", "settings": settings});
    let replaced = kew.call("PUT", &path, &body.to_string()).await.expect(200);
    assert_eq!((&replaced["settings"], &replaced["dead_letter_queue"]), (&settings, &json!("dead")));
    assert_eq!((&replaced["consumer_id"], &replaced["created_on"]), (&json!(id), &before["created_on"]));
    assert_eq!(kew.call("GET", &path, "").await.expect(200), replaced);
    assert!(kew.broker.queue_named(ACCOUNT, "dead").is_some(), "made when absent");
    // What the next does not name is back at its default, the dead-letter queue included.
    let bare =
        kew.call("PUT", &path, r#"{"type":"http_pull","settings":{"batch_size":3}}"#).await.expect(200);
    let defaults =
        json!({"batch_size": 3, "max_retries": 3, "retry_delay": 0, "visibility_timeout_ms": 30_000});
    assert_eq!((&bare["settings"], &bare["dead_letter_queue"]), (&defaults, &json!("")));
}

#[tokio::test]
async fn put_changes_the_type_under_the_same_id_and_pulls_follow() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let (path, id) = consumer_of_jobs(&kew).await;
    let worker = kew.call("PUT", &path, r#"{"type":"worker","script_name":"w"}"#).await.expect(200);
    assert_eq!((&worker["consumer_id"], &worker["type"]), (&json!(id), &json!("worker")));
    assert_eq!((&worker["script"], &worker["script_name"]), (&json!("w"), &json!("w")));
    assert_eq!(
        worker["settings"],
        json!({"batch_size": 10, "max_concurrency": null, "max_retries": 3, "max_wait_time_ms": 5000, "retry_delay": 0})
    );
    assert_eq!(kew.post(&format!("{JOBS}/messages/pull"), "").await.failure(), (405, 19_001));
    let pulling = kew.call("PUT", &path, r#"{"type":"http_pull"}"#).await.expect(200);
    assert_eq!((&pulling["consumer_id"], pulling.get("script")), (&json!(id), None));
    assert_eq!(kew.pull("").await["messages"][0]["body"], "a", "its message was kept");
}

#[tokio::test]
async fn put_of_an_unknown_id_creates_and_another_id_beside_one_is_a_conflict() {
    let kew = Kew::start().await;
    let queue = create_queue(kew.broker.as_ref(), "new", None).await;
    let (first, second) = ("a1".repeat(16), "b2".repeat(16));
    let at = |id: &str| format!("{QUEUES}/{queue}/consumers/{id}");
    let made = kew.call("PUT", &at(&first), r#"{"type":"http_pull"}"#).await.expect(200);
    assert_eq!((&made["consumer_id"], &made["queue_name"]), (&json!(first), &json!("new")));
    let refused = kew.call("PUT", &at(&second), r#"{"type":"http_pull"}"#).await;
    assert_eq!((refused.failure(), refused.header("x-should-retry")), ((409, 11_004), Some("false")));
    assert_eq!(kew.call("PUT", &at("x"), r#"{"type":"http_pull"}"#).await.failure(), (404, 11_006));
    let missing = format!("{QUEUES}/{}/consumers/{first}", "0".repeat(32));
    assert_eq!(kew.call("PUT", &missing, r#"{"type":"http_pull"}"#).await.failure(), (404, 11_000));
}

#[tokio::test]
async fn consumer_bounds_name_field_value_and_limit_and_change_nothing() {
    let kew = Kew::start().await;
    let (path, _) = consumer_of_jobs(&kew).await;
    let before = kew.call("GET", &path, "").await.expect(200);
    for (kind, setting, good, wrong, range) in [
        ("http_pull", "batch_size", [1, 100], ["0", "101"], "1 to 100"),
        ("http_pull", "max_retries", [0, 100], ["-1", "101"], "0 to 100"),
        ("http_pull", "visibility_timeout_ms", [0, 43_200_000], ["-1", "43200001"], "0 to 43200000"),
        ("http_pull", "retry_delay", [0, 86_400], ["-1", "86401"], "0 to 86400"),
        ("worker", "batch_size", [1, 100], ["0", "101"], "1 to 100"),
        ("worker", "max_retries", [0, 100], ["-1", "101"], "0 to 100"),
        ("worker", "max_wait_time_ms", [0, 60_000], ["-1", "60001"], "0 to 60000"),
        ("worker", "max_concurrency", [1, 250], ["0", "251"], "1 to 250"),
        ("worker", "retry_delay", [0, 86_400], ["-1", "86401"], "0 to 86400"),
    ] {
        let body = |value: &str| {
            format!(r#"{{"type":"{kind}","script_name":"w","settings":{{"{setting}":{value}}}}}"#)
        };
        for value in wrong {
            let answer = kew.call("PUT", &path, &body(value)).await;
            assert_eq!(answer.failure(), (400, 100_127), "{setting} {value}");
            assert_eq!(answer.pointer(), format!("/settings/{setting}"));
            assert_eq!(answer.text(), format!("{setting} must be a whole number from {range}, not {value}"));
            assert_eq!(kew.call("GET", &path, "").await.expect(200), before);
        }
        for value in good {
            let answer = kew.call("PUT", &path, &body(&value.to_string())).await;
            assert_eq!(answer.expect(200)["settings"][setting], value, "{setting}");
        }
        kew.call("PUT", &path, r#"{"type":"http_pull"}"#).await.expect(200);
    }
    let automatic = r#"{"type":"worker","script_name":"w","settings":{"max_concurrency":null}}"#;
    assert_eq!(
        kew.call("PUT", &path, automatic).await.expect(200)["settings"]["max_concurrency"],
        Value::Null
    );
}

#[tokio::test]
async fn put_refuses_the_queue_itself_as_its_dead_letter_queue() {
    let kew = Kew::start().await;
    let (path, _) = consumer_of_jobs(&kew).await;
    let refused = kew.call("PUT", &path, r#"{"type":"http_pull","dead_letter_queue":"jobs"}"#).await;
    assert_eq!((refused.failure(), refused.pointer()), ((400, 100_127), "/dead_letter_queue".into()));
}

#[tokio::test]
async fn a_limited_token_cannot_link_foreign_dead_letter_queues_and_may_keep_a_link() {
    // Given a queue of a team, linked by somebody who may, and the team's token
    let kew = Kew::start().await;
    let queue = create_queue(kew.broker.as_ref(), "team-1", None).await;
    let consumers = format!("{QUEUES}/{queue}/consumers");
    let linked = r#"{"type":"http_pull","dead_letter_queue":"morgue"}"#;
    let made = kew.post(&consumers, linked).await.expect(200);
    let path = format!("{consumers}/{}", made["consumer_id"].as_str().unwrap());
    let token = kew.token(&[Scope::Write], QueuePattern::Prefix("team-".into())).await;
    // Then the team may keep the link and replace it by one of its own, and link nothing else
    for (name, status) in [("jobs", 403), ("morgue", 200), ("team-dead", 200), ("morgue", 403)] {
        let body = format!(r#"{{"type":"http_pull","dead_letter_queue":"{name}"}}"#);
        let answer = kew.call_as(&token, "PUT", &path, &body).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
    }
    let unknown = format!("{consumers}/{}", "c".repeat(32));
    kew.call("DELETE", &path, "").await.expect(200);
    assert_eq!(kew.call_as(&token, "PUT", &unknown, linked).await.failure(), (403, 10_000));
}
