//! Accounts and the tokens that open them.

use core::fmt;

use crate::id::{AccountId, QueueId, TokenId};
use crate::time::Timestamp;

/// An owner of queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id: what stands in every path.
    pub id: AccountId,
    /// A name for people.
    pub name: String,
    /// When it was created.
    pub created_on: Timestamp,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Publish messages.
    Push,
    /// Pull, settle, extend, peek and delete single messages.
    Consume,
    /// Read queues, consumers and metrics.
    Read,
    /// Create, change, purge and delete queues and consumers.
    Write,
    /// Manage accounts, tokens and the server; includes all of the above.
    Admin,
}

impl Scope {
    /// Every scope, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::Push, Self::Consume, Self::Read, Self::Write, Self::Admin];

    /// The name in commands and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Consume => "consume",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// Reads the name in commands and answers.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A set of [`Scope`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScopeSet(u8);

impl ScopeSet {
    /// The set with this scope, too.
    #[must_use]
    pub fn with(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u8)
    }

    /// Whether the scope is allowed: it is in the set, or the set has [`Scope::Admin`].
    pub fn allows(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8 | 1 << Scope::Admin as u8) != 0
    }

    /// The scopes named in the set.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & 1 << *scope as u8 != 0)
    }

    /// The set as bits, for storing.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set of stored bits; bits that mean nothing are dropped.
    pub fn from_bits(bits: u8) -> Self {
        Scope::ALL.into_iter().filter(|s| bits & 1 << *s as u8 != 0).fold(Self::default(), Self::with)
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::default(), Self::with)
    }
}

/// Which queues of its account a token opens. Compared as text, never as a pattern language (store-study §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueuePattern {
    /// All of them.
    All,
    /// One, by id: it stays the same over a rename.
    Exact(QueueId),
    /// Those whose current name starts so.
    Prefix(String),
}

/// A hash of a secret; the secret itself is shown once and kept nowhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// A credential of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The part of it that is not secret.
    pub id: TokenId,
    /// The account that it opens.
    pub account: AccountId,
    /// A name for people.
    pub name: String,
    /// What the whole credential hashes to.
    pub hash: SecretHash,
    /// For the legacy pair: the e-mail address that must come with the key. A token without one is a Bearer token.
    pub email: Option<String>,
    /// What it may do.
    pub scopes: ScopeSet,
    /// On which queues.
    pub queues: QueuePattern,
    /// When it was created.
    pub created_on: Timestamp,
    /// From when on it opens nothing; never when `None`.
    pub expires_on: Option<Timestamp>,
}

/// A token to create. Whoever creates it drew the secret and keeps only the hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// As [`Token::id`].
    pub id: TokenId,
    /// As [`Token::name`].
    pub name: String,
    /// As [`Token::hash`].
    pub hash: SecretHash,
    /// As [`Token::email`].
    pub email: Option<String>,
    /// As [`Token::scopes`].
    pub scopes: ScopeSet,
    /// As [`Token::queues`].
    pub queues: QueuePattern,
    /// As [`Token::expires_on`].
    pub expires_on: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_allows_everything_and_each_other_scope_only_itself() {
        for given in Scope::ALL {
            let set = ScopeSet::default().with(given);
            for wanted in Scope::ALL {
                let is_allowed = given == wanted || given == Scope::Admin;
                assert_eq!(set.allows(wanted), is_allowed, "{wanted:?} by {given:?}");
            }
            assert_eq!(set.iter().collect::<Vec<_>>(), [given]);
            assert_eq!(set.with(given), set, "a scope named twice is named");
            assert_eq!(ScopeSet::from_bits(set.bits()), set);
            assert_eq!(Scope::from_name(given.name()), Some(given));
        }
        assert_eq!(Scope::from_name("none"), None);
        assert_eq!(ScopeSet::from_bits(0xff), Scope::ALL.into_iter().collect());
    }
}
