//! The whole server in simulated time, over a network that loses, repeats, delays and cuts what it carries.
//!
//! Routes, rights, connections, the store and its log are the real ones. What is simulated is around them: connections
//! are memory, time is paused and jumps on when everybody waits, and the disk is the simulated one, whose power is cut
//! now and then while requests are in hand. Clients push, pull, acknowledge, retry and extend, and send a request again
//! as the official SDKs do, when they did not get its answer. What they saw is judged by the rules of
//! [`kew_testkit::history`]. All accidents follow from a seed.

mod client;
mod journey;
mod line;
mod record;
mod site;

use std::sync::Arc;
use std::time::Duration;

use kew_journal::seeded::{Bug, plant};
use kew_testkit::counted;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use client::Client;
use journey::Troubles;
use site::Site;

/// How many runs the test makes, unless `KEW_NETWORK_RUNS` says otherwise.
const RUNS: u64 = 1_500;

/// What a run draws for itself, so that runs differ in kind and not only in order.
#[derive(Debug, Clone, Copy)]
struct Temper {
    clients: u64,
    /// How many things each client does.
    rounds: u32,
    /// How many of the requests meet an accident.
    trouble: f64,
    /// How often the power is cut, at most.
    cuts: u32,
    /// Whether clients purge the queue.
    purges: bool,
    /// How many verbs gather on their way to the disk, as a share of the requests that begin to gather them.
    gathers: f64,
}

impl Temper {
    fn draw(random: &mut StdRng) -> Self {
        Self {
            clients: [2, 3, 5, 20][random.random_range(0..4)],
            rounds: random.random_range(5..25),
            trouble: [0.0, 0.2, 0.5, 0.8][random.random_range(0..4)],
            cuts: [0, 0, 3, 12][random.random_range(0..4)],
            purges: random.random_bool(0.1),
            gathers: [0.0, 0.3][random.random_range(0..2)],
        }
    }
}

/// What a run came to.
#[derive(Debug, Default, PartialEq)]
struct Ran {
    violations: Vec<String>,
    troubles: Troubles,
    requests: u64,
    deliveries: u64,
    cuts: u64,
    /// Everything that clients did and saw, and when.
    story: String,
}

/// Runs a whole server until its clients have done what they wanted, and empties it.
fn run(seed: u64) -> Ran {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async move { tokio::spawn(simulate(seed)).await.unwrap() })
}

async fn simulate(seed: u64) -> Ran {
    let mut random = StdRng::seed_from_u64(seed);
    let temper = Temper::draw(&mut random);
    let site = Arc::new(Site::open(seed, temper.gathers).await);
    let mut clients = JoinSet::new();
    for number in 0..temper.clients {
        let client = Client::new(site.clone(), number, StdRng::seed_from_u64(random.random()), temper);
        clients.spawn(client.run());
    }
    let accidents =
        tokio::spawn(accidents(site.clone(), temper.cuts, StdRng::seed_from_u64(random.random())));
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    accidents.await.unwrap();
    site.stragglers().await;
    Client::new(site.clone(), temper.clients, random, Temper { trouble: 0.0, ..temper }).empty().await;
    site.end()
}

/// Cuts the power a few times.
async fn accidents(site: Arc<Site>, cuts: u32, mut random: StdRng) {
    for _ in 0..cuts {
        pass(Duration::from_millis(random.random_range(20..2_000))).await;
        site.cut_power(&mut random).await;
    }
}

/// Lets simulated time pass.
async fn pass(length: Duration) {
    sleep_until(Instant::now() + length).await;
}

/// Runs these seeds; ends at the first that breaks a rule.
fn survives(seeds: impl Iterator<Item = u64>) -> Ran {
    let mut all = Ran::default();
    for seed in seeds {
        let ran = run(seed);
        assert!(ran.violations.is_empty(), "seed {seed}: {:#?}\n{}", ran.violations, ran.story);
        all.troubles.add(&ran.troubles);
        all.requests += ran.requests;
        all.deliveries += ran.deliveries;
        all.cuts += ran.cuts;
    }
    all
}

fn runs() -> u64 {
    std::env::var("KEW_NETWORK_RUNS").ok().and_then(|count| count.parse().ok()).unwrap_or(RUNS)
}

/// Half of the runs, those with every other seed, so that two cores share them. `KEW_FIRST_SEED` begins elsewhere.
fn half(first: u64) {
    let count = runs().div_ceil(2);
    let first = std::env::var("KEW_FIRST_SEED").map_or(0, |seed| seed.parse().unwrap()) + first;
    let all = survives((0..count).map(|seed| seed * 2 + first));
    assert!(count < 100 || all.cuts > 0 && all.troubles.all_happened(), "some accidents never happened");
    counted(count, "runs of the whole server over a bad network");
    counted(all.requests, "requests over a bad network");
    counted(all.troubles.sum(), "accidents of a bad network");
    counted(all.cuts, "power cuts of the simulated disk: the whole server");
}

#[test]
fn a_spare_whose_filling_failed_to_be_synced_before_a_restart_is_used_again_whole() {
    survives([989_560_464_998_400_020].into_iter());
}

#[test]
fn clients_see_a_durable_queue_through_a_bad_network() {
    half(0);
}

#[test]
fn clients_see_a_durable_queue_through_another_bad_network() {
    half(1);
}

#[test]
fn a_run_repeats_itself() {
    for seed in 0..50 {
        let (one, two) = (run(seed), run(seed));
        let differing = one.story.lines().zip(two.story.lines()).find(|(one, two)| one != two);
        assert_eq!(differing, None, "seed {seed} tells two stories");
        assert!(one == two, "seed {seed} comes to two ends");
        assert!(!one.story.is_empty());
    }
}

#[test]
fn mistakes_in_the_store_show_to_clients() {
    let bugs = [
        Bug::AnswerBeforeSync,
        Bug::SyncOneLate,
        Bug::ReuseLeaseNumber,
        Bug::ForgetAttempt,
        Bug::OneRetryTooMany,
        Bug::HonourOldLease,
        Bug::ForgetRetryDelay,
        Bug::IgnoreIdempotency,
        Bug::ForgetAck,
    ];
    for bug in bugs {
        let _planted = plant(bug);
        let caught =
            (0..300).find_map(|seed| run(seed).violations.into_iter().next().map(|text| (seed, text)));
        let (seed, text) = caught.unwrap_or_else(|| panic!("{bug:?} passed 300 runs"));
        println!("{bug:?}: seed {seed}: {}", text.lines().next().unwrap_or_default());
    }
}
