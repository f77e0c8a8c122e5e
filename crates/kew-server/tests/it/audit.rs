//! The audit log: what administers something is told, whatever became of it, and nothing else is.

use std::sync::{Arc, Mutex};

use kew_model::{QueuePattern, Scope};
use kew_server::{Audit, AuditEntry, Settings, routes};

use crate::kew::{JOBS, Kew, QUEUES};

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<AuditEntry>>);

impl Audit for Kept {
    fn note(&self, entry: &AuditEntry) {
        self.0.lock().unwrap().push(entry.clone());
    }
}

impl Kept {
    fn take(&self) -> Vec<AuditEntry> {
        core::mem::take(&mut *self.0.lock().unwrap())
    }
}

async fn start() -> (Kew, Arc<Kept>) {
    let kept = Arc::new(Kept::default());
    let audit: Option<Arc<dyn Audit>> = Some(kept.clone());
    (Kew::start_with(Settings { audit, ..Settings::default() }).await, kept)
}

#[tokio::test]
async fn every_route_that_changes_something_is_told_and_no_other_is() {
    let (kew, kept) = start().await;
    for route in routes() {
        let path = route.path.replace("{account}", &"a".repeat(32)).replace("{queue}", &"9".repeat(32));
        let answer = kew.call(route.method, &path.replace("{item}", "some-thing"), "{").await;
        let is_change = matches!(route.right, "write" | "server" | "consume and push");
        let told = kept.take();
        if !is_change || route.method == "GET" {
            assert_eq!(told, [], "{} {path}", route.method);
            continue;
        }
        let [entry] = &told[..] else { panic!("{} {path} is told once: {told:?}", route.method) };
        assert_eq!((entry.action, entry.status), (route.id, answer.status));
        assert_eq!(Some(entry.request.as_str()), answer.header("x-request-id"));
        let named = [&entry.account, &entry.queue, &entry.item].map(|name| name.as_deref().unwrap_or(""));
        for (name, place) in named.into_iter().zip(["{account}", "{queue}", "{item}"]) {
            assert_eq!(!name.is_empty(), route.path.contains(place), "{entry:?}");
        }
    }
}

#[tokio::test]
async fn an_entry_says_who_did_what_and_what_was_made_without_names_and_secrets() {
    let (kew, kept) = start().await;
    let (admin, _) = kew.token_that(&[Scope::Admin], QueuePattern::All, |_| {}).await;
    let header = kew.token_that(&[Scope::Write], QueuePattern::All, |_| {}).await;
    let made = kew.call_as(&header.1, "POST", QUEUES, r#"{"queue_name":"private-name"}"#).await.expect(200);
    let token =
        kew.post("/kew/v1/accounts/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/tokens", r#"{"scopes":["push"]}"#);
    let token = token.await.expect(200);
    let told = kept.take();
    assert_eq!((told[0].action, told[0].token, told[0].status), ("queues-create", Some(header.0), 200));
    assert_eq!(told[0].made.as_deref(), made["queue_id"].as_str());
    assert_eq!((told[1].action, told[1].made.as_deref()), ("kew-create-token", token["id"].as_str()));
    assert!(told.iter().all(|entry| entry.address.is_some_and(|address| address.is_loopback())));
    assert_ne!(told[1].token, Some(admin), "the one that asked is told, and not another");
    // What a consumer is made of, and a deletion.
    kew.call("DELETE", &format!("{JOBS}/consumers/{}", "f".repeat(32)), "").await;
    kew.call("DELETE", JOBS, "").await.expect(200);
    let told = kept.take();
    assert_eq!((told[0].action, told[0].status, told[0].code), ("queues-delete-consumer", 404, 11_006));
    assert_eq!((told[1].action, told[1].status, told[1].code), ("queues-delete", 200, 0));
    let said = format!("{told:?}");
    let secret = token["secret"].as_str().unwrap();
    assert!(!said.contains("private-name") && !said.contains(secret), "{said}");
}

#[tokio::test]
async fn refusals_and_wrong_credentials_are_told() {
    let (kew, kept) = start().await;
    let (id, pusher) = kew.token_that(&[Scope::Push], QueuePattern::All, |_| {}).await;
    assert_eq!(kew.call_as(&pusher, "DELETE", JOBS, "").await.failure(), (403, 10_000));
    let told = kept.take();
    assert_eq!((told[0].action, told[0].token, told[0].status), ("queues-delete", Some(id), 403));
    // Whatever a wrong credential was shown for
    for headers in
        ["authorization: Bearer wrong", "x-auth-email: a@b.c\nx-auth-key: 0123456789abcdef0123456789abcdef"]
    {
        kew.call_as(headers, "POST", &format!("{JOBS}/messages/pull"), "").await;
        let told = kept.take();
        assert_eq!((told[0].action, told[0].token, told[0].status), ("queues-pull-messages", None, 401));
        assert_eq!(told.len(), 1);
    }
    // And none is no wrong one.
    kew.call_as("", "POST", &format!("{JOBS}/messages/pull"), "").await;
    assert_eq!(kept.take(), []);
}
