//! The endpoint by itself: requests are values, no socket is there, and time is ours.
//!
//! Invariant: An endpoint inside another program keeps the same invariants as on our listener.

use std::time::Duration;

use crate::common::{
    client::{Verb, call, post},
    fake::Fake,
};
use anyport_protocol::Revision;
use anyport_transport::http::{
    Body, Config, ConnectInfo, Endpoint, FurtherEndpoint, FurtherEndpoints, Limits,
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// An endpoint, and the inside of its service.
struct Mounted {
    endpoint: Endpoint,
    fake: Fake,
}

impl Mounted {
    fn new(config: Config) -> Self {
        let fake = Fake::default();
        Self { endpoint: Endpoint::new(fake.clone(), config), fake }
    }

    fn limited(limits: Limits) -> Self {
        Self::new(Config::default().sse(true).limits(limits))
    }

    async fn ask(&self, verb: &Verb) -> http::Response<Body> {
        let mut request = http::Request::builder().method(verb.method.as_str()).uri(&verb.target);
        for (name, value) in &verb.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(verb.body.clone()))).unwrap();
        self.endpoint.handle(request, ConnectInfo::default()).await
    }

    async fn json(&self, verb: &Verb) -> (u16, Value) {
        let response = self.ask(verb).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Opens a stream of HTTP+SSE; where it is read, and where it is posted to.
    async fn stream(&self) -> (Body, String) {
        let response = self.ask(&Verb::new("GET", "/sse").add("Accept", "text/event-stream")).await;
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        let first = next(&mut body).await.unwrap();
        let address = first.strip_prefix("event: endpoint\ndata: ").unwrap().trim_end().to_owned();
        (body, address)
    }

    async fn post(&self, address: &str, message: &Value) -> u16 {
        self.json(&Verb { target: address.into(), ..post(message.to_string()) }).await.0
    }
}

/// What comes next of a stream, as it is written.
async fn next(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.unwrap().into_data().unwrap();
    Some(String::from_utf8(frame.to_vec()).unwrap())
}

