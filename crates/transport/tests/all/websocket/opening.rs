//! The handshake, and who may open a WebSocket.
//!
//! Invariant: A WebSocket is opened only for clients that could send a request: Host, Origin and token come
//! before the upgrade.

use anyport_transport::{
    http::{Authentication, Config, Token},
    websocket,
};
use serde_json::json;

use super::{Client, Server, call, config, frame, handshake, raw, read_frame, start};
use crate::common::client::{Verb, call as post};

#[tokio::test]
async fn it_opens_at_either_path_and_answers_the_handshake() {
    let server = start().await;
    for path in ["/ws", "/mcp/ws", "/ws?a=b"] {
        let mut verb = handshake().add("Sec-WebSocket-Protocol", "chat, mcp");
        verb.target = path.into();
        verb = verb.add("Sec-WebSocket-Extensions", "permessage-deflate");
        let head = server.connect().await.begin(&verb).await;
        assert_eq!(head.status, 101, "{head:?}");
        assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(head.header("sec-websocket-protocol"), Some("mcp"));
        assert_eq!(head.header("sec-websocket-extensions"), None);
    }
    let head = server.connect().await.begin(&handshake().add("Sec-WebSocket-Protocol", "chat")).await;
    assert_eq!((head.status, head.header("sec-websocket-protocol")), (101, None));
}

#[tokio::test]
async fn it_is_not_there_unless_it_is_switched_on() {
    let server = Server::start(Config::default()).await;
    assert_eq!(server.ask(&handshake()).await.status, 404);
}

#[tokio::test]
async fn streamable_http_stays_beside_it() {
    let server = start().await;
    let _socket = Client::open(&server).await;
    server.canary().await;
}

#[tokio::test]
async fn what_is_no_handshake_is_told_what_is_missing() {
    let server = start().await;
    let answer = server.ask(&handshake().without("Upgrade")).await;
    assert_eq!((answer.status, answer.header("upgrade")), (426, Some("websocket")));
    assert!(answer.text().contains("Upgrade: websocket"), "{answer:?}");
    let answer = server.ask(&handshake().set("Sec-WebSocket-Version", "8")).await;
    assert_eq!((answer.status, answer.header("sec-websocket-version")), (426, Some("13")));
    assert_eq!(server.ask(&handshake().without("Sec-WebSocket-Key")).await.status, 400);
    let mut put = handshake();
    put.method = "PUT".into();
    let answer = server.ask(&put).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")));
    server.canary().await;
}

/// What a proxy in front takes for the body of a request would be taken for frames here.
#[tokio::test]
async fn a_handshake_has_no_body() {
    let server = start().await;
    let hidden = frame(0x81, call(1, "echo", json!({"text": "hidden"})).to_string().as_bytes());
    let length = handshake().body(hidden.clone());
    let chunked = Verb { length: false, ..handshake().add("Transfer-Encoding", "chunked") };
    let mut chunks = format!("{:x}\r\n", hidden.len()).into_bytes();
    chunks.extend([hidden.as_slice(), b"\r\n0\r\n\r\n"].concat());
    for verb in [length, chunked.body(chunks)] {
        let answer = server.ask(&verb).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.text().contains("body"), "{answer:?}");
    }
    let none = handshake().add("Content-Length", "0");
    assert_eq!(server.connect().await.begin(&none).await.status, 101);
    server.canary().await;
}

/// CVE-2026-59950 of another implementation: a WebSocket endpoint that did not check the Origin.
#[tokio::test]
async fn a_page_of_another_site_cannot_open_one() {
    let server = start().await;
    let own = format!("http://localhost:{}", server.address.port());
    assert_eq!(server.connect().await.begin(&handshake().add("Origin", &own)).await.status, 101);
    for origin in [
        "http://evil.example",
        "null",
        "https://localhost",
        "http://localhost:1",
        &format!("{own}.evil.example"),
    ] {
        let answer = server.ask(&handshake().add("Origin", origin)).await;
        assert_eq!(answer.status, 403, "{origin}: {answer:?}");
    }
    let both = handshake().add("Origin", &own).add("Origin", "http://evil.example");
    assert_eq!(server.ask(&both).await.status, 403);
}

