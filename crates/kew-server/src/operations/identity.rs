//! Who the caller is (spec §2.13): its token, the user that it stands for, its account and membership.
//!
//! Invariant: nothing is told here but what is the caller's own.

use core::ops::Range;
use std::sync::Arc;

use kew_model::Account;
use kew_wire::access::{MemberAccountView, MembershipView, UserView, write_verified};
use kew_wire::envelope::{self, Page};
use kew_wire::{Fault, Kind};

use crate::operations::Call;
use crate::query::ListQuery;

/// That the token is valid: whoever came this far has one.
pub(super) fn verify(call: &Call<'_>) -> Vec<u8> {
    write_verified(&call.caller.identity())
}

pub(super) fn user(call: &Call<'_>) -> Vec<u8> {
    envelope::success_of(&UserView::of(&call.caller.identity()))
}

pub(super) fn memberships(call: &Call<'_>) -> Result<Vec<u8>, Fault> {
    let account = account_of(call)?;
    let views = [MembershipView::of(&call.caller.identity(), &account)];
    let (page, range) = page_of_one(call, &account)?;
    Ok(envelope::success_of_page(&views[range], &page))
}

pub(super) fn accounts(call: &Call<'_>) -> Result<Vec<u8>, Fault> {
    let account = account_of(call)?;
    let views = [MemberAccountView::of(&account)];
    let (page, range) = page_of_one(call, &account)?;
    Ok(envelope::success_of_page(&views[range], &page))
}

pub(super) fn account(call: &Call<'_>) -> Result<Vec<u8>, Fault> {
    Ok(envelope::success_of(&MemberAccountView::of(&*account_of(call)?)))
}

fn account_of(call: &Call<'_>) -> Result<Arc<Account>, Fault> {
    let account = call.house.broker.account(call.caller.own_account());
    account.ok_or_else(|| Fault::new(Kind::AccountNotFound))
}

/// Which part of a list of one is asked for: nothing, by another account's name or a page after the first.
fn page_of_one(call: &Call<'_>, account: &Account) -> Result<(Page, Range<usize>), Fault> {
    let query = ListQuery::read(call.query)?;
    let is_asked = query.names.is_empty() || query.names.contains(&account.name);
    Ok(Page::of(usize::from(is_asked), query.page, query.per_page))
}
