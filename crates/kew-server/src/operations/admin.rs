//! Kew's own calls: accounts and tokens (design §8.20).

use kew_model::{AccountId, NewToken, Token};
use kew_wire::access::{AccountView, Credential, TokenView, read_new_account, read_new_token};
use kew_wire::envelope::{self, Page};
use kew_wire::{Fault, Kind};

use crate::caller::Caller;
use crate::operations::Call;

/// The account that the path names: any account of the server, since these calls manage all of them.
pub(super) fn account_of(call: &Call<'_>) -> Result<AccountId, Fault> {
    if let Caller::Developer(account) = call.caller {
        return Ok(account);
    }
    let named = call.matched.account.parse().ok().filter(|id| call.house.broker.account(*id).is_some());
    named.ok_or_else(|| Fault::new(Kind::AccountNotFound))
}

pub(super) fn list_accounts(call: &Call<'_>) -> Vec<u8> {
    let accounts = call.house.broker.accounts();
    let views: Vec<_> = accounts.iter().map(|account| AccountView::of(account)).collect();
    envelope::success_of_page(&views, &Page::of(views.len(), None, None).0)
}

pub(super) async fn create_account(call: &Call<'_>) -> Result<Vec<u8>, Fault> {
    let (id, name) = read_new_account(&call.body)?;
    let account = call.house.broker.create_account(id, name).await.map_err(|error| call.refused(error))?;
    call.note_made(&account.id);
    Ok(envelope::success_of(&AccountView::of(&account)))
}

pub(super) fn list_tokens(call: &Call<'_>, account: AccountId) -> Vec<u8> {
    let tokens = call.house.broker.tokens(account);
    let views: Vec<_> = tokens.iter().map(|token: &std::sync::Arc<Token>| TokenView::of(token)).collect();
    envelope::success_of_page(&views, &Page::of(views.len(), None, None).0)
}

/// Makes a token, or a key when an e-mail address is given, and shows its secret, this once.
pub(super) async fn create_token(call: &Call<'_>, account: AccountId) -> Result<Vec<u8>, Fault> {
    let asked = read_new_token(&call.body)?;
    let chance = call.house.chance.as_ref();
    let credential =
        if asked.email.is_some() { Credential::mint_legacy_key(chance) } else { Credential::mint(chance) };
    let new = NewToken {
        id: credential.id,
        name: asked.name,
        hash: credential.hash,
        email: asked.email,
        scopes: asked.scopes,
        queues: asked.queues,
        expires_on: asked.expires_on,
    };
    let token = call.house.broker.create_token(account, new).await.map_err(|error| call.refused(error))?;
    call.note_made(&token.id);
    let mut view = TokenView::of(&token);
    view.secret = Some(credential.secret.reveal().to_owned());
    Ok(envelope::success_of(&view))
}

pub(super) async fn revoke_token(call: &Call<'_>, account: AccountId) -> Result<Vec<u8>, Fault> {
    let Ok(id) = call.matched.item.parse() else { return Err(Fault::new(Kind::TokenNotFound)) };
    call.house.broker.revoke_token(account, id).await.map_err(|error| call.refused(error))?;
    Ok(envelope::success_without_result())
}
