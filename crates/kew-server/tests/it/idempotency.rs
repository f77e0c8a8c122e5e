//! Pushes that can be sent again without being carried out again (design §8.24). Kew's own.

use kew_model::{Milliseconds, Seconds};
use serde_json::json;

use crate::client::Answer;
use crate::kew::{JOBS, Kew, QUEUES, create_queue};

async fn push(kew: &Kew, path: &str, key: &str, body: &str) -> Answer {
    let headers = format!("{}\nIdempotency-Key: {key}", kew.admin);
    kew.call_as(&headers, "POST", path, body).await
}

fn replayed(answer: &Answer) -> Option<&str> {
    answer.header("idempotency-replayed")
}

async fn backlog(kew: &Kew) -> u64 {
    let metrics = kew.call("GET", &format!("{JOBS}/metrics"), "").await.expect(200);
    metrics["backlog_count"].as_u64().unwrap()
}

#[tokio::test]
async fn a_repeated_push_publishes_nothing_and_is_answered_as_a_success() {
    let kew = Kew::start().await;
    for (path, body, count) in [
        (format!("{JOBS}/messages"), r#"{"body":1}"#, 1),
        (format!("{JOBS}/messages/batch"), r#"{"messages":[{"body":1},{"body":2}]}"#, 3),
    ] {
        let first = push(&kew, &path, &path, body).await;
        assert_eq!(replayed(&first), None);
        let result = first.expect(200);
        for _ in 0..3 {
            let again = push(&kew, &path, &path, body).await;
            assert_eq!((again.expect(200), replayed(&again)), (result.clone(), Some("true")));
        }
        assert_eq!(backlog(&kew).await, count);
    }
}

#[tokio::test]
async fn a_repeated_push_after_the_message_was_acked_still_publishes_nothing() {
    let kew = Kew::start().await;
    let path = format!("{JOBS}/messages");
    push(&kew, &path, "once", r#"{"body":1}"#).await.expect(200);
    let pulled = kew.pull("").await;
    let ack = json!({"acks": pulled["messages"]}).to_string();
    kew.post(&format!("{JOBS}/messages/ack"), &ack).await.expect(200);
    let again = push(&kew, &path, "once", r#"{"body":1}"#).await;
    assert_eq!(again.expect(200)["metadata"]["metrics"]["backlog_count"], 0);
    assert_eq!(replayed(&again), Some("true"));
}

#[tokio::test]
async fn the_same_key_for_another_request_is_a_conflict_not_to_be_retried() {
    let kew = Kew::start().await;
    let (one, batch) = (format!("{JOBS}/messages"), format!("{JOBS}/messages/batch"));
    push(&kew, &one, "k", r#"{"body":1}"#).await.expect(200);
    // Another value, the same value in other bytes, and the other call
    for (path, body) in
        [(&one, r#"{"body":2}"#), (&one, r#"{"body": 1}"#), (&batch, r#"{"messages":[{"body":1}]}"#)]
    {
        let answer = push(&kew, path, "k", body).await;
        assert_eq!((answer.failure(), answer.header("x-should-retry")), ((409, 19_017), Some("false")));
    }
    assert_eq!(backlog(&kew).await, 1);
}

#[tokio::test]
async fn a_key_counts_for_fifteen_minutes() {
    let kew = Kew::start().await;
    let path = format!("{JOBS}/messages");
    push(&kew, &path, "k", r#"{"body":1}"#).await.expect(200);
    kew.clock.advance(Milliseconds(15 * 60_000 - 1));
    assert_eq!(replayed(&push(&kew, &path, "k", r#"{"body":1}"#).await), Some("true"));
    kew.clock.advance(Milliseconds(1));
    let later = push(&kew, &path, "k", r#"{"body":2}"#).await;
    later.expect(200);
    assert_eq!((replayed(&later), backlog(&kew).await), (None, 2));
}

#[tokio::test]
async fn keys_are_a_queues_own_and_other_keys_are_other_requests() {
    let kew = Kew::start().await;
    let other = create_queue(kew.broker.as_ref(), "other", None).await;
    let path = format!("{JOBS}/messages");
    push(&kew, &path, "k", r#"{"body":1}"#).await.expect(200);
    for (path, key) in [(&path, "K"), (&format!("{QUEUES}/{other}/messages"), "k")] {
        let answer = push(&kew, path, key, r#"{"body":1}"#).await;
        answer.expect(200);
        assert_eq!(replayed(&answer), None);
    }
}

#[tokio::test]
async fn without_a_key_the_same_push_is_another_message() {
    let kew = Kew::start().await;
    for _ in 0..2 {
        let answer = kew.post(&format!("{JOBS}/messages"), r#"{"body":1}"#).await;
        answer.expect(200);
        assert_eq!(replayed(&answer), None);
    }
    assert_eq!(backlog(&kew).await, 2);
}

#[tokio::test]
async fn a_refused_push_uses_no_key_up() {
    let kew = Kew::start().await;
    let path = format!("{JOBS}/messages");
    assert_eq!(push(&kew, &path, "k", r#"{"body":}"#).await.failure(), (400, 10_208));
    let answer = push(&kew, &path, "k", r#"{"body":1}"#).await;
    answer.expect(200);
    assert_eq!(replayed(&answer), None);
}

#[tokio::test]
async fn a_key_is_1_to_255_visible_characters_once() {
    let kew = Kew::start().await;
    let path = format!("{JOBS}/messages");
    push(&kew, &path, &"~".repeat(255), r#"{"body":1}"#).await.expect(200);
    for wrong in ["", "a b", "\u{e9}", &"x".repeat(256), "a\nidempotency-key: a"] {
        let answer = push(&kew, &path, wrong, r#"{"body":1}"#).await;
        assert_eq!(answer.failure(), (400, 19_023), "{wrong:?}");
        assert_eq!(
            answer.text(),
            "the header Idempotency-Key must be 1 to 255 visible ASCII characters, once"
        );
    }
    kew.clock.advance(Seconds(1));
    assert_eq!(backlog(&kew).await, 1);
}
