//! Dead letters say where they failed, to those who may know.

use kew_model::{PullSettings, QueueId, QueuePattern, Scope};
use serde_json::{Value, json};

use crate::kew::{JOBS, Kew, QUEUE, QUEUES, create_queue};

const DEAD: QueueId = QueueId([0x08; 16]);

/// What the messages of an answer say of their origin.
fn origins(answer: &Value) -> Vec<Option<&str>> {
    let messages = answer["messages"].as_array().unwrap();
    messages.iter().map(|message| message["metadata"]["Kew-Origin-Queue"].as_str()).collect()
}

/// A server with a dead letter of `jobs` in `dead`, and a message that was pushed there.
async fn with_dead_letter() -> (Kew, String) {
    let kew = Kew::start().await;
    create_queue(kew.broker.as_ref(), "dead", Some(DEAD)).await;
    let once = json!({"type": "http_pull", "dead_letter_queue": "dead", "settings": {"max_retries": 0}});
    let consumer = kew.call("GET", &format!("{JOBS}/consumers"), "").await.expect(200);
    let path = format!("{JOBS}/consumers/{}", consumer[0]["consumer_id"].as_str().unwrap());
    kew.call("PUT", &path, &once.to_string()).await.expect(200);
    kew.push_texts(&["fails"]).await;
    let pulled = kew.pull("").await;
    let retry = json!({"retries": [{"lease_id": pulled["messages"][0]["lease_id"]}]});
    kew.post(&format!("{JOBS}/messages/ack"), &retry.to_string()).await.expect(200);
    let dead = format!("{QUEUES}/{DEAD}/messages");
    kew.post(&dead, r#"{"body":1}"#).await.expect(200);
    kew.attach(DEAD, PullSettings::default(), None).await;
    (kew, dead)
}

#[tokio::test]
async fn a_dead_letter_names_the_queue_that_it_failed_in() {
    let (kew, dead) = with_dead_letter().await;
    for look in ["peek", "preview", "pull"] {
        let shown = kew.post(&format!("{dead}/{look}"), "").await.expect(200);
        assert_eq!(origins(&shown), [Some("jobs"), None], "{look}");
    }
}

#[tokio::test]
async fn an_origin_that_is_gone_or_not_ones_own_looks_like_none() {
    // Given tokens for the dead-letter queue alone, and for both queues
    let (kew, dead) = with_dead_letter().await;
    let alone = kew.token(&[Scope::Consume], QueuePattern::Exact(DEAD)).await;
    let all = kew.token(&[Scope::Consume], QueuePattern::All).await;
    let peek = format!("{dead}/peek");
    // When the dead letters are looked at
    let seen_alone = kew.call_as(&alone, "POST", &peek, "").await;
    let seen_by_all = kew.call_as(&all, "POST", &peek, "").await;
    // Then only the one that may see the origin does
    assert_eq!(origins(&seen_alone.expect(200)), [None, None]);
    assert_eq!(origins(&seen_by_all.expect(200)), [Some("jobs"), None]);
    // And when it is gone, both see the same
    kew.call("DELETE", &format!("{QUEUES}/{QUEUE}"), "").await.expect(200);
    assert_eq!(kew.call_as(&all, "POST", &peek, "").await.body, seen_alone.body);
}
