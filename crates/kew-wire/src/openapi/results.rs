//! What answers show: the views describe themselves, the answers about messages are described here.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::schema::{
    Schema, answered, answered_partly, anything, count, flag, list, map_of_texts, named, one_of, text,
};
use crate::access::{AccountView, MemberAccountView, MembershipView, TokenView, UserView, VerifiedView};
use crate::backup::BackupView;
use crate::consumers::ConsumerView;
use crate::envelope::Page;
use crate::queues::{MetricsView, PurgeView, PurgedView, QueueView};
use crate::subscriptions::SubscriptionView;

/// Every named schema.
pub(super) fn definitions() -> Map<String, Value> {
    let mut schemas = Map::new();
    view::<AccountView>(&mut schemas);
    view::<BackupView>(&mut schemas);
    view::<ConsumerView>(&mut schemas);
    view::<MemberAccountView>(&mut schemas);
    view::<MembershipView>(&mut schemas);
    view::<MetricsView>(&mut schemas);
    view::<Page>(&mut schemas);
    view::<PurgeView>(&mut schemas);
    view::<PurgedView>(&mut schemas);
    view::<QueueView>(&mut schemas);
    view::<SubscriptionView>(&mut schemas);
    view::<TokenView>(&mut schemas);
    view::<UserView>(&mut schemas);
    view::<VerifiedView>(&mut schemas);
    schemas
}

/// Adds a view and whatever it is made of.
fn view<T: JsonSchema>(schemas: &mut Map<String, Value>) {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .for_serialize();
    let mut generator = settings.into_generator();
    let schema = generator.subschema_for::<T>();
    let name = T::schema_name().into_owned();
    schemas.extend(generator.take_definitions(false));
    schemas.entry(name).or_insert_with(|| schema.to_value());
}

/// `{metadata: {metrics}}`, which stands beside other fields in most answers about messages.
fn metadata() -> Schema {
    answered([("metrics", named("MetricsView"))])
}

pub(super) fn pushed() -> Schema {
    answered([("metadata", metadata())])
}

pub(super) fn pulled() -> Schema {
    let message = answered([
        ("id", text()),
        ("attempts", count()),
        ("body", text().that("Text as it is; JSON and bytes in base64.")),
        ("lease_id", text()),
        ("metadata", message_metadata()),
        ("timestamp_ms", count()),
    ]);
    answered([
        ("message_backlog_count", count()),
        ("messages", list(message, 0..=100)),
        ("metadata", metadata()),
    ])
}

fn message_metadata() -> Schema {
    answered_partly(
        [
            ("CF-Content-Type", one_of(&["text", "json", "bytes", "v8"])),
            ("CF-sourceMessageSource", text()),
            ("Kew-Origin-Queue", text().that("Kew's own: the queue that a dead letter failed in, by name.")),
        ],
        &["CF-Content-Type", "CF-sourceMessageSource"],
    )
}

/// `with_leases` when the reference is shown under its older name, too.
pub(super) fn peeked(with_leases: bool) -> Schema {
    let fields = [
        ("id", text()),
        ("attempts", count()),
        ("body", text().that("As in a pull.")),
        ("metadata", message_metadata()),
        ("ref", text()),
        ("timestamp_ms", count()),
    ];
    let [id, attempts, body, metadata, reference, timestamp] = fields;
    let message = if with_leases {
        answered([id, attempts, body, metadata, reference, ("lease_id", text()), timestamp])
    } else {
        answered([id, attempts, body, metadata, reference, timestamp])
    };
    answered([("messages", list(message, 0..=100))])
}

pub(super) fn settled() -> Schema {
    answered([("ackCount", count()), ("retryCount", count()), ("warnings", map_of_texts())])
}

pub(super) fn extended() -> Schema {
    answered([("extendCount", count()), ("warnings", map_of_texts())])
}

pub(super) fn discarded() -> Schema {
    answered([("errors", list(anything(), 0..=0)), ("warnings", map_of_texts())])
}

pub(super) fn redriven() -> Schema {
    answered([("moved", count()), ("without_origin", count()), ("left", count())])
}

pub(super) fn ready() -> Schema {
    answered([("status", one_of(&["ready"]))])
}

pub(super) fn healthy() -> Schema {
    answered_partly([("status", one_of(&["ok"])), ("ready", flag())], &["status"])
}
