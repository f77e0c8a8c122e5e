//! `kew extend`: more time for work that takes longer than its lease.

use std::collections::BTreeMap;

use anyhow::ensure;
use clap::Args;
use kew_model::Limits;
use serde::{Deserialize, Serialize};

use crate::leases::{Leases, tell_warnings};
use crate::{duration, output};

/// Prolong leases of messages that were pulled, counted from now.
///
/// The lease ids stay the same. Fails when one of the leases could not be prolonged, after it has prolonged the others: it
/// has ended, and somebody else may have the message, or will.
#[derive(Debug, Args)]
pub(crate) struct Extend {
    #[command(flatten)]
    leases: Leases,
    /// How long they last from now on, 0s-12h, for example 10m; else as the queue's consumer says.
    #[arg(long = "for", value_name = "TIME", allow_hyphen_values = true,
        value_parser = duration::milliseconds_in(Limits::VISIBILITY_TIMEOUT_MS))]
    visibility_timeout_ms: Option<u64>,
}

/// The body of an extension.
#[derive(Debug, Serialize)]
struct Request {
    extend: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility_timeout_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Entry {
    lease_id: String,
}

/// What became of leases: the answer to an extension, and the sum of several.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extended {
    extend_count: u64,
    warnings: BTreeMap<String, String>,
}

impl Extend {
    /// Prolongs the leases and prints how many.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, and when a lease could not be prolonged.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let (account, messages) = self.leases.open()?;
        let path = format!("{messages}/extend");
        let mut total = Extended::default();
        let asked = self.leases.send(|ids| {
            let extend = ids.into_iter().map(|lease_id| Entry { lease_id }).collect();
            let request = Request { extend, visibility_timeout_ms: self.visibility_timeout_ms };
            let extended: Extended = account.client.post(&path, &request)?;
            tell_warnings(&extended.warnings);
            total.extend_count += extended.extend_count;
            total.warnings.extend(extended.warnings);
            Ok(())
        })?;
        self.leases
            .print(&total, |total| format!("{} prolonged", output::count(total.extend_count, "lease")))?;
        let missing = asked - total.extend_count.min(asked);
        ensure!(missing == 0, "{missing} of {asked} could not be prolonged");
        Ok(())
    }
}
