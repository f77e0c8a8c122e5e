//! Requests that a client sends behind each other without waiting, and heads that come in pieces.

use crate::kew::JOBS;
use crate::memory::{DEVELOPER, InMemory};

const ROOM: usize = 65_536;

fn health(more: &str) -> String {
    format!("GET /healthz HTTP/1.1\r\nhost: kew\r\n{more}\r\n")
}

fn push(credential: &str) -> String {
    let body = r#"{"body":"GET / HTTP/1.1\r\n\r\n"}"#;
    let length = body.len();
    format!(
        "POST {JOBS}/messages HTTP/1.1\r\nhost: kew\r\n{credential}content-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_in_their_order_in_whatever_pieces_they_come() {
    let known = push(&format!("{DEVELOPER}\r\n"));
    for (name, requests, statuses) in [
        ("nobody known", vec![health(""), push(""), health(""), push("")], [200, 401, 200, 401]),
        ("somebody known", vec![known.clone(), health(""), known.clone(), push("")], [200, 200, 200, 401]),
        ("known in between", vec![push(""), health(""), known, health("")], [401, 200, 200, 200]),
    ] {
        let all = requests.concat();
        for part_bytes in [1, 2, 63, all.len() - 1, all.len()] {
            let kew = InMemory::start(None, |_| {}).await;
            let mut client = kew.connect(ROOM).await;
            for part in all.as_bytes().chunks(part_bytes) {
                client.send(part).await;
                tokio::task::yield_now().await;
            }
            for status in statuses {
                assert_eq!(client.answer().await.status, status, "{name}, by {part_bytes}");
            }
            // The connection goes on, also after a while.
            tokio::time::advance(core::time::Duration::from_secs(30)).await;
            client.call("GET", "/healthz", "", "").await.expect(200);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn large_heads_are_read_in_pieces_as_long_as_there_is_room() {
    let kew = InMemory::start(None, |settings| settings.heads_in_flight_bytes = 6_000).await;
    let large = health(&format!("x-long: {}\r\n", "y".repeat(7_000)));
    // Given one that takes the room
    let mut first = kew.connect(ROOM).await;
    first.send(&large[..7_000]).await;
    tokio::task::yield_now().await;
    // When another needs some, then it is told that there is none
    let mut second = kew.connect(ROOM).await;
    second.send(&large[..4_000]).await;
    let answer = second.answer().await;
    assert_eq!((answer.failure(), answer.header("retry-after")), ((429, 10_250), Some("1")));
    assert_eq!(second.end().await, "", "and the connection ends");
    // But those that need none are served: small ones, those that come at once, and those of somebody known
    let small = health("");
    let mut others = [kew.connect(ROOM).await, kew.connect(ROOM).await, kew.connect(ROOM).await];
    others[0].send(&small[..20]).await;
    others[1].send(&large).await;
    others[2].call("POST", &format!("{JOBS}/messages"), DEVELOPER, r#"{"body":1}"#).await.expect(200);
    others[2].send(&large[..4_000]).await;
    tokio::task::yield_now().await;
    others[0].send(&small[20..]).await;
    others[2].send(&large[4_000..]).await;
    for other in &mut others {
        other.answer().await.expect(200);
    }
    // And with the end of the first there is room again
    first.send(&large[7_000..]).await;
    first.answer().await.expect(200);
    let mut last = kew.connect(ROOM).await;
    last.send(&large[..7_000]).await;
    tokio::task::yield_now().await;
    last.send(&large[7_000..]).await;
    last.answer().await.expect(200);
}
