//! `kew redrive`: the messages of a dead-letter queue go back, step by step.
//!
//! Each step is one atomic call of at most a hundred messages; between steps nothing is half done, so that Ctrl-C, a limit
//! or a lost connection leave each message in one queue.

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use kew_model::Limits;
use kew_wire::queues::MetricsView;
use serde::{Deserialize, Serialize};

use crate::account_client::{AccountClient, AccountTarget, QueueReference};
use crate::count::count_in;
use crate::interrupt::Interrupt;
use crate::{output, progress};

/// Move the messages of a dead-letter queue back to where they came from, or to another queue.
///
/// Each goes to the queue that it failed in; with --to, all go to one queue. A moved message keeps its id and body, and its
/// attempts start anew. Leased and delayed messages stay. It goes in steps of at most 100 messages, each whole or not at
/// all; Ctrl-C ends it between two of them.
#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// Name or id of the dead-letter queue.
    queue: QueueReference,
    /// Name or id of the queue that all messages go to.
    #[arg(long, value_name = "QUEUE")]
    to: Option<QueueReference>,
    /// The most messages to move, 1 or more; else all that there are.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, value_parser = count_in(1..=u64::MAX))]
    limit: Option<u64>,
    /// Move nothing; show how many messages there are.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    account: AccountTarget,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<&'a str>,
    batch_size: u64,
}

/// What a step has done, and all of them together.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
struct Moved {
    /// Messages that moved.
    moved: u64,
    /// Messages, of those looked at last, that have no queue to go back to.
    without_origin: u64,
    /// Messages still in the queue.
    left: u64,
}

impl Redrive {
    /// Moves the messages and prints what became of them.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let account = self.account.open()?;
        if self.dry_run {
            return self.count(&account);
        }
        // The server looks a name up by itself, and by fewer rights than a list of queues needs.
        let destination = self.to.as_ref().map(ToString::to_string);
        let path = format!("{}/redrive", account.own_path(&self.queue)?);
        let interrupt = Interrupt::listen("kew: stopping after this step (once more to stop at once)")?;
        let bar = progress::bar("redrive", Some(0));
        let mut total = Moved::default();
        let step = |batch_size| {
            let request = Request { destination: destination.as_deref(), batch_size };
            account.client.post(&path, &request)
        };
        let ended = self.go_on(step, &interrupt, &mut total, &bar);
        bar.finish_and_clear();
        if total.moved > 0 {
            ended.with_context(|| format!("{} moved, and then", output::count(total.moved, "message")))?;
        } else {
            ended?;
        }
        if self.json {
            return output::print(&output::json(&total));
        }
        output::print(&total.text(&self.queue))
    }

    /// Takes steps until all that was there at the first one has moved, nothing moves any more, the limit is reached, or
    /// Ctrl-C was pressed. What comes meanwhile is left: it may be what has just moved, and failed again.
    fn go_on(
        &self,
        step: impl Fn(u64) -> anyhow::Result<Moved>,
        interrupt: &Interrupt,
        total: &mut Moved,
        bar: &ProgressBar,
    ) -> anyhow::Result<()> {
        let mut goal = self.limit.unwrap_or(u64::MAX);
        while total.moved < goal && !interrupt.is_pressed() {
            let Moved { moved, without_origin, left } =
                step((goal - total.moved).min(u64::from(Limits::REDRIVE_BATCH_MAX)))?;
            if total.moved == 0 {
                goal = goal.min(moved + left);
                bar.set_length(goal);
            }
            *total = Moved { moved: total.moved + moved, without_origin, left };
            bar.set_position(total.moved);
            bar.set_message(format!("{left} left"));
            if moved == 0 {
                break;
            }
        }
        Ok(())
    }

    fn count(&self, account: &AccountClient) -> anyhow::Result<()> {
        let path = format!("{}/metrics", account.queue_path(&self.queue)?);
        let metrics: MetricsView = account.client.get(&path)?;
        let left = metrics.backlog_count;
        if self.json {
            return output::print(&output::json(&Moved { left, ..Moved::default() }));
        }
        let messages = output::count(left, "message");
        output::print(&format!(
            "{} holds {messages}; those that are leased or delayed, or have no queue to go back to, would stay",
            self.queue
        ))
    }
}

impl Moved {
    fn text(self, queue: &QueueReference) -> String {
        let Self { moved, without_origin, left } = self;
        let mut text = format!("moved {}; {left} left", output::count(moved, "message"));
        if without_origin > 0 {
            text.push_str(&format!(
                ", of which {without_origin} without origin, pushed here or from a queue that is gone: \
                 kew redrive {queue} --to QUEUE moves those"
            ));
        }
        text
    }
}
