//! TLS of the listener, with real certificates over real sockets.

mod authority;
mod mutual;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyport_transport::{
    client::{Target, connect, websocket},
    http::{Config, Limits, Tls, TlsFiles},
};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use self::authority::{Authority, certificates};
use crate::{
    client_http::ours,
    common::{
        Server,
        client::{Verb, call},
        within,
    },
};

const SHORT: Duration = Duration::from_millis(150);

/// A server with a certificate of `authority`.
async fn secure(authority: &Authority, limits: Limits) -> Server {
    let tls = Tls::new(&certificates(&authority.issue())).unwrap();
    Server::start(Config::default().tls(tls).limits(limits)).await
}

fn echo() -> Verb {
    call(1, "echo", json!({"text": "over TLS"}))
}

#[tokio::test]
async fn calls_event_streams_and_sse_go_over_tls() {
    let authority = Authority::new();
    let tls = Tls::new(&certificates(&authority.issue())).unwrap();
    let server = Server::start(Config::default().tls(tls).sse(true).rest(true)).await;
    let mut connection = authority.client(None).open(server.address).await;
    for _ in 0..2 {
        connection.send(&echo().bytes()).await;
        let answer = connection.response().await;
        assert!(answer.status == 200 && answer.text().contains("over TLS"), "{answer:?}");
    }
    let health = Verb::new("GET", "/health");
    connection.send(&health.bytes()).await;
    assert_eq!(connection.response().await.status, 200);
    let stream = call(2, "say", json!({"count": 3, "bytes": 10, "wait": false}));
    assert!(connection.begin(&stream).await.is_stream());
    assert!(connection.messages().await.len() >= 3);
    // More than any buffer between has room for.
    connection.send(&call(3, "big", json!({"bytes": 5 << 20})).bytes()).await;
    assert!(connection.response().await.body.len() > 5 << 20);
    let sse = Verb::new("GET", "/sse").add("Accept", "text/event-stream");
    let mut connection = authority.client(None).open(server.address).await;
    assert!(connection.begin(&sse).await.is_stream());
    assert_eq!(connection.event().await.unwrap().event.as_deref(), Some("endpoint"));
}

#[tokio::test]
async fn our_client_calls_our_server_over_https_and_secure_websockets() {
    let authority = Authority::new();
    let tls = Tls::new(&certificates(&authority.issue())).unwrap();
    let config = Config::default().tls(tls).websocket(anyport_transport::websocket::Config::default());
    let server = Server::start(config).await;
    for revision in anyport_protocol::Revision::ALL {
        let endpoint = authority.endpoint(server.address, "/mcp");
        let Ok(connection) = within(ours::open(&endpoint, &ours::opening(Some(revision)))).await else {
            // HTTP+SSE is not served.
            assert_eq!(revision, anyport_protocol::Revision::V2024_11_05);
            continue;
        };
        let outcome = within(ours::call(&connection, "echo", json!({"text": "x"})).outcome()).await;
        assert_eq!(ours::text(&outcome), "x", "{revision}");
    }
    let socket = websocket::Endpoint::over(authority.endpoint(server.address, "/ws"));
    assert!(socket.url().starts_with("wss://localhost:"), "{}", socket.url());
    let socket = Target::WebSocket(socket);
    let connection = within(connect(&socket, &ours::opening(None))).await.unwrap();
    let outcome = within(ours::call(&connection, "echo", json!({"text": "y"})).outcome()).await;
    assert_eq!(ours::text(&outcome), "y");
}

#[tokio::test]
async fn who_does_not_trust_the_authority_says_so_and_the_server_goes_on() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = secure(&authority, Limits::default()).await;
    let error = within(other.client(None).try_open(server.address)).await.unwrap_err().to_string();
    assert!(error.contains("invalid peer certificate"), "{error}");
    let refused = ours::open(&other.endpoint(server.address, "/mcp"), &ours::opening(None)).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("no secure connection to localhost"), "{error}");
    let mut connection = authority.client(None).open(server.address).await;
    connection.send(&echo().bytes()).await;
    assert_eq!(connection.response().await.status, 200);
}

#[tokio::test]
async fn http_2_is_agreed_on_where_both_speak_it() {
    let authority = Authority::new();
    let server = secure(&authority, Limits::default()).await;
    let newest = if cfg!(feature = "http2") { "h2" } else { "http/1.1" };
    for (offered, agreed) in
        [(&["h2", "http/1.1"][..], newest), (&["http/1.1", "h2"], newest), (&["http/1.1"], "http/1.1")]
    {
        let client = authority.client(None).offering(offered);
        let stream = within(client.try_open(server.address)).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(agreed.as_bytes()), "{offered:?}");
    }
    let error = within(authority.client(None).offering(&["h3"]).try_open(server.address)).await.unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    #[cfg(feature = "http2")]
    {
        let client = authority.client(None).offering(&["h2"]);
        let stream = within(client.try_open(server.address)).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        assert_eq!(within(crate::common::http2::answer(client, &echo())).await.status, 200);
    }
}

