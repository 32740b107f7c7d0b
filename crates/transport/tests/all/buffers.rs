//! Large answers that clients do not read (`buffered_bytes`), over every transport.
//!
//! Invariant: Large answers that clients do not read take bounded memory in the whole process, over every transport.

use std::{
    any::Any,
    io::{BufRead as _, BufReader, Write as _},
    time::Duration,
};

use anyport_metrics::Metrics;
use anyport_protocol::Revision;
use anyport_service::Outcome;
use anyport_transport::{
    BufferLimits, BufferedBytes,
    client::{Connection as Connected, http::Endpoint},
    http, memory, stdio, unix, websocket,
};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
    time::sleep,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::{
    client_http::{
        ours,
        script::{self, Script},
    },
    common::{
        Server,
        client::{Connection, Verb, call, meta, post},
        fake::Fake,
        within,
    },
    http::session::Session,
};

/// More than lies in the buffers of any socket.
const UNREAD: usize = 16 << 20;

/// Large, and far less than the budget.
const LARGE: usize = 100 << 10;

#[derive(Clone, Copy, Debug)]
enum Way {
    Modern,
    Session,
    HttpSse,
    Rest,
    WebSocket,
    Unix,
    Stdio,
    Memory,
}

const WAYS: [Way; 8] =
    [Way::Modern, Way::Session, Way::HttpSse, Way::Rest, Way::WebSocket, Way::Unix, Way::Stdio, Way::Memory];

/// A server on every transport, with one budget.
struct Program {
    http: Server,
    fake: Fake,
    folder: TempDir,
    buffers: BufferedBytes,
    metrics: Metrics,
    _unix: JoinHandle<()>,
}

impl Program {
    async fn start(limits: http::Limits) -> Self {
        Self::waiting(limits, Duration::from_millis(200)).await
    }

    /// One whose answers wait as long as a busy machine may take to read others: nothing is to be refused.
    async fn patient() -> Self {
        Self::waiting(http::Limits::default(), Duration::from_secs(60)).await
    }

    async fn waiting(limits: http::Limits, wait: Duration) -> Self {
        let metrics = Metrics::new();
        let budget = BufferLimits::default().bytes(1 << 20).wait(wait);
        let buffers = BufferedBytes::new(budget, &metrics);
        let websocket = websocket::Config::default();
        let config = http::Config::default().sse(true).rest(true).websocket(websocket).limits(limits);
        let http = Server::start(config.buffers(buffers.clone())).await;
        let (fake, folder) = (http.fake.clone(), TempDir::new().unwrap());
        let config = unix::Config::default().buffers(buffers.clone());
        let listener = unix::Listener::bind(&folder.path().join("s"), config).await.unwrap();
        let service = fake.clone();
        let serving = async move { drop(listener.serve(service, std::future::pending()).await) };
        Self { http, fake, folder, buffers, metrics, _unix: tokio::spawn(serving) }
    }

    fn number(&self, name: &str) -> i64 {
        let samples = self.metrics.snapshot();
        samples.iter().find(|sample| sample.name == name).map_or(0, |sample| sample.value)
    }

    fn buffered(&self) -> i64 {
        self.number("anyport_buffered_bytes")
    }

    fn refusals(&self) -> i64 {
        self.number("anyport_limit_refusals_total")
    }

