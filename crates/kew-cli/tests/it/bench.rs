//! `kew bench`: it measures, and it notices when something is wrong.

use serde_json::Value;

use crate::http::messages;
use crate::kew::{Kew, QUEUE, folder, printed, run};

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
