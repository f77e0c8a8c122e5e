//! `kew token`: the credentials of a running server.

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use kew_model::{Clock, Milliseconds, Scope};
use kew_wire::access::{NewTokenRequest, TokenView};

use crate::account_client::{AccountClient, QueueReference};
use crate::client::Client;
use crate::clock::SystemClock;
use crate::misuse::Misuse;
use crate::output;
use crate::target::Target;

/// Manages the credentials of a running server; the credential in use needs the admin scope.
#[derive(Debug, Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a token and show it, this once.
    Create(Create),
    /// List the tokens, without their secrets.
    List(Common),
    /// Revoke a token: from now on it opens nothing.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
struct Create {
    /// What the token may do: push, consume (pull, ack, retry), read (queues and consumers), write (create and delete
    /// them) or admin (everything, accounts and tokens too); several with commas, or the flag again.
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',', value_parser = scope)]
    scopes: Vec<Scope>,
    /// Name for people, at most 255 bytes.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Open only this queue, by its name or id; a later change of its name changes nothing.
    #[arg(long, value_name = "QUEUE", conflicts_with = "queue_prefix")]
    queue: Option<QueueReference>,
    /// Open only queues whose current name starts with this.
    #[arg(long, value_name = "TEXT")]
    queue_prefix: Option<String>,
    /// When it ends: a moment as 2027-01-31T00:00:00Z, or a time from now as 30d, 12h or 45m.
    #[arg(long = "expires", value_name = "WHEN")]
    expires_on: Option<String>,
    /// Make a key for X-Auth-Email and X-Auth-Key that goes with this address, in place of a Bearer token.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Revoke {
    /// Id of the token, as listed.
    id: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// Account's id; else CLOUDFLARE_ACCOUNT_ID, else the server's only one.
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    #[command(flatten)]
    target: Target,
    /// Print JSON and not a table.
    #[arg(long)]
    json: bool,
}

impl Token {
    /// Asks the server and prints its answer.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::Create(create) => create.run(),
            Action::List(common) => {
                let account = common.open()?;
                show(&account.client.get::<Vec<TokenView>>(&account.tokens_path())?, common.json)
            }
            Action::Revoke(Revoke { id, common }) => {
                let account = common.open()?;
                account.client.delete(&format!("{}/{id}", account.tokens_path()))?;
                if common.json {
                    return output::print(&output::json(&serde_json::json!({ "revoked": id })));
                }
                output::print(&format!("revoked {id}"))
            }
        }
    }
}

impl Create {
    fn run(self) -> anyhow::Result<()> {
        let expires_on = self.expires_on.as_deref().map(|when| moment(when, &SystemClock::start()));
        let expires_on = expires_on.transpose().map_err(Misuse::of)?;
        ensure!(
            !self.scopes.contains(&Scope::Admin) || (self.queue.is_none() && self.queue_prefix.is_none()),
            Misuse::new(
                "--scope admin: opens the accounts and tokens, which belong to no queue; leave --queue and --queue-prefix \
                 away, or give push,consume,read,write"
            )
        );
        let account = self.common.open()?;
        let queue_id = self.queue.map(|queue| account.queue_id(&queue)).transpose()?;
        let request = NewTokenRequest {
            name: self.name,
            scopes: self.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
            queue_id,
            queue_prefix: self.queue_prefix,
            expires_on,
            email: self.email,
        };
        let token: TokenView = account.client.post(&account.tokens_path(), &request)?;
        if account.client.is_of_development() {
            output::tell(
                "kew: this server is kew dev, which takes its fixed token only: the new one opens nothing",
            );
        }
        if self.common.json {
            return output::print(&output::json(&token));
        }
        show(core::slice::from_ref(&token), false)?;
        let secret = token.secret.as_deref().context("the server's answer has no secret")?;
        let shown = match &token.email {
            Some(email) => format!("X-Auth-Key: {secret} (with X-Auth-Email: {email})"),
            None => secret.to_owned(),
        };
        output::print(&format!("\nShown this once:\n{shown}"))
    }
}

impl Common {
    fn open(&self) -> anyhow::Result<AccountClient> {
        let client = Client::new(&self.target)?;
        let account = client.account(self.account.as_deref())?;
        Ok(AccountClient::new(client, account))
    }
}

fn show(tokens: &[TokenView], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::print(&output::json(&tokens));
    }
    let heads = ["token id", "name", "scopes", "queues", "e-mail", "created on", "expires on"];
    let mut table = output::table(&heads);
    for token in tokens {
        let queues = match (&token.queue_id, &token.queue_prefix) {
            (Some(id), _) => id.clone(),
            (None, Some(prefix)) => format!("{prefix}…"),
            (None, None) => "all".to_owned(),
        };
        table.add_row([
            token.id.as_str(),
            if token.name.is_empty() { "-" } else { &token.name },
            &token.scopes.join(","),
            &queues,
            token.email.as_deref().unwrap_or("-"),
            &token.created_on,
            token.expires_on.as_deref().unwrap_or("never"),
        ]);
    }
    output::print(&table.to_string())
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::from_name(text).ok_or_else(|| "must be push, consume, read, write or admin".to_owned())
}

/// A moment as the server reads it: one written in full stays as it is unless it is past, a time from now is added to
/// `clock`.
fn moment(when: &str, clock: &dyn Clock) -> anyhow::Result<String> {
    if let Some(end) = kew_wire::timestamp_of(when) {
        ensure!(end > clock.now(), "--expires: {when} is past");
        return Ok(when.to_owned());
    }
    let split = when.len().saturating_sub(1);
    let read = when.get(..split).zip(when.get(split..)).and_then(|(count, unit)| {
        let milliseconds = match unit {
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            _ => return None,
        };
        count.parse::<u32>().ok().map(|count| Milliseconds(u64::from(count) * milliseconds))
    });
    let length = read.with_context(|| {
        format!("--expires: must be a moment, for example 2027-01-31T00:00:00Z, or a time from now, for example 30d, 12h or \
             45m, not {when:?}")
    })?;
    ensure!(length.0 > 0, "--expires: {when} is now: the token would open nothing");
    Ok(kew_wire::rfc3339(clock.now().after(length)))
}

#[cfg(test)]
mod tests {
    use kew_model::Timestamp;

    use super::*;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp(1_700_000_000_000)
        }
    }

    #[test]
    fn an_end_is_a_moment_or_a_time_from_now() {
        let of = |when| kew_wire::timestamp_of(&moment(when, &Still).unwrap());
        assert_eq!(of("2d"), Some(Timestamp(1_700_172_800_000)));
        assert_eq!(of("45m"), Some(Timestamp(1_700_002_700_000)));
        assert_eq!(moment("2027-01-31T00:00:00Z", &Still).unwrap(), "2027-01-31T00:00:00Z");
        for when in ["", "d", "-1d", "1w", "1.5h", "0d", "tomorrow", "ä"] {
            assert!(moment(when, &Still).is_err(), "{when}");
        }
        let past = moment("2020-01-01T00:00:00Z", &Still).unwrap_err();
        assert_eq!(past.to_string(), "--expires: 2020-01-01T00:00:00Z is past");
    }
}
