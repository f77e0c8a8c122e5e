//! Queues: what creates, changes and empties one, and how one is shown (spec §2.1–§2.8).

use kew_model::{
    Backlog, Jurisdiction, Limits, NewQueue, Purge, Queue, QueueChange, QueueName, QueueSettings, Seconds,
};
use serde::{Deserialize, Serialize};

use crate::catalogue::Kind;
use crate::consumers::ConsumerView;
use crate::fault::{Fault, NotFound};
use crate::fields::{Raw, Reader, Refusal, Within, fields, shorten};
use crate::text::rfc3339;

fields! {
    /// What a new queue, or a change to one, may say.
    struct Request { queue_name: Raw<'a>, jurisdiction: Raw<'a>, settings: Raw<'a> }
}

fields! {
    /// A queue's settings. What is absent has its default in a new queue and a replacement, and stays in a change.
    struct Settings { delivery_delay: Raw<'a>, delivery_paused: Raw<'a>, message_retention_period: Raw<'a> }
}

fields! {
    /// What a purge may say.
    struct PurgeRequest { delete_messages_permanently: Raw<'a> }
}

const ROOT: Reader = Reader { kind: Kind::BodyInvalid, within: Within::Root };

/// A change to a queue, as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedChange {
    /// Name and settings.
    pub change: QueueChange,
    /// The jurisdiction that it names. None can be changed, so it must be the queue's own
    /// ([`AskedChange::check_jurisdiction`]).
    pub jurisdiction: Option<Jurisdiction>,
}

/// Reads a queue to create.
///
/// # Errors
/// 10026 for an unreadable body, 11003 for a name that breaks the rule, 100128 for settings.
pub fn read_new_queue(body: &[u8]) -> Result<NewQueue, Fault> {
    let request: Request<'_> = Refusal::OTHER.read(body)?;
    let name =
        read_name(request.queue_name)?.ok_or_else(|| ROOT.refuse("queue_name", "queue_name is required"))?;
    let jurisdiction = read_jurisdiction(request.jurisdiction)?;
    let given = read_settings(request.settings)?;
    let defaults = QueueSettings::default();
    let settings = QueueSettings {
        delivery_delay: given.delivery_delay.unwrap_or(defaults.delivery_delay),
        delivery_paused: given.delivery_paused.unwrap_or(defaults.delivery_paused),
        message_retention_period: given.message_retention_period.unwrap_or(defaults.message_retention_period),
    };
    Ok(NewQueue { name, id: None, jurisdiction, settings })
}

/// Reads a change to a queue: what it does not name stays (spec §2.6).
///
/// # Errors
/// As [`read_new_queue`].
pub fn read_change(body: &[u8]) -> Result<AskedChange, Fault> {
    let request: Request<'_> = Refusal::OTHER.read(body)?;
    let name = read_name(request.queue_name)?;
    let jurisdiction = read_jurisdiction(request.jurisdiction)?;
    Ok(AskedChange { change: QueueChange { name, ..read_settings(request.settings)? }, jurisdiction })
}

/// Reads a replacement of a queue: a setting that it does not name gets its default, the name stays (spec §2.5).
///
/// # Errors
/// As [`read_new_queue`].
pub fn read_replacement(body: &[u8]) -> Result<AskedChange, Fault> {
    let mut asked = read_change(body)?;
    let defaults = QueueSettings::default();
    let change = &mut asked.change;
    change.delivery_delay.get_or_insert(defaults.delivery_delay);
    change.delivery_paused.get_or_insert(defaults.delivery_paused);
    change.message_retention_period.get_or_insert(defaults.message_retention_period);
    Ok(asked)
}

impl AskedChange {
    /// Refuses another jurisdiction than the queue has.
    ///
    /// # Errors
    /// 19002.
    pub fn check_jurisdiction(&self, of_queue: Option<Jurisdiction>) -> Result<(), Fault> {
        let Some(asked) = self.jurisdiction.filter(|asked| Some(*asked) != of_queue) else { return Ok(()) };
        let own = of_queue.map_or_else(|| "none".to_owned(), |own| format!("{:?}", own.name()));
        let why = format!(
            "a queue's jurisdiction is set at its creation and cannot change: it is {own}, not {:?}",
            asked.name()
        );
        Err(Fault::new(Kind::JurisdictionFixed).detailed(why).at("/jurisdiction"))
    }
}

/// Reads the confirmation of a purge, which may be absent (spec §2.8).
///
/// # Errors
/// 10026 for anything unreadable, and when it is explicitly no confirmation.
pub fn read_purge(body: &[u8]) -> Result<(), Fault> {
    const FLAG: &str = "delete_messages_permanently";
    let request: PurgeRequest<'_> = Refusal::OTHER.read_or_default(body)?;
    match ROOT.flag(FLAG, request.delete_messages_permanently)? {
        None | Some(true) => Ok(()),
        Some(false) => Err(ROOT.refuse(FLAG, format!("{FLAG} must be true or absent, not false"))),
    }
}

fn read_name(raw: Option<Raw<'_>>) -> Result<Option<QueueName>, Fault> {
    let Some(name) = ROOT.text("queue_name", raw)? else { return Ok(None) };
    name.parse().map(Some).map_err(|error| Fault::of(error, NotFound::Control))
}

fn read_jurisdiction(raw: Option<Raw<'_>>) -> Result<Option<Jurisdiction>, Fault> {
    let Some(text) = ROOT.text("jurisdiction", raw)? else { return Ok(None) };
    let known = Jurisdiction::from_name(&text).ok_or_else(|| {
        let why = format!("jurisdiction must be \"eu\", \"us\" or \"fedramp\", not {:?}", shorten(&text));
        ROOT.refuse("jurisdiction", why)
    })?;
    Ok(Some(known))
}

/// The settings that are given; all else is `None`.
fn read_settings(raw: Option<Raw<'_>>) -> Result<QueueChange, Fault> {
    let given: Settings<'_> = Reader::new(Kind::QueueSettings, Within::Root).object("settings", raw)?;
    let reader = Reader::new(Kind::QueueSettings, Within::Object("settings"));
    let delay = reader.narrow("delivery_delay", given.delivery_delay, Limits::DELAY_SECONDS)?;
    let retention = reader.narrow(
        "message_retention_period",
        given.message_retention_period,
        Limits::RETENTION_SECONDS,
    )?;
    Ok(QueueChange {
        name: None,
        delivery_delay: delay.map(Seconds),
        delivery_paused: reader.flag("delivery_paused", given.delivery_paused)?,
        message_retention_period: retention.map(Seconds),
    })
}

/// A queue as it is shown (spec §2.1): every field always, but for a jurisdiction that is not set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct QueueView {
    /// The id: 32 hexadecimal digits.
    pub queue_id: String,
    /// The name.
    pub queue_name: String,
    /// When it was created, in RFC 3339.
    pub created_on: String,
    /// When its name, settings or consumer last changed, in RFC 3339.
    pub modified_on: String,
    /// Where its data must stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<String>,
    /// Its settings.
    pub settings: SettingsView,
    /// Nothing here knows who produces; always empty, since clients need the list.
    pub producers: [String; 0],
    /// The length of `producers`.
    pub producers_total_count: u32,
    /// Its consumer, if it has one.
    pub consumers: Vec<ConsumerView>,
    /// The length of `consumers`.
    pub consumers_total_count: usize,
}

/// A queue's settings as they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct SettingsView {
    /// How long new messages are held back, in seconds.
    pub delivery_delay: u32,
    /// Whether nothing is delivered.
    pub delivery_paused: bool,
    /// How long a message may stay, in seconds.
    pub message_retention_period: u32,
}