#[tokio::test]
async fn a_name_that_was_bound_again_cannot_open_one() {
    let server = start().await;
    for host in ["evil.example", "localhost.evil.example", "#@localhost", ""] {
        assert_eq!(server.ask(&handshake().set("Host", host)).await.status, 421, "{host}");
    }
    // Host comes before Origin, and both before the handshake.
    let verb =
        handshake().set("Host", "evil.example").add("Origin", "http://evil.example").without("Upgrade");
    assert_eq!(server.ask(&verb).await.status, 421);
}

#[tokio::test]
async fn an_allowed_origin_may() {
    let config =
        config(websocket::Config::default()).allow_origins(vec!["https://app.example.com".parse().unwrap()]);
    let server = Server::start(config).await;
    let verb = handshake().add("Origin", "https://app.example.com");
    assert_eq!(server.connect().await.begin(&verb).await.status, 101);
}

#[tokio::test]
async fn a_token_is_asked_for_before_the_upgrade_and_never_taken_from_the_query() {
    let config = config(websocket::Config::default())
        .authentication(Authentication::Tokens(vec![Token::new("ada", "secret")]));
    let server = Server::start(config).await;
    let mut query = handshake();
    query.target = "/ws?access_token=secret&token=secret".into();
    let wrong = handshake().add("Authorization", "Bearer wrong");
    let twice = handshake().add("Authorization", "Bearer secret").add("Authorization", "Bearer secret");
    let refused = [
        (handshake(), 401, "Bearer"),
        (query, 400, "Bearer error=\"invalid_request\""),
        (wrong, 401, "Bearer error=\"invalid_token\""),
        (twice, 400, "Bearer error=\"invalid_request\""),
        // The handshake is not looked at before.
        (handshake().without("Upgrade"), 401, "Bearer"),
    ];
    for (verb, status, challenge) in refused {
        let answer = server.ask(&verb).await;
        assert_eq!(answer.status, status, "{verb:?}");
        assert!(answer.header("www-authenticate").unwrap().starts_with(challenge), "{answer:?}");
    }
    let mut connection = server.connect().await;
    let head = connection.begin(&handshake().add("Authorization", "Bearer secret")).await;
    assert_eq!(head.status, 101);
    connection.send(&frame(0x81, call(1, "who", json!({})).to_string().as_bytes())).await;
    let (_, answer) = read_frame(&mut connection).await;
    assert!(String::from_utf8(answer).unwrap().contains("name:ada "));
}

#[tokio::test]
async fn what_follows_the_handshake_at_once_is_not_lost() {
    let server = start().await;
    let mut connection = server.connect().await;
    let mut bytes = handshake().bytes();
    bytes.extend(frame(0x81, call(1, "echo", json!({"text": "early"})).to_string().as_bytes()));
    connection.send(&bytes).await;
    assert_eq!(connection.head().await.status, 101);
    let (first, answer) = read_frame(&mut connection).await;
    assert_eq!(first, 0x81);
    assert!(String::from_utf8(answer).unwrap().contains("early"));
}

#[tokio::test]
async fn a_connection_that_was_used_for_http_can_become_one() {
    let server = start().await;
    let mut connection = server.connect().await;
    connection.send(&post(1, "echo", json!({"text": "x"})).bytes()).await;
    assert_eq!(connection.response().await.status, 200);
    assert_eq!(connection.begin(&handshake()).await.status, 101);
    let mut other = raw(&server).await;
    other.send(&frame(0x89, b"ping")).await;
    assert_eq!(read_frame(&mut other).await, (0x8a, b"ping".to_vec()));
}
