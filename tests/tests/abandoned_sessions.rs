//! Many clients never end their sessions. What they leave behind is bounded, and goes by itself.
//!
//! A test binary of its own with one test, since the allocator counts for the whole process.
//!
//! Invariant: Abandoned sessions are bounded, and expire.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    alloc::System,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyport::{
    Context, Server, Tool,
    http::{Config, Limits, Listener},
    with_legacy_clients,
};
use serde::Deserialize;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What an abandoned session may keep, in bytes; elsewhere it was seen to keep 326 to 709 KB.
const KEPT: usize = 12 << 10;

const SECOND: Duration = Duration::from_secs(1);

/// Bytes that are in use now.
fn in_use() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Greet {
    name: String,
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_abandoned_sessions_take_little_room_and_go_by_themselves() {
    let limits = Limits::default();
    let most = limits.max_sessions;
    // All of them are of one address here.
    let limits = limits.max_sessions_per_caller(most);
    assert_eq!(most, 10_000);
    let idle = limits.session_idle;
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), Config::default().limits(limits), false);
    let listener = listener.await.unwrap();
    let address = listener.address().unwrap();
    let greet = Tool::new("greet").run(async |Greet { name }: Greet, _: Context| format!("Hello, {name}!"));
    let server = with_legacy_clients(Server::builder("s", "1").add(greet).build().unwrap());
    tokio::spawn(listener.serve(server, std::future::pending()));

    // The oldest, and with it buffers and tables that are made once.
    let oldest = abandon(address, 1).await;
    tokio::time::advance(SECOND).await;
    let early = abandon(address, 99).await;
    tokio::time::advance(SECOND).await;
    let before = in_use();
    abandon(address, most - 100).await;
    let full = in_use();
    let each = (full - before) / (most - 100);
    println!("{each} bytes for each session");
    assert!(each < KEPT, "an abandoned session keeps {each} bytes");
    tokio::time::advance(SECOND).await;
    assert_eq!(ask(address, &early).await, 200, "there is room for all");

    // The longest idle one makes room for each that comes now; who was asked just now is not.
    let last = abandon(address, 1_000).await;
    let still = in_use();
    assert!(still < full + 100 * each, "{still} bytes after a thousand more, {full} before");
    assert_eq!(ask(address, &oldest).await, 404);
    assert_eq!((ask(address, &early).await, ask(address, &last).await), (200, 200));

    // What nobody comes back to is forgotten. The listener looks for it now and then.
    tokio::time::advance(idle + SECOND).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(ask(address, &last).await, 404);
    let after = in_use();
    // The tables keep their room for as many as there were.
    assert!(
        after < before + (full - before) / 5,
        "{after} bytes are left of {full}, {before} were there before"
    );
}

/// Opens so many sessions, calls a tool in each, and goes away without a word. Returns the last one's id.
async fn abandon(address: SocketAddr, sessions: usize) -> String {
    blocking(move || {
        let mut client = Client::connect(address);
        let mut id = String::new();
        for _ in 0..sessions {
            let answer = client.post(None, INITIALIZE);
            assert_eq!(answer.0, 200);
            id = answer.1.unwrap();
            assert_eq!(client.post(Some(&id), INITIALIZED).0, 202);
            assert_eq!(client.post(Some(&id), CALL).0, 200);
        }
        id
    })
    .await
}

/// The status of a call in a session.
async fn ask(address: SocketAddr, session: &str) -> u16 {
    let session = session.to_owned();
    blocking(move || Client::connect(address).post(Some(&session), CALL).0).await
}

/// The clock stands still for as long as this runs.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{"listChanged":true},"sampling":{},"elicitation":{}},"clientInfo":{"name":"forgetful","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{"name":"Ada"}}}"#;

/// A connection that is kept alive.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends a message, and returns the status and the session that was opened.
    fn post(&mut self, session: Option<&str>, body: &str) -> (u16, Option<String>) {
        let session = session.map(|id| format!("Mcp-Session-Id: {id}\r\n")).unwrap_or_default();
        let length = body.len();
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n{session}Content-Length: {length}\r\n\r\n{body}"
        );
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let status = self.line().split(' ').nth(1).unwrap().parse().unwrap();
        let (mut opened, mut length) = (None, 0);
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some(("mcp-session-id", id)) => opened = Some(id.to_owned()),
                Some(("content-length", bytes)) => length = bytes.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        self.0.read_exact(&mut vec![0; length]).unwrap();
        (status, opened)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}
