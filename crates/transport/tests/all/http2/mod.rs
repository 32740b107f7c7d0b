//! HTTP/2: its requests pass the pipeline that those of HTTP/1.1 pass, within limits of its own.

mod attacks;

use anyport_protocol::Revision;
use anyport_transport::http::{Config, Limits};
use serde_json::{Value, json};

use crate::common::{
    PATIENCE, Server,
    client::{Verb, call, modern, post},
    http2::{self, Frame, Frames, GOAWAY, HEADERS, said},
};

fn echo() -> Verb {
    call(1, "echo", json!({"text": "hi"}))
}

fn initialize(revision: Revision) -> Verb {
    let params = json!({"protocolVersion": revision.as_str(), "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"}});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    post(message.to_string())
}

/// Invariant: A request gets over HTTP/2 what it gets over HTTP/1.1.
#[tokio::test]
async fn every_request_gets_the_answer_that_it_gets_over_http_1_1() {
    let limits = Limits::default().message(anyport_protocol::Limits::default().bytes(100_000));
    let config = Config::default()
        .limits(limits)
        .allow_origins(vec!["https://app.example.com".parse().unwrap()])
        .rest(true)
        .sse(true);
    let server = Server::start(config).await;
    let page = |verb: Verb, origin: &str| verb.add("Origin", origin);
    let preflight = Verb::new("OPTIONS", "/mcp")
        .add("Access-Control-Request-Method", "POST")
        .add("Access-Control-Request-Headers", "content-type, mcp-method, x-evil");
    let mut verbs = vec![
        echo(),
        call(2, "big", json!({"bytes": 3_000_000})),
        call(3, "fail", json!({})),
        call(4, "no such tool", json!({})),
        modern(5, "no/such", "{}"),
        modern(6, "tools/list", "{}"),
        echo().set("Mcp-Method", "tools/list"),
        echo().set("Content-Type", "text/plain"),
        echo().without("Content-Type"),
        post("{"),
        post("[]"),
        post(vec![b' '; 100_001]),
        echo().set("Host", "evil.example"),
        page(echo(), "https://evil.example"),
        page(echo(), "https://app.example.com"),
        page(preflight.clone(), "https://app.example.com"),
        page(preflight, "https://evil.example"),
        Verb::new("GET", "/mcp"),
        Verb::new("DELETE", "/mcp"),
        Verb::new("PUT", "/mcp"),
        Verb::new("GET", "/mcp").add("Mcp-Session-Id", "nobody's").add("Accept", "text/event-stream"),
        Verb::new("GET", "/nowhere"),
        Verb::new("GET", "/health/live"),
        Verb::new("GET", "/mcp/tools"),
        Verb { target: "/mcp/call".into(), ..post(r#"{"method":"echo","params":{"text":"x"}}"#) },
    ];
    verbs.extend(Revision::ALL.map(initialize));
    for verb in verbs {
        let (first, second) = (server.ask(&verb).await, http2::ask(server.address, &verb).await);
        assert_eq!(said(&first), said(&second), "{} {} {:?}", verb.method, verb.target, verb.headers);
        assert_eq!(second.header("connection"), None);
    }
}

#[tokio::test]
async fn every_revision_is_served() {
    let server = Server::start(Config::default()).await;
    for revision in Revision::ALL.iter().filter(|revision| revision.has_sessions()) {
        let client = http2::connect(server.address).await;
        let opened = http2::answer(client.clone(), &initialize(*revision)).await;
        assert_eq!(opened.status, 200, "{revision}: {opened:?}");
        let session = opened.header("mcp-session-id").unwrap();
        let within = |message: Value| {
            post(message.to_string())
                .add("Mcp-Session-Id", session)
                .add("MCP-Protocol-Version", revision.as_str())
        };
        let ready = within(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        assert_eq!(http2::answer(client.clone(), &ready).await.status, 202);
        let params = json!({"name": "echo", "arguments": {"text": "in a session"}});
        let called = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params});
        let answer = http2::answer(client.clone(), &within(called)).await;
        assert!(answer.text().contains("in a session"), "{revision}: {answer:?}");
    }
    let answer = http2::ask(server.address, &echo()).await;
    assert_eq!(answer.json()["id"], 1);
}

/// A hundred requests of one connection run at once, and each is answered by itself.
#[tokio::test]
async fn requests_of_a_connection_wait_for_none_of_each_other() {
    let server = Server::start(Config::default()).await;
    let client = http2::connect(server.address).await;
    let waiting: Vec<_> = (0..50)
        .map(|id| {
            let client = client.clone();
            tokio::spawn(async move { http2::answer(client, &call(id, "wait", json!({}))).await })
        })
        .collect();
    server.fake.until(|counts| counts.running == 50).await;
    assert_eq!(http2::answer(client.clone(), &echo()).await.status, 200);
    server.fake.release(50);
    for (id, waiting) in waiting.into_iter().enumerate() {
        assert_eq!(waiting.await.unwrap().json()["id"], id);
    }
}

#[tokio::test]
async fn a_call_that_speaks_is_an_event_stream_and_a_reset_cancels_it() {
    let server = Server::start(Config::default()).await;
    let said = http2::ask(server.address, &call(1, "say", json!({"wait": false}))).await;
    assert_eq!(said.header("content-type"), Some("text/event-stream"));
    assert_eq!(said.text().matches("data: ").count(), 2, "{said:?}");
    let mut frames = Frames::open(server.address, &[]).await;
    frames.request(1, &call(2, "wait", json!({}))).await;
    server.fake.until(|counts| counts.running == 1).await;
    frames.send(http2::RESET, 0, 1, 8_u32.to_be_bytes()).await;
    server.fake.until(|counts| counts.running == 0).await;
    frames.request(3, &echo()).await;
    assert_eq!(frames.status(3).await, Ok(200));
    // Nor does a call outlive its connection.
    frames.request(5, &call(3, "wait", json!({}))).await;
    server.fake.until(|counts| counts.running == 1).await;
    drop(frames);
    server.fake.until(|counts| counts.running == 0).await;
}

/// Invariant: Over HTTP/2, `:authority` and `Host` are checked alike, and Origin with them.
#[tokio::test]
async fn authority_and_origin_are_checked_by_themselves() {
    let config = Config::default()
        .allow_hosts(vec!["mcp.example.com".parse().unwrap()])
        .allow_origins(vec!["https://app.example.com".parse().unwrap()]);
    let server = Server::start(config).await;
    let authorities = [
        ("localhost", true),
        ("127.0.0.1:1", true),
        ("[::1]", true),
        ("mcp.example.com", true),
        ("evil.example", false),
        ("localhost.evil.example", false),
        ("evil.example:80", false),
        ("localhost.", false),
    ];
    let origins = [
        (None, true),
        (Some("https://app.example.com"), true),
        (Some("http://evil.example"), false),
        (Some("null"), false),
    ];
    let mut frames = Frames::open(server.address, &[(1, 0)]).await;
    let mut stream = 1;
    for (authority, good) in authorities {
        for (origin, good_origin) in origins {
            let verb = echo().set("Host", authority);
            frames.request(stream, &origin.map_or(verb.clone(), |origin| verb.add("Origin", origin))).await;
            let expected = if !good {
                421
            } else if good_origin {
                200
            } else {
                403
            };
            assert_eq!(frames.status(stream).await, Ok(expected), "{authority} {origin:?}");
            stream += 2;
        }
    }
    // Each of the two may be the one that a proxy looked at.
    for (authority, host, expected) in [
        (Some("localhost"), "evil.example", Ok(421)),
        (Some("evil.example"), "localhost", Ok(421)),
        (Some("localhost"), "localhost", Ok(200)),
        (None, "localhost", Ok(200)),
        (None, "evil.example", Ok(421)),
    ] {
        let verb = echo();
        let mut all = vec![(":method", "POST"), (":scheme", "http"), (":path", "/mcp")];
        all.extend(authority.map(|authority| (":authority", authority)));
        let lower: Vec<(String, String)> = verb
            .set("Host", host)
            .headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        all.extend(lower.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        frames.send(HEADERS, http2::END_HEADERS, stream, http2::fields(&all)).await;
        frames.send(http2::DATA, http2::END_STREAM, stream, echo().body).await;
        assert_eq!(frames.status(stream).await, expected, "{authority:?} {host}");
        stream += 2;
    }
}

#[tokio::test]
async fn a_stop_says_goaway_and_lets_what_runs_come_to_its_end() {
    let mut server = Server::limited(Limits::default().drain(3 * PATIENCE)).await;
    let mut frames = Frames::open(server.address, &[]).await;
    frames.request(1, &call(1, "wait", json!({}))).await;
    let mut idle = Frames::open(server.address, &[]).await;
    idle.request(1, &echo()).await;
    assert_eq!(idle.status(1).await, Ok(200));
    server.fake.until(|counts| counts.running == 1).await;
    server.stop();
    let goaway = frames.until(|frame: &Frame| frame.kind == GOAWAY).await;
    assert_eq!(goaway.code(), 0);
    server.fake.release(1);
    assert_eq!(frames.status(1).await, Ok(200));
    // A client that answers no PING holds nothing up.
    assert_eq!(frames.closed().await, None);
    assert_eq!(idle.closed().await, Some(0));
    server.stopped().await;
}
