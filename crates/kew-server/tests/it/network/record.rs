//! What clients did and saw, until it is judged.
//!
//! A push that was sent again without an idempotency key may be stored as often as it was sent. Its copies have the same
//! body, and ids of their own. For the judge each is a message: the first id that shows is that of the push itself, and the
//! others are pushes of which nobody learned anything.

use std::collections::HashMap;
use std::time::Duration;

use kew_testkit::history::{Delivered, History, Learned, QueueRules, Span};

/// A message as a client got it.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) lease: String,
    pub(super) attempts: u16,
}

/// One step of a client.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// `copies`: how often the server may have got it whole.
    Push {
        key: String,
        span: Span,
        learned: Learned,
        delay: Duration,
        copies: u32,
    },
    Pull {
        queue: &'static str,
        span: Span,
        visibility: Duration,
        messages: Vec<Message>,
    },
    LostPull {
        queue: &'static str,
        invoked: Duration,
    },
    Ack {
        lease: String,
        span: Span,
        learned: Learned,
    },
    Retry {
        lease: String,
        span: Span,
        learned: Learned,
        delay: Duration,
    },
    Extend {
        lease: String,
        span: Span,
        learned: Learned,
        visibility: Duration,
    },
    Purge {
        span: Span,
        learned: Learned,
    },
}

/// The queue that clients push to, and its dead letters'.
pub(super) const JOBS: &str = "jobs";
pub(super) const DEAD: &str = "dead";
pub(super) const MAX_RETRIES: u16 = 3;
/// More often than any run delivers a message.
pub(super) const MAX_RETRIES_DEAD: u16 = 100;

#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) events: Vec<Event>,
    /// What no judge of histories looks at.
    pub(super) wrong: Vec<String>,
}

impl Record {
    /// Everything that breaks a rule, and how many deliveries there were.
    pub(super) fn judge(&self) -> (Vec<String>, u64) {
        let mut history = History::new();
        let rules = |max_retries, dead: Option<&str>| QueueRules {
            max_retries,
            dead_letter_queue: dead.map(str::to_owned),
        };
        history.describe_queue(JOBS, rules(MAX_RETRIES, Some(DEAD)));
        history.describe_queue(DEAD, rules(MAX_RETRIES_DEAD, None));
        let names = self.names();
        for event in &self.events {
            match event.clone() {
                Event::Push { key, mut span, learned, delay, copies } => {
                    if copies > 1 {
                        // That which shows first may be the one that came last.
                        span.answered = Duration::MAX;
                    }
                    history.push(JOBS, &key, span, learned, delay);
                    for copy in 1..copies {
                        history.push(JOBS, &copy_of(&key, copy), span, Learned::Unknown, delay);
                    }
                }
                Event::Pull { queue, span, visibility, messages } => {
                    let named = messages.into_iter().map(|message| {
                        let Message { key, id, lease, attempts } = message;
                        Delivered { key: names[&(key, id)].clone(), lease, attempts }
                    });
                    history.pull(queue, span, visibility, named.collect());
                }
                Event::LostPull { queue, invoked } => history.lost_pull(queue, invoked),
                Event::Ack { lease, span, learned } => history.ack(&lease, span, learned),
                Event::Retry { lease, span, learned, delay } => history.retry(&lease, span, learned, delay),
                Event::Extend { lease, span, learned, visibility } => {
                    history.extend(&lease, span, learned, visibility);
                }
                Event::Purge { span, learned } => history.purge(JOBS, span, learned),
            }
        }
        let broken = history.check().into_iter().map(|violation| violation.to_string());
        (self.wrong.iter().cloned().chain(broken).collect(), history.deliveries() as u64)
    }

    /// What the judge calls the message with this body and this id.
    fn names(&self) -> HashMap<(String, String), String> {
        let (mut names, mut copies) = (HashMap::new(), HashMap::<String, u32>::new());
        for event in &self.events {
            let Event::Pull { messages, .. } = event else { continue };
            for Message { key, id, .. } in messages {
                names.entry((key.clone(), id.clone())).or_insert_with(|| {
                    let seen = copies.entry(key.clone()).or_default();
                    *seen += 1;
                    if *seen == 1 { key.clone() } else { copy_of(key, *seen - 1) }
                });
            }
        }
        names
    }
}

fn copy_of(key: &str, copy: u32) -> String {
    format!("{key} copy {copy}")
}
