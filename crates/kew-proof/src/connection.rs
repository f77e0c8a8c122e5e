//! HTTP/1.1 over one kept-alive connection, as plainly as the proof needs it.
//!
//! The point of writing it here is to know exactly what an error means: the request may have happened. No layer below
//! repeats a request or takes half an answer for a whole one.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::PATIENCE;

/// The most bytes of an answer's body that are read.
const BODY_BYTES_MAX: usize = 16 << 20;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The envelope.
    pub body: Value,
    /// Whether it says that the request had been carried out before, under the same idempotency key.
    pub is_repeat: bool,
}

impl Answer {
    /// The code of the envelope's first error; 0 when there is none.
    pub fn code(&self) -> u64 {
        self.body["errors"][0]["code"].as_u64().unwrap_or(0)
    }
}

/// A connection to the server.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Posts a body and reads the answer.
    ///
    /// # Errors
    /// When the whole answer did not come; then nobody knows whether the request happened. [`ErrorKind::InvalidData`]
    /// when what came is no answer of this API.
    pub fn post(&mut self, path: &str, token: &str, body: &str) -> io::Result<Answer> {
        self.post_once(path, token, None, body)
    }

    /// The same under an idempotency key, if there is one.
    ///
    /// # Errors
    /// As [`Connection::post`].
    pub fn post_once(
        &mut self,
        path: &str,
        token: &str,
        key: Option<&str>,
        body: &str,
    ) -> io::Result<Answer> {
        let key = key.map(|key| format!("Idempotency-Key: {key}\r\n")).unwrap_or_default();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{key}Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let status = self.line()?;
        let status = status.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or(ErrorKind::InvalidData)?;
        let (mut length, mut is_repeat) = (None, false);
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or(ErrorKind::InvalidData)?;
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok();
            }
            is_repeat |= name.eq_ignore_ascii_case("idempotency-replayed") && value.trim() == "true";
        }
        let length = length.filter(|length| *length <= BODY_BYTES_MAX).ok_or(ErrorKind::InvalidData)?;
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        let body = serde_json::from_slice(&bytes).map_err(|_| ErrorKind::InvalidData)?;
        Ok(Answer { status, body, is_repeat })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(text) => Ok(text.to_owned()),
            None => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}
