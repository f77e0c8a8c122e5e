//! The bytes of a connection, watched.
//!
//! Several things happen here that hyper leaves to nobody. The first byte of a request and the end of an answer are noted,
//! for deadlines. What hyper writes by itself because the bytes were no HTTP (a bare 400, 414 or 431) is put into
//! the envelope: it is told from an answer of ours by when it comes, namely while no request is in hand. And a
//! connection that ends before the client has sent everything is read out for a moment ([`Stream::poll_discard`]), so that
//! the answer is not lost to a reset. A head that two servers could read in two ways ([`Heads`]) is spoilt, so that hyper refuses it.
//!
//! And hyper gets one request at a time. What comes behind it stays here ([`Ahead`]), and is read on, within a bound: so a
//! client that leaves is noticed while its pull waits, whatever it has sent before. Who is unknown or has been idle gets no
//! hyper before a head is whole ([`Stream::poll_begin`]): its buffers take more than the head does.

mod beginning;

use core::mem::MaybeUninit;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::ahead::Ahead;
use crate::connection::head::{Heads, Passed};
use crate::connection::watch::{Phase, Watch};
use crate::guest::Guest;
use crate::house::House;
use crate::reply;

pub(crate) use beginning::Beginning;
use beginning::Scout;

/// How much a client may still send after it was answered, in bytes.
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How much is read at once from somebody unknown, in bytes: less than what makes hyper enlarge its buffer.
const UNKNOWN_READ_BYTES: usize = 8 * 1024 - 1;

/// How much is read behind a request in hand, in bytes. One read may add to it.
const AHEAD_BYTES_MAX: usize = 4 * 1024;

/// Up to how many bytes an answer is put together before it is written: to copy so little takes the processor less than to
/// have the kernel gather it.
const GATHERED_BYTES_MAX: usize = 1024;

/// What hyper reads in place of the rest of a head that is not to be served: a byte that stands in none, and an end.
const NO_HEAD: &[u8] = b"\0\r\n\r\n";

pub(crate) struct Stream<S> {
    inner: S,
    guest: Guest,
    house: Arc<House>,
    watch: Arc<Watch>,
    heads: Heads,
    ahead: Ahead,
    scout: Scout,
    /// The client sends no more.
    is_ended: bool,
    /// What is still to be read of [`NO_HEAD`], once a head is not to be served.
    spoilt: Option<&'static [u8]>,
    /// An answer of ours in place of a bare one, as far as it is not yet written.
    replacement: Vec<u8>,
    is_shut: bool,
    discarded_bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    pub(crate) fn new(inner: S, guest: Guest, house: Arc<House>, watch: Arc<Watch>) -> Self {
        let ahead = Ahead::new(house.head_room.clone());
        Self {
            inner,
            guest,
            house,
            watch,
            heads: Heads::new(),
            ahead,
            scout: Scout::new(),
            is_ended: false,
            spoilt: None,
            replacement: Vec::new(),
            is_shut: false,
            discarded_bytes: 0,
        }
    }

    /// Reads as much as there is, or a small piece from somebody unknown.
    fn poll_piece(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.watch.is_known() {
            return Pin::new(&mut self.inner).poll_read(context, buffer);
        }
        let room = buffer.remaining().min(UNKNOWN_READ_BYTES);
        // Through the stack, so that no more of hyper's buffer is touched than is filled.
        let mut scratch = [0; UNKNOWN_READ_BYTES];
        let mut piece = ReadBuf::new(&mut scratch[..room]);
        ready!(Pin::new(&mut self.inner).poll_read(context, &mut piece))?;
        buffer.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }

