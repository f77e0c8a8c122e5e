//! What a shard can be asked, and what it answers.
//!
//! A reply holds no message bodies: it says where they are, and whoever asked reads them, outside the writer.

use std::sync::Arc;

use bytes::Bytes;
use kew_journal::SegmentId;
use kew_model::{
    Account, AccountId, Backlog, Consumer, ConsumerId, Extend, Extended, NewConsumer, NewQueue,
    NewSubscription, NewToken, Peek, Place, Pull, PushBatch, Queue, QueueChange, QueueNumber, Redrive,
    Redriven, Sequence, Settled, Settlement, Subscription, SubscriptionChange, SubscriptionId, Timestamp,
    Token, TokenId,
};

use crate::decide::redrive::Origins;
use crate::drain::Fence;
use crate::fetch::{Fetched, Locator, Slice, Wish};
use crate::pins::Pins;
use crate::reply::ReplyTo;

/// A verb of [`kew_model::Broker`] with its arguments.
#[derive(Debug)]
pub(crate) enum Verb {
    CreateAccount { id: Option<AccountId>, name: String },
    CreateToken { account: AccountId, token: NewToken },
    RevokeToken { account: AccountId, token: TokenId },
    CreateQueue { account: AccountId, queue: NewQueue },
    UpdateQueue { place: Place, change: QueueChange },
    DeleteQueue { place: Place },
    CreateConsumer { place: Place, consumer: NewConsumer },
    ReplaceConsumer { place: Place, id: ConsumerId, consumer: NewConsumer },
    DeleteConsumer { place: Place, id: ConsumerId },
    Push { place: Place, batch: PushBatch },
    Pull { place: Place, pull: Pull },
    Settle { place: Place, settlement: Settlement },
    Extend { place: Place, extend: Extend },
    Peek { place: Place, peek: Peek },
    Redrive { place: Place, redrive: Redrive },
    CreateSubscription { account: AccountId, subscription: NewSubscription },
    UpdateSubscription { account: AccountId, id: SubscriptionId, change: SubscriptionChange },
    DeleteSubscription { account: AccountId, id: SubscriptionId },
    Discard { place: Place, messages: Vec<Sequence> },
    Purge { place: Place },
    Backlog { place: Place },
    Housekeep,
}

impl Verb {
    /// Whether the verb reads or changes queues beyond the one that it names.
    pub(crate) fn concerns_queues(&self) -> bool {
        !matches!(
            self,
            Self::CreateAccount { .. }
                | Self::CreateToken { .. }
                | Self::RevokeToken { .. }
                | Self::Push { .. }
                | Self::Pull { .. }
                | Self::Settle { .. }
                | Self::Extend { .. }
                | Self::Peek { .. }
                | Self::Discard { .. }
                | Self::Purge { .. }
                | Self::Backlog { .. }
        )
    }

    /// The queue whose available messages the verb goes through in their order.
    pub(crate) fn takes_from(&self) -> Option<Place> {
        match self {
            Self::Pull { place, .. } | Self::Peek { place, .. } | Self::Redrive { place, .. } => Some(*place),
            _ => None,
        }
    }

    /// The queue that the verb is about.
    pub(crate) fn place(&self) -> Option<Place> {
        match self {
            Self::CreateAccount { .. }
            | Self::CreateToken { .. }
            | Self::RevokeToken { .. }
            | Self::CreateQueue { .. }
            | Self::CreateSubscription { .. }
            | Self::UpdateSubscription { .. }
            | Self::DeleteSubscription { .. }
            | Self::Housekeep => None,
            Self::UpdateQueue { place, .. }
            | Self::DeleteQueue { place }
            | Self::CreateConsumer { place, .. }
            | Self::ReplaceConsumer { place, .. }
            | Self::DeleteConsumer { place, .. }
            | Self::Push { place, .. }
            | Self::Pull { place, .. }
            | Self::Settle { place, .. }
            | Self::Extend { place, .. }
            | Self::Peek { place, .. }
            | Self::Redrive { place, .. }
            | Self::Discard { place, .. }
            | Self::Purge { place }
            | Self::Backlog { place } => Some(*place),
        }
    }
}

/// A verb and whom to answer.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) verb: Verb,
    pub(crate) reply_to: ReplyTo,
    /// What was read for it.
    pub(crate) wish: Wish,
    /// What is known of the frames that were read for it, when it is a redrive.
    pub(crate) origins: Option<Box<Origins>>,
    /// What it waits for, when that is the end of a drain.
    pub(crate) fence: Option<Box<Fence>>,
}

