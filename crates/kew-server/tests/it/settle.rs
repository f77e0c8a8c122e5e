//! Ack and retry through HTTP: the matrix of spec §4.5, row by row.

use kew_model::{Milliseconds, PullSettings, QueueId, Seconds};
use serde_json::{Value, json};

use crate::kew::{JOBS, Kew, QUEUE, QUEUES, create_queue};

/// Pulls one message of a queue for a second and gives its lease id.
async fn lease_of(kew: &Kew, queue: QueueId) -> String {
    let path = format!("{QUEUES}/{queue}/messages/pull");
    let pulled = kew.post(&path, r#"{"batch_size":1,"visibility_timeout_ms":1000}"#).await.expect(200);
    pulled["messages"][0]["lease_id"].as_str().expect("a message").to_owned()
}

async fn lease(kew: &Kew) -> String {
    lease_of(kew, QUEUE).await
}

async fn settle(kew: &Kew, acks: &[&str], retries: &[&str]) -> Value {
    let entries = |ids: &[&str]| ids.iter().map(|id| json!({"lease_id": id})).collect::<Vec<_>>();
    let body = json!({"acks": entries(acks), "retries": entries(retries)});
    kew.post(&format!("{JOBS}/messages/ack"), &body.to_string()).await.expect(200)
}

/// Counts of a settlement, and how many warnings it has.
fn counts(settled: &Value) -> (u64, u64, usize) {
    let count = |name: &str| settled[name].as_u64().unwrap();
    (count("ackCount"), count("retryCount"), settled["warnings"].as_object().unwrap().len())
}

async fn backlog(kew: &Kew) -> u64 {
    kew.pull(r#"{"batch_size":1,"visibility_timeout_ms":0}"#).await["message_backlog_count"].as_u64().unwrap()
}

#[tokio::test]
async fn an_ack_of_a_current_lease_deletes_and_a_second_is_counted_again() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let lease = lease(&kew).await;
    assert_eq!(settle(&kew, &[&lease], &[]).await, json!({"ackCount": 1, "retryCount": 0, "warnings": {}}));
    // An SDK whose answer was lost asks again and must read the same.
    assert_eq!(settle(&kew, &[&lease], &[]).await, json!({"ackCount": 1, "retryCount": 0, "warnings": {}}));
    assert_eq!(backlog(&kew).await, 0);
}

#[tokio::test]
async fn a_late_ack_still_deletes_before_and_after_another_delivery() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let late = lease(&kew).await;
    kew.clock.advance(Milliseconds(1_000));
    assert_eq!(counts(&settle(&kew, &[&late], &[]).await), (1, 0, 0));
    assert_eq!(backlog(&kew).await, 0);

    kew.push_texts(&["b"]).await;
    let old = lease(&kew).await;
    kew.clock.advance(Milliseconds(1_000));
    let new = lease(&kew).await;
    assert_eq!(counts(&settle(&kew, &[&old], &[]).await), (1, 0, 0));
    assert_eq!(counts(&settle(&kew, &[&new], &[]).await), (1, 0, 0), "gone, counted, no warning");
}

#[tokio::test]
async fn an_ack_of_an_exhausted_message_is_counted_with_a_warning() {
    let kew = Kew::start().await;
    let id = create_queue(kew.broker.as_ref(), "once", None).await;
    kew.attach(id, PullSettings { max_retries: 0, ..PullSettings::default() }, None).await;
    kew.post(&format!("{QUEUES}/{id}/messages"), r#"{"body":1}"#).await.expect(200);
    let lease = lease_of(&kew, id).await;
    kew.clock.advance(Milliseconds(1_000));
    let body = json!({"acks": [{"lease_id": lease}]});
    let settled = kew.post(&format!("{QUEUES}/{id}/messages/ack"), &body.to_string()).await.expect(200);
    assert_eq!(counts(&settled), (1, 0, 1));
    assert!(settled["warnings"][&lease].is_string(), "{settled}");
}

#[tokio::test]
async fn a_retry_gives_back_and_a_late_one_adds_no_attempt() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let first = lease(&kew).await;
    assert_eq!(counts(&settle(&kew, &[], &[&first]).await), (0, 1, 0));
    let pulled = kew.pull(r#"{"visibility_timeout_ms":1000}"#).await;
    assert_eq!(pulled["messages"][0]["attempts"], 2);
    kew.clock.advance(Milliseconds(1_000));
    let late = pulled["messages"][0]["lease_id"].as_str().unwrap();
    assert_eq!(counts(&settle(&kew, &[], &[late]).await), (0, 1, 0));
    assert_eq!(kew.pull("").await["messages"][0]["attempts"], 3);
}

#[tokio::test]
async fn a_retry_by_an_old_lease_disturbs_nobody() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let old = lease(&kew).await;
    kew.clock.advance(Milliseconds(1_000));
    let new = lease(&kew).await;
    let settled = settle(&kew, &[], &[&old]).await;
    assert_eq!(counts(&settled), (0, 0, 1));
    assert!(settled["warnings"][&old].is_string());
    assert_eq!(kew.pull("").await["messages"], json!([]), "still leased");
    assert_eq!(counts(&settle(&kew, &[&new], &[]).await), (1, 0, 0));
    assert_eq!(counts(&settle(&kew, &[], &[&new]).await), (0, 0, 1), "a gone message is not retried");
}

