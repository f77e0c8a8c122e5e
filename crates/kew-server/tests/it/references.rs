//! Deleting messages by ref through HTTP (spec §2.11 row 20, §12: purge by ref; stale ref is a warning).

use kew_model::Milliseconds;
use serde_json::{Value, json};

use crate::kew::{JOBS, Kew, QUEUES, create_queue};

/// The refs that a peek shows.
async fn refs(kew: &Kew) -> Vec<String> {
    let shown = kew.post(&format!("{JOBS}/messages/peek"), r#"{"batch_size":100}"#).await.expect(200);
    let refs = shown["messages"].as_array().unwrap().iter().map(|message| message["ref"].as_str().unwrap());
    refs.map(str::to_owned).collect()
}

async fn purge(kew: &Kew, refs: &[&str]) -> Value {
    let entries: Vec<_> = refs.iter().map(|text| json!({"ref": text})).collect();
    kew.post(&format!("{JOBS}/messages/purge"), &json!({"refs": entries}).to_string()).await.expect(200)
}

#[tokio::test]
async fn named_messages_are_deleted_and_no_others() {
    let kew = Kew::start().await;
    kew.push_texts(&["a", "b", "c"]).await;
    let refs = refs(&kew).await;
    assert_eq!(purge(&kew, &[&refs[2], &refs[0]]).await, json!({"errors": [], "warnings": {}}));
    let pulled = kew.pull("").await;
    assert_eq!((&pulled["messages"][0]["body"], &pulled["message_backlog_count"]), (&json!("b"), &json!(1)));
}

#[tokio::test]
async fn a_leased_message_is_deleted_too_and_its_later_ack_harms_nobody() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let reference = refs(&kew).await.remove(0);
    let pulled = kew.pull("").await;
    assert_eq!(purge(&kew, &[&reference]).await["warnings"], json!({}));
    let ack = json!({"acks": [{"lease_id": pulled["messages"][0]["lease_id"]}]}).to_string();
    let settled = kew.post(&format!("{JOBS}/messages/ack"), &ack).await.expect(200);
    assert_eq!(settled, json!({"ackCount": 1, "retryCount": 0, "warnings": {}}));
    kew.clock.advance(Milliseconds(43_200_000));
    assert_eq!(kew.pull("").await["message_backlog_count"], 0);
}

#[tokio::test]
async fn stale_foreign_and_forged_refs_are_warnings_and_the_rest_counts() {
    // Given refs of a message that is gone, of another queue, of nobody, and a good one
    let kew = Kew::start().await;
    let other = create_queue(kew.broker.as_ref(), "other", None).await;
    kew.post(&format!("{QUEUES}/{other}/messages"), r#"{"body":1}"#).await.expect(200);
    let shown = kew.post(&format!("{QUEUES}/{other}/messages/peek"), "").await.expect(200);
    let foreign = shown["messages"][0]["ref"].as_str().unwrap().to_owned();
    kew.push_texts(&["gone", "good"]).await;
    let refs = refs(&kew).await;
    purge(&kew, &[&refs[0]]).await;
    let mut forged = refs[1].clone();
    forged.replace_range(39..40, if forged.ends_with('A') { "B" } else { "A" });
    // When all are deleted
    let purged = purge(&kew, &[&refs[0], &foreign, &forged, &refs[1]]).await;
    // Then each has its reason, the good one is gone, and the other queue is untouched
    assert_eq!(
        purged,
        json!({"errors": [], "warnings": {
            &refs[0]: "the message is not in the queue any more",
            &foreign: "the ref belongs to another queue",
            &forged: "the ref was not issued by this server",
        }})
    );
    assert_eq!(kew.pull("").await["message_backlog_count"], 0);
    let left = kew.call("GET", &format!("{QUEUES}/{other}/metrics"), "").await.expect(200);
    assert_eq!(left["backlog_count"], 1);
}

#[tokio::test]
async fn a_lease_id_is_no_ref_and_a_ref_no_lease_id() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let reference = refs(&kew).await.remove(0);
    let pulled = kew.pull("").await;
    let lease_id = pulled["messages"][0]["lease_id"].as_str().unwrap();
    let purged = purge(&kew, &[lease_id]).await;
    assert_eq!(purged["warnings"], json!({lease_id: "the ref was not issued by this server"}));
    let ack = json!({"acks": [{"lease_id": reference}], "retries": [{"lease_id": reference}]}).to_string();
    let settled = kew.post(&format!("{JOBS}/messages/ack"), &ack).await.expect(200);
    let warnings = json!({reference: "the lease id was not issued by this server"});
    assert_eq!(settled, json!({"ackCount": 0, "retryCount": 0, "warnings": warnings}));
    assert_eq!(kew.pull("").await["message_backlog_count"], 1);
}

#[tokio::test]
async fn wrong_requests_are_pointed_at_and_delete_nothing() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let good = refs(&kew).await.remove(0);
    let too_many = format!(r#"{{"refs":[{}]}}"#, vec![r#"{"ref":"x"}"#; 1_001].join(","));
    for (body, pointer) in [
        ("", "/refs"),
        ("{}", "/refs"),
        (&format!(r#"{{"refs":[{{"ref":"{good}"}},{{"ref":7}}]}}"#), "/refs/1/ref"),
        (&too_many, "/refs"),
    ] {
        let answer = kew.post(&format!("{JOBS}/messages/purge"), body).await;
        assert_eq!((answer.failure(), answer.pointer()), ((400, 10_026), pointer.into()));
    }
    assert_eq!(kew.pull("").await["message_backlog_count"], 1);
    assert_eq!(purge(&kew, &[]).await, json!({"errors": [], "warnings": {}}), "an empty list is one");
}