impl QueueView {
    /// Shows a queue.
    pub fn of(queue: &Queue) -> Self {
        let consumers: Vec<_> =
            queue.consumer.iter().map(|consumer| ConsumerView::of(queue, consumer)).collect();
        Self {
            queue_id: queue.id.to_string(),
            queue_name: queue.name.to_string(),
            created_on: rfc3339(queue.created_on),
            modified_on: rfc3339(queue.modified_on),
            jurisdiction: queue.jurisdiction.map(|jurisdiction| jurisdiction.name().to_owned()),
            settings: SettingsView {
                delivery_delay: queue.settings.delivery_delay.0,
                delivery_paused: queue.settings.delivery_paused,
                message_retention_period: queue.settings.message_retention_period.0,
            },
            producers: [],
            producers_total_count: 0,
            consumers_total_count: consumers.len(),
            consumers,
        }
    }
}

/// A queue that has just been purged: the queue, as SDKs expect, and beside it what wrangler does (spec §10 C11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct PurgedView {
    /// The queue.
    #[serde(flatten)]
    pub queue: QueueView,
    /// When the purge began, in RFC 3339.
    pub started_at: String,
    /// Whether it is over; always, since a purge is one step.
    pub complete: bool,
}

/// A queue's last purge (spec §2.8, §10 C12); all fields are absent when there was none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct PurgeView {
    /// When it began, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it was over, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<String>,
    /// Whether it is over; always, since a purge is one step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
}

/// A queue's backlog (spec §2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct MetricsView {
    /// The bytes of its unacknowledged messages, each with its overhead.
    pub backlog_bytes: u64,
    /// How many they are.
    pub backlog_count: u64,
    /// When the oldest of them was published, in milliseconds since 1970; 0 when there is none.
    pub oldest_message_timestamp_ms: u64,
}

impl PurgedView {
    /// Shows a queue and its purge.
    pub fn of(queue: &Queue) -> Self {
        let started_at = queue.purge.map(|purge| rfc3339(purge.started_at)).unwrap_or_default();
        Self { queue: QueueView::of(queue), started_at, complete: true }
    }
}

impl PurgeView {
    /// Shows a purge, which ended as it began.
    pub fn of(purge: Option<Purge>) -> Self {
        let Some(moment) = purge.map(|purge| rfc3339(purge.started_at)) else { return Self::default() };
        Self { started_at: Some(moment.clone()), completed: Some(moment), complete: Some(true) }
    }
}

impl MetricsView {
    /// Shows a backlog.
    pub fn of(backlog: &Backlog) -> Self {
        Self {
            backlog_bytes: backlog.bytes,
            backlog_count: backlog.count,
            oldest_message_timestamp_ms: backlog.oldest.unwrap_or_default().0,
        }
    }
}
