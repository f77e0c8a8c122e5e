//! Who a caller is, for clients that ask before they do anything: wrangler's `whoami` and its choice of an account,
//! and people with curl (spec §2.13).
//!
//! Kew has tokens and no users, so each token stands for the user that the clients expect: its id is the user's, its
//! address is the one of a legacy key, or one at `localhost` that shows what it is. A token knows one account, and is a
//! member of it with its scopes as roles.

use kew_model::{Account, AccountId, Scope, ScopeSet, Timestamp, Token};
use serde::{Deserialize, Serialize};

use crate::envelope;
use crate::text::rfc3339;

/// What a caller may know of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    id: String,
    email: String,
    scopes: ScopeSet,
    expires_on: Option<Timestamp>,
}

impl Identity {
    /// The holder of a token.
    pub fn of(token: &Token) -> Self {
        let email = token.email.clone().unwrap_or_else(|| format!("token-{}@localhost", token.id));
        Self { id: token.id.to_string(), email, scopes: token.scopes, expires_on: token.expires_on }
    }

    /// Whoever uses the fixed token of a server in development, which has no id: the account's stands for it.
    pub fn developer(account: AccountId) -> Self {
        Self {
            id: account.to_string(),
            email: "developer@localhost".to_owned(),
            scopes: ScopeSet::default().with(Scope::Admin),
            expires_on: None,
        }
    }
}

/// A token that is what it says: `GET /user/tokens/verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct VerifiedView {
    /// The token's id: 32 hexadecimal digits.
    pub id: String,
    /// Always `active`: with any other token nobody gets as far as this.
    pub status: String,
    /// From when on it opens nothing, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<String>,
}

/// What stands in the envelope's `messages` beside [`VerifiedView`].
#[derive(Serialize)]
struct Verified {
    code: u32,
    message: &'static str,
    r#type: Option<&'static str>,
}

/// Answers that a token is valid, with the message that people look for (spec §2.13, §10 C31).
pub fn write_verified(identity: &Identity) -> Vec<u8> {
    let verified = Verified { code: 10_000, message: "This API Token is valid and active", r#type: None };
    let view = VerifiedView {
        id: identity.id.clone(),
        status: "active".to_owned(),
        expires_on: identity.expires_on.map(rfc3339),
    };
    envelope::success_with_message(&view, &verified)
}

/// The user that a token stands for: `GET /user`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct UserView {
    /// The token's id: 32 hexadecimal digits.
    pub id: String,
    /// The address of a legacy key; else one at `localhost`.
    pub email: String,
}

impl UserView {
    /// Shows the user.
    pub fn of(identity: &Identity) -> Self {
        Self { id: identity.id.clone(), email: identity.email.clone() }
    }
}

/// The caller's account: `GET /accounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct MemberAccountView {
    /// The id: 32 hexadecimal digits.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// Always `standard`: the other kind has a contract with the vendor.
    pub r#type: String,
    /// When it was created, in RFC 3339.
    pub created_on: String,
}

impl MemberAccountView {
    /// Shows an account.
    pub fn of(account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name.clone(),
            r#type: "standard".to_owned(),
            created_on: rfc3339(account.created_on),
        }
    }
}

/// That the caller belongs to its account: `GET /memberships`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct MembershipView {
    /// The token's id: 32 hexadecimal digits.
    pub id: String,
    /// The account.
    pub account: MemberAccountView,
    /// The token's scopes.
    pub roles: Vec<String>,
    /// Always `accepted`.
    pub status: String,
    /// Always true.
    pub api_access_enabled: bool,
}

impl MembershipView {
    /// Shows the membership of a caller in an account.
    pub fn of(identity: &Identity, account: &Account) -> Self {
        Self {
            id: identity.id.clone(),
            account: MemberAccountView::of(account),
            roles: identity.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
            status: "accepted".to_owned(),
            api_access_enabled: true,
        }
    }
}
