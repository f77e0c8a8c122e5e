//! `kew push`, `pull`, `peek`, `ack` and `retry`.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::json;

use crate::desk::{Desk, done};
use crate::http::messages;
use crate::kew::{Kew, QUEUE, command, complaint, folder};

#[test]
fn what_is_pushed_is_pulled_decoded() {
    let desk = Desk::new();
    assert_eq!(desk.prints(&["push", "jobs", "hello", "wor\"ld"]), "pushed 2 messages\n");
    desk.prints(&["push", "jobs", "--content-type", "json", "{\"n\": 1.50}"]);
    std::fs::write(desk.folder.path().join("photo"), [0xff, 0, 0x0a]).unwrap();
    let pushed = desk.json(&["push", "jobs", "--content-type", "bytes", "--file", "photo"]);
    assert_eq!(pushed, json!({ "pushed": 1, "replayed": false }));

    let pulled = desk.lines(&["pull", "jobs", "-n", "10"]);
    let shown: Vec<_> = pulled.iter().map(|message| (&message["content_type"], &message["body"])).collect();
    let (text, json, bytes) = (json!("text"), json!("json"), json!("bytes"));
    let bodies = [json!("hello"), json!("wor\"ld"), json!({ "n": 1.50 }), json!("/wAK")];
    assert_eq!(shown, [(&text, &bodies[0]), (&text, &bodies[1]), (&json, &bodies[2]), (&bytes, &bodies[3])]);
    for message in &pulled {
        assert_eq!(message["attempts"], 1);
        assert!(message["id"].is_string() && message["lease_id"].is_string(), "{message}");
        assert!(message["timestamp_ms"].as_u64() > Some(0), "{message}");
    }
    desk.kew.stop();
}

#[test]
fn each_line_of_standard_input_is_a_message() {
    let desk = Desk::new();
    // Given more lines than one batch holds, some of them empty, the last without an end.
    let lines: Vec<_> = (0..250).map(|number| format!("line {number}")).collect();
    let pushed = desk.piped(&["push", "jobs"], &format!("\n{}\n\n", lines.join("\r\n\n")));
    // Then each that is not empty is one, in their order.
    assert_eq!(done(&pushed), "pushed 250 messages\n");
    let mut found = Vec::new();
    for _ in 0..3 {
        found.extend(desk.bodies(&["pull", "jobs", "-n", "100", "--ack"]));
    }
    assert_eq!(found, lines);
    assert_eq!(desk.backlog("jobs"), 0);

    let pushed = desk.piped(&["push", "jobs", "--content-type", "json"], "{\"a\":1}\n[2]\n\"three\"");
    assert_eq!(done(&pushed), "pushed 3 messages\n");
    assert_eq!(desk.bodies(&["pull", "jobs"]), [json!({ "a": 1 }), json!([2]), json!("three")]);
    desk.kew.stop();
}

