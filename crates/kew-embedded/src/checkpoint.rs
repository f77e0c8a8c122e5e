//! The state as bytes, so that a restart need not replay the whole log (`docs/format.md` §8).
//!
//! Everything that the log says is here: catalog, cursors, bits, runs, delays, and where messages lie. Each queue carries
//! the number of the newest frame that its part includes, the catalog that of the whole.

use std::sync::Arc;

use kew_journal::seeded::{self, Bug};
use kew_journal::{Lsn, SegmentId};
use kew_model::{Idempotency, Sequence, Timestamp};

use crate::catalog::CatalogChange;
use crate::index::SegmentIndex;
use crate::queue::QueueState;
use crate::queue::delays::{Bucket, Delayed};
use crate::queue::departures::Reason;
use crate::queue::extents::{Extent, Live, Summary};
use crate::queue::runs::{Phase, Run};
use crate::record::batch::{content_type_code, content_type_of};
use crate::record::codec::{Malformed, Reader, Write};
use crate::record::objects;
use crate::record::ranges::Range;
use crate::record::run::{Details, Mask, Span};
use crate::snapshot::{QueueSnapshot, Snapshot};
use crate::state::{State, live_by_segment};

/// The version of a checkpoint's payload that this build writes.
const VERSION: u8 = 4;

/// The first version: without event subscriptions, ages, idempotency keys, and reasons of departures.
const VERSION_1: u8 = 1;

/// The second version: without the bytes that live where messages lie.
const VERSION_2: u8 = 2;

/// The third version: without what the messages are like where they lie.
const VERSION_3: u8 = 3;

/// Writes what was noted of the state.
pub(crate) fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let Snapshot { newest, latest, next_queue, accounts, tokens, subscriptions, queues } = snapshot;
    let mut out = Vec::new();
    out.put_u8(VERSION);
    out.put_u64(newest.0);
    out.put_time(*latest);
    out.put_u32(*next_queue);
    put_list(&mut out, accounts, |out, account| objects::put_account(out, account));
    put_list(&mut out, tokens, |out, token| objects::put_token(out, token));
    put_list(&mut out, subscriptions, |out, subscription| objects::put_subscription(out, subscription));
    put_list(&mut out, queues, |out, queue| put_queue(out, queue, *latest));
    // No indexes: those of the segments that replay does not go through as a whole are made by scans.
    out.put_varint(0);
    out
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(bytes: &[u8]) -> Result<State, Malformed> {
    let reader = &mut Reader::new(bytes, "checkpoint");
    let version = reader.u8()?;
    if ![VERSION_1, VERSION_2, VERSION_3, VERSION].contains(&version) {
        return Err(Malformed("checkpoint version"));
    }
    let mut state = State::default();
    state.applied = Lsn(reader.u64()?);
    state.catalog_covered = state.applied;
    state.latest = reader.time()?;
    state.next_queue = reader.u32()?;
    for _ in 0..reader.varint()? {
        state.catalog.apply(&CatalogChange::Account(Arc::new(objects::read_account(reader)?)));
    }
    for _ in 0..reader.varint()? {
        state.catalog.apply(&CatalogChange::Token(Arc::new(objects::read_token(reader)?)));
    }
    if version > VERSION_1 {
        for _ in 0..reader.varint()? {
            let subscription = objects::read_subscription(reader)?;
            state.catalog.apply(&CatalogChange::Subscription(Arc::new(subscription)));
        }
    }
    for _ in 0..reader.varint()? {
        let queue = read_queue(reader, version)?;
        let number = queue.object.number;
        state.catalog.apply(&CatalogChange::Queue(Arc::clone(&queue.object)));
        state.queues.insert(number, queue);
        state.count_keys(number);
        state.watch_times(number);
    }
    for _ in 0..reader.varint()? {
        let _segment = SegmentId(reader.u64()?);
        SegmentIndex::read(reader)?;
    }
    state.live = live_by_segment(state.queues.values());
    if reader.is_empty() { Ok(state) } else { Err(Malformed("checkpoint with bytes to spare")) }
}

fn put_list<T>(out: &mut Vec<u8>, items: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    out.put_varint(items.len() as u64);
    items.iter().for_each(|item| put(out, item));
}

fn put_queue(out: &mut Vec<u8>, queue: &QueueSnapshot, latest: Timestamp) {
    objects::put_queue(out, &queue.object);
    out.put_u64(queue.covered.0);
    out.put_u64(queue.next);
    out.put_u64(queue.cursor);
    out.put_u64(queue.in_line);
    out.put_u64(queue.backlog_count);
    out.put_u64(queue.backlog_bytes);
    out.put_u64(queue.gone.floor());
    let words: Vec<_> = queue.gone.words().collect();
    put_list(out, &words, |out, (first, bits)| {
        out.put_u64(*first);
        out.put_u64(*bits);
    });
    let forgets = seeded::is(Bug::CheckpointForgetsDelivered);
    let runs: Vec<_> = queue.runs.values().filter(|_| !forgets).collect();
    put_list(out, &runs, |out, run| put_run(out, run));
    let delays: Vec<_> = queue.delays.values().flat_map(Bucket::iter).collect();
    put_list(out, &delays, |out, delayed| {
        out.put_time(delayed.available_at);
        out.put_u64(delayed.first);
        out.put_u32(delayed.count);
        put_span(out, &delayed.span);
    });
    out.put_varint(queue.extents.iter().len() as u64);
    for extent in queue.extents.iter() {
        out.put_u64(extent.first);
        out.put_u64(extent.segment.0);
        out.put_u64(extent.live.messages);
        out.put_u64(extent.live.bytes);
        out.put_option(extent.summary.as_ref(), put_summary);
    }
    out.put_u8(u8::from(queue.extents.guessed));
    out.put_varint(queue.departures.iter().len() as u64);
    for (range, reason) in queue.departures.iter() {
        out.put_u64(range.first.0);
        out.put_u64(range.count);
        out.put_u8(match reason {
            Reason::Exhausted => 0,
            Reason::RetentionEnded => 1,
        });
    }
    out.put_time(queue.aged);
    let forgets = seeded::is(Bug::CheckpointForgetsKeys);
    let keys: Vec<_> = queue.keys.iter(latest).filter(|_| !forgets).collect();
    put_list(out, &keys, |out, (at, Idempotency { key, content })| {
        out.put_time(*at);
        out.put(key);
        out.put(content);
    });
}

