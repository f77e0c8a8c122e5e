//! What the store costs, asked through [`kew_model::Broker`] as a server asks it, over a folder of a real disk.
//!
//! `cargo bench -p kew-embedded` first prints figures that are no timings of one call: CPU for each message, what a
//! backlog costs, a restart, memory. Then Criterion times batched lifecycles and single pushes from several callers.
//! Set `TMPDIR` to choose the disk. Every answer waits for a sync, so only ratios within one run mean anything, and the
//! load of the machine is printed with them. `cargo bench -p kew-embedded lifecycle` runs only what is named so, `figures`
//! the figures alone, `memory` the largest state under a limit of memory, `pauses` the writer's turns while checkpoints of
//! a large queue are taken, `queues` a thousand queues in a commit; `KEW_BENCH_BACKLOG=10000000` makes the large backlog
//! larger than a million, and `KEW_BENCH_STATE=10` makes the large state whole, which is a tenth otherwise.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on may panic")]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

mod figures;
mod limit;
mod load;
mod many;
mod pauses;
mod state;

use std::time::Duration;

use criterion::{Criterion, Throughput};

use load::{Load, MESSAGES};

fn lifecycles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("lifecycle of {MESSAGES} × 100 B"));
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    for callers in [1, 4, 16] {
        let load = Load::new();
        group.throughput(Throughput::Elements((callers * MESSAGES) as u64));
        group.bench_function(format!("{callers} callers"), |bencher| {
            bencher.iter_custom(|count| load.lifecycles(callers, count));
        });
    }
    group.finish();
}

fn single_pushes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push of 1 × 100 B");
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    for callers in [1, 64] {
        let load = Load::new();
        group.throughput(Throughput::Elements(callers as u64));
        group.bench_function(format!("{callers} callers"), |bencher| {
            bencher.iter_custom(|count| {
                let elapsed = load.pushes(callers, count, 1);
                // What was pushed takes no part in the next measurement.
                load.purge();
                elapsed
            });
        });
    }
    group.finish();
}

fn main() {
    if figures::is_child() {
        return figures::measure_memory();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_given = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    if is_given("memory") {
        return limit::print();
    }
    if is_given("queues") {
        return many::print();
    }
    if is_given("pauses") {
        return pauses::print();
    }
    // With a filter only what it names is run, and as a test each is run once.
    if is_given("--bench") && (is_given("figures") || arguments.len() == 1) {
        figures::print();
    }
    if is_given("figures") {
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    lifecycles(&mut criterion);
    single_pushes(&mut criterion);
    criterion.final_summary();
}
