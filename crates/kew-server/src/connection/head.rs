//! The heads of a connection's requests, watched as they come.
//!
//! Two servers that read one head in two ways can be made to see two different requests (store-study §7.4 risk 8). What the
//! HTTP library is generous with is found here: a line that ends with a bare LF, and a body whose length is told
//! twice, by `content-length` and by `transfer-encoding`. For that it has to know where a head begins, so it counts
//! bodies, too. Invariants: a length that is not plain digits is refused, so that nobody reads another one; after a body
//! in chunks nothing is watched any more, and the house ends such a connection.

/// How much of a line is kept, in bytes: enough for the name of each header that matters, and for a length.
const LINE_KEPT_BYTES: usize = 64;

/// Where a connection stands between requests.
pub(super) enum Heads {
    /// Within a head, or before one.
    Head(Head),
    /// Within a body, of which so many bytes are to come.
    Body(u64),
    /// Within a body in chunks, or after it.
    Chunks,
}

/// A head, as far as it has come.
pub(super) struct Head {
    /// The start of the current line.
    line: [u8; LINE_KEPT_BYTES],
    line_bytes: usize,
    last: u8,
    is_begun: bool,
    length: Option<u64>,
    is_chunked: bool,
}

/// A head that is not to be served.
#[derive(Debug, PartialEq, Eq)]
struct Refused;

/// Bytes that went by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// How many of them are of the request at hand.
    pub(super) bytes: usize,
    /// Whether it ends with them.
    pub(super) is_end: bool,
}

impl Heads {
    pub(super) fn new() -> Self {
        Self::Head(Head::new())
    }

    /// Whether a head is not yet at its end.
    pub(super) fn is_in_head(&self) -> bool {
        matches!(self, Self::Head(_))
    }

    /// Watches bytes go by, up to the end of the request at hand. When its head is not to be served, gives how many bytes
    /// of these stand before the one that shows it; nothing more may be asked then.
    pub(super) fn watch(&mut self, bytes: &[u8]) -> Result<Passed, usize> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self {
                Self::Chunks => break,
                Self::Body(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    at += taken;
                    *left -= taken as u64;
                    if *left == 0 {
                        *self = Self::new();
                        return Ok(Passed { bytes: at, is_end: true });
                    }
                }
                Self::Head(head) => {
                    let end = memchr::memchr(b'\n', rest);
                    head.take(&rest[..end.unwrap_or(rest.len())]);
                    let Some(end) = end else { break };
                    let after = head.end_line().map_err(|Refused| at + end)?;
                    at += end + 1;
                    if let Some(after) = after {
                        let is_end = after.is_in_head();
                        *self = after;
                        if is_end {
                            return Ok(Passed { bytes: at, is_end });
                        }
                    }
                }
            }
        }
        Ok(Passed { bytes: bytes.len(), is_end: false })
    }
}

impl Head {
    fn new() -> Self {
        Self {
            line: [0; LINE_KEPT_BYTES],
            line_bytes: 0,
            last: 0,
            is_begun: false,
            length: None,
            is_chunked: false,
        }
    }

    /// Takes a part of a line.
    fn take(&mut self, part: &[u8]) {
        if let Some(room) = self.line.get_mut(self.line_bytes..) {
            let kept = room.len().min(part.len());
            room[..kept].copy_from_slice(&part[..kept]);
        }
        self.line_bytes += part.len();
        self.last = part.last().copied().unwrap_or(self.last);
    }

    /// Ends a line at its LF; gives what follows when it was the last one.
    fn end_line(&mut self) -> Result<Option<Heads>, Refused> {
        if core::mem::take(&mut self.last) != b'\r' {
            return Err(Refused);
        }
        let length = core::mem::take(&mut self.line_bytes) - 1;
        match (length, self.is_begun) {
            (0, true) => return self.end().map(Some),
            // Empty lines before a request mean nothing.
            (0, false) => {}
            (_, false) => self.is_begun = true,
            (length, true) => self.header(length)?,
        }
        Ok(None)
    }

