//! `kew ack` and `kew retry`: the end of leases.
//!
//! Leases come as arguments, or as lines of standard input: lease ids, or what `kew pull` prints. So a program that
//! passes on the lines of the messages that it has done is a consumer: `kew pull jobs | program | kew ack jobs`.

use std::collections::BTreeMap;
use std::io::{BufReader, IsTerminal};

use anyhow::{Context, ensure};
use clap::Args;
use kew_model::Limits;
use serde::{Deserialize, Serialize};

use crate::account_client::{AccountClient, AccountTarget, QueueReference};
use crate::lines::{Lines, Next};
use crate::{duration, output};

/// The longest line that is read, in bytes: a message as it is printed, every character escaped.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Acknowledge messages that were pulled: they are done, and never come back.
///
/// Fails when one of the leases could not be settled, after it has settled the others.
#[derive(Debug, Args)]
pub(crate) struct Ack {
    #[command(flatten)]
    leases: Leases,
}

/// Give messages back that were pulled: each comes again, unless this was its last attempt.
///
/// Fails when one of the leases could not be settled, after it has settled the others.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    #[command(flatten)]
    leases: Leases,
    /// How long they wait first, at most 24h; else as the queue's consumer says.
    #[arg(long = "delay", value_name = "TIME", value_parser = duration::seconds)]
    delay_seconds: Option<u64>,
}

#[derive(Debug, Args)]
struct Leases {
    /// Queue's name or id.
    queue: QueueReference,
    /// Lease ids; without any, standard input has one a line, or lines of kew pull.
    #[arg(value_name = "LEASE_ID")]
    ids: Vec<String>,
    #[command(flatten)]
    account: AccountTarget,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The body of an ack.
#[derive(Debug, Default, Serialize)]
struct Request {
    acks: Vec<Entry>,
    retries: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    lease_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_seconds: Option<u64>,
}

/// What became of leases: the answer to an ack, and the sum of several.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settled {
    ack_count: u64,
    retry_count: u64,
    warnings: BTreeMap<String, String>,
}

impl Ack {
    /// Settles the leases and prints how many.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, and when a lease could not be settled.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let add =
            |lease_id, request: &mut Request| request.acks.push(Entry { lease_id, delay_seconds: None });
        self.leases.settle(add, |total| format!("{} acknowledged", output::count(total.ack_count, "message")))
    }
}

impl Retry {
    /// As [`Ack::run`].
    ///
    /// # Errors
    /// As [`Ack::run`].
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let delay_seconds = self.delay_seconds;
        let add = |lease_id, request: &mut Request| request.retries.push(Entry { lease_id, delay_seconds });
        self.leases.settle(add, |total| format!("{} given back", output::count(total.retry_count, "message")))
    }
}

/// Acknowledges leases of one pull. A lease that ended meanwhile is no error: its message comes again.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub(crate) fn acknowledge(
    account: &AccountClient,
    messages: &str,
    leases: Vec<String>,
) -> anyhow::Result<()> {
    let acks = leases.into_iter().map(|lease_id| Entry { lease_id, delay_seconds: None }).collect();
    let request = Request { acks, retries: Vec::new() };
    let settled: Settled = account.client.post(&format!("{messages}/ack"), &request)?;
    tell_warnings(&settled);
    Ok(())
}

impl Leases {
    fn settle(
        self,
        add: impl Fn(String, &mut Request),
        text: impl Fn(&Settled) -> String,
    ) -> anyhow::Result<()> {
        let account = self.account.open()?;
        let path = format!("{}/messages/ack", account.queue_path(&self.queue)?);
        let mut total = Settled::default();
        let mut asked = 0;
        let mut send = |leases: Vec<String>| {
            asked += leases.len() as u64;
            let mut request = Request::default();
            leases.into_iter().for_each(|lease| add(lease, &mut request));
            let settled: Settled = account.client.post(&path, &request)?;
            tell_warnings(&settled);
            total.ack_count += settled.ack_count;
            total.retry_count += settled.retry_count;
            total.warnings.extend(settled.warnings);
            anyhow::Ok(())
        };
        if self.ids.is_empty() {
            read_leases(&mut send)?;
        } else {
            self.ids.chunks(Limits::SETTLE_ENTRIES_MAX).try_for_each(|ids| send(ids.to_vec()))?;
        }
        if self.json {
            output::print(&output::json(&total))?;
        } else {
            output::print(&text(&total))?;
        }
        let done = total.ack_count + total.retry_count;
        ensure!(done == asked, "{} of {asked} could not be settled", asked - done);
        Ok(())
    }
}

fn tell_warnings(settled: &Settled) {
    for (lease, warning) in &settled.warnings {
        output::tell(&format!("kew: {lease}: {warning}"));
    }
}

/// Hands over the leases of standard input, as many at a time as one request takes, or as have come.
fn read_leases(mut send: impl FnMut(Vec<String>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let input = std::io::stdin();
    ensure!(
        !input.is_terminal(),
        "give lease ids, or pipe in what kew pull has printed, for example: kew pull jobs | kew ack jobs"
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
