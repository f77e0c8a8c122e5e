//! Consumers through HTTP (spec §2.9, §2.10, §12).

use serde_json::json;

use crate::kew::{JOBS, Kew, QUEUES};

/// The path of the consumers of a queue that has none yet.
async fn consumers_of_a_new_queue(kew: &Kew) -> String {
    let queue = kew.post(QUEUES, r#"{"queue_name":"new"}"#).await.expect(200);
    format!("{QUEUES}/{}/consumers", queue["queue_id"].as_str().unwrap())
}

#[tokio::test]
async fn the_smallest_pull_consumer_has_the_default_settings() {
    let kew = Kew::start().await;
    let path = consumers_of_a_new_queue(&kew).await;
    let consumer = kew.post(&path, r#"{"type":"http_pull"}"#).await.expect(200);
    let settings =
        json!({"batch_size": 5, "max_retries": 3, "retry_delay": 0, "visibility_timeout_ms": 30_000});
    assert_eq!(consumer["settings"], settings);
    assert_eq!((&consumer["type"], &consumer["queue_name"]), (&json!("http_pull"), &json!("new")));
    assert_eq!(consumer["dead_letter_queue"], "");
    assert_eq!(consumer["created_on"], "2026-01-01T00:00:00.000Z");
    assert!(consumer.get("script").is_none(), "{consumer}");
    // The list, the consumer's own page and the queue show the same.
    let id = consumer["consumer_id"].as_str().unwrap();
    let listed = kew.call("GET", &format!("{path}?page=1&per_page=100"), "").await;
    assert_eq!(listed.expect(200), json!([consumer]));
    assert_eq!(listed.envelope()["result_info"]["total_count"], 1);
    assert_eq!(kew.call("GET", &format!("{path}/{id}"), "").await.expect(200), consumer);
    let queues = kew.call("GET", &format!("{QUEUES}?page=1&name=new"), "").await.expect(200);
    assert_eq!((&queues[0]["consumers"][0], &queues[0]["consumers_total_count"]), (&consumer, &json!(1)));
}

#[tokio::test]
async fn settings_come_back_as_they_were_sent() {
    let kew = Kew::start().await;
    let path = consumers_of_a_new_queue(&kew).await;
    let settings =
        json!({"batch_size": 10, "max_retries": 3, "retry_delay": 0, "visibility_timeout_ms": 30_000});
    let body = json!({"type": "http_pull", "settings": settings});
    assert_eq!(kew.post(&path, &body.to_string()).await.expect(200)["settings"], settings);
}

#[tokio::test]
async fn a_worker_consumer_is_kept_and_shown_and_cannot_be_pulled_from() {
    let kew = Kew::start().await;
    let path = consumers_of_a_new_queue(&kew).await;
    let settings = json!({"batch_size": 10, "max_concurrency": null, "max_retries": 3, "max_wait_time_ms": 5000, "retry_delay": 0});
    let body =
        json!({"script_name": "worker", "environment_name": "", "type": "worker", "settings": settings});
    let consumer = kew.post(&path, &body.to_string()).await.expect(200);
    assert_eq!((&consumer["script"], &consumer["script_name"]), (&json!("worker"), &json!("worker")));
    assert_eq!(consumer["settings"], settings);
    assert!(consumer.get("service").is_none(), "wrangler would ask for a service then");
    let pulled = kew.post(&path.replace("/consumers", "/messages/pull"), "").await;
    assert_eq!(pulled.failure(), (405, 19_001));
}

#[tokio::test]
async fn a_queue_has_one_consumer() {
    let kew = Kew::start().await;
    let answer = kew.post(&format!("{JOBS}/consumers"), r#"{"type":"http_pull"}"#).await;
    assert_eq!(answer.failure(), (409, 11_004));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
}

#[tokio::test]
async fn a_consumer_is_found_and_deleted_by_its_id_only() {
    let kew = Kew::start().await;
    let listed = kew.call("GET", &format!("{JOBS}/consumers"), "").await.expect(200);
    let id = listed[0]["consumer_id"].as_str().unwrap().to_owned();
    for wrong in ["x", &"0".repeat(32)] {
        for method in ["GET", "DELETE"] {
            let answer = kew.call(method, &format!("{JOBS}/consumers/{wrong}"), "").await;
            assert_eq!(answer.failure(), (404, 11_006), "{method} {wrong}");
            let answer =
                kew.call(method, &format!("{QUEUES}/{}/consumers/{wrong}", "0".repeat(32)), "").await;
            assert_eq!(answer.failure(), (404, 11_000), "{method} {wrong}");
        }
    }
    let deleted = kew.call("DELETE", &format!("{JOBS}/consumers/{id}"), "").await;
    assert_eq!(deleted.envelope(), json!({"success": true, "errors": [], "messages": [], "result": null}));
    assert_eq!(kew.call("GET", &format!("{JOBS}/consumers"), "").await.expect(200), json!([]));
    let pulled = kew.post(&format!("{JOBS}/messages/pull"), "").await;
    assert_eq!(pulled.failure(), (405, 19_001));
}

#[tokio::test]
async fn a_dead_letter_queue_is_made_when_absent_and_never_the_queue_itself() {
    let kew = Kew::start().await;
    let path = consumers_of_a_new_queue(&kew).await;
    let itself = kew.post(&path, r#"{"type":"http_pull","dead_letter_queue":"new"}"#).await;
    assert_eq!((itself.failure(), itself.pointer()), ((400, 100_127), "/dead_letter_queue".into()));
    let consumer = kew.post(&path, r#"{"type":"http_pull","dead_letter_queue":"dead"}"#).await.expect(200);
    assert_eq!(consumer["dead_letter_queue"], "dead");
    let found = kew.call("GET", &format!("{QUEUES}?page=1&name=dead"), "").await.expect(200);
    assert_eq!(found[0]["queue_name"], "dead");
}

#[tokio::test]
async fn wrong_settings_are_refused_with_their_place() {
    let kew = Kew::start().await;
    let path = consumers_of_a_new_queue(&kew).await;
    for (body, code, pointer) in [
        (r#"{"type":"http_pull","settings":{"batch_size":101}}"#, 100_127, "/settings/batch_size"),
        (r#"{"type":"http_pull","settings":{"max_retries":101}}"#, 100_127, "/settings/max_retries"),
        (
            r#"{"type":"http_pull","settings":{"visibility_timeout_ms":43200001}}"#,
            100_127,
            "/settings/visibility_timeout_ms",
        ),
        (r#"{"type":"http_pull","settings":{"retry_delay":86401}}"#, 100_127, "/settings/retry_delay"),
        (
            r#"{"type":"worker","script_name":"w","settings":{"max_wait_time_ms":60001}}"#,
            100_127,
            "/settings/max_wait_time_ms",
        ),
        (
            r#"{"type":"worker","script_name":"w","settings":{"max_concurrency":251}}"#,
            100_127,
            "/settings/max_concurrency",
        ),
        (r#"{"type":"worker"}"#, 10_026, "/script_name"),
        (r#"{"type":"email"}"#, 10_026, "/type"),
        ("{}", 10_026, "/type"),
        ("", 10_026, ""),
    ] {
        let answer = kew.post(&path, body).await;
        assert_eq!((answer.failure(), answer.pointer()), ((400, code), pointer.to_owned()), "{body}");
    }
    let missing = format!("{QUEUES}/{}/consumers", "0".repeat(32));
    assert_eq!(kew.post(&missing, r#"{"type":"http_pull"}"#).await.failure(), (404, 11_000));
}
