//! `kew queues info`: everything about one queue, as lines for people or as one JSON object.

use core::fmt::Write;

use kew_model::Clock;
use kew_wire::consumers::{ConsumerSettingsView, ConsumerView};
use kew_wire::queues::{MetricsView, QueueView};
use serde::Serialize;

use crate::account_client::{AccountClient, QueueReference};
use crate::clock::SystemClock;
use crate::{duration, output};

/// The queue as the server shows it, and its backlog.
#[derive(Debug, Serialize)]
struct Info {
    #[serde(flatten)]
    queue: QueueView,
    metrics: MetricsView,
}

/// Prints what there is to know about a queue.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub(super) fn show(account: &AccountClient, queue: &QueueReference, as_json: bool) -> anyhow::Result<()> {
    let queue = account.queue(queue)?;
    let metrics = account.client.get(&format!("{}/{}/metrics", account.queues_path(), queue.queue_id))?;
    let info = Info { queue, metrics };
    if as_json {
        return output::print(&output::json(&info));
    }
    output::print(&info.text(&SystemClock::start()))
}

impl Info {
    fn text(&self, clock: &dyn Clock) -> String {
        let Self { queue, metrics } = self;
        let settings = queue.settings;
        let mut out = String::new();
        let mut line = |name: &str, value: &str| {
            // Writing to a text cannot fail.
            let _ = writeln!(out, "{name:<18} {value}");
        };
        line("name", &queue.queue_name);
        line("queue id", &queue.queue_id);
        line("created on", &queue.created_on);
        line("delivery", super::delivery(queue));
        line("delivery delay", &duration::exact(u64::from(settings.delivery_delay) * 1_000));
        line("retention", &duration::exact(u64::from(settings.message_retention_period) * 1_000));
        let consumer = queue.consumers.first();
        line("consumer", &consumer.map_or_else(|| "none".to_owned(), consumer_text));
        let dead_letters = consumer.map_or("", |consumer| consumer.dead_letter_queue.as_str());
        line("dead-letter queue", if dead_letters.is_empty() { "-" } else { dead_letters });
        let messages = output::count(metrics.backlog_count, "message");
        line("backlog", &format!("{messages}, {}", output::count(metrics.backlog_bytes, "byte")));
        let oldest = metrics.oldest_message_timestamp_ms;
        if oldest > 0 {
            let age = clock.now().0.saturating_sub(oldest);
            line("oldest message", &format!("published {} ago", duration::rounded(age)));
        }
        out.push_str(&remark(queue, consumer));
        out.truncate(out.trim_end().len());
        out
    }
}

/// What keeps messages from being delivered, as a sentence.
fn remark(queue: &QueueView, consumer: Option<&ConsumerView>) -> String {
    let name = &queue.queue_name;
    match consumer {
        None => format!("\nNothing consumes this queue, and it keeps its messages: kew consumers add {name} lets clients pull.\n"),
        Some(consumer) if consumer.r#type == "worker" => {
            "\nThis queue keeps its messages: its only consumer is a Worker, and nothing delivers to Workers yet.\n".to_owned()
        }
        Some(_) if queue.settings.delivery_paused => {
            format!("\nDelivery is paused, and the queue keeps its messages: kew queues resume {name} ends that.\n")
        }
        Some(_) => String::new(),
    }
}

fn consumer_text(consumer: &ConsumerView) -> String {
    let settings = match consumer.settings {
        ConsumerSettingsView::HttpPull { batch_size, max_retries, retry_delay, visibility_timeout_ms } => {
            format!(
                "batches of {batch_size}, {}, retry delay {}, visibility timeout {}",
                retries(max_retries),
                duration::exact(u64::from(retry_delay) * 1_000),
                duration::exact(visibility_timeout_ms)
            )
        }
        ConsumerSettingsView::Worker {
            batch_size,
            max_concurrency,
            max_retries,
            max_wait_time_ms,
            retry_delay,
        } => {
            format!(
                "batches of {batch_size} within {}, {}, retry delay {}, concurrency {}",
                duration::exact(max_wait_time_ms),
                retries(max_retries),
                duration::exact(u64::from(retry_delay) * 1_000),
                max_concurrency.map_or_else(|| "automatic".to_owned(), |most| most.to_string())
            )
        }
    };
    match &consumer.script {
        Some(script) => format!("worker {script}: {settings}"),
        None => format!("{}: {settings}", consumer.r#type),
    }
}

fn retries(count: u16) -> String {
    match count {
        1 => "1 retry".to_owned(),
        _ => format!("{count} retries"),
    }
}
