//! The idempotency keys of a queue: which requests were carried out already (design §8.24).
//!
//! A key is remembered for 15 minutes and among the newest million of its queue, as far as the store remembers that many:
//! beyond its own bound the queues with the most forget their oldest (`state.rs`). One that is too old is as unknown as one
//! that never was, whether or not it has been forgotten yet.

use std::collections::HashMap;
use std::sync::Arc;

use kew_model::{Idempotency, Limits, Seconds, Timestamp};

use crate::queue::chunks::Chunks;

/// A key.
type Key = [u8; 16];

/// What a request under a key was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Use {
    content: [u8; 16],
    at: Timestamp,
}

/// What is known of a request's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing: it is new.
    No,
    /// The same request was carried out.
    Same,
    /// Another request was carried out under it.
    Other,
}

/// The keys of a queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    uses: HashMap<Key, Use>,
    order: Order,
}

/// How many requests a piece of the order holds.
const PIECE: usize = 1_024;

/// How many keys whose time is over are forgotten by a request under another.
const FORGOTTEN_BY_ONE: usize = 64;

/// The requests, oldest first, in pieces that copies share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    /// By a number that rises from piece to piece; never empty ones.
    pieces: Chunks<u64, Arc<Vec<(Timestamp, Idempotency)>>>,
    /// How many of the first piece are forgotten.
    passed: usize,
    len: usize,
}

impl Order {
    fn push(&mut self, at: Timestamp, carried_out: Idempotency) {
        let last = self.pieces.last().map(|(number, piece)| (*number, piece.len()));
        let with_room = last.filter(|(_, len)| *len < PIECE).and_then(|(last, _)| self.pieces.get_mut(&last));
        match with_room {
            Some(piece) => Arc::make_mut(piece).push((at, carried_out)),
            None => {
                let next = last.map_or(0, |(last, _)| last + 1);
                self.pieces.insert(next, Arc::new(vec![(at, carried_out)]));
            }
        }
        self.len += 1;
    }

    fn front(&self) -> Option<&(Timestamp, Idempotency)> {
        let (_, piece) = self.pieces.first()?;
        piece.get(self.passed)
    }

    fn pop(&mut self) -> Option<(Timestamp, Idempotency)> {
        let front = *self.front()?;
        self.passed += 1;
        self.len -= 1;
        let over = self.pieces.first().filter(|(_, piece)| piece.len() == self.passed);
        if let Some(number) = over.map(|(number, _)| *number) {
            self.pieces.remove(&number);
            self.passed = 0;
        }
        Some(front)
    }

    /// Those that are not too old, oldest first.
    pub(crate) fn iter(&self, now: Timestamp) -> impl Iterator<Item = &(Timestamp, Idempotency)> {
        let requests = self.pieces.values().flat_map(|piece| piece.iter()).skip(self.passed);
        // One whose key was used again since is over, for it could not be before.
        requests.filter(move |(at, _)| !is_over(*at, now))
    }
}

impl Keys {
    /// Looks a request's key up.
    pub(crate) fn find(&self, asked: Idempotency, now: Timestamp) -> Known {
        match self.uses.get(&asked.key).filter(|used| !is_over(used.at, now)) {
            None => Known::No,
            Some(used) if used.content == asked.content => Known::Same,
            Some(_) => Known::Other,
        }
    }

    /// Remembers a request carried out at `at`.
    pub(crate) fn insert(&mut self, carried_out: Idempotency, at: Timestamp) {
        self.forget_old(at, FORGOTTEN_BY_ONE);
        if self.order.len >= Limits::IDEMPOTENCY_KEYS_MAX {
            self.forget_oldest();
        }
        self.uses.insert(carried_out.key, Use { content: carried_out.content, at });
        self.order.push(at, carried_out);
    }

    /// Forgets keys whose time is over, some at a time; says whether there are more.
    pub(crate) fn forget_old(&mut self, now: Timestamp, most: usize) -> bool {
        for _ in 0..most {
            if !self.has_old(now) {
                return false;
            }
            self.forget_oldest();
        }
        self.has_old(now)
    }

    fn has_old(&self, now: Timestamp) -> bool {
        self.order.front().is_some_and(|(at, _)| is_over(*at, now))
    }

    /// All requests, to be copied.
    pub(crate) fn order(&self) -> &Order {
        &self.order
    }

    /// How many are in memory.
    pub(crate) fn len(&self) -> usize {
        self.order.len
    }

    /// Forgets the key whose use is the longest ago; one that was used again since stays.
    pub(crate) fn forget_oldest(&mut self) {
        if let Some((at, Idempotency { key, .. })) = self.order.pop()
            && self.uses.get(&key).is_some_and(|used| used.at == at)
        {
            self.uses.remove(&key);
        }
    }
}

fn is_over(at: Timestamp, now: Timestamp) -> bool {
    at.after(Seconds(Limits::IDEMPOTENCY_SECONDS)) <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    fn request(key: u32, content: u8) -> Idempotency {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&key.to_le_bytes());
        Idempotency { key: bytes, content: [content; 16] }
    }

    #[test]
    fn a_key_is_known_for_fifteen_minutes() {
        let mut keys = Keys::default();
        keys.insert(request(1, 1), Timestamp(DAY));
        let at = |after| Timestamp(DAY + after);
        assert_eq!(keys.find(request(1, 1), at(899_999)), Known::Same);
        assert_eq!(keys.find(request(1, 2), at(899_999)), Known::Other);
        assert_eq!(keys.find(request(1, 1), at(900_000)), Known::No);
        assert_eq!(keys.find(request(2, 1), at(0)), Known::No);
    }

    #[test]
    fn a_key_used_again_after_its_time_counts_anew() {
        let mut keys = Keys::default();
        keys.insert(request(1, 1), Timestamp(DAY));
        keys.insert(request(1, 2), Timestamp(DAY + 900_000));
        keys.insert(request(2, 1), Timestamp(DAY + 1_700_000));
        assert_eq!(keys.find(request(1, 2), Timestamp(DAY + 1_799_999)), Known::Same);
        assert_eq!(keys.order().iter(Timestamp(DAY + 1_799_999)).count(), 2);
    }

    #[test]
    fn a_key_whose_time_is_over_is_forgotten_by_a_request_under_another() {
        let mut keys = Keys::default();
        keys.insert(request(1, 1), Timestamp(DAY));
        keys.insert(request(2, 1), Timestamp(DAY + 899_999));
        assert_eq!((keys.uses.len(), keys.order.len), (2, 2));
        keys.insert(request(3, 1), Timestamp(DAY + 900_000));
        assert_eq!((keys.uses.len(), keys.order.len), (2, 2));
    }

    #[test]
    fn the_newest_million_is_known_and_no_more() {
        let mut keys = Keys::default();
        let million = u32::try_from(Limits::IDEMPOTENCY_KEYS_MAX).unwrap();
        for key in 0..=million {
            keys.insert(request(key, 0), Timestamp(DAY));
        }
        assert_eq!(keys.find(request(0, 0), Timestamp(DAY)), Known::No);
        assert_eq!(keys.find(request(1, 0), Timestamp(DAY)), Known::Same);
        assert_eq!(keys.find(request(million, 0), Timestamp(DAY)), Known::Same);
        assert_eq!((keys.uses.len(), keys.order.len), (1_000_000, 1_000_000));
    }
}