fn initialize(revision: Revision) -> Value {
    let params = json!({"protocolVersion": revision.as_str(), "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

fn tool_call(tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

#[tokio::test(start_paused = true)]
async fn both_eras_are_answered_without_a_socket() {
    let mounted = Mounted::new(Config::default());
    let (status, answer) = mounted.json(&call(7, "echo", json!({"text": "hi"}))).await;
    assert_eq!(
        (status, &answer["id"], &answer["result"]["content"][0]["text"]),
        (200, &json!(7), &json!("hi"))
    );
    let opened = mounted.ask(&post(initialize(Revision::V2025_11_25).to_string())).await;
    let session = opened.headers()["mcp-session-id"].to_str().unwrap();
    let ping = post(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#).add("Mcp-Session-Id", session);
    assert_eq!(mounted.json(&ping).await, (200, json!({"jsonrpc": "2.0", "id": "p", "result": {}})));
    assert_eq!(mounted.json(&ping.set("Host", "evil.example")).await.0, 421);
}

#[tokio::test(start_paused = true)]
async fn further_endpoints_have_paths_services_and_sessions_of_their_own() {
    let further = Fake::default();
    let config = Config::default()
        .rest(true)
        .sse(true)
        .further_endpoints([FurtherEndpoint::new("/s/a/mcp", further.clone())]);
    let mounted = Mounted::new(config);
    let at = |path: &str, verb: Verb| Verb { target: path.into(), ..verb };
    let echo = |path: &str| at(path, call(7, "echo", json!({"text": "hi"})));
    for (path, status, calls) in [
        ("/mcp", 200, (1, 0)),
        ("/s/a/mcp", 200, (1, 1)),
        ("/s/b/mcp", 404, (1, 1)),
        ("/s/a/mcpx", 404, (1, 1)),
    ] {
        assert_eq!(mounted.json(&echo(path)).await.0, status, "{path}");
        let made = |fake: &Fake| fake.counts().finished;
        assert_eq!((made(&mounted.fake), made(&further)), calls, "{path}");
    }
    let opened = mounted.ask(&at("/s/a/mcp", post(initialize(Revision::V2025_11_25).to_string()))).await;
    let session = opened.headers()["mcp-session-id"].to_str().unwrap();
    let ping =
        |path| at(path, post(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#).add("Mcp-Session-Id", session));
    assert_eq!(mounted.json(&ping("/s/a/mcp")).await.0, 200);
    assert_eq!(mounted.json(&ping("/mcp")).await.0, 404, "it is no session of the first endpoint");
    assert_eq!(
        mounted.json(&Verb::new("GET", "/s/a/mcp/tools")).await.0,
        200,
        "the REST interface stands below it"
    );
    assert_eq!(mounted.json(&Verb::new("GET", "/health")).await.0, 200);
    let stream = mounted.ask(&Verb::new("GET", "/s/a/mcp/sse").add("Accept", "text/event-stream")).await;
    let first = next(&mut stream.into_body()).await.unwrap();
    assert!(first.contains("/s/a/mcp/messages?"), "{first}");
    mounted.endpoint.close().await;
    assert_eq!(mounted.json(&ping("/s/a/mcp")).await.0, 404, "its sessions end with the others");
}

/// Invariant: Endpoints that come and go while they are served do not touch the sessions of the others.
#[tokio::test(start_paused = true)]
async fn further_endpoints_come_and_go_while_they_are_served() {
    let (stays, goes, comes) = (Fake::default(), Fake::default(), Fake::default());
    let stays = FurtherEndpoint::new("/s/stays/mcp", stays);
    let all = FurtherEndpoints::from([stays.clone(), FurtherEndpoint::new("/s/goes/mcp", goes.clone())]);
    let mounted = Mounted::new(Config::default().further_endpoints(all.clone()));
    let at = |path: &str, verb: Verb| Verb { target: path.into(), ..verb };
    let mut sessions = Vec::new();
    for path in ["/mcp", "/s/stays/mcp", "/s/goes/mcp"] {
        let opened = mounted.ask(&at(path, post(initialize(Revision::V2025_11_25).to_string()))).await;
        sessions.push((path, opened.headers()["mcp-session-id"].to_str().unwrap().to_owned()));
    }
    let ping = |(path, session): &(&str, String)| {
        at(path, post(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#).add("Mcp-Session-Id", session))
    };
    let [main, staying, going] = &sessions[..] else { panic!("{sessions:?}") };
    let stream = at(going.0, Verb::new("GET", going.0).add("Accept", "text/event-stream"));
    let mut stream = mounted.ask(&stream.add("Mcp-Session-Id", &going.1)).await.into_body();

    all.set([stays, FurtherEndpoint::new("/s/comes/mcp", comes.clone())]);
    let echo = |path: &str| at(path, call(7, "echo", json!({"text": "hi"})));
    for (path, status) in [("/mcp", 200), ("/s/stays/mcp", 200), ("/s/comes/mcp", 200), ("/s/goes/mcp", 404)]
    {
        assert_eq!(mounted.json(&echo(path)).await.0, status, "{path}");
    }
    assert_eq!((goes.counts().finished, comes.counts().finished), (0, 1));
    assert_eq!(mounted.json(&ping(main)).await.0, 200);
    assert_eq!(mounted.json(&ping(staying)).await.0, 200, "its session goes on");
    assert_eq!(mounted.json(&ping(going)).await.0, 404);
    while next(&mut stream).await.is_some() {}
    mounted.endpoint.close().await;
    assert_eq!(mounted.json(&ping(staying)).await.0, 404, "its sessions end with the others");
}

#[tokio::test(start_paused = true)]
async fn a_body_in_pieces_is_put_together_and_bounded() {
    let limits = Limits::default().message(anyport_protocol::Limits::default().bytes(1000));
    let mounted = Mounted::limited(limits);
    let verb = call(1, "echo", json!({"text": "hi"}));
    for (padding, status) in [(0, 200), (1000, 413)] {
        let mut bytes = verb.body.clone();
        bytes.extend(std::iter::repeat_n(b' ', padding));
        let pieces: Vec<Bytes> = bytes.chunks(7).map(Bytes::copy_from_slice).collect();
        let mut request = http::Request::builder().method("POST").uri("/mcp");
        for (name, value) in &verb.headers {
            request = request.header(name, value);
        }
        let request = request.body(Pieces(pieces.into())).unwrap();
        let response = mounted.endpoint.handle(request, ConnectInfo::default()).await;
        assert_eq!(response.status(), status);
    }
}

/// A body that comes in pieces, of a type that is not `Bytes`.
struct Pieces(std::collections::VecDeque<Bytes>);

impl http_body::Body for Pieces {
    type Data = std::io::Cursor<Vec<u8>>;
    type Error = String;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, String>>> {
        let piece = self.0.pop_front();
        std::task::Poll::Ready(
            piece.map(|piece| Ok(http_body::Frame::data(std::io::Cursor::new(piece.to_vec())))),
        )
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_that_nobody_uses_end_without_anyone_looking_after_them() {
    let mounted = Mounted::new(Config::default());
    for _ in 0..2 {
        let opened = mounted.ask(&post(initialize(Revision::V2025_11_25).to_string())).await;
        let session = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let ping = post(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#).add("Mcp-Session-Id", &session);
        sleep(Duration::from_secs(3500)).await;
        assert_eq!(mounted.json(&ping).await.0, 200);
        sleep(Duration::from_secs(3500)).await;
        assert_eq!(mounted.json(&ping).await.0, 200);
        sleep(Duration::from_secs(3620)).await;
        assert_eq!(mounted.json(&ping).await.0, 404);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_http_sse_is_written_as_its_clients_read_it() {
    let mounted = Mounted::limited(Limits::default());
    let (mut stream, address) = mounted.stream().await;
    let begun = Instant::now();
    assert_eq!(next(&mut stream).await.unwrap(), ":\n\n");
    assert_eq!(begun.elapsed(), Limits::default().keep_alive);
    assert_eq!(mounted.post(&address, &json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).await, 202);
    let answer = next(&mut stream).await.unwrap();
    assert_eq!(answer, "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_http_sse_that_is_idle_ends() {
    let mounted = Mounted::limited(Limits::default().session_idle(Duration::from_secs(100)));
    let (mut stream, address) = mounted.stream().await;
    mounted.post(&address, &initialize(Revision::V2024_11_05)).await;
    next(&mut stream).await.unwrap();
    // What is said keeps it, by either side; so does a request that is open. Comments do not.
    mounted.post(&address, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    mounted.fake.until(|counts| counts.listening == 1).await;
    for _ in 0..3 {
        sleep(Duration::from_secs(90)).await;
        mounted.fake.tools_changed();
        while next(&mut stream).await.unwrap() == ":\n\n" {}
    }
    mounted.post(&address, &tool_call("wait", json!({}))).await;
    mounted.fake.until(|counts| counts.running == 1).await;
    sleep(Duration::from_secs(1000)).await;
    mounted.fake.release(1);
    while next(&mut stream).await.unwrap() == ":\n\n" {}
    let last = Instant::now();
    while let Some(said) = next(&mut stream).await {
        assert_eq!(said, ":\n\n");
    }
    assert!((100..202).contains(&last.elapsed().as_secs()), "{:?}", last.elapsed());
    assert_eq!(mounted.post(&address, &json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).await, 404);
    mounted.fake.until(|counts| counts.listening == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_http_sse_that_nobody_reads_fills_its_buffer_and_ends() {
    let mounted = Mounted::limited(Limits::default().sse_buffer(10_000));
    let (stream, address) = mounted.stream().await;
    mounted.post(&address, &initialize(Revision::V2024_11_05)).await;
    mounted.post(&address, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    mounted.post(&address, &tool_call("say", json!({"count": 1000, "bytes": 1000, "wait": false}))).await;
    let begun = Instant::now();
    mounted.fake.until(|counts| counts.said > 5 && counts.running == 1).await;
    sleep(Limits::default().write_timeout / 2).await;
    let said = mounted.fake.counts().said;
    assert!((6..20).contains(&said), "{said} messages were made for a buffer that holds less than ten");
    assert_eq!(mounted.fake.counts().running, 1);
    sleep(Limits::default().write_timeout / 2 + Duration::from_secs(1)).await;
    assert_eq!(mounted.fake.counts().running, 0, "{:?}", begun.elapsed());
    assert_eq!(mounted.post(&address, &json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).await, 404);
    // What fitted can still be read; then the stream ends.
    let rest = stream.collect().await.unwrap().to_bytes();
    assert!((5_000..20_000).contains(&rest.len()), "{}", rest.len());
}

#[tokio::test(start_paused = true)]
async fn one_message_that_is_larger_than_the_buffer_passes_alone() {
    let mounted = Mounted::limited(Limits::default().sse_buffer(1000));
    let (mut stream, address) = mounted.stream().await;
    mounted.post(&address, &initialize(Revision::V2024_11_05)).await;
    mounted.post(&address, &tool_call("big", json!({"bytes": 100_000}))).await;
    let mut read = 0;
    while read < 100_000 {
        read += next(&mut stream).await.unwrap().len();
    }
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_calls_of_sessions_and_lets_nobody_in() {
    let mounted = Mounted::limited(Limits::default());
    let opened = mounted.ask(&post(initialize(Revision::V2025_11_25).to_string())).await;
    let session = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let within = |verb: Verb| verb.add("Mcp-Session-Id", &session);
    let (mut stream, address) = mounted.stream().await;
    mounted.post(&address, &initialize(Revision::V2024_11_05)).await;
    next(&mut stream).await.unwrap();
    mounted.post(&address, &tool_call("wait", json!({}))).await;
    let waiting = async { mounted.json(&within(post(tool_call("wait", json!({})).to_string()))).await };
    let closing = async {
        mounted.fake.until(|counts| counts.running == 2).await;
        let begun = Instant::now();
        let close = mounted.endpoint.close();
        let meanwhile = async {
            sleep(Duration::from_secs(1)).await;
            let refused = mounted.json(&post(initialize(Revision::V2025_11_25).to_string())).await;
            assert_eq!(
                (refused.0, &refused.1["error"]["data"]["reason"]),
                (503, &json!("shutting_down")),
                "{refused:?}"
            );
            assert_eq!(mounted.ask(&Verb::new("GET", "/sse")).await.status(), 503);
            assert_eq!(mounted.post(&address, &tool_call("echo", json!({}))).await, 503);
            // What belongs to no session is not its concern, and sessions are served until they end.
            assert_eq!(mounted.json(&call(1, "echo", json!({}))).await.0, 200);
            let ping = json!({"jsonrpc": "2.0", "id": "p", "method": "ping"});
            assert_eq!(mounted.json(&within(post(ping.to_string()))).await.0, 200);
            mounted.fake.release(2);
        };
        tokio::join!(close, meanwhile);
        assert_eq!(begun.elapsed().as_secs(), 1);
    };
    let ((status, answer), ()) = tokio::join!(waiting, closing);
    assert_eq!((status, &answer["result"]["content"][0]["text"]), (200, &json!("waited")));
    assert!(next(&mut stream).await.unwrap().contains("waited"));
    assert_eq!(next(&mut stream).await, None);
    let ping = json!({"jsonrpc": "2.0", "id": "p", "method": "ping"});
    assert_eq!(mounted.json(&within(post(ping.to_string()))).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn closing_cuts_what_takes_longer_than_the_drain_time() {
    let mounted = Mounted::limited(Limits::default());
    let (mut stream, address) = mounted.stream().await;
    mounted.post(&address, &initialize(Revision::V2024_11_05)).await;
    mounted.post(&address, &tool_call("wait", json!({}))).await;
    mounted.fake.until(|counts| counts.running == 1).await;
    let begun = Instant::now();
    mounted.endpoint.close().await;
    assert_eq!(begun.elapsed(), Limits::default().drain);
    mounted.fake.until(|counts| counts.running == 0).await;
    while next(&mut stream).await.is_some() {}
}
