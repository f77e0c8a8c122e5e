//! Peek through HTTP (spec §2.11 row 19, §12: peek does not lease and does not raise attempts).

use kew_model::{Broker as _, Milliseconds, PullSettings, QueueChange};
use kew_server::Settings;
use kew_wire::messages::BodyEncoding;
use serde_json::{Value, json};

use crate::kew::{JOBS, Kew, PLACE, QUEUES, create_queue};

async fn peek(kew: &Kew, body: &str) -> Value {
    kew.post(&format!("{JOBS}/messages/peek"), body).await.expect(200)
}

fn bodies(shown: &Value) -> Vec<&str> {
    shown["messages"].as_array().unwrap().iter().map(|message| message["body"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_peeked_message_looks_as_pulled_but_for_its_lease() {
    // Given messages of each type
    let kew = Kew::start().await;
    let batch = r#"{"messages":[{"body":"pl\u00e4in","content_type":"text"},{"body":{"a":1}},
        {"body":"AP/+","content_type":"bytes"}]}"#;
    kew.post(&format!("{JOBS}/messages/batch"), batch).await.expect(200);
    // When they are peeked and then pulled
    let (peeked, pulled) = (peek(&kew, "").await, kew.pull("").await);
    // Then both show the same, and only the pull has counted
    assert_eq!(peeked.as_object().unwrap().keys().collect::<Vec<_>>(), ["messages"]);
    assert_eq!(bodies(&peeked), ["pläin", "eyJhIjoxfQ==", "AP/+"]);
    for index in 0..3 {
        let (before, after) = (&peeked["messages"][index], &pulled["messages"][index]);
        for field in ["id", "body", "metadata", "timestamp_ms"] {
            assert_eq!(before[field], after[field], "{field}");
        }
        assert_eq!((&before["attempts"], &after["attempts"]), (&json!(0), &json!(1)));
        assert!(before.get("lease_id").is_none() && before["ref"].as_str().unwrap().len() < 512);
    }
}

#[tokio::test]
async fn a_peek_takes_nothing_and_counts_no_attempt() {
    let kew = Kew::start().await;
    kew.push_texts(&["a", "b"]).await;
    for _ in 0..5 {
        assert_eq!(bodies(&peek(&kew, r#"{"batch_size":2}"#).await), ["a", "b"]);
    }
    let pulled = kew.pull(r#"{"batch_size":1,"visibility_timeout_ms":1000}"#).await;
    assert_eq!(pulled["messages"][0]["attempts"], 1);
    // A leased message is not shown; after its lease it is again, with the delivery counted.
    assert_eq!(bodies(&peek(&kew, "").await), ["b"]);
    kew.clock.advance(Milliseconds(1_000));
    let shown = peek(&kew, "").await;
    let attempts: Vec<_> =
        shown["messages"].as_array().unwrap().iter().map(|message| &message["attempts"]).collect();
    assert_eq!((bodies(&shown), attempts), (vec!["b", "a"], vec![&json!(0), &json!(1)]));
}

#[tokio::test]
async fn delayed_messages_are_not_shown_before_their_time() {
    let kew = Kew::start().await;
    let body = r#"{"body":"late","content_type":"text","delay_seconds":1}"#;
    kew.post(&format!("{JOBS}/messages"), body).await.expect(200);
    assert_eq!(peek(&kew, "").await["messages"], json!([]));
    kew.clock.advance(Milliseconds(1_000));
    assert_eq!(bodies(&peek(&kew, "").await), ["late"]);
}

#[tokio::test]
async fn a_queue_without_a_consumer_and_a_paused_one_can_be_peeked() {
    let kew = Kew::start().await;
    let dead = create_queue(kew.broker.as_ref(), "dead", None).await;
    let path = format!("{QUEUES}/{dead}/messages");
    for number in 0..7 {
        kew.post(&path, &format!(r#"{{"body":"{number}","content_type":"text"}}"#)).await.expect(200);
    }
    let shown = kew.post(&format!("{path}/peek"), "{}").await.expect(200);
    assert_eq!(bodies(&shown), ["0", "1", "2", "3", "4"], "five, when nobody says how many");
    let shown = kew.post(&format!("{path}/peek"), r#"{"batch_size":100}"#).await.expect(200);
    assert_eq!(bodies(&shown).len(), 7);

    kew.push_texts(&["a"]).await;
    let pause = QueueChange { delivery_paused: Some(true), ..QueueChange::default() };
    kew.broker.update_queue(PLACE, pause).await.unwrap();
    assert_eq!(bodies(&peek(&kew, "").await), ["a"]);
}

#[tokio::test]
async fn without_a_number_a_peek_shows_what_the_consumer_says() {
    let kew = Kew::start().await;
    let slow = create_queue(kew.broker.as_ref(), "slow", None).await;
    kew.attach(slow, PullSettings { batch_size: 2, ..PullSettings::default() }, None).await;
    let path = format!("{QUEUES}/{slow}/messages");
    kew.post(&format!("{path}/batch"), r#"{"messages":[{"body":1},{"body":2},{"body":3}]}"#)
        .await
        .expect(200);
    let shown = kew.post(&format!("{path}/peek"), "").await.expect(200);
    assert_eq!(shown["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn bodies_are_encoded_as_the_setting_for_pulls_says() {
    let settings = Settings { pull_json_encoding: BodyEncoding::Plain, ..Settings::default() };
    let kew = Kew::start_with(settings).await;
    kew.post(&format!("{JOBS}/messages"), r#"{"body":{"a": 1}}"#).await.expect(200);
    assert_eq!(bodies(&peek(&kew, "").await), [r#"{"a": 1}"#]);
}

#[tokio::test]
async fn numbers_out_of_range_are_refused() {
    let kew = Kew::start().await;
    for wrong in ["0", "101", "1.5", "\"1\""] {
        let answer =
            kew.post(&format!("{JOBS}/messages/peek"), &format!(r#"{{"batch_size":{wrong}}}"#)).await;
        assert_eq!((answer.failure(), answer.pointer()), ((400, 10_026), "/batch_size".into()), "{wrong}");
    }
}
