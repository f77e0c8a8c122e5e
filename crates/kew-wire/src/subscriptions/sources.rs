//! The sources of events that the vendor lists: which fields select a resource of each, and which events each has
//! (spec §2.12). What is in no row is refused, so that a slip of the pen is told at once.

use kew_model::EventSource;

use crate::catalogue::Kind;
use crate::fault::Fault;
use crate::fields::{Raw, Reader, Within, fields, shorten};

/// A product that events could come from.
struct Source {
    kind: &'static str,
    /// The fields that select one resource, in the order of their names.
    selector: &'static [&'static str],
    events: Events,
}

/// Which events a source has.
#[derive(Clone, Copy)]
enum Events {
    /// These.
    Named(&'static [&'static str]),
    /// Any that starts so: the vendor's list of them is open.
    Starting(&'static str),
}

const BUILDS: &[&str] = &["build.started", "build.failed", "build.canceled", "build.succeeded"];
const JOBS: &[&str] =
    &["job.started", "job.paused", "job.resumed", "job.completed", "job.aborted", "job.object.migrated"];
const MAILS: &[&str] = &[
    "message.delivered",
    "message.deferred",
    "message.bounced",
    "message.spam_rejected",
    "message.failed",
    "message.rejected",
    "message.dropped",
    "message.unauthenticated_forward",
];
const REPOSITORIES: &[&str] = &["repo.created", "repo.deleted", "repo.forked", "repo.imported"];
const SCRIPTS: &[&str] = &[
    "worker.created",
    "worker.updated",
    "worker.deleted",
    "version.created",
    "version.deleted",
    "deployment.created",
    "deployment.deleted",
];
const WORKFLOWS: &[&str] = &[
    "instance.queued",
    "instance.started",
    "instance.paused",
    "instance.errored",
    "instance.terminated",
    "instance.completed",
];

#[rustfmt::skip]
const SOURCES: &[Source] = &[
    source("access",               &[],                         &["application.created", "application.deleted"]),
    source("artifacts",            &[],                         REPOSITORIES),
    source("artifacts.repo",       &["namespace", "repo_name"], &["pushed", "cloned", "fetched"]),
    source("email.sending",        &["domain", "zone_id"],      MAILS),
    Source { kind: "images", selector: &[], events: Events::Starting("image.") },
    source("kv",                   &[],                         &["namespace.created", "namespace.deleted"]),
    source("r2",                   &[],                         &["bucket.created", "bucket.deleted"]),
    source("superSlurper",         &[],                         JOBS),
    source("vectorize",            &[],                         &["index.created", "index.deleted"]),
    source("workers.script",       &["script_tag"],             SCRIPTS),
    source("workersAi.model",      &["model_name"],             &["batch.queued", "batch.succeeded", "batch.failed"]),
    source("workersBuilds.worker", &["worker_name"],            BUILDS),
    source("workflows.workflow",   &["workflow_name"],          WORKFLOWS),
];

/// The products' names, for the description of requests.
#[cfg(feature = "openapi")]
pub(crate) fn kinds() -> Vec<&'static str> {
    SOURCES.iter().map(|source| source.kind).collect()
}

const fn source(
    kind: &'static str,
    selector: &'static [&'static str],
    events: &'static [&'static str],
) -> Source {
    Source { kind, selector, events: Events::Named(events) }
}

fields! {
    /// A source, with the fields of all of them.
    struct Given {
        kind = "type": Raw<'a>,
        domain: Raw<'a>,
        model_name: Raw<'a>,
        namespace: Raw<'a>,
        repo_name: Raw<'a>,
        script_tag: Raw<'a>,
        worker_name: Raw<'a>,
        workflow_name: Raw<'a>,
        zone_id: Raw<'a>,
    }
}

impl<'a> Given<'a> {
    fn field(&self, name: &str) -> Option<Raw<'a>> {
        match name {
            "domain" => self.domain,
            "model_name" => self.model_name,
            "namespace" => self.namespace,
            "repo_name" => self.repo_name,
            "script_tag" => self.script_tag,
            "worker_name" => self.worker_name,
            "workflow_name" => self.workflow_name,
            "zone_id" => self.zone_id,
            _ => None,
        }
    }
}

