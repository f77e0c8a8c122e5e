//! What bad clients may cost the real process (store-study §7.3, §7.4 risk 4): never more than 64 MiB over what it holds
//! idle, and no connection once they are gone. What they are told is asserted as well, and a good client is served.

use std::io::Write;
use std::net::TcpStream;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::siege::{Siege, Told, told};

/// Bad clients at a time that send bodies.
const CLIENTS: usize = 128;
/// Connections of a flood: fewer than the server takes, which is 4,096.
const FLOOD: usize = 3_000;
/// Connections of a flood that sends heads as large as they may be: nearly all that the server takes.
const HEADS: usize = 4_000;
/// Connections of one that sends a body before, too.
const HEADS_BEHIND_BODIES: usize = 1_500;
/// Connections of a flood that sends half a body: nearly all that the server takes.
const HALF_BODIES: usize = 4_000;
const MEBIBYTE: usize = 1 << 20;

fn refused(status: u16, code: u64) -> Told {
    Told { status, code, hung_up: true }
}

/// A refusal after which the connection goes on.
fn told_off(status: u16, code: u64) -> Told {
    Told { status, code, hung_up: false }
}

fn assert_all(told: &[Told], expected: &Told) {
    let wrong: Vec<_> = told.iter().filter(|told| *told != expected).collect();
    assert!(wrong.is_empty(), "{} are not {expected:?}, the first is {:?}", wrong.len(), wrong.first());
}

#[test]
fn bodies_of_ten_megabytes_are_refused_unread() {
    let siege = Siege::begin();
    let head = siege.push_head("content-length: 10000000\r\n\r\n");
    let told = siege.attack(CLIENTS, head.as_bytes(), &[b'x'; 100_000], 100);
    assert_all(&told, &refused(413, 19_007));
    siege.end();
}

#[test]
fn chunked_bodies_without_end_are_cut_at_a_mebibyte() {
    let siege = Siege::begin();
    let head = siege.push_head("transfer-encoding: chunked\r\n\r\n");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65_536));
    // 64 MiB each, if the server took them.
    let told = siege.attack(CLIENTS, head.as_bytes(), chunk.as_bytes(), 1_024);
    assert_all(&told, &refused(413, 19_007));
    siege.end();
}

