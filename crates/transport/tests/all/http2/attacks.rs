//! What clients of HTTP/2 do to a server that believes them. Each is bounded, and another client is served meanwhile.

use std::time::Duration;

use anyport_transport::http::{Config, Limits};
use serde_json::json;

use super::echo;
use crate::common::{
    Server,
    client::{Verb, call},
    http2::{
        self, ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, Frames, HEADERS, PING, RESET,
        SETTINGS, WINDOW, fields, fields_of,
    },
    within,
};

const SHORT: Duration = Duration::from_millis(150);

/// Codes of errors (RFC 9113 §7).
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

/// The setting of a stream's first window.
const INITIAL_WINDOW: u16 = 4;

/// Rapid reset (CVE-2023-44487): streams that are opened and reset at once.
#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let (server, metrics) = Server::counted(Config::default()).await;
    let mut frames = Frames::open(server.address, &[]).await;
    let mut bytes = Vec::new();
    for stream in (1..20_001).step_by(2) {
        bytes.extend(Frame::new(HEADERS, END_HEADERS, stream, fields_of(&echo())).bytes());
        bytes.extend(Frame::new(RESET, 0, stream, CANCEL.to_be_bytes()).bytes());
    }
    frames.flood(&bytes).await;
    let code = frames.closed().await;
    assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM)), "{code:?}");
    server.fake.until(|counts| counts.running == 0).await;
    server.canary().await;
    drop(frames);
    // It is counted when the connection is over.
    within(async {
        while metrics.refusals("http2_floods").value() != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// MadeYouReset (CVE-2025-8671): mistakes by which a client makes the server reset its streams.
#[tokio::test]
async fn resets_that_mistakes_cause_end_the_connection() {
    for mistake in ["a window of nothing", "a window too large", "data after the end"] {
        let server = Server::limited(Limits::default().http2_max_resets(20)).await;
        let mut frames = Frames::open(server.address, &[]).await;
        for stream in (1..2001).step_by(2) {
            let mut bytes =
                Frame::new(HEADERS, END_HEADERS | END_STREAM, stream, fields_of(&Verb::new("GET", "/mcp")))
                    .bytes();
            bytes.extend(match mistake {
                "a window of nothing" => Frame::new(WINDOW, 0, stream, [0; 4]).bytes(),
                "a window too large" => Frame::new(WINDOW, 0, stream, 0x7fff_ffff_u32.to_be_bytes()).bytes(),
                _ => Frame::new(DATA, 0, stream, "more").bytes(),
            });
            frames.flood(&bytes).await;
        }
        let code = frames.closed().await;
        let ends = [ENHANCE_YOUR_CALM, PROTOCOL_ERROR, STREAM_CLOSED, FLOW_CONTROL_ERROR];
        assert!(code.is_none_or(|code| ends.contains(&code)), "{mistake}: {code:?}");
        server.canary().await;
    }
}

#[tokio::test]
async fn a_flood_of_continuations_ends_the_connection() {
    let server = Server::start(Config::default()).await;
    // With fields, and with nothing in them.
    for payload in [fields(&[("x-field", "x")]), Vec::new()] {
        let mut frames = Frames::open(server.address, &[]).await;
        frames.send(HEADERS, 0, 1, fields_of(&echo())).await;
        let one = Frame::new(CONTINUATION, 0, 1, payload).bytes();
        frames.flood(&one.repeat(100_000)).await;
        let code = frames.closed().await;
        assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM | COMPRESSION_ERROR)), "{code:?}");
        server.canary().await;
    }
}

/// A head is bounded in fields and in bytes, as they are before compression.
#[tokio::test]
async fn heads_are_bounded_in_fields_and_in_bytes() {
    let server = Server::limited(Limits::default().max_headers(30).max_header_bytes(10_000)).await;
    let mut frames = Frames::open(server.address, &[(1, 0)]).await;
    let many = |count: usize| (0..count).fold(echo(), |verb, index| verb.add(&format!("x-{index}"), "x"));
    for (stream, verb, expected) in [
        (1, many(20), 200),
        (3, many(31), 431),
        (5, echo().add("x-long", &"x".repeat(7000)), 200),
        (7, echo().add("x-long", &"x".repeat(12_000)), 431),
        (9, Verb { target: format!("/mcp?{}", "x".repeat(12_000)), ..echo() }, 431),
        (11, echo(), 200),
    ] {
        frames.request(stream, &verb).await;
        assert_eq!(frames.status(stream).await, Ok(expected), "{stream}");
    }
    // The bomb: one entry of the table, named by a byte as often as a frame has room for.
    let mut bomb = fields_of(&echo());
    bomb.push(0x40);
    bomb.extend(&fields(&[("x-bomb", &"x".repeat(3000))])[1..]);
    bomb.extend(vec![0xbe; 10_000]);
    frames.send(HEADERS, END_HEADERS | END_STREAM, 13, bomb).await;
    let answer = frames.until(|frame| matches!(frame.kind, http2::GOAWAY | HEADERS | RESET)).await;
    match answer.kind {
        HEADERS => assert_eq!(answer.status(), 431),
        _ => assert!(matches!(answer.code(), ENHANCE_YOUR_CALM | PROTOCOL_ERROR), "{answer:?}"),
    }
    server.canary().await;
}

