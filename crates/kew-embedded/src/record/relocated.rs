//! Writing `Relocated` records: messages that move within the log and bring all that is known of them.

use kew_model::{QueueNumber, Sequence};

use super::batch::{RELOCATED_ENTRY_BYTES, Stored, table_word};
use super::codec::Write;

/// A message to move within the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Relocating<'a> {
    pub(crate) stored: Stored,
    /// The queue that dead-lettered it, or its own.
    pub(crate) origin: QueueNumber,
    pub(crate) extensions: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Relocating<'_> {
    /// How many bytes it takes in a record, at the most.
    pub(crate) fn bytes(&self) -> usize {
        RELOCATED_ENTRY_BYTES + 2 + self.extensions.len() + self.body.len()
    }
}

/// Writes the body of a `Relocated` record: all messages of the queue that live from `first` to `end`.
pub(crate) fn put_relocated(
    out: &mut Vec<u8>,
    queue: QueueNumber,
    (first, end): (Sequence, Sequence),
    messages: &[Relocating<'_>],
) {
    let mut lists: Vec<&[u8]> = Vec::new();
    let mut named: Vec<u16> = Vec::with_capacity(messages.len());
    for Relocating { extensions, .. } in messages {
        if !extensions.is_empty() && lists.last() != Some(extensions) {
            lists.push(extensions);
        }
        named.push(if extensions.is_empty() { 0 } else { u16::try_from(lists.len()).unwrap_or(0) });
    }
    out.put_u32(queue.0);
    out.put_u64(first.0);
    out.put_u64(end.0);
    out.put_u16(u16::try_from(messages.len()).unwrap_or(u16::MAX));
    out.put_u16(u16::try_from(lists.len()).unwrap_or(u16::MAX));
    for (message, list) in messages.iter().zip(named) {
        let Relocating { stored, origin, .. } = message;
        out.put_u64(stored.sequence.0);
        out.put_u32(table_word(stored.length, stored.content_type));
        out.put(&stored.id.0);
        out.put_time(stored.sent_at);
        out.put_time(stored.enqueued_at);
        out.put_time(stored.available_at);
        out.put_u32(origin.0);
        out.put_u16(list);
    }
    for extensions in lists {
        out.put_u16(u16::try_from(extensions.len()).unwrap_or(u16::MAX));
        out.put(extensions);
    }
    for message in messages {
        out.put(message.body);
    }
}

#[cfg(test)]
mod tests {
    use kew_model::{ContentType, Idempotency, MessageId, PushBatch, Seconds, Timestamp};

    use super::*;
    use crate::record::batch::{Batch, Moving, put_moved, put_pushed};

    const QUEUE: QueueNumber = QueueNumber(7);

    fn relocating<'a>(batch: &Batch<'a>, of: &[u64]) -> Vec<Relocating<'a>> {
        let messages = batch.messages().filter(|stored| of.contains(&stored.sequence.0));
        let each = messages.map(|stored| Relocating {
            stored,
            origin: batch.origin(&stored).unwrap_or(QUEUE),
            extensions: batch.extensions(&stored),
            body: batch.body(&stored),
        });
        each.collect()
    }

    /// All that is known of some messages, but where in their record they lie.
    fn facts(messages: &[Relocating<'_>]) -> Vec<String> {
        let each = messages.iter().map(|Relocating { stored, origin, extensions, body }| {
            let Stored { sequence, id, content_type, sent_at, enqueued_at, available_at, length, .. } =
                stored;
            format!(
                "{sequence:?} {id:?} {content_type:?} {sent_at:?} {enqueued_at:?} {available_at:?} {length} \
                 {origin:?} {extensions:?} {body:?}"
            )
        });
        each.collect()
    }

    #[test]
    fn what_is_relocated_once_and_again_keeps_all_that_is_known_of_it() {
        // Given published messages with delays and an extension, and messages that were dead-lettered
        let mut push = PushBatch::new();
        for (body, delay) in [(&b"one"[..], 0), (b"", 30), (b"three", 0), (b"four", 5)] {
            push.add(body, ContentType::Json, Some(Seconds(delay))).unwrap();
        }
        push.idempotency = Some(Idempotency { key: [1; 16], content: [2; 16] });
        let (mut pushed, mut moved) = (Vec::new(), Vec::new());
        put_pushed(&mut pushed, QUEUE, Sequence(10), MessageId([9; 16]), &push, Seconds(0));
        let moving = |number: u8| Moving {
            id: MessageId([number; 16]),
            content_type: ContentType::Text,
            sent_at: Timestamp(u64::from(number)),
            arrived_at: Timestamp(70),
            body: b"moved",
        };
        put_moved(&mut moved, QUEUE, Sequence(20), QueueNumber(3), &[moving(1), moving(2)]);
        let pushed = Batch::pushed(&pushed, Timestamp(50)).unwrap();
        let moved = Batch::moved(&moved).unwrap();
        let of = [11, 13, 20, 21];
        let first: Vec<_> = [relocating(&pushed, &of), relocating(&moved, &of)].concat();
        assert_eq!(first.len(), 4);

        // When they are relocated, and two of them once more
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        put_relocated(&mut once, QUEUE, (Sequence(5), Sequence(22)), &first);
        let once = Batch::relocated(&once).unwrap();
        let again = relocating(&once, &[13, 20]);
        put_relocated(&mut twice, QUEUE, (Sequence(12), Sequence(21)), &again);
        let twice = Batch::relocated(&twice).unwrap();

        // Then nothing of it has changed
        assert_eq!(facts(&relocating(&once, &of)), facts(&first));
        assert_eq!(facts(&relocating(&twice, &of)), facts(&first[1..3]));
        assert_eq!((twice.first, twice.end(), twice.count), (Sequence(12), Sequence(21), 2));
        assert_eq!(twice.live().bytes, 2 * 100 + 9);
        assert!(first[0].extensions.len() == 34 && first[3].origin == QueueNumber(3));
        let after: Vec<_> = once.messages_after(&first[1].stored).map(|stored| stored.sequence.0).collect();
        assert_eq!(after, [20, 21]);
    }

    #[test]
    fn a_table_that_does_not_fit_is_malformed() {
        let mut push = PushBatch::new();
        (0..3).for_each(|_| push.add(b"body", ContentType::Json, None).unwrap());
        let mut pushed = Vec::new();
        put_pushed(&mut pushed, QUEUE, Sequence(10), MessageId([9; 16]), &push, Seconds(0));
        let pushed = Batch::pushed(&pushed, Timestamp(50)).unwrap();
        let messages = relocating(&pushed, &[10, 11, 12]);
        let written = |stretch: (u64, u64), messages: &[Relocating<'_>]| {
            let mut out = Vec::new();
            put_relocated(&mut out, QUEUE, (Sequence(stretch.0), Sequence(stretch.1)), messages);
            out
        };
        let good = written((10, 13), &messages);
        assert!(Batch::relocated(&good).is_ok());
        for (at, what) in [(12, "the end"), (20, "the count"), (24, "a sequence"), (24 + 56, "the list")] {
            let mut bad = good.clone();
            bad[at] ^= 0x0c;
            assert!(Batch::relocated(&bad).is_err(), "{what} was altered");
        }
        let reversed: Vec<_> = messages.iter().rev().copied().collect();
        assert!(Batch::relocated(&written((10, 13), &reversed)).is_err());
        assert!(Batch::relocated(&written((11, 13), &messages)).is_err());
        assert!(Batch::relocated(&written((10, 13), &[])).is_err());
        for length in 0..good.len() {
            assert!(Batch::relocated(&good[..length]).is_err(), "{length} bytes of it");
        }
    }
}
