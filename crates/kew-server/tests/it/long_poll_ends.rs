//! What ends a pull that waits, besides a message and its deadline: changes that a pull is refused for, lost rights, the end
//! of the server, and clients that leave.

use std::sync::atomic::Ordering;
use std::time::Duration;

use kew_model::{Broker as _, NewToken, QueueChange, QueuePattern, Scope, Seconds};
use kew_server::Access;
use kew_testkit::FixedChance;
use kew_wire::access::Credential;
use serde_json::json;
use tokio::time::Instant;

use crate::kew::{ACCOUNT, Kew, PLACE};
use crate::long_poll::{MINUTE, ROOM, bodies, path, start};
use crate::memory::InMemory;

#[tokio::test(start_paused = true)]
async fn a_change_that_a_pull_would_be_refused_for_ends_the_wait() {
    for change in ["pause", "detach", "delete"] {
        let kew = start(|_| {}).await;
        let (mut first, mut second) = (kew.waiter(MINUTE).await, kew.waiter(MINUTE).await);
        let expected = match change {
            "pause" => {
                let pause = QueueChange { delivery_paused: Some(true), ..QueueChange::default() };
                kew.broker.update_queue(PLACE, pause).await.unwrap();
                (409, 10_252)
            }
            "detach" => {
                let consumer = kew.broker.queue(PLACE).unwrap().consumer.clone().unwrap();
                kew.broker.delete_consumer(PLACE, consumer.id).await.unwrap();
                kew.push(&["kept"]).await;
                (405, 19_001)
            }
            _ => {
                kew.broker.delete_queue(PLACE).await.unwrap();
                (404, 11_000)
            }
        };
        let start = Instant::now();
        for waiter in [&mut first, &mut second] {
            let answer = waiter.answer().await;
            assert_eq!(answer.failure(), expected, "{change}");
            let retry = answer.header("x-should-retry");
            assert_eq!(retry, (change == "pause").then_some("false"), "{change}");
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "{change}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drains_answers_all_who_wait_at_once() {
    let mut kew = start(|_| {}).await;
    let mut waiters = Vec::new();
    for _ in 0..20 {
        waiters.push(kew.waiter(MINUTE).await);
    }
    let start = Instant::now();
    drop(kew.stop.take());
    for waiter in &mut waiters {
        assert_eq!(waiter.answer().await.expect(200)["messages"], json!([]));
        assert_eq!(waiter.end().await, "", "and closes the connection");
    }
    kew.running.await.unwrap();
    assert_eq!((start.elapsed(), kew.broker.pulls.load(Ordering::SeqCst)), (Duration::ZERO, 20));
}

/// A token for queues whose names begin so, and its header line.
async fn token(kew: &InMemory, prefix: &str, expires: Option<kew_model::Timestamp>) -> (NewToken, String) {
    let minted = Credential::mint(&FixedChance::new(77));
    let new = NewToken {
        id: minted.id,
        name: String::new(),
        hash: minted.hash,
        email: None,
        scopes: [Scope::Consume].into_iter().collect(),
        queues: QueuePattern::Prefix(prefix.into()),
        expires_on: expires,
    };
    kew.broker.create_token(ACCOUNT, new.clone()).await.unwrap();
    (new, format!("authorization: Bearer {}", minted.secret.reveal()))
}

#[tokio::test(start_paused = true)]
async fn who_loses_a_right_while_waiting_gets_nothing() {
    for change in ["revoke", "expire", "rename"] {
        // Given a waiter
        let kew = start(|settings| settings.access = Access::Tokens).await;
        let end = kew_testkit::ManualClock::START.after(Seconds(30));
        let (new, header) = token(&kew, "jo", (change == "expire").then_some(end)).await;
        let mut waiter = kew.connect(ROOM).await;
        waiter.ask("POST", &path(), &header, MINUTE).await;
        kew.until_pulls(1).await;
        // When its token, or the queue under its name, is gone before a message comes
        let expected = match change {
            "revoke" => {
                kew.broker.revoke_token(ACCOUNT, new.id).await.unwrap();
                (401, 10_000)
            }
            "expire" => {
                kew.clock.advance(Seconds(30));
                (401, 10_000)
            }
            _ => {
                let name = Some("tasks".parse().unwrap());
                kew.broker.update_queue(PLACE, QueueChange { name, ..QueueChange::default() }).await.unwrap();
                (404, 11_000)
            }
        };
        let mut batch = kew_model::PushBatch::new();
        batch.add(b"secret", kew_model::ContentType::Text, None).unwrap();
        kew.broker.push(PLACE, batch).await.unwrap();
        // Then it is refused, and the message is nobody's
        let answer = waiter.answer().await;
        assert_eq!(answer.failure(), expected, "{change}");
        let peeked = kew.broker.peek(PLACE, kew_model::Peek::default()).await.unwrap();
        assert_eq!((peeked.messages.len(), peeked.messages[0].attempts), (1, 0), "{change}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_lost_its_right_is_told_so_at_the_deadline_too() {
    let kew = start(|settings| settings.access = Access::Tokens).await;
    let (new, header) = token(&kew, "jo", None).await;
    let mut waiter = kew.connect(ROOM).await;
    waiter.ask("POST", &path(), &header, MINUTE).await;
    kew.until_pulls(1).await;
    kew.broker.revoke_token(ACCOUNT, new.id).await.unwrap();
    assert_eq!(waiter.answer().await.failure(), (401, 10_000));
}

#[tokio::test]
async fn over_real_sockets_a_push_wakes_and_a_hang_up_ends_the_wait() {
    let kew = Kew::start().await;
    let headers = kew.admin.clone();
    // Given a client that waits and then sends no more
    let mut leaving = kew.connect().await;
    leaving.ask("POST", &path(), &headers, MINUTE).await;
    tokio::io::AsyncWriteExt::shutdown(&mut leaving.stream).await.unwrap();
    assert_eq!(leaving.end().await, "", "closed without an answer");
    // When another waits and a message comes
    let mut waiter = kew.connect().await;
    waiter.ask("POST", &path(), &headers, MINUTE).await;
    kew.push_texts(&["a"]).await;
    // Then it is the other's
    let pulled = waiter.answer().await.expect(200);
    assert_eq!((bodies(&pulled), &pulled["messages"][0]["attempts"]), (vec!["a"], &json!(1)));
}

/// What a client may send behind its request.
const NEXT: &str = "GET /healthz HTTP/1.1\r\nhost: kew\r\n\r\n";

#[tokio::test]
async fn a_client_that_has_sent_requests_ahead_and_leaves_is_noticed_too() {
    let kew = Kew::start().await;
    let pull = format!(
        "POST {} HTTP/1.1\r\nhost: kew\r\n{}\r\ncontent-length: {}\r\n\r\n{MINUTE}",
        path(),
        kew.admin,
        MINUTE.len()
    );
    // Given clients that send more behind a pull that waits: with it, or later, a whole request or a part of one
    for (with_it, later) in [(NEXT, ""), ("", NEXT), (&NEXT[..20], ""), (NEXT, &NEXT[..20])] {
        let mut leaving = kew.connect().await;
        leaving.send(format!("{pull}{with_it}")).await;
        leaving.send(later).await;
        // When they send no more
        tokio::io::AsyncWriteExt::shutdown(&mut leaving.stream).await.unwrap();
        // Then that is noticed long before the deadline
        assert_eq!(leaving.end().await, "", "closed without an answer");
    }
    // And a message is for who is still there
    let mut waiter = kew.connect().await;
    waiter.ask("POST", &path(), &kew.admin, MINUTE).await;
    kew.push_texts(&["a"]).await;
    let pulled = waiter.answer().await.expect(200);
    assert_eq!((bodies(&pulled), &pulled["messages"][0]["attempts"]), (vec!["a"], &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_ahead_is_answered_after_the_wait_however_much_it_is() {
    for count in [1, 40, 400] {
        let kew = start(|_| {}).await;
        let mut waiter = kew.waiter(MINUTE).await;
        waiter.send(NEXT.repeat(count)).await;
        kew.push(&["a"]).await;
        assert_eq!(bodies(&waiter.answer().await.expect(200)), ["a"]);
        for _ in 0..count {
            waiter.answer().await.expect(200);
        }
    }
}
