//! `kew serve`: the first start, the log, and the way it ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;
use serde_json::Value;

use crate::http::{ask, messages};
use crate::kew::{Kew, folder};

fn admin_token(kew: &Kew) -> String {
    std::fs::read_to_string(kew.file("admin.token")).unwrap().trim().to_owned()
}

/// The account's id from what the server printed.
fn account(kew: &Kew) -> String {
    let line = kew.notice.lines().find(|line| line.starts_with("account id")).unwrap();
    line.split_whitespace().last().unwrap().to_owned()
}

/// Makes a queue with a pull consumer; returns its id.
fn queue(kew: &Kew, token: &str) -> String {
    let url = format!("{}/client/v4/accounts/{}/queues", kew.url, account(kew));
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    let made = ask(&url, &headers, Some(r#"{"queue_name":"jobs"}"#));
    let id = made.result()["queue_id"].as_str().unwrap().to_owned();
    ask(&format!("{url}/{id}/consumers"), &headers, Some(r#"{"type":"http_pull"}"#)).result();
    id
}

/// A push that has been sent but for its body, which the server has said it waits for.
fn push_in_flight(kew: &Kew, token: &str, (account, queue): (&str, &str), body_length: usize) -> TcpStream {
    let address = kew.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /client/v4/accounts/{account}/queues/{queue}/messages HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {body_length}\r\nExpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut invited = [0; 25];
    stream.read_exact(&mut invited).unwrap();
    assert_eq!(&invited, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[test]
fn the_first_start_makes_an_account_and_a_secret_file() {
    let folder = folder();
    let kew = Kew::serve(folder.path(), &[]);
    let (account_id, token) = (account(&kew), admin_token(&kew));
    assert_eq!(account_id.len(), 32);
    assert!(kew.notice.contains("admin.token") && !kew.notice.contains(&token), "{}", kew.notice);
    for name in ["admin.token", "keys"] {
        let mode = std::fs::metadata(kew.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    queue(&kew, &token);
    let rest = kew.stop();
    assert!(!rest.contains(&token));

    // A second start finds all of it and makes nothing new.
    let kew = Kew::serve(folder.path(), &[]);
    assert_eq!(account(&kew), account_id);
    assert_eq!(admin_token(&kew), token);
    assert!(kew.notice.contains("admin.token") && !kew.notice.contains(&token));
    let url = format!("{}/client/v4/accounts/{account_id}/queues", kew.url);
    let listed = ask(&url, &[("authorization", &format!("Bearer {token}"))], None);
    assert_eq!(listed.result()[0]["queue_name"], "jobs");
    kew.stop();
}

#[test]
fn a_supervisor_is_told_when_it_serves_and_when_it_stops() {
    let folder = folder();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let next = || {
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let kew = Kew::start_with(folder.path(), &["serve"], |command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    assert_eq!(next(), "READY=1");
    kew.stop();
    assert_eq!(next(), "STOPPING=1");
    // One that is not there keeps nobody from serving.
    let gone = folder.path().join("gone");
    let kew = Kew::start_with(folder.path(), &["serve"], |command| {
        command.env("NOTIFY_SOCKET", gone);
    });
    kew.stop();
}

#[test]
fn health_is_told_to_everybody_and_nothing_else_is() {
    let folder = folder();
    let kew = Kew::serve(folder.path(), &[]);
    assert_eq!(ask(&format!("{}/healthz", kew.url), &[], None).status, 200);
    let url = format!("{}/client/v4/accounts/{}/queues", kew.url, account(&kew));
    assert_eq!(ask(&url, &[], None).status, 401);
    kew.stop();
}

#[test]
fn the_token_of_kew_dev_opens_nothing() {
    let folder = folder();
    let kew = Kew::serve(folder.path(), &[]);
    let url = format!("{}/client/v4/accounts/{}/queues", kew.url, account(&kew));
    let authorization = format!("Bearer {}", kew_server::DEVELOPMENT_TOKEN);
    let refused = ask(&url, &[("authorization", &authorization)], None);
    assert_eq!((refused.status, refused.code()), (401, 10_000));
    kew.stop();
}

#[test]
fn requests_are_logged_as_json_without_secrets_and_bodies() {
    let folder = folder();
    let kew = Kew::serve(folder.path(), &["--log-requests", "--log-format", "json"]);
    let token = admin_token(&kew);
    let place = (account(&kew), queue(&kew, &token));
    let body = r#"{"body":"confidential","content_type":"text"}"#;
    messages(&kew.url, &token, (&place.0, &place.1), "", body).result();
    let log = kew.stop();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let path = format!("/queues/{}/messages", place.1);
    let of_push = lines.iter().filter(|line| line.to_string().contains(&path)).count();
    assert_eq!(of_push, 1, "{log}");
    assert!(!log.contains(&token) && !log.contains("confidential"), "{log}");
}

#[test]
fn sigterm_answers_what_is_in_flight_and_ends_in_order() {
    let folder = folder();
    let kew = Kew::serve(folder.path(), &[]);
    let token = admin_token(&kew);
    let place = (account(&kew), queue(&kew, &token));
    // Given a push whose body the server waits for.
    let body = r#"{"body":"late","content_type":"text"}"#;
    let mut stream = push_in_flight(&kew, &token, (&place.0, &place.1), body.len());
    let address = kew.url.trim_start_matches("http://").to_owned();
    // When it is asked to end, and the body arrives after that.
    kew.signal(Signal::TERM);
    // Then the push is answered, the connection ends, and so does the process.
    ends_in_order(kew, &mut stream, body);
    assert!(TcpStream::connect(&address).is_err(), "nobody listens any more");
    // And the message is there after a restart.
    let kew = Kew::serve(folder.path(), &[]);
    let pulled = messages(&kew.url, &token, (&place.0, &place.1), "/pull", "");
    assert_eq!(pulled.result()["messages"][0]["body"], "late");
    kew.stop();
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let folder = folder();
    let kew = Kew::serve(folder.path(), &[]);
    let token = admin_token(&kew);
    // Given a push that never gets its body, which a drain waits for.
    let place = (account(&kew), queue(&kew, &token));
    let _stream = push_in_flight(&kew, &token, (&place.0, &place.1), 10);
    kew.signal(Signal::INT);
    kew.log_line("draining");
    let (status, rest) = kew.insist(Signal::INT);
    assert_eq!(status.code(), Some(1), "{rest}");
    assert!(rest.contains("stopped at once by a second signal (SIGINT)"), "{rest}");
}

#[test]
fn two_signals_that_come_at_once_are_one() {
    let folder = folder();
    let kew = Kew::serve(folder.path(), &[]);
    let token = admin_token(&kew);
    // Given a push whose body the server waits for.
    let body = r#"{"body":"late","content_type":"text"}"#;
    let place = (account(&kew), queue(&kew, &token));
    let mut stream = push_in_flight(&kew, &token, (&place.0, &place.1), body.len());
    // When it is asked to end twice, as by a parent that signals it and its group.
    kew.signal(Signal::STOP);
    kew.signal(Signal::TERM);
    kew.signal(Signal::INT);
    kew.signal(Signal::CONT);
    // Then what is in flight is answered, and it ends in order.
    ends_in_order(kew, &mut stream, body);
}

/// The server drains, answers the push whose body comes only now, and ends.
fn ends_in_order(kew: Kew, stream: &mut TcpStream, body: &str) {
    kew.log_line("draining");
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (status, rest) = kew.end();
    assert_eq!(status.code(), Some(0), "{rest}");
}
