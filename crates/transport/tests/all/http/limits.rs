//! What bounds a listener: hostile, slow and vanishing clients, and its own end.

use std::time::Duration;

use anyport_protocol::Revision;
use anyport_transport::http::{Config, Limits};
use serde_json::json;
use tokio::net::TcpStream;

use super::session::Session;
use crate::common::{
    PATIENCE, Server,
    client::{Connection, Verb, call, modern, post},
    within,
};

const SHORT: Duration = Duration::from_millis(150);

fn echo(id: u64) -> Verb {
    call(id, "echo", json!({"text": format!("number {id}")}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stalls_holds_up_nobody_else() {
    const SIZE: usize = 50 << 20;
    let server = Server::start(Config::default()).await;
    let mut stalled = Connection::narrow(server.address).await;
    let head = stalled.begin(&call(1, "big", json!({"bytes": SIZE}))).await;
    assert_eq!(head.status, 200);
    for id in 0..50 {
        assert_eq!(server.ask(&echo(id)).await.status, 200);
    }
    let length: usize = head.header("content-length").unwrap().parse().unwrap();
    let body = stalled.exactly(length).await;
    assert!(length > SIZE && body.ends_with(b"]}}"), "{length}");
}

#[tokio::test]
async fn what_a_stalled_reader_is_to_be_told_waits_with_its_call() {
    let server = Server::limited(Limits::default().sse_log(100_000)).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    // 20 MB each, of which only what fits into buffers is made.
    let flood = json!({"count": 200, "bytes": 100_000, "wait": false});
    let mut stalled = Vec::new();
    for verb in [call(1, "say", flood.clone()), session.call(2, "say", flood)] {
        let mut connection = Connection::narrow(server.address).await;
        connection.send(&verb.bytes()).await;
        stalled.push(connection);
    }
    server.fake.until(|counts| counts.running == 2).await;
    for mut connection in stalled {
        assert!(connection.head().await.is_stream());
        for id in 0..50 {
            server.ask(&echo(id)).await;
        }
        let said = server.fake.counts().said;
        assert!(said < 200, "{said} messages were made that nobody read");
        let mut seen = 0;
        while let Some(event) = connection.event().await {
            seen += usize::from(event.data.contains("notifications/message"));
        }
        assert_eq!(seen, 200);
        server.fake.reset_said();
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let server = Server::limited(Limits::default().header_timeout(SHORT)).await;
    let head = echo(1).head();
    for sent in [0, 1, head.len() / 2, head.len() - 1] {
        let mut connection = server.connect().await;
        connection.send(&head[..sent]).await;
        let said = connection.closed().await;
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 408 "), "{sent}: {said:?}");
    }
    // Nor is the next request of a connection that was used.
    let mut connection = server.connect().await;
    connection.send(&echo(1).bytes()).await;
    assert_eq!(connection.response().await.status, 200);
    connection.closed().await;
    server.canary().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = Server::limited(Limits::default().body_timeout(SHORT)).await;
    let whole = echo(1);
    let mut chunked = whole.clone().add("Transfer-Encoding", "chunked");
    chunked.length = false;
    for (head, body) in [
        (whole.head(), Vec::new()),
        (whole.head(), whole.body[..20].to_vec()),
        (chunked.head(), b"5\r\n{\"jso\r\n".to_vec()),
    ] {
        let mut connection = server.connect().await;
        connection.send(&head).await;
        connection.send(&body).await;
        let answer = connection.response().await;
        assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
        assert!(answer.text().contains("body_timeout"), "{answer:?}");
        connection.closed().await;
    }
    server.canary().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let server = Server::limited(Limits::default().write_timeout(SHORT).sse_log(100_000)).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let flood = json!({"count": 200, "bytes": 100_000});
    let mut unread = Connection::narrow(server.address).await;
    unread.send(&call(1, "say", flood.clone()).bytes()).await;
    server.fake.until(|counts| counts.cancelled == 1).await;
    // The call of a session goes on; what it says makes room for itself.
    let mut unread = Connection::narrow(server.address).await;
    unread.send(&session.call(1, "say", flood).bytes()).await;
    server.fake.until(|counts| counts.said >= 200).await;
    server.fake.release(1);
    server.fake.until(|counts| counts.running == 0).await;
    assert_eq!(server.fake.counts().cancelled, 1);
}

#[tokio::test]
async fn an_answer_that_nobody_reads_holds_no_place() {
    let server = Server::limited(Limits::default().write_timeout(SHORT).max_connections(1)).await;
    let size = 20 << 20;
    let mut unread = Connection::narrow(server.address).await;
    assert_eq!(unread.begin(&call(1, "big", json!({"bytes": size}))).await.status, 200);
    within(async { while server.ask(&echo(1)).await.status == 503 {} }).await;
    assert!(unread.closed().await.len() < size);
}

#[tokio::test]
async fn one_connection_too_many_is_told_to_come_back() {
    let limits = Limits::default().max_connections(2);
    let server = Server::start(Config::default().limits(limits).rest(true)).await;
    let mut open = Vec::new();
    for id in 0..2 {
        let mut connection = server.connect().await;
        connection.send(&echo(id).bytes()).await;
        assert_eq!(connection.response().await.status, 200);
        open.push(connection);
    }
    for verb in [echo(1), post(vec![b' '; 8 << 20])] {
        let mut refused = server.connect().await;
        refused.send(&verb.bytes()).await;
        let answer = refused.response().await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        assert_eq!(answer.header("connection"), Some("close"));
        let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(told["error"]["data"]["reason"], "overloaded", "{told}");
        assert!(told["error"]["message"].as_str().unwrap().contains("max_connections"), "{told}");
        refused.closed().await;
    }
    // Load balancers and operators get through.
    let health = server.ask(&Verb::new("GET", "/health")).await;
    assert_eq!((health.status, health.header("connection")), (200, Some("close")));
    // Those that are in still are, and one that leaves makes room.
    open[1].send(&echo(3).bytes()).await;
    assert_eq!(open[1].response().await.status, 200);
    open.remove(0);
    within(async { while server.ask(&echo(4)).await.status == 503 {} }).await;
}

/// The kinds of the frames in these bytes (RFC 9113 §4.1).
#[cfg(feature = "http2")]
fn kinds(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [one, two, three, kind, rest @ ..] = bytes {
        kinds.push(*kind);
        let length = usize::from(*one) << 16 | usize::from(*two) << 8 | usize::from(*three);
        bytes = rest.get(5 + length..).unwrap_or_default();
    }
    kinds
}

/// Beyond a limit of connections, a client has a second for each step, however long one within it has: others come as well.
#[cfg(feature = "http2")]
#[tokio::test]
async fn beyond_a_limit_of_connections_nothing_is_waited_for() {
    // Of the limits of a connection none ends before the patience of the test.
    let limits = Limits::default().max_connections(1).header_timeout(Duration::from_secs(3_600));
    let server = Server::limited(limits).await;
    let mut first = server.connect().await;
    first.send(&echo(1).bytes()).await;
    assert_eq!(first.response().await.status, 200);
    for (sent, answered) in [
        // Nothing, half a head, half a preface of HTTP/2, and all of it, after which nothing is requested.
        (&b""[..], &b""[..]),
        (b"POST /mcp HTTP/1.1\r\nHost: ", b""),
        (b"PRI * HTTP", b""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", b"\0\0"),
    ] {
        let mut silent = server.connect().await;
        silent.send(sent).await;
        let received = silent.closed().await;
        assert!(received.starts_with(answered), "{sent:?}: {received:?}");
        // Who has begun to speak HTTP/2 is told (GOAWAY), and not only cut off after the time that such a connection has in all.
        if sent.ends_with(b"\0\0\0\x04\0\0\0\0\0") {
            assert!(kinds(&received).contains(&7), "{received:?}");
        }
    }
    let refused = crate::common::http2::ask(server.address, &echo(2)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(refused.text().contains("max_connections"), "{refused:?}");
    // The one within the limit is waited for all the while.
    first.send(&echo(3).bytes()).await;
    assert_eq!(first.response().await.status, 200);
}

#[tokio::test]
async fn a_head_is_bounded_in_fields_and_in_bytes() {
    let limits = Limits::default().max_headers(30).max_header_bytes(10_000);
    let server = Server::limited(limits).await;
    let many = |count: usize| (0..count).fold(echo(1), |verb, index| verb.add(&format!("X-{index}"), "x"));
    assert_eq!(server.ask(&many(20)).await.status, 200);
    assert_eq!(server.ask(&echo(1).add("X-Long", &"x".repeat(7000))).await.status, 200);
    let targeted = Verb { target: format!("/mcp?{}", "x".repeat(20_000)), ..echo(1) };
    for (name, verb, status) in [
        ("too many fields", many(31), 431),
        ("a long field", echo(1).add("X-Long", &"x".repeat(20_000)), 431),
        (
            "many long fields",
            (0..20).fold(echo(1), |verb, index| verb.add(&format!("X-{index}"), &"x".repeat(1000))),
            431,
        ),
        ("a long name", echo(1).add(&"x".repeat(20_000), "x"), 431),
        ("a long target", targeted, 431),
    ] {
        let mut connection = server.connect().await;
        let _ = connection.try_send(&verb.bytes()).await;
        let answer = connection.response().await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        connection.closed().await;
    }
    server.canary().await;
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_closed() {
    let server = Server::start(Config::default()).await;
    for bytes in [
        "\0\0\0\0\r\n\r\n",
        "{\"jsonrpc\":\"2.0\"}\r\n\r\n",
        "POST /mcp\r\n\r\n",
        "POST /mcp HTTP/9.9\r\n\r\n",
        "POST  /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost : localhost\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    ] {
        let mut connection = server.connect().await;
        connection.send(bytes.as_bytes()).await;
        let said = connection.closed().await;
        assert!(
            said.is_empty() || said.starts_with(b"HTTP/1.1 400 "),
            "{bytes:?}: {:?}",
            String::from_utf8_lossy(&said)
        );
    }
    server.canary().await;
}

#[tokio::test]
async fn requests_that_come_at_once_are_answered_in_their_order() {
    let server = Server::start(Config::default()).await;
    let mut connection = server.connect().await;
    let verbs = [
        echo(0),
        call(1, "wait", json!({})),
        call(2, "say", json!({"wait": false})),
        modern(3, "no/such", "{}"),
        echo(4),
    ];
    let bytes: Vec<u8> = verbs.iter().flat_map(Verb::bytes).collect();
    connection.send(&bytes).await;
    server.fake.until(|counts| counts.running == 1).await;
    server.fake.release(1);
    for id in [0, 1] {
        assert_eq!(connection.response().await.json()["id"], id);
    }
    assert!(connection.head().await.is_stream());
    assert_eq!(connection.messages().await.len(), 2);
    let missing = connection.response().await;
    assert_eq!((missing.status, missing.json()["id"].as_i64()), (404, Some(3)));
    assert_eq!(connection.response().await.json()["id"], 4);
}

#[tokio::test]
async fn a_client_may_vanish_at_every_byte() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    for verb in [call(1, "wait", json!({})), session.call(1, "echo", json!({}))] {
        let bytes = verb.bytes();
        for sent in 0..=bytes.len() {
            let mut connection = server.connect().await;
            connection.send(&bytes[..sent]).await;
        }
        server.canary().await;
    }
    server.fake.until(|counts| counts.running == 0).await;
}

#[tokio::test]
async fn a_stop_lets_what_runs_come_to_its_end() {
    // Nothing here may wait until it is cut off.
    let mut server = Server::limited(Limits::default().drain(3 * PATIENCE)).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let mut pushes = session.stream(&server, &session.get()).await;
    let mut listening = server.connect().await;
    assert!(listening.begin(&modern(7, "subscriptions/listen", r#"{"notifications":{}}"#)).await.is_stream());
    listening.message().await;
    let mut idle = server.connect().await;
    idle.send(&echo(1).bytes()).await;
    idle.response().await;
    let mut half = server.connect().await;
    half.send(&echo(1).head()[..20]).await;
    let mut json = server.connect().await;
    json.send(&call(2, "wait", json!({})).bytes()).await;
    let mut streaming = server.connect().await;
    assert!(streaming.begin(&call(3, "say", json!({}))).await.is_stream());
    let mut legacy = session.stream(&server, &session.call(4, "say", json!({}))).await;
    server.fake.until(|counts| counts.running == 3).await;

    server.stop();
    assert_eq!(pushes.event().await, None);
    let ends: Vec<_> = listening.messages().await;
    assert_eq!(
        (&ends[0]["method"], &ends[1]["id"]),
        (&json!("notifications/cancelled"), &json!(7)),
        "{ends:?}"
    );
    assert!(idle.closed().await.is_empty());
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody is let in any more");
    assert_eq!(server.fake.counts().running, 3);
    server.fake.release(3);
    let answer = json.response().await;
    assert_eq!((answer.status, answer.json()["id"].as_i64()), (200, Some(2)));
    for (connection, id) in [(&mut streaming, 3), (&mut legacy, 4)] {
        assert_eq!(connection.messages().await.last().unwrap()["id"], id);
    }
    half.closed().await;
    server.stopped().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let mut server = Server::limited(Limits::default().drain(SHORT)).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let mut waiting = server.connect().await;
    waiting.send(&call(1, "wait", json!({})).bytes()).await;
    let mut legacy = session.stream(&server, &session.call(2, "say", json!({}))).await;
    legacy.message().await;
    server.fake.until(|counts| counts.running == 2).await;
    server.stop();
    let fake = server.fake.clone();
    server.stopped().await;
    waiting.closed().await;
    fake.until(|counts| counts.running == 0 && counts.cancelled >= 2).await;
}
