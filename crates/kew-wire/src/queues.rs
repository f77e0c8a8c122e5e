//! Queues: what creates one, and how one is shown (spec §2.1–§2.4).

use kew_model::{Jurisdiction, Limits, NewQueue, Queue, QueueName, QueueSettings, Seconds};
use serde::{Deserialize, Serialize};

use crate::catalogue::Kind;
use crate::consumers::ConsumerView;
use crate::fault::{Fault, NotFound};
use crate::fields::{Raw, Reader, Refusal, Within, fields, shorten};
use crate::text::rfc3339;

fields! {
    /// What a new queue may say.
    struct Request { queue_name: Raw<'a>, jurisdiction: Raw<'a>, settings: Raw<'a> }
}

fields! {
    /// A queue's settings; what is absent keeps its default here, and its value in a change.
    struct Settings { delivery_delay: Raw<'a>, delivery_paused: Raw<'a>, message_retention_period: Raw<'a> }
}

/// Reads a queue to create.
///
/// # Errors
/// 10026 for an unreadable body, 11003 for a name that breaks the rule, 100128 for settings.
pub fn read_new_queue(body: &[u8]) -> Result<NewQueue, Fault> {
    let request: Request<'_> = Refusal::OTHER.read(body)?;
    let reader = Reader::new(Kind::BodyInvalid, Within::Root);
    let name = reader
        .text("queue_name", request.queue_name)?
        .ok_or_else(|| reader.refuse("queue_name", "queue_name is required"))?;
    let name: QueueName = name.parse().map_err(|error| Fault::of(error, NotFound::Control))?;
    let jurisdiction = match reader.text("jurisdiction", request.jurisdiction)? {
        None => None,
        Some(text) => Some(Jurisdiction::from_name(&text).ok_or_else(|| {
            let why = format!("jurisdiction must be \"eu\", \"us\" or \"fedramp\", not {:?}", shorten(&text));
            reader.refuse("jurisdiction", why)
        })?),
    };
    let settings = read_settings(request.settings)?;
    Ok(NewQueue { name, id: None, jurisdiction, settings })
}

fn read_settings(raw: Option<Raw<'_>>) -> Result<QueueSettings, Fault> {
    let given: Settings<'_> = Reader::new(Kind::QueueSettings, Within::Root).object("settings", raw)?;
    let reader = Reader::new(Kind::QueueSettings, Within::Object("settings"));
    let defaults = QueueSettings::default();
    let delay = reader.narrow("delivery_delay", given.delivery_delay, Limits::DELAY_SECONDS)?;
    let retention = reader.narrow(
        "message_retention_period",
        given.message_retention_period,
        Limits::RETENTION_SECONDS,
    )?;
    Ok(QueueSettings {
        delivery_delay: delay.map_or(defaults.delivery_delay, Seconds),
        delivery_paused: reader
            .flag("delivery_paused", given.delivery_paused)?
            .unwrap_or(defaults.delivery_paused),
        message_retention_period: retention.map_or(defaults.message_retention_period, Seconds),
    })
}

/// A queue as it is shown (spec §2.1): every field always, but for a jurisdiction that is not set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
