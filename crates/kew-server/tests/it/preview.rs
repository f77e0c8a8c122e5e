//! Preview and its ack, the older names of looking and deleting (spec §2.11 rows 22 and 23, §12: preview aliases).

use serde_json::{Value, json};

use crate::kew::{JOBS, Kew};

async fn preview(kew: &Kew, body: &str) -> Value {
    kew.post(&format!("{JOBS}/messages/preview"), body).await.expect(200)
}

async fn ack(kew: &Kew, body: &Value) -> Value {
    kew.post(&format!("{JOBS}/messages/preview/ack"), &body.to_string()).await.expect(200)
}

#[tokio::test]
async fn a_preview_is_a_peek_with_each_ref_under_both_names() {
    let kew = Kew::start().await;
    kew.push_texts(&["a", "b"]).await;
    let mut previewed = preview(&kew, r#"{"batch_size":1}"#).await;
    let peeked = kew.post(&format!("{JOBS}/messages/peek"), r#"{"batch_size":1}"#).await.expect(200);
    let message = previewed["messages"][0].as_object_mut().unwrap();
    assert_eq!(message.remove("lease_id"), Some(peeked["messages"][0]["ref"].clone()));
    assert_eq!(previewed, peeked);
    let refused = kew.post(&format!("{JOBS}/messages/preview"), r#"{"batch_size":101}"#).await;
    assert_eq!(refused.failure(), (400, 10_026));
}

#[tokio::test]
async fn acks_of_a_preview_delete_and_an_answer_that_was_lost_is_read_again() {
    // Given two previewed messages of three
    let kew = Kew::start().await;
    kew.push_texts(&["a", "b", "c"]).await;
    let previewed = preview(&kew, r#"{"batch_size":2}"#).await;
    // When a client acks with the whole messages, twice
    for _ in 0..2 {
        let settled = ack(&kew, &json!({"acks": previewed["messages"]})).await;
        assert_eq!(settled, json!({"ackCount": 2, "retryCount": 0, "warnings": {}}));
    }
    // Then both are gone, and nothing was a delivery
    let pulled = kew.pull("").await;
    assert_eq!((&pulled["messages"][0]["body"], &pulled["message_backlog_count"]), (&json!("c"), &json!(1)));
    assert_eq!(pulled["messages"][0]["attempts"], 1);
}

#[tokio::test]
async fn retries_of_a_preview_count_and_leave_the_message_as_it_is() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let previewed = preview(&kew, "").await;
    let id = &previewed["messages"][0]["ref"];
    let settled = ack(&kew, &json!({"retries": [{"lease_id": id, "delay_seconds": 60}]})).await;
    assert_eq!(settled, json!({"ackCount": 0, "retryCount": 1, "warnings": {}}));
    assert_eq!(kew.pull("").await["messages"][0]["attempts"], 1, "at once, at its first attempt");
}

#[tokio::test]
async fn leases_of_a_pull_are_not_acked_here() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let pulled = kew.pull("").await;
    let lease_id = pulled["messages"][0]["lease_id"].as_str().unwrap();
    let settled = ack(&kew, &json!({"acks": [{"lease_id": lease_id}]})).await;
    let warnings = json!({lease_id: "the lease id was not issued by this server"});
    assert_eq!(settled, json!({"ackCount": 0, "retryCount": 0, "warnings": warnings}));
    assert_eq!(kew.pull("").await["message_backlog_count"], 1);
}

#[tokio::test]
async fn an_absent_body_settles_nothing_and_a_wrong_one_is_refused() {
    let kew = Kew::start().await;
    let answer = kew.post(&format!("{JOBS}/messages/preview/ack"), "").await;
    assert_eq!(answer.expect(200), json!({"ackCount": 0, "retryCount": 0, "warnings": {}}));
    let answer = kew.post(&format!("{JOBS}/messages/preview/ack"), r#"{"acks":[{}]}"#).await;
    assert_eq!((answer.failure(), answer.pointer()), ((400, 10_026), "/acks/0/lease_id".into()));
}
