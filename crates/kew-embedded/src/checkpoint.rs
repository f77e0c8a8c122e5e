//! The state as bytes, so that a restart need not replay the whole log (`docs/format.md` §8).
//!
//! Everything that the log says is here: catalog, cursors, bits, runs, delays, and where messages lie. Each queue carries
//! the number of the newest frame that its part includes, the catalog that of the whole. Written and read by the piece.

mod pieces;

use std::io::{self, Read};
use std::sync::Arc;

use kew_journal::seeded::{self, Bug};
use kew_journal::{Lsn, SegmentId};
use kew_model::{Idempotency, Sequence, Timestamp};

use crate::catalog::CatalogChange;
use crate::index::SegmentIndex;
use crate::queue::QueueState;
use crate::queue::delays::{Delayed, Leaf};
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
use pieces::{Input, Output};

/// The version of a checkpoint's payload that this build writes.
const VERSION: u8 = 4;

/// The first version: without event subscriptions, ages, idempotency keys, and reasons of departures.
const VERSION_1: u8 = 1;

/// The second version: without the bytes that live where messages lie.
const VERSION_2: u8 = 2;

/// The third version: without what the messages are like where they lie.
const VERSION_3: u8 = 3;

/// Writes what was noted of the state.
pub(crate) fn encode(snapshot: &Snapshot, out: &mut dyn io::Write) -> io::Result<()> {
    let Snapshot { newest, latest, next_queue, accounts, tokens, subscriptions, queues } = snapshot;
    let mut out = Output::new(out);
    out.put_u8(VERSION);
    out.put_u64(newest.0);
    out.put_time(*latest);
    out.put_u32(*next_queue);
    put_list(&mut out, || accounts.iter(), |out, account| objects::put_account(out, account));
    put_list(&mut out, || tokens.iter(), |out, token| objects::put_token(out, token));
    put_list(
        &mut out,
        || subscriptions.iter(),
        |out, subscription| objects::put_subscription(out, subscription),
    );
    put_list(&mut out, || queues.iter(), |out, queue| put_queue(out, queue, *latest));
    // No indexes: those of the segments that replay does not go through as a whole are made by scans.
    out.put_varint(0);
    out.finish()
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(bytes: &mut dyn Read) -> Result<State, Malformed> {
    let input = &mut Input::new(bytes);
    let version = input.item(|reader| reader.u8())?;
    if ![VERSION_1, VERSION_2, VERSION_3, VERSION].contains(&version) {
        return Err(Malformed("checkpoint version"));
    }
    let mut state = State::default();
    state.applied = Lsn(input.u64()?);
    state.catalog_covered = state.applied;
    state.latest = input.time()?;
    state.next_queue = input.item(|reader| reader.u32())?;
    input.list(objects::read_account, |account| {
        state.catalog.apply(&CatalogChange::Account(Arc::new(account)));
    })?;
    input.list(objects::read_token, |token| {
        state.catalog.apply(&CatalogChange::Token(Arc::new(token)));
    })?;
    if version > VERSION_1 {
        input.list(objects::read_subscription, |subscription| {
            state.catalog.apply(&CatalogChange::Subscription(Arc::new(subscription)));
        })?;
    }
    for _ in 0..input.varint()? {
        let queue = read_queue(input, version)?;
        let number = queue.object.number;
        state.catalog.apply(&CatalogChange::Queue(Arc::clone(&queue.object)));
        state.queues.insert(number, queue);
        state.count_keys(number);
        state.watch_times(number);
    }
    let index = |reader: &mut Reader<'_>| {
        let _segment = SegmentId(reader.u64()?);
        SegmentIndex::read(reader)
    };
    input.list(index, drop)?;
    state.live = live_by_segment(state.queues.values());
    if input.is_empty()? { Ok(state) } else { Err(Malformed("checkpoint with bytes to spare")) }
}

/// Writes how many items there are, and each. They are gone over twice, so that they need not be gathered.
fn put_list<W: Write, I: Iterator>(out: &mut W, items: impl Fn() -> I, mut put: impl FnMut(&mut W, I::Item)) {
    out.put_varint(items().count() as u64);
    items().for_each(|item| put(out, item));
}