impl Command {
    pub(crate) fn new(verb: Verb, reply_to: ReplyTo) -> Self {
        Self { verb, reply_to, wish: Wish::default(), origins: None, fence: None }
    }

    /// The queue in which nothing fails for the last time while it waits.
    pub(crate) fn holds(&self) -> Option<QueueNumber> {
        self.fence.as_ref()?.holds
    }

    /// Whether it is a pull whose asker has left: the leases would be nobody's.
    pub(crate) fn is_in_vain(&self) -> bool {
        matches!(self.verb, Verb::Pull { .. }) && self.reply_to.is_closed()
    }
}

/// An answer, given when all that it shows is durable.
#[derive(Debug)]
pub(crate) enum Reply {
    Done,
    Account(Arc<Account>),
    Token(Arc<Token>),
    Queue(Arc<Queue>),
    Consumer(Arc<Consumer>),
    Backlog(BacklogSeen, Pins),
    /// The backlog as it is, for a push that had been carried out before.
    Repeated(BacklogSeen, Pins),
    Subscription(Arc<Subscription>),
    Peeked(Picks),
    Redriven(Redriven),
    Pulled(BacklogSeen, Picks),
    Settled(Settled),
    Extended(Extended),
    Discarded(Vec<bool>),
}

/// A backlog whose oldest time may still have to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BacklogSeen {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
    pub(crate) oldest: OldestSeen,
}

impl BacklogSeen {
    /// The segment that it is to be read from.
    pub(crate) fn segment(&self) -> Option<SegmentId> {
        match self.oldest {
            OldestSeen::Unread(locator) => Some(locator.segment),
            OldestSeen::None | OldestSeen::At(_) => None,
        }
    }

    /// The backlog, unless something of it is still to be read.
    pub(crate) fn known(&self) -> Option<Backlog> {
        let oldest = match self.oldest {
            OldestSeen::None => None,
            OldestSeen::At(at) => Some(at),
            OldestSeen::Unread(_) => return None,
        };
        Some(Backlog { count: self.count, bytes: self.bytes, oldest })
    }

    /// For an answer that shows none.
    pub(crate) const NOT_ASKED: Self = Self { count: 0, bytes: 0, oldest: OldestSeen::None };
}

/// When the oldest message was published.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OldestSeen {
    None,
    At(Timestamp),
    Unread(Locator),
}

/// The messages of a pull, in order, and where their bytes are.
#[derive(Debug, Default)]
pub(crate) struct Picks {
    pub(crate) queue: Option<QueueNumber>,
    pub(crate) fence: u64,
    pub(crate) messages: Vec<Pick>,
    pub(crate) sources: Vec<Source>,
    /// The segments to be read from, which stay until then.
    pub(crate) pins: Pins,
}

impl Picks {
    /// About how many bytes of memory they take, bodies apart.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.messages.len() * size_of::<Pick>() + self.sources.len() * size_of::<Source>()
    }

    /// The segments of those that lie on disk.
    pub(crate) fn segments(&self) -> impl Iterator<Item = SegmentId> {
        self.sources.iter().filter_map(|source| match source {
            Source::Payload(..) => None,
            Source::Stored(locator) => Some(locator.segment),
        })
    }

    /// Whether some of the bytes must be read from the disk.
    pub(crate) fn need_reading(&self) -> bool {
        self.sources.iter().any(|source| matches!(source, Source::Stored(_)))
    }
}

/// One message of a pull.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pick {
    pub(crate) sequence: Sequence,
    pub(crate) attempts: u16,
    /// Which of the sources.
    pub(crate) source: u32,
}

/// Where a message's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// In memory: a frame's payload and where in it the record begins.
    Payload(Bytes, u32),
    /// On disk.
    Stored(Locator),
}

/// What comes to a shard.
#[derive(Debug)]
pub(crate) enum Input {
    Command(Command),
    Fetched(Fetched),
    /// A backlog's oldest message was read: when it was published.
    OldestRead(QueueNumber, Sequence, Timestamp),
    /// A part of a segment that is being cleaned.
    Sliced(SegmentId, Result<Slice, kew_journal::Error>),
    /// Messages of a queue were found damaged while an answer was read.
    Damaged(QueueNumber, kew_journal::Error),
}

impl Input {
    /// Whom to answer, if anybody waits for it.
    pub(crate) fn into_reply_to(self) -> Option<ReplyTo> {
        match self {
            Self::Command(command) => Some(command.reply_to),
            Self::Fetched(_) | Self::OldestRead(..) | Self::Sliced(..) | Self::Damaged(..) => None,
        }
    }
}
