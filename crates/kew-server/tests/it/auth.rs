//! Who may do what (spec §1.4, design §8.20–§8.22, store-study §7.4).

use kew_model::{AccountId, Broker as _, QueueId, QueuePattern, Scope, Seconds};
use kew_server::{Access, DEVELOPMENT_TOKEN, RouteSummary, Settings, routes};
use kew_testkit::FixedChance;
use kew_wire::access::Credential;

use crate::kew::{ACCOUNT, JOBS, Kew, QUEUE, QUEUES, create_queue};

const OTHER: QueueId = QueueId([0x03; 16]);
const MISSING: QueueId = QueueId([0x04; 16]);

const SUBSCRIPTION: &str = r#"{"name":"s","source":{"type":"kv"},"destination":{"queue_id":"02020202020202020202020202020202"},"events":["namespace.created"]}"#;

/// A body that each kind of request takes.
fn body_for(method: &str, path: &str) -> &'static str {
    match path.rsplit('/').next() {
        Some("{queue}") if matches!(method, "PUT" | "PATCH") => r#"{"queue_name":"jobs"}"#,
        Some("{item}") if method == "PUT" => r#"{"type":"http_pull"}"#,
        Some("{item}") if method == "PATCH" => r#"{"enabled":true}"#,
        _ if method != "POST" => "",
        Some("subscriptions") => SUBSCRIPTION,
        Some("messages") => r#"{"body":1}"#,
        Some("batch") => r#"{"messages":[{"body":1}]}"#,
        Some("queues") => r#"{"queue_name":"made-1"}"#,
        Some("consumers") => r#"{"type":"http_pull"}"#,
        Some("tokens") => r#"{"scopes":["push"]}"#,
        Some("extend") => r#"{"extend":[]}"#,
        Some("purge") => r#"{"refs":[]}"#,
        Some("pull" | "ack" | "peek" | "preview" | "redrive" | "accounts" | "backups") => "",
        _ => panic!("{method} {path} is new: say here which body it takes"),
    }
}

/// Which of its two codes a missing queue has (spec §10 C19).
fn code_of_a_missing_queue(path: &str) -> u64 {
    let below_messages = path.split_once("/messages").map(|(_, below)| below);
    match below_messages {
        Some("/pull" | "/ack") => 11_000,
        Some("" | "/batch" | "/extend" | "/peek" | "/purge" | "/preview" | "/preview/ack") => 10_104,
        Some(_) => panic!("{path} is new: say here which code it has"),
        None if path.ends_with("/purge") => 10_104,
        None => 11_000,
    }
}

fn path_for(path: &str, account: AccountId, queue: QueueId) -> String {
    let item = "f".repeat(32);
    path.replace("{account}", &account.to_string())
        .replace("{queue}", &queue.to_string())
        .replace("{item}", &item)
}

#[tokio::test]
async fn nobody_is_let_in_without_a_credential() {
    let kew = Kew::start().await;
    for headers in ["", "x-auth-email: a@b", "x-auth-key: 0123", "x-auth-user-service-key: v1.0-x"] {
        for route in routes().iter().filter(|route| route.right != "none") {
            let path = format!("{}?token={}", path_for(&route.path, ACCOUNT, QUEUE), &kew.admin[22..]);
            let answer = kew.call_as(headers, route.method, &path, body_for(route.method, &route.path)).await;
            assert_eq!(answer.failure(), (401, 10_000), "{} {path}", route.method);
        }
    }
}

