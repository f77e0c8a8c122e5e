//! `/metrics`: everything that is counted, for whoever watches the server.
//!
//! What it costs grows with the number of queues, never with that of messages, and is paid by one scrape at a time. The
//! figures of the queues are asked of the broker like any request's, some at a time, so they are exact and durable. A
//! token sees the queues of its account, and one that manages the server those of all.

use core::future::poll_fn;
use core::task::Poll;
use std::sync::Arc;

use kew_model::figures::{Figure, Reading, Sort, number};
use kew_model::{AccountId, Backlog, Place, Queue, Timestamp};
use kew_wire::{Fault, Kind};

use crate::caller::Caller;
use crate::exposition;
use crate::operations::Call;
use crate::routes::Right;

/// How many queues the broker is asked for at a time.
const QUEUES_AT_A_TIME: usize = 64;

pub(super) async fn expose(call: &Call<'_>) -> Result<Vec<u8>, Fault> {
    let house = call.house;
    let _turn = house.scrapes.lock().await;
    let mut figures = house.meters.figures();
    figures.extend(of_house(call));
    figures.extend(of_queues(call, measured(call).await));
    let (broker, process) = (Arc::clone(&house.broker), house.settings().figures.clone());
    let others = tokio::task::spawn_blocking(move || {
        let mut figures = broker.figures();
        figures.extend(process.iter().flat_map(|process| process.figures()));
        figures
    });
    let internal = |cause: String| Fault::new(Kind::InternalError).caused_by(cause);
    figures.extend(others.await.map_err(|error| internal(error.to_string()))?);
    let text = exposition::text(figures).map_err(|error| internal(error.to_string()))?;
    Ok(text.into_bytes())
}

fn of_house(call: &Call<'_>) -> [Figure; 4] {
    let house = call.house;
    let gauge =
        |name, help, value: usize| Figure::new(name, help, Sort::Gauge).with([], number(value as u64));
    [
        gauge("kew_connections", "Connections that are open", house.guests.open()),
        gauge("kew_pulls_waiting", "Pulls that wait for messages", house.waiting.count()),
        gauge(
            "kew_bodies_in_hand_bytes",
            "Bytes of room that large bodies of requests take at the moment",
            house.bodies_in_hand_bytes(),
        ),
        gauge(
            "kew_ready",
            "1 while the server takes requests, 0 while it drains",
            usize::from(house.is_ready()),
        ),
    ]
}

/// The queues that the caller may see, with what is in them. One that was deleted meanwhile is left out.
async fn measured(call: &Call<'_>) -> Vec<(AccountId, Arc<Queue>, Backlog)> {
    let broker = &call.house.broker;
    let accounts = match &call.caller {
        Caller::Developer(account) => vec![*account],
        Caller::Holder(_) if call.caller.check(Right::Server, "").is_ok() => {
            broker.accounts().iter().map(|account| account.id).collect()
        }
        Caller::Holder(token) => vec![token.account],
    };
    let places = accounts.into_iter().flat_map(|account| {
        let queues = broker.queues(account).into_iter();
        queues.filter(|queue| call.caller.sees(queue)).map(move |queue| (account, queue))
    });
    let places: Vec<_> = places.collect();
    let mut measured = Vec::with_capacity(places.len());
    for some in places.chunks(QUEUES_AT_A_TIME) {
        let backlogs = backlogs(call, some).await;
        let found = some
            .iter()
            .zip(backlogs)
            .filter_map(|((account, queue), backlog)| Some((*account, Arc::clone(queue), backlog?)));
        measured.extend(found);
    }
    measured
}

/// The backlogs of some queues, asked for together.
async fn backlogs(call: &Call<'_>, queues: &[(AccountId, Arc<Queue>)]) -> Vec<Option<Backlog>> {
    let ask = |(account, queue): &(AccountId, Arc<Queue>)| {
        call.house.broker.backlog(Place { account: *account, queue: queue.id })
    };
    let mut asked: Vec<_> = queues.iter().map(|queue| Some(ask(queue))).collect();
    let mut answers = vec![None; asked.len()];
    poll_fn(|context| {
        for (place, answer) in asked.iter_mut().zip(&mut answers) {
            if let Some(pending) = place
                && let Poll::Ready(ready) = pending.as_mut().poll(context)
            {
                *answer = ready.ok();
                *place = None;
            }
        }
        if asked.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers
}

/// Totals of all queues, and series of their own for the first ones.
fn of_queues(call: &Call<'_>, measured: Vec<(AccountId, Arc<Queue>, Backlog)>) -> Vec<Figure> {
    let now = call.house.clock.now();
    let age = |oldest: Option<Timestamp>| oldest.map_or(0.0, |oldest| seconds_between(oldest, now));
    let sum = |part: fn(&Backlog) -> u64| number(measured.iter().map(|(_, _, backlog)| part(backlog)).sum());
    let oldest = measured.iter().filter_map(|(_, _, backlog)| backlog.oldest).min();
    let gauge = |name, help| Figure::new(name, help, Sort::Gauge);
    let total = |name, help, reading| gauge(name, help).with([], reading);
    let mut messages = gauge("kew_queue_messages", "Messages of a queue that nobody has acknowledged");
    let mut bytes = gauge("kew_queue_size_bytes", "What these messages count for");
    let mut ages = gauge("kew_queue_oldest_age_seconds", "Age of the oldest of them, 0 for none");
    for (account, queue, backlog) in measured.iter().take(call.house.settings().metrics_queues_max) {
        let (account, id) = (account.to_string(), queue.id.to_string());
        let labels =
            [("account_id", account.as_str()), ("queue_id", id.as_str()), ("queue", queue.name.as_str())];
        messages = messages.with(labels, number(backlog.count));
        bytes = bytes.with(labels, number(backlog.bytes));
        ages = ages.with(labels, Reading::Number(age(backlog.oldest)));
    }
    let listed = messages.samples.len();
    vec![
        total("kew_queues", "Queues", number(measured.len() as u64)),
        total(
            "kew_queues_unlisted",
            "Queues beyond metrics_queues_max, which have no series of their own",
            number((measured.len() - listed) as u64),
        ),
        total(
            "kew_messages",
            "Messages of all queues that nobody has acknowledged",
            sum(|backlog| backlog.count),
        ),
        total("kew_messages_size_bytes", "What these messages count for", sum(|backlog| backlog.bytes)),
        total(
            "kew_oldest_age_seconds",
            "Age of the oldest of them, 0 for none",
            Reading::Number(age(oldest)),
        ),
        messages,
        bytes,
        ages,
    ]
}

fn seconds_between(earlier: Timestamp, later: Timestamp) -> f64 {
    core::time::Duration::from_millis(later.since(earlier).0).as_secs_f64()
}
