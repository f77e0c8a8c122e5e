//! Event subscriptions through HTTP (spec §2.12): kept, shown, listed by page.

use kew_model::{Broker as _, Milliseconds, QueueId, QueuePattern, Scope};
use serde_json::{Value, json};

use crate::kew::{ACCOUNT, JOBS, Kew, QUEUE, create_queue};

const SUBSCRIPTIONS: &str =
    "/client/v4/accounts/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/event_subscriptions/subscriptions";
const OTHER: QueueId = QueueId([0x03; 16]);

/// The body of a subscription to the builds of a Worker.
fn body(name: &str, worker: &str, queue: QueueId) -> String {
    json!({
        "name": name, "enabled": true,
        "source": {"type": "workersBuilds.worker", "worker_name": worker},
        "destination": {"type": "queues.queue", "queue_id": queue.to_string()},
        "events": ["build.started", "build.failed"],
    })
    .to_string()
}

fn at(subscription: &Value) -> String {
    format!("{SUBSCRIPTIONS}/{}", subscription["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_subscription_is_created_shown_changed_and_deleted() {
    let kew = Kew::start().await;
    create_queue(kew.broker.as_ref(), "other", Some(OTHER)).await;
    // When one is made as wrangler does
    let made = kew.post(SUBSCRIPTIONS, &body("jobs builds", "w", QUEUE)).await.expect(200);
    let moment = "2026-01-01T00:00:00.000Z";
    assert_eq!(
        made,
        json!({
            "id": made["id"], "created_at": moment, "modified_at": moment, "name": "jobs builds", "enabled": true,
            "source": {"type": "workersBuilds.worker", "worker_name": "w"},
            "destination": {"type": "queues.queue", "queue_id": QUEUE.to_string()},
            "events": ["build.started", "build.failed"],
        })
    );
    assert_eq!(made["id"].as_str().unwrap().len(), 32);
    assert_eq!(kew.call("GET", &at(&made), "").await.expect(200), made);
    // When each of its fields changes by itself
    kew.clock.advance(Milliseconds(5));
    let mut expected = made.clone();
    expected["modified_at"] = json!("2026-01-01T00:00:00.005Z");
    for (field, value) in [
        ("name", json!("renamed")),
        ("enabled", json!(false)),
        ("events", json!(["build.canceled"])),
        ("destination", json!({"type": "queues.queue", "queue_id": OTHER.to_string()})),
    ] {
        let changed = kew.call("PATCH", &at(&made), &json!({ field: value }).to_string()).await.expect(200);
        // Then the others stay
        expected[field] = value;
        assert_eq!(changed, expected, "{field}");
    }
    // When it is deleted, it is shown a last time
    assert_eq!(kew.call("DELETE", &at(&made), "").await.expect(200), expected);
    assert_eq!(kew.call("GET", &at(&made), "").await.failure(), (404, 19_020));
    assert_eq!(kew.call("GET", SUBSCRIPTIONS, "").await.expect(200), json!([]));
}

#[tokio::test]
async fn what_is_unknown_is_404_and_what_is_taken_is_405() {
    let kew = Kew::start().await;
    let made = kew.post(SUBSCRIPTIONS, &body("a", "w", QUEUE)).await.expect(200);
    for id in ["x", &"0".repeat(32), &"f".repeat(33)] {
        let path = format!("{SUBSCRIPTIONS}/{id}");
        for (method, sent) in [("GET", ""), ("PATCH", "{}"), ("DELETE", "")] {
            let answer = kew.call(method, &path, sent).await;
            assert_eq!(
                (answer.failure(), answer.text()),
                ((404, 19_020), format!("No subscription with this ID: {id}"))
            );
        }
    }
    let twin = kew.post(SUBSCRIPTIONS, &body("b", "w", QUEUE)).await;
    assert_eq!(
        (twin.failure(), twin.text()),
        ((405, 19_021), "multiple subscriptions per resource are not supported".into())
    );
    kew.post(SUBSCRIPTIONS, &body("b", "another", QUEUE)).await.expect(200);
    for queue in [OTHER.to_string(), "jobs".into()] {
        let wrong = body("c", "third", QUEUE).replace(&QUEUE.to_string(), &queue);
        for (method, path) in [("POST", SUBSCRIPTIONS.to_owned()), ("PATCH", at(&made))] {
            let answer = kew.call(method, &path, &wrong).await;
            assert_eq!((answer.failure(), answer.text()), ((404, 19_019), "Queue does not exist".into()));
            assert_eq!(answer.pointer(), "/destination/queue_id");
        }
    }
}

#[tokio::test]
async fn unknown_events_and_sources_are_refused_with_their_place() {
    let kew = Kew::start().await;
    let good = body("a", "w", QUEUE);
    for (wrong, failure, pointer) in [
        (good.replace("build.failed", "build.done"), (400, 19_022), "/events"),
        (good.replace("workersBuilds.worker", "moon"), (400, 10_026), "/source/type"),
        (good.replace("worker_name", "name"), (400, 10_026), "/source/worker_name"),
        (good.replace("queues.queue", "queue"), (400, 10_026), "/destination/type"),
        ("{}".into(), (400, 10_026), "/name"),
        (String::new(), (400, 10_026), ""),
    ] {
        let answer = kew.post(SUBSCRIPTIONS, &wrong).await;
        assert_eq!((answer.failure(), answer.pointer()), (failure, pointer.to_owned()), "{wrong}");
    }
    let made = kew.post(SUBSCRIPTIONS, &good).await.expect(200);
    let answer = kew.call("PATCH", &at(&made), r#"{"events":["bucket.created"]}"#).await;
    assert_eq!(answer.failure(), (400, 19_022));
    assert!(answer.text().contains("build.succeeded"), "{answer:?}");
}

/// The names in a list, and its page.
async fn listed(kew: &Kew, query: &str) -> (Vec<String>, Value) {
    let envelope = kew.call("GET", &format!("{SUBSCRIPTIONS}{query}"), "").await.envelope();
    let names = envelope["result"].as_array().unwrap().iter();
    let names = names.map(|shown| shown["name"].as_str().unwrap().to_owned()).collect();
    (names, envelope["result_info"].clone())
}

#[tokio::test]
async fn a_list_is_sorted_filtered_and_paged() {
    let kew = Kew::start().await;
    create_queue(kew.broker.as_ref(), "other", Some(OTHER)).await;
    for (name, worker, queue) in [("b", "z", QUEUE), ("c", "x", OTHER), ("a", "y", QUEUE)] {
        kew.clock.advance(Milliseconds(1));
        let made = kew.post(SUBSCRIPTIONS, &body(name, worker, queue)).await.expect(200);
        if name == "c" {
            kew.call("PATCH", &at(&made), r#"{"enabled":false}"#).await.expect(200);
        }
    }
    let page = |count, page, per_page, total, pages| json!({"count": count, "page": page, "per_page": per_page, "total_count": total, "total_pages": pages});
    let whole = page(3, 1, 20, 3, 1);
    let of_jobs = format!("?queue_id={QUEUE}&page=1&per_page=20");
    for (query, names, info) in [
        ("", "abc", whole.clone()),
        ("?order=name&direction=asc", "abc", whole.clone()),
        ("?direction=desc", "cba", whole.clone()),
        ("?order=created_at", "bca", whole.clone()),
        ("?order=created_at&direction=desc", "acb", whole.clone()),
        ("?order=enabled", "cba", whole.clone()),
        ("?order=source", "cab", whole),
        (of_jobs.as_str(), "ab", page(2, 1, 20, 2, 1)),
        ("?queue_id=jobs", "", page(0, 1, 20, 0, 0)),
        ("?page=2&per_page=2", "c", page(1, 2, 2, 3, 2)),
        ("?page=3&per_page=2", "", page(0, 3, 2, 3, 2)),
    ] {
        let expected: Vec<_> = names.chars().map(String::from).collect();
        assert_eq!(listed(&kew, query).await, (expected, info), "{query}");
    }
    for (query, text) in [
        ("order=size", "order must be created_at, name, enabled or source, not \"size\""),
        ("direction=up", "direction must be asc or desc, not \"up\""),
        ("per_page=0", "per_page must be a whole number from 1 to 10000, not \"0\""),
    ] {
        let answer = kew.call("GET", &format!("{SUBSCRIPTIONS}?{query}"), "").await;
        assert_eq!((answer.failure(), answer.text().as_str()), ((400, 19_003), text));
    }
}

#[tokio::test]
async fn without_paging_a_page_has_twenty_and_the_next_ends_with_nothing() {
    let kew = Kew::start().await;
    for index in 0..25 {
        let name = format!("s-{index:02}");
        kew.post(SUBSCRIPTIONS, &body(&name, &name, QUEUE)).await.expect(200);
    }
    // SDKs ask for the next page until one is empty (spec §1.6).
    let mut lengths = Vec::new();
    for page in 1..=3 {
        lengths.push(listed(&kew, &format!("?page={page}")).await.0.len());
    }
    assert_eq!(lengths, [20, 5, 0]);
    assert_eq!(listed(&kew, "").await.0.len(), 20);
}

#[tokio::test]
async fn the_subscriptions_of_a_deleted_queue_go_with_it() {
    let kew = Kew::start().await;
    let made = kew.post(SUBSCRIPTIONS, &body("a", "w", QUEUE)).await.expect(200);
    kew.call("DELETE", JOBS, "").await.expect(200);
    assert_eq!(kew.call("GET", &at(&made), "").await.failure(), (404, 19_020));
    assert_eq!(listed(&kew, "").await.0.len(), 0);
}

#[tokio::test]
async fn a_limited_token_knows_only_the_subscriptions_of_its_queues() {
    // Given a subscription for each of two queues, and tokens for one of these
    let kew = Kew::start().await;
    create_queue(kew.broker.as_ref(), "other", Some(OTHER)).await;
    let own = kew.post(SUBSCRIPTIONS, &body("own", "w", QUEUE)).await.expect(200);
    let foreign = kew.post(SUBSCRIPTIONS, &body("foreign", "x", OTHER)).await.expect(200);
    for pattern in [QueuePattern::Exact(QUEUE), QueuePattern::Prefix("jo".into())] {
        let token = kew.token(&[Scope::Read, Scope::Write], pattern).await;
        let ask = async |method: &str, path: &str, sent: &str| kew.call_as(&token, method, path, sent).await;
        // Then the other is as missing as one that never was
        assert_eq!(ask("GET", SUBSCRIPTIONS, "").await.expect(200), json!([own]));
        assert_eq!(ask("GET", &at(&own), "").await.expect(200), own);
        let never = format!("{SUBSCRIPTIONS}/{}", "0".repeat(32));
        for (method, sent) in [("GET", ""), ("PATCH", r#"{"name":"taken"}"#), ("DELETE", "")] {
            let (hidden, missing) = (ask(method, &at(&foreign), sent).await, ask(method, &never, sent).await);
            let id = foreign["id"].as_str().unwrap();
            let expected = missing.body.replace(&"0".repeat(32), id);
            assert_eq!((hidden.failure(), &hidden.body), ((404, 19_020), &expected), "{method}");
        }
        // And none can be made or moved to where the token does not reach
        for sent in [body("b", "y", OTHER), body("b", "y", QueueId([9; 16]))] {
            assert_eq!(ask("POST", SUBSCRIPTIONS, &sent).await.failure(), (404, 19_019));
            assert_eq!(ask("PATCH", &at(&own), &sent).await.failure(), (404, 19_019));
        }
    }
    assert_eq!(kew.broker.subscriptions(ACCOUNT).len(), 2);
}