fn put_queue(out: &mut Output<'_>, queue: &QueueSnapshot, latest: Timestamp) {
    objects::put_queue(out, &queue.object);
    out.put_u64(queue.covered.0);
    out.put_u64(queue.next);
    out.put_u64(queue.cursor);
    out.put_u64(queue.in_line);
    out.put_u64(queue.backlog_count);
    out.put_u64(queue.backlog_bytes);
    out.put_u64(queue.gone.floor());
    put_list(
        out,
        || queue.gone.words(),
        |out, (first, bits)| {
            out.put_u64(first);
            out.put_u64(bits);
        },
    );
    let forgets = seeded::is(Bug::CheckpointForgetsDelivered);
    put_list(out, || queue.runs.values().filter(|_| !forgets), put_run);
    out.put_varint(queue.delays.values().map(Leaf::len).sum::<usize>() as u64);
    queue.delays.values().flat_map(Leaf::iter).for_each(|delayed| put_delayed(out, &delayed));
    put_list(
        out,
        || queue.extents.iter(),
        |out, extent| {
            out.put_u64(extent.first);
            out.put_u64(extent.segment.0);
            out.put_u64(extent.live.messages);
            out.put_u64(extent.live.bytes);
            out.put_option(extent.summary.as_ref(), put_summary);
        },
    );
    out.put_u8(u8::from(queue.extents.guessed));
    put_list(
        out,
        || queue.departures.iter(),
        |out, (range, reason)| {
            out.put_u64(range.first.0);
            out.put_u64(range.count);
            out.put_u8(match reason {
                Reason::Exhausted => 0,
                Reason::RetentionEnded => 1,
            });
        },
    );
    out.put_time(queue.aged);
    let forgets = seeded::is(Bug::CheckpointForgetsKeys);
    let keys = || queue.keys.iter(latest).filter(|_| !forgets);
    put_list(out, keys, |out, (at, Idempotency { key, content })| {
        out.put_time(*at);
        out.put(key);
        out.put(content);
    });
}

fn read_queue(input: &mut Input<'_>, version: u8) -> Result<QueueState, Malformed> {
    let mut queue = QueueState::new(Arc::new(input.item(objects::read_queue)?));
    queue.covered = Lsn(input.u64()?);
    queue.next = input.u64()?;
    queue.cursor = input.u64()?;
    queue.in_line = input.u64()?;
    queue.backlog_count = input.u64()?;
    queue.backlog_bytes = input.u64()?;
    queue.gone.raise(input.u64()?);
    let word = |reader: &mut Reader<'_>| Ok((reader.u64()?, reader.u64()?));
    input.list(word, |(first, bits)| queue.gone.insert_word(first, bits))?;
    input.list(read_run, |run| queue.runs.insert(run))?;
    input.list(read_delayed, |delayed| queue.delays.restore(delayed))?;
    input.list(|reader| read_extent(reader, version), |extent| queue.extents.restore(extent))?;
    if version > VERSION_2 {
        queue.extents.guessed = input.item(|reader| reader.bool())?;
    } else {
        queue.extents.guess_bytes(queue.backlog_bytes);
    }
    let departure = |reader: &mut Reader<'_>| read_departure(reader, version);
    input.list(departure, |(range, reason)| queue.departures.note(range, reason))?;
    if version > VERSION_1 {
        queue.aged = input.time()?;
        let key = |reader: &mut Reader<'_>| {
            let at = reader.time()?;
            Ok((Idempotency { key: reader.id()?, content: reader.id()? }, at))
        };
        input.list(key, |(key, at)| queue.keys.insert(key, at))?;
    }
    Ok(queue)
}

fn read_extent(reader: &mut Reader<'_>, version: u8) -> Result<Extent, Malformed> {
    let (first, segment, messages) = (reader.u64()?, SegmentId(reader.u64()?), reader.u64()?);
    let bytes = if version > VERSION_2 { reader.u64()? } else { 0 };
    let summary = if version > VERSION_3 { reader.option(read_summary)? } else { None };
    Ok(Extent { first, segment, live: Live { messages, bytes }, summary })
}

fn read_departure(reader: &mut Reader<'_>, version: u8) -> Result<(Range, Reason), Malformed> {
    let range = Range { first: Sequence(reader.u64()?), count: reader.u64()? };
    let reason = match if version == VERSION_1 { 0 } else { reader.u8()? } {
        0 => Reason::Exhausted,
        1 => Reason::RetentionEnded,
        _ => return Err(reader.malformed()),
    };
    Ok((range, reason))
}

fn put_summary(out: &mut impl Write, summary: &Summary) {
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

fn put_run(out: &mut impl Write, run: &Run) {
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

fn put_delayed(out: &mut impl Write, delayed: &Delayed) {
    out.put_time(delayed.available_at);
    out.put_u64(delayed.first);
    out.put_u32(delayed.count);
    out.put_u8(content_type_code(delayed.span.content_type));
    out.put_u32(delayed.span.length);
    out.put_time(delayed.span.sent_at);
}

fn read_delayed(reader: &mut Reader<'_>) -> Result<Delayed, Malformed> {
    Ok(Delayed {
        available_at: reader.time()?,
        first: reader.u64()?,
        count: reader.u32()?,
        span: Span {
            from: 0,
            content_type: content_type_of(reader.u8()?).ok_or(reader.malformed())?,
            length: reader.u32()?,
            sent_at: reader.time()?,
        },
    })
}
