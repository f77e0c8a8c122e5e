//! Kew's own calls through HTTP: accounts and tokens (design §8.20).

use serde_json::{Value, json};

use crate::kew::{ACCOUNT, JOBS, Kew, QUEUE, QUEUES};

const ACCOUNTS: &str = "/kew/v1/accounts";

fn tokens_of(account: &str) -> String {
    format!("{ACCOUNTS}/{account}/tokens")
}

fn bearer(token: &Value) -> String {
    format!("authorization: Bearer {}", token["secret"].as_str().unwrap())
}

#[tokio::test]
async fn an_account_is_made_listed_and_opened_by_its_own_token() {
    let kew = Kew::start().await;
    let made = kew.post(ACCOUNTS, r#"{"name":"team"}"#).await.expect(200);
    let id = made["id"].as_str().unwrap();
    assert_eq!(made, json!({"id": id, "name": "team", "created_on": "2026-01-01T00:00:00.000Z"}));
    let listed = kew.call("GET", ACCOUNTS, "").await;
    assert_eq!(listed.expect(200)[1], made);
    assert_eq!(listed.envelope()["result_info"]["total_count"], 2);
    // When a token is made for it
    let token = kew.post(&tokens_of(id), r#"{"scopes":["admin"],"name":"root"}"#).await.expect(200);
    // Then it opens the new account and not the old one
    let path = format!("/client/v4/accounts/{id}/queues");
    kew.call_as(&bearer(&token), "POST", &path, r#"{"queue_name":"jobs"}"#).await.expect(200);
    assert_eq!(kew.call_as(&bearer(&token), "GET", QUEUES, "").await.failure(), (403, 10_000));
}

#[tokio::test]
async fn an_account_may_have_a_certain_id_once() {
    let kew = Kew::start().await;
    let body = format!(r#"{{"id":"{}"}}"#, "d".repeat(32));
    assert_eq!(kew.post(ACCOUNTS, &body).await.expect(200)["id"], "d".repeat(32));
    assert_eq!(kew.post(ACCOUNTS, &body).await.failure(), (409, 19_015));
    assert_eq!(kew.post(ACCOUNTS, r#"{"id":"d"}"#).await.pointer(), "/id");
}

#[tokio::test]
async fn a_tokens_secret_is_shown_once_and_opens_what_it_names() {
    let kew = Kew::start().await;
    let path = tokens_of(&ACCOUNT.to_string());
    let body = format!(r#"{{"name":"ci","scopes":["push"],"queue_id":"{QUEUE}"}}"#);
    let mut made = kew.post(&path, &body).await.expect(200);
    let headers = bearer(&made);
    kew.call_as(&headers, "POST", &format!("{JOBS}/messages"), r#"{"body":1}"#).await.expect(200);
    assert_eq!(kew.call_as(&headers, "GET", JOBS, "").await.failure(), (403, 10_000));
    let listed = kew.call("GET", &path, "").await;
    assert!(!listed.body.contains(made["secret"].as_str().unwrap()) && !listed.body.contains("secret"));
    made.as_object_mut().unwrap().remove("secret");
    assert_eq!(listed.expect(200)[1], made);
    assert_eq!(
        made,
        json!({
            "id": made["id"], "account_id": ACCOUNT.to_string(), "name": "ci", "scopes": ["push"],
            "queue_id": QUEUE.to_string(), "queue_prefix": null, "email": null,
            "created_on": "2026-01-01T00:00:00.000Z", "expires_on": null,
        })
    );
}

#[tokio::test]
async fn an_email_makes_a_key_for_the_pair() {
    let kew = Kew::start().await;
    let path = tokens_of(&ACCOUNT.to_string());
    let made = kew.post(&path, r#"{"scopes":["read"],"email":"Ann@example.com"}"#).await.expect(200);
    let key = made["secret"].as_str().unwrap();
    assert_eq!((key.len(), &made["email"]), (37, &json!("ann@example.com")));
    let pair = format!("x-auth-email: ann@example.com\nx-auth-key: {key}");
    kew.call_as(&pair, "GET", QUEUES, "").await.expect(200);
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_and_is_listed_no_more() {
    let kew = Kew::start().await;
    let path = tokens_of(&ACCOUNT.to_string());
    let made = kew.post(&path, r#"{"scopes":["read"]}"#).await.expect(200);
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    let revoked = kew.call("DELETE", &one, "").await;
    assert_eq!(revoked.envelope(), json!({"success": true, "errors": [], "messages": [], "result": null}));
    assert_eq!(kew.call_as(&bearer(&made), "GET", QUEUES, "").await.failure(), (401, 10_000));
    assert_eq!(kew.call("DELETE", &one, "").await.failure(), (404, 19_014));
    assert_eq!(kew.call("DELETE", &format!("{path}/x"), "").await.failure(), (404, 19_014));
    assert_eq!(kew.call("GET", &path, "").await.expect(200).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_pointed_at() {
    let kew = Kew::start().await;
    let path = tokens_of(&ACCOUNT.to_string());
    for (body, pointer) in [
        ("", ""),
        ("{}", "/scopes"),
        (r#"{"scopes":["everything"]}"#, "/scopes"),
        (r#"{"scopes":["push"],"queue_id":"jobs"}"#, "/queue_id"),
        (r#"{"scopes":["push"],"expires_on":"tomorrow"}"#, "/expires_on"),
        (r#"{"scopes":["push"],"email":"nobody"}"#, "/email"),
    ] {
        let answer = kew.post(&path, body).await;
        assert_eq!((answer.failure(), answer.pointer()), ((400, 10_026), pointer.to_owned()), "{body}");
    }
    for missing in ["x", &"0".repeat(32)] {
        let answer = kew.post(&tokens_of(missing), r#"{"scopes":["push"]}"#).await;
        assert_eq!(answer.failure(), (404, 19_013));
    }
}

#[tokio::test]
async fn a_token_that_expires_says_so() {
    let kew = Kew::start().await;
    let path = tokens_of(&ACCOUNT.to_string());
    let body = r#"{"scopes":["read"],"queue_prefix":"jo","expires_on":"2026-01-01T01:00:00+01:00"}"#;
    let made = kew.post(&path, body).await.expect(200);
    assert_eq!(made["expires_on"], "2026-01-01T00:00:00.000Z");
    assert_eq!(made["queue_prefix"], "jo");
    assert_eq!(kew.call_as(&bearer(&made), "GET", QUEUES, "").await.failure(), (401, 10_000));
}
