//! Waiting for a request's head without hyper: an idle connection, and one whose head does not end, hold no more than the
//! bytes that came.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Stream, UNKNOWN_READ_BYTES};
use crate::connection::head::Heads;
use crate::connection::speak::HEADER_BYTES_MAX;
use crate::connection::watch::Phase;

/// What came of waiting for a head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// There is one, or what will be refused as one.
    Head,
    /// It is large and unfinished, and there is no room for more of these.
    NoRoom,
    /// The connection is over.
    End,
}

/// A look at a head before it is handed on.
pub(super) struct Scout {
    heads: Heads,
    seen: usize,
}

impl Scout {
    pub(super) fn new() -> Self {
        Self { heads: Heads::new(), seen: 0 }
    }

    /// Whether these bytes, of which it has seen the beginning, hold a whole head or what will be refused as one.
    fn finds_head(&mut self, bytes: &[u8]) -> bool {
        let fresh = &bytes[self.seen..];
        self.seen = bytes.len();
        let passed = self.heads.watch(fresh);
        bytes.len() > HEADER_BYTES_MAX
            || passed.map_or(true, |passed| passed.is_end || !self.heads.is_in_head())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// Reads until a head is whole, or is not to be served. What was read is handed on by the next reads.
    pub(crate) fn poll_begin(&mut self, context: &mut Context<'_>) -> Poll<Beginning> {
        let mut scratch = [0; UNKNOWN_READ_BYTES];
        loop {
            if !self.ahead.is_empty() {
                if self.watch.phase() == Phase::Idle {
                    self.watch.enter(Phase::Headers);
                }
                if self.scout.finds_head(self.ahead.bytes()) {
                    self.scout = Scout::new();
                    self.ahead.give_room_back();
                    return Poll::Ready(Beginning::Head);
                }
                if !self.ahead.take_room() {
                    return Poll::Ready(Beginning::NoRoom);
                }
            }
            let mut piece = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.inner).poll_read(context, &mut piece)) {
                Ok(()) if !piece.filled().is_empty() => self.ahead.push(piece.filled()),
                Ok(()) | Err(_) => return Poll::Ready(Beginning::End),
            }
        }
    }

    /// Says `answer` to a client of which nothing more is served; the shutdown sends it.
    pub(crate) fn refuse(&mut self, answer: Vec<u8>) {
        self.ahead.clear();
        self.replacement = answer;
        self.watch.leave_unread();
        self.watch.enter(Phase::Writing);
    }
}
