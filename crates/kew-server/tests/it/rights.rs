//! The matrix of rights (store-study §7.4 risks 1 and 5): every route × every scope × every kind of token × every object
//! that a request names, which is the token's own, another queue's, another account's, gone, or never was.
//!
//! It is made of the table of routes and of what each operation says it names, wherever that stands. A new operation does
//! not compile without saying it, and a new field of a body fails here until it is said whether it names something.

mod world;

use std::collections::BTreeSet;

use kew_model::{QueuePattern, Scope};
use kew_server::{Naming, Object, RouteSummary, routes};
use serde_json::Value;

use crate::client::Answer;
use crate::kew::QUEUE;
use world::{Whose, World};

const SCOPES: [&[Scope]; 6] = [
    &[Scope::Push],
    &[Scope::Consume],
    &[Scope::Read],
    &[Scope::Write],
    &[Scope::Admin],
    &[Scope::Consume, Scope::Push],
];

fn patterns() -> [QueuePattern; 3] {
    [QueuePattern::All, QueuePattern::Exact(QUEUE), QueuePattern::Prefix("jo".into())]
}

/// Fields that name no object of the account: settings, contents, and what belongs to other products.
const PLAIN: &[&str] = &[
    "page",
    "per_page",
    "order",
    "direction",
    "Idempotency-Key",
    "jurisdiction",
    "delivery_delay",
    "delivery_paused",
    "message_retention_period",
    "environment",
    "environment_name",
    "script_name",
    "service",
    "batch_size",
    "max_concurrency",
    "max_retries",
    "max_wait_time_ms",
    "retry_delay",
    "visibility_timeout_ms",
    "visibility_timeout",
    "wait_time_ms",
    "type",
    "body",
    "content_type",
    "delay_seconds",
    "delete_messages_permanently",
    "enabled",
    "events",
    "domain",
    "model_name",
    "namespace",
    "repo_name",
    "script_tag",
    "worker_name",
    "workflow_name",
    "zone_id",
    "source",
    "email",
    "expires_on",
    "queue_prefix",
    "scopes",
    "name",
];

#[test]
fn every_field_of_every_request_is_known_to_name_something_or_nothing() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json"));
    let document: Value = serde_json::from_str(&document.unwrap()).unwrap();
    let mut named = 0;
    for route in routes().iter().filter(|route| !matches!(route.id, "kew-openapi" | "kew-metrics")) {
        let operation = &document["paths"][&route.path][route.method.to_lowercase()];
        let places = places_of(operation);
        for place in &places {
            let is_named = route.names.iter().any(|naming| naming.place == place);
            let last = place.trim_end_matches("/*").rsplit(['/', '?']).next().unwrap();
            let is_plain = PLAIN.contains(&last);
            let is_known = is_named || is_plain || place == "{account}";
            assert!(
                is_known,
                "{} names {place}: say so in routes/names.rs, or here that it names nothing",
                route.id
            );
            named += usize::from(is_named);
        }
        for naming in route.names {
            assert!(places.contains(naming.place), "{} has no {}", route.id, naming.place);
        }
    }
    assert!(named > 40, "{named}");
}

/// Every place of a request where something can be named: in its path, its query, its headers and its body.
fn places_of(operation: &Value) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for parameter in operation["parameters"].as_array().unwrap() {
        let name = parameter["name"].as_str().unwrap();
        places.insert(match parameter["in"].as_str() {
            Some("path") => format!("{{{name}}}"),
            _ => format!("?{name}"),
        });
    }
    fields_of(&operation["requestBody"]["content"]["application/json"]["schema"], "", &mut places);
    places
}

/// Adds the pointers of a schema's fields; `*` stands for each item of a list.
fn fields_of(schema: &Value, pointer: &str, places: &mut BTreeSet<String>) {
    for option in schema["anyOf"].as_array().into_iter().flatten() {
        fields_of(option, pointer, places);
    }
    if schema["type"] == "array" {
        return fields_of(&schema["items"], &format!("{pointer}/*"), places);
    }
    match schema["properties"].as_object() {
        Some(fields) => {
            fields.iter().for_each(|(name, field)| fields_of(field, &format!("{pointer}/{name}"), places));
        }
        None if schema["type"] == "null" || schema["anyOf"].is_array() || pointer.is_empty() => {}
        None => {
            places.insert(pointer.to_owned());
        }
    }
}

/// One row of the matrix: a route, an object that it names, and a token.
struct Row<'a> {
    route: &'a RouteSummary,
    naming: Naming,
    scopes: &'a [Scope],
    pattern: QueuePattern,
}

fn rows(routes: &[RouteSummary]) -> impl Iterator<Item = Row<'_>> {
    routes.iter().flat_map(|route| {
        route.names.iter().flat_map(move |naming| {
            SCOPES.into_iter().flat_map(move |scopes| {
                patterns().map(|pattern| Row { route, naming: *naming, scopes, pattern })
            })
        })
    })
}

