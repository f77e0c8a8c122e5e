//! Pull through HTTP (spec §2.11 row 17, §4, §12).

use kew_model::{Broker as _, Milliseconds, PullSettings, QueueChange, Seconds};
use serde_json::{Value, json};

use crate::kew::{ACCOUNT, JOBS, Kew, PLACE, QUEUES, create_queue};

fn ids(pulled: &Value) -> Vec<&str> {
    pulled["messages"].as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap()).collect()
}

fn bodies(pulled: &Value) -> Vec<&str> {
    pulled["messages"].as_array().unwrap().iter().map(|message| message["body"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_pulled_message_has_every_field() {
    let kew = Kew::start().await;
    kew.push_texts(&["hello"]).await;
    let mut pulled = kew.pull("").await;
    let message = &mut pulled["messages"][0];
    let (id, lease) = (message["id"].take(), message["lease_id"].take());
    assert_eq!((id.as_str().unwrap().len(), lease.as_str().unwrap().len()), (32, 51));
    let start = kew_testkit::ManualClock::START.0;
    assert_eq!(
        pulled,
        json!({
            "message_backlog_count": 1,
            "messages": [{
                "id": null, "attempts": 1, "body": "hello", "lease_id": null, "timestamp_ms": start,
                "metadata": {"CF-Content-Type": "text", "CF-sourceMessageSource": "http"},
            }],
            "metadata": {"metrics": {"backlog_bytes": 105, "backlog_count": 1, "oldest_message_timestamp_ms": start}},
        })
    );
}

#[tokio::test]
async fn an_empty_queue_answers_at_once_with_no_messages() {
    let kew = Kew::start().await;
    for body in ["", "{}"] {
        let pulled = kew.pull(body).await;
        assert_eq!((&pulled["messages"], &pulled["message_backlog_count"]), (&json!([]), &json!(0)));
        assert_eq!(pulled["metadata"]["metrics"]["oldest_message_timestamp_ms"], 0);
    }
}

#[tokio::test]
async fn bodies_come_as_their_content_type_says() {
    let kew = Kew::start().await;
    let body = r#"{"messages":[
        {"body":"pl\u00e4in","content_type":"text"},
        {"body":{"a": [1, 2]}},
        {"body":"AP/+","content_type":"bytes"},
        {"body":"bare","content_type":"json"}]}"#;
    kew.post(&format!("{JOBS}/messages/batch"), body).await.expect(200);
    let pulled = kew.pull(r#"{"batch_size":10}"#).await;
    assert_eq!(bodies(&pulled), ["pläin", "eyJhIjogWzEsIDJdfQ==", "AP/+", "ImJhcmUi"]);
    let types: Vec<_> = pulled["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| &message["metadata"]["CF-Content-Type"])
        .collect();
    assert_eq!(types, ["text", "json", "bytes", "json"]);
}

#[tokio::test]
async fn two_pullers_get_different_messages() {
    let kew = Kew::start().await;
    kew.push_texts(&["a", "b", "c"]).await;
    let (first, second) = (kew.pull(r#"{"batch_size":2}"#).await, kew.pull(r#"{"batch_size":2}"#).await);
    assert_eq!((bodies(&first), bodies(&second)), (vec!["a", "b"], vec!["c"]));
    assert_eq!(second["message_backlog_count"], 3, "leased messages count");
}

#[tokio::test]
async fn without_a_number_a_pull_returns_what_the_consumer_says() {
    let kew = Kew::start().await;
    kew.push_texts(&["a", "b", "c", "d", "e", "f", "g"]).await;
    assert_eq!(bodies(&kew.pull("").await).len(), 5);
}

#[tokio::test]
async fn an_ended_lease_delivers_again_with_one_more_attempt() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let first = kew.pull(r#"{"visibility_timeout":6000}"#).await;
    kew.clock.advance(Milliseconds(5_999));
    assert_eq!(kew.pull("").await["messages"], json!([]));
    kew.clock.advance(Milliseconds(1));
    let second = kew.pull("").await;
    assert_eq!(ids(&first), ids(&second));
    let (before, after) = (&first["messages"][0], &second["messages"][0]);
    assert_eq!((&before["attempts"], &after["attempts"]), (&json!(1), &json!(2)));
    assert_eq!(before["timestamp_ms"], after["timestamp_ms"]);
    assert_ne!(before["lease_id"], after["lease_id"]);
}

#[tokio::test]
async fn both_names_of_the_timeout_are_taken_and_the_newer_wins() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    kew.pull(r#"{"visibility_timeout":60000,"visibility_timeout_ms":1000}"#).await;
    kew.clock.advance(Milliseconds(1_000));
    assert_eq!(bodies(&kew.pull("").await), ["a"]);
}

#[tokio::test]
async fn delays_hold_messages_back() {
    let kew = Kew::start().await;
    let change = QueueChange { delivery_delay: Some(Seconds(100)), ..QueueChange::default() };
    kew.broker.update_queue(PLACE, change).await.unwrap();
    // Given one message with the queue's delay, one with the batch's, one with its own, one with none
    let body = |messages: &str| format!(r#"{{"messages":[{messages}],"delay_seconds":50}}"#);
    let text = |body: &str, delay: &str| format!(r#"{{"body":"{body}","content_type":"text"{delay}}}"#);
    kew.post(&format!("{JOBS}/messages"), &text("queue", "")).await.expect(200);
    let messages =
        [text("batch", ""), text("own", r#","delay_seconds":20"#), text("none", r#","delay_seconds":0"#)];
    kew.post(&format!("{JOBS}/messages/batch"), &body(&messages.join(","))).await.expect(200);
    // Then each appears when its time has come
    assert_eq!(bodies(&kew.pull("").await), ["none"]);
    for (step, appears) in [(20, "own"), (30, "batch"), (50, "queue")] {
        kew.clock.advance(Milliseconds(step * 1000 - 1));
        assert!(!bodies(&kew.pull("").await).contains(&appears), "{appears}");
        kew.clock.advance(Milliseconds(1));
        assert!(bodies(&kew.pull("").await).contains(&appears), "{appears}");
    }
}

#[tokio::test]
async fn numbers_out_of_range_are_refused() {
    let kew = Kew::start().await;
    for (body, pointer) in [
        (r#"{"batch_size":0}"#, "/batch_size"),
        (r#"{"batch_size":101}"#, "/batch_size"),
        (r#"{"batch_size":1.5}"#, "/batch_size"),
        (r#"{"batch_size":"5"}"#, "/batch_size"),
        (r#"{"visibility_timeout_ms":43200001}"#, "/visibility_timeout_ms"),
        (r#"{"visibility_timeout":-1}"#, "/visibility_timeout"),
        ("{", ""),
        ("[]", ""),
    ] {
        let answer = kew.post(&format!("{JOBS}/messages/pull"), body).await;
        assert_eq!((answer.failure(), answer.pointer()), ((400, 10_026), pointer.to_owned()), "{body}");
    }
    kew.pull(r#"{"batch_size":100,"visibility_timeout_ms":43200000}"#).await;
}

#[tokio::test]
async fn a_paused_queue_takes_messages_and_gives_none() {
    let kew = Kew::start().await;
    let pause = |paused| QueueChange { delivery_paused: Some(paused), ..QueueChange::default() };
    kew.broker.update_queue(PLACE, pause(true)).await.unwrap();
    kew.push_texts(&["a"]).await;
    let answer = kew.post(&format!("{JOBS}/messages/pull"), "").await;
    assert_eq!((answer.failure(), answer.text()), ((409, 10_252), "queue_delivery_paused".into()));
    assert_eq!(answer.header("x-should-retry"), Some("false"), "else SDKs ask three times");
    kew.broker.update_queue(PLACE, pause(false)).await.unwrap();
    assert_eq!(bodies(&kew.pull("").await), ["a"]);
}

#[tokio::test]
async fn a_queue_without_a_pull_consumer_says_so() {
    let kew = Kew::start().await;
    let id = create_queue(kew.broker.as_ref(), "bare", None).await;
    let answer = kew.post(&format!("{QUEUES}/{id}/messages/pull"), "").await;
    assert_eq!(answer.failure(), (405, 19_001));
    assert_eq!(answer.text(), "messages cannot be pulled unless http_pull mode is enabled");
    let hint = json!([{"code": 19_016, "message": "add a consumer of type http_pull"}]);
    assert_eq!(answer.envelope()["errors"][0]["error_chain"], hint);
}

#[tokio::test]
async fn missing_and_malformed_queues_have_their_codes_on_every_message_call() {
    let kew = Kew::start().await;
    for (call, body, missing) in [
        ("messages", r#"{"body":1}"#, 10_104),
        ("messages/batch", r#"{"messages":[{"body":1}]}"#, 10_104),
        ("messages/pull", "", 11_000),
        ("messages/ack", "{}", 11_000),
    ] {
        let path = |id: &str| format!("{QUEUES}/{id}/{call}");
        assert_eq!(kew.post(&path(&"0".repeat(32)), body).await.failure(), (404, missing), "{call}");
        for malformed in ["jobs", "0", &"0".repeat(33), &"g".repeat(32)] {
            let answer = kew.post(&path(malformed), body).await;
            assert_eq!(answer.failure(), (400, 10_107), "{call} {malformed}");
            assert!(answer.text().starts_with(&format!("\"{malformed}\" is not a queue id")), "{call}");
        }
    }
}

#[tokio::test]
async fn a_name_in_place_of_a_queue_id_is_explained_on_the_control_plane_too() {
    let kew = Kew::start().await;
    let answer = kew.call("GET", &format!("{QUEUES}/jobs%1b"), "").await;
    assert_eq!(answer.failure(), (404, 11_000));
    let said =
        "\"jobs%1b\" is not a queue id (32 hexadecimal digits); is it a name? GET …/queues lists the ids";
    assert_eq!(answer.text(), said);
}

#[tokio::test]
async fn after_its_last_attempt_a_message_goes_to_the_dead_letter_queue() {
    // Given a queue that tries once and has a dead-letter queue
    let kew = Kew::start().await;
    let id = create_queue(kew.broker.as_ref(), "once", None).await;
    kew.attach(id, PullSettings { max_retries: 0, ..PullSettings::default() }, Some("dead")).await;
    let path = format!("{QUEUES}/{id}/messages");
    kew.post(&path, r#"{"body":{"a":1}}"#).await.expect(200);
    let pulled = kew.post(&format!("{path}/pull"), "").await.expect(200);
    // When its one attempt fails
    let body = json!({"retries": [{"lease_id": pulled["messages"][0]["lease_id"]}]});
    let settled = kew.post(&format!("{path}/ack"), &body.to_string()).await.expect(200);
    assert_eq!(settled, json!({"ackCount": 0, "retryCount": 1, "warnings": {}}));
    // Then it is in the other queue: the same message, its attempts counted anew
    let dead = kew.broker.queue_named(ACCOUNT, "dead").unwrap().id;
    kew.attach(dead, PullSettings::default(), None).await;
    let buried = kew.post(&format!("{QUEUES}/{dead}/messages/pull"), "").await.expect(200);
    let (before, after) = (&pulled["messages"][0], &buried["messages"][0]);
    for field in ["id", "body", "timestamp_ms", "attempts"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    let kind = "CF-Content-Type";
    assert_eq!(before["metadata"][kind], after["metadata"][kind]);
    assert_eq!(kew.post(&format!("{path}/pull"), "").await.expect(200)["messages"], json!([]));
}

#[tokio::test]
async fn three_retries_are_four_deliveries() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    for attempt in 1..=4 {
        assert_eq!(kew.pull(r#"{"visibility_timeout_ms":1000}"#).await["messages"][0]["attempts"], attempt);
        kew.clock.advance(Milliseconds(1_000));
    }
    let pulled = kew.pull("").await;
    assert_eq!((&pulled["messages"], &pulled["message_backlog_count"]), (&json!([]), &json!(0)));
}
