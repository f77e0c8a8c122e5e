//! `/metrics` of the whole program: every figure is documented, and every documented figure is there.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::process::Signal;
use ureq::Agent;

use crate::http::{ask, messages};
use crate::kew::{Kew, QUEUE, folder};

/// The account and the token of `kew dev`.
const ACCOUNT: &str = "6b65776b65776b65776b65776b65776b";
const TOKEN: &str = kew_server::DEVELOPMENT_TOKEN;

fn scrape(kew: &Kew) -> String {
    let agent: Agent = Agent::config_builder().proxy(None).build().into();
    let request =
        agent.get(format!("{}/metrics", kew.url)).header("authorization", format!("Bearer {TOKEN}"));
    request.call().unwrap().body_mut().read_to_string().unwrap()
}

/// Names and sorts of all figures.
fn shown(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

/// The same, as the page of figures lists them.
fn documented(page: &str) -> BTreeMap<&str, &str> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(name, rest)| (name, rest.split(" | ").next().unwrap())).collect()
}

fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} in {text}")).parse().unwrap()
}

#[test]
fn every_figure_is_in_the_page_and_every_one_of_the_page_is_shown() {
    let folder = folder();
    let kew = Kew::dev(folder.path());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let text = scrape(&kew);
    assert_eq!(shown(&text), documented(&page));
    kew.stop();
}

#[test]
fn the_store_and_the_process_tell_of_themselves() {
    let folder = folder();
    let kew = Kew::dev(folder.path());
    let before = scrape(&kew);
    for _ in 0..5 {
        messages(&kew.url, TOKEN, (ACCOUNT, QUEUE), "", r#"{"body":"x","content_type":"text"}"#).result();
    }
    let text = scrape(&kew);
    let grown = |series: &str| value(&text, series) - value(&before, series);
    // Each push of one client alone is a commit of one frame; others may mark the log's end.
    assert!(grown(r#"kew_store_commit_frames_bucket{le="1"}"#) >= 5.0, "{text}");
    assert!(grown("kew_store_commit_duration_seconds_count") >= 5.0);
    assert!(grown("kew_store_commit_duration_seconds_sum") > 0.0);
    assert!(
        grown("kew_store_written_bytes_total") > 0.0
            && value(&text, "kew_store_log_since_checkpoint_bytes") > 0.0
    );
    assert_eq!(value(&text, r#"kew_store_segments{state="active"}"#), 1.0);
    assert!(value(&text, "kew_store_volume_free_bytes") > 0.0);
    assert!(value(&text, "process_resident_memory_bytes") > 0.0 && value(&text, "process_open_fds") > 3.0);
    let series =
        format!("kew_queue_messages{{account_id=\"{ACCOUNT}\",queue_id=\"{QUEUE}\",queue=\"jobs\"}}");
    assert_eq!(value(&text, &series), 5.0);
    kew.stop();
}

#[test]
fn a_server_that_is_to_stop_says_so_before_it_takes_no_more() {
    let folder = folder();
    // Given a server that serves on for longer than this test takes
    let kew = Kew::serve(folder.path(), &["--drain-wait-seconds", "3600"]);
    let ready = |kew: &Kew| ask(&format!("{}/readyz", kew.url), &[], None).status;
    assert_eq!(ready(&kew), 200);
    // When it is asked to stop
    kew.signal(Signal::TERM);
    kew.log_line("draining");
    // Then it is not ready, and serves
    while ready(&kew) != 503 {}
    assert_eq!(ask(&format!("{}/healthz", kew.url), &[], None).status, 200);
    // And a second signal ends the wait, too
    assert_eq!(kew.insist(Signal::TERM).0.code(), Some(1));
}
