//! Requests that cost the connection: each is told why in the envelope, and its place is free for the next client even
//! while the bad one holds on (store-study §7.4 risks 4 and 8).

use tokio::time::Instant;

use crate::kew::JOBS;
use crate::memory::{DEVELOPER, InMemory};

/// Room for a whole bad request, so that its sender need not wait for the server.
const ROOM: usize = 4 * 1024 * 1024;

/// A push whose headers go on with `rest`.
fn push(rest: &str) -> Vec<u8> {
    push_as(DEVELOPER, rest)
}

/// The same with another credential.
fn push_as(credential: &str, rest: &str) -> Vec<u8> {
    format!("POST {JOBS}/messages HTTP/1.1\r\nhost: kew\r\n{credential}\r\n{rest}").into_bytes()
}

/// Sends bytes to a server that takes one connection at a time, and gives what it answers. Asserts that it then serves
/// another client, though the first one stays.
async fn told_and_let_go(bytes: &[u8]) -> Option<(u16, u64)> {
    let kew = InMemory::start(None, |settings| settings.connections_max = 1).await;
    let mut bad = kew.connect(ROOM).await;
    bad.send(bytes).await;
    let mut good = kew.connect(ROOM).await;
    good.call("GET", "/healthz", "", "").await.expect(200);
    let answer = bad.end().await;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let body: serde_json::Value = serde_json::from_str(body).expect("one answer, in the envelope");
    assert!(head.to_lowercase().contains("connection: close"), "{head}");
    Some((head[9..12].parse().unwrap(), body["errors"][0]["code"].as_u64().unwrap()))
}

