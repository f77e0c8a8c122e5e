//! Bytes as they come over a connection, put to a whole server in memory.
//!
//! The server stands on the oracle, under a clock that nobody moves and timers that jump, so an input takes no time. Each
//! input meets a fresh one. What comes back must be answers in the envelope and nothing else, none of them a failure of
//! the server.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use kew_model::{AccountId, Broker, NewQueue, QueueId, QueueSettings};
use kew_server::{Access, DEVELOPMENT_TOKEN, Listener, Server, Settings};
use kew_testkit::{FixedChance, ManualClock, Oracle};
use kew_wire::lease_id::KeyRing;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};

const ACCOUNT: AccountId = AccountId([0xaa; 16]);
/// The queues that there are, by name and by the byte that their ids repeat.
const QUEUES: [(&str, u8); 3] = [("jobs", 2), ("mails", 3), ("archive", 4)];
/// How many bytes may be under way in each direction.
const ROOM_BYTES: usize = 64 * 1024;
/// The longest query, in bytes before it is escaped; longer ones are refused with all other long headers.
const QUERY_BYTES_MAX: usize = 4 * 1024;
const QUERY_INVALID: u64 = 19_003;

/// Any bytes as what a client sends before it falls silent.
///
/// # Panics
/// When a property is broken.
pub fn bytes(input: &[u8]) {
    for answer in split(&exchange(input)) {
        answer.check();
    }
}

/// Any bytes as the query of the list of queues, escaped where a URL needs it.
///
/// # Panics
/// When a property is broken.
pub fn list_query(input: &[u8]) {
    if input.len() > QUERY_BYTES_MAX {
        return;
    }
    let request = format!(
        "GET /client/v4/accounts/{ACCOUNT}/queues?{} HTTP/1.1\r\nhost: kew\r\nauthorization: Bearer {}\r\n\r\n",
        escaped(input),
        DEVELOPMENT_TOKEN
    );
    let answers = split(&exchange(request.as_bytes()));
    let [answer] = answers.as_slice() else { panic!("{} answers to one request", answers.len()) };
    let envelope = answer.check();
    if answer.status != 200 {
        assert_eq!((answer.status, envelope["errors"][0]["code"].as_u64()), (400, Some(QUERY_INVALID)));
        return;
    }
    let number = |name: &str| envelope["result_info"][name].as_u64().expect("a page is told in numbers");
    let shown = envelope["result"].as_array().map_or(0, Vec::len) as u64;
    assert_eq!(number("count"), shown);
    assert!((1..=10_000).contains(&number("per_page")) && (1..=1_000_000).contains(&number("page")));
    assert!(shown <= number("per_page") && shown <= number("total_count"));
    assert!(number("total_count") <= QUEUES.len() as u64);
}

/// Bytes as a query may hold them: letters, digits and the marks that a URL allows there as they are, all else as `%xx`.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02x}"));
        }
    }
    text
}

/// One connection, handed in once; then nothing more comes.
struct Once(mpsc::Receiver<DuplexStream>);

impl Listener for Once {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Option<IpAddr>)> {
        match self.0.recv().await {
            Some(stream) => Ok((stream, None)),
            None => std::future::pending().await,
        }
    }
}

/// Everything that a fresh server answers to these bytes before the connection ends.
fn exchange(input: &[u8]) -> Vec<u8> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let (hand_in, handed) = mpsc::channel(1);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server().await.run(Once(handed), async move {
            // An error means that the sender is gone, which asks for the same.
            let _ = stopped.await;
        }));
        let (ours, theirs) = duplex(ROOM_BYTES);
        hand_in.send(theirs).await.expect("the server accepts");
        let (mut reading, mut writing) = tokio::io::split(ours);
        let mut answers = Vec::new();
        // A server that has refused the rest hangs up, so that not all can be sent. This side never hangs up: the
        // server does when its time for the next request is over.
        let (_, read) = tokio::join!(writing.write_all(input), reading.read_to_end(&mut answers));
        read.expect("the server ends in order");
        drop(stop);
        running.await.expect("the server does not panic");
        answers
    })
}

async fn server() -> Server {
    let clock = Arc::new(ManualClock::default());
    let chance = Arc::new(FixedChance::new(7));
    let oracle = Arc::new(Oracle::new(clock.clone(), chance.clone()));
    oracle.create_account(Some(ACCOUNT), "test".into()).await.expect("an account");
    for (name, byte) in QUEUES {
        let new = NewQueue {
            name: name.parse().expect("a name"),
            id: Some(QueueId([byte; 16])),
            jurisdiction: None,
            settings: QueueSettings::default(),
        };
        oracle.create_queue(ACCOUNT, new).await.expect("a queue");
    }
    let access = Access::Development { token: DEVELOPMENT_TOKEN.into(), account: ACCOUNT };
    let keys = KeyRing::generate(chance.as_ref());
    Server::new(oracle, clock, chance, keys, Settings { access, ..Settings::default() })
}

/// One answer of the server.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

/// Takes apart what came back. An answer to `HEAD` tells a length and has no body; a body begins with a brace.
fn split(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head ends") + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text").to_lowercase();
        bytes = &bytes[end..];
        let status = head.strip_prefix("http/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let length = length.filter(|_| bytes.starts_with(b"{")).unwrap_or(0);
        let (body, rest) = bytes.split_at(length);
        answers.push(Answer { status: status.expect("a status"), head, body: body.to_vec() });
        bytes = rest;
    }
    answers
}

impl Answer {
    /// Checks the envelope, if there is one, and gives it.
    fn check(&self) -> Value {
        let Self { status, head, body } = self;
        assert!(*status < 500, "a failure of the server: {head}{}", String::from_utf8_lossy(body));
        if *status == 100 || body.is_empty() {
            return Value::Null;
        }
        assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
        let is_no_request = matches!(status, 400 | 431);
        assert!(is_no_request || head.contains("\r\nx-request-id: "), "{head}");
        let envelope: Value = serde_json::from_slice(body).expect("an answer is JSON");
        let errors = envelope["errors"].as_array().expect("errors is a list");
        assert_eq!(envelope["success"], *status == 200);
        assert_eq!(errors.is_empty(), *status == 200);
        assert!(envelope["messages"].is_array() && envelope.get("result").is_some());
        envelope
    }
}
