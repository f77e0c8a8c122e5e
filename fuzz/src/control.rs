//! The bodies of the control plane: queues, purges, consumers, event subscriptions.

use kew_model::{ConsumerKind, Limits, QueueChange, QueueName, Seconds};
use kew_wire::Kind::{
    BodyInvalid, ConsumerSettings, DestinationNotFound, EventsUnknown, QueueNameInvalid, QueueSettings,
};
use kew_wire::consumers::read_new_consumer;
use kew_wire::queues::{AskedChange, read_change, read_new_queue, read_purge, read_replacement};
use kew_wire::subscriptions::{read_new_subscription, read_subscription_change};

use crate::request::{self, Door};

const QUEUE: Door = Door { kinds: &[BodyInvalid, QueueNameInvalid, QueueSettings], may_be_blank: false };
const PURGE: Door = Door { kinds: &[BodyInvalid], may_be_blank: true };
const CONSUMER: Door =
    Door { kinds: &[BodyInvalid, QueueNameInvalid, ConsumerSettings], may_be_blank: false };
const SUBSCRIPTION: Door =
    Door { kinds: &[BodyInvalid, DestinationNotFound, EventsUnknown], may_be_blank: false };
/// Sources of the subscriptions that are changed: two that are known, and one that no version knows.
const SOURCES: [&str; 3] = ["r2", "images", "gone"];
/// The longest free text, in bytes.
const TEXT_BYTES_MAX: usize = 255;
/// The most events of a subscription.
const EVENTS_MAX: usize = 100;

/// A queue to create: its name as it was sent, its settings in their ranges.
///
/// # Panics
/// When a property is broken.
pub fn new_queue(input: &[u8]) {
    let Some((new, text)) = QUEUE.judge(input, read_new_queue(input)) else { return };
    check_name(&new.name, text, "/queue_name");
    assert!(new.id.is_none(), "a client cannot choose an id");
    check_settings(Some(new.settings.delivery_delay), Some(new.settings.message_retention_period));
}

/// A change to a queue: only what was sent changes.
///
/// # Panics
/// When a property is broken.
pub fn change(input: &[u8]) {
    let Some((asked, text)) = QUEUE.judge(input, read_change(input)) else { return };
    check_change(&asked, text);
    let change = asked.change;
    for (field, is_changed) in [
        ("/queue_name", change.name.is_some()),
        ("/settings/delivery_delay", change.delivery_delay.is_some()),
        ("/settings/delivery_paused", change.delivery_paused.is_some()),
        ("/settings/message_retention_period", change.message_retention_period.is_some()),
    ] {
        assert_eq!(is_changed, request::given(text, field).is_some(), "{field}");
    }
}

/// A replacement of a queue: every setting has a value, and the same that a change of the same text has.
///
/// # Panics
/// When a property is broken.
pub fn replacement(input: &[u8]) {
    let read = QUEUE.judge(input, read_replacement(input));
    assert_eq!(read.is_some(), read_change(input).is_ok(), "changes and replacements are read alike");
    let Some((asked, text)) = read else { return };
    check_change(&asked, text);
    let QueueChange { delivery_delay, delivery_paused, message_retention_period, .. } = asked.change;
    assert!(delivery_delay.is_some() && delivery_paused.is_some() && message_retention_period.is_some());
}

fn check_change(asked: &AskedChange, text: &str) {
    if let Some(name) = &asked.change.name {
        check_name(name, text, "/queue_name");
    }
    check_settings(asked.change.delivery_delay, asked.change.message_retention_period);
    let own = asked.jurisdiction;
    assert!(asked.check_jurisdiction(own).is_ok(), "a queue keeps its jurisdiction");
    assert_eq!(asked.check_jurisdiction(None).is_err(), own.is_some());
}

