//! Requests and answers of Kew's own calls, for the server and for its command line alike.

use kew_model::{Account, AccountId, QueueId, QueuePattern, Scope, ScopeSet, Timestamp, Token};
use serde::{Deserialize, Serialize};

use crate::catalogue::Kind;
use crate::fault::Fault;
use crate::fields::{Raw, Reader, Refusal, Within, fields, shorten};
use crate::text::{rfc3339, timestamp_of};

/// The longest name or e-mail address, in bytes.
const NAME_BYTES_MAX: usize = 255;

fields! {
    /// What a new account may say.
    struct AccountFields { id: Raw<'a>, name: Raw<'a> }
}

fields! {
    /// What a new token may say.
    struct TokenFields {
        name: Raw<'a>,
        scopes: Option<Vec<Raw<'a>>>,
        queue_id: Raw<'a>,
        queue_prefix: Raw<'a>,
        expires_on: Raw<'a>,
        email: Raw<'a>,
    }
}

/// An account to create: `POST /kew/v1/accounts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewAccountRequest {
    /// A name for people; at most 255 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The id, 32 hexadecimal digits, when it must be a certain one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// An account as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AccountView {
    /// The id: 32 hexadecimal digits.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// When it was created, in RFC 3339.
    pub created_on: String,
}

/// A token to create: `POST /kew/v1/accounts/{account}/tokens`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewTokenRequest {
    /// A name for people; at most 255 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it may do: some of `push`, `consume`, `read`, `write`, `admin`.
    pub scopes: Vec<String>,
    /// Opens this queue only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
    /// Opens only queues whose name starts so. Not together with `queue_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_prefix: Option<String>,
    /// From when on it opens nothing, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<String>,
    /// Makes a key for the legacy pair that goes with this address, in place of a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A token as it is shown. Its secret is there once, in the answer to its creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct TokenView {
    /// The id: 32 hexadecimal digits.
    pub id: String,
    /// The account that it opens.
    pub account_id: String,
    /// The name for people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The one queue that it opens.
    pub queue_id: Option<String>,
    /// How the names of the queues start that it opens.
    pub queue_prefix: Option<String>,
    /// The address that goes with the key.
    pub email: Option<String>,
    /// When it was created, in RFC 3339.
    pub created_on: String,
    /// From when on it opens nothing, in RFC 3339; never when `None`.
    pub expires_on: Option<String>,
    /// The credential itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A token to create, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedToken {
    /// A name for people.
    pub name: String,
    /// What it may do; at least one.
    pub scopes: ScopeSet,
    /// On which queues.
    pub queues: QueuePattern,
    /// From when on it opens nothing.
    pub expires_on: Option<Timestamp>,
    /// The address, for a legacy key; in lower case.
    pub email: Option<String>,
}

const ROOT: Reader = Reader { kind: Kind::BodyInvalid, within: Within::Root };

/// Reads an account to create: the id if it must be a certain one, and the name.
///
/// # Errors
/// 10026 for anything unreadable.
pub fn read_new_account(body: &[u8]) -> Result<(Option<AccountId>, String), Fault> {
    let given: AccountFields<'_> = Refusal::OTHER.read_or_default(body)?;
    Ok((read_id("id", given.id)?, read_name("name", given.name)?.unwrap_or_default()))
}

/// Reads a token to create.
///
/// # Errors
/// 10026 for anything unreadable, for no scope, and for two patterns at once.
pub fn read_new_token(body: &[u8]) -> Result<AskedToken, Fault> {
    let given: TokenFields<'_> = Refusal::OTHER.read(body)?;
    let queue = read_id("queue_id", given.queue_id)?;
    let prefix = read_name("queue_prefix", given.queue_prefix)?;
    let queues = match (queue, prefix) {
        (None, None) => QueuePattern::All,
        (Some(id), None) => QueuePattern::Exact(id),
        (None, Some(prefix)) => QueuePattern::Prefix(prefix),
        (Some(_), Some(_)) => {
            return Err(ROOT.refuse("queue_prefix", "a token has a queue_id or a queue_prefix, not both"));
        }
    };
    let expires_on = match ROOT.text("expires_on", given.expires_on)? {
        None => None,
        Some(text) => Some(timestamp_of(&text).ok_or_else(|| {
            let why = format!("expires_on must be a moment in RFC 3339, not {:?}", shorten(&text));
            ROOT.refuse("expires_on", why)
        })?),
    };
    Ok(AskedToken {
        name: read_name("name", given.name)?.unwrap_or_default(),
        scopes: read_scopes(given.scopes.flatten().unwrap_or_default())?,
        queues,
        expires_on,
        email: read_email(given.email)?,
    })
}

fn read_scopes(given: Vec<Raw<'_>>) -> Result<ScopeSet, Fault> {
    let mut scopes = ScopeSet::default();
    for raw in &given {
        let name = ROOT.text("scopes", Some(raw))?.unwrap_or_default();
        let scope = Scope::from_name(&name).ok_or_else(|| {
            let why = format!("a scope is push, consume, read, write or admin, not {:?}", shorten(&name));
            ROOT.refuse("scopes", why)
        })?;
        scopes = scopes.with(scope);
    }
    if given.is_empty() {
        return Err(
            ROOT.refuse("scopes", "scopes names at least one of push, consume, read, write and admin")
        );
    }
    Ok(scopes)
}

fn read_id<T: core::str::FromStr>(field: &str, raw: Option<Raw<'_>>) -> Result<Option<T>, Fault> {
    let Some(text) = ROOT.text(field, raw)? else { return Ok(None) };
    let id = text.parse().map_err(|_| {
        ROOT.refuse(field, format!("{field} must be 32 hexadecimal digits, not {:?}", shorten(&text)))
    })?;
    Ok(Some(id))
}

fn read_name(field: &str, raw: Option<Raw<'_>>) -> Result<Option<String>, Fault> {
    let Some(text) = ROOT.text(field, raw)? else { return Ok(None) };
    if text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        let why = format!("{field} holds at most {NAME_BYTES_MAX} bytes and no control characters");
        return Err(ROOT.refuse(field, why));
    }
    Ok(Some(text.into_owned()))
}

fn read_email(raw: Option<Raw<'_>>) -> Result<Option<String>, Fault> {
    let Some(address) = read_name("email", raw)? else { return Ok(None) };
    // The address must be one that a header can carry; whether mail arrives there is nobody's business here.
    let fits = address.is_ascii() && address.contains('@') && !address.contains(' ');
    if fits {
        Ok(Some(address.to_ascii_lowercase()))
    } else {
        let why = format!("email must be an ASCII address with an @, not {:?}", shorten(&address));
        Err(ROOT.refuse("email", why))
    }
}

impl AccountView {
    /// Shows an account.
    pub fn of(account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name.clone(),
            created_on: rfc3339(account.created_on),
        }
    }
}

impl TokenView {
    /// Shows a token, without its secret, which nobody has any more.
    pub fn of(token: &Token) -> Self {
        let (queue_id, queue_prefix) = match &token.queues {
            QueuePattern::All => (None, None),
            QueuePattern::Exact(id) => (Some(QueueId::to_string(id)), None),
            QueuePattern::Prefix(prefix) => (None, Some(prefix.clone())),
        };
        Self {
            id: token.id.to_string(),
            account_id: token.account.to_string(),
            name: token.name.clone(),
            scopes: token.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
            queue_id,
            queue_prefix,
            email: token.email.clone(),
            created_on: rfc3339(token.created_on),
            expires_on: token.expires_on.map(rfc3339),
            secret: None,
        }
    }
}