    /// Reads on behind the request in hand, for the end of the connection. It shows once all that came before it is
    /// answered; or at once, when a request waits that nobody will take the answer of.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; 1024];
        while !self.is_ended && self.ahead.bytes().len() < AHEAD_BYTES_MAX {
            let mut piece = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.inner).poll_read(context, &mut piece))?;
            self.is_ended = piece.filled().is_empty();
            self.ahead.push(piece.filled());
        }
        let is_shown = self.is_ended && (self.ahead.is_empty() || self.watch.phase() == Phase::Waiting);
        if is_shown { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Hands on what stands behind the first `before` bytes, up to the end of a request; keeps the rest. Spoils it from
    /// where a head is not to be served.
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>, before: usize, is_ahead: bool) {
        let bytes = &buffer.filled()[before..];
        let passed = match self.heads.watch(bytes) {
            Ok(Passed { bytes: passed, is_end }) => {
                if !is_ahead {
                    self.ahead.push(&bytes[passed..]);
                }
                self.watch.note_handed(is_end);
                passed
            }
            Err(passed) => {
                self.ahead.clear();
                self.spoilt = Some(NO_HEAD);
                passed
            }
        };
        if is_ahead && self.spoilt.is_none() {
            self.ahead.take(passed);
        }
        buffer.set_filled(before + passed);
        self.spoil(buffer);
    }

    /// Gives as much of [`NO_HEAD`] as there is room for; false when no head was spoilt.
    fn spoil(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let Some(rest) = &mut self.spoilt else { return false };
        let (now, later) = rest.split_at(rest.len().min(buffer.remaining()));
        buffer.put_slice(now);
        *rest = later;
        true
    }

    /// Takes what hyper says by itself and keeps what we say instead; false when it is an answer of ours.
    fn replace(&mut self, bytes: &[u8]) -> bool {
        if !matches!(self.watch.phase(), Phase::Idle | Phase::Headers) || !bytes.starts_with(b"HTTP/1.1 4") {
            return false;
        }
        let fault = reply::malformed(&bytes[9..12.min(bytes.len())]);
        self.replacement = self.house.answer_no_request(&fault, self.guest);
        self.watch.leave_unread();
        true
    }

    fn poll_replacement(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.replacement.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, &self.replacement))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.replacement.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn note(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(_)) => self.watch.note_written(),
            Poll::Pending => self.watch.note_stalled(),
            Poll::Ready(Err(_)) => {}
        }
    }

    /// Throws away what still comes, until the client has ended its side or sent too much.
    pub(crate) fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ahead.clear();
        let mut scratch = [0; 4096];
        while self.discarded_bytes < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                break;
            }
            self.discarded_bytes += buffer.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.spoil(buffer) {
            return Poll::Ready(Ok(()));
        }
        if self.watch.is_in_hand() {
            return self.poll_end(context);
        }
        let before = buffer.filled().len();
        let is_ahead = !self.ahead.is_empty();
        if is_ahead {
            self.ahead.show(buffer);
        } else {
            ready!(self.poll_piece(context, buffer))?;
        }
        if buffer.filled().len() > before {
            self.hand_on(buffer, before, is_ahead);
            if self.watch.phase() == Phase::Idle {
                self.watch.enter(Phase::Headers);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.replace(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = buffers.iter().map(|buffer| buffer.len()).sum();
        if buffers.first().is_some_and(|first| self.replace(first)) {
            return Poll::Ready(Ok(bytes));
        }
        let written = if bytes <= GATHERED_BYTES_MAX {
            let mut scratch = [MaybeUninit::uninit(); GATHERED_BYTES_MAX];
            let mut gathered = ReadBuf::uninit(&mut scratch);
            buffers.iter().for_each(|buffer| gathered.put_slice(buffer));
            Pin::new(&mut self.inner).poll_write(context, gathered.filled())
        } else {
            Pin::new(&mut self.inner).poll_write_vectored(context, buffers)
        };
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replacement(context))?;
        ready!(Pin::new(&mut self.inner).poll_flush(context))?;
        if self.watch.note_flushed() && (self.is_ended || !self.ahead.is_empty()) {
            // Hyper was told that there is nothing to read; now there is.
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replacement(context))?;
        if !self.is_shut {
            ready!(Pin::new(&mut self.inner).poll_shutdown(context))?;
            self.is_shut = true;
        }
        Poll::Ready(Ok(()))
    }
}
