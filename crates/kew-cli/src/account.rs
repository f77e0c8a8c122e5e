//! `kew account`: the accounts of a running server.

use clap::{Args, Subcommand};
use kew_wire::access::{AccountView, NewAccountRequest};

use crate::client::Client;
use crate::output;
use crate::target::Target;

/// Manages the accounts of a running server; the credential needs the admin scope.
#[derive(Debug, Args)]
pub(crate) struct Account {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create an account.
    Create(Create),
    /// List the accounts.
    List(List),
}

#[derive(Debug, Args)]
struct Create {
    /// Name for people, at most 255 bytes.
    name: Option<String>,
    /// Id, 32 hex digits, when it must be a certain one.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
struct Answer {
    #[command(flatten)]
    target: Target,
    /// Print JSON and not a table.
    #[arg(long)]
    json: bool,
}

impl Account {
    /// Asks the server and prints its answer.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::Create(Create { name, id, answer }) => {
                let request = NewAccountRequest { name, id };
                let account: AccountView = Client::new(&answer.target)?.post("/kew/v1/accounts", &request)?;
                show(&[account], answer.json)
            }
            Action::List(List { answer }) => show(&Client::new(&answer.target)?.accounts()?, answer.json),
        }
    }
}

fn show(accounts: &[AccountView], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::print(&output::json(&accounts));
    }
    let mut table = output::table(&["account id", "name", "created on"]);
    for account in accounts {
        let name = if account.name.is_empty() { "-" } else { &account.name };
        table.add_row([&account.id, name, &account.created_on]);
    }
    output::print(&table.to_string())
}
