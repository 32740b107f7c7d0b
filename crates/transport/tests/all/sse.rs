//! HTTP+SSE of 2024-11-05 over real sockets (2024-11-05, transports §HTTP with SSE).
//!
//! Invariant: An HTTP+SSE stream ends with its client, its idle time or its stalled reader, and its calls end
//! with it.

use std::time::Duration;

use crate::common::{
    PATIENCE, Server,
    client::{Connection, Event, Response, Verb, call, post},
    schema, within,
};
use anyport_protocol::Revision;
use anyport_transport::http::{Authentication, Config, Limits, Token};
use serde_json::{Value, json};

const LEGACY: [Revision; 4] =
    [Revision::V2024_11_05, Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25];

fn config() -> Config {
    Config::default().sse(true)
}

fn limited(limits: Limits) -> Config {
    config().limits(limits)
}

fn get(path: &str) -> Verb {
    Verb::new("GET", path).add("Accept", "text/event-stream")
}

/// A client: its stream, and where it posts.
struct Client {
    stream: Connection,
    address: String,
    token: Option<&'static str>,
}

impl Client {
    /// Opens a stream that is read from `connection`.
    async fn on(mut connection: Connection, path: &str, token: Option<&'static str>) -> Self {
        let head = connection.begin(&authorized(get(path), token)).await;
        assert!(head.status == 200 && head.is_stream(), "{head:?}");
        let first = connection.event().await.unwrap();
        assert_eq!(first.event.as_deref(), Some("endpoint"), "{first:?}");
        Self { stream: connection, address: first.data, token }
    }

    async fn connect(server: &Server) -> Self {
        Self::on(server.connect().await, "/sse", None).await
    }

    /// A client that is ready to call.
    async fn open(server: &Server, revision: Revision) -> Self {
        let mut client = Self::connect(server).await;
        client.initialize(server, revision).await;
        client
    }

