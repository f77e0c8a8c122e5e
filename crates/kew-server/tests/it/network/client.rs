//! A client: it does what applications do with a queue, and sends again what was not answered, as the official SDKs do.

use std::sync::Arc;
use std::time::Duration;

use kew_testkit::history::{Learned, Span};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::journey::{Journey, Told};
use super::line::Answer;
use super::record::{DEAD, Event, JOBS, Message};
use super::site::{Site, queue_id};
use super::{Temper, pass};
use crate::kew::QUEUES;

/// How often a request is sent at most: once, and twice again, as both SDKs do.
const TRIES: u32 = 3;
/// Pause before a request is sent again.
const BACKOFF: Duration = Duration::from_millis(500);
/// How long leases last, in milliseconds.
const VISIBILITY_MS: core::ops::Range<u64> = 200..4_000;
/// How long one lasts from when it was extended: longer than any other, so that every extension prolongs.
const EXTENDED: Duration = Duration::from_secs(5);
/// The codes of answers that say that nothing happened, and that nobody knows.
const UNAVAILABLE: u64 = 10_503;
const OUTCOME_UNKNOWN: u64 = 19_004;

/// A lease that a client has.
struct Held {
    queue: &'static str,
    lease: String,
    is_extended: bool,
}

/// What came of a request that was sent once.
enum Outcome {
    Answered(Value),
    /// Nothing happened, nor will.
    Refused,
    Unknown,
}

/// One sending of a request.
struct Try {
    span: Span,
    outcome: Outcome,
    /// How often it may be carried out.
    times: u32,
    is_repeat: bool,
}

impl Try {
    /// What was learned of an entry of it; one that was answered with a warning changed nothing.
    fn learned_of(&self, lease: &str) -> Learned {
        match &self.outcome {
            Outcome::Answered(result) if result["warnings"].get(lease).is_some() => Learned::Failed,
            Outcome::Answered(_) => Learned::Ok,
            Outcome::Refused => Learned::Failed,
            Outcome::Unknown => Learned::Unknown,
        }
    }
}

pub(super) struct Client {
    site: Arc<Site>,
    journey: Journey,
    random: StdRng,
    temper: Temper,
    name: String,
    pushed: u32,
    held: Vec<Held>,
}

impl Client {
    pub(super) fn new(site: Arc<Site>, number: u64, mut random: StdRng, temper: Temper) -> Self {
        let of_the_journey = rand::SeedableRng::seed_from_u64(random.random());
        let journey = Journey::new(site.clone(), of_the_journey, temper.trouble);
        Self { site, journey, random, temper, name: format!("c{number}n"), pushed: 0, held: Vec::new() }
    }

    /// Does so many things as its temper says.
    pub(super) async fn run(mut self) {
        for _ in 0..self.temper.rounds {
            match self.random.random_range(0..100) {
                0..35 => self.push().await,
                35..65 => {
                    let queue = if self.random.random_bool(0.2) { DEAD } else { JOBS };
                    let wait_ms = [0, 0, 1_500][self.random.random_range(0..3)];
                    self.pull(queue, wait_ms, 10).await;
                }
                65..85 => self.settle(0.6).await,
                85..91 => self.extend().await,
                91..93 if self.temper.purges => self.purge().await,
                _ => pass(Duration::from_millis(self.random.random_range(0..3_000))).await,
            }
        }
    }

    fn record(&self, event: Event) {
        self.site.record.lock().unwrap().events.push(event);
    }

    fn wrong(&self, text: String) {
        self.site.record.lock().unwrap().wrong.push(text);
    }

    /// Sends a request about a queue once.
    async fn send(&mut self, queue: &str, verb: &str, header: &str, body: &Value) -> Try {
        let (admin, id, body) = (&self.site.admin, queue_id(queue), body.to_string());
        let head = format!("POST {QUEUES}/{id}/{verb} HTTP/1.1\r\nhost: kew\r\n{admin}\r\n{header}");
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        let invoked = self.site.now();
        let told = self.journey.send(request.as_bytes()).await;
        let span = Span { invoked, answered: self.site.now() };
        match told {
            Told::NeverWhole => Try { span, outcome: Outcome::Refused, times: 0, is_repeat: false },
            Told::Nothing { times } => Try { span, outcome: Outcome::Unknown, times, is_repeat: false },
            Told::Answer { answer, times } => {
                let is_repeat = answer.is_repeat;
                let (outcome, times) = match self.judge(verb, answer) {
                    // The other of two may be carried out all the same.
                    Outcome::Refused if times > 1 => (Outcome::Unknown, times - 1),
                    Outcome::Refused => (Outcome::Refused, 0),
                    outcome => (outcome, times),
                };
                Try { span, outcome, times, is_repeat }
            }
        }
    }

