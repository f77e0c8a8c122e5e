//! `/metrics` and `/readyz`: what is counted, who may read it, and when the server says that it is ready.

use std::sync::Arc;

use kew_model::{Broker as _, NewQueue, Place, QueuePattern, QueueSettings, Scope, Seconds};
use kew_server::{FigureSource, Settings};
use tokio::sync::Notify;

use crate::client::Answer;
use crate::faulty::Push;
use crate::kew::{ACCOUNT, JOBS, Kew, PLACE, QUEUE, QUEUES, create_queue};
use crate::memory::{DEVELOPER, InMemory};

/// The value of a series.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} in {text}")).parse().unwrap()
}

fn is_shown(answer: &Answer) -> bool {
    answer.status == 200 && answer.header("content-type") == Some("text/plain; version=0.0.4; charset=utf-8")
}

async fn scrape(kew: &Kew) -> String {
    let answer = kew.call("GET", "/metrics", "").await;
    assert!(is_shown(&answer) && answer.header("x-request-id").is_some(), "{answer:?}");
    answer.body
}

#[tokio::test]
async fn requests_and_messages_are_counted_by_what_became_of_them() {
    let kew = Kew::start().await;
    // Given three messages, of which one is acknowledged, one given back, and one deleted
    kew.push_texts(&["a", "b"]).await;
    kew.post(&format!("{JOBS}/messages/batch"), r#"{"messages":[{"body":"c"}]}"#).await.expect(200);
    let peeked = kew.post(&format!("{JOBS}/messages/peek"), "").await.expect(200);
    let pulled = kew.pull(r#"{"batch_size":2}"#).await;
    let lease = |index: usize| pulled["messages"][index]["lease_id"].as_str().unwrap();
    let (ack, retry) = (lease(0), lease(1));
    let body = format!(r#"{{"acks":[{{"lease_id":"{ack}"}}],"retries":[{{"lease_id":"{retry}"}}]}}"#);
    kew.post(&format!("{JOBS}/messages/ack"), &body).await.expect(200);
    let last = peeked["messages"][2]["ref"].as_str().unwrap();
    kew.post(&format!("{JOBS}/messages/purge"), &format!(r#"{{"refs":[{{"ref":"{last}"}}]}}"#))
        .await
        .expect(200);
    // And requests that were not carried out
    kew.post(&format!("{JOBS}/messages"), "{").await;
    kew.call_as("authorization: Bearer wrong", "POST", &format!("{JOBS}/messages"), "").await;
    kew.call("GET", "/nowhere", "").await;
    kew.connect().await.send("NONSENSE\r\n\r\n").await;
    let text = loop {
        let text = scrape(&kew).await;
        // What is no request is answered when it is.
        if value(&text, r#"kew_requests_total{operation="none",outcome="refused"}"#) == 2.0 {
            break text;
        }
    };
    for (operation, outcome, count) in [
        ("queues-push-message", "ok", 2.0),
        ("queues-push-message", "refused", 1.0),
        ("queues-push-message", "denied", 1.0),
        ("queues-push-message", "failed", 0.0),
        ("queues-push-messages", "ok", 1.0),
        ("queues-pull-messages", "ok", 1.0),
        ("queues-ack-messages", "ok", 1.0),
    ] {
        let series = format!("kew_requests_total{{operation=\"{operation}\",outcome=\"{outcome}\"}}");
        assert_eq!(value(&text, &series), count, "{series}");
    }
    for (what, count) in
        [("pushed", 3.0), ("delivered", 2.0), ("acknowledged", 1.0), ("retried", 1.0), ("deleted", 1.0)]
    {
        assert_eq!(value(&text, &format!("kew_messages_handled_total{{what=\"{what}\"}}")), count, "{what}");
    }
    assert_eq!(value(&text, r#"kew_request_duration_seconds_count{kind="pull"}"#), 1.0);
    assert!(value(&text, r#"kew_connections_arrived_total{outcome="accepted"}"#) >= 10.0);
}

#[tokio::test]
async fn depth_and_age_are_those_of_the_moment_and_large_installations_have_totals() {
    let settings = Settings { metrics_queues_max: 1, ..Settings::default() };
    let kew = Kew::start_with(settings).await;
    create_queue(kew.broker.as_ref(), "other", None).await;
    kew.push_texts(&["four", "more"]).await;
    kew.clock.advance(Seconds(90));
    let text = scrape(&kew).await;
    let of_queue =
        |name: &str| format!("{name}{{account_id=\"{ACCOUNT}\",queue_id=\"{QUEUE}\",queue=\"jobs\"}}");
    assert_eq!(value(&text, &of_queue("kew_queue_messages")), 2.0);
    assert_eq!(value(&text, &of_queue("kew_queue_size_bytes")), 208.0);
    assert_eq!(value(&text, &of_queue("kew_queue_oldest_age_seconds")), 90.0);
    assert!(!text.contains("queue=\"other\""), "{text}");
    for (name, expected) in [
        ("kew_queues", 2.0),
        ("kew_queues_unlisted", 1.0),
        ("kew_messages", 2.0),
        ("kew_messages_size_bytes", 208.0),
        ("kew_oldest_age_seconds", 90.0),
    ] {
        assert_eq!(value(&text, name), expected, "{name}");
    }
}

#[tokio::test]
async fn figures_need_a_token_that_reads_all_queues_and_show_its_account_alone() {
    let kew = Kew::start().await;
    // Given a queue of another account
    let stranger = kew.broker.create_account(None, "other".into()).await.unwrap().id;
    let name = "secret-queue".parse().unwrap();
    let new = NewQueue { name, id: None, jurisdiction: None, settings: QueueSettings::default() };
    kew.broker.create_queue(stranger, new).await.unwrap();
    for scope in Scope::ALL {
        let patterns = [QueuePattern::All, QueuePattern::Exact(QUEUE), QueuePattern::Prefix("j".into())];
        for pattern in patterns {
            let token = kew.token(&[scope], pattern.clone()).await;
            let answer = kew.call_as(&token, "GET", "/metrics", "").await;
            let is_allowed = matches!(scope, Scope::Read | Scope::Admin) && pattern == QueuePattern::All;
            assert_eq!(is_shown(&answer), is_allowed, "{scope:?} {pattern:?}: {answer:?}");
            if !is_allowed {
                let text = "Authentication error: this needs a token with the right read over all queues";
                assert_eq!((answer.failure(), answer.text().as_str()), ((403, 10_000), text));
            } else {
                // Who manages the server sees the queues of all accounts.
                assert_eq!(answer.body.contains("secret-queue"), scope == Scope::Admin, "{scope:?}");
                assert_eq!(value(&answer.body, "kew_queues"), if scope == Scope::Admin { 2.0 } else { 1.0 });
            }
        }
    }
    assert_eq!(kew.call_as("", "GET", "/metrics", "").await.failure(), (401, 10_000));
}

#[tokio::test]
async fn what_the_process_tells_is_shown_beside() {
    #[derive(Debug)]
    struct One;
    impl FigureSource for One {
        fn figures(&self) -> Vec<kew_model::figures::Figure> {
            vec![kew_model::figures::Figure::gauge("process_things", "Things", 5.0)]
        }
    }
    let kew = Kew::start_with(Settings { figures: Some(Arc::new(One)), ..Settings::default() }).await;
    assert_eq!(value(&scrape(&kew).await, "process_things"), 5.0);
}

#[tokio::test]
async fn a_queue_whose_figures_cannot_be_had_is_left_out() {
    let kew = Kew::start().await;
    kew.broker.delete_queue(Place { ..PLACE }).await.unwrap();
    let text = scrape(&kew).await;
    assert_eq!(value(&text, "kew_queues"), 0.0);
    assert_eq!(value(&text, "kew_oldest_age_seconds"), 0.0);
}

#[tokio::test]
async fn a_server_that_is_about_to_stop_serves_on_and_says_that_it_is_not_ready() {
    let kew = InMemory::start(None, |_| {}).await;
    let mut client = kew.connect(65_536).await;
    let ready = client.call("GET", "/readyz", "", "").await.expect(200);
    assert_eq!(ready["status"], "ready");
    let before = client.call("GET", "/metrics", DEVELOPER, "").await.body;
    assert_eq!(value(&before, "kew_ready"), 1.0);
    // When it is told to leave
    kew.readiness.leave();
    // Then it says so, with when to ask again, and serves old and new connections
    let refused = client.call("GET", "/readyz", "", "").await;
    assert_eq!((refused.failure(), refused.header("retry-after")), ((503, 19_025), Some("1")));
    let mut other = kew.connect(65_536).await;
    for client in [&mut client, &mut other] {
        client.call("GET", "/healthz", "", "").await.expect(200);
        client.call("GET", QUEUES, DEVELOPER, "").await.expect(200);
    }
    let after = client.call("GET", "/metrics", DEVELOPER, "").await.body;
    assert_eq!(value(&after, "kew_ready"), 0.0);
    // And nothing has failed.
    assert_eq!(value(&after, r#"kew_requests_total{operation="kew-ready",outcome="refused"}"#), 1.0);
    assert_eq!(value(&after, r#"kew_requests_total{operation="kew-ready",outcome="failed"}"#), 0.0);
}

#[tokio::test]
async fn a_server_that_drains_is_not_ready() {
    // Given a push that holds a connection open through the drain
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut kew = InMemory::start(Some(Push::Wait(begun.clone(), go.clone())), |_| {}).await;
    let mut client = kew.connect(65_536).await;
    client.ask("POST", &format!("{JOBS}/messages"), DEVELOPER, r#"{"body":1}"#).await;
    begun.notified().await;
    let readiness = kew.readiness.clone();
    drop(kew.stop.take());
    go.notify_one();
    client.answer().await.expect(200);
    kew.running.await.unwrap();
    // Whoever tells it to leave now changes nothing.
    readiness.leave();
    assert!(!readiness.is_ready());
}
