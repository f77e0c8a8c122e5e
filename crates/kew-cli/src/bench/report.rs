//! What a run has shown: as a table for people, as JSON for records, and as a verdict.

use core::time::Duration;

use anyhow::ensure;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::bench::client::Tally;
use crate::bench::ledger::Totals;
use crate::bench::measure::Latencies;
use crate::bench::options::Plan;
use crate::output;

/// The results of a run.
#[derive(Debug)]
pub(super) struct Report {
    /// What was done.
    pub(super) plan: Plan,
    /// From the first request to the last answer of the measured part.
    pub(super) elapsed: Duration,
    /// Latencies and counts.
    pub(super) tally: Tally,
    /// The books.
    pub(super) totals: Totals,
    /// The backlog at the end, if it was asked for.
    pub(super) backlog: Option<u64>,
    /// CPU time of the server in the measured part, if its process is known.
    pub(super) server_cpu: Option<Duration>,
    /// CPU time of the load generator in the measured part.
    pub(super) generator_cpu: Duration,
}

#[derive(Serialize)]
struct Quantiles {
    count: u64,
    p50_microseconds: f64,
    p90_microseconds: f64,
    p99_microseconds: f64,
    p99_9_microseconds: f64,
    max_microseconds: f64,
}

#[derive(Serialize)]
struct Written<'a> {
    workload: &'a str,
    producers: usize,
    consumers: usize,
    batch: usize,
    body_bytes: usize,
    content_type: &'a str,
    generator_threads: usize,
    warm_up_messages: u64,
    elapsed_seconds: f64,
    messages: u64,
    messages_per_second: f64,
    requests: u64,
    requests_per_second: f64,
    empty_pulls: u64,
    push: Quantiles,
    pull: Quantiles,
    ack: Quantiles,
    server_cpu_seconds: Option<f64>,
    server_cpu_seconds_per_million: Option<f64>,
    generator_cpu_seconds: f64,
    checked: bool,
    totals: Totals,
    backlog: Option<u64>,
    passed: bool,
}

impl Report {
    fn messages_per_second(&self) -> f64 {
        self.totals.pushed as f64 / self.elapsed.as_secs_f64()
    }

    fn server_cpu_seconds_per_million(&self) -> Option<f64> {
        Some(self.server_cpu?.as_secs_f64() * 1e6 / self.totals.pushed.max(1) as f64)
    }

    /// The report as JSON.
    pub(super) fn json(&self) -> String {
        let plan = &self.plan;
        let written = Written {
            workload: plan.workload,
            producers: plan.producers,
            consumers: plan.consumers,
            batch: plan.batch,
            body_bytes: plan.body_bytes,
            content_type: plan.body_kind.name(),
            generator_threads: plan.threads,
            warm_up_messages: plan.warm_up_messages,
            elapsed_seconds: self.elapsed.as_secs_f64(),
            messages: self.totals.pushed,
            messages_per_second: self.messages_per_second(),
            requests: self.tally.requests(),
            requests_per_second: self.tally.requests() as f64 / self.elapsed.as_secs_f64(),
            empty_pulls: self.tally.empty_pulls,
            push: quantiles(&self.tally.push),
            pull: quantiles(&self.tally.pull),
            ack: quantiles(&self.tally.ack),
            server_cpu_seconds: self.server_cpu.map(|time| time.as_secs_f64()),
            server_cpu_seconds_per_million: self.server_cpu_seconds_per_million(),
            generator_cpu_seconds: self.generator_cpu.as_secs_f64(),
            checked: plan.check,
            totals: self.totals,
            backlog: self.backlog,
            passed: self.verdict().is_ok(),
        };
        output::json(&written)
    }

    /// The report as a table.
    pub(super) fn table(&self) -> String {
        let plan = &self.plan;
        let mut latencies = output::table(&["request", "count", "p50", "p90", "p99", "p99.9", "max"]);
        add_row(&mut latencies, "push", &self.tally.push);
        add_row(&mut latencies, "pull", &self.tally.pull);
        add_row(&mut latencies, "ack", &self.tally.ack);
        latencies
            .column_iter_mut()
            .skip(1)
            .for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        let seconds = self.elapsed.as_secs_f64();
        let mut lines = vec![
            format!(
                "{}: {} messages of {} bytes ({}) in {seconds:.2} s, {} producers, {} consumers, {} a request",
                plan.workload,
                self.totals.pushed,
                plan.body_bytes,
                plan.body_kind.name(),
                plan.producers,
                plan.consumers,
                plan.batch
            ),
            format!(
                "{:.0} messages/s, {:.0} requests/s, {} pulls were empty",
                self.messages_per_second(),
                self.tally.requests() as f64 / seconds,
                self.tally.empty_pulls
            ),
            latencies.to_string(),
        ];
        let generator = self.generator_cpu.as_secs_f64();
        lines.push(match (self.server_cpu, self.server_cpu_seconds_per_million()) {
            (Some(total), Some(per_million)) => format!(
                "CPU: server {:.2} s, {per_million:.2} s per million messages; load generator {generator:.2} s",
                total.as_secs_f64()
            ),
            _ => format!("CPU: load generator {generator:.2} s"),
        });
        lines.push(match (plan.check, self.verdict()) {
            (false, _) => "check: none".to_owned(),
            (true, Ok(())) => {
                "check: every message came once, every ack counted, the backlog is 0".to_owned()
            }
            (true, Err(error)) => format!("check: FAILED: {error}"),
        });
        lines.join("\n")
    }

