//! One account of a running server and its queues, by name or by id: what the commands about queues and messages share.
//!
//! The server takes ids alone, and so do tokens that may not list queues. A name is looked up first, which needs the scope
//! read. 32 hexadecimal digits are always an id, although a queue may be named so.

use core::fmt;
use core::str::FromStr;

use anyhow::Context;
use clap::Args;
use kew_model::{QueueId, QueueName};
use kew_wire::queues::QueueView;

use crate::client::{Client, if_forbidden};
use crate::target::Target;

/// What a queue may be called.
const NAME_RULE: &str = "1 to 63 lowercase letters, digits and hyphens, no hyphen first or last";

/// A queue as it is given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum QueueReference {
    /// By its id.
    Id(QueueId),
    /// By its name.
    Name(QueueName),
}

/// Which account of which server.
#[derive(Debug, Args)]
pub(crate) struct AccountTarget {
    /// Account's id; else CLOUDFLARE_ACCOUNT_ID, else the token's own.
    #[arg(long, value_name = "ID", value_parser = account)]
    account: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Asks about the queues of one account.
#[derive(Debug)]
pub(crate) struct AccountClient {
    /// Asks the server.
    pub(crate) client: Client,
    account: String,
}

impl AccountTarget {
    /// A client for the account.
    ///
    /// # Errors
    /// When the target names no usable server or credential, or no account is named and the server tells of none.
    pub(crate) fn open(&self) -> anyhow::Result<AccountClient> {
        let client = Client::new(&self.target)?;
        let account = client.own_account(self.account.as_deref())?;
        Ok(AccountClient { client, account })
    }
}

impl AccountClient {
    /// A client for this account.
    pub(crate) fn new(client: Client, account: String) -> Self {
        Self { client, account }
    }

    /// The path of all queues.
    pub(crate) fn queues_path(&self) -> String {
        format!("/client/v4/accounts/{}/queues", self.account)
    }

    /// The path of the account's tokens.
    pub(crate) fn tokens_path(&self) -> String {
        format!("/kew/v1/accounts/{}/tokens", self.account)
    }

    /// The path of a queue below Kew's own calls.
    ///
    /// # Errors
    /// As [`AccountClient::queue_id`].
    pub(crate) fn own_path(&self, queue: &QueueReference) -> anyhow::Result<String> {
        Ok(format!("/kew/v1/accounts/{}/queues/{}", self.account, self.queue_id(queue)?))
    }

    /// The path of a queue.
    ///
    /// # Errors
    /// As [`AccountClient::queue_id`].
    pub(crate) fn queue_path(&self, queue: &QueueReference) -> anyhow::Result<String> {
        Ok(format!("{}/{}", self.queues_path(), self.queue_id(queue)?))
    }

    /// A queue as the server shows it.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, and when there is no such queue that the credential may see.
    pub(crate) fn queue(&self, queue: &QueueReference) -> anyhow::Result<QueueView> {
        match queue {
            QueueReference::Id(id) => self.client.get(&format!("{}/{id}", self.queues_path())),
            QueueReference::Name(name) => {
                let path = format!("{}?name={name}", self.queues_path());
                let remedy = || {
                    format!(
                        "cannot look for the queue {name}: give its id, or a token with the scope read, too"
                    )
                };
                let found: Vec<QueueView> =
                    self.client.get(&path).map_err(|error| if_forbidden(error, remedy))?;
                found.into_iter().next().with_context(|| {
                    format!("there is no queue {name}; kew queues list shows those there are")
                })
            }
        }
    }

    /// A queue's id, which an id already is.
    ///
    /// # Errors
    /// As [`AccountClient::queue`] for a name.
    pub(crate) fn queue_id(&self, queue: &QueueReference) -> anyhow::Result<String> {
        match queue {
            QueueReference::Id(id) => Ok(id.to_string()),
            QueueReference::Name(_) => Ok(self.queue(queue)?.queue_id),
        }
    }
}

impl FromStr for QueueReference {
    type Err = String;

    /// # Errors
    /// A text that is neither an id nor a name.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        text.parse().map(Self::Name).map_err(|_: kew_model::Error| {
            format!("must be a queue's name ({NAME_RULE}) or its id (32 hexadecimal digits)")
        })
    }
}

/// Reads the name of a queue that may not be there.
pub(crate) fn queue_name(text: &str) -> Result<String, String> {
    let read: Result<QueueName, _> = text.parse();
    read.map(|name| name.to_string()).map_err(|_| format!("must be {NAME_RULE}"))
}

impl fmt::Display for QueueReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Reads an account's id, which becomes a part of a path. `kew dev` takes any account, so any word of letters and digits is
/// one.
fn account(text: &str) -> Result<String, String> {
    let is_word = text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    if is_word && !text.is_empty() {
        Ok(text.to_owned())
    } else {
        Err("must be an account's id: 32 hexadecimal digits".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_an_id_or_a_name() {
        let id = "023e105f4ecef8ad9ca31a8372d0c353";
        assert!(matches!(id.parse(), Ok(QueueReference::Id(_))));
        let name: QueueReference = "jobs-2".parse().unwrap();
        assert!(matches!(name, QueueReference::Name(_)));
        assert_eq!(name.to_string(), "jobs-2");
        for text in ["", "Jobs", "a b", "jobs/messages", "jobs?x", "-a"] {
            assert!(text.parse::<QueueReference>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_account_is_one_part_of_a_path() {
        assert!(account("023e105f4ecef8ad9ca31a8372d0c353").is_ok() && account("any_one-1").is_ok());
        assert!(account("").is_err() && account("a/b").is_err() && account("a?b").is_err());
    }
}