    /// Reads a header of so many bytes.
    fn header(&mut self, length: usize) -> Result<(), Refused> {
        let line = &self.line[..length.min(LINE_KEPT_BYTES)];
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Ok(()) };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let is_plain = length <= LINE_KEPT_BYTES && value.iter().all(u8::is_ascii_digit);
            let number = str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            let number = number.filter(|_| is_plain).ok_or(Refused)?;
            if self.length.replace(number).is_some_and(|before| before != number) {
                return Err(Refused);
            }
        }
        Ok(())
    }

    /// What follows the head.
    fn end(&self) -> Result<Heads, Refused> {
        match (self.is_chunked, self.length) {
            (true, Some(_)) => Err(Refused),
            (true, None) => Ok(Heads::Chunks),
            (false, None | Some(0)) => Ok(Heads::new()),
            (false, Some(length)) => Ok(Heads::Body(length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where bytes are refused, when they come in parts of this size.
    fn refused_at(bytes: &[u8], part_bytes: usize) -> Option<usize> {
        let mut heads = Heads::new();
        let mut at = 0;
        while at < bytes.len() {
            match heads.watch(&bytes[at..bytes.len().min(at.saturating_add(part_bytes))]) {
                Ok(passed) => at += passed.bytes,
                Err(before) => return Some(at + before),
            }
        }
        None
    }

    #[test]
    fn each_request_ends_where_its_body_does() {
        let requests = [
            "GET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n\r\n\r",
            "\r\nPUT / HTTP/1.1\r\n\r\n",
        ];
        let (all, mut heads, mut at) = (requests.concat(), Heads::new(), 0);
        for request in requests {
            let passed = heads.watch(&all.as_bytes()[at..]);
            assert_eq!(passed, Ok(Passed { bytes: request.len(), is_end: true }));
            at += request.len();
        }
        assert_eq!(heads.watch(b"GET / HT"), Ok(Passed { bytes: 8, is_end: false }));
    }

    #[test]
    fn requests_pass_however_they_come() {
        let long = "y".repeat(1_000);
        let body = "POST / HTTP/1.1\r\nContent-Length:\t13 \r\ncontent-length: 13\r\n\r\n\n\ncontent: 1\n";
        let chunks = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\na\n0\n\nGET / HTTP/1.1\n\n";
        let requests = [
            "\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_owned(),
            format!("GET /{long} HTTP/1.1\r\nx: {long}\r\ncontent-lengths: x\r\n\r\n"),
            format!("{body}{body}GET / HTTP/1.1\r\ncontent-length: 0\r\n\r\n{body}"),
            format!("{body}{chunks}"),
        ];
        for request in &requests {
            for part_bytes in [1, 2, 3, 7, 64, usize::MAX] {
                assert_eq!(refused_at(request.as_bytes(), part_bytes), None, "{request:?} by {part_bytes}");
            }
        }
    }

    #[test]
    fn what_two_servers_could_read_in_two_ways_is_refused_where_it_shows() {
        let zeros = "0".repeat(60);
        for (before, after) in [
            ("", "\n"),
            ("GET / HTTP/1.1", "\nhost: kew\r\n\r\n"),
            ("GET / HTTP/1.1\r\nhost: kew", "\n\r\n"),
            ("GET / HTTP/1.1\r\nhost: kew\r\n", "\n"),
            ("POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n\n\nGET / HTTP/1.1", "\n\r\n"),
            ("POST / HTTP/1.1\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r", "\n"),
            ("POST / HTTP/1.1\r\nTRANSFER-ENCODING: gzip\r\nContent-Length: 2\r\n\r", "\n"),
            ("POST / HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 3\r", "\n\r\n"),
            ("POST / HTTP/1.1\r\ncontent-length: +2\r", "\n\r\n"),
            ("POST / HTTP/1.1\r\ncontent-length: 2, 2\r", "\n\r\n"),
            ("POST / HTTP/1.1\r\ncontent-length:\r", "\n\r\n"),
            ("POST / HTTP/1.1\r\ncontent-length: 18446744073709551616\r", "\n\r\n"),
            (&format!("POST / HTTP/1.1\r\ncontent-length: {zeros}2\r"), "\n\r\n"),
        ] {
            for part_bytes in [1, 2, 3, 7, 64, usize::MAX] {
                let found = refused_at(format!("{before}{after}").as_bytes(), part_bytes);
                assert_eq!(found, Some(before.len()), "{before:?} by {part_bytes}");
            }
        }
    }
}
