//! Who the caller is (spec §2.13): what wrangler's `whoami` and the SDKs ask, for every kind of credential.

use kew_model::{AccountId, Broker as _, QueuePattern, Scope, Seconds};
use kew_server::{Access, DEVELOPMENT_TOKEN, Settings};
use kew_testkit::{FixedChance, ManualClock};
use kew_wire::access::Credential;
use serde_json::json;

use crate::kew::{ACCOUNT, Kew};

const VERIFY: &str = "/client/v4/user/tokens/verify";
const ACCOUNTS: &str = "/client/v4/accounts";

fn account_path() -> String {
    format!("{ACCOUNTS}/{ACCOUNT}")
}

#[tokio::test]
async fn a_token_verifies_itself_as_a_users_and_as_an_accounts() {
    let kew = Kew::start().await;
    let end = ManualClock::START.after(Seconds(60));
    let (id, token) = kew
        .token_that(&[Scope::Push], QueuePattern::Prefix("jo".into()), |token| token.expires_on = Some(end))
        .await;
    for path in [VERIFY.to_owned(), format!("{}/tokens/verify", account_path())] {
        let answer = kew.call_as(&token, "GET", &path, "").await;
        assert_eq!(
            answer.envelope(),
            json!({
                "success": true, "errors": [],
                "messages": [{"code": 10_000, "message": "This API Token is valid and active", "type": null}],
                "result": {"id": id.to_string(), "status": "active", "expires_on": "2026-01-01T00:01:00.000Z"},
            })
        );
        assert_eq!(kew.call_as("", "GET", &path, "").await.failure(), (401, 10_000));
    }
    kew.clock.advance(Seconds(60));
    assert_eq!(kew.call_as(&token, "GET", VERIFY, "").await.failure(), (401, 10_000));
}

#[tokio::test]
async fn a_caller_learns_of_its_own_account_only() {
    // Given a second account
    let kew = Kew::start().await;
    let foreign = AccountId([0xbb; 16]);
    kew.broker.create_account(Some(foreign), "foreign".into()).await.unwrap();
    // When a token of the first with little rights asks
    let (id, token) = kew.token_that(&[Scope::Push, Scope::Read], QueuePattern::All, |_| {}).await;
    let ask = async |path: &str| kew.call_as(&token, "GET", path, "").await;
    // Then it learns of itself
    let account = json!({"id": ACCOUNT.to_string(), "name": "test", "type": "standard", "created_on": "2026-01-01T00:00:00.000Z"});
    let email = format!("token-{id}@localhost");
    assert_eq!(ask("/client/v4/user").await.expect(200), json!({"id": id.to_string(), "email": email}));
    let accounts = ask(&format!("{ACCOUNTS}?page=1")).await;
    assert_eq!(accounts.expect(200), json!([account]));
    assert_eq!(
        accounts.envelope()["result_info"],
        json!({"count": 1, "page": 1, "per_page": 100, "total_count": 1, "total_pages": 1})
    );
    assert_eq!(ask(&account_path()).await.expect(200), account);
    let memberships = ask("/client/v4/memberships?page=1").await;
    assert_eq!(
        memberships.expect(200),
        json!([{"id": id.to_string(), "account": account, "roles": ["push", "read"], "status": "accepted", "api_access_enabled": true}])
    );
    assert_eq!(memberships.envelope()["result_info"]["total_count"], 1);
    // And of nothing else, not even with the right to manage the server
    for other in [foreign, AccountId([0xcc; 16])] {
        for path in [format!("{ACCOUNTS}/{other}"), format!("{ACCOUNTS}/{other}/tokens/verify")] {
            assert_eq!(ask(&path).await.failure(), (403, 10_000), "{path}");
            assert_eq!(kew.call("GET", &path, "").await.failure(), (403, 10_000), "{path}");
        }
    }
    assert_eq!(ask(&format!("{ACCOUNTS}/local")).await.failure(), (404, 7003));
    assert_eq!(kew.call("GET", ACCOUNTS, "").await.expect(200), json!([account]));
}

#[tokio::test]
async fn accounts_are_found_by_name_and_end_after_the_first_page() {
    let kew = Kew::start().await;
    for (query, count) in
        [("?name=test", 1), ("?name=foreign", 0), ("?page=2", 0), ("?per_page=1&direction=desc", 1)]
    {
        for path in [ACCOUNTS, "/client/v4/memberships"] {
            let listed = kew.call("GET", &format!("{path}{query}"), "").await.expect(200);
            assert_eq!(listed.as_array().unwrap().len(), count, "{path}{query}");
        }
    }
    assert_eq!(kew.call("GET", &format!("{ACCOUNTS}?page=0"), "").await.failure(), (400, 19_003));
}

#[tokio::test]
async fn a_legacy_pair_is_the_user_of_its_address() {
    let kew = Kew::start().await;
    let key = Credential::mint_legacy_key(&FixedChance::new(5));
    let (id, secret) = (key.id, key.secret.reveal().to_owned());
    kew.token_that(&[Scope::Read], QueuePattern::All, |token| {
        (token.id, token.hash, token.email) = (key.id, key.hash, Some("ann@example.com".into()));
    })
    .await;
    let pair = format!("x-auth-email: ann@example.com\nx-auth-key: {secret}");
    let user = kew.call_as(&pair, "GET", "/client/v4/user", "").await.expect(200);
    assert_eq!(user, json!({"id": id.to_string(), "email": "ann@example.com"}));
    kew.call_as(&pair, "GET", VERIFY, "").await.expect(200);
    let memberships = kew.call_as(&pair, "GET", "/client/v4/memberships", "").await.expect(200);
    assert_eq!(memberships[0]["account"]["id"], ACCOUNT.to_string());
}

#[tokio::test]
async fn in_development_every_account_is_the_one() {
    let access = Access::Development { token: DEVELOPMENT_TOKEN.into(), account: ACCOUNT };
    let kew = Kew::start_with(Settings { access, ..Settings::default() }).await;
    let token = format!("authorization: Bearer {DEVELOPMENT_TOKEN}");
    let ask = async |path: &str| kew.call_as(&token, "GET", path, "").await.expect(200);
    assert_eq!(ask(VERIFY).await, json!({"id": ACCOUNT.to_string(), "status": "active"}));
    assert_eq!(ask("/client/v4/user").await["email"], "developer@localhost");
    assert_eq!(ask(ACCOUNTS).await[0]["id"], ACCOUNT.to_string());
    assert_eq!(ask("/client/v4/memberships").await[0]["roles"], json!(["admin"]));
    for alias in ["local", "023e105f4ecef8ad9ca31a8372d0c353"] {
        assert_eq!(ask(&format!("{ACCOUNTS}/{alias}")).await["name"], "test");
        assert_eq!(ask(&format!("{ACCOUNTS}/{alias}/tokens/verify")).await["status"], "active");
    }
}
