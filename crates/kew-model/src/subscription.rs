//! Event subscriptions: kept and shown as objects (spec §2.12). No event source exists on one's own machines, so no
//! event ever comes of them.

use crate::id::{AccountId, QueueId, SubscriptionId};
use crate::time::Timestamp;

/// A subscription as the catalog holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// The account that owns it.
    pub account: AccountId,
    /// Its name, as given.
    pub name: String,
    /// Whether its events would be delivered.
    pub enabled: bool,
    /// What it listens to.
    pub source: EventSource,
    /// The names of the events.
    pub events: Vec<String>,
    /// The queue that they would go to.
    pub destination: QueueId,
    /// When it was created.
    pub created_on: Timestamp,
    /// When it last changed.
    pub modified_on: Timestamp,
}

/// A product, and which of its resources (spec §2.12).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventSource {
    /// The product: `r2`, `kv`, `workflows.workflow`, …
    pub kind: String,
    /// The fields that select a resource, by name, in the order of the names.
    pub selector: Vec<(String, String)>,
}

/// A subscription to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubscription {
    /// As [`Subscription::name`].
    pub name: String,
    /// As [`Subscription::enabled`].
    pub enabled: bool,
    /// As [`Subscription::source`]; an account has at most one subscription for each.
    pub source: EventSource,
    /// As [`Subscription::events`].
    pub events: Vec<String>,
    /// As [`Subscription::destination`]: a queue of the account.
    pub destination: QueueId,
}

/// A change to a subscription; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscriptionChange {
    /// A new name.
    pub name: Option<String>,
    /// On or off.
    pub enabled: Option<bool>,
    /// Other events.
    pub events: Option<Vec<String>>,
    /// Another queue of the account.
    pub destination: Option<QueueId>,
}