    /// Whether the books are right; always, when nothing was checked.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        if !self.plan.check {
            return Ok(());
        }
        let Totals { pushed, pulled, acked, doubled, foreign } = self.totals;
        let expired = Duration::from_nanos(self.tally.held_nanoseconds_max) >= self.plan.visibility_timeout;
        ensure!(foreign == 0, "{foreign} messages were pulled that this run has not pushed");
        ensure!(doubled == 0 || expired, "{doubled} messages came more than once, and no lease had expired");
        ensure!(pulled - doubled == pushed, "{pushed} messages were pushed and {} came", pulled - doubled);
        ensure!(acked >= pushed, "{pushed} messages were pushed and {acked} acked");
        ensure!(self.backlog == Some(0), "the backlog at the end is {:?} and not 0", self.backlog);
        Ok(())
    }
}

fn quantiles(latencies: &Latencies) -> Quantiles {
    Quantiles {
        count: latencies.count(),
        p50_microseconds: latencies.microseconds_at(0.5),
        p90_microseconds: latencies.microseconds_at(0.9),
        p99_microseconds: latencies.microseconds_at(0.99),
        p99_9_microseconds: latencies.microseconds_at(0.999),
        max_microseconds: latencies.microseconds_max(),
    }
}

fn add_row(table: &mut Table, name: &str, latencies: &Latencies) {
    if latencies.count() == 0 {
        return;
    }
    let of = quantiles(latencies);
    let mut row = vec![name.to_owned(), of.count.to_string()];
    let values = [of.p50_microseconds, of.p90_microseconds, of.p99_microseconds, of.p99_9_microseconds];
    row.extend(values.into_iter().chain([of.max_microseconds]).map(|value| format!("{value:.0} µs")));
    table.add_row(row);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::options::BodyKind;

    fn report(totals: Totals, backlog: u64) -> Report {
        let mut plan = Plan::for_test(BodyKind::Text, 100);
        plan.check = true;
        Report {
            plan,
            elapsed: Duration::from_secs(2),
            tally: Tally::new(),
            totals,
            backlog: Some(backlog),
            server_cpu: Some(Duration::from_secs(1)),
            generator_cpu: Duration::from_millis(10),
        }
    }

    const RIGHT: Totals = Totals { pushed: 500_000, pulled: 500_000, acked: 500_000, doubled: 0, foreign: 0 };

    #[test]
    fn right_books_pass_and_each_wrong_one_is_told() {
        report(RIGHT, 0).verdict().unwrap();
        for (totals, backlog, told) in [
            (RIGHT, 3, "the backlog at the end"),
            (Totals { foreign: 1, ..RIGHT }, 0, "has not pushed"),
            (Totals { doubled: 1, pulled: 500_001, ..RIGHT }, 0, "more than once"),
            (Totals { pulled: 499_999, ..RIGHT }, 0, "499999 came"),
            (Totals { acked: 499_999, ..RIGHT }, 0, "499999 acked"),
        ] {
            let refused = report(totals, backlog).verdict().unwrap_err().to_string();
            assert!(refused.contains(told), "{refused}");
        }
    }

    #[test]
    fn a_message_may_come_twice_when_a_lease_has_expired() {
        let mut twice = report(Totals { doubled: 1, pulled: 500_001, acked: 500_001, ..RIGHT }, 0);
        twice.tally.held_nanoseconds_max = u64::MAX;
        twice.verdict().unwrap();
    }

    #[test]
    fn rates_are_of_the_measured_part() {
        let read: serde_json::Value = serde_json::from_str(&report(RIGHT, 0).json()).unwrap();
        assert_eq!(read["messages_per_second"], 250_000.0);
        assert_eq!(read["server_cpu_seconds_per_million"], 2.0);
        assert_eq!(read["passed"], true);
    }
}
