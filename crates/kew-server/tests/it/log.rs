//! The log: a line for each request when asked for, failures of the server always, and never a secret.

use std::io;
use std::sync::{Arc, Mutex};

use kew_model::Error;
use kew_server::{DEVELOPMENT_TOKEN, Settings};
use tracing::Level;
use tracing::subscriber::DefaultGuard;

use crate::faulty::Push;
use crate::kew::{JOBS, Kew};
use crate::memory::{DEVELOPER, InMemory};

/// What was logged on this thread, where the test's server runs as well.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn each_request_is_one_line_without_secrets_bodies_and_queries() {
    let (log, _guard) = Log::start();
    let kew = Kew::start_with(Settings { log_requests: true, ..Settings::default() }).await;
    let body = r#"{"body":"private-words","content_type":"text"}"#;
    let pushed = kew.post(&format!("{JOBS}/messages?token=query-words"), body).await;
    let pulled = kew.pull("").await;
    let lease = pulled["messages"][0]["lease_id"].as_str().unwrap();
    kew.call_as("authorization: Bearer wrong-words", "GET", "/client/v4/accounts/a/queues", "").await;
    let wrong_pair = "x-auth-email: a@b.c\nx-auth-key: 0123456789abcdef0123456789abcdef";
    kew.call_as(wrong_pair, "GET", "/kew/v1/accounts", "").await;
    let text = log.text();
    let lines: Vec<_> = text.lines().filter(|line| line.contains(" request=")).collect();
    assert_eq!(lines.len(), 4, "{text}");
    let id = pushed.header("x-request-id").unwrap();
    for field in [
        format!("request={id}"),
        "method=POST".into(),
        format!("path={JOBS}/messages"),
        "status=200".into(),
        "code=0".into(),
        format!("bytes_in={}", body.len()),
        format!("bytes_out={}", pushed.body.len()),
        "microseconds=".into(),
    ] {
        assert!(lines[0].contains(&field), "{field} in {}", lines[0]);
    }
    assert!(lines[2].contains("status=401") && lines[2].contains("code=10000"), "{}", lines[2]);
    let secret = kew.admin.rsplit('_').next().unwrap();
    for hidden in [secret, lease, "private-words", "query-words", "wrong-words", "0123456789abcdef"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
}

#[tokio::test]
async fn failures_of_the_server_are_told_with_their_cause_also_unasked() {
    let (log, _guard) = Log::start();
    for push in [Push::Fail(Error::OutcomeUnknown { cause: "EIO at segment 7".into() }), Push::Panic] {
        let kew = InMemory::start(Some(push), |_| {}).await;
        let mut client = kew.connect(65_536).await;
        client.call("POST", &format!("{JOBS}/messages"), DEVELOPER, r#"{"body":"private-words"}"#).await;
        client.call("GET", "/healthz", "", "").await.expect(200);
    }
    let text = log.text();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("EIO at segment 7") && lines[0].contains("code=19004"), "{}", lines[0]);
    assert!(lines[1].contains("panic: told to panic") && lines[1].contains("code=15000"), "{}", lines[1]);
    assert!(!text.contains("private-words") && !text.contains(DEVELOPMENT_TOKEN), "{text}");
}

#[tokio::test]
async fn a_queue_that_only_a_worker_consumes_is_told_to_keep_its_messages() {
    let (log, _guard) = Log::start();
    let kew = Kew::start().await;
    let consumers = format!("{JOBS}/consumers");
    let listed = kew.call("GET", &consumers, "").await.expect(200);
    let path = format!("{consumers}/{}", listed[0]["consumer_id"].as_str().unwrap());
    let warnings = || log.text().lines().filter(|line| line.contains("WARN")).count();
    // Given a pull consumer, which is nothing to warn of
    kew.call("PUT", &path, r#"{"type":"http_pull"}"#).await.expect(200);
    assert_eq!(warnings(), 0, "{}", log.text());
    // When it becomes a Worker's, and when one is attached anew, then each is told once
    let worker = r#"{"type":"worker","script_name":"mailer"}"#;
    kew.call("PUT", &path, worker).await.expect(200);
    assert_eq!(warnings(), 1, "{}", log.text());
    let said =
        "this queue keeps its messages: nothing delivers to Workers yet queue=\"jobs\" script=\"mailer\"";
    assert!(log.text().contains(said), "{}", log.text());
    kew.call("DELETE", &path, "").await.expect(200);
    kew.post(&consumers, worker).await.expect(200);
    assert_eq!(warnings(), 2, "{}", log.text());
    // And one that is refused is not told
    assert_eq!(kew.post(&consumers, worker).await.failure(), (409, 11_004));
    assert_eq!(warnings(), 2, "{}", log.text());
}
