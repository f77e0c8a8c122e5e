//! A client as plain as can be: it sends the bytes that a test wants, and reads one answer after another.

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// One connection.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
    unread: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The whole envelope; checks that it is one.
    pub(crate) fn envelope(&self) -> Value {
        let envelope: Value = serde_json::from_str(&self.body).expect("an answer is JSON");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        // What never became a request has no id.
        assert!(self.header("x-request-id").is_some(), "{self:?}");
        let success = envelope["success"].as_bool().expect("success is true or false");
        assert_eq!(success, self.status == 200, "{self:?}");
        assert_eq!(envelope["errors"].as_array().expect("errors is a list").is_empty(), success, "{self:?}");
        assert!(envelope["messages"].is_array() && envelope.get("result").is_some(), "{self:?}");
        envelope
    }

    /// The result, when the status is as expected.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.envelope()["result"].clone()
    }

    /// Status and first code of a failure.
    pub(crate) fn failure(&self) -> (u16, u64) {
        let envelope = self.envelope();
        (self.status, envelope["errors"][0]["code"].as_u64().expect("a failure has a code"))
    }

    /// The first error's text.
    pub(crate) fn text(&self) -> String {
        self.envelope()["errors"][0]["message"].as_str().expect("a failure has a text").to_owned()
    }

    /// The first error's pointer.
    pub(crate) fn pointer(&self) -> String {
        self.envelope()["errors"][0]["source"]["pointer"].as_str().unwrap_or_default().to_owned()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the server takes bytes");
        self.stream.flush().await.expect("the server takes bytes");
    }

    /// Sends a request; `headers` are lines, of any number.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: kew\r\n");
        for line in headers.lines().filter(|line| !line.is_empty()) {
            request.push_str(&format!("{line}\r\n"));
        }
        // As curl does: a POST without a body has no length.
        if !body.is_empty() {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body);
        self.send(request).await;
    }

    pub(crate) async fn call(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        self.ask(method, path, headers, body).await;
        if method == "HEAD" { self.answer_without_body().await } else { self.answer().await }
    }

    /// Reads the next answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut answer = self.answer_without_body().await;
        let length: usize =
            answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.unread.len() < length {
            assert!(self.fill().await, "the connection ended within an answer: {answer:?}");
        }
        let body = self.unread.drain(..length).collect();
        answer.body = String::from_utf8(body).expect("an answer is text");
        answer
    }

    /// Reads the status line and headers of the next answer.
    pub(crate) async fn answer_without_body(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            assert!(self.fill().await, "the connection ended without an answer");
        };
        let head = String::from_utf8(self.unread.drain(..end + 4).collect()).expect("headers are text");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.get(9..12)).and_then(|digits| digits.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Answer { status: status.expect("an answer has a status"), headers, body: String::new() }
    }

    /// Waits for the end of the connection and gives what came before.
    pub(crate) async fn end(&mut self) -> String {
        while self.fill().await {}
        String::from_utf8_lossy(&self.unread).into_owned()
    }

    /// Reads more; false at the end.
    async fn fill(&mut self) -> bool {
        let mut buffer = vec![0; 65_536];
        match self.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                true
            }
        }
    }
}