#[tokio::test]
async fn malformed_headers_are_told_from_unknown_credentials() {
    let kew = Kew::start().await;
    let email = "x-auth-email: a@b.c\n";
    let (unknown, wrong_form) = ((401, 10_000), (400, 6003));
    for (headers, failure, chain) in [
        ("authorization: Bearer unknown-token".to_owned(), unknown, 0),
        (format!("authorization: Bearer kew_{}_{}", "0".repeat(32), "a".repeat(43)), unknown, 0),
        ("authorization: Basic dXNlcjpwdw==".to_owned(), wrong_form, 6111),
        ("authorization: Bearer".to_owned(), wrong_form, 6111),
        ("authorization: Bearer a b".to_owned(), wrong_form, 6111),
        ("authorization: Bearer \u{e9}".to_owned(), wrong_form, 6111),
        (format!("{0}\n{0}", kew.admin), wrong_form, 6111),
        (format!("{email}x-auth-key: {}", "z".repeat(32)), unknown, 0),
        (format!("{email}x-auth-key: {}", "0".repeat(37)), unknown, 0),
        (format!("{email}x-auth-key: {}", "0".repeat(31)), wrong_form, 6103),
        (format!("{email}x-auth-key: {}", "0".repeat(38)), wrong_form, 6103),
    ] {
        let answer = kew.call_as(&headers, "GET", QUEUES, "").await;
        assert_eq!(answer.failure(), failure, "{headers}");
        let chained = &answer.envelope()["errors"][0]["error_chain"][0]["code"];
        assert_eq!(chained.as_u64().unwrap_or(0), chain, "{headers}");
    }
}

#[tokio::test]
async fn one_wrong_character_of_a_secret_opens_nothing() {
    let kew = Kew::start().await;
    let secret_starts = kew.admin.rfind('_').unwrap() + 1;
    for place in [secret_starts, kew.admin.len() - 1] {
        let mut wrong = kew.admin.clone();
        let other = if wrong.as_bytes()[place] == b'A' { "B" } else { "A" };
        wrong.replace_range(place..=place, other);
        assert_eq!(kew.call_as(&wrong, "GET", QUEUES, "").await.failure(), (401, 10_000));
    }
    let truncated = &kew.admin[..kew.admin.len() - 1];
    assert_eq!(kew.call_as(truncated, "GET", QUEUES, "").await.failure(), (401, 10_000));
}

#[tokio::test]
async fn each_scope_opens_its_own_routes_and_no_others() {
    let kew = Kew::start().await;
    for scope in Scope::ALL {
        let token = kew.token(&[scope], QueuePattern::All).await;
        for route in routes() {
            let path = path_for(&route.path, ACCOUNT, MISSING);
            let answer = kew.call_as(&token, route.method, &path, body_for(route.method, &route.path)).await;
            let is_open = matches!(route.right, "none" | "any");
            let is_scope = route.right.trim_end_matches(" over all queues") == scope.name();
            let is_allowed = scope == Scope::Admin || is_scope || is_open;
            let refused = answer.status == 403;
            assert_eq!(refused, !is_allowed, "{scope:?} {} {path}: {answer:?}", route.method);
            assert_ne!(answer.status, 401, "{scope:?} {} {path}", route.method);
            if refused {
                assert_eq!(answer.failure(), (403, 10_000));
                let needed = if route.right == "server" { "admin over all queues" } else { route.right };
                let said = format!("Authentication error: this needs a token with the right {needed}");
                assert_eq!(answer.text(), said, "{scope:?} {} {path}", route.method);
            }
        }
    }
}

#[tokio::test]
async fn a_foreign_account_is_forbidden_and_a_malformed_one_is_no_route() {
    let kew = Kew::start().await;
    let foreign = AccountId([0xbb; 16]);
    kew.broker.create_account(Some(foreign), "foreign".into()).await.unwrap();
    let pusher = kew.token(&[Scope::Push], QueuePattern::All).await;
    let of_an_account = |route: &&RouteSummary| route.path.contains("{account}") && route.right != "server";
    for route in routes().iter().filter(of_an_account) {
        for account in [foreign, AccountId([0xcc; 16])] {
            let path = path_for(&route.path, account, QUEUE);
            for token in [&kew.admin, &pusher] {
                let body = body_for(route.method, &route.path);
                let answer = kew.call_as(token, route.method, &path, body).await;
                assert_eq!(answer.failure(), (403, 10_000), "{} {path}", route.method);
                assert_eq!(answer.text(), "Authentication error", "{} {path}", route.method);
            }
        }
        let path = route.path.replace("{account}", "local").replace("{queue}", &QUEUE.to_string());
        let answer = kew.call(route.method, &path, body_for(route.method, &route.path)).await;
        assert_eq!(answer.failure(), (404, 7003), "{} {path}", route.method);
    }
}

