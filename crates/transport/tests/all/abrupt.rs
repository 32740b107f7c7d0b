//! Clients that vanish, on every transport and at every step, leave nothing behind that runs.
//!
//! Invariant: Clients that disconnect leave no task behind, over any transport, at any step.

#![cfg(unix)]

use std::{net::SocketAddr, time::Duration};

use crate::common::{
    Server,
    client::{Verb, call, meta, modern, post},
    fake::Fake,
    within,
};
use anyport_protocol::Revision;
use anyport_transport::{
    http::{Config, Endpoint, Limits, axum::router},
    unix, websocket,
};
use axum::Router;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    runtime::Handle,
    time::sleep,
};

/// How many clients vanish on each way, so many at a time.
const CLIENTS: usize = 1000;
const AT_ONCE: usize = 50;

fn config() -> Config {
    // A call of a session runs on without its client, until the session ends: that is soon here.
    let limits = Limits::default().session_idle(Duration::from_millis(200));
    Config::default().sse(true).rest(true).websocket(websocket::Config::default()).limits(limits)
}

/// What a client sends before it vanishes, in steps: it waits for an answer to each but the last.
type Steps = Vec<Vec<u8>>;

/// The ways of a client to be cut off: before its last step, in the middle of it, and behind it.
async fn vanish(mut io: impl AsyncRead + AsyncWrite + Unpin, steps: &Steps, how: usize) {
    let (last, first) = steps.split_last().unwrap();
    for step in first {
        io.write_all(step).await.unwrap();
        assert!(io.read(&mut [0; 4096]).await.unwrap() > 0);
    }
    let end = match how % 3 {
        0 => 0,
        1 => last.len() / 2,
        _ => last.len(),
    };
    io.write_all(&last[..end]).await.unwrap();
    if how.is_multiple_of(2) && end == last.len() {
        // Until the server is at work on it.
        tokio::task::yield_now().await;
    }
}