    async fn initialize(&mut self, server: &Server, revision: Revision) -> Value {
        self.send(server, &initialize(revision)).await;
        let answer = self.answer().await;
        assert_eq!(answer["result"]["protocolVersion"], revision.as_str(), "{answer}");
        self.send(server, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        answer
    }

    fn post(&self, body: impl Into<Vec<u8>>) -> Verb {
        authorized(Verb { target: self.address.clone(), ..post(body) }.without("Accept"), self.token)
    }

    /// Posts a message, which is accepted and answered by nothing but that.
    async fn send(&self, server: &Server, message: &Value) {
        let answer = server.ask(&self.post(message.to_string())).await;
        assert_eq!((answer.status, answer.body.len()), (202, 0), "{message}: {answer:?}");
    }

    async fn call(&self, server: &Server, id: u64, tool: &str, arguments: Value) {
        self.send(server, &tool_call(id, tool, arguments)).await;
    }

    /// The next message on the stream.
    async fn answer(&mut self) -> Value {
        let event = self.stream.event().await.expect("the stream ended");
        assert_eq!(event.event.as_deref(), Some("message"), "{event:?}");
        event.json()
    }

    /// What a message gets that is posted now.
    async fn status(&self, server: &Server) -> u16 {
        server.ask(&self.post(json!({"jsonrpc": "2.0", "id": 99, "method": "ping"}).to_string())).await.status
    }
}

fn authorized(verb: Verb, token: Option<&'static str>) -> Verb {
    match token {
        Some(token) => verb.set("Authorization", &format!("Bearer {token}")),
        None => verb,
    }
}

fn initialize(revision: Revision) -> Value {
    let params = json!({"protocolVersion": revision.as_str(), "capabilities": {"roots": {}},
        "clientInfo": {"name": "old", "version": "1"}});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

fn tool_call(id: u64, tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

/// The words of a refusal.
fn words(answer: &Response) -> String {
    answer.json()["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_stream_begins_with_where_to_post() {
    let server = Server::start(config()).await;
    for (path, messages) in [
        ("/sse", "/messages"),
        ("/mcp/sse", "/mcp/messages"),
        ("/mcp", "/mcp/messages"),
        ("/sse?x=1", "/messages"),
    ] {
        let mut connection = server.connect().await;
        let head = connection.begin(&get(path)).await;
        assert!(head.status == 200 && head.is_stream(), "{path}: {head:?}");
        assert_eq!(
            (head.header("cache-control"), head.header("x-accel-buffering")),
            (Some("no-cache, no-store"), Some("no"))
        );
        let Event { event, data, .. } = connection.event().await.unwrap();
        assert_eq!(event.as_deref(), Some("endpoint"));
        let id =
            data.strip_prefix(&format!("{messages}?sessionId=")).unwrap_or_else(|| panic!("{path}: {data}"));
        // 144 bits, in characters that need no escaping.
        assert!(
            id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
            "{id}"
        );
        let mut client = Client { stream: connection, address: data, token: None };
        client.initialize(&server, Revision::V2024_11_05).await;
    }
}

#[tokio::test]
async fn what_a_proxy_cuts_off_stands_before_where_to_post() {
    for (prefix, address) in
        [("/tools", "/tools/messages?"), ("/tools/", "/tools/messages?"), ("/", "/messages?")]
    {
        let server = Server::start(config().public_prefix(prefix)).await;
        assert!(Client::connect(&server).await.address.starts_with(address), "{prefix}");
    }
}

#[tokio::test]
async fn every_older_revision_is_spoken() {
    let server = Server::start(config()).await;
    for revision in LEGACY {
        let valid = schema::validator(revision, "JSONRPCMessage");
        let mut client = Client::connect(&server).await;
        let answer = client.initialize(&server, revision).await;
        assert!(valid.is_valid(&answer), "{revision}: {answer}");
        client.call(&server, 1, "echo", json!({"text": "hi\nyou"})).await;
        let answer = client.answer().await;
        assert!(
            text(&answer) == "hi\nyou" && answer["id"] == 1 && valid.is_valid(&answer),
            "{revision}: {answer}"
        );
        assert!(answer["result"].get("resultType").is_none());
        // Clients name what was agreed on, from 2025-06-18 on.
        let versioned = client.post(json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}).to_string());
        let taken = server.ask(&versioned.add("MCP-Protocol-Version", revision.as_str())).await;
        assert_eq!(taken.status, 202);
        assert_eq!(client.answer().await, json!({"jsonrpc": "2.0", "id": 2, "result": {}}));
        client.call(&server, 3, "nothing", json!({})).await;
        assert_eq!(client.answer().await["error"]["code"], -32602);
    }
    let mut client = Client::connect(&server).await;
    let mut unknown = initialize(Revision::V2024_11_05);
    unknown["params"]["protocolVersion"] = "2026-07-28".into();
    client.send(&server, &unknown).await;
    assert_eq!(client.answer().await["result"]["protocolVersion"], "2025-11-25");
}

#[tokio::test]
async fn calls_speak_ask_and_are_cancelled_on_the_stream() {
    let server = Server::start(config()).await;
    for revision in LEGACY {
        let mut client = Client::open(&server, revision).await;
        client.call(&server, 1, "wait", json!({})).await;
        client.call(&server, 2, "say", json!({"count": 2, "wait": false})).await;
        for index in 0..2 {
            let said = client.answer().await;
            assert_eq!(
                (&said["method"], &said["params"]["data"]["index"]),
                (&json!("notifications/message"), &json!(index))
            );
        }
        assert_eq!(text(&client.answer().await), "said");
        client.call(&server, 3, "ask", json!({})).await;
        let question = client.answer().await;
        assert_eq!(question["method"], "roots/list");
        client.send(&server, &json!({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}})).await;
        assert!(text(&client.answer().await).contains("roots"));
        server.fake.tools_changed();
        assert_eq!(client.answer().await["method"], "notifications/tools/list_changed");
        let cancelled = server.fake.counts().cancelled;
        let cancel =
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
        client.send(&server, &cancel).await;
        server.fake.until(|counts| counts.cancelled == cancelled + 1).await;
    }
}

#[tokio::test]
async fn a_batch_is_answered_where_it_exists() {
    let server = Server::start(config()).await;
    for revision in LEGACY {
        let mut client = Client::open(&server, revision).await;
        client.send(&server, &json!([tool_call(1, "echo", json!({"text": "a"})), {"jsonrpc": "2.0", "id": 2, "method": "ping"}])).await;
        let answer = client.answer().await;
        match revision {
            Revision::V2025_03_26 => assert_eq!(answer.as_array().map(Vec::len), Some(2), "{answer}"),
            _ => assert_eq!(answer["error"]["code"], -32600, "{answer}"),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_answered_on_the_stream_is_refused_at_once() {
    let server = Server::start(config()).await;
    for revision in LEGACY {
        let mut client = Client::open(&server, revision).await;
        for (body, code) in
            [("{", -32700), ("[]", -32600), (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32600)]
        {
            let answer = server.ask(&client.post(body)).await;
            assert_eq!((answer.status, answer.code()), (400, Some(code)), "{body}: {answer:?}");
            let null = (revision < Revision::V2025_11_25).then_some(&Value::Null);
            assert_eq!(answer.json().get("id"), null, "{revision}");
        }
        let answer = server.ask(&client.post(r#"{"jsonrpc":"2.0","id":4,"method":1}"#)).await;
        assert_eq!(answer.status, 202);
        let answer = client.answer().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(4), &json!(-32600)));
        client.call(&server, 5, "echo", json!({"text": "on"})).await;
        assert_eq!(text(&client.answer().await), "on");
    }
}

#[tokio::test]
async fn a_session_is_needed_known_and_ones_own() {
    let tokens = vec![Token::new("alice", "a"), Token::new("bob", "b")];
    let config = config().authentication(Authentication::Tokens(tokens));
    let server = Server::start(config).await;
    let mut alice = Client::on(server.connect().await, "/sse", Some("a")).await;
    alice.initialize(&server, Revision::V2024_11_05).await;
    for path in ["/sse", "/mcp/sse", "/mcp"] {
        assert_eq!(server.ask(&get(path)).await.status, 401, "{path}");
        assert_eq!(server.ask(&authorized(get(path), Some("wrong"))).await.status, 401, "{path}");
    }
    let to = |target: &str, token| Verb { target: target.into(), ..authorized(alice.post("{}"), token) };
    for (verb, status, word) in [
        (to("/messages", Some("a")), 400, "first event"),
        (to("/messages?session=x", Some("a")), 400, "sessionId"),
        (to("/messages?sessionId=made-up", Some("a")), 404, "ended"),
        (to("/messages?sessionId=", Some("a")), 404, "ended"),
        (to(&alice.address, Some("b")), 404, "ended"),
        (to(&alice.address, Some("wrong")), 401, "bearer"),
        (to(&alice.address, None).without("Authorization"), 401, "bearer"),
    ] {
        let answer = server.ask(&verb).await;
        assert!(answer.status == status && words(&answer).contains(word), "{verb:?}: {answer:?}");
    }
    // By whatever path it is reached, a session is the same.
    let other = Verb {
        target: format!("/mcp{}", alice.address),
        ..alice.post(tool_call(1, "who", json!({})).to_string())
    };
    assert_eq!(server.ask(&other).await.status, 202);
    assert_eq!(text(&alice.answer().await), "name:alice ");
}

#[tokio::test]
async fn hosts_and_origins_are_checked_as_ever() {
    let config = config().allow_origins(vec!["https://app.example.com".parse().unwrap()]);
    let server = Server::start(config).await;
    let client = Client::open(&server, Revision::V2024_11_05).await;
    let ping = client.post(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string());
    for (verb, fine) in [(get("/sse"), 200), (get("/mcp/sse"), 200), (get("/mcp"), 200), (ping, 202)] {
        let status = async |verb: &Verb| server.connect().await.begin(verb).await.status;
        assert_eq!(status(&verb.clone().set("Host", "evil.example")).await, 421, "{verb:?}");
        for origin in ["http://evil.example", "null", "http://localhost:1"] {
            assert_eq!(status(&verb.clone().add("Origin", origin)).await, 403, "{verb:?}");
        }
        let shared =
            server.connect().await.begin(&verb.clone().add("Origin", "https://app.example.com")).await;
        let allowed = shared.header("access-control-allow-origin");
        assert_eq!((shared.status, allowed), (fine, Some("https://app.example.com")), "{verb:?}");
    }
}

#[tokio::test]
async fn each_path_has_its_method_and_says_so() {
    let server = Server::start(config()).await;
    let client = Client::connect(&server).await;
    let retarget = |method: &str, target: &str| Verb {
        method: method.into(),
        target: target.into(),
        ..client.post("{}")
    };
    for (verb, status, allow, word) in [
        // 2025-11-25, transports §Backwards Compatibility: what tells a newer client that this is the old transport.
        (retarget("POST", "/sse"), 405, Some("GET"), "/mcp"),
        (retarget("POST", "/mcp/sse"), 405, Some("GET"), "first event"),
        (retarget("DELETE", "/sse"), 405, Some("GET"), "2024-11-05"),
        (get(&client.address), 405, Some("POST"), "stream"),
        (retarget("DELETE", &client.address), 405, Some("POST"), "posted"),
        (get("/sse").set("Accept", "application/json"), 406, None, "Accept"),
        (client.post("{}").set("Content-Type", "text/plain"), 415, None, "application/json"),
        (client.post("{}").without("Content-Type"), 415, None, "Content-Type"),
        (client.post(vec![b' '; 5 << 20]), 413, None, "max_message_bytes"),
        (client.post("{}").add("MCP-Protocol-Version", "1999-01-01"), 400, None, "1999-01-01"),
        (client.post("{}").add("MCP-Protocol-Version", "2026-07-28"), 400, None, "/mcp"),
        (get("/sse").add("MCP-Protocol-Version", "2026-07-28"), 400, None, "/mcp"),
        (get("/mcp").set("Accept", "*/*"), 400, None, "initialize"),
        (get("/mcp").add("MCP-Protocol-Version", "2025-11-25"), 400, None, "initialize"),
        (get("/mcp").add("MCP-Protocol-Version", "2026-07-28"), 405, Some("POST"), "POST"),
    ] {
        let answer = server.ask(&verb).await;
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{verb:?}: {answer:?}");
        assert!(words(&answer).contains(word), "{verb:?}: {answer:?}");
    }
    server.canary().await;
}

#[tokio::test]
async fn a_modern_request_is_told_where_to_go_and_the_client_can_fall_back() {
    let server = Server::start(config()).await;
    let mut client = Client::connect(&server).await;
    let probe = String::from_utf8(call(1, "echo", json!({})).body).unwrap();
    client.send(&server, &serde_json::from_str(&probe).unwrap()).await;
    let answer = client.answer().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32600)), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("POST to /mcp"), "{answer}");
    client.initialize(&server, Revision::V2025_11_25).await;
}

#[tokio::test]
async fn where_it_is_not_served_clients_are_told() {
    let modern = config().supported([Revision::V2026_07_28]);
    for (config, status) in [(Config::default(), 400), (modern, 405)] {
        let server = Server::start(config).await;
        for path in ["/sse", "/mcp/sse", "/messages"] {
            let answer = server.ask(&get(path)).await;
            assert!(answer.status == 404 && words(&answer).contains("/mcp"), "{path}: {answer:?}");
        }
        let answer = server.ask(&get("/mcp")).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 400 {
            assert!(words(&answer).contains("2024-11-05 is not served"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn the_end_of_the_stream_ends_the_session_and_its_calls() {
    let server = Server::start(config()).await;
    let client = Client::open(&server, Revision::V2024_11_05).await;
    client.call(&server, 1, "wait", json!({})).await;
    client.call(&server, 2, "say", json!({})).await;
    server.fake.until(|counts| counts.running == 2 && counts.listening == 1).await;
    let Client { stream, address, .. } = client;
    drop(stream);
    server.fake.until(|counts| counts.running == 0 && counts.listening == 0).await;
    assert_eq!(server.fake.counts().cancelled, 3);
    let left = Client { stream: server.connect().await, address, token: None };
    within(async { while left.status(&server).await == 202 {} }).await;
    assert_eq!(left.status(&server).await, 404);
}

#[tokio::test]
async fn a_reader_that_stalls_holds_up_its_own_calls_alone() {
    let limits = Limits::default().sse_buffer(300_000);
    let server = Server::start(limited(limits)).await;
    let mut stalled = Client::on(Connection::narrow(server.address).await, "/sse", None).await;
    stalled.initialize(&server, Revision::V2024_11_05).await;
    let mut other = Client::open(&server, Revision::V2024_11_05).await;
    // 20 MB, of which only what fits into buffers is made.
    stalled.call(&server, 1, "say", json!({"count": 200, "bytes": 100_000, "wait": false})).await;
    server.fake.until(|counts| counts.said > 2).await;
    for id in 0..50 {
        other.call(&server, id, "echo", json!({"text": "on"})).await;
        assert_eq!(text(&other.answer().await), "on");
    }
    let said = server.fake.counts().said;
    assert!(said < 150, "{said} messages were made that nobody read");
    for _ in 0..200 {
        assert_eq!(stalled.answer().await["method"], "notifications/message");
    }
    assert_eq!(text(&stalled.answer().await), "said");
}

#[tokio::test]
async fn sessions_and_streams_are_bounded_together_with_the_others() {
    let server = Server::start(limited(Limits::default().max_sessions(2))).await;
    let streamable = || post(initialize(Revision::V2025_11_25).to_string());
    let idle = server.ask(&streamable()).await;
    assert_eq!(idle.status, 200);
    let mut first = Client::open(&server, Revision::V2024_11_05).await;
    // The idle session of Streamable HTTP makes room; one with an open stream never does.
    let second = Client::open(&server, Revision::V2024_11_05).await;
    for refused in [server.ask(&get("/sse")).await, server.ask(&streamable()).await] {
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
        assert!(words(&refused).contains("max_sessions"), "{refused:?}");
    }
    first.call(&server, 1, "echo", json!({"text": "still"})).await;
    assert_eq!(text(&first.answer().await), "still");
    drop(second);
    within(async { while server.connect().await.begin(&get("/sse")).await.status == 503 {} }).await;

    let (server, metrics) = Server::counted(limited(Limits::default().max_streams(1))).await;
    let _first = Client::connect(&server).await;
    let refused = server.ask(&get("/mcp/sse")).await;
    assert!(refused.status == 503 && words(&refused).contains("max_streams"), "{refused:?}");
    assert_eq!(metrics.refusals("max_streams").value(), 1);

    let server = Server::start(limited(Limits::default().max_open_requests(2))).await;
    let mut client = Client::open(&server, Revision::V2024_11_05).await;
    for id in 1..=3 {
        client.call(&server, id, "wait", json!({})).await;
    }
    let refused = client.answer().await;
    assert_eq!(refused["id"], 3);
    assert!(refused["error"]["message"].as_str().unwrap().contains("max_open_requests"), "{refused}");
}

#[tokio::test]
async fn a_stop_lets_what_runs_come_to_its_end() {
    // Nothing here may wait until it is cut off.
    let mut server = Server::start(limited(Limits::default().drain(3 * PATIENCE))).await;
    let mut idle = Client::open(&server, Revision::V2024_11_05).await;
    let mut busy = Client::open(&server, Revision::V2025_11_25).await;
    busy.call(&server, 1, "wait", json!({})).await;
    server.fake.until(|counts| counts.running == 1).await;
    server.stop();
    assert_eq!(idle.stream.event().await, None);
    server.fake.release(1);
    assert_eq!(text(&busy.answer().await), "waited");
    assert_eq!(busy.stream.event().await, None);
    server.stopped().await;
}

#[tokio::test]
async fn a_client_may_vanish_at_every_byte() {
    let server = Server::start(config()).await;
    let client = Client::open(&server, Revision::V2024_11_05).await;
    for verb in [get("/sse"), client.post(tool_call(1, "wait", json!({})).to_string())] {
        let bytes = verb.bytes();
        for sent in 0..=bytes.len() {
            let mut connection = server.connect().await;
            connection.send(&bytes[..sent]).await;
        }
        server.canary().await;
    }
    drop(client);
    server.fake.until(|counts| counts.running == 0 && counts.listening == 0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let limits = Limits::default().write_timeout(Duration::from_millis(150)).sse_buffer(300_000);
    let server = Server::start(limited(limits)).await;
    let mut unread = Client::on(Connection::narrow(server.address).await, "/sse", None).await;
    unread.initialize(&server, Revision::V2024_11_05).await;
    unread.call(&server, 1, "say", json!({"count": 200, "bytes": 100_000})).await;
    server.fake.until(|counts| counts.cancelled > 0 && counts.running == 0).await;
    within(async { while unread.status(&server).await == 202 {} }).await;
    assert_eq!(unread.status(&server).await, 404);
    server.canary().await;
}
