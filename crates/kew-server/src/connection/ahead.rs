//! Bytes that a client has sent before anybody could take them: an unfinished head, or requests behind one in hand.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

use tokio::io::ReadBuf;

/// How much of an unfinished head stands for nothing, in bytes: what clients send takes less than 2 KiB.
const FREE_BYTES: usize = 2 * 1024;

/// The room for the unfinished heads of all connections, in bytes.
#[derive(Debug)]
pub(crate) struct HeadRoom(AtomicUsize);

impl HeadRoom {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// The bytes of one connection, and their share of the room.
pub(super) struct Ahead {
    bytes: Vec<u8>,
    /// How many of them have been taken.
    taken: usize,
    room: Arc<HeadRoom>,
    /// How much of the room these bytes have.
    share: usize,
}

impl Ahead {
    pub(super) fn new(room: Arc<HeadRoom>) -> Self {
        Self { bytes: Vec::new(), taken: 0, room, share: 0 }
    }

    /// What is still to be taken.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        // Thousands of connections may hold some, so none holds more than there is.
        self.bytes.reserve_exact(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Shows the beginning, as much as there is room for; [`Ahead::take`] says how much of it is taken.
    pub(super) fn show(&self, buffer: &mut ReadBuf<'_>) {
        let bytes = self.bytes();
        buffer.put_slice(&bytes[..bytes.len().min(buffer.remaining())]);
    }

    pub(super) fn take(&mut self, count: usize) {
        self.taken += count;
        if self.is_empty() {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        (self.bytes, self.taken) = (Vec::new(), 0);
        self.give_room_back();
    }

    /// Takes room for all of the bytes, as an unfinished head; false when there is not enough.
    pub(super) fn take_room(&mut self) -> bool {
        let share = self.bytes().len().saturating_sub(FREE_BYTES);
        let is_taken = self.room.take(share.saturating_sub(self.share));
        if is_taken {
            self.share = share.max(self.share);
        }
        is_taken
    }

    pub(super) fn give_room_back(&mut self) {
        self.room.0.fetch_add(core::mem::take(&mut self.share), Relaxed);
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.give_room_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(room: &Arc<HeadRoom>, bytes: usize) -> Ahead {
        let mut ahead = Ahead::new(Arc::clone(room));
        ahead.push(&vec![b'x'; bytes]);
        ahead
    }

    #[test]
    fn small_heads_always_have_room_and_large_ones_as_long_as_there_is_some() {
        let room = Arc::new(HeadRoom::new(1_000));
        let (mut first, mut second) = (with(&room, FREE_BYTES + 900), with(&room, FREE_BYTES + 200));
        assert!(first.take_room() && first.take_room());
        assert!(!second.take_room());
        assert!(with(&room, FREE_BYTES).take_room());
        first.push(b"more");
        assert!(first.take_room());
        drop(first);
        assert!(second.take_room());
        second.give_room_back();
        assert_eq!(room.0.load(Relaxed), 1_000);
    }

    #[test]
    fn what_is_shown_stays_until_it_is_taken() {
        let mut ahead = with(&Arc::new(HeadRoom::new(0)), 0);
        ahead.push(b"abc");
        ahead.push(b"de");
        let mut bytes = [0; 4];
        let mut buffer = ReadBuf::new(&mut bytes);
        ahead.show(&mut buffer);
        assert_eq!(buffer.filled(), b"abcd");
        ahead.take(2);
        assert_eq!(ahead.bytes(), b"cde");
        ahead.take(3);
        assert!(ahead.is_empty());
    }
}
