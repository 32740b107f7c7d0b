//! How often a call over HTTP asks the allocator. Exact, unlike time: the same call does the same work.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    alloc::System,
    future::pending,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyport_bench::Written;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What one call may ask for, growth of what it has included.
const ALLOWED: usize = 25;

const CALLS: usize = 1000;

const TEXT: &str = "The quick brown fox jumps over the lazy dog";

// The only test of this file, and so of its process: the counter counts every thread.
#[test]
fn a_call_allocates_little_and_the_same_however_many_tools_there_are() {
    let [one, fifty, many, most] =
        [1, 50, 500, 5_000].map(|tools| measure(tools, Written::Functions, Asked::ByMcp));
    let built = measure(1, Written::Builder, Asked::ByMcp);
    let plain = measure(1, Written::Functions, Asked::Plainly);
    for (tools, counted) in [(1, one), (50, fifty), (500, many), (5_000, most)] {
        println!(
            "{tools} tools: {} allocations, of which {} grow one, and {} bytes per call",
            per_call(counted.asked),
            per_call(counted.grown),
            per_call(counted.bytes),
        );
    }
    println!("1 tool of the builder: {} allocations per call", per_call(built.asked));
    println!("1 tool, asked plainly: {} allocations per call", per_call(plain.asked));
    assert!(one.asked <= ALLOWED * CALLS, "{} allocations per call", per_call(one.asked));
    // To the nearest whole allocation: one more or less among a thousand calls is the runtime's, or falls just outside.
    let whole = |counted: Counted| (counted.asked + CALLS / 2) / CALLS;
    assert_eq!(whole(fifty), whole(one), "50 tools against 1");
    assert_eq!(whole(many), whole(one), "500 tools against 1");
    assert_eq!(whole(most), whole(one), "5,000 tools against 1");
    assert_eq!(whole(one), whole(built), "a plain function against the builder");
    assert!(whole(plain) <= whole(one), "the plain interface against MCP");
}

/// What all calls of a measurement asked for.
#[derive(Clone, Copy, Debug)]
struct Counted {
    /// Allocations and growths.
    asked: usize,
    grown: usize,
    bytes: usize,
}

#[expect(clippy::cast_precision_loss, reason = "it is shown, to two digits")]
fn per_call(count: usize) -> f64 {
    count as f64 / CALLS as f64
}

/// How a client calls tools.
#[derive(Clone, Copy, Debug)]
enum Asked {
    ByMcp,
    Plainly,
}

/// Counts what [`CALLS`] calls of `echo` cost a server with `tools` tools, on one connection that stays open.
fn measure(tools: usize, written: Written, asked: Asked) -> Counted {
    let mut client = Client::connect(start(tools, written), asked);
    // Buffers grow to their size and lazy things are made.
    for id in 0..200 {
        client.call(id);
    }
    let region = Region::new(ALLOCATOR);
    for id in 0..CALLS {
        client.call(id);
    }
    let change = region.change();
    Counted {
        asked: change.allocations + change.reallocations,
        grown: change.reallocations,
        bytes: change.bytes_allocated,
    }
}

/// Starts a server on a thread of its own, which lives as long as the process.
fn start(tools: usize, written: Written) -> SocketAddr {
    let (told, address) = mpsc::channel();
    thread::spawn(move || {
        let server = anyport_bench::server(tools, written).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = anyport_bench::listen(0).await.unwrap();
            told.send(listener.address().unwrap()).unwrap();
            listener.serve(server, pending()).await.unwrap();
        });
    });
    address.recv().unwrap()
}

/// A client whose calls allocate nothing.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    /// Where the digits of the id stand in the request.
    id: usize,
    answer: [u8; 4096],
}

/// The ids have this many digits, so that every request has the same size.
const DIGITS: usize = 7;

impl Client {
    fn connect(address: SocketAddr, asked: Asked) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let meta = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
        let (path, body, headers) = match asked {
            Asked::ByMcp => (
                "/mcp",
                format!(
                    r#"{{"jsonrpc":"2.0","id":1000000,"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{TEXT}"}},"_meta":{meta}}}}}"#
                ),
                "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n",
            ),
            Asked::Plainly => (
                "/mcp/call",
                format!(r#"{{"jsonrpc":"2.0","id":1000000,"method":"echo","params":{{"text":"{TEXT}"}}}}"#),
                "",
            ),
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        let id = head.len() + body.find("1000000").unwrap();
        Self { stream, request: (head + &body).into_bytes(), id, answer: [0; 4096] }
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
        let (body, sent) = (&self.answer[body.0..body.1], &self.request[self.id..self.id + DIGITS]);
        assert!(
            contains(body, sent) && contains(body, TEXT.as_bytes()),
            "the answer is that to another call"
        );
    }

    /// Reads an answer and returns where its body stands.
    fn read(&mut self) -> (usize, usize) {
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.answer[filled..]).unwrap();
            assert_ne!(read, 0, "the connection was closed");
            filled += read;
            let Some(head) = find(&self.answer[..filled], b"\r\n\r\n") else { continue };
            assert!(self.answer.starts_with(b"HTTP/1.1 200 "), "the call was refused");
            let start = head + 4;
            let end = start + length(&self.answer[..head]);
            if filled == end {
                return (start, end);
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
