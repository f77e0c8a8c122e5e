//! Whether a commit costs by its messages or by the queues that they go to.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::{Duration, Instant};

use kew_model::{Broker, Place};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::load::{Load, batch_of};

/// Queues that are pushed to at once, by a task each.
const QUEUES: usize = 1_000;
/// Messages of a push.
const MESSAGES: usize = 10;
/// Pushes of each task in a turn: about half a second of them, which short disturbances do not decide.
const PUSHES: usize = 25;
/// Turns, in which both meet the same machine, after a first one that does not count.
const TURNS: usize = 9;

/// A thousand tasks push to one queue and to one each, in turns, and whoever went first in a turn goes last in the next:
/// the rates, and the ratio inside a turn. Nothing is taken away in between, so that both push onto a backlog.
pub(crate) fn print() {
    let load = Load::new();
    let one = vec![load.place(); QUEUES];
    let each: Vec<Place> = (0..QUEUES).map(|number| load.create_queue(&format!("queue-{number}"))).collect();
    let mut turns: Vec<(f64, f64)> = (0..=TURNS)
        .map(|turn| {
            let mut rates = [(&one, 0.0), (&each, 0.0)];
            rates.rotate_left(turn % 2);
            rates.iter_mut().for_each(|(places, rate)| *rate = messages_a_second(pushes(&load, places)));
            rates.rotate_left(turn % 2);
            let [(_, one), (_, each)] = rates;
            (each / one, each)
        })
        .skip(1)
        .collect();
    turns.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (ratio, rate) = turns[TURNS / 2];
    println!(
        "{QUEUES} queues in a commit: {ratio:.2} of the rate of one ({:.2} to {:.2}), {rate:.0} messages/s",
        turns[0].0,
        turns[TURNS - 1].0
    );
}

fn messages_a_second(elapsed: Duration) -> f64 {
    (QUEUES * PUSHES * MESSAGES) as f64 / elapsed.as_secs_f64()
}

/// A task for each place pushes there, all at once.
fn pushes(load: &Load, places: &[Place]) -> Duration {
    let runtime = Builder::new_current_thread().build().unwrap();
    let tasks = LocalSet::new();
    let batch = batch_of(MESSAGES);
    for place in places.iter().copied() {
        let (store, batch) = (load.store().clone(), batch.clone());
        tasks.spawn_local(async move {
            for _ in 0..PUSHES {
                store.push(place, batch.clone()).await.unwrap();
            }
        });
    }
    let started = Instant::now();
    runtime.block_on(tasks);
    started.elapsed()
}
