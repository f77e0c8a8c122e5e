//! The requests that the Terraform provider makes (spec §9.6), replayed: what it reads back must be what it wrote, or
//! it plans a change for ever.

use serde_json::{Value, json};

use crate::kew::{ACCOUNT, Kew, QUEUES};

/// What the provider sends with each request, with and without a body.
fn headers(kew: &Kew) -> String {
    format!(
        "{}\naccept: application/json\ncontent-type: application/json\nuser-agent: terraform-provider-cloudflare/5.0.0",
        kew.admin
    )
}

async fn send(kew: &Kew, method: &str, path: &str, body: &str) -> crate::client::Answer {
    kew.call_as(&headers(kew), method, path, body).await
}

/// Whether every field that was sent came back with the same value.
fn is_echoed(sent: &Value, back: &Value) -> bool {
    match (sent, back) {
        (Value::Object(fields), Value::Object(_)) => {
            fields.iter().all(|(name, value)| is_echoed(value, &back[name]))
        }
        _ => sent == back,
    }
}

#[tokio::test]
async fn a_queue_resource_lives_through_create_read_update_import_and_delete() {
    let kew = Kew::start().await;
    // Create
    let body = json!({"queue_name": "tf-queue"});
    let made = send(&kew, "POST", QUEUES, &body.to_string()).await.expect(200);
    assert!(is_echoed(&body, &made), "{made}");
    let id = made["queue_id"].as_str().unwrap();
    let path = format!("{QUEUES}/{id}");
    // Read: what was computed at creation stays as it was
    assert_eq!(send(&kew, "GET", &path, "").await.expect(200), made);
    // Update: a PUT with some of the settings, by which the others get their defaults
    let update = json!({"queue_name": "tf-queue-renamed", "settings": {"delivery_delay": 30, "message_retention_period": 86_400}});
    let updated = send(&kew, "PUT", &path, &update.to_string()).await.expect(200);
    assert!(is_echoed(&update, &updated), "{updated}");
    let partial = json!({"queue_name": "tf-queue-renamed", "settings": {"delivery_paused": true}});
    let updated = send(&kew, "PUT", &path, &partial.to_string()).await.expect(200);
    assert_eq!(
        updated["settings"],
        json!({"delivery_delay": 0, "delivery_paused": true, "message_retention_period": 345_600})
    );
    assert_eq!((&updated["queue_id"], &updated["created_on"]), (&made["queue_id"], &made["created_on"]));
    // Import by <account>/<queue>, and the data sources: a read of one, and of all
    let import = format!("/client/v4/accounts/{ACCOUNT}/queues/{id}");
    assert_eq!(send(&kew, "GET", &import, "").await.expect(200), updated);
    let all = send(&kew, "GET", QUEUES, "").await.expect(200);
    assert!(all.as_array().unwrap().contains(&updated));
    // Delete, twice as when it is destroyed behind the provider's back: a 404 says that it is gone
    send(&kew, "DELETE", &path, "").await.expect(200);
    assert_eq!(send(&kew, "GET", &path, "").await.failure(), (404, 11_000));
    assert_eq!(send(&kew, "DELETE", &path, "").await.failure(), (404, 11_000));
}

#[tokio::test]
async fn a_consumer_resource_keeps_its_values_and_changes_its_type_in_place() {
    let kew = Kew::start().await;
    let queue = send(&kew, "POST", QUEUES, r#"{"queue_name":"tf-queue"}"#).await.expect(200);
    let consumers = format!("{QUEUES}/{}/consumers", queue["queue_id"].as_str().unwrap());
    // Create, with the values of the provider's acceptance tests
    let pull = json!({
        "type": "http_pull",
        "settings": {"batch_size": 10, "max_retries": 3, "retry_delay": 0, "visibility_timeout_ms": 30_000},
    });
    let made = send(&kew, "POST", &consumers, &pull.to_string()).await.expect(200);
    assert!(is_echoed(&pull, &made), "{made}");
    assert!(made["created_on"].as_str().unwrap().ends_with('Z'), "{made}");
    let id = made["consumer_id"].clone();
    let path = format!("{consumers}/{}", id.as_str().unwrap());
    assert_eq!(send(&kew, "GET", &path, "").await.expect(200), made);
    // Update of settings: a PUT on the same id
    let longer = json!({
        "type": "http_pull", "dead_letter_queue": "tf-dead",
        "settings": {"batch_size": 50, "max_retries": 5, "retry_delay": 10, "visibility_timeout_ms": 60_000},
    });
    let updated = send(&kew, "PUT", &path, &longer.to_string()).await.expect(200);
    assert!(is_echoed(&longer, &updated) && updated["consumer_id"] == id, "{updated}");
    // The type does not force a new resource: it comes as a PUT on the same id, there and back
    let worker = json!({
        "type": "worker", "script_name": "tf-worker",
        "settings": {"batch_size": 10, "max_retries": 3, "max_wait_time_ms": 5000, "retry_delay": 0},
    });
    let switched = send(&kew, "PUT", &path, &worker.to_string()).await.expect(200);
    assert!(is_echoed(&worker, &switched) && switched["consumer_id"] == id, "{switched}");
    // The provider takes `script` for its `script_name`
    assert_eq!(switched["script"], "tf-worker");
    assert_eq!(send(&kew, "GET", &path, "").await.expect(200), switched);
    let back = send(&kew, "PUT", &path, &pull.to_string()).await.expect(200);
    assert!(is_echoed(&pull, &back) && back["consumer_id"] == id, "{back}");
    // Import: a read; and the data source for all
    assert_eq!(send(&kew, "GET", &path, "").await.expect(200), back);
    assert_eq!(send(&kew, "GET", &consumers, "").await.expect(200), json!([back]));
    // Delete: the next read says that it is gone
    send(&kew, "DELETE", &path, "").await.expect(200);
    assert_eq!(send(&kew, "GET", &path, "").await.failure(), (404, 11_006));
}

#[tokio::test]
async fn a_consumer_without_settings_is_created_and_shows_which_it_has() {
    let kew = Kew::start().await;
    for (name, body) in [
        ("tf-1", json!({"type": "http_pull"})),
        ("tf-2", json!({"type": "worker", "script_name": "tf-worker"})),
    ] {
        let queue = send(&kew, "POST", QUEUES, &json!({"queue_name": name}).to_string()).await.expect(200);
        let consumers = format!("{QUEUES}/{}/consumers", queue["queue_id"].as_str().unwrap());
        let made = send(&kew, "POST", &consumers, &body.to_string()).await.expect(200);
        assert!(is_echoed(&body, &made) && made["settings"]["batch_size"].is_u64(), "{made}");
    }
}