/// RFC 6797 §7.2: the header is said over TLS alone.
#[tokio::test]
async fn browsers_learn_to_come_over_tls_alone_where_that_is_configured() {
    let authority = Authority::new();
    let tls = Tls::new(&certificates(&authority.issue())).unwrap();
    let year = Duration::from_secs(31_536_000);
    let config = Config::default().rest(true).hsts(year);
    let server = Server::start(config.clone().tls(tls)).await;
    let plain = Server::start(config).await;
    let unsaid = secure(&authority, Limits::default()).await;
    for verb in [echo(), Verb::new("GET", "/health"), echo().set("Host", "evil.example")] {
        for (address, said) in [(server.address, Some("max-age=31536000")), (unsaid.address, None)] {
            let mut connection = authority.client(None).open(address).await;
            connection.send(&verb.bytes()).await;
            let answer = connection.response().await;
            assert_eq!(answer.header("strict-transport-security"), said, "{verb:?}");
        }
        assert_eq!(plain.ask(&verb).await.header("strict-transport-security"), None, "{verb:?}");
    }
}

#[tokio::test]
async fn http_2_can_be_turned_off() {
    let authority = Authority::new();
    let tls = Tls::new(&certificates(&authority.issue())).unwrap();
    let server = Server::start(Config::default().tls(tls).http2(false)).await;
    let client = authority.client(None).offering(&["h2", "http/1.1"]);
    let stream = within(client.try_open(server.address)).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let error = within(authority.client(None).offering(&["h2"]).try_open(server.address)).await.unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    #[cfg(feature = "http2")]
    {
        use crate::common::http2::{PREFACE, SETTINGS};
        let begin = async |on| {
            let server = Server::start(Config::default().http2(on)).await;
            let mut connection = server.connect().await;
            connection.send(PREFACE).await;
            (server, connection)
        };
        let (_server, mut connection) = begin(true).await;
        assert_eq!(within(connection.exactly(9)).await[3], SETTINGS);
        let (_server, mut connection) = begin(false).await;
        let answered = within(connection.closed()).await;
        assert!(answered.is_empty() || answered.starts_with(b"HTTP/1.1 400 "), "{answered:?}");
    }
}

