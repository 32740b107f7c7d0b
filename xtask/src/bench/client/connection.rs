//! HTTP, as far as answers to calls need it: read in as few pieces as the system has them, into one buffer that stays.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    ops::Range,
    time::{Duration, Instant},
};

use crate::Failure;

/// A persistent connection to a port of this machine.
pub(super) struct Connection {
    stream: TcpStream,
    port: u16,
    /// The answer that was read last, or is being read: its first `filled` bytes.
    buffer: Vec<u8>,
    filled: usize,
    /// Where the head of that answer ends.
    head: usize,
}

/// It grows with the largest answer.
const BUFFER: usize = 16 * 1024;

impl Connection {
    /// Connects; nothing is waited for longer than `patience`.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(super) fn open(port: u16, patience: Duration) -> Result<Self, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self { stream, port, buffer: vec![0; BUFFER], filled: 0, head: 0 })
    }

    /// The head of a request with a body of so many bytes. `headers` are whole lines.
    pub(super) fn head(&self, method: &str, headers: &str, length: usize) -> String {
        let port = self.port;
        format!(
            "{method} /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {length}\r\n{headers}\r\n"
        )
    }

    /// Sends a request, head and body.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) fn send(&mut self, request: &[u8]) -> Result<(), Failure> {
        Ok(self.stream.write_all(request)?)
    }

    /// Reads an answer and gives its body.
    ///
    /// # Errors
    /// When the request was refused, or the connection breaks.
    pub(super) fn receive(&mut self) -> Result<&[u8], Failure> {
        let body = self.read()?;
        if self.buffer.starts_with(b"HTTP/1.1 20") {
            return Ok(&self.buffer[body]);
        }
        let (head, body) = (&self.buffer[..self.head], &self.buffer[body]);
        let status = String::from_utf8_lossy(head.split(|&byte| byte == b'\r').next().unwrap_or_default());
        Err(format!("refused with {status}: {}", String::from_utf8_lossy(body)).into())
    }

    /// Reads an answer, whatever it is.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) fn receive_any(&mut self) -> Result<(), Failure> {
        self.read().map(drop)
    }

    /// Reads and forgets what comes, until the connection ends or `time` has passed.
    ///
    /// # Errors
    /// When the connection breaks, or nothing comes for as long as something is waited for.
    pub(super) fn discard(&mut self, time: Duration) -> Result<(), Failure> {
        let start = Instant::now();
        while start.elapsed() < time && self.stream.read(&mut self.buffer)? > 0 {}
        Ok(())
    }

    /// A header of the answer that was read last; `name` is in small letters.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let head = std::str::from_utf8(&self.buffer[..self.head]).ok()?;
        let mut headers = head.split("\r\n").filter_map(|line| line.split_once(':'));
        headers.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value.trim()))
    }

    /// Reads an answer and returns where its body stands.
    fn read(&mut self) -> Result<Range<usize>, Failure> {
        (self.filled, self.head) = (0, 0);
        self.head = self.find(0, b"\r\n\r\n")?;
        let start = self.head + 4;
        let length = self.header("content-length").map(str::parse::<usize>).transpose()?;
        let (body, end) = match length {
            Some(length) => (start..start + length, start + length),
            None if self.header("transfer-encoding").is_some() => self.read_pieces(start)?,
            // A response to a notification may have no body.
            None => (start..start, start),
        };
        self.fill(end)?;
        if self.filled > end {
            return Err("there is more than one answer".into());
        }
        Ok(body)
    }

    /// Reads a chunked body from `start` on. Its chunks are joined in place; also returns the end of the last one.
    fn read_pieces(&mut self, start: usize) -> Result<(Range<usize>, usize), Failure> {
        let (mut at, mut whole) = (start, start);
        loop {
            let end = self.find(at, b"\r\n")?;
            let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[at..end])?.trim(), 16)?;
            let piece = end + 2..end + 2 + size;
            at = piece.end + 2;
            self.fill(at)?;
            if size == 0 {
                return Ok((start..whole, at));
            }
            self.buffer.copy_within(piece, whole);
            whole += size;
        }
    }

    /// Reads until there is `mark` at or behind `from`, and returns where.
    fn find(&mut self, from: usize, mark: &[u8]) -> Result<usize, Failure> {
        loop {
            let text = self.buffer.get(from..self.filled).unwrap_or_default();
            if let Some(found) = text.windows(mark.len()).position(|window| window == mark) {
                return Ok(from + found);
            }
            self.fill(self.filled + 1)?;
        }
    }

    /// Reads until there are `wanted` bytes.
    fn fill(&mut self, wanted: usize) -> Result<(), Failure> {
        if self.buffer.len() < wanted {
            // Some more, for what frames the bytes that are wanted.
            self.buffer.resize(wanted + wanted / 2 + BUFFER, 0);
        }
        while self.filled < wanted {
            match self.stream.read(&mut self.buffer[self.filled..])? {
                0 => return Err("the connection was closed".into()),
                read => self.filled += read,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// Reads an answer that arrives in two parts, cut at `cut`.
    fn read(answer: &'static [u8], cut: usize) -> Result<Vec<u8>, String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for part in [&answer[..cut], &answer[cut..]] {
                stream.write_all(part).unwrap();
                stream.flush().unwrap();
                thread::yield_now();
            }
        });
        let mut connection = Connection::open(port, Duration::from_secs(10)).unwrap();
        server.join().unwrap();
        connection.receive().map(<[u8]>::to_vec).map_err(|failure| failure.to_string())
    }

    #[test]
    fn an_answer_is_whole_however_it_arrives() {
        let counted = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let pieces = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n";
        for answer in [&counted[..], pieces] {
            for cut in 0..answer.len() {
                assert_eq!(read(answer, cut).unwrap(), b"{}", "{cut}");
            }
        }
        assert_eq!(read(b"HTTP/1.1 202 Accepted\r\n\r\n", 0).unwrap(), b"");
    }

    #[test]
    fn what_is_no_answer_is_refused_with_its_reason() {
        let failure = |answer| read(answer, 0).unwrap_err();
        assert!(failure(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}{}").contains("more than one"));
        assert!(failure(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}").contains("closed"));
        let refused = failure(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno");
        assert_eq!(refused, "refused with HTTP/1.1 400 Bad Request: no");
    }
}
