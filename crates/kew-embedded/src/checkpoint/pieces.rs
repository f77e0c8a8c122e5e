//! A checkpoint's bytes on their way, none of which stay: a large state is never in memory twice.

use std::io::{self, Read};

use kew_model::Timestamp;

use crate::record::codec::{Malformed, Reader, Write};

/// How much is read at a time.
const PIECE_BYTES: usize = 256 << 10;

/// What hardly any item is longer than, in bytes.
const USUAL_BYTES: usize = 16 << 10;

/// What no item is longer than, in bytes: what lists and texts of objects may come to, many times over.
const ITEM_BYTES_MAX: usize = 16 << 20;

/// Hands primitives on as they are written.
pub(super) struct Output<'a> {
    out: &'a mut dyn io::Write,
    failure: Option<io::Error>,
}

impl<'a> Output<'a> {
    pub(super) fn new(out: &'a mut dyn io::Write) -> Self {
        Self { out, failure: None }
    }

    /// What became of it.
    pub(super) fn finish(self) -> io::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }
}

impl Write for Output<'_> {
    fn put(&mut self, bytes: &[u8]) {
        if self.failure.is_none() {
            self.failure = self.out.write_all(bytes).err();
        }
    }
}

/// Reads items one by one.
pub(super) struct Input<'a> {
    source: &'a mut dyn Read,
    /// What was read and not yet understood begins at `at`.
    bytes: Vec<u8>,
    at: usize,
    is_at_end: bool,
}

impl<'a> Input<'a> {
    pub(super) fn new(source: &'a mut dyn Read) -> Self {
        Self { source, bytes: Vec::new(), at: 0, is_at_end: false }
    }

    /// Reads the next item. One that goes on behind what was read is tried again with more, so `read` only reads.
    pub(super) fn item<T>(
        &mut self,
        read: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        if self.bytes.len() - self.at < USUAL_BYTES {
            self.read_on()?;
        }
        loop {
            let mut reader = Reader::new(&self.bytes[self.at..], "checkpoint");
            let item = read(&mut reader);
            let left = reader.remaining();
            if item.is_ok() {
                self.at = self.bytes.len() - left;
            }
            if item.is_ok() || self.is_at_end || self.bytes.len() - self.at > ITEM_BYTES_MAX {
                return item;
            }
            self.read_on()?;
        }
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.item(|reader| reader.u64())
    }

    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        self.item(|reader| reader.varint())
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, Malformed> {
        self.item(|reader| reader.time())
    }

    /// Reads a list of items, each of which is taken at once.
    pub(super) fn list<T>(
        &mut self,
        read: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
        mut take: impl FnMut(T),
    ) -> Result<(), Malformed> {
        for _ in 0..self.varint()? {
            take(self.item(&read)?);
        }
        Ok(())
    }

    /// Whether everything was read and understood.
    pub(super) fn is_empty(&mut self) -> Result<bool, Malformed> {
        if self.at == self.bytes.len() {
            self.read_on()?;
        }
        Ok(self.at == self.bytes.len())
    }

    fn read_on(&mut self) -> Result<(), Malformed> {
        if self.is_at_end {
            return Ok(());
        }
        self.bytes.drain(..self.at);
        self.at = 0;
        let mut piece = self.source.take(PIECE_BYTES as u64);
        let count =
            piece.read_to_end(&mut self.bytes).map_err(|_| Malformed("checkpoint: it cannot be read on"))?;
        self.is_at_end = count < PIECE_BYTES;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_whole_wherever_pieces_end() {
        // Given texts of all lengths up to the longest, one behind the other over many pieces
        let lengths: Vec<usize> = (0..200).map(|at| at * 331 % 65_536).collect();
        let mut bytes = Vec::new();
        let mut out = Output::new(&mut bytes);
        out.put_varint(lengths.len() as u64);
        lengths.iter().for_each(|length| out.put_text(&"x".repeat(*length)));
        out.finish().unwrap();
        assert!(bytes.len() > 10 * PIECE_BYTES, "{} bytes", bytes.len());

        // When they are read
        let mut source = &bytes[..];
        let mut input = Input::new(&mut source);
        let (mut read, mut held_max) = (Vec::new(), 0);
        input.list(|reader| reader.text().map(str::len), |length| read.push(length)).unwrap();
        held_max = held_max.max(input.bytes.capacity());

        // Then all are there, and few were in memory at a time
        assert_eq!(read, lengths);
        assert!(input.is_empty().unwrap());
        assert!(held_max < 4 * PIECE_BYTES, "{held_max} bytes");
    }

    #[test]
    fn what_ends_too_soon_or_cannot_be_read_is_malformed() {
        let mut source = &[5, 0, b'a'][..];
        assert_eq!(
            Input::new(&mut source).item(|reader| reader.text().map(drop)),
            Err(Malformed("checkpoint"))
        );

        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::Other.into())
            }
        }
        assert!(Input::new(&mut Broken).item(|reader| reader.u8()).is_err());
    }

    #[test]
    fn a_writer_that_fails_is_asked_no_more() {
        struct Full(usize);
        impl io::Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut full = Full(0);
        let mut out = Output::new(&mut full);
        (0..10).for_each(|value| out.put_u64(value));
        assert_eq!(out.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(full.0, 1);
    }
}
