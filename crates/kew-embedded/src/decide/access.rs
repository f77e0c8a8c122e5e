//! Accounts and tokens.

use std::sync::Arc;

use kew_model::{Account, AccountId, Error, Limits, NewToken, Timestamp, Token, TokenId};

use super::{Decided, Decision, Outcome};
use crate::command::Reply;
use crate::record::Record;
use crate::state::State;

/// The most accounts of one store. Their list is short enough to be searched from end to end.
const ACCOUNTS_MAX: usize = 1_000;

/// Creates an account; `drawn` is its id when none is asked for.
pub(crate) fn create_account(
    state: &State,
    id: Option<AccountId>,
    name: &str,
    drawn: AccountId,
    now: Timestamp,
) -> Decided {
    let id = id.unwrap_or(drawn);
    if state.catalog.account(id).is_some() {
        return Err(Error::IdTaken.into());
    }
    if state.catalog.accounts().len() >= ACCOUNTS_MAX {
        return Err(Error::TooMany { what: "accounts", limit: ACCOUNTS_MAX }.into());
    }
    let account = Account { id, name: name.to_owned(), created_on: now };
    let record = Record::AccountPut(account.clone());
    let outcome = Outcome::Reply(Reply::Account(Arc::new(account)));
    Ok(Decision::write(now, 256, outcome, |frame| frame.put(&record)))
}

/// Creates a token.
pub(crate) fn create_token(state: &State, account: AccountId, token: &NewToken, now: Timestamp) -> Decided {
    if state.catalog.account(account).is_none() {
        return Err(Error::AccountNotFound.into());
    }
    if state.catalog.token(token.id).is_some() {
        return Err(Error::IdTaken.into());
    }
    if state.catalog.tokens(account).count() >= Limits::TOKENS_MAX {
        return Err(Error::TooMany { what: "tokens", limit: Limits::TOKENS_MAX }.into());
    }
    let NewToken { id, name, hash, email, scopes, queues, expires_on } = token.clone();
    let token = Token { id, account, name, hash, email, scopes, queues, created_on: now, expires_on };
    let outcome = Outcome::Reply(Reply::Token(Arc::new(token.clone())));
    let record = Record::TokenPut(Box::new(token));
    Ok(Decision::write(now, 256, outcome, |frame| frame.put(&record)))
}

/// Revokes a token.
pub(crate) fn revoke_token(state: &State, account: AccountId, token: TokenId, now: Timestamp) -> Decided {
    state.catalog.token(token).filter(|token| token.account == account).ok_or(Error::TokenNotFound)?;
    let record = Record::TokenRevoked { account, token };
    Ok(Decision::write(now, 64, Outcome::Reply(Reply::Done), |frame| frame.put(&record)))
}
