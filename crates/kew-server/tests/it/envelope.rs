//! No answer leaves outside the envelope, whatever happens (spec §1.2, §2.15, §12).

use kew_model::Error;
use kew_server::{Settings, routes};
use kew_wire::messages::{BodyEncoding, JsonBodies};
use serde_json::json;

use crate::faulty::Push;
use crate::kew::{JOBS, Kew, QUEUES};
use crate::memory::{DEVELOPER, InMemory};

#[tokio::test]
async fn unknown_routes_are_told_with_both_codes() {
    let kew = Kew::start().await;
    for path in
        ["/", "/client/v4", "/client/v4/zones", "/nowhere?x=1", &format!("{JOBS}/messages/poll"), "/healthz/"]
    {
        for method in ["GET", "POST", "OPTIONS", "BREW"] {
            let answer = kew.call(method, path, "").await;
            let codes: Vec<_> =
                (0..2).map(|index| answer.envelope()["errors"][index]["code"].clone()).collect();
            assert_eq!((answer.status, codes), (404, vec![json!(7003), json!(7000)]), "{method} {path}");
        }
    }
    let answer = kew.call("GET", "/client/v4/x", "").await;
    assert_eq!(answer.text(), "Could not route to /client/v4/x, perhaps your object identifier is invalid?");
}

#[tokio::test]
async fn a_known_path_with_another_method_is_405_and_says_which() {
    let kew = Kew::start().await;
    for path in routes().into_iter().map(|route| route.path).collect::<std::collections::BTreeSet<_>>() {
        let taken: Vec<_> =
            routes().into_iter().filter(|route| route.path == path).map(|route| route.method).collect();
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            let is_taken = taken.contains(&method) || method == "HEAD" && taken.contains(&"GET");
            if is_taken || method == "HEAD" {
                continue;
            }
            let answer = kew.call_as("", method, &path, "").await;
            assert_eq!(answer.failure(), (405, 19_008), "{method} {path}");
            assert_eq!(answer.header("allow"), Some(taken.join(", ").as_str()), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let kew = Kew::start().await;
    let mut client = kew.connect().await;
    for (path, status) in
        [("/healthz", 200), (QUEUES, 200), ("/nowhere", 404), (&format!("{JOBS}/messages"), 405)]
    {
        let answer = client.call("HEAD", path, &kew.admin, "").await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/json")),
            "{path}"
        );
    }
    client.call("GET", "/healthz", "", "").await.expect(200);
}

#[tokio::test]
async fn health_is_a_constant_for_everybody() {
    let kew = Kew::start().await;
    for headers in ["", "authorization: Bearer wrong", "authorization: nonsense"] {
        let answer = kew.call_as(headers, "GET", "/healthz?verbose=1", "").await;
        assert_eq!(answer.body, r#"{"success":true,"errors":[],"messages":[],"result":{"status":"ok"}}"#);
    }
}

#[tokio::test]
async fn each_answer_has_a_request_id_of_its_own() {
    let kew = Kew::start().await;
    let mut client = kew.connect().await;
    let mut ids = std::collections::HashSet::new();
    for path in ["/healthz", "/nowhere", "/healthz"] {
        let answer = client.call("GET", path, "", "").await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert_eq!(id.len(), 32);
        assert!(ids.insert(id));
    }
}

#[tokio::test]
async fn what_the_broker_refuses_has_its_status_code_and_retry_headers() {
    let unknown = Error::OutcomeUnknown { cause: "secret detail".into() };
    for (error, failure, retry_after, should_retry) in [
        (Error::Overloaded, (429, 10_250), Some("1"), None),
        (Error::StorageFull { free_bytes: 1, needed_bytes: 2 }, (429, 10_251), Some("10"), None),
        (Error::Closing, (503, 10_503), Some("1"), None),
        (unknown, (503, 19_004), None, None),
        (Error::Internal { cause: "secret detail".into() }, (500, 15_000), None, None),
        (Error::QueueNotFound, (404, 10_104), None, None),
        (Error::QueuePaused, (409, 10_252), None, Some("false")),
    ] {
        let kew = InMemory::start(Some(Push::Fail(error.clone())), |_| {}).await;
        let mut client = kew.connect(65_536).await;
        let answer = client.call("POST", &format!("{JOBS}/messages"), DEVELOPER, r#"{"body":1}"#).await;
        assert_eq!(answer.failure(), failure, "{error:?}");
        assert_eq!(
            (answer.header("retry-after"), answer.header("x-should-retry")),
            (retry_after, should_retry)
        );
        assert!(!answer.body.contains("secret detail"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_connection_goes_on() {
    let kew = InMemory::start(Some(Push::Panic), |_| {}).await;
    let mut client = kew.connect(65_536).await;
    let answer = client.call("POST", &format!("{JOBS}/messages"), DEVELOPER, r#"{"body":1}"#).await;
    assert_eq!((answer.failure(), answer.text()), ((500, 15_000), "internal error".into()));
    client.call("GET", "/healthz", "", "").await.expect(200);
}

#[tokio::test]
async fn plain_bodies_and_strict_bodies_are_settings() {
    let settings = Settings {
        pull_json_encoding: BodyEncoding::Plain,
        json_bodies: JsonBodies::Strict,
        ..Settings::default()
    };
    let kew = Kew::start_with(settings).await;
    kew.post(&format!("{JOBS}/messages"), r#"{"body":{"a": 1}}"#).await.expect(200);
    assert_eq!(kew.pull("").await["messages"][0]["body"], r#"{"a": 1}"#);
    let refused = kew.post(&format!("{JOBS}/messages"), r#"{"body":"bare"}"#).await;
    assert_eq!(refused.failure(), (400, 10_207));
    assert_eq!(refused.text(), r#"Validation error: Expected object, received string at "body""#);
}

#[tokio::test]
async fn strange_query_strings_and_paths_do_no_harm() {
    let kew = Kew::start().await;
    for query in ["?", "?&&&", "?name", "?name=%", "?name=%00%ff", "?page=1&page=2", "?=&=", "?%70age=x"] {
        kew.call("GET", &format!("{QUEUES}{query}"), "").await.expect(200);
    }
    let long = format!("{QUEUES}/{}", "x".repeat(7_500));
    assert_eq!(kew.call("GET", &long, "").await.failure(), (404, 11_000));
    let unknown = kew.call("GET", &format!("/{}", "x".repeat(7_500)), "").await;
    assert!(unknown.status == 404 && unknown.body.len() < 1_000);
}
