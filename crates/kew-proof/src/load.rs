//! Clients that use the queues in every way at once: five producers, three consumers of `work` and one of `dead`, two
//! clients of `once` and two of `purged`.
//!
//! Producers push single messages and batches, some of them delayed. Consumers ack most of what they get, give some back,
//! forget some until the lease ends, extend some leases, and keep some to ack them much later, also after a restart. What each
//! does is drawn from the run's seed; how their steps interleave is not, and cannot be repeated.

mod client;
mod consumer;
mod hands;
mod producer;

use std::thread;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::gate::{Ending, Gate};
use crate::record::Record;
use crate::site::Site;
use crate::stopwatch::Stopwatch;
use client::{Client, Wrong};
use consumer::Habits;
pub(crate) use consumer::read_delivered;

/// How many producers push to `work`.
const PRODUCERS: u64 = 5;
/// How many consumers pull from `work`.
const CONSUMERS: u64 = 3;
/// How many clients push to `once`, pull from there, and send its dead letters back.
const MOVERS: u64 = 2;
/// How many clients push to `purged`, pull from there, and purge it.
const PURGERS: u64 = 2;
/// How many clients there are in all.
pub const CLIENTS: u64 = PRODUCERS + CONSUMERS + MOVERS + PURGERS + 1;

/// What a run consists of.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// Where the queues are.
    pub site: &'a Site,
    /// Where the clients wait and are counted.
    pub gate: &'a Gate,
    /// The run's clock.
    pub watch: Stopwatch,
    /// What the clients' choices are drawn from.
    pub seed: u64,
    /// The number of the run: keys of different runs on one store differ by it.
    pub run: u64,
}

impl Load<'_> {
    /// Lets `direct` happen while the clients work, then ends their work and tells what they did and saw.
    ///
    /// # Panics
    /// When a client meets an answer that nothing explains, or `direct` panics.
    pub fn run<R>(self, direct: impl FnOnce() -> R) -> (R, Record) {
        thread::scope(|scope| {
            let ending = Ending(self.gate);
            let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || self.live(number))).collect();
            let result = direct();
            drop(ending);
            let mut record = Record::default();
            for client in clients {
                match client.join().expect("a client does not panic") {
                    Ok(events) => record.events.extend(events),
                    Err(Wrong(text)) => panic!("{text}"),
                }
            }
            (result, record)
        })
    }

    /// One client's life.
    fn live(self, number: u64) -> Result<Vec<crate::Event>, Wrong> {
        let random = StdRng::seed_from_u64(self.seed.wrapping_add(number));
        let client = Client::new(self, random);
        let name = format!("r{}p{number}n", self.run);
        let lived = if number < PRODUCERS {
            producer::produce(client, &name)
        } else if number < PRODUCERS + CONSUMERS {
            consumer::consume(client, Habits::WORK, &self.site.queues.work)
        } else if number < PRODUCERS + CONSUMERS + MOVERS {
            hands::fail_and_redrive(client, &name)
        } else if number < PRODUCERS + CONSUMERS + MOVERS + PURGERS {
            hands::push_and_purge(client, &name)
        } else {
            consumer::consume(client, Habits::DEAD, &self.site.queues.dead)
        };
        if let Err(Wrong(text)) = &lived {
            self.gate.fail(text.clone());
        }
        lived
    }
}