#[test]
fn lines_of_a_slow_writer_are_pushed_as_they_come() {
    let desk = Desk::new();
    let mut command = desk.command(&["push", "jobs"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // Given a writer that has not ended.
    input.write_all(b"first\nsec").unwrap();
    // Then its first line can be pulled.
    assert_eq!(desk.bodies(&["pull", "jobs", "--ack", "--wait", "60s"]), ["first"]);
    input.write_all(b"ond\n").unwrap();
    drop(input);
    assert_eq!(done(&child.wait_with_output().unwrap()), "pushed 2 messages\n");
    assert_eq!(desk.bodies(&["pull", "jobs"]), ["second"]);
    desk.kew.stop();
}

#[test]
fn what_is_no_message_is_named_by_its_line() {
    let desk = Desk::new();
    let refused = complaint(&desk.piped(&["push", "jobs", "--content-type", "json"], "1\n{\n3\n"));
    assert!(refused.contains("line 2: is no JSON"), "{refused}");
    let long = format!("{}\n", "x".repeat(127_901));
    let refused = complaint(&desk.piped(&["push", "jobs"], &long));
    assert!(refused.contains("line 1 is longer than 127900 bytes"), "{refused}");
    std::fs::write(desk.folder.path().join("photo"), [0xff]).unwrap();
    let refused = desk.complaint(&["push", "jobs", "--file", "photo"]);
    assert_eq!(refused, "kew: cannot push photo: is not UTF-8; --content-type bytes takes any bytes\n");
    assert!(desk.complaint(&["push", "jobs", "--file", "nowhere"]).starts_with("kew: cannot read nowhere: "));
    assert!(desk.complaint(&["push", "mail", "x"]).starts_with("kew: there is no queue mail"));
    desk.kew.stop();
}

#[test]
fn a_push_with_a_key_is_carried_out_once() {
    let desk = Desk::new();
    let push = ["push", "jobs", "one", "--idempotency-key", "order-1"];
    assert_eq!(desk.json(&push), json!({ "pushed": 1, "replayed": false }));
    assert_eq!(desk.json(&push), json!({ "pushed": 1, "replayed": true }));
    assert_eq!(desk.prints(&push), "pushed 1 message before, with the same key, and none now\n");
    assert_eq!(desk.backlog("jobs"), 1);
    let other = desk.complaint(&["push", "jobs", "two", "--idempotency-key", "order-1"]);
    assert!(other.contains("[code: 19017]"), "{other}");
    let piped = complaint(&desk.piped(&["push", "jobs", "--idempotency-key", "k"], "x\n"));
    assert!(piped.starts_with("kew: --idempotency-key: "), "{piped}");
    assert_eq!(desk.backlog("jobs"), 1);
    desk.kew.stop();
}

#[test]
fn a_delay_holds_messages_back() {
    let desk = Desk::new();
    desk.prints(&["push", "jobs", "later", "--delay", "1h"]);
    assert_eq!(desk.prints(&["pull", "jobs"]), "");
    assert_eq!(desk.backlog("jobs"), 1);
    desk.kew.stop();
}

#[test]
fn leases_are_acknowledged_by_id_or_by_line() {
    let desk = Desk::new();
    desk.prints(&["push", "jobs", "one", "two", "three"]);
    let pulled = desk.prints(&["pull", "jobs"]);
    let lines: Vec<&str> = pulled.lines().collect();
    let first: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    let acked = desk.prints(&["ack", "jobs", first["lease_id"].as_str().unwrap()]);
    assert_eq!(acked, "1 message acknowledged\n");
    let second: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
    let input = format!("{}\n\n{}\n", second["lease_id"].as_str().unwrap(), lines[2]);
    let acked = desk.piped(&["ack", "jobs", "--json"], &input);
    let acked: serde_json::Value = serde_json::from_str(&done(&acked)).unwrap();
    assert_eq!(acked, json!({ "ackCount": 2, "retryCount": 0, "warnings": {} }));
    assert_eq!(desk.backlog("jobs"), 0);
    desk.kew.stop();
}

#[test]
fn what_is_given_back_comes_again() {
    let desk = Desk::new();
    desk.prints(&["push", "jobs", "one", "two"]);
    let pulled = desk.prints(&["pull", "jobs", "-n", "1"]);
    assert_eq!(done(&desk.piped(&["retry", "jobs"], &pulled)), "1 message given back\n");
    assert_eq!(done(&desk.piped(&["retry", "jobs"], "")), "0 messages given back\n");
    let again = desk.lines(&["pull", "jobs"]);
    let seen: Vec<_> = again.iter().map(|message| (&message["body"], &message["attempts"])).collect();
    assert!(seen.contains(&(&"one".into(), &2.into())), "{seen:?}");
    let lease = again[0]["lease_id"].as_str().unwrap();
    desk.prints(&["retry", "jobs", lease, "--delay", "1h"]);
    assert_eq!(desk.prints(&["pull", "jobs"]), "", "one waits, the other is leased");
    desk.kew.stop();
}

#[test]
fn a_lease_that_is_none_is_a_failure() {
    let desk = Desk::new();
    let output = desk.run(&["ack", "jobs", "nonsense"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("nonsense: the lease id was not issued by this server"), "{told}");
    assert!(told.ends_with("kew: 1 of 1 could not be settled\n"), "{told}");
    let refused = complaint(&desk.piped(&["ack", "jobs"], "{\"id\":\"1\"}\n"));
    assert!(refused.contains("line 1: is no line of kew pull"), "{refused}");
    desk.kew.stop();
}

#[test]
fn peeking_takes_nothing() {
    let desk = Desk::new();
    desk.prints(&["push", "jobs", "one", "two", "three"]);
    let peeked = desk.lines(&["peek", "jobs", "-n", "2"]);
    let bodies: Vec<_> = peeked.iter().map(|message| &message["body"]).collect();
    assert_eq!(bodies, ["one", "two"]);
    assert!(peeked.iter().all(|message| message["attempts"] == 0 && message["ref"].is_string()));
    assert!(peeked.iter().all(|message| message["lease_id"].is_null()));
    let pulled = desk.lines(&["pull", "jobs"]);
    assert_eq!(pulled.iter().map(|message| &message["attempts"]).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(desk.prints(&["peek", "jobs"]), "");
    assert!(desk.complaint(&["peek", "mail"]).starts_with("kew: there is no queue mail"));
    desk.kew.stop();
}

#[test]
fn what_nobody_read_is_not_acknowledged() {
    let desk = Desk::new();
    desk.prints(&["push", "jobs", "one"]);
    // Given a reader that has gone away.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = desk.command(&["pull", "jobs", "--ack"]);
    let output = command.stdout(writer).output().unwrap();
    // Then the message stays, and that is no failure.
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(desk.backlog("jobs"), 1);
    desk.kew.stop();
}

#[test]
fn following_goes_on_from_message_to_message() {
    let desk = Desk::new();
    let mut command = desk.command(&["pull", "jobs", "--follow", "--ack"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for body in ["one", "two", "three"] {
        desk.prints(&["push", "jobs", body]);
        let line = lines.next().unwrap().unwrap();
        let message: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message["body"], body);
    }
    // Whatever was followed by another message has been acknowledged before.
    assert!(desk.backlog("jobs") <= 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let refused = desk.complaint(&["pull", "jobs", "--follow", "--wait", "0"]);
    assert_eq!(refused, "kew: --wait: must be more than 0 with --follow\n");
    desk.kew.stop();
}

#[test]
fn no_more_pulls_wait_than_are_allowed_to() {
    let folder = folder();
    let kew = Kew::serve(folder.path(), &["--waiters-max", "0"]);
    let file = kew.file("admin.token");
    let run = |arguments: &[&str]| {
        let mut command = command(folder.path(), arguments);
        command.env("KEW_URL", &kew.url).args(["--token-file", file.to_str().unwrap()]).output().unwrap()
    };
    done(&run(&["queues", "create", "jobs"]));
    done(&run(&["consumers", "add", "jobs"]));
    assert_eq!(done(&run(&["pull", "jobs"])), "", "who does not wait is let in");
    let refused = complaint(&run(&["pull", "jobs", "--wait", "1s"]));
    assert!(refused.contains("[code: 10250]"), "{refused}");
    kew.stop();
}

#[test]
fn a_server_can_be_as_strict_as_the_original_and_plainer() {
    let folder = folder();
    let strict = ["--json-bodies", "strict", "--pull-json-encoding", "plain"];
    let kew = Kew::start(folder.path(), &[&["dev", "--queue", "jobs"], &strict[..]].concat());
    let desk = Desk { kew, folder };
    let push = ["push", "jobs", "--content-type", "json"];
    let refused = desk.complaint(&[&push[..], &["\"text\""]].concat());
    assert!(refused.contains("[code: 10207]"), "{refused}");
    desk.prints(&[&push[..], &["[1, 2]"]].concat());
    // The answer over HTTP has the plain text; the command shows JSON either way.
    let place = (QUEUE, desk.json(&["queues", "info", "jobs"])["queue_id"].as_str().unwrap().to_owned());
    let peeked = messages(&desk.kew.url, kew_server::DEVELOPMENT_TOKEN, (place.0, &place.1), "/peek", "");
    assert_eq!(peeked.result()["messages"][0]["body"], "[1, 2]");
    assert_eq!(desk.bodies(&["pull", "jobs"]), [json!([1, 2])]);
    desk.kew.stop();
}
