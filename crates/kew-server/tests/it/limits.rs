//! Every bound on the way in (store-study §7.3, §7.4 risk 4 and 8).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::faulty::Push;
use crate::kew::{JOBS, Kew};
use crate::memory::{DEVELOPER, InMemory};

const ROOM: usize = 65_536;

fn push_path() -> String {
    format!("{JOBS}/messages")
}

/// The start of a push, up to and without the end of its headers.
fn push_head(more: &str) -> String {
    format!("POST {} HTTP/1.1\r\nhost: kew\r\n{DEVELOPER}\r\n{more}", push_path())
}

#[tokio::test(start_paused = true)]
async fn headers_that_do_not_end_close_the_connection_after_five_seconds() {
    let kew = InMemory::start(None, |_| {}).await;
    let mut slow = kew.connect(ROOM).await;
    let started = Instant::now();
    slow.send(push_head("")).await;
    assert_eq!(slow.end().await, "");
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn headers_that_drip_are_not_longer_in_time() {
    let kew = InMemory::start(None, |_| {}).await;
    let mut slow = kew.connect(ROOM).await;
    // The first request is in time, and so is the second's first byte.
    slow.call("GET", "/healthz", "", "").await.expect(200);
    tokio::time::advance(Duration::from_secs(42)).await;
    let started = Instant::now();
    for byte in b"GET /heal" {
        slow.send([*byte]).await;
        tokio::time::advance(Duration::from_millis(500)).await;
    }
    assert_eq!(slow.end().await, "");
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_a_minute() {
    let kew = InMemory::start(None, |_| {}).await;
    let mut idle = kew.connect(ROOM).await;
    tokio::time::advance(Duration::from_secs(30)).await;
    idle.call("GET", "/healthz", "", "").await.expect(200);
    let started = Instant::now();
    assert_eq!(idle.end().await, "");
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_answered_with_408() {
    let kew = InMemory::start(None, |_| {}).await;
    let mut slow = kew.connect(ROOM).await;
    let started = Instant::now();
    slow.send(push_head("content-length: 100\r\n\r\n{\"body\":")).await;
    let answer = slow.answer().await;
    assert_eq!(answer.failure(), (408, 19_006));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(started.elapsed().as_secs(), 10);
    assert_eq!(slow.end().await, "");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_is_answered_after_half_a_minute() {
    let never = Push::Wait(Arc::new(Notify::new()), Arc::new(Notify::new()));
    let kew = InMemory::start(Some(never), |_| {}).await;
    let mut client = kew.connect(ROOM).await;
    let started = Instant::now();
    let answer = client.call("POST", &push_path(), DEVELOPER, r#"{"body":1}"#).await;
    assert_eq!(answer.failure(), (503, 19_005));
    assert!(answer.text().contains("outcome is unknown"), "{answer:?}");
    assert_eq!(started.elapsed().as_secs(), 30);
    client.call("GET", "/healthz", "", "").await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answer_is_let_go() {
    // Given a connection that holds less than an answer
    let kew = InMemory::start(None, |_| {}).await;
    let mut deaf = kew.connect(64).await;
    deaf.send(format!("GET {} HTTP/1.1\r\nhost: kew\r\n{DEVELOPER}\r\n\r\n", crate::kew::QUEUES)).await;
    // When nobody reads for longer than allowed
    tokio::time::sleep_until(Instant::now() + Duration::from_secs(100)).await;
    // Then the connection ends within the answer
    let cut = deaf.end().await;
    assert!(cut.starts_with("HTTP/1.1 200 OK") && !cut.ends_with('}'), "{cut}");
}

#[tokio::test]
async fn a_declared_body_over_a_mebibyte_is_refused_unread() {
    let kew = Kew::start().await;
    for size in ["1048577", "1073741824", "9223372036854775807"] {
        let mut client = kew.connect().await;
        let headers = format!("{}\r\ncontent-length: {size}\r\n\r\n", kew.admin);
        client.send(format!("POST {} HTTP/1.1\r\nhost: kew\r\n{headers}", push_path())).await;
        let answer = client.answer().await;
        assert_eq!(answer.failure(), (413, 19_007), "{size}");
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

#[tokio::test]
async fn a_client_that_goes_on_sending_still_reads_its_refusal() {
    let kew = Kew::start().await;
    let mut client = kew.connect().await;
    let headers = format!("{}\r\ncontent-length: 3000000\r\n\r\n", kew.admin);
    client.send(format!("POST {} HTTP/1.1\r\nhost: kew\r\n{headers}", push_path())).await;
    for _ in 0..30 {
        client.send([b'x'; 100_000]).await;
    }
    assert_eq!(client.answer().await.failure(), (413, 19_007));
}

#[tokio::test]
async fn a_chunked_body_is_counted_as_it_comes() {
    let kew = Kew::start().await;
    let mut client = kew.connect().await;
    let headers = format!("{}\r\ntransfer-encoding: chunked\r\n\r\n", kew.admin);
    client.send(format!("POST {} HTTP/1.1\r\nhost: kew\r\n{headers}", push_path())).await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65_536));
    for _ in 0..17 {
        client.send(&chunk).await;
    }
    assert_eq!(client.answer().await.failure(), (413, 19_007));
}

#[tokio::test]
async fn a_body_of_a_mebibyte_is_read() {
    let kew = Kew::start().await;
    let padding = " ".repeat(1_048_576 - r#"{"body":1}"#.len());
    kew.post(&push_path(), &format!(r#"{{"body":1}}{padding}"#)).await.expect(200);
    let refused = kew.post(&push_path(), &format!(r#"{{"body":1}}{padding} "#)).await;
    assert_eq!(refused.failure(), (413, 19_007));
}

#[tokio::test]
async fn bodies_come_in_chunks_or_wait_to_be_asked_for() {
    let kew = Kew::start().await;
    let mut client = kew.connect().await;
    let start = format!("POST {} HTTP/1.1\r\nhost: kew\r\n{}\r\n", push_path(), kew.admin);
    // Chunked, with an extension and a trailer.
    let chunks =
        "transfer-encoding: chunked\r\n\r\n4\r\n{\"bo\r\n6;x=y\r\ndy\":1}\r\n0\r\ntrailer: x\r\n\r\n";
    client.send(format!("{start}{chunks}")).await;
    client.answer().await.expect(200);
    // With a length, and told to go on.
    let mut client = kew.connect().await;
    client.send(format!("{start}content-length: 10\r\nexpect: 100-continue\r\n\r\n")).await;
    assert_eq!(client.answer_without_body().await.status, 100);
    client.send(r#"{"body":1}"#).await;
    client.answer().await.expect(200);
}

#[tokio::test]
async fn who_waits_to_be_asked_is_refused_before_sending() {
    let kew = Kew::start().await;
    let mut client = kew.connect().await;
    let headers = "authorization: Bearer wrong\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n";
    client.send(format!("POST {} HTTP/1.1\r\nhost: kew\r\n{headers}", push_path())).await;
    assert_eq!(client.answer().await.failure(), (401, 10_000));
}

#[tokio::test]
async fn a_refused_request_leaves_the_connection_in_order() {
    let kew = Kew::start().await;
    let mut client = kew.connect().await;
    // The body of a refused request is not taken for the next request.
    let body = format!("GET /healthz HTTP/1.1\r\n\r\n{}", "x".repeat(200_000));
    let refused = client.call("POST", &push_path(), "authorization: Bearer wrong", &body).await;
    assert_eq!(refused.failure(), (401, 10_000));
    let unknown = client.call("POST", "/nowhere", "", &body).await;
    assert_eq!(unknown.failure(), (404, 7003));
    client.call("GET", "/healthz", "", "").await.expect(200);
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_431_in_the_envelope() {
    let kew = Kew::start().await;
    let many: String = (0..101).map(|index| format!("x-{index}: 1\r\n")).collect();
    let large = format!("x-large: {}\r\n", "x".repeat(9_000));
    for headers in [many, large] {
        let mut client = kew.connect().await;
        client.send(format!("GET /healthz HTTP/1.1\r\nhost: kew\r\n{headers}\r\n")).await;
        let answer = client.answer().await;
        assert_eq!(answer.failure(), (431, 19_011));
        assert_eq!(client.end().await, "");
    }
}

#[tokio::test]
async fn what_two_servers_could_read_in_two_ways_is_refused() {
    let kew = Kew::start().await;
    let start = format!("POST {} HTTP/1.1\r\nhost: kew\r\n{}\r\n", push_path(), kew.admin);
    let body = "{\"body\":1}";
    for (name, rest) in [
        ("a length and chunks", "content-length: 10\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".into()),
        ("a bare LF", format!("x-a: 1\ncontent-length: 10\r\n\r\n{body}")),
        ("two lengths", format!("content-length: 10\r\ncontent-length: 11\r\n\r\n{body}x")),
        ("a length with a sign", format!("content-length: +10\r\n\r\n{body}")),
        ("an unknown encoding", format!("transfer-encoding: identity\r\n\r\n{body}")),
        ("chunked is not last", format!("transfer-encoding: chunked, gzip\r\n\r\na\r\n{body}\r\n0\r\n\r\n")),
        ("a folded header", format!("x-a: 1\r\n 2\r\ncontent-length: 10\r\n\r\n{body}")),
        ("a space before the colon", format!("content-length : 10\r\n\r\n{body}")),
        ("no chunk size", format!("transfer-encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n")),
    ] {
        let mut client = kew.connect().await;
        client.send(format!("{start}{rest}")).await;
        let answer = client.answer().await;
        assert_eq!((name, answer.status), (name, 400));
        let (status, code) = answer.failure();
        assert!(status == 400 && matches!(code, 19_009 | 19_010), "{name}: {answer:?}");
    }
    assert_eq!(kew.pull("").await["message_backlog_count"], 0, "nothing was pushed");
}

#[tokio::test]
async fn after_a_chunked_body_nothing_is_taken_for_a_request() {
    let kew = Kew::start().await;
    let start = format!("POST {} HTTP/1.1\r\nhost: kew\r\n{}\r\n", push_path(), kew.admin);
    // Given a body in chunks, and bytes after it that are a request
    let second = format!("DELETE {JOBS} HTTP/1.1\r\nhost: kew\r\n{}\r\n\r\n", kew.admin);
    let chunks = format!("a\r\n{{\"body\":1}}\r\n0\r\n\r\n{second}");
    // When it is sent
    let mut client = kew.connect().await;
    client.send(format!("{start}transfer-encoding: chunked\r\n\r\n{chunks}")).await;
    // Then the chunks count, and the connection ends
    let answer = client.answer().await;
    answer.expect(200);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(client.end().await, "");
    kew.call("GET", JOBS, "").await.expect(200);
}

#[tokio::test]
async fn a_head_is_watched_behind_requests_that_were_sent_ahead() {
    let kew = Kew::start().await;
    let start = format!("POST {} HTTP/1.1\r\nhost: kew\r\n{}\r\n", push_path(), kew.admin);
    // Given two pushes, the bodies of which hold what no head may, and then a head that nobody may read
    let good = format!("{start}content-length: 12\r\n\r\n{{\n\"body\":\n1}}");
    let bad = format!("{start}content-length: 10\n\r\n{{\"body\":1}}");
    let mut client = kew.connect().await;
    // When all of them come at once
    client.send(format!("{good}{good}{bad}")).await;
    // Then the good ones are served, and the connection ends
    client.answer().await.expect(200);
    client.answer().await.expect(200);
    assert_eq!(client.answer_without_body().await.status, 400);
    client.end().await;
    assert_eq!(kew.pull("").await["message_backlog_count"], 2);
}

#[tokio::test]
async fn what_is_no_http_is_answered_in_the_envelope() {
    let kew = Kew::start().await;
    for bytes in [
        "GARBAGE\r\n\r\n",
        "GET /healthz HTTP/9.9\r\n\r\n",
        "GET  HTTP/1.1\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\r\n\r\n",
    ] {
        let mut client = kew.connect().await;
        client.send(bytes).await;
        assert_eq!(client.answer().await.failure(), (400, 19_010), "{bytes:?}");
        assert_eq!(client.end().await, "");
    }
    // Also after a good request on the same connection.
    let mut client = kew.connect().await;
    client.call("GET", "/healthz", "", "").await.expect(200);
    client.send("GARBAGE\r\n\r\n").await;
    assert_eq!(client.answer().await.failure(), (400, 19_010));
}

#[tokio::test]
async fn requests_may_be_sent_ahead() {
    let kew = Kew::start().await;
    let mut client = kew.connect().await;
    client.send("GET /healthz HTTP/1.1\r\nhost: kew\r\n\r\n".repeat(50)).await;
    for _ in 0..50 {
        client.answer().await.expect(200);
    }
}

#[tokio::test]
async fn deep_and_huge_json_is_refused_and_harms_nobody() {
    let kew = Kew::start().await;
    let deep = "[".repeat(500_000);
    for (body, code) in [
        (format!(r#"{{"body":{deep}"#), 10_208),
        (format!(r#"{{"body":{deep}{}}}"#, "]".repeat(500_000)), 10_207),
        (format!(r#"{{"delay_seconds":{deep}{},"body":1}}"#, "]".repeat(500_000)), 10_203),
        (format!(r#"{{"body":1,"delay_seconds":{}}}"#, "9".repeat(900_000)), 10_203),
        (format!(r#"{{"body":1,"delay_seconds":1e{}}}"#, "9".repeat(900_000)), 10_203),
    ] {
        let answer = kew.post(&push_path(), &body).await;
        assert_eq!(answer.failure(), (400, code), "{}", &body[..40]);
        assert!(answer.body.len() < 1_000, "{}", answer.body.len());
    }
    kew.post(&push_path(), r#"{"body":1}"#).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn no_more_connections_are_served_than_allowed() {
    let kew = InMemory::start(None, |settings| settings.connections_max = 1).await;
    let (mut first, mut second) = (kew.connect(ROOM).await, kew.connect(ROOM).await);
    first.call("GET", "/healthz", "", "").await.expect(200);
    // The second waits until the first goes, by itself or for idleness.
    second.ask("GET", "/healthz", "", "").await;
    let waited = tokio::time::timeout(Duration::from_secs(50), second.answer()).await;
    assert!(waited.is_err(), "two at a time");
    drop(first);
    second.answer().await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn large_bodies_wait_for_room_and_no_longer_than_a_body_may() {
    // Given room for one mebibyte of bodies, taken by a push that hangs
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let wait = Push::Wait(begun.clone(), go.clone());
    let kew = InMemory::start(Some(wait), |settings| settings.bodies_in_flight_bytes = 0).await;
    let mut first = kew.connect(2 * 1024 * 1024).await;
    first.ask("POST", &push_path(), DEVELOPER, &format!(r#"{{"body":1}}{}"#, " ".repeat(1_048_566))).await;
    begun.notified().await;
    // When another large one comes, it waits in vain
    let large = format!(r#"{{"body":1}}{}"#, " ".repeat(100_000));
    let mut second = kew.connect(ROOM * 2).await;
    let refused = second.call("POST", &push_path(), DEVELOPER, &large).await;
    assert_eq!(refused.failure(), (408, 19_006));
    // But small ones are in hand at once, whether they come in one piece or in several
    let mut others = [kew.connect(ROOM).await, kew.connect(ROOM).await];
    for (other, size) in others.iter_mut().zip([10, 30_000]) {
        other.ask("POST", &push_path(), DEVELOPER, &format!("{:size$}", r#"{"body":1}"#)).await;
        begun.notified().await;
    }
    // And when the first is done, there is room again
    for client in [&mut first].into_iter().chain(&mut others) {
        go.notify_one();
        client.answer().await.expect(200);
    }
    go.notify_one();
    first.call("POST", &push_path(), DEVELOPER, &large).await.expect(200);
}
