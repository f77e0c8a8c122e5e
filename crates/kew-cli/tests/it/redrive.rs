//! `kew redrive`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::kew::{QUEUE, command, complaint, folder};

/// A server whose queue `jobs` has sent so many messages to its dead-letter queue `dead`.
fn with_dead_letters(count: usize) -> Desk {
    let desk = Desk::new();
    desk.prints(&["consumers", "update", "jobs", "--max-retries", "0", "--dead-letter-queue", "dead"]);
    let lines: String = (0..count).map(|number| format!("dead {number}\n")).collect();
    desk.piped(&["push", "jobs"], &lines);
    for _ in 0..count.div_ceil(100) {
        let pulled = desk.prints(&["pull", "jobs", "-n", "100"]);
        desk.piped(&["retry", "jobs"], &pulled);
    }
    assert_eq!((desk.backlog("jobs"), desk.backlog("dead")), (0, count as u64));
    desk
}

#[test]
fn dead_letters_go_back_to_where_they_came_from() {
    // Given more than one step moves.
    let desk = with_dead_letters(230);
    assert_eq!(desk.prints(&["redrive", "dead"]), "moved 230 messages; 0 left\n");
    assert_eq!((desk.backlog("jobs"), desk.backlog("dead")), (230, 0));
    let first = &desk.lines(&["pull", "jobs", "-n", "1"])[0];
    assert_eq!((&first["body"], &first["attempts"]), (&"dead 0".into(), &1.into()));
    desk.kew.stop();
}

#[test]
fn what_has_no_origin_stays_and_the_way_out_is_told() {
    let desk = with_dead_letters(2);
    desk.prints(&["push", "dead", "mine"]);
    // A look says which is which.
    let seen = desk.lines(&["peek", "dead"]);
    let origins: Vec<_> = seen.iter().map(|message| message["origin_queue"].as_str()).collect();
    assert_eq!(origins, [Some("jobs"), Some("jobs"), None]);
    let told = desk.prints(&["redrive", "dead"]);
    let expected = "moved 2 messages; 1 left, of which 1 without origin, pushed here or from a queue that is gone: kew \
                    redrive dead --to QUEUE moves those\n";
    assert_eq!(told, expected);
    assert_eq!(desk.json(&["redrive", "dead"]), json!({ "moved": 0, "without_origin": 1, "left": 1 }));
    // The destination is a name or an id.
    let moved = desk.json(&["redrive", "dead", "--to", QUEUE]);
    assert_eq!(moved, json!({ "moved": 1, "without_origin": 0, "left": 0 }));
    assert_eq!(desk.prints(&["redrive", "jobs", "--to", "dead"]), "moved 3 messages; 0 left\n");
    desk.kew.stop();
}

#[test]
fn a_limit_is_kept_and_a_dry_run_moves_nothing() {
    let desk = with_dead_letters(130);
    let counted = desk.prints(&["redrive", "dead", "--dry-run"]);
    assert!(counted.starts_with("dead holds 130 messages; "), "{counted}");
    assert_eq!(desk.json(&["redrive", "dead", "--dry-run"])["left"], 130);
    assert_eq!(desk.backlog("dead"), 130);
    assert_eq!(desk.prints(&["redrive", "dead", "--limit", "105"]), "moved 105 messages; 25 left\n");
    assert_eq!((desk.backlog("jobs"), desk.backlog("dead")), (105, 25));
    desk.kew.stop();
}

#[test]
fn wrong_queues_are_told() {
    let desk = Desk::new();
    let missing = desk.complaint(&["redrive", "dead"]);
    assert!(missing.starts_with("kew: there is no queue dead"), "{missing}");
    let missing = desk.complaint(&["redrive", "jobs", "--to", "nowhere"]);
    assert!(missing.contains("[code: 19019]"), "{missing}");
    let cycle = desk.complaint(&["redrive", "jobs", "--to", "jobs"]);
    assert!(cycle.contains("[code: 19018]"), "{cycle}");
    desk.kew.stop();
}

/// A server that a test answers for, and a redrive that asks it.
struct Stage {
    child: Child,
    stream: BufReader<TcpStream>,
}

impl Stage {
    fn new() -> Self {
        let folder = folder();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let arguments = ["redrive", QUEUE, "--account", QUEUE, "--url", &url, "--token", "x"];
        let mut command = command(folder.path(), &arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stream, _) = listener.accept().unwrap();
        Self { child, stream: BufReader::new(stream) }
    }

    /// Waits for the next request; returns its first line and its body.
    fn asked(&mut self) -> (String, Value) {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            match line.trim_end() {
                "" => break,
                text => head.push(text.to_ascii_lowercase()),
            }
        }
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.stream.read_exact(&mut body).unwrap();
        (head.remove(0), serde_json::from_slice(&body).unwrap())
    }

    fn answer(&mut self, moved: u64, left: u64) {
        let result = json!({ "moved": moved, "without_origin": 0, "left": left });
        let body = json!({ "success": true, "errors": [], "messages": [], "result": result }).to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
        self.stream.get_mut().write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    }
}

#[test]
fn ctrl_c_ends_it_between_two_steps() {
    let mut stage = Stage::new();
    let (first, body) = stage.asked();
    assert_eq!(first, format!("post /kew/v1/accounts/{QUEUE}/queues/{QUEUE}/redrive http/1.1"));
    assert_eq!(body, json!({ "batch_size": 100 }));
    stage.answer(100, 900);
    stage.asked();
    // Given Ctrl-C within the second step, and that it was heard.
    kill_process(Pid::from_child(&stage.child), Signal::INT).unwrap();
    let mut told = String::new();
    BufReader::new(stage.child.stderr.take().unwrap()).read_line(&mut told).unwrap();
    assert!(told.contains("stopping after this step"), "{told}");
    // When the step ends, then no third one begins.
    stage.answer(100, 800);
    let output = stage.child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "moved 200 messages; 800 left\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_second_ctrl_c_waits_for_nothing() {
    let mut stage = Stage::new();
    stage.asked();
    let process = Pid::from_child(&stage.child);
    kill_process(process, Signal::INT).unwrap();
    let mut told = String::new();
    BufReader::new(stage.child.stderr.take().unwrap()).read_line(&mut told).unwrap();
    assert!(told.contains("once more to stop at once"), "{told}");
    // When it comes again while the step is still unanswered.
    kill_process(process, Signal::INT).unwrap();
    assert_eq!(stage.child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_comes_meanwhile_is_left() {
    // Given messages that fail again as fast as they move: the queue never runs empty.
    let mut stage = Stage::new();
    stage.asked();
    stage.answer(100, 50);
    let (_, body) = stage.asked();
    assert_eq!(body, json!({ "batch_size": 50 }), "no more than there were at first");
    stage.answer(50, 140);
    let output = stage.child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "moved 150 messages; 140 left\n");
}

#[test]
fn a_step_that_fails_tells_what_had_moved() {
    let mut stage = Stage::new();
    stage.asked();
    stage.answer(100, 50);
    stage.asked();
    drop(stage.stream);
    let output = stage.child.wait_with_output().unwrap();
    assert!(complaint(&output).starts_with("kew: 100 messages moved, and then: "));
}
