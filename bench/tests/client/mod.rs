//! A client whose calls allocate nothing, and servers for it to call.

use std::{
    alloc::System,
    future::pending,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    ops::Range,
    sync::mpsc,
    thread,
    time::Duration,
};

use anyport_protocol::Revision;
use anyport_service::Service;
use stats_alloc::{Region, Stats, StatsAlloc};

/// Serves what `make` makes on a thread of its own, which lives as long as the process.
pub(crate) fn start<S: Service>(make: impl FnOnce() -> S + Send + 'static) -> SocketAddr {
    let (told, address) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = anyport_bench::listen(0).await.unwrap();
            told.send(listener.address().unwrap()).unwrap();
            listener.serve(make(), pending()).await.unwrap();
        });
    });
    address.recv().unwrap()
}

/// How many calls are counted.
pub(crate) const CALLS: usize = 1000;

/// What [`CALLS`] calls of a client cost all threads, once buffers have grown to their size and lazy things are made.
pub(crate) fn count(client: &mut Client, allocator: &StatsAlloc<System>) -> Stats {
    for id in 0..200 {
        client.call(id);
    }
    let region = Region::new(allocator);
    for id in 0..CALLS {
        client.call(id);
    }
    region.change()
}

/// What `echo` is to say.
pub(crate) const TEXT: &str = "The quick brown fox jumps over the lazy dog";

/// As a client of 2026-07-28 tells with every request who it is.
const META: &str = r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

/// The ids have this many digits, so that every request has the same size.
const DIGITS: usize = 7;

/// A client whose calls allocate nothing, on one connection that stays open.
pub(crate) struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    /// Where the digits of the id stand in the request.
    id: usize,
    answer: [u8; 4096],
}

impl Client {
    /// Connects, without anything to call yet.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { stream, request: Vec::new(), id: 0, answer: [0; 4096] }
    }

    /// Calls `echo` in a revision.
    pub(crate) fn speaking(mut self, revision: Revision) -> Self {
        let (headers, meta) = match revision.is_stateless() {
            true => (
                "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n".to_owned(),
                META,
            ),
            false => (self.initialize(revision), ""),
        };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1000000,"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{TEXT}"}}{meta}}}}}"#
        );
        self.calling("/mcp", &headers, &body)
    }

    /// Calls with this body, whose id is 1000000, and whose answer has [`TEXT`].
    pub(crate) fn calling(mut self, path: &str, headers: &str, body: &str) -> Self {
        let head = self.head(path, headers, body);
        self.id = head.len() + body.find("1000000").unwrap();
        self.request = (head + body).into_bytes();
        self
    }

    /// Opens a session and returns the headers of every request in it.
    pub(crate) fn initialize(&mut self, revision: Revision) -> String {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{{}},"clientInfo":{{"name":"bench","version":"1"}}}}}}"#
        );
        self.stream.write_all((self.head("/mcp", "", &body) + &body).as_bytes()).unwrap();
        let body = self.read();
        let answer = String::from_utf8_lossy(&self.answer[..body.start]).into_owned();
        let session = answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap();
        let headers = format!("MCP-Protocol-Version: {revision}\r\nMcp-Session-Id: {session}\r\n");
        let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        self.stream.write_all((self.head("/mcp", &headers, body) + body).as_bytes()).unwrap();
        self.read();
        headers
    }

    fn call(&mut self, id: usize) {
        let digits = &mut self.request[self.id..self.id + DIGITS];
        // The first digit stays what it is: a number of JSON does not begin with 0.
        let mut rest = id;
        for digit in digits[1..].iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap();
            rest /= 10;
        }
        self.stream.write_all(&self.request).unwrap();
        let body = self.read();
        let (body, sent) = (&self.answer[body], &self.request[self.id..self.id + DIGITS]);
        assert!(
            contains(body, sent) && contains(body, TEXT.as_bytes()),
            "the answer is that to another call"
        );
    }

    fn head(&self, path: &str, headers: &str, body: &str) -> String {
        let (address, length) = (self.stream.peer_addr().unwrap(), body.len());
        format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {length}\r\n{headers}\r\n"
        )
    }

    /// Reads an answer and returns where its body stands.
    fn read(&mut self) -> Range<usize> {
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.answer[filled..]).unwrap();
            assert_ne!(read, 0, "the connection was closed");
            filled += read;
            let Some(head) = find(&self.answer[..filled], b"\r\n\r\n") else { continue };
            assert!(self.answer.starts_with(b"HTTP/1.1 20"), "the call was refused");
            let start = head + 4;
            let end = start + length(&self.answer[..head]);
            if filled == end {
                return start..end;
            }
        }
    }
}

/// The value of `content-length` in `head`.
fn length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"\r\ncontent-length: ";
    let value = &head[find(head, NAME).unwrap() + NAME.len()..];
    value
        .iter()
        .take_while(|digit| digit.is_ascii_digit())
        .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    find(text, part).is_some()
}
