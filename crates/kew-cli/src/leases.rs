//! The leases that a command is about.
//!
//! They come as arguments, or as lines of standard input: lease ids, or what `kew pull` prints.

use std::collections::BTreeMap;
use std::io::{BufReader, IsTerminal};

use anyhow::{Context, ensure};
use clap::Args;
use kew_model::Limits;
use serde::{Deserialize, Serialize};

use crate::account_client::{AccountClient, AccountTarget, QueueReference};
use crate::lines::{Lines, Next};
use crate::misuse::Misuse;
use crate::output;

/// The longest line that is read, in bytes: a message as it is printed, every character escaped.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Leases of a queue, and how to tell what came of them.
#[derive(Debug, Args)]
pub(crate) struct Leases {
    /// Queue's name or id.
    queue: QueueReference,
    /// Lease ids; without any, standard input has one a line, or lines of kew pull.
    #[arg(value_name = "LEASE_ID", value_parser = lease_id)]
    ids: Vec<String>,
    #[command(flatten)]
    account: AccountTarget,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Leases {
    /// The account, and the path of the queue's messages.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, and when there is no such queue.
    pub(crate) fn open(&self) -> anyhow::Result<(AccountClient, String)> {
        let account = self.account.open()?;
        let messages = format!("{}/messages", account.queue_path(&self.queue)?);
        Ok((account, messages))
    }

    /// Hands over all of them, as many at a time as one request takes or as have come, and counts them.
    ///
    /// # Errors
    /// When standard input is needed and cannot be read, and what `send` fails with.
    pub(crate) fn send(
        &self,
        mut send: impl FnMut(Vec<String>) -> anyhow::Result<()>,
    ) -> anyhow::Result<u64> {
        let mut count = 0;
        let mut counted = |leases: Vec<String>| {
            count += leases.len() as u64;
            send(leases)
        };
        if self.ids.is_empty() {
            read_leases(counted)?;
        } else {
            self.ids.chunks(Limits::SETTLE_ENTRIES_MAX).try_for_each(|ids| counted(ids.to_vec()))?;
        }
        Ok(count)
    }

    /// Prints what came of them, for programs or for people.
    ///
    /// # Errors
    /// When nothing can be printed.
    pub(crate) fn print<T: Serialize>(&self, outcome: &T, text: impl Fn(&T) -> String) -> anyhow::Result<()> {
        output::print(&if self.json { output::json(outcome) } else { text(outcome) })
    }
}

/// Tells what could not be done, lease by lease.
pub(crate) fn tell_warnings(warnings: &BTreeMap<String, String>) {
    for (lease, warning) in warnings {
        output::tell(&format!("kew: {lease}: {warning}"));
    }
}

/// Hands over the leases of standard input, as many at a time as one request takes, or as have come.
fn read_leases(mut send: impl FnMut(Vec<String>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let input = std::io::stdin();
    ensure!(
        !input.is_terminal(),
        Misuse::new(
            "give lease ids, or pipe in what kew pull has printed, for example: kew pull jobs | kew ack jobs"
        )
    );
    let mut lines = Lines::of(BufReader::new(input), LINE_BYTES_MAX);
    let mut leases = Vec::new();
    loop {
        let next = lines.next()?;
        let is_due = match &next {
            Next::Line(line) => {
                let lease = lease_in(line).with_context(|| format!("line {}", lines.number()))?;
                leases.extend(lease);
                leases.len() == Limits::SETTLE_ENTRIES_MAX
            }
            Next::Pause | Next::End => true,
        };
        if is_due && !leases.is_empty() {
            send(core::mem::take(&mut leases))?;
        }
        if matches!(next, Next::End) {
            return Ok(());
        }
    }
}

/// Reads a lease id: any word, which the server judges.
fn lease_id(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("a lease id must not be empty; perhaps the pull gave no message".to_owned());
    }
    Ok(text.to_owned())
}

/// The lease of a line; none of an empty one.
fn lease_in(line: &[u8]) -> anyhow::Result<Option<String>> {
    #[derive(Deserialize)]
    struct Pulled {
        lease_id: String,
    }
    let text = core::str::from_utf8(line).context("is no text")?.trim();
    if text.starts_with('{') {
        let pulled: Pulled =
            serde_json::from_str(text).context("is no line of kew pull: it has no lease_id")?;
        return Ok(Some(pulled.lease_id));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_lease_id_or_a_message() {
        let lease = |line: &str| lease_in(line.as_bytes()).unwrap();
        assert_eq!(lease(" a.b-c_d \r").as_deref(), Some("a.b-c_d"));
        assert_eq!(lease(r#"{"id":"1","body":{},"lease_id":"x"}"#).as_deref(), Some("x"));
        assert_eq!(lease(""), None);
        assert!(lease_in(br#"{"id":"1","ref":"x"}"#).is_err(), "a line of kew peek");
        assert!(lease_in(b"\xff").is_err());
    }
}