/// The longest text that selects a resource, in bytes.
const SELECTOR_BYTES_MAX: usize = 255;
/// The most events of one subscription; more than any source has.
pub(crate) const EVENTS_MAX: usize = 100;

const READER: Reader = Reader { kind: Kind::BodyInvalid, within: Within::Object("source") };

/// Reads a source; `None` when there is none. Fields that its kind does not have are passed over.
pub(super) fn read_source(raw: Option<Raw<'_>>) -> Result<Option<EventSource>, Fault> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(None) };
    let given: Given<'_> = Reader::new(Kind::BodyInvalid, Within::Root).object("source", Some(raw))?;
    let kind = READER.text("type", given.kind)?.ok_or_else(|| READER.refuse("type", "type is required"))?;
    let known = find(&kind).ok_or_else(|| {
        let kinds: Vec<_> = SOURCES.iter().map(|source| source.kind).collect();
        READER.refuse("type", format!("type must be one of {}, not {:?}", kinds.join(", "), shorten(&kind)))
    })?;
    let mut selector = Vec::with_capacity(known.selector.len());
    for name in known.selector {
        let value = READER
            .text(name, given.field(name))?
            .ok_or_else(|| READER.refuse(name, format!("{name} is required for {}", known.kind)))?;
        if value.is_empty() || value.len() > SELECTOR_BYTES_MAX || value.chars().any(char::is_control) {
            let why = format!(
                "{name} holds 1 to {SELECTOR_BYTES_MAX} bytes and no control characters, not {:?}",
                shorten(&value)
            );
            return Err(READER.refuse(name, why));
        }
        selector.push(((*name).to_owned(), value.into_owned()));
    }
    Ok(Some(EventSource { kind: known.kind.to_owned(), selector }))
}

/// Reads the events of a source of this kind; `None` when there are none.
pub(super) fn read_events(kind: &str, raw: Option<Raw<'_>>) -> Result<Option<Vec<String>>, Fault> {
    let root = Reader::new(Kind::BodyInvalid, Within::Root);
    let Some(items) = root.list("events", raw, 1..=EVENTS_MAX)? else { return Ok(None) };
    let mut events = Vec::with_capacity(items.len());
    for item in items {
        let name = root.text("events", Some(item))?;
        let name = name.ok_or_else(|| root.refuse("events", "events holds the names of events, not null"))?;
        events.push(name.into_owned());
    }
    let unknown: Vec<_> = events.iter().filter(|event| !knows(kind, event)).map(|e| shorten(e)).collect();
    if unknown.is_empty() {
        return Ok(Some(events));
    }
    let why = format!("Unrecognized event types: {unknown:?}; {kind} has {}", events_of(kind));
    Err(Fault::new(Kind::EventsUnknown).detailed(why).at("/events"))
}

fn find(kind: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.kind == kind)
}

/// Whether sources of this kind have the event. One that was kept by a version with more rows has any.
fn knows(kind: &str, event: &str) -> bool {
    match find(kind).map(|source| source.events) {
        Some(Events::Named(names)) => names.contains(&event),
        Some(Events::Starting(start)) => event.len() > start.len() && event.starts_with(start),
        None => true,
    }
}

/// The events of a kind, for an error's text.
fn events_of(kind: &str) -> String {
    match find(kind).map(|source| source.events) {
        Some(Events::Named(names)) => names.join(", "),
        Some(Events::Starting(start)) => format!("those that start with {start}"),
        None => "others".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_stand_in_the_order_of_their_names_and_can_be_given() {
        let empty: Given<'_> = serde_json::from_str("{}").unwrap();
        for source in SOURCES {
            assert!(source.selector.is_sorted(), "{}", source.kind);
            for name in source.selector {
                assert!(empty.field(name).is_none());
                let text = format!(r#"{{"{name}":"x"}}"#);
                let given: Given<'_> = serde_json::from_str(&text).unwrap();
                assert!(given.field(name).is_some(), "{name}");
            }
        }
    }
}