#[tokio::test]
async fn of_ack_and_retry_of_one_lease_the_ack_wins() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let lease = lease(&kew).await;
    assert_eq!(counts(&settle(&kew, &[&lease], &[&lease]).await), (1, 0, 1));
    assert_eq!(backlog(&kew).await, 0);
}

#[tokio::test]
async fn forged_and_foreign_leases_do_nothing_but_warn() {
    let kew = Kew::start().await;
    let other = create_queue(kew.broker.as_ref(), "other", None).await;
    kew.attach(other, PullSettings::default(), None).await;
    kew.post(&format!("{QUEUES}/{other}/messages"), r#"{"body":1}"#).await.expect(200);
    kew.push_texts(&["a"]).await;
    let (foreign, own) = (lease_of(&kew, other).await, lease(&kew).await);
    let mut forged = own.clone();
    forged.replace_range(50..51, if own.ends_with('A') { "B" } else { "A" });
    let settled = settle(&kew, &[&foreign, &forged, "nonsense"], &[&foreign, &forged]).await;
    assert_eq!(counts(&settled), (0, 0, 3));
    assert_eq!(counts(&settle(&kew, &[&own, "nonsense"], &[]).await), (1, 0, 1), "the rest still counts");
    let left = kew.post(&format!("{QUEUES}/{other}/messages/pull"), "").await.expect(200);
    assert_eq!(left["message_backlog_count"], 1, "the foreign message is untouched");
}

#[tokio::test]
async fn a_lease_id_that_is_none_refuses_the_whole_request() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    let good = lease(&kew).await;
    for entry in ["{}", r#"{"lease_id":null}"#, r#"{"lease_id":7}"#] {
        let body = format!(r#"{{"acks":[{{"lease_id":"{good}"}},{entry}]}}"#);
        let answer = kew.post(&format!("{JOBS}/messages/ack"), &body).await;
        assert_eq!(
            (answer.failure(), answer.pointer()),
            ((400, 10_026), "/acks/1/lease_id".into()),
            "{entry}"
        );
    }
    assert_eq!(backlog(&kew).await, 1, "nothing was acked");
}

#[tokio::test]
async fn delays_of_retries_are_their_own_or_the_consumers() {
    let kew = Kew::start().await;
    let id = create_queue(kew.broker.as_ref(), "slow", None).await;
    kew.attach(id, PullSettings { retry_delay: Seconds(10), ..PullSettings::default() }, None).await;
    let path = format!("{QUEUES}/{id}/messages");
    kew.post(&path, r#"{"body":1}"#).await.expect(200);
    for (delay, seconds) in [("", 10), (r#","delay_seconds":5"#, 5), (r#","delay_seconds":0"#, 0)] {
        let lease = lease_of(&kew, id).await;
        let body = format!(r#"{{"retries":[{{"lease_id":"{lease}"{delay}}}]}}"#);
        kew.post(&format!("{path}/ack"), &body).await.expect(200);
        if seconds > 0 {
            kew.clock.advance(Milliseconds(seconds * 1_000 - 1));
            let early = kew.post(&format!("{path}/pull"), "").await.expect(200);
            assert_eq!(early["messages"], json!([]), "{delay}");
            kew.clock.advance(Milliseconds(1));
        }
    }
    assert_eq!(lease_of(&kew, id).await.len(), 51);
}

#[tokio::test]
async fn nothing_to_settle_is_fine_and_too_much_is_not() {
    let kew = Kew::start().await;
    for body in ["", "{}", r#"{"acks":[],"retries":[]}"#] {
        let answer = kew.post(&format!("{JOBS}/messages/ack"), body).await;
        assert_eq!(answer.expect(200), json!({"ackCount": 0, "retryCount": 0, "warnings": {}}), "{body}");
    }
    let entries = vec![r#"{"lease_id":"x"}"#; 1_001].join(",");
    let answer = kew.post(&format!("{JOBS}/messages/ack"), &format!(r#"{{"acks":[{entries}]}}"#)).await;
    assert_eq!(answer.failure(), (400, 10_026));
}

#[tokio::test]
async fn a_hundred_messages_are_pushed_pulled_and_acked_in_three_calls() {
    let kew = Kew::start().await;
    let messages = vec![r#"{"body":{"n":1}}"#; 100].join(",");
    kew.post(&format!("{JOBS}/messages/batch"), &format!(r#"{{"messages":[{messages}]}}"#)).await.expect(200);
    let pulled = kew.pull(r#"{"batch_size":100}"#).await;
    // One client acks with the whole messages as they were pulled (spec §1.1).
    let body = json!({"acks": pulled["messages"]});
    let settled = kew.post(&format!("{JOBS}/messages/ack"), &body.to_string()).await.expect(200);
    assert_eq!(settled, json!({"ackCount": 100, "retryCount": 0, "warnings": {}}));
    assert_eq!(backlog(&kew).await, 0);
}
