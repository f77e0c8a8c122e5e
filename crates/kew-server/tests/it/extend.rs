//! Extend through HTTP (spec §2.11 row 21, §12: extend prolongs, attempts unchanged; the old lease id still acks; extend
//! after expiry and redelivery).

use kew_model::{Broker as _, Milliseconds, PullSettings, QueueChange};
use serde_json::{Value, json};

use crate::kew::{JOBS, Kew, PLACE, QUEUES, create_queue};

/// Pulls one message for a second and gives its lease id.
async fn lease(kew: &Kew) -> String {
    let pulled = kew.pull(r#"{"batch_size":1,"visibility_timeout_ms":1000}"#).await;
    pulled["messages"][0]["lease_id"].as_str().expect("a message").to_owned()
}

async fn extend(kew: &Kew, ids: &[&str], timeout: &str) -> Value {
    let entries: Vec<_> = ids.iter().map(|id| json!({"lease_id": id})).collect();
    let body = format!(r#"{{"extend":{}{timeout}}}"#, json!(entries));
    kew.post(&format!("{JOBS}/messages/extend"), &body).await.expect(200)
}

async fn ack(kew: &Kew, id: &str) -> Value {
    let body = json!({"acks": [{"lease_id": id}]}).to_string();
    kew.post(&format!("{JOBS}/messages/ack"), &body).await.expect(200)
}

#[tokio::test]
async fn an_extended_lease_lasts_from_now_and_its_id_still_acks() {
    // Given a lease of a second that is nearly over
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let id = lease(&kew).await;
    kew.clock.advance(Milliseconds(999));
    // When it is extended by five seconds
    let extended = extend(&kew, &[&id], r#","visibility_timeout_ms":5000"#).await;
    assert_eq!(extended, json!({"extendCount": 1, "warnings": {}}));
    // Then nobody else gets the message until then, and the old id acks it
    kew.clock.advance(Milliseconds(4_999));
    assert_eq!(kew.pull("").await["messages"], json!([]));
    assert_eq!(ack(&kew, &id).await, json!({"ackCount": 1, "retryCount": 0, "warnings": {}}));
    kew.clock.advance(Milliseconds(1));
    assert_eq!(kew.pull("").await["message_backlog_count"], 0);
}

#[tokio::test]
async fn extending_is_no_attempt() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let id = lease(&kew).await;
    for _ in 0..5 {
        extend(&kew, &[&id], r#","visibility_timeout":1000"#).await;
    }
    kew.clock.advance(Milliseconds(1_000));
    assert_eq!(kew.pull("").await["messages"][0]["attempts"], 2);
}

#[tokio::test]
async fn without_a_timeout_the_consumers_counts() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let id = lease(&kew).await;
    extend(&kew, &[&id], "").await;
    let default = PullSettings::default().visibility_timeout;
    kew.clock.advance(Milliseconds(default.0 - 1));
    assert_eq!(kew.pull("").await["messages"], json!([]));
    kew.clock.advance(Milliseconds(1));
    assert_eq!(kew.pull("").await["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_ended_lease_a_gone_message_and_foreign_ids_are_warnings_and_do_not_count() {
    // Given a lease that ended, one whose message was delivered again, one of an acked message, and one of another queue
    let kew = Kew::start().await;
    kew.push_texts(&["acked"]).await;
    let acked = lease(&kew).await;
    ack(&kew, &acked).await;
    kew.push_texts(&["ended"]).await;
    let ended = lease(&kew).await;
    kew.clock.advance(Milliseconds(1_000));
    assert_eq!(extend(&kew, &[&ended], "").await["extendCount"], 0, "before it is delivered again");
    let newest = lease(&kew).await;
    let other = create_queue(kew.broker.as_ref(), "other", None).await;
    kew.attach(other, PullSettings::default(), None).await;
    let path = format!("{QUEUES}/{other}/messages");
    kew.post(&path, r#"{"body":1}"#).await.expect(200);
    let pulled = kew.post(&format!("{path}/pull"), "").await.expect(200);
    let foreign = pulled["messages"][0]["lease_id"].as_str().unwrap();
    // When all are extended together with a good one
    let extended = extend(&kew, &[&ended, &acked, foreign, "forged", &newest], "").await;
    // Then only the good one counts
    assert_eq!(
        extended,
        json!({"extendCount": 1, "warnings": {
            &ended: "the lease has ended",
            &acked: "the message is gone",
            foreign: "the lease id belongs to another queue",
            "forged": "the lease id was not issued by this server",
        }})
    );
}

#[tokio::test]
async fn a_paused_queue_still_extends() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let id = lease(&kew).await;
    let pause = QueueChange { delivery_paused: Some(true), ..QueueChange::default() };
    kew.broker.update_queue(PLACE, pause).await.unwrap();
    assert_eq!(extend(&kew, &[&id], "").await["extendCount"], 1);
}

#[tokio::test]
async fn wrong_requests_are_pointed_at() {
    let kew = Kew::start().await;
    for (body, pointer) in [
        ("", "/extend"),
        (r#"{"extend":[{"lease_id":null}]}"#, "/extend/0/lease_id"),
        (r#"{"extend":[],"visibility_timeout_ms":43200001}"#, "/visibility_timeout_ms"),
    ] {
        let answer = kew.post(&format!("{JOBS}/messages/extend"), body).await;
        assert_eq!((answer.failure(), answer.pointer()), ((400, 10_026), pointer.into()), "{body}");
    }
}
