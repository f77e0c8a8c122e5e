//! Event subscriptions: list, create, get, change, delete (spec §2.12). They are kept and shown; no event comes of them.
//!
//! Invariant: a subscription is as much the caller's as the queue that it points at.

use core::cmp::Ordering;
use std::sync::Arc;

use kew_model::{AccountId, Error, Place, QueueId, Subscription};
use kew_wire::envelope::{self, Page};
use kew_wire::subscriptions::{
    SubscriptionView, no_destination, read_new_subscription, read_subscription_change,
};
use kew_wire::{Fault, Kind};

use crate::operations::Call;
use crate::query::ListQuery;

/// Items on a page when the caller does not say (spec §1.6).
const ITEMS_DEFAULT: usize = 20;

/// The caller's subscriptions; with `queue_id`, those that point at this queue.
pub(super) fn list(call: &Call<'_>, account: AccountId) -> Result<Vec<u8>, Fault> {
    let query = ListQuery::read(call.query)?;
    let compare = comparison(query.order.as_deref().unwrap_or("name"))?;
    let is_descending = match query.direction.as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(other) => return Err(not_one_of("direction", "asc or desc", other)),
    };
    let mut subscriptions = call.house.broker.subscriptions(account);
    subscriptions.retain(|subscription| {
        let queue = subscription.destination;
        let is_asked = query.queue_id.as_ref().is_none_or(|asked| asked.parse() == Ok(queue));
        is_asked && sees(call, account, queue)
    });
    // They come in the order of their creation, which decides between equals.
    subscriptions.sort_by(|one, other| compare(one, other));
    if is_descending {
        subscriptions.reverse();
    }
    let per_page = query.per_page.unwrap_or(ITEMS_DEFAULT);
    let (page, range) = Page::of(subscriptions.len(), query.page, Some(per_page));
    let views: Vec<_> = subscriptions[range].iter().map(|shown| SubscriptionView::of(shown)).collect();
    Ok(envelope::success_of_page(&views, &page))
}

pub(super) async fn create(call: &Call<'_>, account: AccountId) -> Result<Vec<u8>, Fault> {
    let new = read_new_subscription(&call.body)?;
    check_destination(call, account, Some(new.destination))?;
    let made = call.house.broker.create_subscription(account, new).await;
    made.iter().for_each(|subscription| call.note_made(&subscription.id));
    Ok(shown(&*made.map_err(|error| refused(call, error))?))
}

pub(super) fn get(call: &Call<'_>, account: AccountId) -> Result<Vec<u8>, Fault> {
    Ok(shown(&*find(call, account)?))
}

pub(super) async fn change(call: &Call<'_>, account: AccountId) -> Result<Vec<u8>, Fault> {
    let subscription = find(call, account)?;
    let change = read_subscription_change(&call.body, &subscription.source.kind)?;
    check_destination(call, account, change.destination)?;
    let changed = call.house.broker.update_subscription(account, subscription.id, change).await;
    Ok(shown(&*changed.map_err(|error| refused(call, error))?))
}

/// Deletes a subscription and shows it a last time (spec §10 C23).
pub(super) async fn delete(call: &Call<'_>, account: AccountId) -> Result<Vec<u8>, Fault> {
    let id = find(call, account)?.id;
    let deleted = call.house.broker.delete_subscription(account, id).await;
    Ok(shown(&*deleted.map_err(|error| refused(call, error))?))
}

fn shown(subscription: &Subscription) -> Vec<u8> {
    envelope::success_of(&SubscriptionView::of(subscription))
}

/// The subscription that the path names, when it is the caller's.
fn find(call: &Call<'_>, account: AccountId) -> Result<Arc<Subscription>, Fault> {
    let id = call.matched.item.parse().ok();
    let found = id.and_then(|id| call.house.broker.subscription(account, id));
    found
        .filter(|subscription| sees(call, account, subscription.destination))
        .ok_or_else(|| Fault::new(Kind::SubscriptionNotFound))
}

fn check_destination(call: &Call<'_>, account: AccountId, queue: Option<QueueId>) -> Result<(), Fault> {
    if queue.is_none_or(|queue| sees(call, account, queue)) { Ok(()) } else { Err(no_destination()) }
}

/// Whether a queue is the caller's. To a caller whose queues are all of the account's, so are those that are missing;
/// the broker knows which.
fn sees(call: &Call<'_>, account: AccountId, queue: QueueId) -> bool {
    let named = || call.house.broker.queue(Place { account, queue });
    call.caller.sees_all() || named().is_some_and(|queue| call.caller.sees(&queue))
}

fn refused(call: &Call<'_>, error: Error) -> Fault {
    if error == Error::DestinationNotFound { no_destination() } else { call.refused(error) }
}

type Comparison = fn(&Subscription, &Subscription) -> Ordering;

/// How subscriptions stand in a list (spec §2.12).
fn comparison(order: &str) -> Result<Comparison, Fault> {
    match order {
        "created_at" => Ok(|one, other| one.created_on.cmp(&other.created_on)),
        "name" => Ok(|one, other| one.name.cmp(&other.name)),
        "enabled" => Ok(|one, other| one.enabled.cmp(&other.enabled)),
        "source" => Ok(|one, other| one.source.cmp(&other.source)),
        other => Err(not_one_of("order", "created_at, name, enabled or source", other)),
    }
}

fn not_one_of(name: &str, values: &str, given: &str) -> Fault {
    let shown: String = given.chars().take(40).collect();
    Fault::new(Kind::QueryInvalid).detailed(format!("{name} must be {values}, not {shown:?}"))
}
