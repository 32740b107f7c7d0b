//! Streams end with the credential that opened them.

use std::time::Duration;

use anyport_transport::http::{Body, ConnectInfo, Endpoint, Limits};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::{config, verifier::Scripted};
use crate::common::{
    Server,
    client::{Connection, Verb, call, modern, post},
    fake::Fake,
};

struct Mounted {
    endpoint: Endpoint,
    verifier: Scripted,
}

impl Mounted {
    fn new() -> Self {
        let verifier = Scripted::default();
        Self { endpoint: Endpoint::new(Fake::default(), config(&verifier)), verifier }
    }

    async fn ask(&self, verb: &Verb) -> http::Response<Body> {
        let mut request = http::Request::builder().method(verb.method.as_str()).uri(&verb.target);
        for (name, value) in &verb.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(verb.body.clone()))).unwrap();
        self.endpoint.handle(request, ConnectInfo::default()).await
    }

    /// Every kind of event stream, opened by this token.
    async fn streams(&self, token: &str) -> Vec<(&'static str, Body)> {
        let bearer = format!("Bearer {token}");
        let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let opened = self.ask(&post(begin.to_string()).add("Authorization", &bearer)).await;
        let session = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let say = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "say", "arguments": {"count": 1}}});
        let events = |path: &str| Verb::new("GET", path).add("Accept", "text/event-stream");
        let listen = r#"{"notifications": {"toolsListChanged": true}}"#;
        let verbs = [
            ("a modern call", call(1, "say", json!({"count": 1}))),
            ("a listen stream", modern(2, "subscriptions/listen", listen)),
            ("a legacy call", post(say.to_string()).add("Mcp-Session-Id", &session)),
            ("the stream of a session", events("/mcp").add("Mcp-Session-Id", &session)),
            ("HTTP+SSE", events("/sse")),
        ];
        let mut streams = Vec::new();
        for (name, verb) in verbs {
            let response = self.ask(&verb.add("Authorization", &bearer)).await;
            let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap());
            assert_eq!((response.status().as_u16(), kind), (200, Some("text/event-stream")), "{name}");
            streams.push((name, response.into_body()));
        }
        streams
    }
}

/// Reads a stream to its end, and returns after how long it came.
async fn end(mut body: Body, since: Instant) -> Duration {
    while body.frame().await.is_some() {}
    since.elapsed()
}

#[tokio::test(start_paused = true)]
async fn every_stream_ends_when_its_token_does() {
    let mounted = Mounted::new();
    let since = Instant::now();
    for (name, body) in mounted.streams("minute").await {
        let ended = timeout(Duration::from_secs(600), end(body, since)).await.expect(name);
        assert!((60..=65).contains(&ended.as_secs()), "{name}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_stream_ends_soon_after_its_token_was_revoked() {
    let mounted = Mounted::new();
    let streams = mounted.streams("good").await;
    let reading: Vec<_> = streams
        .into_iter()
        .map(|(name, body)| (name, tokio::spawn(async move { end(body, Instant::now()).await })))
        .collect();
    sleep(Duration::from_secs(100)).await;
    assert!(reading.iter().all(|(_, reading)| !reading.is_finished()), "a valid token ends no stream");
    assert_eq!(mounted.verifier.verified_again(), 15, "each of five was verified every 30 s");
    mounted.verifier.revoke();
    for (name, reading) in reading {
        let ended = timeout(Duration::from_secs(35), reading).await.expect(name).unwrap();
        assert!(ended < Duration::from_secs(135), "{name}: {ended:?}");
    }
}

/// Otherwise a revocation would not be noticed while the authorization server is out of reach.
#[tokio::test(start_paused = true)]
async fn a_stream_whose_token_cannot_be_verified_for_a_while_ends() {
    let mounted = Mounted::new();
    let streams = mounted.streams("good").await;
    mounted.verifier.go_down();
    let since = Instant::now();
    let reading = streams.into_iter().map(|(name, body)| (name, tokio::spawn(end(body, since))));
    for (name, reading) in reading.collect::<Vec<_>>() {
        let ended = reading.await.unwrap();
        assert!((30..=35).contains(&ended.as_secs()), "{name}: {ended:?}");
    }
}

/// The session of a stream that has ended with its token goes on with the next one.
#[tokio::test(start_paused = true)]
async fn calls_of_a_session_outlive_the_token_of_their_stream() {
    let mounted = Mounted::new();
    let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let opened = mounted.ask(&post(begin.to_string()).add("Authorization", "Bearer minute")).await;
    let session = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let stream = Verb::new("GET", "/mcp").add("Accept", "text/event-stream").add("Mcp-Session-Id", &session);
    let body = mounted.ask(&stream.clone().add("Authorization", "Bearer minute")).await.into_body();
    end(body, Instant::now()).await;
    let again = mounted.ask(&stream.add("Authorization", "Bearer good")).await;
    assert_eq!(again.status(), 200);
}

/// The payload of the frame that a server closes a WebSocket with, once it has come.
async fn closed(connection: &mut Connection) -> (u16, String) {
    let bytes = connection.closed().await;
    let at = bytes.iter().position(|byte| *byte == 0x88).expect("no close frame");
    let code = u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]);
    (code, String::from_utf8(bytes[at + 4..].to_vec()).unwrap())
}

#[tokio::test]
async fn a_websocket_is_closed_when_its_token_ends_and_when_it_is_revoked() {
    let verifier = Scripted::default();
    let limits = Limits::default().credential_check(Duration::from_millis(5));
    let server = Server::start(config(&verifier).limits(limits)).await;
    let handshake = Verb::new("GET", "/ws")
        .add("Connection", "Upgrade")
        .add("Upgrade", "websocket")
        .add("Sec-WebSocket-Version", "13")
        .add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    for token in ["soon", "good"] {
        let mut connection = server.connect().await;
        let head =
            connection.begin(&handshake.clone().add("Authorization", &format!("Bearer {token}"))).await;
        assert_eq!(head.status, 101);
        if token == "good" {
            verifier.revoke();
        }
        let expected = (1008, "the credential has expired or was revoked".to_owned());
        assert_eq!(closed(&mut connection).await, expected, "{token}");
    }
}