    async fn until(&self, what: &str, is_there: impl Fn(i64) -> bool) {
        let there = async {
            while !is_there(self.buffered()) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), there).await;
        assert!(waited.is_ok(), "{what}: {} bytes", self.buffered());
    }

    async fn websocket(&self) -> WebSocketStream<TcpStream> {
        let stream = within(TcpStream::connect(self.http.address)).await.unwrap();
        within(client_async(format!("ws://{}/ws", self.http.address), stream)).await.unwrap().0
    }

    async fn unix(&self) -> UnixStream {
        within(UnixStream::connect(self.folder.path().join("s"))).await.unwrap()
    }

    /// The client's ends of standard input and output.
    fn stdio(&self) -> (std::io::PipeWriter, std::io::PipeReader) {
        let (input, to) = std::io::pipe().unwrap();
        let (from, output) = std::io::pipe().unwrap();
        let (service, config) = (self.fake.clone(), stdio::Config::default().buffers(self.buffers.clone()));
        tokio::spawn(async move {
            drop(stdio::serve_on(service, config, std::future::pending(), input, output).await);
        });
        (to, from)
    }

    fn memory(&self) -> memory::Client {
        let config = memory::Config::default().buffers(self.buffers.clone());
        let (client, serving) = memory::serve(self.fake.clone(), config, std::future::pending());
        tokio::spawn(serving);
        client
    }

    /// The stream of HTTP+SSE, and where its client posts.
    async fn sse(&self, mut stream: Connection) -> (Connection, String) {
        stream.begin(&Verb::new("GET", "/sse").add("Accept", "text/event-stream")).await;
        let address = stream.event().await.unwrap().data;
        let params = json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
        let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        self.post(&address, &initialize).await;
        stream.event().await.unwrap();
        self.post(&address, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        (stream, address)
    }

    async fn post(&self, address: &str, message: &Value) {
        let verb = Verb { target: address.into(), ..post(message.to_string()) };
        assert_eq!(self.http.ask(&verb).await.status, 202);
    }

    /// Calls a tool whose answer has so many bytes, and does not read it until what is returned is dropped.
    async fn leave_unread(&self, way: Way, bytes: usize) -> Box<dyn Any + Send> {
        match way {
            Way::Modern | Way::Session | Way::Rest => {
                let verb = self.verb(way, bytes).await;
                let mut connection = Connection::narrow(self.http.address).await;
                connection.send(&verb.bytes()).await;
                Box::new(connection)
            }
            Way::HttpSse => {
                let (stream, address) = self.sse(Connection::narrow(self.http.address).await).await;
                self.post(&address, &legacy(bytes)).await;
                Box::new(stream)
            }
            Way::WebSocket => {
                let mut socket = self.websocket().await;
                socket.send(Message::text(modern(bytes).to_string())).await.unwrap();
                Box::new(socket)
            }
            Way::Unix => {
                let mut stream = self.unix().await;
                stream.write_all(format!("{}\n", modern(bytes)).as_bytes()).await.unwrap();
                Box::new(stream)
            }
            Way::Stdio => {
                let (mut to, from) = self.stdio();
                writeln!(to, "{}", modern(bytes)).unwrap();
                Box::new((to, from))
            }
            Way::Memory => {
                let client = self.memory();
                client.send(modern(bytes).to_string()).await.unwrap();
                Box::new(client)
            }
        }
    }

    async fn verb(&self, way: Way, bytes: usize) -> Verb {
        match way {
            Way::Session => {
                Session::new(&self.http, Revision::V2025_11_25).await.within(post(legacy(bytes).to_string()))
            }
            Way::Rest => {
                let call = json!({"id": 1, "method": "big", "params": {"bytes": bytes}});
                Verb { target: "/mcp/call".into(), ..post(call.to_string()) }
            }
            _ => call(1, "big", json!({"bytes": bytes})),
        }
    }

    /// Calls a tool whose answer has so many bytes, and reads it.
    async fn ask(&self, way: Way, bytes: usize) -> Value {
        match way {
            Way::Modern | Way::Session | Way::Rest => {
                let verb = self.verb(way, bytes).await;
                let answer = self.http.ask(&verb).await;
                let json = answer.json();
                let status = if json.get("error").is_some() { 503 } else { 200 };
                assert_eq!(answer.status, status, "{way:?}");
                json
            }
            Way::HttpSse => {
                let (mut stream, address) = self.sse(self.http.connect().await).await;
                self.post(&address, &legacy(bytes)).await;
                stream.event().await.unwrap().json()
            }
            Way::WebSocket => {
                let mut socket = self.websocket().await;
                socket.send(Message::text(modern(bytes).to_string())).await.unwrap();
                let Message::Text(text) = within(socket.next()).await.unwrap().unwrap() else { panic!() };
                serde_json::from_str(&text).unwrap()
            }
            Way::Unix => {
                let mut stream = tokio::io::BufReader::new(self.unix().await);
                stream.write_all(format!("{}\n", modern(bytes)).as_bytes()).await.unwrap();
                let mut line = String::new();
                within(stream.read_line(&mut line)).await.unwrap();
                serde_json::from_str(&line).unwrap()
            }
            Way::Stdio => {
                let (mut to, from) = self.stdio();
                writeln!(to, "{}", modern(bytes)).unwrap();
                let reading = tokio::task::spawn_blocking(move || {
                    let mut line = String::new();
                    BufReader::new(from).read_line(&mut line).unwrap();
                    line
                });
                serde_json::from_str(&within(reading).await.unwrap()).unwrap()
            }
            Way::Memory => {
                let mut client = self.memory();
                client.send(modern(bytes).to_string()).await.unwrap();
                serde_json::from_slice(&within(client.receive()).await.unwrap()).unwrap()
            }
        }
    }

    /// Asserts that a large answer is refused.
    async fn refuses(&self, way: Way) {
        let before = self.refusals();
        let refused = self.ask(way, LARGE).await;
        let error = &refused["error"];
        assert_eq!(error["data"]["reason"], "overloaded", "{way:?}: {} bytes", self.buffered());
        let words = error["message"].as_str().unwrap();
        assert!(words.contains("buffered_bytes") && words.contains("was carried out"), "{way:?}: {words}");
        assert_eq!(self.refusals(), before + 1, "{way:?}: it is counted");
    }

    /// Asserts that an answer arrives.
    async fn answers(&self, way: Way, bytes: usize) {
        let answer = self.ask(way, bytes).await;
        assert_eq!(answer["error"], Value::Null, "{way:?}");
        assert!(answer.to_string().len() > bytes, "{way:?}");
    }
}

