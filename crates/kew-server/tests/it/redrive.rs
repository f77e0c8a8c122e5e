//! Redrive through HTTP (design §8.24). Kew's own.

use kew_model::{PullSettings, QueueId, QueuePattern, Scope};
use serde_json::{Value, json};

use crate::client::Answer;
use crate::kew::{ACCOUNT, JOBS, Kew, PLACE, QUEUES, create_queue};

const BASE: &str = "/kew/v1/accounts/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/queues";

/// A queue `once` whose messages are dead-lettered into `dead` after one attempt, and messages that were.
async fn with_dead_letters(texts: &[&str]) -> (Kew, QueueId, QueueId) {
    let kew = Kew::start().await;
    let once = create_queue(kew.broker.as_ref(), "once", None).await;
    let settings = PullSettings { max_retries: 0, ..PullSettings::default() };
    kew.attach(once, settings, Some("dead")).await;
    let dead = kew_model::Broker::queue_named(kew.broker.as_ref(), ACCOUNT, "dead").unwrap().id;
    let path = format!("{QUEUES}/{once}/messages");
    for text in texts {
        let body = json!({"body": text, "content_type": "text"}).to_string();
        kew.post(&path, &body).await.expect(200);
    }
    let pulled = kew.post(&format!("{path}/pull"), r#"{"batch_size":100}"#).await.expect(200);
    let retries = json!({"retries": pulled["messages"]}).to_string();
    kew.post(&format!("{path}/ack"), &retries).await.expect(200);
    (kew, once, dead)
}

async fn redrive(kew: &Kew, source: QueueId, body: &str) -> Answer {
    kew.post(&format!("{BASE}/{source}/redrive"), body).await
}

async fn shown(kew: &Kew, queue: QueueId) -> Value {
    kew.post(&format!("{QUEUES}/{queue}/messages/peek"), r#"{"batch_size":100}"#).await.expect(200)
}

fn bodies(shown: &Value) -> Vec<&str> {
    shown["messages"].as_array().unwrap().iter().map(|message| message["body"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn dead_letters_go_back_to_where_they_came_from_and_others_stay() {
    // Given two dead letters, and a message that was pushed beside them
    let (kew, once, dead) = with_dead_letters(&["a", "b"]).await;
    let body = r#"{"body":"own","content_type":"text"}"#;
    kew.post(&format!("{QUEUES}/{dead}/messages"), body).await.expect(200);
    let before = shown(&kew, dead).await;
    // When the queue is redriven
    let result = redrive(&kew, dead, "").await.expect(200);
    // Then the letters are back, the same messages, to be tried anew; the other stays
    assert_eq!(result, json!({"moved": 2, "without_origin": 1, "left": 1}));
    let after = shown(&kew, once).await;
    assert_eq!((bodies(&after), bodies(&shown(&kew, dead).await)), (vec!["a", "b"], vec!["own"]));
    for index in 0..2 {
        for field in ["id", "body", "timestamp_ms"] {
            assert_eq!(before["messages"][index][field], after["messages"][index][field], "{field}");
        }
        assert_eq!(after["messages"][index]["attempts"], 0);
    }
    // And there is nothing more to do
    let result = redrive(&kew, dead, "{}").await.expect(200);
    assert_eq!(result, json!({"moved": 0, "without_origin": 1, "left": 1}));
}

#[tokio::test]
async fn a_named_destination_takes_everything_by_id_or_by_name_a_batch_a_call() {
    let (kew, _, dead) = with_dead_letters(&["a", "b", "c"]).await;
    let by_id = json!({"destination": PLACE.queue.to_string(), "batch_size": 1}).to_string();
    assert_eq!(
        redrive(&kew, dead, &by_id).await.expect(200),
        json!({"moved": 1, "without_origin": 0, "left": 2})
    );
    let by_name = r#"{"destination":"jobs"}"#;
    assert_eq!(
        redrive(&kew, dead, by_name).await.expect(200),
        json!({"moved": 2, "without_origin": 0, "left": 0})
    );
    assert_eq!(bodies(&shown(&kew, PLACE.queue).await), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_name_that_looks_like_an_id_is_found_and_ids_win() {
    let (kew, _, dead) = with_dead_letters(&["a", "b"]).await;
    // A queue whose name is 32 hexadecimal digits, and one whose name is the id of `jobs`
    let hex = "ab".repeat(16);
    let named = create_queue(kew.broker.as_ref(), &hex, None).await;
    let decoy = create_queue(kew.broker.as_ref(), &PLACE.queue.to_string(), None).await;
    let to = |text: &str| json!({"destination": text, "batch_size": 1}).to_string();
    redrive(&kew, dead, &to(&hex)).await.expect(200);
    redrive(&kew, dead, &to(&PLACE.queue.to_string())).await.expect(200);
    assert_eq!(bodies(&shown(&kew, named).await), ["a"]);
    assert_eq!(bodies(&shown(&kew, PLACE.queue).await), ["b"]);
    assert_eq!(bodies(&shown(&kew, decoy).await), Vec::<&str>::new());
}

#[tokio::test]
async fn missing_destinations_cycles_and_wrong_fields_are_pointed_at_and_move_nothing() {
    let (kew, _, dead) = with_dead_letters(&["a"]).await;
    let itself = json!({"destination": dead.to_string()}).to_string();
    for (body, failure, pointer) in [
        (r#"{"destination":"nowhere"}"#, (404, 19_019), "/destination"),
        (r#"{"destination":"04040404040404040404040404040404"}"#, (404, 19_019), "/destination"),
        (r#"{"destination":""}"#, (404, 19_019), "/destination"),
        (r#"{"destination":"dead"}"#, (400, 19_018), "/destination"),
        (&itself, (400, 19_018), "/destination"),
        (r#"{"destination":7}"#, (400, 10_026), "/destination"),
        (r#"{"batch_size":0}"#, (400, 10_026), "/batch_size"),
        (r#"{"batch_size":101}"#, (400, 10_026), "/batch_size"),
    ] {
        let answer = redrive(&kew, dead, body).await;
        assert_eq!((answer.failure(), answer.pointer()), (failure, pointer.into()), "{body}");
    }
    assert_eq!(bodies(&shown(&kew, dead).await), ["a"]);
    let missing = redrive(&kew, QueueId([4; 16]), "").await;
    assert_eq!(missing.failure(), (404, 11_000));
    let malformed = kew.post(&format!("{BASE}/jobs/redrive"), "").await;
    assert_eq!(malformed.failure(), (404, 11_000));
}

#[tokio::test]
async fn it_needs_both_rights() {
    let (kew, _, dead) = with_dead_letters(&["a"]).await;
    let path = format!("{BASE}/{dead}/redrive");
    for scopes in [&[Scope::Consume][..], &[Scope::Push], &[Scope::Read, Scope::Write]] {
        let token = kew.token(scopes, QueuePattern::All).await;
        for body in ["", r#"{"destination":"jobs"}"#] {
            let answer = kew.call_as(&token, "POST", &path, body).await;
            assert_eq!(answer.failure(), (403, 10_000), "{scopes:?}");
            assert!(answer.text().ends_with("this needs a token with the right consume and push"));
        }
    }
    let token = kew.token(&[Scope::Consume, Scope::Push], QueuePattern::All).await;
    assert_eq!(kew.call_as(&token, "POST", &path, "").await.expect(200)["moved"], 1);
}

#[tokio::test]
async fn a_token_for_some_queues_names_one_of_its_own_as_the_destination() {
    // Given a token for `dead…` only, and a queue of that name and one that is foreign
    let (kew, once, dead) = with_dead_letters(&["a"]).await;
    create_queue(kew.broker.as_ref(), "dead-again", None).await;
    let pattern = QueuePattern::Prefix("dead".into());
    let token = kew.token(&[Scope::Consume, Scope::Push], pattern).await;
    let path = format!("{BASE}/{dead}/redrive");
    let ask = |body: String| {
        let (kew, token, path) = (&kew, &token, &path);
        async move { kew.call_as(token, "POST", path, &body).await }
    };
    // Then it sends nothing to foreign queues, neither by name, nor by id, nor as origins
    let foreign = ask(json!({"destination": "jobs"}).to_string()).await;
    let missing = ask(json!({"destination": "nowhere"}).to_string()).await;
    assert_eq!((foreign.failure(), &foreign.body), ((404, 19_019), &missing.body));
    assert_eq!(ask(json!({"destination": once.to_string()}).to_string()).await.failure(), (404, 19_019));
    let to_origins = ask(String::new()).await;
    assert_eq!(to_origins.failure(), (403, 10_000));
    assert!(to_origins.text().contains("name the destination"), "{}", to_origins.text());
    // And sends to its own
    assert_eq!(ask(json!({"destination": "dead-again"}).to_string()).await.expect(200)["moved"], 1);
    // And takes from nothing foreign
    let answer = kew.call_as(&token, "POST", &format!("{BASE}/{once}/redrive"), "").await;
    assert_eq!(answer.failure(), (404, 11_000));
    assert_eq!(kew.call("GET", &format!("{JOBS}/metrics"), "").await.expect(200)["backlog_count"], 0);
}
