//! Push and batch push through HTTP (spec §2.11 rows 15 and 16).

use kew_model::Milliseconds;
use serde_json::json;

use crate::kew::{JOBS, Kew};

#[tokio::test]
async fn what_is_pushed_is_pulled_whatever_the_content_type_says() {
    // Given a server
    let kew = Kew::start().await;
    // When the same message is pushed with every content type that clients send (spec §1.5)
    let body = r#"{"body":"héllo \"world\"","content_type":"text"}"#;
    for header in [
        "",
        "content-type: application/json",
        "content-type: text/plain;charset=UTF-8",
        "content-type: application/x-www-form-urlencoded",
        "content-type: application/json; charset=utf-8",
        "content-type: nonsense",
    ] {
        let headers = format!("{}\n{header}", kew.admin);
        let answer = kew.call_as(&headers, "POST", &format!("{JOBS}/messages"), body).await;
        assert!(answer.expect(200)["metadata"]["metrics"]["backlog_count"].is_u64());
    }
    // Then each of them comes out
    let pulled = kew.pull(r#"{"batch_size":100}"#).await;
    let bodies: Vec<_> =
        pulled["messages"].as_array().unwrap().iter().map(|message| &message["body"]).collect();
    assert_eq!(bodies, vec!["héllo \"world\""; 6]);
}

#[tokio::test]
async fn a_push_is_answered_with_the_backlog_and_nothing_else() {
    let kew = Kew::start().await;
    let answer = kew.post(&format!("{JOBS}/messages"), r#"{"body":{"a":1}}"#).await;
    let start = kew_testkit::ManualClock::START.0;
    let metrics = json!({"backlog_bytes": 107, "backlog_count": 1, "oldest_message_timestamp_ms": start});
    assert_eq!(answer.expect(200), json!({"metadata": {"metrics": metrics}}));
    kew.clock.advance(Milliseconds(5));
    let answer =
        kew.post(&format!("{JOBS}/messages/batch"), r#"{"messages":[{"body":1},{"body":22}]}"#).await;
    let metrics = json!({"backlog_bytes": 310, "backlog_count": 3, "oldest_message_timestamp_ms": start});
    assert_eq!(answer.expect(200), json!({"metadata": {"metrics": metrics}}));
}
