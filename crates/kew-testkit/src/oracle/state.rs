//! What the oracle remembers: accounts, tokens, event subscriptions, and queues with their messages, each in the order
//! of creation.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kew_model::{
    Account, AccountId, AckOutcome, Backlog, ContentType, Error, Idempotency, Limits, MessageId, Place,
    Queue, QueueNumber, Sequence, Subscription, Timestamp, Token,
};

/// Everything.
#[derive(Default)]
pub(super) struct State {
    pub(super) accounts: Vec<Arc<Account>>,
    pub(super) tokens: Vec<Arc<Token>>,
    pub(super) subscriptions: Vec<Arc<Subscription>>,
    pub(super) queues: Vec<Held>,
    /// Whether something may have become available to pullers since this was last looked at.
    pub(super) news: bool,
    last_queue_number: u32,
    last_fence: u64,
}

/// A queue and its messages.
pub(super) struct Held {
    pub(super) queue: Queue,
    pub(super) messages: BTreeMap<Sequence, Message>,
    /// Who left unacknowledged by itself, and what an ack that comes too late is answered with.
    pub(super) departed: BTreeMap<Sequence, AckOutcome>,
    pub(super) last_sequence: Sequence,
    /// The requests that were carried out under an idempotency key, and when; the oldest first.
    pub(super) requests: Vec<(Timestamp, Idempotency)>,
}

/// A message that is not gone.
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) body: Bytes,
    pub(super) content_type: ContentType,
    pub(super) sent_at: Timestamp,
    /// When it arrived in this queue: its retention counts from here.
    pub(super) enqueued_at: Timestamp,
    /// The queue that it was dead-lettered from, if that is how it came here.
    pub(super) origin: Option<QueueNumber>,
    /// From when on it may be delivered; of no meaning while it is leased.
    pub(super) available_at: Timestamp,
    pub(super) attempts: u16,
    /// The fence of the newest delivery in this queue.
    pub(super) fence: Option<u64>,
    /// When the newest delivery's lease ends; `None` while nobody holds one.
    pub(super) leased_until: Option<Timestamp>,
}

impl State {
    pub(super) fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.accounts.iter().find(|account| account.id == id).cloned()
    }

    pub(super) fn held(&self, place: Place) -> Result<&Held, Error> {
        self.queues.iter().find(|held| held.is_at(place)).ok_or(Error::QueueNotFound)
    }

    pub(super) fn held_mut(&mut self, place: Place) -> Result<&mut Held, Error> {
        self.queues.iter_mut().find(|held| held.is_at(place)).ok_or(Error::QueueNotFound)
    }

    pub(super) fn named(&self, account: AccountId, name: &str) -> Option<&Held> {
        self.queues.iter().find(|held| held.queue.account == account && held.queue.name.as_str() == name)
    }

    pub(super) fn next_queue_number(&mut self) -> QueueNumber {
        self.last_queue_number += 1;
        QueueNumber(self.last_queue_number)
    }

    pub(super) fn next_fence(&mut self) -> u64 {
        self.last_fence += 1;
        self.last_fence
    }
}

impl Held {
    pub(super) fn new(queue: Queue) -> Self {
        Self {
            queue,
            messages: BTreeMap::new(),
            departed: BTreeMap::new(),
            last_sequence: Sequence(0),
            requests: Vec::new(),
        }
    }

    pub(super) fn is_at(&self, place: Place) -> bool {
        self.queue.account == place.account && self.queue.id == place.queue
    }

    pub(super) fn place(&self) -> Place {
        Place { account: self.queue.account, queue: self.queue.id }
    }

    /// Puts a message at the end of the sequence.
    pub(super) fn append(&mut self, message: Message) {
        self.last_sequence.0 += 1;
        self.messages.insert(self.last_sequence, message);
    }

    /// When the retention of one of its messages ends, by the setting of now.
    pub(super) fn expires_at(&self, message: &Message) -> Timestamp {
        message.enqueued_at.after(self.queue.settings.message_retention_period)
    }

    pub(super) fn backlog(&self) -> Backlog {
        Backlog {
            count: self.messages.len() as u64,
            bytes: self.messages.values().map(Message::accounted_bytes).sum(),
            oldest: self.messages.values().next().map(|message| message.sent_at),
        }
    }
}

impl Message {
    pub(super) fn is_ready(&self, now: Timestamp) -> bool {
        self.leased_until.is_none() && self.available_at <= now
    }

    pub(super) fn accounted_bytes(&self) -> u64 {
        self.body.len() as u64 + u64::from(Limits::MESSAGE_OVERHEAD_BYTES)
    }

    pub(super) fn is_leased_under(&self, fence: u64) -> bool {
        self.leased_until.is_some() && self.fence == Some(fence)
    }
}
