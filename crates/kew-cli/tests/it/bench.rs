//! `kew bench`: it measures, and it notices when something is wrong.

use rustix::process::{Resource, getrlimit};
use serde_json::Value;

use crate::http::messages;
use crate::kew::{Kew, QUEUE, folder, printed, run};
use crate::tls::certify;

const ACCOUNT: &str = "6b65776b65776b65776b65776b65776b";

fn flags<'a>(kew: &'a Kew, workload: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let to = ["bench", workload, "--url", &kew.url, "--token", kew_server::DEVELOPMENT_TOKEN];
    [&to, more].concat()
}

#[test]
fn every_workload_finds_every_message_once() {
    let folder = folder();
    let kew = Kew::dev(folder.path());
    let process = kew.process().to_string();
    for (workload, kind) in
        [("lifecycle", "text"), ("lifecycle", "json"), ("push", "json"), ("latency", "text")]
    {
        let more = ["--messages", "2000", "--warm-up-messages", "200", "--content-type", kind, "--json"];
        let more = [&more[..], &["--server-pid", &process]].concat();
        let output = run(folder.path(), &flags(&kew, workload, &more));
        assert!(output.status.success(), "{workload} {}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_str(&printed(&output)).unwrap();
        assert_eq!(report["passed"], true, "{report}");
        assert_eq!(report["totals"]["pulled"], 2000, "{report}");
        assert_eq!(report["backlog"], 0, "{report}");
        assert!(report["server_cpu_seconds"].is_number(), "{report}");
    }
    kew.stop();
}

#[test]
fn the_table_shows_latencies_and_the_verdict() {
    let folder = folder();
    let kew = Kew::dev(folder.path());
    let output = run(folder.path(), &flags(&kew, "lifecycle", &["--messages", "1000", "--threads", "2"]));
    let text = printed(&output);
    assert!(output.status.success(), "{text}");
    for expected in ["messages/s", "p99.9", "push", "pull", "ack", "the backlog is 0"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    kew.stop();
}

#[test]
fn a_queue_that_is_not_empty_fails_the_check() {
    let folder = folder();
    let kew = Kew::dev(folder.path());
    let token = kew_server::DEVELOPMENT_TOKEN;
    messages(&kew.url, token, (ACCOUNT, QUEUE), "", r#"{"body":"mine","content_type":"text"}"#).result();
    let more = ["--messages", "500", "--queue", QUEUE];
    let output = run(folder.path(), &flags(&kew, "lifecycle", &more));
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("check: FAILED"), "{}", printed(&output));
    kew.stop();
}

#[test]
fn the_disk_is_measured_and_left_clean() {
    let folder = folder();
    let output = run(folder.path(), &["bench", "disk", "--dir", ".", "--count", "5", "--json"]);
    let report: Value = serde_json::from_str(&printed(&output)).unwrap();
    assert_eq!(report["count"], 5);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// What connections that wait may take together, whatever they have asked before, in bytes.
const IDLE_BYTES_MAX: u64 = 64 << 20;

/// Runs `kew bench idle` against a server that takes so many connections, and gives its report.
fn hold_idle(connections: u32, more: &[&str], trust: &[&str]) -> Value {
    let folder = folder();
    let connections_max = (connections + 10).to_string();
    let kew = Kew::serve(folder.path(), &[&["--connections-max", &connections_max], more].concat());
    let (process, connections) = (kew.process().to_string(), connections.to_string());
    let token_file = kew.file("admin.token");
    let to = ["bench", "idle", "--url", &kew.url, "--token-file", token_file.to_str().unwrap(), "--json"];
    let load = ["--server-pid", &process, "--connections", &connections, "--seconds", "0"];
    let output = run(folder.path(), &[&to[..], &load, trust].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    kew.stop();
    serde_json::from_str(&printed(&output)).unwrap()
}

#[test]
fn ten_thousand_connections_that_wait_take_little_and_stay() {
    // Given more files than the server and its clients need, each for itself
    let limit = getrlimit(Resource::Nofile).maximum;
    if limit.is_some_and(|limit| limit < 11_000) {
        return println!("SKIPPED: ten thousand connections; a process may open {limit:?} files here");
    }
    // When ten thousand connections ask once, and again when all have, then each is answered
    let report = hold_idle(10_000, &[], &[]);
    // And the server has taken little for them
    println!("{report}");
    let bytes = |name: &str| report[name].as_u64().unwrap();
    for when in ["asked_bytes", "waited_bytes", "asked_again_bytes"] {
        assert!(bytes(when) <= bytes("before_bytes") + IDLE_BYTES_MAX, "{when} in {report}");
    }
}

#[test]
fn encrypted_connections_that_wait_are_held_as_well() {
    let folder = folder();
    let (certificate, key) = certify(folder.path());
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let encrypt = ["--tls-certificate", certificate, "--tls-key", key];
    let report = hold_idle(50, &encrypt, &["--ca-file", certificate]);
    assert_eq!((&report["is_encrypted"], &report["connections"]), (&true.into(), &50.into()));
}
