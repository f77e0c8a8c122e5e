//! No reply leaves before the sync that covers it: seen in a trace of the real program's calls to the kernel.

use std::thread;

use kew_proof::trace::{Verb, calls, judge};
use kew_proof::{Connection, Site, strace};

use crate::campaign::say;

/// Rounds of the client that is alone.
const ROUNDS_ALONE: u32 = 30;
/// Clients at once, and the rounds of each.
const CLIENTS: u32 = 6;
const ROUNDS_EACH: u32 = 20;

/// Pushes one message and a batch of two, pulls, and acks and retries what it got; all of it changes the log.
fn round(site: &Site, connection: &mut Connection, name: &str) {
    let mut ask = |verb: &str, body: &str| {
        let path = site.messages(&site.queues.work, verb);
        let answer = connection.post(&path, &site.token, body).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["result"].clone()
    };
    let message = |key: &str| format!(r#"{{"body":"{name}{key}|0|","content_type":"text"}}"#);
    ask("", &message("a"));
    ask("/batch", &format!(r#"{{"messages":[{},{}]}}"#, message("b"), message("c")));
    let pulled = ask("/pull", r#"{"batch_size":3,"visibility_timeout_ms":600000}"#);
    let leases: Vec<_> =
        pulled["messages"].as_array().unwrap().iter().map(|one| one["lease_id"].to_string()).collect();
    let (last, others) = leases.split_last().unwrap();
    if !others.is_empty() {
        let acks: Vec<_> = others.iter().map(|lease| format!(r#"{{"lease_id":{lease}}}"#)).collect();
        ask("/ack", &format!(r#"{{"acks":[{}]}}"#, acks.join(",")));
    }
    ask("/ack", &format!(r#"{{"retries":[{{"lease_id":{last}}}]}}"#));
}

fn client(site: &Site, name: &str, rounds: u32) {
    let mut connection = Connection::open(site.address).unwrap();
    (0..rounds).for_each(|number| round(site, &mut connection, &format!("{name}{number}")));
}

#[test]
fn every_reply_waits_for_its_sync() {
    // Given a server whose calls are written down.
    let folder = tempfile::tempdir().unwrap();
    let (site, kew) = Site::found(folder.path());
    kew.stop();
    let path = folder.path().join("trace");
    let kew = site.start_under(strace::watching(&path));
    // When one client uses it alone, so that every write between request and reply is that request's, and then several.
    client(&site, "alone", ROUNDS_ALONE);
    let site_of_all = &site;
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            scope.spawn(move || client(site_of_all, &format!("client{number}x"), ROUNDS_EACH));
        }
    });
    kew.stop();
    // Then every answered request was written and synced first.
    let trace = std::fs::read_to_string(&path).unwrap();
    let verdict = judge(&calls(&trace));
    say(&format!("trace: replies that left after their sync: {:?}", verdict.covered));
    let some: Vec<_> = verdict.early.iter().take(10).collect();
    assert!(some.is_empty(), "{} replies were early, such as {some:#?}", verdict.early.len());
    let rounds = ROUNDS_ALONE + CLIENTS * ROUNDS_EACH;
    assert_eq!(verdict.covered.get(&Verb::Push), Some(&(2 * rounds)));
    assert_eq!(verdict.covered.get(&Verb::Pull), Some(&rounds));
    assert!(verdict.covered.get(&Verb::Ack).is_some_and(|count| *count > rounds));
    // And had the log's syncs not been there, that would have been seen for each of them.
    let without: Vec<_> = calls(&trace).into_iter().filter(|call| !call.is_sync()).collect();
    let replies: u32 = verdict.covered.values().sum();
    assert_eq!(judge(&without).early.len(), replies as usize);
}
