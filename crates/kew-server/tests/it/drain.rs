//! How a server ends (issue: SIGTERM drains).

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::faulty::Push;
use crate::kew::{JOBS, Kew};
use crate::memory::{DEVELOPER, InMemory};

#[tokio::test]
async fn idle_connections_are_closed_new_ones_refused_and_the_server_ends() {
    let mut kew = Kew::start().await;
    let (mut used, mut fresh) = (kew.connect().await, kew.connect().await);
    used.call("GET", "/healthz", "", "").await.expect(200);
    drop(kew.stop.take());
    assert_eq!((used.end().await, fresh.end().await), (String::new(), String::new()));
    (&mut kew.running).await.unwrap();
    assert!(TcpStream::connect(kew.address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn requests_in_hand_are_answered_before_the_end() {
    // Given a push that waits inside the broker
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut kew = InMemory::start(Some(Push::Wait(begun.clone(), go.clone())), |_| {}).await;
    let mut client = kew.connect(65_536).await;
    client.ask("POST", &format!("{JOBS}/messages"), DEVELOPER, r#"{"body":1}"#).await;
    begun.notified().await;
    // When the server is told to end
    drop(kew.stop.take());
    tokio::task::yield_now().await;
    assert!(!kew.running.is_finished());
    // Then the push is answered, its connection closed, and the server ends
    go.notify_one();
    let answer = client.answer().await;
    answer.expect(200);
    assert_eq!(client.end().await, "");
    kew.running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_does_not_keep_the_server() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut kew = InMemory::start(Some(Push::Wait(begun.clone(), go)), |_| {}).await;
    let mut client = kew.connect(65_536).await;
    client.ask("POST", &format!("{JOBS}/messages"), DEVELOPER, r#"{"body":1}"#).await;
    begun.notified().await;
    drop(kew.stop.take());
    assert_eq!(client.answer().await.failure(), (503, 19_005));
    kew.running.await.unwrap();
}
