//! Cleaning: what lives in a segment that is mostly dead moves to the log's end, so that the segment can be freed.
//!
//! A message keeps its sequence and all else that is known of it; only where it lies changes. What was read is judged
//! when it is here: what has gone meanwhile stays gone, and what is leased, delayed or waiting stays so.

use std::collections::BTreeMap;

use kew_journal::{FrameBuffer, SegmentId};
use kew_model::{QueueNumber, Sequence, Timestamp};

use super::compose;
use crate::queue::QueueState;
use crate::queue::window::Head;
use crate::record::BatchKind;
use crate::record::relocated::{Relocating, put_relocated};
use crate::state::State;

/// How many messages one step looks at; the frame that goes beyond is its last.
const LOOKED_AT_MAX: usize = 4_096;

/// What a record takes beside its messages, in bytes.
const RECORD_BYTES: usize = 40;

/// What comes of some frames of a segment.
#[derive(Debug)]
pub(crate) struct Relocation {
    /// The frame that moves what lives of them; none if nothing does.
    pub(crate) frame: Option<FrameBuffer>,
    /// How many of the frames need not be looked at again.
    pub(crate) done: usize,
}

/// A segment's messages are not in the order in which they must leave it (Q6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfOrder(pub(crate) QueueNumber);

/// Moves what lives of some frames of a segment, in the order of the file, at most `bytes` at a time or one message.
pub(crate) fn relocate<'a>(
    state: &State,
    segment: SegmentId,
    frames: impl IntoIterator<Item = &'a (QueueNumber, Head)>,
    bytes: usize,
    now: Timestamp,
) -> Result<Relocation, OutOfOrder> {
    let mut chosen: BTreeMap<(QueueNumber, u64), Vec<Relocating<'a>>> = BTreeMap::new();
    let (mut size, mut done, mut looked_at) = (0, 0, 0);
    'frames: for (number, head) in frames {
        if looked_at >= LOOKED_AT_MAX {
            break;
        }
        looked_at += 1;
        let lives = |queue: &&QueueState| queue.gone.first_left(head.first) < head.end;
        if let Some(queue) = state.queues.get(number).filter(lives) {
            let (batch, _) = head.batch();
            for stored in batch.messages() {
                looked_at += 1;
                let extent = queue.extents.of(stored.sequence.0).filter(|extent| extent.segment == segment);
                let Some(extent) = extent.filter(|_| !queue.gone.contains(stored.sequence.0)) else {
                    continue;
                };
                let origin = batch.origin(&stored).unwrap_or(*number);
                let (extensions, body) = (batch.extensions(&stored), batch.body(&stored));
                let message = Relocating { stored, origin, extensions, body };
                let group = chosen.entry((*number, extent.first)).or_default();
                size += message.bytes() + if group.is_empty() { RECORD_BYTES } else { 0 };
                if size > bytes && size > message.bytes() + RECORD_BYTES {
                    break 'frames;
                }
                group.push(message);
            }
        }
        done += 1;
    }
    chosen.retain(|_, messages| !messages.is_empty());
    for ((number, first), messages) in &chosen {
        let is_in_order =
            state.queues.get(number).is_some_and(|queue| are_all_that_live(queue, *first, messages));
        if !is_in_order {
            return Err(OutOfOrder(*number));
        }
    }
    let frame = (!chosen.is_empty()).then(|| {
        compose(now, size, |frame| {
            for ((number, first), messages) in &chosen {
                let end = messages.last().map_or(*first, |last| last.stored.sequence.0 + 1);
                let stretch = (Sequence(*first), Sequence(end));
                frame.messages(BatchKind::Relocated, |out| put_relocated(out, *number, stretch, messages));
            }
        })
    });
    Ok(Relocation { frame, done })
}

