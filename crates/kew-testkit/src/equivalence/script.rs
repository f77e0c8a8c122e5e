//! What a script is made of. Queues are named by slot and leases by when they were got, so that a script means
//! something on every broker and still does when parts of it are taken out.

use core::fmt;

use kew_model::ContentType;

/// How many queues a script speaks of. The last is there only once something has created it.
pub(super) const SLOTS: usize = 4;

/// A queue of the script.
pub(super) type Slot = usize;

/// A run of verbs, and what the first three queues start with.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) queues: Vec<Opening>,
    pub(super) steps: Vec<Step>,
}

/// How a queue starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening {
    pub(super) retention_seconds: u32,
    pub(super) consumer: Option<Consuming>,
}

/// A consumer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Consuming {
    /// Whether it pulls; a Worker otherwise.
    pub(super) pulls: bool,
    pub(super) batch_size: u16,
    pub(super) max_retries: u16,
    pub(super) retry_delay_seconds: u32,
    pub(super) visibility_timeout_ms: u64,
    pub(super) dead_letters: Option<Slot>,
}

/// A message to push.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) length: usize,
    pub(super) content_type: ContentType,
    pub(super) delay_seconds: Option<u32>,
}

/// An idempotency key and a content, each by its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) key: u8,
    pub(super) content: u8,
}

/// A lease got earlier.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pick {
    /// So many back among those of this slot; the newest is 0.
    Recent(usize),
    /// So many back among those of this slot whose message has been delivered again since.
    Stale(usize),
    /// Any, of whichever queue.
    Any(usize),
}

/// For which of the two brokers a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    First,
    Second,
    Both,
}

/// One step.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// So many messages, taking turns among the pieces.
    Push {
        slot: Slot,
        count: usize,
        pieces: Vec<Piece>,
        request: Option<Request>,
    },
    Pull {
        slot: Slot,
        batch_size: Option<u16>,
        visibility_timeout_ms: Option<u64>,
    },
    Settle {
        slot: Slot,
        acks: Vec<Pick>,
        retries: Vec<(Pick, Option<u32>)>,
    },
    Extend {
        slot: Slot,
        leases: Vec<Pick>,
        visibility_timeout_ms: Option<u64>,
    },
    /// By the sequences of these leases, and one that never was.
    Discard {
        slot: Slot,
        leases: Vec<Pick>,
    },
    Peek {
        slot: Slot,
        batch_size: Option<u16>,
    },
    /// Those of the slot's last peek that showed any, by their places in it.
    DiscardPeeked {
        slot: Slot,
        places: Vec<usize>,
    },
    /// To the origins, or to a slot's queue; be it the same.
    Redrive {
        slot: Slot,
        to: Option<Slot>,
        batch_size: u16,
    },
    Purge {
        slot: Slot,
    },
    Backlog {
        slot: Slot,
    },
    Pause {
        slot: Slot,
        paused: bool,
    },
    SetDelay {
        slot: Slot,
        seconds: u32,
    },
    SetRetention {
        slot: Slot,
        seconds: u32,
    },
    /// To the slot's other name.
    Rename {
        slot: Slot,
    },
    Attach {
        slot: Slot,
        consumer: Consuming,
    },
    /// By the id of the consumer that is there, or by one of nobody's.
    Replace {
        slot: Slot,
        same_id: bool,
        consumer: Consuming,
    },
    Detach {
        slot: Slot,
    },
    Delete {
        slot: Slot,
    },
    /// Creates the slot's queue; if its name is taken, takes that queue over.
    Create {
        slot: Slot,
    },
    CreateToken {
        number: u8,
    },
    RevokeToken {
        number: u8,
    },
    /// To one of a few resources.
    Subscribe {
        resource: u8,
        to: Slot,
    },
    /// The subscription at this place in the list, or one that never was.
    Resubscribe {
        place: usize,
        to: Option<Slot>,
        enabled: Option<bool>,
    },
    /// As [`Step::Resubscribe`].
    Unsubscribe {
        place: usize,
    },
    Advance {
        milliseconds: u64,
    },
    /// Must mean nothing, so also nothing if only one does it.
    Housekeep {
        whose: Whose,
    },
    /// Must mean nothing, either.
    Restart {
        whose: Whose,
    },
    Catalog,
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (slot, queue) in self.queues.iter().enumerate() {
            writeln!(f, "  slot {slot}: {queue:?}")?;
        }
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {index:3}: {step:?}")?;
        }
        Ok(())
    }
}
