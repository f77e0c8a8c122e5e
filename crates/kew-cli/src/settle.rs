//! `kew ack` and `kew retry`: the end of leases.
//!
//! A program that passes on the lines of the messages that it has done is a consumer:
//! `kew pull jobs | program | kew ack jobs`.

use std::collections::BTreeMap;

use anyhow::ensure;
use clap::Args;
use kew_model::Limits;
use serde::{Deserialize, Serialize};

use crate::account_client::AccountClient;
use crate::leases::{Leases, tell_warnings};
use crate::{duration, output};

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
    /// How long they wait first, 0s-24h; else as the queue's consumer says.
    #[arg(long = "delay", value_name = "TIME", allow_hyphen_values = true,
        value_parser = duration::seconds_in(Limits::DELAY_SECONDS))]
    delay_seconds: Option<u64>,
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
        settle(&self.leases, add, |total| {
            format!("{} acknowledged", output::count(total.ack_count, "message"))
        })
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
        settle(&self.leases, add, |total| {
            format!("{} given back", output::count(total.retry_count, "message"))
        })
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
    tell_warnings(&settled.warnings);
    Ok(())
}

/// Settles leases, and prints what came of it.
fn settle(
    leases: &Leases,
    add: impl Fn(String, &mut Request),
    text: impl Fn(&Settled) -> String,
) -> anyhow::Result<()> {
    let (account, messages) = leases.open()?;
    let path = format!("{messages}/ack");
    let mut total = Settled::default();
    let asked = leases.send(|ids| {
        let mut request = Request::default();
        ids.into_iter().for_each(|lease| add(lease, &mut request));
        let settled: Settled = account.client.post(&path, &request)?;
        tell_warnings(&settled.warnings);
        total.ack_count += settled.ack_count;
        total.retry_count += settled.retry_count;
        total.warnings.extend(settled.warnings);
        Ok(())
    })?;
    leases.print(&total, text)?;
    let done = total.ack_count + total.retry_count;
    ensure!(done == asked, "{} of {asked} could not be settled", asked - done);
    Ok(())
}