#[tokio::test]
async fn foreign_and_missing_queues_look_alike() {
    // Given tokens for one queue, by id and by prefix, and a queue that is not theirs
    let kew = Kew::start().await;
    create_queue(kew.broker.as_ref(), "other", Some(OTHER)).await;
    for pattern in [QueuePattern::Exact(QUEUE), QueuePattern::Prefix("jo".into())] {
        let token = kew.token(&[Scope::Admin], pattern).await;
        for route in routes().iter().filter(|route| route.path.contains("{queue}")) {
            // When both a foreign and a missing queue are asked for
            let ask = |queue| {
                let path = path_for(&route.path, ACCOUNT, queue);
                let (kew, token) = (&kew, &token);
                async move { kew.call_as(token, route.method, &path, body_for(route.method, &route.path)).await }
            };
            let (foreign, missing) = (ask(OTHER).await, ask(MISSING).await);
            // Then the answers are the same but for the id that was asked for, and say that there is none
            assert!(missing.text().ends_with(&format!(": {MISSING}")), "{}", missing.body);
            assert_eq!(
                (foreign.status, &foreign.body),
                (404, &missing.body.replace(&MISSING.to_string(), &OTHER.to_string())),
                "{} {}",
                route.method,
                route.path
            );
            assert_eq!(foreign.failure().1, code_of_a_missing_queue(&route.path), "{}", route.path);
        }
        let own = kew.call_as(&token, "GET", JOBS, "").await;
        assert_eq!(own.expect(200)["queue_name"], "jobs");
    }
    assert!(kew.broker.queue_named(ACCOUNT, "other").is_some(), "nothing was deleted");
}