/// Each PING and each SETTINGS frame is acknowledged before the next is read: nothing piles up here.
#[tokio::test]
async fn floods_of_pings_and_settings_pile_up_nothing() {
    let server = Server::limited(Limits::default().write_timeout(SHORT)).await;
    for frame in [Frame::new(PING, 0, 0, [0; 8]), Frame::new(SETTINGS, 0, 0, [])] {
        // A client that reads none of the answers is given up, as every client that does not read.
        let mut unread = Frames::open(server.address, &[]).await;
        for _ in 0..200 {
            unread.flood(&frame.bytes().repeat(10_000)).await;
        }
        unread.closed().await;
        // One that reads them is served.
        let mut read = Frames::open(server.address, &[]).await;
        for stream in (1..41).step_by(2) {
            read.flood(&frame.bytes().repeat(50)).await;
            for _ in 0..50 {
                read.until(|answer| answer.kind == frame.kind && answer.flags == ACK).await;
            }
            read.request(stream, &echo()).await;
            assert_eq!(read.status(stream).await, Ok(200));
        }
        server.canary().await;
    }
}

/// Invariant: A client that gives its streams no window loses them after the `write_timeout`, not the connection.
#[tokio::test]
async fn a_stream_that_is_not_read_is_reset() {
    let config = Config::default().limits(Limits::default().write_timeout(SHORT));
    let (server, metrics) = Server::counted(config).await;
    let mut frames = Frames::open(server.address, &[(INITIAL_WINDOW, 0)]).await;
    let answers = [
        call(1, "echo", json!({"text": "small"})),
        call(2, "big", json!({"bytes": 3_000_000})),
        call(3, "say", json!({"count": 50, "bytes": 100_000, "wait": false})),
    ];
    for (stream, verb) in [1, 3, 5].into_iter().zip(&answers) {
        frames.request(stream, verb).await;
        assert_eq!(frames.status(stream).await, Ok(200));
        assert_eq!(frames.status(stream).await, Err(CANCEL), "{stream}");
    }
    assert_eq!(metrics.refusals("write_timeout").value(), 3);
    // A window for a part of it is no better in the end.
    frames.request(7, &answers[1]).await;
    frames.send(WINDOW, 0, 7, 100_u32.to_be_bytes()).await;
    assert_eq!(frames.until(|frame| frame.stream == 7 && frame.kind == RESET).await.code(), CANCEL);
    // The connection goes on: what has room is answered.
    frames.request(9, &answers[0]).await;
    frames.send(WINDOW, 0, 9, 10_000_u32.to_be_bytes()).await;
    let end =
        frames.until(|frame| frame.stream == 9 && frame.kind == DATA && frame.flags == END_STREAM).await;
    assert!(end.payload.is_empty());
    server.fake.until(|counts| counts.running == 0).await;
}

