//! `kew queues`: the queues of a running server. Flags bear the names of wrangler's, which are taken as well.
//!
//! What destroys messages asks for `--force`, and says first what it would destroy; an empty queue has nothing to lose.

mod info;

use anyhow::bail;
use clap::{Args, Subcommand};
use kew_model::Limits;
use kew_wire::queues::{MetricsView, PurgedView, QueueView};
use serde::Serialize;

use crate::account_client::{AccountClient, AccountTarget, QueueReference, queue_name};
use crate::{duration, output};

/// Manage the queues of a running server.
#[derive(Debug, Args)]
pub(crate) struct Queues {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the queues.
    List(Common),
    /// Create a queue. What is to be pulled from needs a consumer, too: kew consumers add.
    Create(Create),
    /// Show a queue: its settings, consumer, dead-letter queue and backlog.
    Info(One),
    /// Change a queue; what is not given stays.
    Update(Update),
    /// Delete a queue with its messages and its consumer.
    Delete(Destroy),
    /// Stop delivery: pushes go on, pulls are refused.
    #[command(visible_alias = "pause-delivery")]
    Pause(One),
    /// Deliver again.
    #[command(visible_alias = "resume-delivery")]
    Resume(One),
    /// Delete all messages of a queue, leased and delayed ones, too.
    Purge(Destroy),
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
struct One {
    /// Queue's name or id.
    queue: QueueReference,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Destroy {
    /// Queue's name or id.
    queue: QueueReference,
    /// Do it although there are messages, which cannot be brought back.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Create {
    /// Name: 1 to 63 lowercase letters, digits and hyphens, no hyphen first or last.
    #[arg(value_parser = queue_name)]
    name: String,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true)
    .args(["name", "delivery_delay_seconds", "retention_seconds"]))]
struct Update {
    /// Queue's name or id.
    queue: QueueReference,
    /// New name: 1 to 63 lowercase letters, digits and hyphens, no hyphen first or last.
    #[arg(long, value_name = "NAME", value_parser = queue_name)]
    name: Option<String>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Settings {
    /// How long new messages are held back, 0s-24h, for example 30s; at first 0s.
    #[arg(long = "delivery-delay", alias = "delivery-delay-secs", value_name = "TIME", allow_hyphen_values = true,
        value_parser = duration::seconds_in(Limits::DELAY_SECONDS))]
    delivery_delay_seconds: Option<u64>,
    /// How long a message may stay, 60s-14d; at first 4d.
    #[arg(long = "retention", alias = "message-retention-period-secs", value_name = "TIME",
        allow_hyphen_values = true, value_parser = duration::seconds_in(Limits::RETENTION_SECONDS))]
    retention_seconds: Option<u64>,
}

/// A queue as it is asked for: everything that is `None` stays, or gets its default.
#[derive(Debug, Default, Serialize)]
struct Asked {
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_name: Option<String>,
    settings: AskedSettings,
}

#[derive(Debug, Default, Serialize)]
struct AskedSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_delay: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_paused: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_retention_period: Option<u64>,
}

impl Queues {
    /// Asks the server and prints its answer.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, and when something would be destroyed without `--force`.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::List(common) => {
                let account = common.account.open()?;
                let queues: Vec<QueueView> = account.client.get(&account.queues_path())?;
                if common.json {
                    return output::print(&output::json(&queues));
                }
                show(&queues)
            }
            Action::Create(Create { name, settings, common }) => {
                let account = common.account.open()?;
                let asked = Asked { queue_name: Some(name), settings: settings.asked() };
                common.show(&account.client.post(&account.queues_path(), &asked)?)
            }
            Action::Info(One { queue, common }) => {
                let account = common.account.open()?;
                info::show(&account, &queue, common.json)
            }
            Action::Update(Update { queue, name, settings, common }) => {
                common.change(&queue, &Asked { queue_name: name, settings: settings.asked() })
            }
            Action::Pause(One { queue, common }) => common.set_paused(&queue, true),
            Action::Resume(One { queue, common }) => common.set_paused(&queue, false),
            Action::Delete(destroy) => destroy.delete(),
            Action::Purge(destroy) => destroy.purge(),
        }
    }
}

impl Common {
    fn set_paused(&self, queue: &QueueReference, paused: bool) -> anyhow::Result<()> {
        let settings = AskedSettings { delivery_paused: Some(paused), ..AskedSettings::default() };
        self.change(queue, &Asked { queue_name: None, settings })
    }

    fn change(&self, queue: &QueueReference, asked: &Asked) -> anyhow::Result<()> {
        let account = self.account.open()?;
        self.show(&account.client.patch(&account.queue_path(queue)?, asked)?)
    }

    fn show(&self, queue: &QueueView) -> anyhow::Result<()> {
        if self.json {
            return output::print(&output::json(queue));
        }
        show(core::slice::from_ref(queue))
    }
}

impl Destroy {
    fn delete(&self) -> anyhow::Result<()> {
        let account = self.common.account.open()?;
        let found = account.queue(&self.queue)?;
        self.check(&account, &found, "deleting it deletes")?;
        account.client.delete(&format!("{}/{}", account.queues_path(), found.queue_id))?;
        if self.common.json {
            return output::print(&output::json(&serde_json::json!({ "deleted": found.queue_id })));
        }
        output::print(&format!("deleted {}", found.queue_name))
    }

    fn purge(&self) -> anyhow::Result<()> {
        let account = self.common.account.open()?;
        let found = account.queue(&self.queue)?;
        self.check(&account, &found, "purging it deletes")?;
        let path = format!("{}/{}/purge", account.queues_path(), found.queue_id);
        let confirmed = serde_json::json!({ "delete_messages_permanently": true });
        let purged: PurgedView = account.client.post(&path, &confirmed)?;
        if self.common.json {
            return output::print(&output::json(&purged));
        }
        output::print(&format!("purged {}", purged.queue.queue_name))
    }

    fn check(&self, account: &AccountClient, queue: &QueueView, deed: &str) -> anyhow::Result<()> {
        if self.force {
            return Ok(());
        }
        let metrics: MetricsView =
            account.client.get(&format!("{}/{}/metrics", account.queues_path(), queue.queue_id))?;
        if metrics.backlog_count == 0 {
            return Ok(());
        }
        let messages = output::count(metrics.backlog_count, "message");
        bail!(
            "{} holds {messages}, and {deed} all it holds for good; give --force to do so",
            queue.queue_name
        )
    }
}

impl Settings {
    fn asked(&self) -> AskedSettings {
        AskedSettings {
            delivery_delay: self.delivery_delay_seconds,
            delivery_paused: None,
            message_retention_period: self.retention_seconds,
        }
    }
}

fn show(queues: &[QueueView]) -> anyhow::Result<()> {
    let heads = ["queue id", "name", "delivery", "delay", "retention", "consumer", "dead-letter queue"];
    let mut table = output::table(&heads);
    for queue in queues {
        let consumer = queue.consumers.first();
        let dead_letters = consumer.map_or("", |consumer| consumer.dead_letter_queue.as_str());
        table.add_row([
            queue.queue_id.as_str(),
            &queue.queue_name,
            delivery(queue),
            &duration::exact(u64::from(queue.settings.delivery_delay) * 1_000),
            &duration::exact(u64::from(queue.settings.message_retention_period) * 1_000),
            consumer.map_or("-", |consumer| consumer.r#type.as_str()),
            if dead_letters.is_empty() { "-" } else { dead_letters },
        ]);
    }
    output::print(&table.to_string())
}

fn delivery(queue: &QueueView) -> &'static str {
    if queue.settings.delivery_paused { "paused" } else { "on" }
}
