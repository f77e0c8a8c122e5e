//! Lines of a stream, bounded in length, with a sign when the next one is yet to come.
//!
//! Whoever collects lines to send them together must not keep those of a slow writer (`tail -f | kew push`) until more
//! come: [`Next::Pause`] says that what was collected is all for now.

use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, ensure};

/// Reads lines.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: BufReader<R>,
    bytes_max: usize,
    number: u64,
    has_paused: bool,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A line, without its end.
    Line(Vec<u8>),
    /// No whole line is here; the next call waits for one.
    Pause,
    /// The end.
    End,
}

impl<R: Read> Lines<R> {
    /// The lines of an input, each of at most so many bytes.
    pub(crate) fn of(input: BufReader<R>, bytes_max: usize) -> Self {
        Self { input, bytes_max, number: 0, has_paused: true }
    }

    /// The number of the last line, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line, or that there is none as yet.
    ///
    /// # Errors
    /// When the input cannot be read, and for a line that is too long.
    pub(crate) fn next(&mut self) -> anyhow::Result<Next> {
        if !self.has_paused && !self.input.buffer().contains(&b'\n') {
            self.has_paused = true;
            return Ok(Next::Pause);
        }
        self.has_paused = false;
        // The line's end, and one byte more to tell a line that is too long.
        let room = self.bytes_max as u64 + 3;
        let mut line = Vec::new();
        let read =
            (&mut self.input).take(room).read_until(b'\n', &mut line).context("cannot read the input")?;
        if read == 0 {
            return Ok(Next::End);
        }
        self.number += 1;
        for end in [b'\n', b'\r'] {
            if line.last() == Some(&end) {
                line.pop();
            }
        }
        let (number, most) = (self.number, self.bytes_max);
        ensure!(line.len() <= most, "line {number} is longer than {most} bytes");
        Ok(Next::Line(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out one piece at each reading, as a pipe may.
    struct Pieces(Vec<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn all(pieces: &[&'static [u8]], bytes_max: usize) -> Vec<Next> {
        let mut lines = Lines::of(BufReader::new(Pieces(pieces.to_vec())), bytes_max);
        let mut all = Vec::new();
        while all.last() != Some(&Next::End) {
            all.push(lines.next().unwrap());
        }
        all
    }

    fn line(text: &str) -> Next {
        Next::Line(text.as_bytes().to_vec())
    }

    #[test]
    fn a_pause_stands_before_every_wait() {
        // Given a writer that wrote two lines and a half, then the rest.
        let all = all(&[b"a\nb\nc", b"d\r\n", b"last"], 10);
        // Then the two can be used before the third is there.
        let expected = [
            line("a"),
            line("b"),
            Next::Pause,
            line("cd"),
            Next::Pause,
            line("last"),
            Next::Pause,
            Next::End,
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn nothing_is_no_line_and_an_empty_line_is_one() {
        assert_eq!(all(&[], 10), [Next::End]);
        assert_eq!(all(&[b"\n"], 10), [line(""), Next::Pause, Next::End]);
    }

    #[test]
    fn a_line_that_is_too_long_is_named() {
        let mut lines = Lines::of(BufReader::new(Pieces(vec![b"abc\r\nabcd\n"])), 3);
        assert_eq!(lines.next().unwrap(), line("abc"));
        assert_eq!(lines.next().unwrap_err().to_string(), "line 2 is longer than 3 bytes");
    }
}
