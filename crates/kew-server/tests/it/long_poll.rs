//! Pulls that wait (design §8.18): under paused time, with every pull counted that reaches the broker. What else ends a
//! wait is in `long_poll_ends.rs`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use kew_model::{Broker as _, ConsumerKind, Milliseconds, NewConsumer, PullSettings, Seconds};
use kew_server::Settings;
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::time::Instant;

use crate::client::Client;
use crate::kew::{ACCOUNT, JOBS, Kew, PLACE, create_queue};
use crate::memory::{DEVELOPER, InMemory};

pub(crate) const ROOM: usize = 65_536;
pub(crate) const MINUTE: &str = r#"{"batch_size":1,"wait_time_ms":60000}"#;

/// A server whose queue `jobs` has a pull consumer.
pub(crate) async fn start(change: impl FnOnce(&mut Settings)) -> InMemory {
    let kew = InMemory::start(None, change).await;
    let kind = ConsumerKind::HttpPull(PullSettings::default());
    kew.broker.create_consumer(PLACE, NewConsumer { kind, dead_letter_queue: None }).await.unwrap();
    kew
}

pub(crate) fn path() -> String {
    format!("{JOBS}/messages/pull")
}

impl InMemory {
    fn pulls(&self) -> u64 {
        self.broker.pulls.load(Ordering::SeqCst)
    }

    /// Lets everybody else act until the broker has answered so many pulls.
    pub(crate) async fn until_pulls(&self, count: u64) {
        for _ in 0..100_000 {
            if self.pulls() >= count {
                // What the last one found is still to be acted upon.
                return settle().await;
            }
            tokio::task::yield_now().await;
        }
        panic!("{} pulls, not {count}", self.pulls());
    }

    /// Sends a pull that finds nothing, and gives its connection back when it stands in line.
    pub(crate) async fn waiter(&self, body: &str) -> Client<DuplexStream> {
        let before = self.pulls();
        let mut client = self.connect(ROOM).await;
        client.ask("POST", &path(), DEVELOPER, body).await;
        self.until_pulls(before + 1).await;
        client
    }

    /// Pushes texts as one batch.
    pub(crate) async fn push(&self, texts: &[&str]) {
        let messages: Vec<_> =
            texts.iter().map(|text| json!({"body": text, "content_type": "text"})).collect();
        let body = json!({"messages": messages}).to_string();
        let mut client = self.connect(ROOM).await;
        client.call("POST", &format!("{JOBS}/messages/batch"), DEVELOPER, &body).await.expect(200);
    }
}