impl Row<'_> {
    /// Whether the token has the right that the route needs.
    fn is_open(&self) -> bool {
        let is_admin = self.scopes.contains(&Scope::Admin);
        match self.route.right {
            "none" | "any" => true,
            "server" => is_admin && self.sees_all(),
            "consume and push" => is_admin || self.scopes.len() == 2,
            right => is_admin || self.scopes.iter().any(|scope| scope.name() == right),
        }
    }

    fn sees_all(&self) -> bool {
        self.pattern == QueuePattern::All
    }

    /// The status when everything that is named is the token's own.
    fn own_status(&self) -> u16 {
        let is_of_one_queue = matches!(self.pattern, QueuePattern::Exact(_));
        let is_new_name = self.naming.object == Object::QueueName && self.naming.place.starts_with('/');
        match self.route.id {
            // An account that is there already.
            "kew-create-account" => 409,
            // A token for one queue names no other, so nothing is there that it could redrive to.
            "kew-redrive-messages" if is_of_one_queue => 404,
            _ if is_of_one_queue && is_new_name => 403,
            _ => 200,
        }
    }

    /// Whose objects are not to be told from missing ones.
    fn strangers(&self) -> &'static [Whose] {
        match self.naming.object {
            // Who may make accounts sees all of them.
            Object::Account => &[],
            _ if self.sees_all() => &[Whose::Stranger, Whose::Gone, Whose::Never],
            _ => &[Whose::Sibling, Whose::Stranger, Whose::Gone, Whose::Never],
        }
    }

    async fn ask(&self, world: &World, whose: Whose) -> Option<Answer> {
        let token = world.kew.token(self.scopes, self.pattern.clone()).await;
        world.ask(self.route, self.naming, whose, &token).await
    }

    fn named(&self) -> String {
        let Self { route, naming, scopes, pattern } = self;
        format!(
            "{} {} ({}), {} as {scopes:?} of {pattern:?}",
            route.method, route.path, route.id, naming.place
        )
    }
}

#[tokio::test]
async fn without_the_right_all_objects_look_alike_and_nothing_happens() {
    let (world, routes) = (World::start().await, routes());
    let before = world.snapshot().await;
    for row in rows(&routes).filter(|row| !row.is_open()) {
        let token = world.token(row.scopes, &row.pattern).await;
        let mut answers = BTreeSet::new();
        for whose in [&[Whose::Own], row.strangers()].concat() {
            let Some(answer) = world.ask(row.route, row.naming, whose, &token).await else { continue };
            assert_eq!(answer.failure(), (403, 10_000), "{} {whose:?}", row.named());
            answers.insert(answer.body);
        }
        assert_eq!(answers.len(), 1, "{}: {answers:?}", row.named());
    }
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn what_is_ones_own_is_found() {
    let routes = routes();
    for row in rows(&routes).filter(Row::is_open) {
        let world = World::start().await;
        world.make_room_for(row.route).await;
        let answer = row.ask(&world, Whose::Own).await.unwrap();
        assert_eq!(answer.status, row.own_status(), "{}: {answer:?}", row.named());
    }
}

#[tokio::test]
async fn what_is_not_ones_own_looks_like_what_is_missing_and_stays_as_it_is() {
    let (world, routes) = (World::start().await, routes());
    let before = world.snapshot().await;
    for row in rows(&routes).filter(|row| row.is_open() && !row.sees_all()) {
        let token = world.token(row.scopes, &row.pattern).await;
        let mut answers = Vec::new();
        for whose in row.strangers() {
            let Some(answer) = world.ask(row.route, row.naming, *whose, &token).await else { continue };
            answers.push((*whose, answer.status, world.masked(row.naming, *whose, &answer.body)));
        }
        assert_alike(&row, &answers);
        assert_eq!(world.snapshot().await, before, "{}", row.named());
    }
}

#[tokio::test]
async fn what_is_another_accounts_looks_like_what_is_missing_to_a_token_for_all_queues() {
    let routes = routes();
    for row in rows(&routes).filter(|row| row.is_open() && row.sees_all()) {
        let mut answers = Vec::new();
        for whose in row.strangers() {
            // What is not there may be made, under a name for example.
            let world = World::start().await;
            world.make_room_for(row.route).await;
            let before = world.snapshot_of_strangers().await;
            let Some(answer) = row.ask(&world, *whose).await else { continue };
            answers.push((*whose, answer.status, world.masked(row.naming, *whose, &answer.body)));
            assert_eq!(world.snapshot_of_strangers().await, before, "{} {whose:?}", row.named());
        }
        assert_alike(&row, &answers);
    }
}

fn assert_alike(row: &Row<'_>, answers: &[(Whose, u16, String)]) {
    let Some((_, status, body)) = answers.first() else { return };
    for (whose, other_status, other_body) in answers {
        assert_eq!((other_status, other_body), (status, body), "{} {whose:?}: {answers:?}", row.named());
    }
}
