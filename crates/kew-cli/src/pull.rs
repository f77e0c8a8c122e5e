//! `kew pull`: messages under leases, as JSON lines for people and for programs.
//!
//! What is acknowledged was printed before: a message whose line nobody read (`kew pull --ack | head`) is not
//! acknowledged, and comes again when its lease ends.

use core::time::Duration;

use anyhow::ensure;
use clap::Args;
use kew_model::Limits;
use serde::Serialize;

use crate::account_client::{AccountClient, AccountTarget, QueueReference};
use crate::count::count_in;
use crate::message::Messages;
use crate::misuse::Misuse;
use crate::{duration, output, settle};

/// How long a pull that follows lets the server wait, in milliseconds: long enough to cost nothing, and shorter than
/// proxies in between have patience.
const FOLLOW_WAIT_MS: u64 = 30_000;

/// Take messages under leases, and print them.
///
/// Each message is a JSON object on a line of its own. JSON bodies are decoded, bytes are base64. What is not acknowledged
/// comes again when its lease ends; its lease_id goes to kew ack or kew retry, and the whole line does, too.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// Queue's name or id.
    queue: QueueReference,
    /// The most messages, 1-100; else the batch size of the queue's consumer.
    #[arg(long, short = 'n', value_name = "COUNT", allow_negative_numbers = true,
        value_parser = count_in(Limits::PULL_BATCH))]
    count: Option<u64>,
    /// How long the leases last, 0s-12h; else as the queue's consumer says.
    #[arg(long = "visibility-timeout", value_name = "TIME", allow_hyphen_values = true,
        value_parser = duration::milliseconds_in(Limits::VISIBILITY_TIMEOUT_MS))]
    visibility_timeout_ms: Option<u64>,
    /// How long to wait for messages when there are none, 0s-60s.
    #[arg(long = "wait", value_name = "TIME", allow_hyphen_values = true,
        value_parser = duration::milliseconds_in(Limits::PULL_WAIT_MS))]
    wait_ms: Option<u64>,
    /// Acknowledge the messages once they are printed.
    #[arg(long)]
    ack: bool,
    /// Go on until Ctrl-C. The exit status is then 130, as of anything that Ctrl-C ends.
    #[arg(long)]
    follow: bool,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility_timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_time_ms: Option<u64>,
}

impl Pull {
    /// Pulls once, or for as long as it is let.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        ensure!(
            !self.follow || self.wait_ms != Some(0),
            Misuse::new("--wait: must be more than 0 with --follow")
        );
        let account = self.account.open()?;
        let messages = format!("{}/messages", account.queue_path(&self.queue)?);
        while self.pull(&account, &messages)? && self.follow {}
        Ok(())
    }

    /// Pulls, prints and acknowledges; tells whether somebody reads it.
    fn pull(&self, account: &AccountClient, messages: &str) -> anyhow::Result<bool> {
        let wait_time_ms = self.wait_ms.or(self.follow.then_some(FOLLOW_WAIT_MS));
        let request = Request {
            batch_size: self.count,
            visibility_timeout_ms: self.visibility_timeout_ms,
            wait_time_ms,
        };
        let wait = Duration::from_millis(wait_time_ms.unwrap_or_default());
        let pulled: Messages = account.client.post_waiting(&format!("{messages}/pull"), &request, wait)?;
        if pulled.messages.is_empty() {
            return Ok(true);
        }
        if !output::has_reader(&pulled.lines()?)? {
            return Ok(false);
        }
        if self.ack {
            let leases = pulled.messages.into_iter().filter_map(|message| message.lease_id).collect();
            settle::acknowledge(account, messages, leases)?;
        }
        Ok(true)
    }
}
