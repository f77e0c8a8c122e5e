//! Carries a plan out: threads, phases, and what must be asked of the server before and after.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, anyhow};
use tokio::task::{JoinSet, LocalSet};

use crate::bench::client::{self, Desk, Tally};
use crate::bench::ledger::Ledger;
use crate::bench::measure::{Stopwatch, cpu_time};
use crate::bench::options::Plan;
use crate::bench::progress::Progress;
use crate::bench::report::Report;
use crate::client::Client;
use crate::target::Target;

/// Consumers that empty the queue after an unmeasured or pushing-only phase, and the size of their pulls.
const DRAINERS: usize = 2;
const DRAIN_BATCH: usize = 100;

/// Clients of one phase.
#[derive(Debug, Clone, Copy)]
struct Crew {
    producers: usize,
    consumers: usize,
    pull_batch: usize,
}

/// Warms up, measures, empties the queue, and asks for the backlog; deletes the queue if it was made for the run.
///
/// # Errors
/// As the clients' own: an unreachable or refusing server.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Report> {
    let measured = measure(plan);
    if plan.owns_queue {
        let deleted = Client::new(&plan.target).and_then(|client| {
            client.delete(&format!("/client/v4/accounts/{}/queues/{}", plan.account, plan.queue))
        });
        return measured.and_then(|report| deleted.map(|_| report).context("cannot delete the run's queue"));
    }
    measured
}

fn measure(plan: &Plan) -> anyhow::Result<Report> {
    if plan.warm_up_messages > 0 {
        let ledger = Arc::new(Ledger::new(plan.warm_up_messages, plan.producers, plan.check));
        phase(plan, &ledger, "warming up")?;
        drain(plan, &ledger)?;
    }
    let ledger = Arc::new(Ledger::new(plan.messages, plan.producers, plan.check));
    let server = || plan.server_pid.map(|pid| cpu_time(&pid.to_string())).transpose();
    let (server_before, own_before) = (server()?, cpu_time("self")?);
    let started = Stopwatch::start();
    let tally = phase(plan, &ledger, plan.workload)?;
    let elapsed = started.elapsed();
    let (server_after, own_after) = (server()?, cpu_time("self")?);
    drain(plan, &ledger)?;
    let backlog = if plan.check { Some(block_on(client::backlog(plan))??) } else { None };
    Ok(Report {
        plan: plan.clone(),
        elapsed,
        tally,
        totals: ledger.totals(),
        backlog,
        server_cpu: server_after.zip(server_before).map(|(after, before)| after.saturating_sub(before)),
        generator_cpu: own_after.saturating_sub(own_before),
    })
}

fn phase(plan: &Plan, ledger: &Arc<Ledger>, title: &str) -> anyhow::Result<Tally> {
    let crew = Crew { producers: plan.producers, consumers: plan.consumers, pull_batch: plan.batch };
    work(plan, ledger, crew, title)
}

/// Pulls and acks what a phase without consumers has left.
fn drain(plan: &Plan, ledger: &Arc<Ledger>) -> anyhow::Result<()> {
    if plan.consumers > 0 || !plan.check {
        return Ok(());
    }
    let crew = Crew { producers: 0, consumers: DRAINERS, pull_batch: DRAIN_BATCH };
    work(plan, ledger, crew, "emptying the queue").map(drop)
}

fn work(plan: &Plan, ledger: &Arc<Ledger>, crew: Crew, title: &str) -> anyhow::Result<Tally> {
    let progress = Progress::show(title, plan, Arc::clone(ledger), crew.producers > 0);
    let started = Stopwatch::start();
    let threads: Vec<_> = (0..plan.threads)
        .map(|index| {
            let (plan, ledger) = (plan.clone(), Arc::clone(ledger));
            let share = |count: usize| count / plan.threads + usize::from(index < count % plan.threads);
            let crew = Crew { producers: share(crew.producers), consumers: share(crew.consumers), ..crew };
            thread::Builder::new()
                .name(format!("bench-{index}"))
                .spawn(move || block_on(thread_of_clients(plan, ledger, crew, started))?)
                .context("cannot start a thread")
        })
        .collect::<anyhow::Result<_>>()?;
    let mut sum = Tally::new();
    let results: Vec<_> = threads.into_iter().map(thread::JoinHandle::join).collect();
    progress.finish();
    for result in results {
        sum.merge(&result.map_err(|_| anyhow!("a thread of the load generator panicked"))??);
    }
    Ok(sum)
}

async fn thread_of_clients(
    plan: Plan,
    ledger: Arc<Ledger>,
    crew: Crew,
    started: Stopwatch,
) -> anyhow::Result<Tally> {
    let (plan, tally) = (Rc::new(plan), Rc::new(RefCell::new(Tally::new())));
    let mut clients = JoinSet::new();
    for index in 0..crew.producers + crew.consumers {
        let (plan, ledger, tally) = (Rc::clone(&plan), Arc::clone(&ledger), Rc::clone(&tally));
        clients.spawn_local(async move {
            let desk = Desk { plan: &plan, ledger: &ledger, started, tally: &tally };
            if index < crew.producers {
                client::produce(&desk).await
            } else {
                client::consume(&desk, crew.pull_batch).await
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        // The first failure ends the run: here by dropping the set, which aborts its clients, elsewhere by the ledger.
        ended.context("a client panicked").flatten().inspect_err(|_| ledger.give_up())?;
    }
    drop(clients);
    Ok(tally.borrow().clone())
}

/// Runs a future on a thread of its own kind: with a network and a clock, and no other threads.
///
/// # Errors
/// When the system grants no runtime.
pub(super) fn block_on<F: Future>(future: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .context("cannot start a runtime")?;
    Ok(LocalSet::new().block_on(&runtime, future))
}

/// Creates a queue for a run, with a pull consumer; returns its id.
///
/// # Errors
/// When the server cannot be asked or refuses.
pub(super) fn create_queue(target: &Target, account: &str, run_key: &str) -> anyhow::Result<String> {
    #[derive(serde::Deserialize)]
    struct Created {
        queue_id: String,
    }
    let client = Client::new(target)?;
    let path = format!("/client/v4/accounts/{account}/queues");
    let name = serde_json::json!({ "queue_name": format!("bench-{run_key}") });
    let queue: Created = client.post(&path, &name)?;
    let consumer = serde_json::json!({ "type": "http_pull" });
    let _: serde_json::Value = client.post(&format!("{path}/{}/consumers", queue.queue_id), &consumer)?;
    Ok(queue.queue_id)
}
