//! `kew bench`: a load generator over HTTP that is cheap on CPU and checks that nothing was lost or doubled.
//!
//! ```text
//!   options ─▶ Plan ─▶ run: threads, each a single-threaded runtime with its share of the clients
//!                       client: requests (templates patched in place) ─▶ connection ─▶ answers (scanned, not parsed)
//!                       ledger: which message was pushed, pulled, acked;  tally: latencies, counts
//!                  ─▶ report: a table, or JSON
//! ```
//!
//! * Every body starts with the run's key and the message's number, so that a pulled message can be told apart at the
//!   cost of reading 24 characters. The check is exact: pushed once, pulled once, acked once, backlog 0.
//! * A consumer pulls only when more was pushed than has been claimed, so that a server that makes messages up
//!   (`kew-noop`) does the same amount of work as one that keeps them.
//! * The generator's own CPU time is reported beside the server's: a run in which it is the larger says little.

mod answers;
mod client;
mod disk;
mod idle;
mod ledger;
mod measure;
mod options;
mod progress;
mod report;
mod requests;
mod run;

use crate::output;

pub(crate) use options::Bench;
use options::Workload;

impl Bench {
    /// Runs the workload and prints what was measured.
    ///
    /// # Errors
    /// Options out of range, an unreachable or refusing server, or a check that failed: lost, doubled, foreign or
    /// left-over messages.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.workload {
            Workload::Disk(arguments) => {
                let report = disk::measure(&arguments)?;
                output::print(&if arguments.json { report.json() } else { report.table() })
            }
            Workload::Idle(arguments) => {
                let report = run::block_on(idle::measure(&arguments))??;
                output::print(&if arguments.json { report.json() } else { report.table() })
            }
            Workload::Lifecycle(arguments) => load(&arguments.plan()?),
            Workload::Push(arguments) => load(&arguments.plan()?),
            Workload::Latency(arguments) => load(&arguments.plan()?),
        }
    }
}

fn load(plan: &options::Plan) -> anyhow::Result<()> {
    let report = run::run(plan)?;
    output::print(&if plan.json { report.json() } else { report.table() })?;
    report.verdict()
}
