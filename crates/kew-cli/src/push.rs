//! `kew push`: messages from arguments, a file, or the lines of standard input.
//!
//! Arguments and a file are one request, which is carried out as a whole, and with `--idempotency-key` only once. Lines are
//! sent in batches as large as one request may be; when the writer pauses, what has come is sent.

mod batch;

use std::io::{BufReader, IsTerminal};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use kew_model::Limits;
use kew_wire::messages::{Pushing, idempotency};
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::account_client::{AccountClient, AccountTarget, QueueReference};
use crate::lines::{Lines, Next};
use crate::misuse::Misuse;
use crate::{duration, output, progress};
use batch::{Batch, Message};

/// Bytes that are read of standard input at a time: more than one batch of short lines.
const BUFFER_BYTES: usize = 256 * 1024;

/// Publish messages.
///
/// Each TEXT is a message, or a file as a whole, or each line of standard input that is not empty. A message holds up to
/// 127,900 bytes. Standard input goes out in batches of up to 100 messages and 256,000 bytes, each all or none.
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// Queue's name or id.
    queue: QueueReference,
    /// Messages, at most 100 with 256,000 bytes in all; without any, and without --file, each line of standard input is one.
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    /// Publish the contents of this file as one message.
    #[arg(long, value_name = "FILE", conflicts_with = "texts")]
    file: Option<PathBuf>,
    /// What the messages are: text, JSON, or any bytes.
    #[arg(long, value_name = "TYPE", default_value = "text")]
    content_type: ContentType,
    /// How long the messages are held back, 0s-24h; else as the queue says.
    #[arg(long = "delay", value_name = "TIME", allow_hyphen_values = true,
        value_parser = duration::seconds_in(Limits::DELAY_SECONDS))]
    delay_seconds: Option<u64>,
    /// Push once, however often this is repeated within 15 minutes: 1 to 255 visible characters. Not for lines of standard
    /// input, of which nobody knows beforehand how many requests they become.
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    idempotency_key: Option<String>,
    #[command(flatten)]
    account: AccountTarget,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ContentType {
    /// Text in UTF-8.
    Text,
    /// A JSON value.
    Json,
    /// Any bytes.
    Bytes,
}

/// What was pushed, as it is printed.
#[derive(Debug, Default, Serialize)]
struct Pushed {
    /// Messages.
    pushed: u64,
    /// Whether the server had carried out a push of this key before, and published nothing now.
    replayed: bool,
}

impl Push {
    /// Publishes and prints how many messages.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, and when there is something that is no message.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let is_streamed = self.texts.is_empty() && self.file.is_none();
        ensure!(
            !is_streamed || self.idempotency_key.is_none(),
            Misuse::new("--idempotency-key: names one request, so give TEXT or --file with it")
        );
        ensure!(
            self.texts.len() <= Limits::BATCH_MESSAGES_MAX,
            Misuse::new(format!("give at most 100 messages, not {}, or pipe them in", self.texts.len()))
        );
        let given = self.given().map_err(Misuse::of)?;
        let account = self.account.open()?;
        let path = format!("{}/messages/batch", account.queue_path(&self.queue)?);
        let mut pushed = Pushed::default();
        if is_streamed {
            self.push_lines(&account, &path, &mut pushed)
                .with_context(|| format!("{} pushed, and then", output::count(pushed.pushed, "message")))?;
        } else {
            self.send(&account, &path, given, &mut pushed)?;
        }
        if self.json {
            return output::print(&output::json(&pushed));
        }
        let messages = output::count(pushed.pushed, "message");
        let remark = if pushed.replayed { " before, with the same key, and none now" } else { "" };
        output::print(&format!("pushed {messages}{remark}"))
    }

    /// The messages of arguments or a file, if there are any.
    fn given(&self) -> anyhow::Result<Batch> {
        let mut batch = Batch::default();
        if let Some(path) = &self.file {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let message = self.content_type.message(bytes);
            batch.add(message.with_context(|| format!("cannot push {}", path.display()))?);
        }
        for (index, text) in self.texts.iter().enumerate() {
            let message = self.content_type.message(text.clone().into_bytes());
            batch.add(message.with_context(|| format!("message {}", index + 1))?);
        }
        Ok(batch)
    }

    fn push_lines(&self, account: &AccountClient, path: &str, pushed: &mut Pushed) -> anyhow::Result<()> {
        let input = std::io::stdin();
        if input.is_terminal() {
            output::tell("kew: each line becomes a message; Ctrl-D ends");
        }
        let bar = progress::bar("pushed", None);
        let most = Limits::BODY_BYTES_MAX as usize;
        let mut lines = Lines::of(BufReader::with_capacity(BUFFER_BYTES, input), most);
        let mut batch = Batch::default();
        loop {
            let next = lines.next()?;
            let message = match &next {
                Next::Line(line) if line.is_empty() => continue,
                Next::Line(line) => {
                    let message = self.content_type.message(line.clone());
                    Some(message.with_context(|| format!("line {}", lines.number()))?)
                }
                Next::Pause | Next::End => None,
            };
            let is_due = message.as_ref().is_none_or(|message| !batch.has_room_for(message));
            if is_due && !batch.is_empty() {
                self.send(account, path, core::mem::take(&mut batch), pushed)?;
                bar.set_position(pushed.pushed);
            }
            message.into_iter().for_each(|message| batch.add(message));
            if next == Next::End {
                bar.finish_and_clear();
                return Ok(());
            }
        }
    }

    fn send(
        &self,
        account: &AccountClient,
        path: &str,
        mut batch: Batch,
        pushed: &mut Pushed,
    ) -> anyhow::Result<()> {
        let count = batch.len();
        batch.delay_seconds = self.delay_seconds;
        let key = self.idempotency_key.as_deref();
        let (_, is_replayed): (IgnoredAny, _) = account.client.post_once(path, &batch, key)?;
        pushed.pushed += count;
        pushed.replayed = is_replayed;
        Ok(())
    }
}

/// Reads a key as the server takes it.
fn idempotency_key(text: &str) -> Result<String, String> {
    let read = idempotency(text.as_bytes(), Pushing::Batch, b"");
    read.map(|_| text.to_owned()).map_err(|_| "must be 1 to 255 visible ASCII characters".to_owned())
}

impl ContentType {
    fn message(self, bytes: Vec<u8>) -> anyhow::Result<Message> {
        let text = |bytes| {
            String::from_utf8(bytes).ok().context("is not UTF-8; --content-type bytes takes any bytes")
        };
        match self {
            Self::Text => Message::of_text(&text(bytes)?),
            Self::Json => Message::of_json(text(bytes)?),
            Self::Bytes => Message::of_bytes(&bytes),
        }
    }
}
