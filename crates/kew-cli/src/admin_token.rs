//! The account and the admin token that a start of `kew serve` sees to.
//!
//! The first start makes one account and an admin token. The token is written to a file that only its owner may read
//! before the store learns of it, so that a crash in between leaves no token that nobody holds; nothing prints it. A
//! later start does so again when nobody could administer the server otherwise, because its admin tokens were all revoked,
//! or have expired; and when it is asked to, because nobody has one of them any more, unless the file holds a good one.
//! Whoever may write to the store's folder may do that, and nobody else. Tokens that were made before go on; they are to be
//! revoked when somebody else may have them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use kew_model::{Account, Broker, NewToken, QueuePattern, Scope, ScopeSet, Token, TokenId};
use kew_server::{Audit, AuditEntry};
use kew_wire::access::Credential;

use crate::audit::AuditFile;
use crate::private_file;
use crate::store::Store;

/// The file of the admin token.
const FILE: &str = "admin.token";
/// The name of the first account, and of tokens that are made here, because there is none or beside others.
const FIRST_ACCOUNT: &str = "default";
const FIRST_TOKEN: &str = "first admin";
const NEW_TOKEN: &str = "new admin";
/// How the audit log calls the making of a token by no request, and what stands for the request.
const ACTION: &str = "admin-token-written";
const REQUEST: &str = "start";

/// The account that is told of, and where the admin token is.
pub(crate) struct Start {
    /// The account that was made first.
    pub(crate) account: Arc<Account>,
    /// The file, if it holds a token that administers the server.
    pub(crate) token_file: Option<PathBuf>,
}

/// Makes an account if there is none, and an admin token if no token administers the server, or if one is `wanted` and the
/// file holds none that does.
///
/// # Errors
/// When the file or the store cannot be written to.
pub(crate) async fn start(store: &Store, wanted: bool, audit: Option<&AuditFile>) -> anyhow::Result<Start> {
    let broker = &store.broker;
    let path = store.folder.join(FILE);
    let account = match broker.accounts().into_iter().next() {
        Some(account) => account,
        None => {
            broker.create_account(None, FIRST_ACCOUNT.to_owned()).await.context("cannot make an account")?
        }
    };
    let administrators = administrators(store);
    // The file may have been removed, or its token revoked in favour of another one.
    let held = private_file::read(&path).ok().flatten().and_then(|text| Credential::id_in(text.trim()));
    let is_good = administrators.iter().any(|token| Some(*token) == held);
    if is_good || (!administrators.is_empty() && !wanted) {
        return Ok(Start { account, token_file: is_good.then_some(path) });
    }
    let credential = Credential::mint(&*store.chance);
    private_file::replace(&path, &format!("{}\n", credential.secret.reveal()))?;
    let made = credential.id;
    let name = if administrators.is_empty() { FIRST_TOKEN } else { NEW_TOKEN };
    let token = NewToken {
        id: made,
        name: name.to_owned(),
        hash: credential.hash,
        email: None,
        scopes: ScopeSet::default().with(Scope::Admin),
        queues: QueuePattern::All,
        expires_on: None,
    };
    broker.create_token(account.id, token).await.context("cannot make the admin token")?;
    if let Some(audit) = audit {
        audit.note(&entry(store, &account, made));
    }
    Ok(Start { account, token_file: Some(path) })
}

/// The tokens that administer the server now.
fn administrators(store: &Store) -> Vec<TokenId> {
    let now = store.clock.now();
    let administers = |token: &Token| {
        let is_over_all = token.scopes.allows(Scope::Admin) && token.queues == QueuePattern::All;
        is_over_all && token.expires_on.is_none_or(|end| end > now)
    };
    let accounts = store.broker.accounts().into_iter();
    let tokens = accounts.flat_map(|account| store.broker.tokens(account.id));
    tokens.filter(|token| administers(token)).map(|token| token.id).collect()
}

fn entry(store: &Store, account: &Account, made: TokenId) -> AuditEntry {
    AuditEntry {
        at: store.clock.now(),
        request: REQUEST.to_owned(),
        address: None,
        token: None,
        action: ACTION,
        account: Some(account.id.to_string()),
        queue: None,
        item: None,
        made: Some(made.to_string()),
        status: 200,
        code: 0,
    }
}