    fn judge(&self, verb: &str, mut answer: Answer) -> Outcome {
        match (answer.status, answer.body["errors"][0]["code"].as_u64()) {
            (200, None) if answer.body["success"] == true => Outcome::Answered(answer.body["result"].take()),
            (503, Some(UNAVAILABLE)) => Outcome::Refused,
            (503, Some(OUTCOME_UNKNOWN)) => Outcome::Unknown,
            _ => {
                self.wrong(format!("{verb} was answered with {}: {}", answer.status, answer.body));
                Outcome::Unknown
            }
        }
    }

    /// Sends a request until it is answered, or often enough. Tells of each time.
    async fn persist(&mut self, queue: &str, verb: &str, header: &str, body: &Value) -> Vec<Try> {
        let mut tries = Vec::new();
        for _ in 0..TRIES {
            let one = self.send(queue, verb, header, body).await;
            let is_answered = matches!(one.outcome, Outcome::Answered(_));
            tries.push(one);
            if is_answered {
                break;
            }
            pass(BACKOFF).await;
        }
        tries
    }

    async fn push(&mut self) {
        let count = [1, 1, 3, 8][self.random.random_range(0..4)];
        let (mut keys, mut messages) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let key = format!("{}{}", self.name, self.pushed);
            self.pushed += 1;
            let delay_seconds = [0, 0, 0, 2][self.random.random_range(0..4)];
            let padding = "x".repeat([0, 20, 700][self.random.random_range(0..3)]);
            let body = format!("{key}|{}|{padding}", padding.len());
            messages.push(json!({"body": body, "content_type": "text", "delay_seconds": delay_seconds}));
            keys.push((key, Duration::from_secs(delay_seconds)));
        }
        let is_keyed = self.random.random_bool(0.5);
        let header = if is_keyed { format!("idempotency-key: {}\r\n", keys[0].0) } else { String::new() };
        let tries = match count {
            1 => self.persist(JOBS, "messages", &header, &messages[0]).await,
            _ => self.persist(JOBS, "messages/batch", &header, &json!({"messages": messages})).await,
        };
        let span = Span { invoked: tries[0].span.invoked, answered: tries.last().unwrap().span.answered };
        let times: u32 = tries.iter().map(|one| one.times).sum();
        let learned = match tries.last().unwrap().outcome {
            Outcome::Answered(_) => Learned::Ok,
            _ if times == 0 => Learned::Failed,
            _ => Learned::Unknown,
        };
        if tries.last().unwrap().is_repeat && (!is_keyed || times < 2) {
            self.wrong(format!("the push of {keys:?} was no repetition"));
        }
        // Under a key it happens once, however often it arrives.
        let copies = if is_keyed { 1 } else { times };
        for (key, delay) in keys {
            self.record(Event::Push { key, span, learned, delay, copies });
        }
    }

    /// Pulls, and keeps what it got.
    async fn pull(&mut self, queue: &'static str, wait_ms: u64, batch: u64) {
        let visibility = self.random.random_range(VISIBILITY_MS);
        let body = json!({"batch_size": batch, "visibility_timeout_ms": visibility, "wait_time_ms": wait_ms});
        let visibility = Duration::from_millis(visibility);
        for one in self.persist(queue, "messages/pull", "", &body).await {
            let is_answered = matches!(one.outcome, Outcome::Answered(_));
            for _ in u32::from(is_answered)..one.times {
                self.record(Event::LostPull { queue, invoked: one.span.invoked });
            }
            let Outcome::Answered(result) = one.outcome else { continue };
            let read = result["messages"].as_array().map(|messages| messages.iter().map(message).collect());
            let Some(Some(messages)) = read else {
                self.wrong(format!("a pull was answered with {result}"));
                continue;
            };
            let messages: Vec<Message> = messages;
            let held = messages.iter().map(|message| message.lease.clone());
            self.held.extend(held.map(|lease| Held { queue, lease, is_extended: false }));
            self.record(Event::Pull { queue, span: one.span, visibility, messages });
        }
    }

    /// Acknowledges and gives back some of what it got, in one request.
    async fn settle(&mut self, acks: f64) {
        let Some(queue) = self.held.last().map(|held| held.queue) else { return };
        let (mut acked, mut retried) = (Vec::new(), Vec::new());
        let count = self.random.random_range(1..=20);
        for held in self.held.extract_if(.., |held| held.queue == queue).take(count) {
            match self.random.random_bool(acks) {
                true => acked.push(held.lease),
                false => retried.push((held.lease, [0, 0, 1][self.random.random_range(0..3)])),
            }
        }
        let ack_entries: Vec<_> = acked.iter().map(|lease| json!({"lease_id": lease})).collect();
        let retry_entries: Vec<_> = retried
            .iter()
            .map(|(lease, seconds)| json!({"lease_id": lease, "delay_seconds": seconds}))
            .collect();
        let body = json!({"acks": ack_entries, "retries": retry_entries});
        for one in self.persist(queue, "messages/ack", "", &body).await {
            for lease in &acked {
                let (lease, learned) = (lease.clone(), one.learned_of(lease));
                self.record(Event::Ack { lease, span: one.span, learned });
            }
            for (lease, seconds) in &retried {
                let (learned, delay) = (one.learned_of(lease), Duration::from_secs(*seconds));
                // Of two arrivals the answer tells of one.
                let learned =
                    if one.times > 1 && learned == Learned::Failed { Learned::Unknown } else { learned };
                self.record(Event::Retry { lease: lease.clone(), span: one.span, learned, delay });
            }
        }
    }

    /// Extends one lease, if there is one that was not extended.
    async fn extend(&mut self) {
        let Some(held) = self.held.iter_mut().find(|held| !held.is_extended) else { return };
        held.is_extended = true;
        let (queue, lease) = (held.queue, held.lease.clone());
        let milliseconds = u64::try_from(EXTENDED.as_millis()).unwrap();
        let body = json!({"extend": [{"lease_id": lease}], "visibility_timeout_ms": milliseconds});
        for one in self.persist(queue, "messages/extend", "", &body).await {
            let (lease, learned) = (lease.clone(), one.learned_of(&lease));
            self.record(Event::Extend { lease, span: one.span, learned, visibility: EXTENDED });
        }
    }

    async fn purge(&mut self) {
        let body = json!({"delete_messages_permanently": true});
        for one in self.persist(JOBS, "purge", "", &body).await {
            let learned = one.learned_of("");
            let span = one.span;
            self.record(Event::Purge { span, learned });
            if one.times > 1 {
                self.record(Event::Purge { span, learned: Learned::Unknown });
            }
        }
    }

    /// Takes everything out of both queues, and holds what the queues count against what comes.
    pub(super) async fn empty(mut self) {
        // Until all leases have ended, so that nothing moves by itself while it is counted.
        pass(2 * EXTENDED).await;
        let counted = self.backlog().await;
        let mut taken = 0;
        for _ in 0..200 {
            for queue in [JOBS, DEAD] {
                self.pull(queue, 0, 100).await;
                taken += self.held.len() as u64;
                while !self.held.is_empty() {
                    self.settle(1.0).await;
                }
            }
            if self.backlog().await == 0 {
                break;
            }
            pass(Duration::from_millis(500)).await;
        }
        let left = self.backlog().await;
        if (taken, left) != (counted, 0) {
            self.wrong(format!("the queues counted {counted} messages, {taken} came, and they count {left}"));
        }
    }

    /// How many messages both queues count.
    async fn backlog(&mut self) -> u64 {
        let mut sum = 0;
        for queue in [JOBS, DEAD] {
            let (admin, id) = (&self.site.admin, queue_id(queue));
            let request = format!("GET {QUEUES}/{id}/metrics HTTP/1.1\r\nhost: kew\r\n{admin}\r\n\r\n");
            let told = self.journey.send(request.as_bytes()).await;
            let count = match &told {
                Told::Answer { answer, .. } => answer.body["result"]["backlog_count"].as_u64(),
                Told::NeverWhole | Told::Nothing { .. } => None,
            };
            sum += count.unwrap_or_default();
            if count.is_none() {
                self.wrong(format!("metrics of {queue}: {told:?}"));
            }
        }
        sum
    }
}

/// Reads a message of a pull's answer; none when its body is not whole.
fn message(message: &Value) -> Option<Message> {
    let body = message["body"].as_str()?;
    let (key, rest) = body.split_once('|')?;
    let (length, padding) = rest.split_once('|')?;
    let is_whole = length.parse() == Ok(padding.len()) && padding.bytes().all(|byte| byte == b'x');
    Some(Message {
        key: is_whole.then(|| key.to_owned())?,
        id: message["id"].as_str()?.to_owned(),
        lease: message["lease_id"].as_str()?.to_owned(),
        attempts: message["attempts"].as_u64()?.try_into().ok()?,
    })
}
