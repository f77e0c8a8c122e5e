//! How often an address may show wrong credentials, and a token may ask (store-study §7.3).

use std::time::Duration;

use kew_model::{Broker as _, NewToken, QueuePattern, Scope};
use kew_server::Access;
use kew_testkit::FixedChance;
use kew_wire::access::Credential;
use tokio::time::advance;

use crate::kew::{ACCOUNT, QUEUES};
use crate::memory::{DEVELOPER, InMemory};

const WRONG: &str = "authorization: Bearer wrong";
const UNKNOWN: (u16, u64) = (401, 10_000);
const TOO_MANY: (u16, u64) = (429, 19_024);

/// One request on a connection of its own.
async fn ask(kew: &InMemory, address: &str, headers: &str) -> crate::client::Answer {
    kew.connect_from(address).await.call("GET", QUEUES, headers, "").await
}

#[tokio::test(start_paused = true)]
async fn an_address_that_shows_too_many_wrong_credentials_is_not_listened_to_for_a_while() {
    let kew = InMemory::start(None, |_| {}).await;
    let mut known = kew.connect_from("192.0.2.1").await;
    known.call("GET", QUEUES, DEVELOPER, "").await.expect(200);
    // Given an address that has shown no credential at all quite often, which counts for nothing, and ten wrong ones
    for _ in 0..20 {
        assert_eq!(ask(&kew, "192.0.2.1", "").await.failure(), UNKNOWN);
    }
    for _ in 0..10 {
        assert_eq!(ask(&kew, "192.0.2.1", WRONG).await.failure(), UNKNOWN);
    }
    // Then whatever it shows next is not looked at
    for headers in [WRONG, DEVELOPER] {
        let refused = ask(&kew, "192.0.2.1", headers).await;
        assert_eq!((refused.failure(), refused.header("retry-after")), (TOO_MANY, Some("6")));
    }
    // And other addresses, who is known already, and what needs no credential are served
    ask(&kew, "192.0.2.2", DEVELOPER).await.expect(200);
    known.call("GET", QUEUES, DEVELOPER, "").await.expect(200);
    assert_eq!(known.call("GET", QUEUES, WRONG, "").await.failure(), TOO_MANY);
    known.call("GET", QUEUES, DEVELOPER, "").await.expect(200);
    kew.connect_from("192.0.2.1").await.call("GET", "/healthz", "", "").await.expect(200);
    // When some time has passed, then it has one more try
    advance(Duration::from_secs(6)).await;
    ask(&kew, "192.0.2.1", DEVELOPER).await.expect(200);
    assert_eq!(ask(&kew, "192.0.2.1", WRONG).await.failure(), UNKNOWN);
    assert_eq!(ask(&kew, "192.0.2.1", DEVELOPER).await.failure(), TOO_MANY);
}

#[tokio::test(start_paused = true)]
async fn loopback_stands_for_many_and_is_not_limited() {
    let kew = InMemory::start(None, |_| {}).await;
    for _ in 0..30 {
        assert_eq!(ask(&kew, "127.0.0.1", WRONG).await.failure(), UNKNOWN);
    }
}

#[tokio::test(start_paused = true)]
async fn behind_a_trusted_proxy_it_is_the_one_it_speaks_for_who_counts() {
    let proxies = vec!["10.0.0.1".parse().unwrap()];
    let kew = InMemory::start(None, |settings| settings.trusted_proxies = proxies).await;
    let mut proxy = kew.connect_from("10.0.0.1").await;
    let behind = |address, headers| format!("x-forwarded-for: {address}\n{headers}");
    proxy.call("GET", QUEUES, &behind("192.0.2.1", DEVELOPER), "").await.expect(200);
    for _ in 0..10 {
        let refused = proxy.call("GET", QUEUES, &behind("192.0.2.1", WRONG), "").await;
        assert_eq!(refused.failure(), UNKNOWN);
    }
    // That somebody is known on the proxy's connection says nothing of this one.
    let refused = proxy.call("GET", QUEUES, &behind("192.0.2.1", DEVELOPER), "").await;
    assert_eq!(refused.failure(), TOO_MANY);
    proxy.call("GET", QUEUES, &behind("192.0.2.2", DEVELOPER), "").await.expect(200);
    // Who is no proxy is not believed.
    for _ in 0..10 {
        let other = behind("192.0.2.9", WRONG);
        assert_eq!(ask(&kew, "192.0.2.3", &other).await.failure(), UNKNOWN);
    }
    assert_eq!(ask(&kew, "192.0.2.3", &behind("192.0.2.4", DEVELOPER)).await.failure(), TOO_MANY);
}

#[tokio::test(start_paused = true)]
async fn a_token_may_ask_so_often_in_a_second_when_the_server_was_told_so() {
    let kew = InMemory::start(None, |settings| {
        settings.access = Access::Tokens;
        settings.token_requests_per_second_max = 2;
    })
    .await;
    let mut headers = Vec::new();
    for number in 1..=2 {
        let minted = Credential::mint(&FixedChance::new(number));
        let new = NewToken {
            id: minted.id,
            name: String::new(),
            hash: minted.hash,
            email: None,
            scopes: [Scope::Read].into_iter().collect(),
            queues: QueuePattern::All,
            expires_on: None,
        };
        kew.broker.create_token(ACCOUNT, new).await.unwrap();
        headers.push(format!("authorization: Bearer {}", minted.secret.reveal()));
    }
    let mut client = kew.connect(65_536).await;
    for _ in 0..2 {
        client.call("GET", QUEUES, &headers[0], "").await.expect(200);
    }
    let refused = client.call("GET", QUEUES, &headers[0], "").await;
    assert_eq!((refused.failure(), refused.header("retry-after")), ((429, 971), Some("1")));
    assert_eq!(refused.text(), "this token may make 2 requests a second");
    client.call("GET", QUEUES, &headers[1], "").await.expect(200);
    advance(Duration::from_millis(500)).await;
    client.call("GET", QUEUES, &headers[0], "").await.expect(200);
}