#[tokio::test]
async fn a_connection_without_requests_is_closed() {
    let server = Server::limited(Limits::default().header_timeout(SHORT)).await;
    let head = fields_of(&echo());
    let whole = Frame::new(HEADERS, 0, 1, head).bytes();
    // Half a preface; no settings; nothing but them; half a head; a head that does not end.
    for (sent, open) in [
        (&b"PRI * HT"[..], false),
        (http2::PREFACE, false),
        (b"", true),
        (&whole[..20], true),
        (&whole, true),
    ] {
        let mut frames =
            if open { Frames::open(server.address, &[]).await } else { Frames::bare(server.address).await };
        frames.bytes(sent).await;
        let code = frames.closed().await;
        assert!(matches!(code, None | Some(0)), "{sent:?}: {code:?}");
    }
    let mut used = Frames::open(server.address, &[]).await;
    used.request(1, &echo()).await;
    assert_eq!(used.status(1).await, Ok(200));
    assert_eq!(used.closed().await, Some(0));
    server.canary().await;
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_given_up() {
    let server = Server::limited(Limits::default().http2_ping(SHORT)).await;
    let mut frames = Frames::open(server.address, &[]).await;
    frames.request(1, &call(1, "wait", json!({}))).await;
    server.fake.until(|counts| counts.running == 1).await;
    frames.until(|frame| frame.kind == PING && frame.flags == 0).await;
    frames.closed().await;
    server.fake.until(|counts| counts.running == 0).await;
}

#[tokio::test]
async fn streams_and_windows_are_bounded() {
    let limits =
        Limits::default().http2_max_streams(3).http2_stream_window(2048).http2_connection_window(65536);
    let server = Server::limited(limits).await;
    let mut frames = Frames::open(server.address, &[(1, 0)]).await;
    // Windows are as the server says once that is acknowledged.
    frames.until(|frame| frame.kind == SETTINGS && frame.flags == 0).await;
    frames.send(SETTINGS, ACK, 0, []).await;
    for stream in [1, 3, 5] {
        frames.request(stream, &call(stream, "wait", json!({}))).await;
    }
    server.fake.until(|counts| counts.running == 3).await;
    frames.request(7, &echo()).await;
    assert_eq!(frames.status(7).await, Err(REFUSED_STREAM));
    server.fake.release(3);
    for _ in 0..3 {
        frames.until(|frame| frame.kind == DATA && frame.flags == END_STREAM).await;
    }
    // What is sent beyond the window ends the stream or the connection.
    frames.send(HEADERS, END_HEADERS, 9, fields_of(&echo())).await;
    frames.send(DATA, 0, 9, vec![b' '; 4096]).await;
    let end = frames.until(|frame| matches!(frame.kind, RESET | http2::GOAWAY)).await;
    assert_eq!(end.code(), FLOW_CONTROL_ERROR, "{end:?}");
    let mut frames = Frames::open(server.address, &[]).await;
    frames.flood(&Frame::new(PING, 0, 0, vec![0; 20_000]).bytes()).await;
    assert_eq!(frames.closed().await, Some(FRAME_SIZE_ERROR));
    server.canary().await;
}

/// Fields by which a proxy and we could read different requests (RFC 9113 §8.2 and §8.3).
#[tokio::test]
async fn malformed_requests_reach_nobody() {
    let server = Server::start(Config::default()).await;
    let ours = [(":method", "POST"), (":scheme", "http"), (":path", "/mcp"), (":authority", "localhost")];
    let with = |more: &[(&'static str, &'static str)]| [&ours[..], more].concat();
    let mut cases = vec![
        with(&[("transfer-encoding", "chunked")]),
        with(&[("connection", "close")]),
        with(&[("keep-alive", "1")]),
        with(&[("upgrade", "websocket")]),
        with(&[("proxy-connection", "x")]),
        with(&[("te", "gzip")]),
        with(&[("Content-Type", "application/json")]),
        with(&[("x-field", "a\r\nx-other: b")]),
        with(&[("x-field", "a\nb")]),
        with(&[("x-field", "a\0b")]),
        with(&[("x field", "a")]),
        with(&[("", "a")]),
        with(&[(":status", "200")]),
        with(&[(":other", "x")]),
        with(&[(":path", "/mcp")]),
        with(&[(":authority", "localhost")]),
        with(&[("x-field", "a"), (":method", "POST")]),
        with(&[("content-length", "x")]),
        with(&[("content-length", "-1")]),
        with(&[("content-length", "1"), ("content-length", "2")]),
        with(&[("content-length", "5")]),
    ];
    for missing in 0..3 {
        let mut some = ours.to_vec();
        some.remove(missing);
        cases.push(some);
    }
    for path in ["", "mcp", "*", "http://localhost/mcp"] {
        cases.push(vec![
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
        ]);
    }
    for authority in ["", "evil@localhost", "local host", "localhost, evil.example", "[::1"] {
        cases.push(vec![
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/mcp"),
            (":authority", authority),
        ]);
    }
    cases.push(vec![(":method", "CONNECT"), (":authority", "evil.example:443")]);
    cases.push(vec![(":method", "CONNECT"), (":authority", "localhost:443")]);
    for case in cases {
        let mut frames = Frames::open(server.address, &[(1, 0)]).await;
        let mut case = case;
        if !case.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            case.push(("content-type", "application/json"));
        }
        case.extend([
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "echo"),
        ]);
        frames.send(HEADERS, END_HEADERS, 1, fields(&case)).await;
        frames.flood(&Frame::new(DATA, END_STREAM, 1, echo().body).bytes()).await;
        let is_end = |frame: &Frame| matches!(frame.kind, HEADERS | RESET | http2::GOAWAY);
        let answer = frames.until(is_end).await;
        match answer.kind {
            HEADERS => assert!((400..500).contains(&answer.status()), "{case:?}: {}", answer.status()),
            _ => assert_ne!(answer.code(), 0, "{case:?}"),
        }
    }
    server.canary().await;
}