#[tokio::test(start_paused = true)]
async fn bodies_that_are_too_large_or_too_slow_cost_the_connection() {
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65_536));
    for (name, bytes, expected) in [
        ("ten declared megabytes", push("content-length: 10000000\r\n\r\nxxx"), (413, 19_007)),
        (
            "chunks over a mebibyte",
            push(&format!("transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(17))),
            (413, 19_007),
        ),
        ("half a body", push("content-length: 10\r\n\r\n{\"body\""), (408, 19_006)),
        ("chunks that stop", push("transfer-encoding: chunked\r\n\r\n5\r\n{\"bod\r\n"), (408, 19_006)),
        ("half a chunk's size", push("transfer-encoding: chunked\r\n\r\n5"), (408, 19_006)),
    ] {
        assert_eq!((name, told_and_let_go(&bytes).await), (name, Some(expected)));
    }
}

#[tokio::test(start_paused = true)]
async fn only_so_many_bodies_of_clients_whom_nobody_knows_are_waited_for() {
    let kew = InMemory::start(None, |_| {}).await;
    let half = push_as("authorization: Bearer wrong", "content-length: 1000000\r\n\r\n{");
    let started = Instant::now();
    // Given as many as are waited for
    let mut waiting = Vec::new();
    for _ in 0..256 {
        let mut client = kew.connect(1_024).await;
        client.send(&half).await;
        waiting.push(client);
    }
    tokio::task::yield_now().await;
    // When others come, then each is answered at once, and is listened to for a while
    for rest in [
        "content-length: 1000000\r\n\r\n{",
        "content-length: 1000000\r\nexpect: 100-continue\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\nfffff\r\n{",
    ] {
        let mut client = kew.connect(1_024).await;
        client.send(push_as("authorization: Bearer wrong", rest)).await;
        let answer = client.answer().await;
        assert_eq!((answer.failure(), answer.header("connection")), ((401, 10_000), Some("close")));
        client.send(vec![b'x'; 500_000]).await;
        assert_eq!(client.end().await, "");
    }
    // But a body that is there does not cost the connection
    let mut client = kew.connect(ROOM).await;
    let path = format!("{JOBS}/messages");
    for _ in 0..3 {
        let refused = client.call("POST", &path, "authorization: Bearer wrong", r#"{"body":1}"#).await;
        assert_eq!((refused.failure(), refused.header("connection")), ((401, 10_000), None));
    }
    assert_eq!(started.elapsed().as_secs(), 0);
    // And those who were waited for in vain are told in the end, and let others be waited for
    for client in &mut waiting {
        assert_eq!(client.answer().await.failure(), (401, 10_000));
        assert_eq!(client.end().await, "");
    }
    client.send(&half).await;
    client.send(vec![b'x'; 999_999]).await;
    let answer = client.answer().await;
    assert_eq!((answer.failure(), answer.header("connection")), ((401, 10_000), None));
}

#[tokio::test(start_paused = true)]
async fn headers_that_do_not_end_cost_the_connection_without_an_answer() {
    for bytes in [b"P".to_vec(), push(""), push("x-slow: "), push(&format!("x-long: {}", "y".repeat(7_500)))]
    {
        assert_eq!(told_and_let_go(&bytes).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn headers_without_bound_cost_the_connection() {
    let many = push(&"x: y\r\n".repeat(101));
    for bytes in [push(&format!("x-long: {}", "y".repeat(9_000))), [many.as_slice(), b"\r\n"].concat()] {
        assert_eq!(told_and_let_go(&bytes).await, Some((431, 19_011)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_two_servers_could_read_in_two_ways_costs_the_connection() {
    let body = r#"{"body":1}"#;
    for (name, rest, code) in [
        ("two lengths", format!("content-length: 10\r\ncontent-length: 11\r\n\r\n{body}x"), 19_010),
        ("two lengths in one", format!("content-length: 10, 11\r\n\r\n{body}x"), 19_010),
        ("a folded header", format!("x-a: 1\r\n 2\r\ncontent-length: 10\r\n\r\n{body}"), 19_010),
        ("a tab that folds", format!("x-a: 1\r\n\t2\r\ncontent-length: 10\r\n\r\n{body}"), 19_010),
        (
            "chunked is not last",
            format!("transfer-encoding: chunked, gzip\r\n\r\na\r\n{body}\r\n0\r\n\r\n"),
            19_010,
        ),
        ("a zero byte", format!("x-a: 1\0\r\ncontent-length: 10\r\n\r\n{body}"), 19_010),
        ("a bare CR", format!("x-a: 1\rx-b: 2\r\ncontent-length: 10\r\n\r\n{body}"), 19_010),
        ("a bare LF ends a header", format!("x-a: 1\ncontent-length: 10\r\n\r\n{body}"), 19_010),
        ("a bare LF ends the headers", format!("content-length: 10\r\n\n{body}"), 19_010),
        (
            "a length and chunks",
            format!("content-length: 10\r\ntransfer-encoding: chunked\r\n\r\na\r\n{body}\r\n0\r\n\r\n"),
            19_010,
        ),
        (
            "chunks and a length",
            format!("transfer-encoding: chunked\r\ncontent-length: 10\r\n\r\na\r\n{body}\r\n0\r\n\r\n"),
            19_010,
        ),
        (
            "a bare LF ends a chunk's size",
            format!("transfer-encoding: chunked\r\n\r\na\n{body}\r\n0\r\n\r\n"),
            19_009,
        ),
        (
            "a bare LF ends a chunk",
            format!("transfer-encoding: chunked\r\n\r\na\r\n{body}\n0\r\n\r\n"),
            19_009,
        ),
        (
            "a huge chunk's size",
            format!("transfer-encoding: chunked\r\n\r\n1ffffffffffffffff\r\n{body}"),
            19_009,
        ),
    ] {
        assert_eq!((name, told_and_let_go(&push(&rest)).await), (name, Some((400, code))));
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_that_are_no_json_cost_nothing_but_their_answer() {
    let kew = InMemory::start(None, |settings| settings.connections_max = 1).await;
    let mut client = kew.connect(ROOM).await;
    let deep = format!(r#"{{"body":{}{}}}"#, "[".repeat(500_000), "]".repeat(500_000)).into_bytes();
    for (name, body, code) in [
        ("a million brackets", deep, 10_207),
        ("a million open brackets", "[".repeat(1_000_000).into_bytes(), 10_208),
        ("no UTF-8", b"{\"body\":\"\xff\xfe\"}".to_vec(), 10_208),
        ("an overlong slash", b"{\"body\":\"\xc0\xaf\"}".to_vec(), 10_208),
        ("a surrogate in UTF-8", b"{\"body\":\"\xed\xa0\x80\"}".to_vec(), 10_208),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec(), 10_208),
        ("a byte order mark", b"\xef\xbb\xbf{\"body\":1}".to_vec(), 10_208),
        ("zeros", vec![0; 1_000_000], 10_208),
    ] {
        client.send([push(&format!("content-length: {}\r\n\r\n", body.len())), body].concat()).await;
        assert_eq!((name, client.answer().await.failure()), (name, (400, code)));
    }
    client.call("GET", "/healthz", "", "").await.expect(200);
}
