//! A run with kills, from the first push to the judgement.

use std::io::{Write, stderr};

use kew_proof::load::Load;
use kew_proof::{Gate, Kew, Queues, Record, Site, Stopwatch, Tally, drain, identity, moves};
use kew_testkit::history::Violation;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Every so many servers, one is stopped in order, so that some start from a checkpoint.
const ORDERLY_EVERY: u64 = 7;

/// What is to happen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How often the process is killed.
    pub(crate) kills: u64,
    /// How many pushes are answered at least before each kill.
    pub(crate) pushes_between: u64,
    /// What all choices are drawn from.
    pub(crate) seed: u64,
    /// The number of the run on its store.
    pub(crate) run: u64,
}

/// What came of it.
pub(crate) struct Outcome {
    /// How many push requests were answered before the last kill.
    pub(crate) pushes_answered: u64,
    /// How many requests were cut off.
    pub(crate) requests_cut: u64,
    /// What the clients saw, the drain included.
    pub(crate) record: Record,
    /// The server that has been drained.
    pub(crate) kew: Kew,
}

/// Says something that is to be seen of a test that passes, too: the numbers are part of the proof.
pub(crate) fn say(text: &str) {
    stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// The seed of a test: a new one, or `KEW_PROOF_SEED`. It is said at once.
pub(crate) fn seed(test: &str) -> u64 {
    let named = std::env::var("KEW_PROOF_SEED").ok();
    let seed = named.map_or_else(|| rand::rng().random(), |text| text.parse().unwrap());
    say(&format!("{test}: KEW_PROOF_SEED={seed}"));
    seed
}

/// Kills a server under load as planned, each time at a random moment, and starts another; drains the last.
pub(crate) fn run(site: &Site, kew: Kew, plan: Plan, watch: Stopwatch) -> Outcome {
    run_with(site, kew, plan, watch, Gate::new(), &Kew::kill)
}

/// As [`run`], where servers end in another way, and `gate` knows whether they may fail.
pub(crate) fn run_with(
    site: &Site,
    mut kew: Kew,
    plan: Plan,
    watch: Stopwatch,
    gate: Gate,
    end: &(dyn Fn(Kew) + Sync),
) -> Outcome {
    let mut random = StdRng::seed_from_u64(plan.seed ^ u64::MAX);
    let load = Load { site, gate: &gate, watch, seed: plan.seed, run: plan.run };
    let (mut kew, mut record) = load.run(|| {
        gate.open();
        for number in 1..=plan.kills {
            // The event to wait for is a count of answers; what the server is doing at that moment is left to chance.
            let answered = gate.pushes_answered();
            let extra = random.random_range(0..=plan.pushes_between / 4);
            gate.wait_for_pushes(answered + plan.pushes_between + extra);
            end(kew);
            kew = site.start();
            gate.open();
            if number.is_multiple_of(ORDERLY_EVERY) {
                gate.wait_for_pushes(gate.pushes_answered() + plan.pushes_between / 10);
                kew.stop();
                kew = site.start();
                gate.open();
            }
        }
        gate.wait_for_pushes(gate.pushes_answered() + plan.pushes_between / 10);
        kew
    });
    // What the last server has promised is to survive a kill as well.
    end(kew);
    kew = site.start();
    record.events.extend(drain(site, watch).events);
    Outcome { pushes_answered: gate.pushes_answered(), requests_cut: gate.requests_cut(), record, kew }
}

/// What is wrong with a record of a drained site, by the rules of a history. Queues whose messages are sent back are judged by
/// [`moves`].
pub(crate) fn violations(site: &Site, record: &Record) -> Vec<Violation> {
    let mut history = site.history();
    let Queues { work, dead, purged, .. } = &site.queues;
    record.of_queues(&[work, dead, purged]).write_to(&mut history);
    history.check()
}

/// Everything that is wrong with a record of a drained site, in words.
pub(crate) fn wrongs(site: &Site, record: &Record) -> Vec<String> {
    let mut violations: Vec<_> = violations(site, record).iter().map(ToString::to_string).collect();
    violations.extend(identity::violations(record));
    let Queues { once, failed, .. } = &site.queues;
    violations.extend(moves::violations(&record.of_queues(&[once, failed]), once));
    violations
}

/// Asserts that clients have seen a durable queue.
pub(crate) fn assert_durable(site: &Site, record: &Record) {
    let wrongs = wrongs(site, record);
    let some: Vec<_> = wrongs.iter().take(10).collect();
    assert!(some.is_empty(), "{} violations, such as {some:#?}", wrongs.len());
}

/// The numbers of a run.
pub(crate) fn tally(site: &Site, record: &Record) -> Tally {
    Tally::of(record, &site.queues.dead)
}
