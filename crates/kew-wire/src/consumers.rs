//! Consumers: what attaches one to a queue, and how one is shown (spec §2.9, §2.10).

use kew_model::{
    Consumer, ConsumerKind, Limits, Milliseconds, NewConsumer, PullSettings, Queue, QueueName, Seconds,
    WorkerSettings,
};
use serde::{Deserialize, Serialize};

use crate::catalogue::Kind;
use crate::fault::{Fault, NotFound};
use crate::fields::{Raw, Reader, Refusal, Within, fields, shorten};
use crate::text::rfc3339;

fields! {
    /// What a new consumer may say. `service` and `environment` are older names (spec §10 C9).
    struct Request {
        kind = "type": Raw<'a>,
        settings: Raw<'a>,
        dead_letter_queue: Raw<'a>,
        script_name: Raw<'a>,
        service: Raw<'a>,
        environment_name: Raw<'a>,
        environment: Raw<'a>,
    }
}

fields! {
    /// Settings of both kinds of consumer; each kind passes over those of the other.
    struct Settings {
        batch_size: Raw<'a>,
        max_concurrency: Raw<'a>,
        max_retries: Raw<'a>,
        max_wait_time_ms: Raw<'a>,
        retry_delay: Raw<'a>,
        visibility_timeout_ms: Raw<'a>,
    }
}

/// Reads a consumer to attach.
///
/// # Errors
/// 10026 for an unreadable body or type, 100127 for settings, 11003 for the name of the dead-letter queue.
pub fn read_new_consumer(body: &[u8]) -> Result<NewConsumer, Fault> {
    let request: Request<'_> = Refusal::OTHER.read(body)?;
    let reader = Reader::new(Kind::BodyInvalid, Within::Root);
    let settings: Settings<'_> =
        Reader::new(Kind::ConsumerSettings, Within::Root).object("settings", request.settings)?;
    let kind = match reader.text("type", request.kind)?.as_deref() {
        Some("http_pull") => ConsumerKind::HttpPull(read_pull_settings(&settings)?),
        Some("worker") => ConsumerKind::Worker(read_worker_settings(&request, &settings)?),
        Some(other) => {
            let why = format!("type must be \"http_pull\" or \"worker\", not {:?}", shorten(other));
            return Err(reader.refuse("type", why));
        }
        None => return Err(reader.refuse("type", "type is required: \"http_pull\" or \"worker\"")),
    };
    let dead_letter_queue = match reader.text("dead_letter_queue", request.dead_letter_queue)?.as_deref() {
        None | Some("") => None,
        Some(name) => Some(read_dead_letter_queue(name)?),
    };
    Ok(NewConsumer { kind, dead_letter_queue })
}

fn read_dead_letter_queue(name: &str) -> Result<QueueName, Fault> {
    name.parse().map_err(|error| Fault::of(error, NotFound::Control).at("/dead_letter_queue"))
}

const SETTINGS: Reader = Reader { kind: Kind::ConsumerSettings, within: Within::Object("settings") };

fn read_pull_settings(given: &Settings<'_>) -> Result<PullSettings, Fault> {
    let defaults = PullSettings::default();
    let visibility = SETTINGS.number(
        "visibility_timeout_ms",
        given.visibility_timeout_ms,
        Limits::VISIBILITY_TIMEOUT_MS,
    )?;
    Ok(PullSettings {
        batch_size: read_batch_size(given)?.unwrap_or(defaults.batch_size),
        max_retries: read_max_retries(given)?,
        retry_delay: read_retry_delay(given)?,
        visibility_timeout: visibility.map_or(defaults.visibility_timeout, Milliseconds),
    })
}

fn read_worker_settings(request: &Request<'_>, given: &Settings<'_>) -> Result<WorkerSettings, Fault> {
    let reader = Reader::new(Kind::BodyInvalid, Within::Root);
    let script = match reader.text("script_name", request.script_name)? {
        Some(name) => Some(name),
        None => reader.text("service", request.service)?,
    };
    let script = script
        .filter(|name| !name.is_empty())
        .ok_or_else(|| reader.refuse("script_name", "script_name is required for a worker consumer"))?;
    let environment = match reader.text("environment_name", request.environment_name)? {
        Some(name) => Some(name),
        None => reader.text("environment", request.environment)?,
    };
    for (field, name) in
        [("script_name", &*script), ("environment_name", environment.as_deref().unwrap_or(""))]
    {
        if name.len() > SCRIPT_NAME_BYTES_MAX {
            let why = format!("{field} holds at most {SCRIPT_NAME_BYTES_MAX} bytes, not {}", name.len());
            return Err(reader.refuse(field, why));
        }
    }
    let wait = SETTINGS.number("max_wait_time_ms", given.max_wait_time_ms, Limits::WORKER_WAIT_MS)?;
    Ok(WorkerSettings {
        script_name: script.into_owned(),
        environment_name: environment.unwrap_or_default().into_owned(),
        batch_size: read_batch_size(given)?.unwrap_or(Limits::WORKER_BATCH_DEFAULT),
        max_concurrency: SETTINGS.narrow(
            "max_concurrency",
            given.max_concurrency,
            Limits::WORKER_CONCURRENCY,
        )?,
        max_retries: read_max_retries(given)?,
        max_wait: Milliseconds(wait.unwrap_or(Limits::WORKER_WAIT_MS_DEFAULT)),
        retry_delay: read_retry_delay(given)?,
    })
}