/// Whether these are all that live of a queue from a sequence to the last of them.
fn are_all_that_live(queue: &QueueState, from: u64, messages: &[Relocating<'_>]) -> bool {
    let mut next = queue.gone.first_left(from);
    messages.iter().all(|message| {
        let sequence = message.stored.sequence.0;
        let is_next = sequence == next;
        next = queue.gone.first_left(sequence + 1);
        is_next
    })
}

#[cfg(test)]
mod tests {
    use kew_journal::{Lsn, Position};
    use kew_model::{AccountId, ContentType, MessageId, PushBatch, Queue, QueueId, QueueSettings, Seconds};

    use super::*;
    use crate::queue::runs::Phase;
    use crate::record::batch::put_pushed;
    use crate::record::ranges::Ranges;
    use crate::record::run::{Details, Mask, Origin, PickedRun, Span};
    use crate::record::{FrameWriter, Record, read_frame};
    use crate::state::Applied;

    const QUEUE: QueueNumber = QueueNumber(1);
    const OLD: SegmentId = SegmentId(1);
    const NEW: SegmentId = SegmentId(2);

    /// A state, and the frames of its oldest segment as they were read from it.
    struct World {
        state: State,
        frames: Vec<(QueueNumber, Head)>,
    }

    impl World {
        /// A queue of so many batches of ten messages; in each the last but one is held back for an hour.
        fn new(batches: u64) -> Self {
            let queue = Queue {
                number: QUEUE,
                id: QueueId([1; 16]),
                account: AccountId([1; 16]),
                name: "jobs".parse().unwrap(),
                created_on: Timestamp(0),
                modified_on: Timestamp(0),
                jurisdiction: None,
                settings: QueueSettings::default(),
                purge: None,
                consumer: None,
            };
            let mut world = Self { state: State::default(), frames: Vec::new() };
            world.apply(OLD, |frame| frame.put(&Record::QueuePut(Box::new(queue))));
            for batch in 0..batches {
                let first = Sequence(batch * 10 + 1);
                let mut push = PushBatch::new();
                for at in 0..10 {
                    let delay = Some(Seconds(if at == 8 { 3_600 } else { 0 }));
                    push.add(&[b'x'; 50], ContentType::Text, delay).unwrap();
                }
                let payload = world.apply(OLD, |frame| {
                    frame.messages(BatchKind::Pushed, |out| {
                        put_pushed(out, QUEUE, first, MessageId([2; 16]), &push, Seconds(0));
                    });
                });
                let (_, records) = read_frame(&payload).unwrap();
                let batch = records[0].record.messages().unwrap();
                world.frames.push((QUEUE, Head::new(batch, payload.clone().into(), records[0].start)));
            }
            world
        }

        fn apply(&mut self, segment: SegmentId, write: impl FnOnce(&mut FrameWriter<'_>)) -> Vec<u8> {
            let lsn = self.state.applied.next();
            let frame = compose(Timestamp(1_000), 64, write);
            let payload = frame.payload().to_vec();
            let position = Position { segment, offset: u32::try_from(lsn.0 * 8).unwrap() };
            self.state.apply(Applied { lsn, position, payload: &payload, shared: None }).unwrap();
            self.state.check();
            payload
        }

        fn lease(&mut self, first: u64, count: u64) {
            let details =
                Span { from: 0, content_type: ContentType::Text, length: 50, sent_at: Timestamp(1_000) };
            let run = PickedRun {
                origin: Origin::Ready,
                first: Sequence(first),
                mask: Mask::between(0, count),
                attempts: 1,
                details: Some(Details::One(details)),
            };
            let record = Record::Leased { queue: QUEUE, deadline: Timestamp(9_000), runs: vec![run] };
            self.apply(OLD, |frame| frame.put(&record));
        }

        fn ack(&mut self, messages: impl IntoIterator<Item = u64>) {
            let messages: Ranges = messages.into_iter().map(Sequence).collect();
            self.apply(OLD, |frame| frame.put(&Record::Acked { queue: QUEUE, messages }));
        }

        /// Moves what lives, in steps of so many bytes; gives the messages of each step.
        fn relocate(&mut self, bytes: usize) -> Vec<Vec<u64>> {
            let mut steps = Vec::new();
            let mut frames = self.frames.clone();
            while !frames.is_empty() {
                let Relocation { frame, done } =
                    relocate(&self.state, OLD, &frames, bytes, Timestamp(1_000)).unwrap();
                frames.drain(..done);
                let Some(frame) = frame else { continue };
                let payload = frame.payload().to_vec();
                let (_, records) = read_frame(&payload).unwrap();
                let batches = records.iter().filter_map(|placed| placed.record.messages());
                steps.push(
                    batches.flat_map(|batch| batch.messages()).map(|stored| stored.sequence.0).collect(),
                );
                let lsn = self.state.applied.next();
                let position = Position { segment: NEW, offset: u32::try_from(lsn.0 * 8).unwrap() };
                self.state.apply(Applied { lsn, position, payload: &payload, shared: None }).unwrap();
                self.state.check();
            }
            steps
        }
    }

    #[test]
    fn what_lives_moves_in_whatever_state_it_is_and_stays_in_it() {
        // Given messages that are leased, waiting, exhausted, acknowledged, held back and in line
        let mut world = World::new(3);
        world.lease(1, 8);
        world.ack([1, 2, 5]);
        let one = |sequence| [Sequence(sequence)].into_iter().collect::<Ranges>();
        let (queue, at) = (QUEUE, Timestamp(2_000));
        world.apply(OLD, |frame| frame.put(&Record::Returned { queue, available_at: at, messages: one(3) }));
        world.apply(OLD, |frame| frame.put(&Record::Exhausted { queue, at, messages: one(4) }));
        let before = world.state.digest();

        // When what lives is moved
        let steps = world.relocate(1 << 20);

        // Then it lies elsewhere, and nothing else has changed
        assert_eq!(steps, [[3, 4].into_iter().chain(6..=30).collect::<Vec<_>>()]);
        assert!(world.state.is_dead(OLD) && world.state.live[&NEW].messages == 27);
        let mut after = world.state.clone();
        after.applied = Lsn(after.applied.0 - 1);
        assert_eq!(after.digest(), before);
        let queue = &world.state.queues[&QUEUE];
        assert!(queue.runs.find(Sequence(4)).is_some_and(|(_, run)| run.phase == Phase::Exhausted));
        assert_eq!(queue.extents.iter().count(), 1);
    }

    #[test]
    fn what_goes_between_the_read_and_the_move_stays_gone() {
        let all = |world: &mut World| world.relocate(1 << 20).concat();
        let mut acked = World::new(2);
        acked.lease(1, 8);
        acked.ack([1, 3, 8]);
        assert_eq!(all(&mut acked), [2, 4, 5, 6, 7].into_iter().chain(9..=20).collect::<Vec<_>>());

        let mut purged = World::new(2);
        purged.apply(OLD, |frame| frame.put(&Record::Purged { queue: QUEUE, before: Sequence(21) }));
        assert_eq!(all(&mut purged), []);

        let mut deleted = World::new(2);
        deleted.apply(OLD, |frame| frame.put(&Record::QueueDeleted(QUEUE)));
        assert_eq!(all(&mut deleted), []);
    }

    #[test]
    fn a_move_in_many_steps_moves_everything_once_and_leaves_one_extent() {
        let mut world = World::new(20);
        world.lease(1, 8);
        world.ack([2, 4]);
        let steps = world.relocate(700);
        assert!(steps.len() > 25 && steps.iter().all(|step| (1..=6).contains(&step.len())), "{steps:?}");
        assert_eq!(steps.concat(), (1..=200).filter(|at| *at != 2 && *at != 4).collect::<Vec<_>>());
        let queue = &world.state.queues[&QUEUE];
        assert_eq!(queue.extents.iter().count(), 1);
        assert!(world.state.is_dead(OLD));
        assert_eq!(world.relocate(700), Vec::<Vec<u64>>::new(), "nothing is left to move");
    }

    #[test]
    fn a_segment_that_is_not_read_from_its_beginning_is_not_cleaned() {
        let mut world = World::new(3);
        world.frames.remove(0);
        let moved = relocate(&world.state, OLD, &world.frames, 1 << 20, Timestamp(1_000));
        assert_eq!(moved.map(|relocation| relocation.done), Err(OutOfOrder(QUEUE)));
    }
}
