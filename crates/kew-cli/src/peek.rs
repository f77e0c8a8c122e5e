//! `kew peek`: messages as they lie in the queue. Nothing is leased, and no attempt is counted.

use clap::Args;
use kew_model::Limits;
use serde::Serialize;

use crate::account_client::{AccountTarget, QueueReference};
use crate::count::count_in;
use crate::message::Messages;
use crate::output;

/// Look at messages without taking them.
///
/// Prints those that a pull would take now, each a JSON object on a line of its own, and leaves them where they are. Works
/// on a paused queue, and on one without a consumer. JSON bodies are decoded, bytes are base64.
#[derive(Debug, Args)]
pub(crate) struct Peek {
    /// Queue's name or id.
    queue: QueueReference,
    /// The most messages, 1-100; else the batch size of the queue's consumer.
    #[arg(long, short = 'n', value_name = "COUNT", allow_negative_numbers = true,
        value_parser = count_in(Limits::PULL_BATCH))]
    count: Option<u64>,
    #[command(flatten)]
    account: AccountTarget,
    /// Print JSON, which it does without this, too.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Request {
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size: Option<u64>,
}

impl Peek {
    /// Asks the server and prints its answer.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let account = self.account.open()?;
        let path = format!("{}/messages/peek", account.queue_path(&self.queue)?);
        let found: Messages = account.client.post(&path, &Request { batch_size: self.count })?;
        if found.messages.is_empty() {
            return Ok(());
        }
        output::print(&found.lines()?)
    }
}
