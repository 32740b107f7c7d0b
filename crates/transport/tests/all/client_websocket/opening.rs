//! The handshake: what we say, and what is no answer to it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyport_transport::client::{
    ConnectError,
    http::{self, Fault},
    websocket::Endpoint,
};
use serde_json::json;
use tokio::{io::AsyncReadExt as _, sync::mpsc};

use super::{
    call, open, opening,
    peer::{Peer, at, peer},
    text,
};
use crate::common::within;

/// Answers one call, too.
async fn serves(mut peer: Peer) {
    peer.modern().await;
    while let Some(asked) = peer.hear().await {
        peer.answer(&asked, json!({"content": [{"type": "text", "text": "x"}]})).await;
    }
}

async fn answering(answer: impl Fn(&Peer) -> String + Send + Sync + 'static) -> SocketAddr {
    peer(move |mut peer| {
        let answer = answer(&peer);
        async move {
            peer.write(answer.as_bytes()).await;
            // The client closes.
            _ = peer.stream.read_to_end(&mut Vec::new()).await;
        }
    })
    .await
}

#[tokio::test]
async fn the_handshake_is_that_of_the_rfc_with_the_users_headers() {
    let (sender, mut heads) = mpsc::unbounded_channel();
    let address = peer(move |peer| {
        sender.send(peer.head.clone()).unwrap();
        serves(peer)
    })
    .await;
    let url = format!("ws://{address}/mcp/ws?room=1");
    let endpoint = Endpoint::new(&url).unwrap().header("Authorization", "Bearer t").unwrap();
    // A server that chooses no subprotocol is taken.
    let connection = open(endpoint, &opening(None)).await.unwrap();
    assert_eq!(text(&within(call(&connection, "echo", json!({})).outcome()).await), "x");
    let head = heads.recv().await.unwrap().to_lowercase();
    let (first, rest) = head.split_once("\r\n").unwrap();
    assert_eq!(first, "get /mcp/ws?room=1 http/1.1");
    for line in [
        &*format!("host: {address}"),
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-protocol: mcp",
        "authorization: bearer t",
    ] {
        assert!(rest.contains(&format!("{line}\r\n")), "{line}: {rest}");
    }
    assert!(rest.contains("user-agent: anyport/") && !rest.contains("sec-websocket-extensions"), "{rest}");
}

#[tokio::test]
async fn what_is_no_websocket_is_told_in_words() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<html";
    let cases = [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
        ("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", "503"),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n",
            "http://elsewhere/",
        ),
        (page, "200"),
        ("SSH-2.0-OpenSSH_9.6\r\n", "ended before the answer came"),
        ("", "ended before the answer came"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            "another protocol",
        ),
    ];
    for (answer, words) in cases {
        let address = peer(move |mut peer| async move { peer.write(answer.as_bytes()).await }).await;
        let error = open(at(address), &opening(None)).await.unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(&address.to_string()), "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn an_answer_to_another_handshake_is_none() {
    let wrong_key =
        |peer: &Peer| peer.switching("").replace("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x");
    let error = open(at(answering(wrong_key).await), &opening(None)).await.unwrap_err().to_string();
    assert!(error.contains("Sec-WebSocket-Accept does not fit"), "{error}");
    for (more, words) in [
        ("Sec-WebSocket-Protocol: chat\r\n", "a subprotocol that was not offered"),
        ("Sec-WebSocket-Extensions: permessage-deflate\r\n", "extensions that were not offered"),
    ] {
        let address = answering(move |peer| peer.switching(more)).await;
        let error = open(at(address), &opening(None)).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn who_must_say_who_they_are_are_told_so() {
    let refuses = |_: &Peer| {
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"x\"\r\nContent-Length: 0\r\n\r\n"
            .to_owned()
    };
    let error = open(at(answering(refuses).await), &opening(None)).await.unwrap_err();
    let ConnectError::Unauthorized { at, challenge, .. } = error else { panic!("{error}") };
    assert!(at.starts_with("ws://"), "{at}");
    assert_eq!(challenge.as_deref(), Some("Bearer realm=\"x\""));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let address = answering(|_| String::new()).await;
    let opening = opening(None).open_timeout(Duration::from_millis(100));
    let error = open(at(address), &opening).await.unwrap_err();
    assert!(matches!(error, ConnectError::Silent(_)), "{error}");
}

#[tokio::test]
async fn nobody_there_is_told_as_over_http() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = open(at(closed), &opening(None)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Http(Fault::Refused { .. })), "{error}");
    let private = http::Endpoint::new(&format!("http://{closed}/ws")).unwrap().public_only();
    let error = open(Endpoint::over(private), &opening(None)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Http(Fault::Private { .. })), "{error}");
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel() {
    let behind = peer(serves).await;
    let (sender, mut heads) = mpsc::unbounded_channel();
    let proxy = peer(move |mut peer| {
        sender.send(peer.head.clone()).unwrap();
        async move {
            peer.write(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
            let mut stream = tokio::net::TcpStream::connect(behind).await.unwrap();
            _ = tokio::io::copy_bidirectional(&mut peer.stream, &mut stream).await;
        }
    })
    .await;
    let there = http::Endpoint::new("http://server.example/ws").unwrap();
    let there = there.proxy(format!("http://user:word@{proxy}"));
    let connection = open(Endpoint::over(there), &opening(None)).await.unwrap();
    assert_eq!(text(&within(call(&connection, "echo", json!({})).outcome()).await), "x");
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with("CONNECT server.example:80 "), "{head}");
    assert!(head.to_lowercase().contains("proxy-authorization: basic dxnlcjp3b3jk"), "{head}");
}

#[tokio::test]
async fn a_secure_websocket_is_one_behind_tls() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let behind = peer(serves).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut secure) = acceptor.accept(stream).await else { return };
                let mut plain = tokio::net::TcpStream::connect(behind).await.unwrap();
                _ = tokio::io::copy_bidirectional(&mut secure, &mut plain).await;
            });
        }
    });
    let there = http::Endpoint::new(&format!("https://localhost:{port}/ws")).unwrap();
    let trusting = Endpoint::over(there.trust(certified.cert.pem().as_bytes()).unwrap());
    assert_eq!(trusting.url(), format!("wss://localhost:{port}/ws"));
    let connection = open(trusting, &opening(None)).await.unwrap();
    assert_eq!(text(&within(call(&connection, "echo", json!({})).outcome()).await), "x");
    let error = open(Endpoint::new(&format!("wss://localhost:{port}/ws")).unwrap(), &opening(None)).await;
    assert!(matches!(error, Err(ConnectError::Http(Fault::Tls { .. } | Fault::NoRoots))), "{error:?}");
}