fn modern(bytes: usize) -> Value {
    let params = json!({"name": "big", "arguments": {"bytes": bytes}, "_meta": meta()});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
}

fn legacy(bytes: usize) -> Value {
    let params = json!({"name": "big", "arguments": {"bytes": bytes}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_budget_large_answers_are_refused_by_name_over_every_transport() {
    let program = Program::start(http::Limits::default()).await;
    let unread = program.leave_unread(Way::Memory, UNREAD).await;
    program.until("it is in memory", |bytes| bytes > i64::try_from(UNREAD).unwrap()).await;
    for way in WAYS {
        program.refuses(way).await;
        // Small ones are not counted.
        program.answers(way, 10).await;
    }
    drop(unread);
    program.until("all is read", |bytes| bytes == 0).await;
    for way in WAYS {
        program.answers(way, LARGE).await;
        program.answers(way, 2 << 20).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_does_not_read_counts_until_it_is_gone_over_every_transport() {
    let program = Program::start(http::Limits::default()).await;
    for way in WAYS {
        let unread = program.leave_unread(way, UNREAD).await;
        program.until("it is in memory", |bytes| bytes > i64::try_from(UNREAD).unwrap()).await;
        sleep(Duration::from_millis(50)).await;
        assert!(program.buffered() > i64::try_from(UNREAD).unwrap(), "{way:?}: {}", program.buffered());
        program.refuses(Way::Memory).await;
        drop(unread);
        program.until(&format!("{way:?}: the client is gone"), |bytes| bytes == 0).await;
        program.answers(Way::Memory, LARGE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_waits_until_others_are_read() {
    let program = Program::start(http::Limits::default()).await;
    for way in WAYS {
        let unread = program.leave_unread(Way::Memory, UNREAD).await;
        program.until("it is in memory", |bytes| bytes > i64::try_from(UNREAD).unwrap()).await;
        let free = async {
            sleep(Duration::from_millis(50)).await;
            drop(unread);
        };
        tokio::join!(program.answers(way, LARGE), free);
    }
    assert_eq!(program.refusals(), 0);
}

/// With the default `write_timeout`, memory is given back within a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_gives_its_memory_back_after_the_write_timeout() {
    assert!(http::Limits::default().write_timeout <= Duration::from_secs(60));
    let program = Program::start(http::Limits::default().write_timeout(Duration::from_millis(300))).await;
    for way in [Way::Modern, Way::Session, Way::HttpSse, Way::Rest, Way::WebSocket] {
        let unread = program.leave_unread(way, UNREAD).await;
        program.until("it is in memory", |bytes| bytes > i64::try_from(UNREAD).unwrap()).await;
        program.until(&format!("{way:?}: it is given back"), |bytes| bytes == 0).await;
        drop(unread);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_unread_answers_take_no_more_than_the_budget() {
    let program = Program::start(http::Limits::default()).await;
    let mut unread = Vec::new();
    for index in 0..100 {
        unread.push(program.leave_unread(WAYS[index % WAYS.len()], 300 << 10).await);
        // What lies in the buffers of sockets is no memory of ours; a part of it is one more answer.
        assert!(program.buffered() < 2 << 20, "{} bytes", program.buffered());
    }
    drop(unread);
    program.until("all are gone", |bytes| bytes == 0).await;
}

/// A server over HTTP whose answers have so many bytes, as one JSON text or as an event.
async fn large_answers(bytes: usize, as_events: bool) -> Script {
    Script::start(move |asked| {
        let large = script::answer(asked, &"x".repeat(bytes));
        let event = || script::events(&format!("data: {large}\n\n"));
        script::modern(asked).unwrap_or_else(|| if as_events { event() } else { script::json(&large) })
    })
    .await
}

async fn connected(program: &Program, script: &Script) -> Connected {
    let endpoint = Endpoint::new(&script.url()).unwrap().without_proxy();
    let options = ours::opening(Some(Revision::V2026_07_28)).buffers(program.buffers.clone());
    within(ours::open(&endpoint, &options)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_of_a_server_are_read_as_clients_read_theirs() {
    let program = Program::start(http::Limits::default()).await;
    for as_events in [false, true] {
        let script = large_answers(4 << 20, as_events).await;
        let connection = connected(&program, &script).await;
        let unread = program.leave_unread(Way::Memory, UNREAD).await;
        program.until("it is in memory", |bytes| bytes > i64::try_from(UNREAD).unwrap()).await;
        let before = program.refusals();
        let outcome = within(ours::call(&connection, "big", json!({})).outcome()).await;
        let Outcome::Failed(failure) = outcome else { panic!("{as_events}") };
        assert!(failure.to_string().contains("buffered_bytes"), "{failure}");
        assert_eq!(program.refusals(), before + 1);

        let calling = ours::call(&connection, "big", json!({})).outcome();
        let freeing = async {
            sleep(Duration::from_millis(50)).await;
            drop(unread);
        };
        let (outcome, ()) = tokio::join!(within(calling), freeing);
        assert_eq!(ours::text(&outcome).len(), 4 << 20, "{as_events}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_read_at_once_do_not_wait_for_one_another_for_ever() {
    let program = Program::patient().await;
    for as_events in [false, true] {
        let script = large_answers(2 << 20, as_events).await;
        let connection = connected(&program, &script).await;
        // Each of them is larger than what may be read at a time.
        let calls = (0..8).map(|_| ours::call(&connection, "big", json!({})).outcome());
        for outcome in within(futures_util::future::join_all(calls)).await {
            assert_eq!(ours::text(&outcome).len(), 2 << 20, "{as_events}");
        }
        program.until("all is read", |bytes| bytes == 0).await;
    }
    assert_eq!(program.refusals(), 0);
}

/// A server over HTTP that begins an answer with `begin`, and then says nothing more.
async fn stalling(begin: impl Fn() -> String + Send + Sync + 'static) -> Script {
    Script::start(move |asked| script::modern(asked).unwrap_or_else(|| begin() + script::STALLS)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_of_an_event_stream_take_nothing_of_the_budget() {
    let program = Program::start(http::Limits::default()).await;
    let chatty = stalling(|| script::events(&": nothing yet\n".repeat(UNREAD / 14))).await;
    let chatting = connected(&program, &chatty).await;
    let calls: Vec<_> =
        (0..3).map(|_| tokio::spawn(ours::call(&chatting, "chat", json!({})).outcome())).collect();
    sleep(Duration::from_millis(300)).await;
    assert_eq!(program.buffered(), 0);
    let script = large_answers(2 << 20, true).await;
    let connection = connected(&program, &script).await;
    let outcome = within(ours::call(&connection, "big", json!({})).outcome()).await;
    assert_eq!(ours::text(&outcome).len(), 2 << 20);
    assert_eq!(program.refusals(), 0);
    calls.iter().for_each(|call| call.abort());
}

/// Invariant: A server that never ends its answers does not keep those of other servers from being read.
#[tokio::test(flavor = "multi_thread")]
async fn no_server_takes_the_whole_budget_of_answers_that_are_read() {
    let begins: [fn() -> String; 2] = [
        || script::events(&format!("data: {}", "x".repeat(100 << 10))),
        || {
            let type_ = "Content-Type: application/json";
            script::response("200 OK", &[type_, "Content-Length: 9000000"], &"x".repeat(100 << 10))
        },
    ];
    for begin in begins {
        let program = Program::patient().await;
        let slow = stalling(begin).await;
        let stalled = connected(&program, &slow).await;
        let calls: Vec<_> =
            (0..10).map(|_| tokio::spawn(ours::call(&stalled, "stall", json!({})).outcome())).collect();
        program.until("they are being read", |bytes| bytes > 100 << 10).await;
        sleep(Duration::from_millis(100)).await;
        // Those of ten connections that wait are read no further than to where they count.
        let of_others = program.buffered();
        for as_events in [false, true] {
            let script = large_answers(2 << 20, as_events).await;
            let connection = connected(&program, &script).await;
            let calls = (0..3).map(|_| ours::call(&connection, "big", json!({})).outcome());
            for outcome in within(futures_util::future::join_all(calls)).await {
                assert_eq!(
                    ours::text(&outcome).len(),
                    2 << 20,
                    "{as_events}: {of_others} bytes of another server"
                );
            }
        }
        calls.iter().for_each(|call| call.abort());
        for call in calls {
            _ = call.await;
        }
        program.until("nothing is read", |bytes| bytes == 0).await;
    }
}
