//! A client's end of a connection, which breaks when the machine at the other end loses its power.

use std::time::Duration;

use kew_journal::SimDisk;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::broadcast;

use super::pass;

/// The connection broke.
#[derive(Debug)]
pub(super) struct Broken;

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Whether it says that the request was carried out before.
    pub(super) is_repeat: bool,
    pub(super) body: Value,
}

/// How fast a client reads or writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) piece_bytes: usize,
    pub(super) pause: Duration,
}

impl Pace {
    pub(super) const FULL: Self = Self { piece_bytes: usize::MAX, pause: Duration::ZERO };
}

pub(super) struct Line {
    stream: DuplexStream,
    /// Ends when the power goes.
    power: broadcast::Receiver<()>,
    /// Tells when the process has stopped: nothing leaves it from then on.
    disk: SimDisk,
    unread: Vec<u8>,
}

impl Line {
    pub(super) fn new(stream: DuplexStream, power: broadcast::Receiver<()>, disk: SimDisk) -> Self {
        Self { stream, power, disk, unread: Vec::new() }
    }

    /// Sends bytes.
    pub(super) async fn write(&mut self, bytes: &[u8], pace: Pace) -> Result<(), Broken> {
        for piece in bytes.chunks(pace.piece_bytes) {
            let Self { stream, power, .. } = self;
            tokio::select! {
                biased;
                _ = power.recv() => return Err(Broken),
                written = stream.write_all(piece) => written.map_err(|_| Broken)?,
            }
            if !pace.pause.is_zero() {
                pass(pace.pause).await;
            }
        }
        Ok(())
    }

    /// Reads more, at most so much.
    pub(super) async fn read(&mut self, most_bytes: usize) -> Result<(), Broken> {
        let mut piece = vec![0; most_bytes.min(16_384)];
        let Self { stream, power, .. } = self;
        let count = tokio::select! {
            biased;
            _ = power.recv() => return Err(Broken),
            count = stream.read(&mut piece) => count.unwrap_or(0),
        };
        self.unread.extend_from_slice(&piece[..count]);
        if count == 0 || self.disk.is_stopped() { Err(Broken) } else { Ok(()) }
    }

    /// Reads an answer to its end.
    pub(super) async fn answer(&mut self, pace: Pace) -> Result<Answer, Broken> {
        loop {
            if let Some(answer) = self.whole_answer() {
                return Ok(answer);
            }
            self.read(pace.piece_bytes).await?;
            if !pace.pause.is_zero() {
                pass(pace.pause).await;
            }
        }
    }

    fn whole_answer(&mut self) -> Option<Answer> {
        let end = self.unread.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&self.unread[..end]).expect("headers are text").to_lowercase();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let length = header("content-length: ").map_or(0, |length| length.parse().expect("a length"));
        if self.unread.len() < end + length {
            return None;
        }
        let status = head.get(9..12).and_then(|digits| digits.parse().ok()).expect("an answer has a status");
        let is_repeat = header("idempotency-replayed: ") == Some("true");
        let body = serde_json::from_slice(&self.unread[end..end + length]).expect("an answer is JSON");
        self.unread.drain(..end + length);
        Some(Answer { status, is_repeat, body })
    }
}