fn read_queue(reader: &mut Reader<'_>, version: u8) -> Result<QueueState, Malformed> {
    let mut queue = QueueState::new(Arc::new(objects::read_queue(reader)?));
    queue.covered = Lsn(reader.u64()?);
    queue.next = reader.u64()?;
    queue.cursor = reader.u64()?;
    queue.in_line = reader.u64()?;
    queue.backlog_count = reader.u64()?;
    queue.backlog_bytes = reader.u64()?;
    queue.gone.raise(reader.u64()?);
    for _ in 0..reader.varint()? {
        let (first, bits) = (reader.u64()?, reader.u64()?);
        queue.gone.insert_word(first, bits);
    }
    for _ in 0..reader.varint()? {
        queue.runs.insert(read_run(reader)?);
    }
    for _ in 0..reader.varint()? {
        queue.delays.restore(Delayed {
            available_at: reader.time()?,
            first: reader.u64()?,
            count: reader.u32()?,
            span: read_span(reader)?,
        });
    }
    for _ in 0..reader.varint()? {
        let (first, segment, messages) = (reader.u64()?, SegmentId(reader.u64()?), reader.u64()?);
        let bytes = if version > VERSION_2 { reader.u64()? } else { 0 };
        let summary = if version > VERSION_3 { reader.option(read_summary)? } else { None };
        queue.extents.restore(Extent { first, segment, live: Live { messages, bytes }, summary });
    }
    if version > VERSION_2 {
        queue.extents.guessed = reader.bool()?;
    } else {
        queue.extents.guess_bytes(queue.backlog_bytes);
    }
    for _ in 0..reader.varint()? {
        let range = Range { first: Sequence(reader.u64()?), count: reader.u64()? };
        let reason = if version == VERSION_1 { 0 } else { reader.u8()? };
        let reason = match reason {
            0 => Reason::Exhausted,
            1 => Reason::RetentionEnded,
            _ => return Err(reader.malformed()),
        };
        queue.departures.note(range, reason);
    }
    if version > VERSION_1 {
        queue.aged = reader.time()?;
        for _ in 0..reader.varint()? {
            let at = reader.time()?;
            queue.keys.insert(Idempotency { key: reader.id()?, content: reader.id()? }, at);
        }
    }
    Ok(queue)
}

fn put_summary(out: &mut Vec<u8>, summary: &Summary) {
    out.put_u64(summary.in_line);
    out.put_u64(summary.bytes);
    out.put_time(summary.oldest);
    out.put_time(summary.newest);
}

fn read_summary(reader: &mut Reader<'_>) -> Result<Summary, Malformed> {
    Ok(Summary {
        in_line: reader.u64()?,
        bytes: reader.u64()?,
        oldest: reader.time()?,
        newest: reader.time()?,
    })
}

fn put_run(out: &mut Vec<u8>, run: &Run) {
    out.put_u64(run.first.0);
    out.put(&run.mask.0.to_le_bytes());
    out.put_u8(match run.phase {
        Phase::Leased => 0,
        Phase::Waiting => 1,
        Phase::Exhausted => 2,
    });
    out.put_time(run.due);
    out.put_u64(run.fence);
    out.put_u16(run.attempts);
    run.details.put(out, Timestamp(0));
}

fn read_run(reader: &mut Reader<'_>) -> Result<Run, Malformed> {
    Ok(Run {
        first: Sequence(reader.u64()?),
        mask: Mask(u128::from_le_bytes(reader.id()?)),
        phase: match reader.u8()? {
            0 => Phase::Leased,
            1 => Phase::Waiting,
            2 => Phase::Exhausted,
            _ => return Err(reader.malformed()),
        },
        due: reader.time()?,
        fence: reader.u64()?,
        attempts: reader.u16()?,
        details: Details::read(reader, Timestamp(0))?,
    })
}

fn put_span(out: &mut Vec<u8>, span: &Span) {
    out.put_u8(content_type_code(span.content_type));
    out.put_u32(span.length);
    out.put_time(span.sent_at);
}

fn read_span(reader: &mut Reader<'_>) -> Result<Span, Malformed> {
    Ok(Span {
        from: 0,
        content_type: content_type_of(reader.u8()?).ok_or(reader.malformed())?,
        length: reader.u32()?,
        sent_at: reader.time()?,
    })
}
