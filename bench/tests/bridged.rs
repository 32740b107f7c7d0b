//! How often a call through the bridge asks the allocator, HTTP to HTTP, in each pair of eras. Exact, unlike time.

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
use anyport_gateway::{Bridge, Reach, Upstream, UpstreamLimits};
use anyport_protocol::Revision;
use anyport_service::{
    Service,
    bridge::{ParkLimits, ShimLimits},
    layer::{CatchPanic, Concurrency, Quota, Rate, Trace},
    metrics::Metrics,
    seal::{Key, Sealer},
};
use anyport_transport::{
    client::{Opening, Target, http::Endpoint},
    http::{Config, Listener},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What the bridge may ask for beside what its server does, growth of what it has included. 80 were promised; this is what
/// was reached, and a little.
const ALLOWED: usize = 64;

const CALLS: usize = 1000;

const TEXT: &str = "The quick brown fox jumps over the lazy dog";

const OLD: Revision = Revision::V2025_11_25;

// The only test of this file, and so of its process: the counter counts every thread.
#[test]
fn a_bridged_call_allocates_little_in_every_pair_of_eras() {
    let server = start(|| anyport_bench::server(1, Written::Functions).unwrap());
    let alone = [Revision::NEWEST, OLD].map(|revision| (revision, measure(server, revision)));
    for (revision, counted) in alone {
        println!("the server alone, {revision}: {counted} allocations per call");
    }
    let mut most = 0;
    for (spoken, servers) in alone {
        let bridge = start(move || bridge(server, spoken));
        for client in [Revision::NEWEST, OLD] {
            let counted = measure(bridge, client) - servers;
            println!("the bridge, from {client} to {spoken}: {counted} allocations per call");
            most = most.max(counted);
        }
    }
    assert!(most <= ALLOWED, "{most} allocations per call");
}

/// What one call costs a server, on one connection that stays open, to the nearest whole allocation: one more or less
/// among a thousand calls is the runtime's.
fn measure(address: SocketAddr, revision: Revision) -> usize {
    let mut client = Client::connect(address, revision);
    // Buffers grow to their size and lazy things are made.
    for id in 0..200 {
        client.call(id);
    }
    let region = Region::new(ALLOCATOR);
    for id in 0..CALLS {
        client.call(id);
    }
    let change = region.change();
    (change.allocations + change.reallocations + CALLS / 2) / CALLS
}

/// What `anyport bridge` puts between its client and the server at `address`, with which it speaks `revision`.
fn bridge(address: SocketAddr, revision: Revision) -> impl Service {
    let endpoint = Endpoint::new(&format!("http://{address}/mcp")).unwrap();
    let opening = Opening { revision: Some(revision), ..Opening::default() };
    let (metrics, sealer) = (Metrics::new(), Sealer::new(&Key::random().unwrap()));
    let upstream =
        Upstream::new("bench", Reach::new(Target::Http(endpoint), opening), UpstreamLimits::default())
            .bounded(ShimLimits::default(), &metrics)
            .parking(sealer, ParkLimits::default(), &metrics);
    let service = CatchPanic::new(Bridge::new(upstream, Revision::ALL.into(), None));
    let unlimited = Quota { per_second: 1_000_000.try_into().unwrap(), burst: 1_000_000.try_into().unwrap() };
    let service = Rate::new(service, unlimited).metrics(&metrics);
    Trace::new(Concurrency::new(service, 1024).metrics(&metrics))
}

/// Serves what `make` makes on a thread of its own, which lives as long as the process.
fn start<S: Service>(make: impl FnOnce() -> S + Send + 'static) -> SocketAddr {
    let (told, address) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let address = SocketAddr::from(([127, 0, 0, 1], 0));
            let listener = Listener::bind(address, Config::default(), false).await.unwrap();
            told.send(listener.address().unwrap()).unwrap();
            listener.serve(make(), pending()).await.unwrap();
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

/// As a client of 2026-07-28 tells with every request who it is.
const META: &str = r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

impl Client {
    fn connect(address: SocketAddr, revision: Revision) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut client = Self { stream, request: Vec::new(), id: 0, answer: [0; 4096] };
        let (headers, meta) = match revision.is_modern() {
            true => (
                "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n".to_owned(),
                META,
            ),
            false => (client.initialize(address, revision), ""),
        };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1000000,"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{TEXT}"}}{meta}}}}}"#
        );
        let head = head(address, &headers, &body);
        client.id = head.len() + body.find("1000000").unwrap();
        client.request = (head + &body).into_bytes();
        client
    }

    /// Opens a session and returns the headers of every request in it.
    fn initialize(&mut self, address: SocketAddr, revision: Revision) -> String {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{{}},"clientInfo":{{"name":"bench","version":"1"}}}}}}"#
        );
        self.stream.write_all((head(address, "", &body) + &body).as_bytes()).unwrap();
        let (start, _) = self.read();
        let answer = String::from_utf8_lossy(&self.answer[..start]).into_owned();
        let session = answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap();
        let headers = format!("MCP-Protocol-Version: {revision}\r\nMcp-Session-Id: {session}\r\n");
        let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        self.stream.write_all((head(address, &headers, body) + body).as_bytes()).unwrap();
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
        let (start, end) = self.read();
        let (body, sent) = (&self.answer[start..end], &self.request[self.id..self.id + DIGITS]);
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
            assert!(self.answer.starts_with(b"HTTP/1.1 20"), "the call was refused");
            let start = head + 4;
            let end = start + length(&self.answer[..head]);
            if filled == end {
                return (start, end);
            }
        }
    }
}

fn head(address: SocketAddr, headers: &str, body: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    )
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
