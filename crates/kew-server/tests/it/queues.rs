//! Queues through HTTP (spec §2.1–§2.4, §2.7, §12).

use kew_model::Milliseconds;
use serde_json::{Value, json};

use crate::kew::{JOBS, Kew, QUEUES};

fn is_id(value: &Value) -> bool {
    let id = value.as_str().unwrap_or_default();
    id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[tokio::test]
async fn a_created_queue_shows_id_times_settings_counts_and_lists() {
    let kew = Kew::start().await;
    let mut queue = kew.post(QUEUES, r#"{"queue_name":"fresh"}"#).await.expect(200);
    assert!(is_id(&queue["queue_id"]), "{queue}");
    let id = queue["queue_id"].take();
    let moment = "2026-01-01T00:00:00.000Z";
    assert_eq!(
        queue,
        json!({
            "queue_id": null, "queue_name": "fresh", "created_on": moment, "modified_on": moment,
            "settings": {"delivery_delay": 0, "delivery_paused": false, "message_retention_period": 345_600},
            "producers": [], "producers_total_count": 0, "consumers": [], "consumers_total_count": 0,
        })
    );
    let path = format!("{QUEUES}/{}", id.as_str().unwrap());
    assert_eq!(kew.call("GET", &path, "").await.expect(200)["queue_name"], "fresh");
}

#[tokio::test]
async fn a_second_queue_of_the_same_name_is_a_conflict_not_to_be_retried() {
    let kew = Kew::start().await;
    let answer = kew.post(QUEUES, r#"{"queue_name":"jobs"}"#).await;
    assert_eq!(answer.failure(), (409, 11_009));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!((answer.text(), answer.pointer()), ("a queue named jobs exists".into(), "/queue_name".into()));
}

#[tokio::test]
async fn names_follow_the_rule() {
    let kew = Kew::start().await;
    for good in ["a", &"b".repeat(63)] {
        kew.post(QUEUES, &format!(r#"{{"queue_name":"{good}"}}"#)).await.expect(200);
    }
    for bad in ["", &"c".repeat(64), "A", "-a", "a-", "a_b", "a.b"] {
        let answer = kew.post(QUEUES, &format!(r#"{{"queue_name":"{bad}"}}"#)).await;
        assert_eq!(answer.failure(), (400, 11_003), "{bad}");
    }
}

#[tokio::test]
async fn settings_are_kept_within_their_bounds() {
    let kew = Kew::start().await;
    for (index, (setting, value, is_good)) in [
        ("delivery_delay", "-1", false),
        ("delivery_delay", "0", true),
        ("delivery_delay", "86400", true),
        ("delivery_delay", "86401", false),
        ("message_retention_period", "59", false),
        ("message_retention_period", "60", true),
        ("message_retention_period", "1209600", true),
        ("message_retention_period", "1209601", false),
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!(r#"{{"queue_name":"q{index}","settings":{{"{setting}":{value}}}}}"#);
        let answer = kew.post(QUEUES, &body).await;
        if is_good {
            assert_eq!(answer.expect(200)["settings"][setting].to_string(), value);
        } else {
            assert_eq!(answer.failure(), (400, 100_128), "{setting} {value}");
            assert_eq!(answer.pointer(), format!("/settings/{setting}"));
        }
    }
}

#[tokio::test]
async fn a_deleted_queue_is_gone_with_its_name() {
    let kew = Kew::start().await;
    kew.push_texts(&["a"]).await;
    // SDKs declare a JSON body that they do not send (spec §9.2); older definitions send one (spec §2.7).
    let headers = format!("{}\ncontent-type: application/json", kew.admin);
    let deleted = kew.call_as(&headers, "DELETE", JOBS, "").await;
    assert_eq!(deleted.envelope(), json!({"success": true, "errors": [], "messages": [], "result": null}));
    assert_eq!(kew.call("GET", JOBS, "").await.failure(), (404, 11_000));
    assert_eq!(kew.call("DELETE", JOBS, r#"{"anything":1}"#).await.failure(), (404, 11_000));
    assert_eq!(kew.post(&format!("{JOBS}/messages"), r#"{"body":1}"#).await.failure(), (404, 10_104));
    kew.post(QUEUES, r#"{"queue_name":"jobs"}"#).await.expect(200);
}

#[tokio::test]
async fn ids_that_are_none_are_missing_queues_on_the_control_plane() {
    let kew = Kew::start().await;
    for id in ["jobs", "00", "zz020202020202020202020202020202", "%2e%2e"] {
        for (method, path) in [
            ("GET", format!("{QUEUES}/{id}")),
            ("DELETE", format!("{QUEUES}/{id}")),
            ("GET", format!("{QUEUES}/{id}/consumers")),
            ("GET", format!("{QUEUES}/{id}/consumers/x")),
        ] {
            assert_eq!(kew.call(method, &path, "").await.failure(), (404, 11_000), "{method} {path}");
        }
    }
    let upper_case = JOBS.to_uppercase().replace("/CLIENT/V4/ACCOUNTS/", "/client/v4/accounts/");
    let answer = kew.call("GET", &upper_case.replace("/QUEUES/", "/queues/"), "").await;
    assert_eq!(answer.expect(200)["queue_name"], "jobs");
}

/// Names listed, and the page.
async fn listed(kew: &Kew, query: &str) -> (Vec<String>, Value) {
    let envelope = kew.call("GET", &format!("{QUEUES}{query}"), "").await.envelope();
    let names = envelope["result"].as_array().unwrap().iter();
    (
        names.map(|queue| queue["queue_name"].as_str().unwrap().to_owned()).collect(),
        envelope["result_info"].clone(),
    )
}

#[tokio::test]
async fn lists_are_in_the_order_of_creation_by_name_and_by_page() {
    let kew = Kew::start().await;
    for name in ["zulu", "alpha", "mike"] {
        kew.clock.advance(Milliseconds(1));
        kew.post(QUEUES, &format!(r#"{{"queue_name":"{name}"}}"#)).await.expect(200);
    }
    let page = |count, page, per_page, total, pages| json!({"count": count, "page": page, "per_page": per_page, "total_count": total, "total_pages": pages});
    for (query, names, info) in [
        ("", vec!["jobs", "zulu", "alpha", "mike"], page(4, 1, 100, 4, 1)),
        ("?page=1", vec!["jobs", "zulu", "alpha", "mike"], page(4, 1, 100, 4, 1)),
        ("?page=2&per_page=3", vec!["mike"], page(1, 2, 3, 4, 2)),
        ("?page=9&per_page=3", vec![], page(0, 9, 3, 4, 2)),
        ("?page=1&name=alpha", vec!["alpha"], page(1, 1, 100, 1, 1)),
        ("?name=mike&name=zulu&page=1", vec!["zulu", "mike"], page(2, 1, 100, 2, 1)),
        ("?name=alph", vec![], page(0, 1, 100, 0, 0)),
        ("?name=", vec![], page(0, 1, 100, 0, 0)),
        ("?unknown=1&name=al%70ha", vec!["alpha"], page(1, 1, 100, 1, 1)),
    ] {
        assert_eq!(
            listed(&kew, query).await,
            (names.into_iter().map(str::to_owned).collect(), info),
            "{query}"
        );
    }
    let refused = kew.call("GET", &format!("{QUEUES}?per_page=0"), "").await;
    assert_eq!(refused.failure(), (400, 19_003));
}

#[tokio::test]
async fn without_paging_all_of_a_long_list_comes() {
    let kew = Kew::start().await;
    for index in 0..120 {
        crate::kew::create_queue(kew.broker.as_ref(), &format!("q-{index}"), None).await;
    }
    let (names, info) = listed(&kew, "").await;
    assert_eq!((names.len(), &info["total_pages"], &info["per_page"]), (121, &json!(1), &json!(121)));
    let (names, info) = listed(&kew, "?page=2").await;
    assert_eq!((names.len(), &info["total_pages"]), (21, &json!(2)));
}

#[tokio::test]
async fn bodies_that_say_no_queue_are_refused_with_the_place() {
    let kew = Kew::start().await;
    for (body, code, pointer) in [
        ("", 10_026, ""),
        ("{", 10_026, ""),
        ("[]", 10_026, ""),
        ("{}", 10_026, "/queue_name"),
        (r#"{"queue_name":7}"#, 10_026, "/queue_name"),
        (r#"{"queue_name":"a","jurisdiction":"moon"}"#, 10_026, "/jurisdiction"),
        (r#"{"queue_name":"a","settings":3}"#, 100_128, "/settings"),
    ] {
        let answer = kew.post(QUEUES, body).await;
        assert_eq!((answer.failure(), answer.pointer()), ((400, code), pointer.to_owned()), "{body}");
    }
    let made = kew.post(QUEUES, r#"{"queue_name":"a","jurisdiction":"eu"}"#).await.expect(200);
    assert_eq!(made["jurisdiction"], "eu");
}
