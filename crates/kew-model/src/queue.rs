//! Queues and their settings.

use core::fmt;
use core::str::FromStr;

use crate::consumer::Consumer;
use crate::error::Error;
use crate::id::{AccountId, QueueId};
use crate::lease::QueueNumber;
use crate::limits::Limits;
use crate::time::{Seconds, Timestamp};

/// A queue as the catalog holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its number inside the store.
    pub number: QueueNumber,
    /// Its id, stable over renames.
    pub id: QueueId,
    /// The account that owns it.
    pub account: AccountId,
    /// Its name, unique in the account.
    pub name: QueueName,
    /// When it was created.
    pub created_on: Timestamp,
    /// When its name, settings or consumer last changed.
    pub modified_on: Timestamp,
    /// Where its data must stay; fixed at creation.
    pub jurisdiction: Option<Jurisdiction>,
    /// How it keeps and delivers messages.
    pub settings: QueueSettings,
    /// Its consumer; at most one (spec §10 C16).
    pub consumer: Option<Consumer>,
    /// Its last purge, if there was one.
    pub purge: Option<Purge>,
}

/// How a queue keeps and delivers messages (spec §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSettings {
    /// How long new messages are held back when they do not say, 0–86,400 s.
    pub delivery_delay: Seconds,
    /// Whether nothing is delivered; sending goes on.
    pub delivery_paused: bool,
    /// How long a message may stay, 60–1,209,600 s.
    pub message_retention_period: Seconds,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            delivery_delay: Seconds(0),
            delivery_paused: false,
            message_retention_period: Seconds(Limits::RETENTION_SECONDS_DEFAULT),
        }
    }
}

/// A queue to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewQueue {
    /// Its name.
    pub name: QueueName,
    /// Its id, when it must be a certain one (`kew dev --queue NAME=ID`); otherwise the broker draws it.
    pub id: Option<QueueId>,
    /// Where its data must stay.
    pub jurisdiction: Option<Jurisdiction>,
    /// Its settings.
    pub settings: QueueSettings,
}

/// A change to a queue; what is `None` stays as it is (spec §2.6). A replacement (spec §2.5) names every setting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueChange {
    /// A new name.
    pub name: Option<QueueName>,
    /// A new default delay.
    pub delivery_delay: Option<Seconds>,
    /// Pause or resume.
    pub delivery_paused: Option<bool>,
    /// A new retention period; acts on stored messages, too.
    pub message_retention_period: Option<Seconds>,
}

/// When everything in a queue was last deleted (spec §2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purge {
    /// When it began and, since a purge is one step, ended.
    pub started_at: Timestamp,
}

/// Where a queue's data must stay: kept and shown, of no effect on one's own machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jurisdiction {
    /// The European Union.
    Eu,
    /// The United States.
    Us,
    /// FedRAMP.
    Fedramp,
}

impl Jurisdiction {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eu => "eu",
            Self::Us => "us",
            Self::Fedramp => "fedramp",
        }
    }

    /// Reads the name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Eu, Self::Us, Self::Fedramp].into_iter().find(|jurisdiction| jurisdiction.name() == name)
    }
}

/// A queue's name: 1–63 lower-case letters, digits and inner hyphens (spec §2.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(Box<str>);

impl QueueName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for QueueName {
    type Err = Error;

    /// # Errors
    /// [`Error::NameInvalid`] when the text breaks the rule.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = text.as_bytes();
        let letters_fit = bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let length_fits = (1..=Limits::QUEUE_NAME_MAX).contains(&bytes.len());
        if length_fits && letters_fit && !text.starts_with('-') && !text.ends_with('-') {
            Ok(Self(text.into()))
        } else {
            Err(Error::NameInvalid { name: text.chars().take(100).collect() })
        }
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_error_11003() {
        let longest = "a".repeat(63);
        for good in ["a", "0", "a-b", "jobs-2", longest.as_str()] {
            assert_eq!(good.parse::<QueueName>().unwrap().as_str(), good);
        }
        let too_long = "a".repeat(64);
        for bad in ["", "A", "-a", "a-", "a_b", "a.b", "ä", "a b", too_long.as_str()] {
            assert!(bad.parse::<QueueName>().is_err(), "{bad:?}");
        }
    }
}