#[tokio::test]
async fn a_limited_token_lists_and_makes_only_what_is_its_own() {
    let kew = Kew::start().await;
    create_queue(kew.broker.as_ref(), "other", Some(OTHER)).await;
    let by_id = kew.token(&[Scope::Read, Scope::Write], QueuePattern::Exact(OTHER)).await;
    let by_prefix = kew.token(&[Scope::Read, Scope::Write], QueuePattern::Prefix("jobs".into())).await;
    for (token, name) in [(&by_id, "other"), (&by_prefix, "jobs")] {
        let listed = kew.call_as(token, "GET", QUEUES, "").await.expect(200);
        assert_eq!(listed.as_array().unwrap().len(), 1);
        assert_eq!(listed[0]["queue_name"], name);
    }
    for (token, name, status) in
        [(&by_id, "more", 403), (&by_prefix, "more", 403), (&by_prefix, "jobs-dead", 200)]
    {
        let body = format!(r#"{{"queue_name":"{name}"}}"#);
        assert_eq!(kew.call_as(token, "POST", QUEUES, &body).await.status, status, "{name}");
    }
}

#[tokio::test]
async fn a_limited_token_cannot_send_dead_letters_to_foreign_queues() {
    let kew = Kew::start().await;
    let id = create_queue(kew.broker.as_ref(), "team-1", None).await;
    let token = kew.token(&[Scope::Write], QueuePattern::Prefix("team-".into())).await;
    let consumers = format!("{QUEUES}/{id}/consumers");
    let attach = |name: &str| format!(r#"{{"type":"http_pull","dead_letter_queue":"{name}"}}"#);
    let refused = kew.call_as(&token, "POST", &consumers, &attach("jobs")).await;
    assert_eq!(refused.failure(), (403, 10_000));
    kew.call_as(&token, "POST", &consumers, &attach("team-dead")).await.expect(200);
}

#[tokio::test]
async fn an_admin_of_some_queues_does_not_manage_the_server() {
    let kew = Kew::start().await;
    let token = kew.token(&[Scope::Admin], QueuePattern::Prefix("jo".into())).await;
    for route in routes().iter().filter(|route| route.right == "server") {
        let path = path_for(&route.path, ACCOUNT, QUEUE);
        let answer = kew.call_as(&token, route.method, &path, body_for(route.method, &route.path)).await;
        assert_eq!(answer.failure(), (403, 10_000), "{} {path}", route.method);
    }
}

#[tokio::test]
async fn a_prefix_follows_the_current_name_and_an_id_follows_the_queue() {
    // Given tokens by prefix and by id
    let kew = Kew::start().await;
    let by_prefix = kew.token(&[Scope::Read], QueuePattern::Prefix("jo".into())).await;
    let by_id = kew.token(&[Scope::Read], QueuePattern::Exact(QUEUE)).await;
    // When the queue gets another name
    let change = kew_model::QueueChange { name: Some("tasks".parse().unwrap()), ..Default::default() };
    kew.broker.update_queue(crate::kew::PLACE, change).await.unwrap();
    // Then only the id still opens it
    assert_eq!(kew.call_as(&by_prefix, "GET", JOBS, "").await.failure(), (404, 11_000));
    assert_eq!(kew.call_as(&by_id, "GET", JOBS, "").await.expect(200)["queue_name"], "tasks");
}

#[tokio::test]
async fn a_token_expires_by_the_clock_and_is_revoked_on_an_open_connection() {
    let kew = Kew::start().await;
    let end = kew_testkit::ManualClock::START.after(Seconds(60));
    let (_, expiring) =
        kew.token_that(&[Scope::Read], QueuePattern::All, |token| token.expires_on = Some(end)).await;
    let (id, revoked) = kew.token_that(&[Scope::Read], QueuePattern::All, |_| {}).await;
    let mut connection = kew.connect().await;
    kew.clock.advance(Seconds(59));
    connection.call("GET", QUEUES, &expiring, "").await.expect(200);
    connection.call("GET", QUEUES, &revoked, "").await.expect(200);
    kew.clock.advance(Seconds(1));
    kew.broker.revoke_token(ACCOUNT, id).await.unwrap();
    assert_eq!(connection.call("GET", QUEUES, &expiring, "").await.failure(), (401, 10_000));
    assert_eq!(connection.call("GET", QUEUES, &revoked, "").await.failure(), (401, 10_000));
}

#[tokio::test]
async fn the_legacy_pair_opens_what_its_token_allows() {
    let kew = Kew::start().await;
    let key = Credential::mint_legacy_key(&FixedChance::new(5));
    let secret = key.secret.reveal().to_owned();
    kew.token_that(&[Scope::Read], QueuePattern::All, |token| {
        (token.id, token.hash, token.email) = (key.id, key.hash, Some("ann@example.com".into()));
    })
    .await;
    let pair = |email: &str, key: &str| format!("x-auth-email: {email}\nx-auth-key: {key}");
    kew.call_as(&pair("ann@example.com", &secret), "GET", QUEUES, "").await.expect(200);
    kew.call_as(&pair("Ann@Example.COM", &secret), "GET", QUEUES, "").await.expect(200);
    for (email, key, failure) in [
        ("bob@example.com", secret.as_str(), (401, 10_000)),
        ("ann@example.com", &"0".repeat(37), (401, 10_000)),
        ("ann@example.com", &secret[1..], (401, 10_000)),
    ] {
        assert_eq!(
            kew.call_as(&pair(email, key), "GET", QUEUES, "").await.failure(),
            failure,
            "{email} {key}"
        );
    }
    let denied =
        kew.call_as(&pair("ann@example.com", &secret), "POST", QUEUES, r#"{"queue_name":"a"}"#).await;
    assert_eq!(denied.failure(), (403, 10_000));
    let as_bearer = format!("authorization: Bearer {secret}");
    assert_eq!(kew.call_as(&as_bearer, "GET", QUEUES, "").await.failure(), (401, 10_000));
}

#[tokio::test]
async fn with_both_credentials_bearer_wins_and_nothing_falls_back() {
    let kew = Kew::start().await;
    let wrong_pair = format!("{}\nx-auth-email: a@b.c\nx-auth-key: 1", kew.admin);
    kew.call_as(&wrong_pair, "GET", QUEUES, "").await.expect(200);
    let key = Credential::mint_legacy_key(&FixedChance::new(5));
    let secret = key.secret.reveal().to_owned();
    kew.token_that(&[Scope::Read], QueuePattern::All, |token| {
        (token.id, token.hash, token.email) = (key.id, key.hash, Some("a@b.c".into()));
    })
    .await;
    let wrong_bearer = format!("authorization: Bearer wrong\nx-auth-email: a@b.c\nx-auth-key: {secret}");
    assert_eq!(kew.call_as(&wrong_bearer, "GET", QUEUES, "").await.failure(), (401, 10_000));
}

#[tokio::test]
async fn the_development_token_is_refused_by_name_where_tokens_count() {
    let kew = Kew::start().await;
    let answer = kew.call_as(&format!("authorization: Bearer {DEVELOPMENT_TOKEN}"), "GET", QUEUES, "").await;
    assert_eq!(answer.failure(), (401, 10_000));
    assert!(answer.text().contains("kew dev"), "{answer:?}");
}

fn development() -> Settings {
    let access = Access::Development { token: DEVELOPMENT_TOKEN.into(), account: ACCOUNT };
    Settings { access, ..Settings::default() }
}

#[tokio::test]
async fn in_development_one_token_opens_one_account_under_every_id() {
    let kew = Kew::start_with(development()).await;
    let bearer = format!("authorization: Bearer {DEVELOPMENT_TOKEN}");
    let pair = format!("x-auth-email: anybody@example.com\nx-auth-key: {DEVELOPMENT_TOKEN}");
    for headers in [&bearer, &pair] {
        for account in ["local", &QUEUE.to_string(), &ACCOUNT.to_string(), "023e105f4ecef8ad9ca31a8372d0c353"]
        {
            let path = format!("/client/v4/accounts/{account}/queues/{QUEUE}/messages");
            kew.call_as(headers, "POST", &path, r#"{"body":1}"#).await.expect(200);
        }
    }
    let accounts = kew.call_as(&bearer, "GET", "/kew/v1/accounts", "").await.expect(200);
    assert_eq!(accounts[0]["id"], ACCOUNT.to_string());
}

#[tokio::test]
async fn in_development_other_tokens_and_other_sites_pages_are_refused() {
    let kew = Kew::start_with(development()).await;
    let bearer = format!("authorization: Bearer {DEVELOPMENT_TOKEN}");
    assert_eq!(kew.call_as("", "GET", QUEUES, "").await.failure(), (401, 10_000));
    assert_eq!(kew.call_as(&kew.admin, "GET", QUEUES, "").await.failure(), (401, 10_000));
    for foreign in
        ["http://evil.example", "http://127.0.0.1.evil.example:80", "null", "https://localhost.evil.example"]
    {
        let headers = format!("{bearer}\norigin: {foreign}");
        assert_eq!(kew.call_as(&headers, "GET", QUEUES, "").await.failure(), (403, 10_000), "{foreign}");
    }
    for own in [
        "http://localhost:3000",
        "http://127.0.0.1:7790",
        "https://localhost",
        "http://[::1]",
        "http://[::1]:80",
    ] {
        let headers = format!("{bearer}\norigin: {own}");
        kew.call_as(&headers, "GET", QUEUES, "").await.expect(200);
    }
}
