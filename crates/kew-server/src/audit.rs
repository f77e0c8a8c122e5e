//! Who changed what: a line for each administrative request, whether it was carried out or refused, and for each
//! credential that opened nothing.
//!
//! It names ids and the result, never a body, a name that a body gives, or a secret. Which requests are told follows from
//! the table of routes, so that a new one cannot be forgotten.

use core::fmt;
use std::net::IpAddr;

use kew_model::{Timestamp, TokenId};

/// How much of a text in a path is told, in characters: more than any id has.
const SHOWN_CHARACTERS: usize = 64;

/// One administrative request, or a failed authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When its answer was made.
    pub at: Timestamp,
    /// The id that its answer carries as `x-request-id`.
    pub request: String,
    /// Where it came from; `None` from within the process.
    pub address: Option<IpAddr>,
    /// Whose token it carried; `None` when that is not known, or when it was the fixed token of development.
    pub token: Option<TokenId>,
    /// What it asked for: the operation's id in `docs/openapi.json`.
    pub action: &'static str,
    /// The account, the queue and the thing of theirs that its path names, as far as it names them. Not judged: whatever
    /// stands there, cut after 64 characters.
    pub account: Option<String>,
    /// The queue in the path.
    pub queue: Option<String>,
    /// The consumer, subscription or token in the path.
    pub item: Option<String>,
    /// The id of what was made.
    pub made: Option<String>,
    /// The HTTP status of its answer.
    pub status: u16,
    /// The code of the error in its answer; 0 for none.
    pub code: u32,
}

/// Keeps what it is told. Called before the answer leaves, from any thread; must not wait for long.
pub trait Audit: fmt::Debug + Send + Sync + 'static {
    /// Takes an entry.
    fn note(&self, entry: &AuditEntry);
}

/// A text of a path as it is told; `None` for one that the path does not have.
pub(crate) fn shown(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.chars().take(SHOWN_CHARACTERS).collect())
}
