//! `kew consumers`: who takes a queue's messages. A queue has one consumer or none.
//!
//! The API replaces a consumer as a whole; `update` therefore reads it first, and gives back what is not to change.

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use kew_model::Limits;
use kew_wire::consumers::{ConsumerSettingsView, ConsumerView};
use kew_wire::queues::QueueView;
use serde_json::{Map, Value, json};

use crate::account_client::{AccountTarget, QueueReference};
use crate::count::count_in;
use crate::misuse::Misuse;
use crate::{duration, output};

/// Manage the consumers of queues.
#[derive(Debug, Args)]
pub(crate) struct Consumers {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the consumers of all queues.
    List(Common),
    /// Let clients pull from a queue; with --worker, attach a Worker, to which nothing is delivered yet.
    Add(Add),
    /// Change a queue's consumer; what is not given stays.
    Update(Update),
    /// Detach a queue's consumer. Messages, attempts and leases stay.
    Remove(Remove),
}

#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    account: AccountTarget,
    /// Print JSON and not a table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Add {
    /// Queue's name or id.
    queue: QueueReference,
    /// Attach this Worker, by its name.
    #[arg(long, value_name = "SCRIPT")]
    worker: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// Name of the queue for messages that failed all their attempts; made if it is not there.
    #[arg(long, value_name = "NAME")]
    dead_letter_queue: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Update {
    /// Queue's name or id.
    queue: QueueReference,
    #[command(flatten)]
    settings: Settings,
    /// Name of the queue for messages that failed all their attempts; made if it is not there.
    #[arg(long, value_name = "NAME")]
    dead_letter_queue: Option<String>,
    /// Have no dead-letter queue any more: messages that failed all their attempts are deleted.
    #[arg(long, conflicts_with = "dead_letter_queue")]
    no_dead_letter_queue: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Remove {
    /// Queue's name or id.
    queue: QueueReference,
    #[command(flatten)]
    common: Common,
}

/// Settings of both kinds of consumers. Each has some that the other lacks, which the server would pass over in silence.
#[derive(Debug, Args)]
struct Settings {
    /// Messages of a pull that does not say, or of a Worker's batch, 1-100; at first 5 for pulls.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, value_parser = count_in(Limits::CONSUMER_BATCH))]
    batch_size: Option<u64>,
    /// How often a message is tried again after its first attempt, 0-100; at first 3.
    #[arg(long, alias = "message-retries", value_name = "COUNT", allow_negative_numbers = true,
        value_parser = count_in(Limits::RETRIES))]
    max_retries: Option<u64>,
    /// How long a message waits that is given back, 0s-24h; at first 0s.
    #[arg(long = "retry-delay", alias = "retry-delay-secs", value_name = "TIME", allow_hyphen_values = true,
        value_parser = duration::seconds_in(Limits::DELAY_SECONDS))]
    retry_delay_seconds: Option<u64>,
    /// How long a lease lasts when the pull does not say, 0s-12h; at first 30s.
    #[arg(long = "visibility-timeout", alias = "visibility-timeout-secs", value_name = "TIME",
        allow_hyphen_values = true, value_parser = duration::milliseconds_in(Limits::VISIBILITY_TIMEOUT_MS))]
    visibility_timeout_ms: Option<u64>,
    /// How many batches a Worker may have at a time, 1-250.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, value_parser = count_in(Limits::WORKER_CONCURRENCY))]
    max_concurrency: Option<u64>,
    /// How long a Worker's batch may wait to fill, 0s-60s.
    #[arg(long = "batch-timeout", value_name = "TIME", allow_hyphen_values = true,
        value_parser = duration::milliseconds_in(Limits::WORKER_WAIT_MS))]
    max_wait_ms: Option<u64>,
}

impl Consumers {
    /// Asks the server and prints its answer.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, and when there is no consumer to change.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::List(common) => {
                let account = common.account.open()?;
                let queues: Vec<QueueView> = account.client.get(&account.queues_path())?;
                let consumers: Vec<_> = queues.into_iter().flat_map(|queue| queue.consumers).collect();
                if common.json {
                    return output::print(&output::json(&consumers));
                }
                show(&consumers)
            }
            Action::Add(add) => add.run(),
            Action::Update(update) => update.run(),
            Action::Remove(Remove { queue, common }) => {
                let account = common.account.open()?;
                let found = account.queue(&queue)?;
                let consumer = consumer_of(&found)?;
                let path = format!(
                    "{}/{}/consumers/{}",
                    account.queues_path(),
                    found.queue_id,
                    consumer.consumer_id
                );
                account.client.delete(&path)?;
                if common.json {
                    return output::print(&output::json(&json!({ "removed": consumer.consumer_id })));
                }
                output::print(&format!("removed the consumer of {}", found.queue_name))
            }
        }
    }
}

