//! Who calls, and what that caller may touch: the one place where rights are judged.
//!
//! Invariants: nothing is allowed that a row of the table and a token do not both allow; what a token may not see looks
//! exactly like what is not there (design §8.20); a token is looked up anew at every request, so that a revoked one
//! opens nothing from the moment of its revocation on, also on open connections.

use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::ORIGIN;
use kew_model::{
    AccountId, Broker, Clock, Queue, QueueId, QueueName, QueuePattern, Scope, SecretHash, Token, TokenId,
};
use kew_wire::access::{Credential, Identity, hash_of, is_same};
use kew_wire::{Fault, Kind};

use crate::credentials::{Shown, check_length};
use crate::routes::Right;
use crate::settings::{Access, DEVELOPMENT_TOKEN};

/// Whoever sent a request, known.
#[derive(Debug)]
pub(crate) enum Caller {
    /// The developer of [`Access::Development`]: may do everything, in one account.
    Developer(AccountId),
    /// The holder of a token.
    Holder(Arc<Token>),
}

impl Caller {
    /// Finds out who calls.
    pub(crate) fn identify(
        headers: &HeaderMap,
        access: &Access,
        broker: &dyn Broker,
        clock: &dyn Clock,
    ) -> Result<Self, Fault> {
        let shown = Shown::read(headers)?;
        match access {
            Access::Development { token, account } => {
                refuse_foreign_pages(headers)?;
                let secret = match shown.ok_or_else(unauthenticated)? {
                    Shown::Bearer(secret) | Shown::Pair { key: secret, .. } => secret,
                };
                if is_same(&hash_of(token), &hash_of(secret)) {
                    return Ok(Self::Developer(*account));
                }
                let why =
                    "Authentication error: this server is in development and takes its fixed token only";
                Err(unauthenticated().detailed(why))
            }
            Access::Tokens => {
                let token = match shown.ok_or_else(unauthenticated)? {
                    Shown::Bearer(secret) => find_by_id(secret, broker)?,
                    Shown::Pair { email, key } => find_by_email(email, key, broker)?,
                };
                if has_ended(&token, clock) {
                    return Err(unauthenticated());
                }
                Ok(Self::Holder(token))
            }
        }
    }

    /// Whether the caller, known before, would be let in now: its token was not revoked and did not end since.
    pub(crate) fn is_still_known(&self, broker: &dyn Broker, clock: &dyn Clock) -> bool {
        match self {
            Self::Developer(_) => true,
            Self::Holder(token) => broker.token(token.id).is_some() && !has_ended(token, clock),
        }
    }

    /// Checks the right that a route needs. The refusal names it, but for accounts that are not the token's: there no
    /// right would help, and nothing is said.
    pub(crate) fn check(&self, right: Right, account: &str) -> Result<(), Fault> {
        let Self::Holder(token) = self else { return Ok(()) };
        let (allowed, needed) = match right {
            Right::Nothing | Right::Known => return Ok(()),
            Right::InAccount(scope) => (token.scopes.allows(scope), scope.name()),
            Right::Moving => {
                let allows = |scope| token.scopes.allows(scope);
                (allows(Scope::Consume) && allows(Scope::Push), Right::MOVING_NAME)
            }
            Right::Watching => {
                let is_over_all = token.queues == QueuePattern::All;
                (token.scopes.allows(Scope::Read) && is_over_all, Right::WATCHING_NAME)
            }
            Right::Server => {
                let is_over_all = token.queues == QueuePattern::All;
                (token.scopes.allows(Scope::Admin) && is_over_all, "admin over all queues")
            }
        };
        if allowed {
            return Ok(());
        }
        let fault = Fault::new(Kind::Forbidden);
        if matches!(right, Right::InAccount(_) | Right::Moving) && account.parse() != Ok(token.account) {
            return Err(fault);
        }
        Err(fault.detailed(format!("Authentication error: this needs a token with the right {needed}")))
    }

    /// The account that a path names, when it is the caller's.
    pub(crate) fn account(&self, named: &str) -> Result<AccountId, Fault> {
        match self {
            Self::Developer(account) => Ok(*account),
            Self::Holder(token) => match named.parse::<AccountId>() {
                Ok(account) if account == token.account => Ok(account),
                Ok(_) => Err(Fault::new(Kind::Forbidden)),
                Err(_) => Err(Fault::new(Kind::RouteUnknown).beside(Kind::NoRoute)),
            },
        }
    }