/// Lets clients vanish, half of them with a reset, and waits until everything is as it was.
async fn check_tcp(address: SocketAddr, what: &str, steps: Steps) {
    let before = settled().await;
    for round in 0..CLIENTS / AT_ONCE {
        let clients = (0..AT_ONCE).map(|client| {
            let steps = &steps;
            async move {
                let stream = TcpStream::connect(address).await.unwrap();
                let how = round * AT_ONCE + client;
                if how % 4 < 2 {
                    stream.set_zero_linger().unwrap();
                }
                vanish(stream, steps, how).await;
            }
        });
        within(futures_util::future::join_all(clients)).await;
    }
    came_back_to(before, what).await;
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// The number of tasks once it does not change any more.
async fn settled() -> usize {
    let (mut last, mut same) = (tasks(), 0);
    while same < 5 {
        sleep(Duration::from_millis(20)).await;
        same = if tasks() == last { same + 1 } else { 0 };
        last = tasks();
    }
    last
}

async fn came_back_to(before: usize, what: &str) {
    let back = async {
        while tasks() > before {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(15), back).await;
    assert!(ended.is_ok(), "{what}: {} tasks, and {before} before", tasks());
}

fn tool(id: u64, tool: &str, meta: Option<Value>) -> Value {
    let mut params = json!({"name": tool, "arguments": {}});
    if let Some(meta) = meta {
        params["_meta"] = meta;
    }
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}

fn plainly(call: Value) -> Verb {
    Verb { target: "/mcp/call".into(), ..post(call.to_string()) }
}

fn initialize() -> Value {
    let params = json!({"protocolVersion": Revision::V2025_11_25.as_str(), "capabilities": {"roots": {}},
        "clientInfo": {"name": "abrupt", "version": "1"}});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

/// A text frame, masked with zeros.
fn frame(text: &Value) -> Vec<u8> {
    let text = text.to_string();
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

/// Every way over HTTP, at `prefix`.
fn ways(prefix: &str) -> Vec<(&'static str, Steps)> {
    let at = |verb: Verb| Verb { target: format!("{prefix}{}", verb.target), ..verb }.bytes();
    let listen = modern(1, "subscriptions/listen", r#"{"notifications":{"toolsListChanged":true}}"#);
    let get = |path: &str| Verb::new("GET", path).add("Accept", "text/event-stream");
    let handshake = Verb::new("GET", "/ws")
        .add("Connection", "Upgrade")
        .add("Upgrade", "websocket")
        .add("Sec-WebSocket-Version", "13")
        .add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    vec![
        ("a call", vec![at(call(1, "wait", json!({})))]),
        ("a plain call", vec![at(plainly(json!({"method": "wait"})))]),
        (
            "plain calls",
            vec![at(plainly(json!([{"method": "echo"}, {"method": "wait"}, {"method": "wait"}])))],
        ),
        ("a stream of a call", vec![at(call(1, "say", json!({"count": 3})))]),
        ("a listen stream", vec![at(listen)]),
        ("a session that opens", vec![at(post(initialize().to_string()))]),
        ("HTTP+SSE", vec![at(get("/sse")), Vec::new()]),
        ("HTTP+SSE at the endpoint", vec![at(get("/mcp"))]),
        ("an upgrade", vec![at(handshake.clone())]),
        ("a WebSocket", vec![at(handshake.clone()), frame(&tool(1, "wait", Some(meta())))]),
        (
            "a WebSocket with a session",
            vec![at(handshake), frame(&initialize()), frame(&tool(1, "ask", None))],
        ),
    ]
}

#[tokio::test]
async fn on_a_listener() {
    let server = Server::start(config()).await;
    server.canary().await;
    for (what, steps) in ways("") {
        check_tcp(server.address, what, steps).await;
    }
    server.canary().await;
}

#[tokio::test]
async fn within_an_application() {
    let endpoint = Endpoint::new(Fake::default(), config());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, Router::new().nest("/tools", router(&endpoint))).into_future());
    for (what, steps) in ways("/tools") {
        check_tcp(address, what, steps).await;
    }
}

#[tokio::test]
async fn calls_of_a_session_end_with_it() {
    let server = Server::start(config()).await;
    server.canary().await;
    let before = settled().await;
    for round in 0..20 {
        let opened = server.ask(&post(initialize().to_string())).await;
        let id = opened.header("mcp-session-id").unwrap().to_owned();
        let session = |verb: Verb| verb.add("Mcp-Session-Id", &id);
        let get = session(Verb::new("GET", "/mcp").add("Accept", "text/event-stream"));
        for client in 0..AT_ONCE as u64 {
            let verb =
                if client == 0 { get.clone() } else { session(post(tool(client, "say", None).to_string())) };
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(&verb.bytes()).await.unwrap();
            if round % 2 == 0 {
                stream.set_zero_linger().unwrap();
                let _ = within(stream.read(&mut [0; 64])).await;
            }
        }
    }
    came_back_to(before, "calls of sessions").await;
    server.canary().await;
}

#[tokio::test]
async fn on_a_unix_socket() {
    let folder = tempfile::TempDir::new().unwrap();
    let listener = unix::Listener::bind(folder.path().join("s"), unix::Config::default()).await.unwrap();
    let path = listener.path().to_owned();
    tokio::spawn(listener.serve(Fake::default(), std::future::pending()));
    let line = |message: Value| format!("{message}\n").into_bytes();
    for (what, steps) in [
        ("a call", vec![line(tool(1, "wait", Some(meta())))]),
        ("a session", vec![line(initialize()), line(tool(1, "ask", None))]),
    ] {
        let before = settled().await;
        for round in 0..CLIENTS / AT_ONCE {
            let clients = (0..AT_ONCE).map(|client| {
                let (steps, path) = (&steps, &path);
                async move { vanish(UnixStream::connect(path).await.unwrap(), steps, round + client).await }
            });
            within(futures_util::future::join_all(clients)).await;
        }
        came_back_to(before, what).await;
    }
}