impl Add {
    fn run(&self) -> anyhow::Result<()> {
        let mut settings = Map::new();
        self.settings.lay_over(&mut settings, self.worker.is_some()).map_err(Misuse::of)?;
        let account = self.common.account.open()?;
        let mut body = json!({
            "type": if self.worker.is_some() { "worker" } else { "http_pull" },
            "settings": settings,
        });
        if let Some(script) = &self.worker {
            body["script_name"] = json!(script);
        }
        if let Some(name) = &self.dead_letter_queue {
            body["dead_letter_queue"] = json!(name);
        }
        let path = format!("{}/consumers", account.queue_path(&self.queue)?);
        self.common.show(&account.client.post(&path, &body)?)
    }
}

impl Update {
    fn run(&self) -> anyhow::Result<()> {
        let account = self.common.account.open()?;
        let found = account.queue(&self.queue)?;
        let consumer = consumer_of(&found)?;
        let mut body = serde_json::to_value(consumer).context("the consumer has no JSON form")?;
        if let Some(settings) = body.get_mut("settings").and_then(Value::as_object_mut) {
            self.settings.lay_over(settings, consumer.r#type == "worker")?;
        }
        if self.no_dead_letter_queue {
            body["dead_letter_queue"] = json!("");
        } else if let Some(name) = &self.dead_letter_queue {
            body["dead_letter_queue"] = json!(name);
        }
        let path = format!("{}/{}/consumers/{}", account.queues_path(), found.queue_id, consumer.consumer_id);
        self.common.show(&account.client.put(&path, &body)?)
    }
}

impl Common {
    fn show(&self, consumer: &ConsumerView) -> anyhow::Result<()> {
        if self.json {
            return output::print(&output::json(consumer));
        }
        show(core::slice::from_ref(consumer))
    }
}

impl Settings {
    /// Sets what is given.
    fn lay_over(&self, settings: &mut Map<String, Value>, is_worker: bool) -> anyhow::Result<()> {
        if is_worker {
            ensure!(self.visibility_timeout_ms.is_none(), "--visibility-timeout: a Worker holds no leases");
        } else {
            ensure!(self.max_concurrency.is_none(), "--max-concurrency: only a Worker has it");
            ensure!(self.max_wait_ms.is_none(), "--batch-timeout: only a Worker has it");
        }
        for (name, given) in [
            ("batch_size", self.batch_size),
            ("max_retries", self.max_retries),
            ("retry_delay", self.retry_delay_seconds),
            ("visibility_timeout_ms", self.visibility_timeout_ms),
            ("max_concurrency", self.max_concurrency),
            ("max_wait_time_ms", self.max_wait_ms),
        ] {
            if let Some(number) = given {
                settings.insert(name.to_owned(), json!(number));
            }
        }
        Ok(())
    }
}

fn consumer_of(queue: &QueueView) -> anyhow::Result<&ConsumerView> {
    let name = &queue.queue_name;
    queue
        .consumers
        .first()
        .with_context(|| format!("{name} has no consumer; kew consumers add {name} attaches one"))
}

fn show(consumers: &[ConsumerView]) -> anyhow::Result<()> {
    let mut table = output::table(&[
        "consumer id",
        "queue",
        "type",
        "script",
        "settings",
        "dead-letter queue",
        "created on",
    ]);
    for consumer in consumers {
        let dead_letters = consumer.dead_letter_queue.as_str();
        table.add_row([
            consumer.consumer_id.as_str(),
            &consumer.queue_name,
            &consumer.r#type,
            consumer.script.as_deref().unwrap_or("-"),
            &settings(&consumer.settings),
            if dead_letters.is_empty() { "-" } else { dead_letters },
            &consumer.created_on,
        ]);
    }
    output::print(&table.to_string())
}

/// The settings in a few words.
fn settings(settings: &ConsumerSettingsView) -> String {
    match settings {
        ConsumerSettingsView::HttpPull { batch_size, max_retries, retry_delay, visibility_timeout_ms } => {
            format!(
                "batches of {batch_size}, {max_retries} retries after {}, leases of {}",
                duration::exact(u64::from(*retry_delay) * 1_000),
                duration::exact(*visibility_timeout_ms)
            )
        }
        ConsumerSettingsView::Worker { batch_size, max_retries, retry_delay, max_wait_time_ms, .. } => {
            format!(
                "batches of {batch_size} within {}, {max_retries} retries after {}",
                duration::exact(*max_wait_time_ms),
                duration::exact(u64::from(*retry_delay) * 1_000)
            )
        }
    }
}
