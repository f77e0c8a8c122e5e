//! One kept-alive HTTP/1.1 connection, as plain as a load generator wants it: a request, an answer with a length.
//!
//! The answer is read into one growing buffer that is used again, and scanned for the end of its head; nothing is
//! parsed that nobody asks for.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The buffer's first size, in bytes: more than an answer of 100 short messages.
const BUFFER_BYTES: usize = 64 * 1024;
/// The longest answer accepted, in bytes: a full pull of largest bodies with room to spare.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A connection that stays open from request to request.
#[derive(Debug)]
pub(crate) struct Connection<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: &'a [u8],
}

/// Connects to a server.
///
/// # Errors
/// When it does not accept.
pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true).context("cannot set TCP_NODELAY")?;
    Ok(stream)
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When the server does not accept.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self::over(connect(address).await?, BUFFER_BYTES))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection whose buffer has this size until an answer needs more.
    pub(crate) fn over(stream: S, buffer_bytes: usize) -> Self {
        Self { stream, buffer: vec![0; buffer_bytes] }
    }

    /// Sends the bytes of a request and waits for the whole answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer is not HTTP with a content length.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await.context("cannot send")?;
        self.stream.flush().await.context("cannot send")?;
        let mut filled = 0;
        let head = loop {
            filled += self.receive(filled).await?;
            if let Some(end) = memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                break Head::read(&self.buffer[..end + 4])?;
            }
        };
        let end = head.length + head.body_length;
        while filled < end {
            if self.buffer.len() < end {
                self.buffer.resize(end, 0);
            }
            filled += self.receive(filled).await?;
        }
        ensure!(filled == end, "the server sent more than its answer");
        Ok(Answer { status: head.status, body: &self.buffer[head.length..end] })
    }

    async fn receive(&mut self, filled: usize) -> anyhow::Result<usize> {
        if filled == self.buffer.len() {
            ensure!(filled < ANSWER_BYTES_MAX, "the answer is longer than {ANSWER_BYTES_MAX} bytes");
            self.buffer.resize(filled * 2, 0);
        }
        match self.stream.read(&mut self.buffer[filled..]).await.context("cannot receive")? {
            0 => bail!("the server closed the connection"),
            count => Ok(count),
        }
    }
}

struct Head {
    status: u16,
    length: usize,
    body_length: usize,
}

impl Head {
    fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        let text = core::str::from_utf8(bytes).context("the answer's head is not text")?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status =
            status.and_then(|line| line.get(..3)?.parse().ok()).context("the answer is not HTTP/1.1")?;
        let body_length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .context("the answer names no content length")?;
        ensure!(body_length <= ANSWER_BYTES_MAX, "the answer is longer than {ANSWER_BYTES_MAX} bytes");
        Ok(Self { status, length: bytes.len(), body_length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_status_and_length() {
        let head = Head::read(b"HTTP/1.1 429 Too Many\r\nX-A: b\r\nContent-Length: 12\r\n\r\n").unwrap();
        assert_eq!((head.status, head.body_length), (429, 12));
        assert!(Head::read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(Head::read(b"SSH-2.0\r\n\r\n").is_err());
    }
}