fn check_name(name: &QueueName, text: &str, pointer: &str) {
    let name = name.as_str();
    assert_eq!(request::string(text, pointer).as_deref(), Some(name));
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    assert!((1..=Limits::QUEUE_NAME_MAX).contains(&name.len()));
    assert!(name.bytes().all(|byte| is_plain(byte) || byte == b'-'));
    assert!(!name.starts_with('-') && !name.ends_with('-'));
}

fn check_settings(delay: Option<Seconds>, retention: Option<Seconds>) {
    assert!(delay.is_none_or(|Seconds(delay)| Limits::DELAY_SECONDS.contains(&u64::from(delay))));
    assert!(retention.is_none_or(|Seconds(period)| Limits::RETENTION_SECONDS.contains(&u64::from(period))));
}

/// The confirmation of a purge: nothing that says no is taken for one.
///
/// # Panics
/// When a property is broken.
pub fn purge(input: &[u8]) {
    let Some(((), text)) = PURGE.judge(input, read_purge(input)) else { return };
    let said = request::given(text, "/delete_messages_permanently");
    assert!(said.is_none_or(|said| said == "true"), "{said:?} was taken for a confirmation");
}

/// A consumer to attach: of one of the two types, its settings in their ranges.
///
/// # Panics
/// When a property is broken.
pub fn new_consumer(input: &[u8]) {
    let Some((new, text)) = CONSUMER.judge(input, read_new_consumer(input)) else { return };
    if let Some(name) = &new.dead_letter_queue {
        check_name(name, text, "/dead_letter_queue");
    }
    let batch_size = match &new.kind {
        ConsumerKind::HttpPull(settings) => {
            assert!(Limits::VISIBILITY_TIMEOUT_MS.contains(&settings.visibility_timeout.0));
            settings.batch_size
        }
        ConsumerKind::Worker(settings) => {
            assert!((1..=TEXT_BYTES_MAX).contains(&settings.script_name.len()));
            assert!(settings.environment_name.len() <= TEXT_BYTES_MAX);
            assert!(Limits::WORKER_WAIT_MS.contains(&settings.max_wait.0));
            let concurrency = settings.max_concurrency;
            assert!(concurrency.is_none_or(|max| Limits::WORKER_CONCURRENCY.contains(&u64::from(max))));
            settings.batch_size
        }
    };
    assert!(Limits::CONSUMER_BATCH.contains(&u64::from(batch_size)));
    assert!(Limits::RETRIES.contains(&u64::from(new.kind.max_retries())));
    assert!(Limits::DELAY_SECONDS.contains(&u64::from(new.kind.retry_delay().0)));
}

/// A subscription to create: bounded texts, and a selector in the order of its names.
///
/// # Panics
/// When a property is broken.
pub fn new_subscription(input: &[u8]) {
    let Some((new, text)) = SUBSCRIPTION.judge(input, read_new_subscription(input)) else { return };
    check_subscription(Some(&new.name), Some(&new.events), text);
    assert!(new.source.selector.is_sorted());
    for (name, value) in &new.source.selector {
        assert!((1..=TEXT_BYTES_MAX).contains(&value.len()), "{name}");
        assert_eq!(request::string(text, &format!("/source/{name}")).as_ref(), Some(value));
    }
}

/// A change to a subscription.
///
/// # Panics
/// When a property is broken.
pub fn subscription_change(input: &[u8]) {
    for source in SOURCES {
        let read = read_subscription_change(input, source);
        let Some((change, text)) = SUBSCRIPTION.judge(input, read) else { continue };
        check_subscription(change.name.as_deref(), change.events.as_deref(), text);
        assert_eq!(change.enabled.is_some(), request::given(text, "/enabled").is_some());
    }
}

fn check_subscription(name: Option<&str>, events: Option<&[String]>, text: &str) {
    if let Some(name) = name {
        assert!((1..=TEXT_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control));
    }
    if let Some(events) = events {
        assert!((1..=EVENTS_MAX).contains(&events.len()));
        assert_eq!(request::items_at(text, "/events").len(), events.len());
    }
}