#[test]
fn a_million_brackets_are_read_without_a_stack() {
    let siege = Siege::begin();
    let open = "[".repeat(500_000);
    let close = "]".repeat(500_000);
    for (body, code) in [
        (format!(r#"{{"body":{open}{close}}}"#), 10_207),
        (format!(r#"{{"body":{}"#, "[".repeat(1_000_000)), 10_208),
        (format!(r#"{{"body":1,"unknown":{open}{}"#, "{".repeat(500_000)), 10_208),
    ] {
        let head = siege.push_head(&format!("content-length: {}\r\n\r\n", body.len()));
        assert_all(&siege.attack(CLIENTS, head.as_bytes(), body.as_bytes(), 1), &told_off(400, code));
    }
    siege.end();
}

#[test]
fn text_that_is_no_utf_8_is_refused() {
    let siege = Siege::begin();
    let head = siege.push_head(&format!("content-length: {MEBIBYTE}\r\n\r\n"));
    for byte in [0xff, 0xc0] {
        let told = siege.attack(CLIENTS, head.as_bytes(), &vec![byte; MEBIBYTE], 1);
        assert_all(&told, &told_off(400, 10_208));
    }
    siege.end();
}

#[test]
fn headers_without_end_are_cut_at_8_kib() {
    let siege = Siege::begin();
    let told = siege.attack(CLIENTS, siege.push_head("").as_bytes(), b"x-more: and more\r\n", 100_000);
    assert_all(&told, &refused(431, 19_011));
    siege.end();
}

#[test]
fn what_two_servers_could_read_in_two_ways_costs_the_connection() {
    let siege = Siege::begin();
    let body = r#"{"body":1}"#;
    for rest in [
        format!("content-length: 10\r\ncontent-length: 11\r\n\r\n{body}x"),
        format!("transfer-encoding: chunked, identity\r\n\r\na\r\n{body}\r\n0\r\n\r\n"),
        format!("x: 1\r\n folded: 2\r\ncontent-length: 10\r\n\r\n{body}"),
        format!("x: 1\ncontent-length: 10\r\n\r\n{body}"),
        format!("content-length: 10\r\ntransfer-encoding: chunked\r\n\r\na\r\n{body}\r\n0\r\n\r\n"),
    ] {
        let request = siege.push_head(&rest);
        let told = siege.attack(CLIENTS, request.as_bytes(), b"", 0);
        assert_all(&told, &refused(400, 19_010));
    }
    siege.end();
}

#[test]
fn thousands_of_connections_are_held_and_let_go() {
    // Given thousands of clients, half of which have begun a request
    let mut siege = Siege::begin();
    let flood = flood(&siege);
    // When they stay, then a good client is served
    siege.serves();
    assert!(siege.connections() <= FLOOD);
    // And those that are silent within their headers are let go by the server, without an answer
    for mut stream in flood.iter().step_by(2) {
        assert_eq!(std::io::Read::read(&mut stream, &mut [0; 16]).unwrap(), 0);
    }
    drop(flood);
    siege.end();
}

#[test]
fn huge_heads_that_do_not_end_cost_little_before_anyone_is_known() {
    // Given clients without a token
    let mut siege = Siege::begin();
    allow_files();
    let streams: Vec<_> = (0..HEADS).map(|_| siege.connect()).collect();
    // When each leaves a head of nearly the allowed size without an end
    send_to_all(&streams, &unfinished_head());
    // Then a good client is served, and they are let go: some because there is no more room for heads, which they are
    // told, and the others in the end without an answer
    siege.serves();
    let told: Vec<_> = streams.iter().map(read_to_end).collect();
    let crowded = told.iter().filter(|text| text.contains(r#""code":10250"#)).count();
    assert!(told.iter().all(|text| text.is_empty() || text.starts_with("HTTP/1.1 429 ")));
    assert!((1..HEADS).contains(&crowded), "{crowded} of {HEADS}");
    drop(streams);
    siege.end();
}

#[test]
fn huge_heads_behind_bodies_cost_little_before_anyone_is_known() {
    // Given clients without a token, whose first request has made the server read in large pieces
    let mut siege = Siege::begin();
    allow_files();
    let path = siege.site.messages(&siege.site.queues.work, "");
    let ahead = format!("POST {path} HTTP/1.1\r\nhost: kew\r\ncontent-length: 64000\r\n\r\n{:64000}", "");
    let streams: Vec<_> = (0..HEADS_BEHIND_BODIES).map(|_| siege.connect()).collect();
    // When each leaves a head of nearly the allowed size without an end
    send_to_all(&streams, &format!("{ahead}{}", unfinished_head()));
    // Then a good client is served, and they are let go
    siege.serves();
    for stream in &streams {
        assert!(read_to_end(stream).starts_with("HTTP/1.1 401 "));
    }
    drop(streams);
    siege.end();
}

#[test]
fn half_bodies_cost_little_before_anyone_is_known() {
    // Given clients without a token
    let mut siege = Siege::begin();
    allow_files();
    let path = siege.site.messages(&siege.site.queues.work, "");
    let streams: Vec<_> = (0..HALF_BODIES).map(|_| siege.connect()).collect();
    // When each sends a part of a body, and no more
    let head = format!("POST {path} HTTP/1.1\r\nhost: kew\r\ncontent-length: 1000000\r\n\r\n");
    send_to_all(&streams, &format!("{head}{:30000}", ""));
    // Then a good client is served, and they are told and let go
    siege.serves();
    let told: Vec<_> = streams.iter().map(told).collect();
    assert_all(&told, &refused(401, 10_000));
    drop(streams);
    siege.end();
}

fn unfinished_head() -> String {
    format!("GET /healthz HTTP/1.1\r\nhost: kew\r\nx-long: {}", "y".repeat(7_500))
}

fn send_to_all(streams: &[TcpStream], text: &str) {
    for mut stream in streams {
        stream.write_all(text.as_bytes()).unwrap();
    }
}

/// Reads until the server hangs up, and gives what it said.
fn read_to_end(mut stream: &TcpStream) -> String {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match std::io::Read::read(&mut stream, &mut buffer).unwrap() {
            0 => return String::from_utf8(said).unwrap(),
            count => said.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Some systems let a process open a thousand files unless it asks for more.
fn allow_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

fn flood(siege: &Siege) -> Vec<TcpStream> {
    allow_files();
    let connect = |index: usize| {
        let mut stream = siege.connect();
        if index.is_multiple_of(2) {
            stream.write_all(siege.push_head("x-slow: yes\r\n").as_bytes()).unwrap();
        }
        stream
    };
    (0..FLOOD).map(connect).collect()
}

#[test]
fn slow_bodies_are_answered_when_their_time_is_over() {
    let mut siege = Siege::begin();
    // Given half bodies of every kind, all of them silent from now on
    let streams: Vec<_> = (0..CLIENTS)
        .map(|index| {
            let length = if index.is_multiple_of(2) {
                "content-length: 1000000"
            } else {
                "transfer-encoding: chunked"
            };
            let mut stream = siege.connect();
            stream.write_all(siege.push_head(&format!("{length}\r\n\r\n8000\r\n")).as_bytes()).unwrap();
            stream.write_all(&[b' '; 30_000]).unwrap();
            stream
        })
        .collect();
    siege.serves();
    // Then each is told, and the connection ends
    for stream in &streams {
        assert_eq!(told(stream), refused(408, 19_006));
    }
    siege.end();
}
