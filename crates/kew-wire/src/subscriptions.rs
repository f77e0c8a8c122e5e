//! Event subscriptions: what creates and changes one, and how one is shown (spec §2.12).
//!
//! They are objects only: no event source exists on one's own machines, so no event ever comes of them. What they may
//! say is checked nevertheless, against the sources and events that the vendor lists (`sources`), so that a
//! configuration that Kew takes is one that the original would take.

pub(crate) mod sources;

use std::collections::BTreeMap;

use kew_model::{NewSubscription, QueueId, Subscription, SubscriptionChange};
use serde::{Deserialize, Serialize};

use crate::catalogue::Kind;
use crate::fault::Fault;
use crate::fields::{Raw, Reader, Refusal, Within, fields, shorten};
use crate::text::rfc3339;

fields! {
    /// What a new subscription, or a change to one, may say.
    struct Request {
        name: Raw<'a>,
        enabled: Raw<'a>,
        source: Raw<'a>,
        destination: Raw<'a>,
        events: Raw<'a>,
    }
}

fields! {
    /// Where events would go.
    struct Destination { kind = "type": Raw<'a>, queue_id: Raw<'a> }
}

const ROOT: Reader = Reader { kind: Kind::BodyInvalid, within: Within::Root };

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// The only kind of destination.
const QUEUE: &str = "queues.queue";

/// Reads a subscription to create. It is enabled unless it says otherwise; everything else is required.
///
/// # Errors
/// 10026 for anything unreadable, 19019 for a destination that is no queue's id, 19022 for events that its source does
/// not have.
pub fn read_new_subscription(body: &[u8]) -> Result<NewSubscription, Fault> {
    let request: Request<'_> = Refusal::OTHER.read(body)?;
    let required = |field: &str| ROOT.refuse(field, format!("{field} is required"));
    let name = read_name(request.name)?.ok_or_else(|| required("name"))?;
    let source = sources::read_source(request.source)?.ok_or_else(|| required("source"))?;
    let destination = read_destination(request.destination)?.ok_or_else(|| required("destination"))?;
    let events = sources::read_events(&source.kind, request.events)?.ok_or_else(|| required("events"))?;
    let enabled = ROOT.flag("enabled", request.enabled)?.unwrap_or(true);
    Ok(NewSubscription { name, enabled, source, events, destination })
}

/// Reads a change to a subscription that listens to a source of this kind. What it does not name stays; a source
/// cannot change and is passed over.
///
/// # Errors
/// As [`read_new_subscription`].
pub fn read_subscription_change(body: &[u8], source_kind: &str) -> Result<SubscriptionChange, Fault> {
    let request: Request<'_> = Refusal::OTHER.read(body)?;
    Ok(SubscriptionChange {
        name: read_name(request.name)?,
        enabled: ROOT.flag("enabled", request.enabled)?,
        events: sources::read_events(source_kind, request.events)?,
        destination: read_destination(request.destination)?,
    })
}

/// The refusal of a destination that is no queue of the account, or none that the caller may know of.
pub fn no_destination() -> Fault {
    Fault::new(Kind::DestinationNotFound).at("/destination/queue_id")
}

fn read_name(raw: Option<Raw<'_>>) -> Result<Option<String>, Fault> {
    let Some(name) = ROOT.text("name", raw)? else { return Ok(None) };
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        let why = format!(
            "name holds 1 to {NAME_BYTES_MAX} bytes and no control characters, not {:?}",
            shorten(&name)
        );
        return Err(ROOT.refuse("name", why));
    }
    Ok(Some(name.into_owned()))
}

fn read_destination(raw: Option<Raw<'_>>) -> Result<Option<QueueId>, Fault> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(None) };
    let given: Destination<'_> = ROOT.object("destination", Some(raw))?;
    let reader = Reader::new(Kind::BodyInvalid, Within::Object("destination"));
    if let Some(kind) = reader.text("type", given.kind)?.filter(|kind| kind != QUEUE) {
        return Err(reader.refuse("type", format!("type must be {QUEUE:?}, not {:?}", shorten(&kind))));
    }
    let id = reader
        .text("queue_id", given.queue_id)?
        .ok_or_else(|| reader.refuse("queue_id", "queue_id is required"))?;
    id.parse().map(Some).map_err(|_| no_destination())
}

/// A subscription as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct SubscriptionView {
    /// The id: 32 hexadecimal digits.
    pub id: String,
    /// When it was created, in RFC 3339.
    pub created_at: String,
    /// When it last changed, in RFC 3339.
    pub modified_at: String,
    /// The name.
    pub name: String,
    /// Whether its events would be delivered.
    pub enabled: bool,
    /// What it listens to.
    pub source: SourceView,
    /// Where its events would go.
    pub destination: DestinationView,
    /// The names of the events.
    pub events: Vec<String>,
}

/// What a subscription listens to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct SourceView {
    /// The product.
    pub r#type: String,
    /// The fields that select one resource of it, by name.
    #[serde(flatten)]
    pub selector: BTreeMap<String, String>,
}

/// Where the events of a subscription would go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct DestinationView {
    /// Always `queues.queue`.
    pub r#type: String,
    /// The queue's id.
    pub queue_id: String,
}

impl SubscriptionView {
    /// Shows a subscription.
    pub fn of(subscription: &Subscription) -> Self {
        Self {
            id: subscription.id.to_string(),
            created_at: rfc3339(subscription.created_on),
            modified_at: rfc3339(subscription.modified_on),
            name: subscription.name.clone(),
            enabled: subscription.enabled,
            source: SourceView {
                r#type: subscription.source.kind.clone(),
                selector: subscription.source.selector.iter().cloned().collect(),
            },
            destination: DestinationView {
                r#type: QUEUE.to_owned(),
                queue_id: subscription.destination.to_string(),
            },
            events: subscription.events.clone(),
        }
    }
}