/// Lets everybody else act until nobody does any more.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn bodies(pulled: &Value) -> Vec<&str> {
    pulled["messages"].as_array().unwrap().iter().map(|message| message["body"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn where_there_are_messages_nobody_waits() {
    let kew = start(|_| {}).await;
    kew.push(&["a"]).await;
    let start = Instant::now();
    let pulled = kew.connect(ROOM).await.call("POST", &path(), DEVELOPER, MINUTE).await.expect(200);
    assert_eq!((bodies(&pulled), start.elapsed(), kew.pulls()), (vec!["a"], Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_ask_never_waits() {
    let kew = start(|_| {}).await;
    let start = Instant::now();
    for body in ["", "{}", r#"{"wait_time_ms":0}"#, r#"{"wait_time_ms":null}"#] {
        let pulled = kew.connect(ROOM).await.call("POST", &path(), DEVELOPER, body).await.expect(200);
        assert_eq!(pulled["messages"], json!([]), "{body}");
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_push_wakes_who_waits_at_once() {
    // Given a pull that has waited for 40 seconds, longer than any other request may take
    let kew = start(|_| {}).await;
    let mut waiter = kew.waiter(MINUTE).await;
    tokio::time::advance(Duration::from_secs(40)).await;
    // When a message comes
    let pushed = Instant::now();
    kew.push(&["a"]).await;
    // Then it is delivered in the same moment, as in any pull
    let pulled = waiter.answer().await.expect(200);
    assert_eq!((bodies(&pulled), pushed.elapsed()), (vec!["a"], Duration::ZERO));
    assert_eq!(
        (&pulled["messages"][0]["attempts"], &pulled["message_backlog_count"]),
        (&json!(1), &json!(1))
    );
    assert!(pulled["messages"][0]["lease_id"].is_string() && pulled["metadata"]["metrics"].is_object());
    assert_eq!(kew.pulls(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_news_the_wait_ends_empty_at_its_deadline_and_the_connection_goes_on() {
    let kew = start(|_| {}).await;
    let mut client = kew.connect(ROOM).await;
    for (wait_ms, body) in [(1_u64, r#"{"wait_time_ms":1}"#), (60_000, r#"{"wait_time_ms":60000}"#)] {
        let start = Instant::now();
        let pulled = client.call("POST", &path(), DEVELOPER, body).await.expect(200);
        assert_eq!((&pulled["messages"], &pulled["message_backlog_count"]), (&json!([]), &json!(0)));
        assert_eq!(pulled["metadata"]["metrics"]["backlog_count"], 0);
        assert_eq!(start.elapsed(), Duration::from_millis(wait_ms));
    }
    assert_eq!(kew.pulls(), 2, "one look each");
}

#[tokio::test(start_paused = true)]
async fn after_a_long_wait_the_short_deadlines_of_a_connection_count_again() {
    let kew = start(|_| {}).await;
    let mut waiter = kew.waiter(MINUTE).await;
    tokio::time::advance(Duration::from_secs(20)).await;
    kew.push(&["a"]).await;
    waiter.answer().await.expect(200);
    let start = Instant::now();
    waiter.send("POST / HTTP/1.1\r\nhost: k").await;
    assert_eq!((waiter.end().await, start.elapsed()), (String::new(), Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_still_tells_the_backlog() {
    let kew = start(|_| {}).await;
    kew.push(&["leased"]).await;
    let mut client = kew.connect(ROOM).await;
    client.call("POST", &path(), DEVELOPER, "").await.expect(200);
    let pulled = client.call("POST", &path(), DEVELOPER, r#"{"wait_time_ms":10}"#).await.expect(200);
    assert_eq!((&pulled["messages"], &pulled["message_backlog_count"]), (&json!([]), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn delays_and_leases_that_end_are_news() {
    let kew = start(|_| {}).await;
    let mut pusher = kew.connect(ROOM).await;
    let delayed = r#"{"body":"late","content_type":"text","delay_seconds":10}"#;
    pusher.call("POST", &format!("{JOBS}/messages"), DEVELOPER, delayed).await.expect(200);
    // A delay that ends
    let mut waiter = kew.waiter(r#"{"wait_time_ms":60000,"visibility_timeout_ms":5000}"#).await;
    kew.clock.advance(Seconds(10));
    assert_eq!(waiter.answer().await.expect(200)["messages"][0]["attempts"], 1);
    // A lease that ends
    let mut waiter = kew.waiter(MINUTE).await;
    kew.clock.advance(Milliseconds(5_000));
    assert_eq!(waiter.answer().await.expect(200)["messages"][0]["attempts"], 2);
}

#[tokio::test(start_paused = true)]
async fn of_a_thousand_who_wait_one_listens_one_gets_the_message_and_two_look() {
    // Given a thousand waiters
    let kew = start(|settings| settings.connections_max = 2_000).await;
    let mut waiters = Vec::new();
    for _ in 0..1_000 {
        let mut client = kew.connect(1_024).await;
        client.ask("POST", &path(), DEVELOPER, MINUTE).await;
        waiters.push(client);
    }
    kew.until_pulls(1_000).await;
    assert_eq!(kew.broker.listeners(), 1, "the first in line");
    // When one message comes
    kew.push(&["a"]).await;
    settle().await;
    // Then it costs two looks: of the first in line, who gets it, and of the next, who finds nothing
    assert_eq!((kew.pulls(), kew.broker.listeners()), (1_002, 1));
    // And when another comes, another gets it
    kew.push(&["b"]).await;
    settle().await;
    assert_eq!(kew.pulls(), 1_004);
    let mut got = Vec::new();
    for waiter in &mut waiters {
        let pulled = waiter.answer().await.expect(200);
        got.extend(bodies(&pulled).into_iter().map(str::to_owned));
    }
    got.sort();
    assert_eq!((got, kew.pulls()), (vec!["a".to_owned(), "b".to_owned()], 1_004));
}

#[tokio::test(start_paused = true)]
async fn who_came_first_is_served_first_and_the_next_looks_at_once() {
    let kew = start(|_| {}).await;
    let mut waiters = Vec::new();
    for _ in 0..3 {
        waiters.push(kew.waiter(MINUTE).await);
    }
    // One piece of news, messages for all three, one each
    kew.push(&["1", "2", "3"]).await;
    for (waiter, expected) in waiters.iter_mut().zip(["1", "2", "3"]) {
        assert_eq!(bodies(&waiter.answer().await.expect(200)), [expected]);
    }
    assert_eq!(kew.pulls(), 6);
}

#[tokio::test(start_paused = true)]
async fn when_the_first_in_line_gives_up_the_next_takes_its_place() {
    let kew = start(|_| {}).await;
    let mut first = kew.waiter(r#"{"wait_time_ms":1000}"#).await;
    let mut second = kew.waiter(MINUTE).await;
    assert_eq!(first.answer().await.expect(200)["messages"], json!([]));
    kew.push(&["a"]).await;
    assert_eq!(bodies(&second.answer().await.expect(200)), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_takes_no_message_along() {
    // Given three waiters, of which the first and the second leave
    let kew = start(|_| {}).await;
    let (first, second) = (kew.waiter(MINUTE).await, kew.waiter(MINUTE).await);
    let mut third = kew.waiter(MINUTE).await;
    drop((first, second));
    settle().await;
    // When a message comes
    kew.push(&["a"]).await;
    // Then the third gets it, at its first attempt
    let pulled = third.answer().await.expect(200);
    assert_eq!((bodies(&pulled), &pulled["messages"][0]["attempts"]), (vec!["a"], &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_allowed() {
    // Given two waiters, of two queues, where two are allowed
    let kew = start(|settings| settings.waiters_max = 2).await;
    let other = create_queue(kew.broker.as_ref(), "other", None).await;
    let kind = ConsumerKind::HttpPull(PullSettings::default());
    let place = kew_model::Place { account: ACCOUNT, queue: other };
    kew.broker.create_consumer(place, NewConsumer { kind, dead_letter_queue: None }).await.unwrap();
    let first = kew.waiter(MINUTE).await;
    let other_path = path().replace(&PLACE.queue.to_string(), &other.to_string());
    let mut second = kew.connect(ROOM).await;
    second.ask("POST", &other_path, DEVELOPER, MINUTE).await;
    kew.until_pulls(2).await;
    // Then a third is refused, unless it does not wait or finds something
    let mut third = kew.connect(ROOM).await;
    let refused = third.call("POST", &path(), DEVELOPER, MINUTE).await;
    assert_eq!((refused.failure(), refused.header("retry-after")), ((429, 10_250), Some("1")));
    assert!(refused.text().starts_with("2 pulls wait for messages already"), "{}", refused.text());
    third.call("POST", &path(), DEVELOPER, "").await.expect(200);
    // And when one leaves there is room
    drop(first);
    settle().await;
    third.ask("POST", &path(), DEVELOPER, MINUTE).await;
    settle().await;
    kew.push(&["a"]).await;
    assert_eq!(bodies(&third.answer().await.expect(200)), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_holds_no_room_for_bodies() {
    // Given room for one large body of unknown length, and a waiter that sent one
    let kew = start(|settings| settings.bodies_in_flight_bytes = 0).await;
    let mut waiter = kew.connect(ROOM).await;
    let long = format!("{MINUTE:50000}");
    let chunk = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let head =
        format!("POST {} HTTP/1.1\r\nhost: kew\r\n{DEVELOPER}\r\ntransfer-encoding: chunked\r\n\r\n", path());
    waiter.send(format!("{head}{chunk}")).await;
    kew.until_pulls(1).await;
    // Then others have the room
    let start = Instant::now();
    kew.push(&["a"]).await;
    assert_eq!((bodies(&waiter.answer().await.expect(200)), start.elapsed()), (vec!["a"], Duration::ZERO));
}

#[tokio::test]
async fn a_wait_out_of_range_is_refused() {
    let kew = Kew::start().await;
    for wrong in ["60001", "-1", "1.5", "\"10\""] {
        let answer = kew.post(&path(), &format!(r#"{{"wait_time_ms":{wrong}}}"#)).await;
        assert_eq!((answer.failure(), answer.pointer()), ((400, 10_026), "/wait_time_ms".into()), "{wrong}");
        assert_eq!(
            answer.text(),
            format!("wait_time_ms must be a whole number from 0 to 60000, not {wrong}")
        );
    }
}
