//! Messages on a stream of bytes, a line each: standard streams and Unix sockets.
//!
//! 2026-07-28, stdio §Transport: "Messages are delimited by newlines, and **MUST NOT** contain embedded newlines."

use crate::dialogue::Frame;
use bytes::{Bytes, BytesMut};

/// Cuts what was read into lines. Blank ones are passed over, a carriage return at the end too.
pub(crate) struct Lines {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    scanned: usize,
    /// Within a line that is too long.
    skipping: bool,
    /// The end of a line that was read at once and is too long.
    end: Option<Bytes>,
    limit: usize,
}

impl Lines {
    /// Lines of up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), scanned: 0, skipping: false, end: None, limit }
    }

    /// Where what is read next belongs: behind what is there already.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole line, if there is one.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        if let Some(end) = self.end.take() {
            return Some(Frame::TooLongEnd(end));
        }
        while let Some(end) = memchr::memchr(b'\n', &self.buffer[self.scanned..]) {
            let line = self.buffer.split_to(self.scanned + end + 1).freeze();
            self.scanned = 0;
            if std::mem::take(&mut self.skipping) {
                return Some(Frame::TooLongEnd(end_of(&line)));
            }
            if let Some(frame) = self.frame(&line) {
                return Some(frame);
            }
        }
        self.scanned = self.buffer.len();
        if self.scanned > self.limit + 1 {
            // The rest of the line is read and forgotten, so that the next message is found. What it took is given back, but
            // for what may be the line's end.
            let line = std::mem::take(&mut self.buffer);
            self.buffer.extend_from_slice(&line[line.len() - self.limit.min(PART)..]);
            self.scanned = self.buffer.len();
            return (!std::mem::replace(&mut self.skipping, true)).then(|| Frame::TooLong(start_of(&line)));
        }
        None
    }

    /// What stands behind the last line end: a last line without an end is a message all the same.
    pub(crate) fn last(&mut self) -> Option<Frame> {
        let line = self.buffer.split().freeze();
        self.scanned = 0;
        if std::mem::take(&mut self.skipping) {
            Some(Frame::TooLongEnd(end_of(&line)))
        } else {
            self.frame(&line)
        }
    }

    fn frame(&mut self, line: &Bytes) -> Option<Frame> {
        let text = line.trim_ascii();
        match text.len() {
            0 => None,
            length if length > self.limit => {
                self.end = Some(end_of(text));
                Some(Frame::TooLong(start_of(text)))
            }
            _ => Some(Frame::Message(line.slice_ref(text))),
        }
    }
}

/// How much of a line that is too long is looked at, at either end, for whose it is.
const PART: usize = 256;

fn start_of(line: &[u8]) -> Bytes {
    let line = line.trim_ascii_start();
    Bytes::copy_from_slice(&line[..line.len().min(PART)])
}

fn end_of(line: &[u8]) -> Bytes {
    let line = line.trim_ascii_end();
    Bytes::copy_from_slice(&line[line.len().saturating_sub(PART)..])
}

/// Fills `batch` with `first` and what else waits to be written, a line each, up to about [`BATCH`] bytes. Returns a larger
/// message, which is to be written as it is, and its line ended, after the batch: a copy of it would not be counted.
#[cfg(any(feature = "stdio", all(feature = "unix", unix)))]
pub(crate) fn batch(
    batch: &mut Vec<u8>,
    first: Bytes,
    messages: &mut tokio::sync::mpsc::Receiver<Bytes>,
) -> Option<Bytes> {
    let (mut large, mut next) = (None, Some(first));
    let mut waiting = || {
        let message = next.take().or_else(|| messages.try_recv().ok())?;
        if message.len() <= BATCH {
            return Some(message);
        }
        large = Some(message);
        None
    };
    match waiting() {
        Some(first) => collect(batch, first, waiting),
        None => batch.clear(),
    }
    large
}

/// Fills `batch` with `first` and what `waiting` gives, a line each, up to about [`BATCH`] bytes.
pub(crate) fn collect(batch: &mut Vec<u8>, first: Bytes, mut waiting: impl FnMut() -> Option<Bytes>) {
    // What one large message needed is not kept for the small ones.
    if batch.capacity() > MAX_KEPT {
        *batch = Vec::new();
    }
    batch.clear();
    let mut next = Some(first);
    while let Some(message) = next {
        batch.extend_from_slice(&message);
        batch.push(b'\n');
        next = if batch.len() < BATCH { waiting() } else { None };
    }
}

/// Bytes that are written at once, if there is as much.
const BATCH: usize = 64 * 1024;

const MAX_KEPT: usize = 1 << 20;

/// Messages that may wait in either direction where there is one client; beyond that the stream fills up, and the other
/// side waits.
pub(crate) const QUEUE: usize = 64;

/// Messages of a client on a socket that may wait to be read. Each may be as large as any, and there are many clients:
/// what one has sent and does not let us answer stays with it.
#[cfg(any(feature = "websocket", all(feature = "unix", unix)))]
pub(crate) const INPUT: usize = 1;

/// Messages for a client on a socket that may wait to be written: enough for many small ones to go at once.
#[cfg(any(feature = "websocket", all(feature = "unix", unix)))]
pub(crate) const OUTPUT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &[u8], pieces: usize, limit: usize) -> Vec<String> {
        let mut lines = Lines::new(limit);
        let mut frames = Vec::new();
        for piece in text.chunks(pieces) {
            lines.buffer().extend_from_slice(piece);
            frames.extend(std::iter::from_fn(|| lines.next()));
        }
        frames.extend(lines.last());
        let text = |text: Bytes| String::from_utf8(text.to_vec()).unwrap();
        let word = |frame| match frame {
            Frame::Message(message) => text(message),
            Frame::TooLong(start) => format!("(too long: {}...", text(start.slice(..6))),
            Frame::TooLongEnd(end) => format!("...{})", text(end.slice(end.len() - 4..))),
            Frame::Read(_) => unreachable!("lines are not read"),
        };
        frames.into_iter().map(word).collect()
    }

    #[test]
    fn lines_are_found_whatever_the_pieces() {
        let text = b"one\r\n\n   \ntwelve bytes and more\n two \nthree";
        for pieces in 1..=text.len() {
            assert_eq!(
                cut(text, pieces, 12),
                ["one", "(too long: twelve...", "...more)", "two", "three"],
                "in pieces of {pieces}"
            );
        }
    }

    #[test]
    fn a_line_that_never_ends_is_told_once_and_holds_no_memory() {
        let mut lines = Lines::new(10);
        let mut told = 0;
        for _ in 0..1000 {
            lines.buffer().extend_from_slice(&[b'x'; 100]);
            told += std::iter::from_fn(|| lines.next()).count();
            assert!(lines.buffer().len() <= 100 && lines.buffer().capacity() <= 1000);
        }
        assert_eq!(told, 1);
        assert!(matches!(lines.last(), Some(Frame::TooLongEnd(end)) if *end == [b'x'; 10][..]));
    }
}
