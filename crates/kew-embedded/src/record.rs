//! Records: the decisions that the log holds.
//!
//! A frame is one request's worth of decisions and carries all of them or none. Its payload is a version, the time at
//! which it was decided, and the records one after another, each with its kind and length (`docs/format.md` §7).
//!
//! How to change a record: never change what a kind means. Add a kind (old binaries refuse it by name), or raise
//! [`VERSION`] and keep the old decoder beside the new one; add a fixture of the old version to the tests and a row to
//! `docs/format.md`.

pub(crate) mod batch;
pub(crate) mod codec;
pub(crate) mod objects;
pub(crate) mod ranges;
pub(crate) mod relocated;
pub(crate) mod run;

use kew_model::{
    Account, AccountId, Queue, QueueNumber, Sequence, Subscription, SubscriptionId, Timestamp, Token, TokenId,
};

use batch::Batch;
use codec::{Malformed, Reader, Write};
use ranges::Ranges;
use run::PickedRun;

/// The version of a frame's payload that this build writes.
pub(crate) const VERSION: u8 = 1;

/// The payload's head: version and time.
pub(crate) const HEAD_BYTES: usize = 9;

/// Each record's head: kind and length.
const RECORD_HEAD_BYTES: usize = 5;

/// One decision.
#[derive(Debug, Clone)]
pub(crate) enum Record<'a> {
    /// Messages were published.
    Pushed(Batch<'a>),
    /// Messages came from another queue.
    Moved(Batch<'a>),
    /// Messages were delivered under a lease whose number is the frame's.
    Leased { queue: QueueNumber, deadline: Timestamp, runs: Vec<PickedRun> },
    /// Delivered messages are done.
    Acked { queue: QueueNumber, messages: Ranges },
    /// Delivered messages were given back, by a retry or by the end of their lease.
    Returned { queue: QueueNumber, available_at: Timestamp, messages: Ranges },
    /// Delivered messages failed their last allowed attempt at this time and leave the queue next.
    Exhausted { queue: QueueNumber, at: Timestamp, messages: Ranges },
    /// Exhausted messages left the queue.
    Buried { queue: QueueNumber, messages: Ranges },
    /// Messages were deleted by name, wherever they were.
    Discarded { queue: QueueNumber, runs: Vec<PickedRun> },
    /// Leased messages' leases end at another time.
    Extended { queue: QueueNumber, deadline: Timestamp, messages: Ranges },
    /// Everything in the queue is gone: all that came before the sequence.
    Purged { queue: QueueNumber, before: Sequence },
    /// A queue is created or changed.
    QueuePut(Box<Queue>),
    /// A queue is gone with all in it.
    QueueDeleted(QueueNumber),
    /// An account is created or changed.
    AccountPut(Account),
    /// A token is created.
    TokenPut(Box<Token>),
    /// A token is gone.
    TokenRevoked { account: AccountId, token: TokenId },
    /// An event subscription is created or changed.
    SubscriptionPut(Box<Subscription>),
    /// An event subscription is gone.
    SubscriptionDeleted { account: AccountId, subscription: SubscriptionId },
    /// The retention of the messages before a sequence is over, or the age of the oldest message became known.
    Aged(Aged),
    /// Messages lie here now, and not any more where they were.
    Relocated(Batch<'a>),
}

/// What a look at a queue's oldest messages found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aged {
    pub(crate) queue: QueueNumber,
    /// All messages before this one are gone.
    pub(crate) before: Sequence,
    /// How many of those that go now were in line: never delivered and not held back.
    pub(crate) in_line: u64,
    /// What these counted for in the backlog, in bytes.
    pub(crate) bytes: u64,
    /// No message that is left came into the queue before this time.
    pub(crate) oldest: Timestamp,
}

/// The kinds of record that carry messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchKind {
    Pushed,
    Moved,
    Relocated,
}

impl BatchKind {
    fn code(self) -> u8 {
        match self {
            Self::Pushed => 1,
            Self::Moved => 2,
            Self::Relocated => 19,
        }
    }
}