    /// Whether every queue of the account is the caller's.
    pub(crate) fn sees_all(&self) -> bool {
        matches!(self.pattern(), QueuePattern::All)
    }

    /// Whether the caller may know of a queue.
    pub(crate) fn sees(&self, queue: &Queue) -> bool {
        self.opens(queue.id, queue.name.as_str())
    }

    /// Whether a queue with this id and current name is the caller's.
    fn opens(&self, id: QueueId, name: &str) -> bool {
        match self.pattern() {
            QueuePattern::All => true,
            QueuePattern::Exact(own) => *own == id,
            QueuePattern::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }

    /// Whether a queue that the caller brings into being under this name, or sends dead letters to, would be its own.
    pub(crate) fn may_name(&self, name: &QueueName) -> bool {
        match self.pattern() {
            QueuePattern::All => true,
            QueuePattern::Exact(_) => false,
            QueuePattern::Prefix(prefix) => name.as_str().starts_with(prefix.as_str()),
        }
    }

    /// Whether the caller may give a queue of its own this name. To keep the name that it has is always allowed; another
    /// must be one that the caller may use, since dead letters find their queue by name when it was deleted.
    pub(crate) fn may_rename(&self, queue: &Queue, name: &QueueName) -> bool {
        queue.name == *name || self.may_name(name)
    }

    /// What the caller may know of itself.
    pub(crate) fn identity(&self) -> Identity {
        match self {
            Self::Developer(account) => Identity::developer(*account),
            Self::Holder(token) => Identity::of(token),
        }
    }

    /// The token that was shown, if it is one of the broker's.
    pub(crate) fn token(&self) -> Option<TokenId> {
        match self {
            Self::Developer(_) => None,
            Self::Holder(token) => Some(token.id),
        }
    }

    /// The one account that the caller belongs to.
    pub(crate) fn own_account(&self) -> AccountId {
        match self {
            Self::Developer(account) => *account,
            Self::Holder(token) => token.account,
        }
    }

    fn pattern(&self) -> &QueuePattern {
        match self {
            Self::Developer(_) => &QueuePattern::All,
            Self::Holder(token) => &token.queues,
        }
    }
}

/// Whether a token's time is over.
fn has_ended(token: &Token, clock: &dyn Clock) -> bool {
    token.expires_on.is_some_and(|end| end <= clock.now())
}

fn unauthenticated() -> Fault {
    Fault::new(Kind::Unauthenticated)
}

fn find_by_id(secret: &str, broker: &dyn Broker) -> Result<Arc<Token>, Fault> {
    if secret == DEVELOPMENT_TOKEN {
        let why = "Authentication error: this is the fixed token of kew dev, which opens nothing here";
        return Err(unauthenticated().detailed(why));
    }
    let token = Credential::id_in(secret).and_then(|id| broker.token(id));
    // An unknown id takes as long as a wrong secret.
    let kept = token.as_ref().map_or(SecretHash([0; 32]), |token| token.hash);
    let is_right = is_same(&kept, &hash_of(secret));
    token.filter(|_| is_right).ok_or_else(unauthenticated)
}

fn find_by_email(email: &str, key: &str, broker: &dyn Broker) -> Result<Arc<Token>, Fault> {
    check_length(key)?;
    let presented = hash_of(key);
    let tokens = broker.tokens_by_email(&email.to_ascii_lowercase());
    let mut found = None;
    for token in tokens {
        if is_same(&token.hash, &presented) {
            found = Some(token);
        }
    }
    found.ok_or_else(unauthenticated)
}

/// Refuses pages of other sites, whose scripts could know the development token: a browser names the page in `Origin`,
/// and a name that was pointed at this machine (DNS rebinding) is still not a name of it.
fn refuse_foreign_pages(headers: &HeaderMap) -> Result<(), Fault> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let is_own = host.is_some_and(|host| {
        let name = host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
        });
        matches!(name, "localhost" | "127.0.0.1" | "[::1]")
    });
    if is_own {
        Ok(())
    } else {
        let why = "Authentication error: a page of another site must not use a server in development";
        Err(Fault::new(Kind::Forbidden).detailed(why))
    }
}