#[tokio::test]
async fn pages_of_ours_come_from_https() {
    let authority = Authority::new();
    let server = secure(&authority, Limits::default()).await;
    let port = server.address.port();
    for (origin, status) in [
        (format!("https://localhost:{port}"), 200),
        (format!("http://localhost:{port}"), 403),
        ("https://localhost".to_owned(), 403),
    ] {
        let mut connection = authority.client(None).open(server.address).await;
        connection.send(&echo().set("Origin", &origin).bytes()).await;
        assert_eq!(connection.response().await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn http_without_tls_is_told_to_use_tls() {
    let authority = Authority::new();
    let server = secure(&authority, Limits::default()).await;
    for verb in [echo(), Verb::new("GET", "/health")] {
        let mut connection = server.connect().await;
        connection.send(&verb.bytes()).await;
        let answer = connection.response().await;
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")));
        assert!(answer.text().contains("https://"), "{answer:?}");
        assert!(connection.closed().await.is_empty());
    }
    assert_eq!(server.fake.counts().running, 0);
    // Other bytes are answered in the language of TLS.
    let mut connection = server.connect().await;
    connection.send(&[0; 64]).await;
    assert_eq!(connection.closed().await.first(), Some(&21));
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let authority = Authority::new();
    let tls = Tls::new(&certificates(&authority.issue())).unwrap();
    let config = Config::default().tls(tls).limits(Limits::default().tls_handshake_timeout(SHORT));
    let (server, metrics) = Server::counted(config).await;
    // The beginning of a record that goes on to say nothing.
    for sent in [&b""[..], &[22], &[22, 3, 1, 2, 0, 1, 0]] {
        let mut silent = server.connect().await;
        silent.send(sent).await;
        assert!(silent.closed().await.is_empty());
    }
    assert_eq!(metrics.refusals("tls_handshake_timeout").value(), 3);
    let mut connection = authority.client(None).open(server.address).await;
    connection.send(&echo().bytes()).await;
    assert_eq!(connection.response().await.status, 200);
}

#[tokio::test]
async fn silent_clients_hold_up_nobody_and_count_as_connections() {
    let authority = Authority::new();
    let server =
        secure(&authority, Limits::default().max_connections(9).max_connections_per_address(9)).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(server.connect().await);
    }
    let client = authority.client(None);
    let mut served = client.open(server.address).await;
    served.send(&echo().bytes()).await;
    assert_eq!(served.response().await.status, 200);
    // One too many is told so over TLS.
    let mut refused = client.open(server.address).await;
    refused.send(&echo().bytes()).await;
    let answer = refused.response().await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    drop(silent);
    within(async {
        loop {
            let mut connection = client.open(server.address).await;
            connection.send(&echo().bytes()).await;
            if connection.response().await.status == 200 {
                break;
            }
        }
    })
    .await;
}

/// Beyond a limit of connections, a client has a second for each step, however long one within it has: others come as well.
#[tokio::test]
async fn beyond_a_limit_of_connections_neither_a_handshake_nor_what_follows_it_is_waited_for() {
    // Of the limits of a connection none ends before the patience of the test.
    let hour = Duration::from_secs(3_600);
    let limits = Limits::default().max_connections(1).tls_handshake_timeout(hour).header_timeout(hour);
    let authority = Authority::new();
    let tls = Tls::new(&certificates(&authority.issue())).unwrap();
    let (server, metrics) = Server::counted(Config::default().tls(tls).limits(limits)).await;
    let mut first = authority.client(None).open(server.address).await;
    first.send(&echo().bytes()).await;
    assert_eq!(first.response().await.status, 200);
    // A handshake that does not begin, and one that does not go on.
    for sent in [&b""[..], &[22], &[22, 3, 1, 2, 0, 1, 0]] {
        let mut silent = server.connect().await;
        silent.send(sent).await;
        assert!(silent.closed().await.is_empty(), "{sent:?}");
    }
    // It was the second, and not the time that such a connection has in all.
    assert_eq!(metrics.refusals("tls_handshake_timeout").value(), 3);
    // One that is complete, after which nothing is said.
    for offered in ["http/1.1", "h2"] {
        let client = authority.client(None).offering(&[offered]);
        let mut silent = within(client.try_open(server.address)).await.unwrap();
        within(silent.read_to_end(&mut Vec::new())).await.ok();
    }
    // Who does speak is told why it is refused.
    let mut refused = authority.client(None).open(server.address).await;
    refused.send(&echo().bytes()).await;
    assert_eq!(refused.response().await.status, 503);
    #[cfg(feature = "http2")]
    {
        let client = authority.client(None).offering(&["h2"]);
        let stream = within(client.try_open(server.address)).await.unwrap();
        let (client, connection) = within(h2::client::handshake(stream)).await.unwrap();
        tokio::spawn(connection);
        assert_eq!(within(crate::common::http2::answer(client, &echo())).await.status, 503);
    }
    // The one within the limit is waited for all the while.
    first.send(&echo().bytes()).await;
    assert_eq!(first.response().await.status, 200);
}

#[tokio::test]
async fn a_handshake_does_not_keep_the_listener_from_stopping() {
    let authority = Authority::new();
    let mut server = secure(&authority, Limits::default()).await;
    let mut silent = server.connect().await;
    silent.send(&[22]).await;
    let mut idle = authority.client(None).open(server.address).await;
    idle.send(&echo().bytes()).await;
    assert_eq!(idle.response().await.status, 200);
    server.stop();
    server.stopped().await;
    assert!(silent.closed().await.is_empty() && idle.closed().await.is_empty());
}

/// Invariant: Certificates are replaced without a refused request: new connections get the new one, open connections go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_change_under_load_and_no_request_is_refused() {
    let authority = Authority::new();
    let issued = [authority.issue(), authority.issue()];
    let tls = Tls::new(&certificates(&issued[0])).unwrap();
    let server = Server::start(Config::default().tls(tls.clone())).await;
    let mut old = authority.client(None).open(server.address).await;
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (client, address) = (authority.client(None), server.address);
        let (stop, calls) = (stop.clone(), calls.clone());
        callers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let mut connection = client.open(address).await;
                connection.send(&echo().bytes()).await;
                assert_eq!(connection.response().await.status, 200);
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for round in 1..=20 {
        let before = calls.load(Ordering::Relaxed);
        tls.replace(&certificates(&issued[round % 2])).unwrap();
        within(async {
            while calls.load(Ordering::Relaxed) < before + 4 {
                tokio::task::yield_now().await
            }
        })
        .await;
        let stream = within(authority.client(None).try_open(server.address)).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        assert_eq!(shown, *issued[round % 2].cert.der());
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    old.send(&echo().bytes()).await;
    assert_eq!(old.response().await.status, 200);
}

#[tokio::test]
async fn changed_files_are_followed_while_it_serves() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let write = |issued: &authority::Issued| {
        std::fs::write(&certificate, issued.cert.pem()).unwrap();
        std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
    };
    let issued = [authority.issue(), authority.issue()];
    write(&issued[0]);
    let tls = Tls::from_files(TlsFiles::new(&certificate, &key)).unwrap();
    let server = Server::start(Config::default().tls(tls)).await;
    let shown = async || {
        let mut stream = within(authority.client(None).try_open(server.address)).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        // What is closed by us alone is no fault.
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
        let _ = within(stream.read_to_end(&mut Vec::new())).await;
        shown
    };
    assert_eq!(shown().await, *issued[0].cert.der());
    write(&issued[1]);
    within(async { while shown().await != *issued[1].cert.der() {} }).await;
}