impl<'a> Record<'a> {
    /// The messages that it carries, if it does.
    pub(crate) fn messages(&self) -> Option<&Batch<'a>> {
        match self {
            Self::Pushed(batch) | Self::Moved(batch) | Self::Relocated(batch) => Some(batch),
            _ => None,
        }
    }

    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Pushed(_) => 1,
            Self::Moved(_) => 2,
            Self::Leased { .. } => 3,
            Self::Acked { .. } => 4,
            Self::Returned { .. } => 5,
            Self::Exhausted { .. } => 6,
            Self::Buried { .. } => 7,
            Self::Discarded { .. } => 8,
            Self::Extended { .. } => 9,
            Self::Purged { .. } => 10,
            Self::QueuePut(_) => 11,
            Self::QueueDeleted(_) => 12,
            Self::AccountPut(_) => 13,
            Self::TokenPut(_) => 14,
            Self::TokenRevoked { .. } => 15,
            Self::SubscriptionPut(_) => 16,
            Self::SubscriptionDeleted { .. } => 17,
            Self::Aged(_) => 18,
            Self::Relocated(_) => 19,
        }
    }
}

/// Writes one frame's payload.
#[derive(Debug)]
pub(crate) struct FrameWriter<'a> {
    out: &'a mut Vec<u8>,
    at: Timestamp,
}

impl<'a> FrameWriter<'a> {
    /// Begins a payload decided at `at`, at the end of `out`.
    pub(crate) fn begin(out: &'a mut Vec<u8>, at: Timestamp) -> Self {
        out.put_u8(VERSION);
        out.put_time(at);
        Self { out, at }
    }

    /// Appends a record of messages, whose body `write` appends.
    pub(crate) fn messages(&mut self, kind: BatchKind, write: impl FnOnce(&mut Vec<u8>)) {
        self.record(kind.code(), |out, _| write(out));
    }

    fn record(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>, Timestamp)) {
        self.out.put_u8(kind);
        let length_at = self.out.len();
        self.out.put_u32(0);
        write(self.out, self.at);
        let length = u32::try_from(self.out.len() - length_at - 4).unwrap_or(u32::MAX);
        self.out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// Appends any record but those with bodies, which are written by [`FrameWriter::messages`].
    pub(crate) fn put(&mut self, record: &Record<'_>) {
        self.record(record.kind(), |out, at| match record {
            Record::Pushed(_) | Record::Moved(_) | Record::Relocated(_) => {}
            Record::Leased { queue, deadline, runs } => {
                out.put_u32(queue.0);
                out.put_time(*deadline);
                put_runs(out, runs, at);
            }
            Record::Acked { queue, messages } | Record::Buried { queue, messages } => {
                out.put_u32(queue.0);
                messages.put(out);
            }
            Record::Returned { queue, available_at: time, messages }
            | Record::Exhausted { queue, at: time, messages }
            | Record::Extended { queue, deadline: time, messages } => {
                out.put_u32(queue.0);
                out.put_time(*time);
                messages.put(out);
            }
            Record::Discarded { queue, runs } => {
                out.put_u32(queue.0);
                put_runs(out, runs, at);
            }
            Record::Purged { queue, before } => {
                out.put_u32(queue.0);
                out.put_u64(before.0);
            }
            Record::QueuePut(queue) => objects::put_queue(out, queue),
            Record::QueueDeleted(queue) => out.put_u32(queue.0),
            Record::AccountPut(account) => objects::put_account(out, account),
            Record::TokenPut(token) => objects::put_token(out, token),
            Record::TokenRevoked { account, token } => {
                out.put(&account.0);
                out.put(&token.0);
            }
            Record::SubscriptionPut(subscription) => objects::put_subscription(out, subscription),
            Record::SubscriptionDeleted { account, subscription } => {
                out.put(&account.0);
                out.put(&subscription.0);
            }
            Record::Aged(aged) => {
                out.put_u32(aged.queue.0);
                out.put_u64(aged.before.0);
                out.put_u64(aged.in_line);
                out.put_u64(aged.bytes);
                out.put_time(aged.oldest);
            }
        });
    }
}

fn put_runs(out: &mut Vec<u8>, runs: &[PickedRun], at: Timestamp) {
    out.put_varint(runs.len() as u64);
    runs.iter().for_each(|run| run.put(out, at));
}

/// One record of a frame and where its body ends in the payload.
#[derive(Debug, Clone)]
pub(crate) struct Placed<'a> {
    pub(crate) record: Record<'a>,
    /// Where the record begins in the payload, its head included.
    pub(crate) start: u32,
    /// Where the record's body ends in the payload.
    pub(crate) end: u32,
}

/// Reads a frame's payload: its time and its records.
pub(crate) fn read_frame(payload: &[u8]) -> Result<(Timestamp, Vec<Placed<'_>>), Malformed> {
    let at = read_head(payload)?;
    let mut records = Vec::with_capacity(1);
    let mut start = HEAD_BYTES;
    while start < payload.len() {
        let placed = read_record(payload, start, at)?;
        start = placed.end as usize;
        records.push(placed);
    }
    Ok((at, records))
}