/// The longest name of a Worker or its environment, in bytes; room enough, and a bound.
const SCRIPT_NAME_BYTES_MAX: usize = 255;

fn read_batch_size(given: &Settings<'_>) -> Result<Option<u16>, Fault> {
    SETTINGS.narrow("batch_size", given.batch_size, Limits::CONSUMER_BATCH)
}

fn read_max_retries(given: &Settings<'_>) -> Result<u16, Fault> {
    let given = SETTINGS.narrow("max_retries", given.max_retries, Limits::RETRIES)?;
    Ok(given.unwrap_or(Limits::RETRIES_DEFAULT))
}

fn read_retry_delay(given: &Settings<'_>) -> Result<Seconds, Fault> {
    let given = SETTINGS.narrow("retry_delay", given.retry_delay, Limits::DELAY_SECONDS)?;
    Ok(Seconds(given.unwrap_or(0)))
}

/// A consumer as it is shown (spec §2.9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ConsumerView {
    /// The id: 32 hexadecimal digits.
    pub consumer_id: String,
    /// When it was created, in RFC 3339.
    pub created_on: String,
    /// `http_pull` or `worker`.
    pub r#type: String,
    /// The queue's name.
    pub queue_name: String,
    /// The queue's id.
    pub queue_id: String,
    /// The name of the dead-letter queue; empty when there is none.
    pub dead_letter_queue: String,
    /// The effective settings.
    pub settings: ConsumerSettingsView,
    /// A Worker's name, where wrangler looks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// A Worker's name, where SDKs look for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script_name: Option<String>,
    /// A Worker's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_name: Option<String>,
}

/// A consumer's settings as they are shown; which fields there are depends on the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ConsumerSettingsView {
    /// Of a pull consumer.
    HttpPull {
        /// Messages of a pull that does not say.
        batch_size: u16,
        /// Retries after the first attempt.
        max_retries: u16,
        /// Seconds that a failed message waits.
        retry_delay: u32,
        /// Milliseconds that a lease lasts.
        visibility_timeout_ms: u64,
    },
    /// Of a Worker consumer.
    Worker {
        /// Messages in a batch.
        batch_size: u16,
        /// Concurrent invocations; automatic when `None`.
        max_concurrency: Option<u16>,
        /// Retries after the first attempt.
        max_retries: u16,
        /// Milliseconds that a batch may wait to fill.
        max_wait_time_ms: u64,
        /// Seconds that a failed message waits.
        retry_delay: u32,
    },
}

impl ConsumerView {
    /// Shows a queue's consumer.
    pub fn of(queue: &Queue, consumer: &Consumer) -> Self {
        let (r#type, settings, worker) = match &consumer.kind {
            ConsumerKind::HttpPull(settings) => ("http_pull", show_pull(settings), None),
            ConsumerKind::Worker(settings) => ("worker", show_worker(settings), Some(settings)),
        };
        let link = consumer.dead_letter_queue.as_ref();
        Self {
            consumer_id: consumer.id.to_string(),
            created_on: rfc3339(consumer.created_on),
            r#type: r#type.to_owned(),
            queue_name: queue.name.to_string(),
            queue_id: queue.id.to_string(),
            dead_letter_queue: link.map(|link| link.name.to_string()).unwrap_or_default(),
            settings,
            script: worker.map(|worker| worker.script_name.clone()),
            script_name: worker.map(|worker| worker.script_name.clone()),
            environment_name: worker.map(|worker| worker.environment_name.clone()),
        }
    }
}

fn show_pull(settings: &PullSettings) -> ConsumerSettingsView {
    ConsumerSettingsView::HttpPull {
        batch_size: settings.batch_size,
        max_retries: settings.max_retries,
        retry_delay: settings.retry_delay.0,
        visibility_timeout_ms: settings.visibility_timeout.0,
    }
}

fn show_worker(settings: &WorkerSettings) -> ConsumerSettingsView {
    ConsumerSettingsView::Worker {
        batch_size: settings.batch_size,
        max_concurrency: settings.max_concurrency,
        max_retries: settings.max_retries,
        max_wait_time_ms: settings.max_wait.0,
        retry_delay: settings.retry_delay.0,
    }
}
