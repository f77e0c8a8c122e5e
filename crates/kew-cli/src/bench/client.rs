//! The clients of a run: a producer pushes, a consumer pulls and acks, each on a connection of its own.

use core::time::Duration;
use std::cell::RefCell;

use anyhow::{Context, bail, ensure};

use crate::bench::answers::{PullScanner, number_field};
use crate::bench::ledger::{Claim, Ledger};
use crate::bench::measure::{Latencies, Stopwatch};
use crate::bench::options::Plan;
use crate::bench::requests::{AckRequest, PushRequest, pull_request};
use crate::connection::{Answer, Connection};

/// The longest a client waits for others before it looks again.
const NEWS_WAIT: Duration = Duration::from_millis(2);
/// How long nothing may move before the run is given up.
const STALL: Duration = Duration::from_secs(30);
/// How much of a refusal is shown, in bytes.
const REFUSAL_BYTES_MAX: usize = 300;

/// What the clients of one thread measured.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    /// Pushes.
    pub(super) push: Latencies,
    /// Pulls that returned messages.
    pub(super) pull: Latencies,
    /// Acks.
    pub(super) ack: Latencies,
    /// Pulls that returned nothing.
    pub(super) empty_pulls: u64,
    /// The longest time from a pull's sending to its ack's answer, in nanoseconds.
    pub(super) held_nanoseconds_max: u64,
}

impl Tally {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self {
            push: Latencies::new(),
            pull: Latencies::new(),
            ack: Latencies::new(),
            empty_pulls: 0,
            held_nanoseconds_max: 0,
        }
    }

    /// Adds another thread's.
    pub(super) fn merge(&mut self, other: &Self) {
        self.push.merge(&other.push);
        self.pull.merge(&other.pull);
        self.ack.merge(&other.ack);
        self.empty_pulls += other.empty_pulls;
        self.held_nanoseconds_max = self.held_nanoseconds_max.max(other.held_nanoseconds_max);
    }

    /// How many requests were answered.
    pub(super) fn requests(&self) -> u64 {
        self.push.count() + self.pull.count() + self.ack.count() + self.empty_pulls
    }
}

/// What the clients of a thread share.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    /// What to do.
    pub(super) plan: &'a Plan,
    /// The run's books.
    pub(super) ledger: &'a Ledger,
    /// When the run started.
    pub(super) started: Stopwatch,
    /// This thread's measurements.
    pub(super) tally: &'a RefCell<Tally>,
}

/// Pushes until the numbers or the time run out, or another client has failed.
///
/// # Errors
/// When the connection breaks or the server refuses.
pub(super) async fn produce(desk: &Desk<'_>) -> anyhow::Result<()> {
    let mut connection = Connection::open(desk.plan.address).await?;
    let mut request = PushRequest::new(desk.plan, desk.plan.batch);
    let count = desk.plan.batch as u64;
    let time_is_over = || desk.plan.time.is_some_and(|time| desk.started.elapsed() >= time);
    while !time_is_over() && !desk.ledger.is_given_up() {
        if desk.plan.consumers > 0 && desk.ledger.outstanding() >= desk.plan.outstanding_max {
            let _ = tokio::time::timeout(NEWS_WAIT, desk.ledger.room()).await;
            continue;
        }
        let Some(first) = desk.ledger.take(count) else { break };
        let sent = Stopwatch::start();
        granted("push", &connection.ask(request.numbered(first)).await?)?;
        desk.tally.borrow_mut().push.record(sent.nanoseconds());
        desk.ledger.note_pushed(count);
    }
    desk.ledger.note_producer_done();
    Ok(())
}

/// Pulls and acks until everything that was pushed is acked, or another client has failed.
///
/// # Errors
/// When the connection breaks, the server refuses, an ack counts wrong, or nothing moves for 30 s.
pub(super) async fn consume(desk: &Desk<'_>, batch: usize) -> anyhow::Result<()> {
    let mut consumer = Consumer {
        connection: Connection::open(desk.plan.address).await?,
        scanner: PullScanner::new(desk.plan.body_kind, &desk.plan.run_key),
        pull: pull_request(desk.plan, batch),
        ack: AckRequest::new(desk.plan),
    };
    let mut last = desk.ledger.totals();
    let mut moved = Stopwatch::start();
    loop {
        let found = match desk.ledger.claim(batch as u64) {
            Claim::Done => return Ok(()),
            _ if desk.ledger.is_given_up() => return Ok(()),
            Claim::Wait => 0,
            Claim::Take(claimed) => {
                let found = consumer.round(desk).await?;
                desk.ledger.settle_claim(claimed, found);
                found
            }
        };
        if found == 0 {
            // Whichever comes first; a timeout is as good as news.
            let _ = tokio::time::timeout(NEWS_WAIT, desk.ledger.news()).await;
            let totals = desk.ledger.totals();
            if totals != last {
                (last, moved) = (totals, Stopwatch::start());
            }
            ensure!(
                moved.elapsed() < STALL,
                "nothing moved for {} s: {} messages pushed, {} pulled, {} acked",
                STALL.as_secs(),
                totals.pushed,
                totals.pulled,
                totals.acked
            );
        }
    }
}

#[derive(Debug)]
struct Consumer {
    connection: Connection,
    scanner: PullScanner,
    pull: Vec<u8>,
    ack: AckRequest,
}

impl Consumer {
    /// One pull and the ack of what it returned; tells how many messages that were.
    async fn round(&mut self, desk: &Desk<'_>) -> anyhow::Result<u64> {
        let sent = Stopwatch::start();
        let answer = self.connection.ask(&self.pull).await?;
        granted("pull", &answer)?;
        let pulled_after = sent.nanoseconds();
        self.ack.clear();
        self.scanner.lease_ids(answer.body).for_each(|lease_id| self.ack.add(lease_id));
        let count = self.ack.count() as u64;
        if count == 0 {
            desk.tally.borrow_mut().empty_pulls += 1;
            return Ok(0);
        }
        if desk.plan.check {
            self.scanner.messages(answer.body).for_each(|message| desk.ledger.note_message(message));
        }
        desk.tally.borrow_mut().pull.record(pulled_after);
        desk.ledger.note_pulled(count);
        let ack_sent = Stopwatch::start();
        let answer = self.connection.ask(self.ack.bytes()).await?;
        granted("ack", &answer)?;
        let counted = number_field(answer.body, "ackCount").context("the ack's answer has no ackCount")?;
        ensure!(counted == count, "{count} messages were acked and {counted} counted");
        let mut tally = desk.tally.borrow_mut();
        tally.ack.record(ack_sent.nanoseconds());
        tally.held_nanoseconds_max = tally.held_nanoseconds_max.max(sent.nanoseconds());
        drop(tally);
        desk.ledger.note_acked(counted);
        Ok(count)
    }
}

/// Asks for one message and tells the backlog that comes with the answer.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub(super) async fn backlog(plan: &Plan) -> anyhow::Result<u64> {
    let mut connection = Connection::open(plan.address).await?;
    let answer = connection.ask(&pull_request(plan, 1)).await?;
    granted("pull", &answer)?;
    number_field(answer.body, "message_backlog_count").context("the answer has no message_backlog_count")
}

fn granted(verb: &str, answer: &Answer<'_>) -> anyhow::Result<()> {
    if answer.status != 200 {
        let shown = &answer.body[..answer.body.len().min(REFUSAL_BYTES_MAX)];
        bail!("the server answered a {verb} with {}: {}", answer.status, String::from_utf8_lossy(shown));
    }
    Ok(())
}