fn read_head(payload: &[u8]) -> Result<Timestamp, Malformed> {
    let mut reader = Reader::new(payload, "frame head");
    match reader.u8()? {
        VERSION => reader.time(),
        _ => Err(Malformed("frame version")),
    }
}

/// Reads the messages of the record that begins at `start` in a frame's payload, and where its body ends.
pub(crate) fn read_batch(payload: &[u8], start: u32) -> Result<(Batch<'_>, u32), Malformed> {
    let placed = read_record(payload, start as usize, read_head(payload)?)?;
    let batch = placed.record.messages().ok_or(Malformed("record of messages"))?;
    Ok((*batch, placed.end))
}

fn read_record(payload: &[u8], start: usize, at: Timestamp) -> Result<Placed<'_>, Malformed> {
    let mut head = Reader::new(payload.get(start..).ok_or(Malformed("record"))?, "record head");
    let kind = head.u8()?;
    let length = head.u32()? as usize;
    let body = head.bytes(length)?;
    let record = read_body(kind, body, at)?;
    let place = |offset: usize| u32::try_from(offset).map_err(|_| Malformed("record"));
    Ok(Placed { record, start: place(start)?, end: place(start + RECORD_HEAD_BYTES + length)? })
}

fn read_body(kind: u8, body: &[u8], at: Timestamp) -> Result<Record<'_>, Malformed> {
    let reader = &mut Reader::new(body, "record body");
    let record = match kind {
        1 => return Batch::pushed(body, at).map(Record::Pushed),
        2 => return Batch::moved(body).map(Record::Moved),
        3 => Record::Leased {
            queue: QueueNumber(reader.u32()?),
            deadline: reader.time()?,
            runs: read_runs(reader, at)?,
        },
        4 => Record::Acked { queue: QueueNumber(reader.u32()?), messages: Ranges::read(reader)? },
        5 => {
            let (queue, available_at, messages) = read_timed(reader)?;
            Record::Returned { queue, available_at, messages }
        }
        6 => {
            let (queue, at, messages) = read_timed(reader)?;
            Record::Exhausted { queue, at, messages }
        }
        7 => Record::Buried { queue: QueueNumber(reader.u32()?), messages: Ranges::read(reader)? },
        8 => Record::Discarded { queue: QueueNumber(reader.u32()?), runs: read_runs(reader, at)? },
        9 => {
            let (queue, deadline, messages) = read_timed(reader)?;
            Record::Extended { queue, deadline, messages }
        }
        10 => Record::Purged { queue: QueueNumber(reader.u32()?), before: Sequence(reader.u64()?) },
        11 => Record::QueuePut(Box::new(objects::read_queue(reader)?)),
        12 => Record::QueueDeleted(QueueNumber(reader.u32()?)),
        13 => Record::AccountPut(objects::read_account(reader)?),
        14 => Record::TokenPut(Box::new(objects::read_token(reader)?)),
        15 => Record::TokenRevoked { account: AccountId(reader.id()?), token: TokenId(reader.id()?) },
        16 => Record::SubscriptionPut(Box::new(objects::read_subscription(reader)?)),
        17 => Record::SubscriptionDeleted {
            account: AccountId(reader.id()?),
            subscription: SubscriptionId(reader.id()?),
        },
        18 => Record::Aged(Aged {
            queue: QueueNumber(reader.u32()?),
            before: Sequence(reader.u64()?),
            in_line: reader.u64()?,
            bytes: reader.u64()?,
            oldest: reader.time()?,
        }),
        19 => return Batch::relocated(body).map(Record::Relocated),
        _ => return Err(Malformed("record of a kind that this version does not know")),
    };
    if reader.is_empty() { Ok(record) } else { Err(Malformed("record with bytes to spare")) }
}

fn read_timed(reader: &mut Reader<'_>) -> Result<(QueueNumber, Timestamp, Ranges), Malformed> {
    Ok((QueueNumber(reader.u32()?), reader.time()?, Ranges::read(reader)?))
}

fn read_runs(reader: &mut Reader<'_>, at: Timestamp) -> Result<Vec<PickedRun>, Malformed> {
    let count: usize = reader.small()?;
    let mut runs = Vec::with_capacity(count.min(reader.remaining() / 4));
    for _ in 0..count {
        runs.push(PickedRun::read(reader, at)?);
    }
    Ok(runs)
}
