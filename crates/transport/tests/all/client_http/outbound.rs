//! What leaves, and where it does not go.
//!
//! Invariant: Credentials go to the server's own origin alone, and never to a private address where only
//! public ones are allowed.

use std::sync::{Arc, Mutex};

use anyport_protocol::failure::Failure;
use anyport_service::Outcome;
use anyport_transport::client::{
    HttpExchange, MessageObserver, NameResolver,
    http::{Endpoint, Probe},
};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    ours::{call, open, opening, text},
    script::{Asked, Script, answer, json as body, modern, response},
};
use crate::common::within;

fn serves(asked: &Asked) -> String {
    modern(asked).unwrap_or_else(|| body(&answer(asked, "x")))
}

async fn failure(endpoint: &Endpoint) -> String {
    within(open(endpoint, &opening(None))).await.unwrap_err().to_string()
}

fn at(url: &str) -> Endpoint {
    Endpoint::new(url).unwrap().without_proxy()
}

#[tokio::test]
async fn given_headers_go_to_their_own_origin_and_to_no_other() {
    let other = Script::start(serves).await;
    let location = format!("Location: {}", other.url());
    let script =
        Script::start(move |_| response("307 Temporary Redirect", &[&location, "Content-Length: 0"], ""))
            .await;
    let endpoint = at(&script.url()).header("Authorization", "Bearer secret").unwrap();
    let endpoint = endpoint.header("Cookie", "a=b").unwrap().header("X-Key", "k").unwrap();
    assert!(!format!("{endpoint:?}").contains("secret"));
    let connection = within(open(&endpoint, &opening(None))).await.unwrap();
    assert_eq!(text(&within(call(&connection, "echo", json!({})).outcome()).await), "x");
    for asked in script.asked() {
        assert_eq!(asked.header("authorization"), Some("Bearer secret"));
    }
    assert_eq!(other.asked().len(), 2);
    for asked in other.asked() {
        for name in ["authorization", "cookie", "x-key"] {
            assert_eq!(asked.header(name), None, "{name}");
        }
        assert_eq!((asked.verb.as_str(), asked.header("mcp-method").is_some()), ("POST", true));
    }
}

#[tokio::test]
async fn a_redirect_within_the_origin_keeps_what_is_given() {
    let script = Script::start(|asked| match asked.target.as_str() {
        "/mcp" => response("308 Permanent Redirect", &["Location: /mcp/", "Content-Length: 0"], ""),
        _ => serves(asked),
    })
    .await;
    let endpoint = at(&script.url()).header("Authorization", "Bearer secret").unwrap();
    within(open(&endpoint, &opening(None))).await.unwrap();
    assert!(script.asked().iter().all(|asked| asked.header("authorization") == Some("Bearer secret")));
}

#[tokio::test]
async fn redirects_are_bounded_and_lead_to_the_web_only() {
    let script = Script::start(|_| response("302 Found", &["Location: /mcp", "Content-Length: 0"], "")).await;
    let words = failure(&at(&script.url())).await;
    assert!(words.contains("not the first redirect"), "{words}");
    assert_eq!(script.asked().len(), 6);
    for to in ["file:///etc/passwd", "unix:/run/x.sock", "http://user@127.0.0.1/", "http://["] {
        let location = format!("Location: {to}");
        let script =
            Script::start(move |_| response("302 Found", &[&location, "Content-Length: 0"], "")).await;
        let words = failure(&at(&script.url())).await;
        assert!(words.contains("sends on to"), "{to}: {words}");
        assert_eq!(script.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_call_that_was_sent_on_to_nowhere_may_have_been_carried_out() {
    for to in ["/mcp", "http://127.0.0.1:1/mcp", "https://127.0.0.1:1/mcp", "ftp://127.0.0.1/mcp", "http://["]
    {
        let location = format!("Location: {to}");
        let script = Script::start(move |asked| {
            let sent_on = || response("307 Temporary Redirect", &[&location, "Content-Length: 0"], "");
            modern(asked).unwrap_or_else(sent_on)
        })
        .await;
        let connection = within(open(&at(&script.url()), &opening(None))).await.unwrap();
        let Outcome::Failed(failure) = within(call(&connection, "echo", json!({})).outcome()).await else {
            panic!("{to}")
        };
        assert!(matches!(*failure, Failure::OutcomeUnknown(_)), "{to}: {failure:?}");
    }
}

#[tokio::test]
async fn nothing_private_is_connected_to_where_only_the_public_is_allowed() {
    let script = Script::start(serves).await;
    let port = script.address.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f.1",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST.",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fc00::1]",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "①②⑦.0.0.1",
    ] {
        let words = failure(&at(&format!("http://{host}:{port}/mcp")).public_only()).await;
        assert!(words.contains("no public address") || words.contains("is not known"), "{host}: {words}");
    }
    assert!(script.asked().is_empty());
}

/// A name that has the next of `answers` each time, and how often it was asked for.
fn changing(answers: Vec<&'static str>) -> (NameResolver, Arc<Mutex<usize>>) {
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let resolver = NameResolver::new(move |_| {
        let mut count = count.lock().unwrap();
        let answer = answers[*count % answers.len()].parse().unwrap();
        *count += 1;
        async move { Ok(vec![answer]) }
    });
    (resolver, asked)
}

/// Invariant: A connection is made to the addresses that were looked at, or not at all, however a name changes its addresses.
#[tokio::test]
async fn a_name_that_changes_its_address_leads_to_the_one_that_was_looked_at_or_nowhere() {
    let script = Script::start(serves).await;
    let port = script.address.port();
    let named = || at(&format!("http://rebinding.example:{port}/mcp"));
    // It was public when somebody looked.
    let (resolver, asked) = changing(vec!["93.184.215.14", "127.0.0.1"]);
    let probe = Probe::new(&named().public_only().resolver(resolver)).unwrap();
    assert_eq!(probe.resolve().await.unwrap(), ["93.184.215.14".parse::<std::net::IpAddr>().unwrap()]);
    let refused = probe.connect().await.err().unwrap().to_string();
    assert!(refused.contains("no public address"), "{refused}");
    assert_eq!((*asked.lock().unwrap(), script.asked().len()), (2, 0));
    // A connection resolves the name once, and so goes where was looked. The next one has nobody at its address.
    let (resolver, asked) = changing(vec!["127.0.0.1", "127.0.0.77"]);
    let endpoint = named().resolver(resolver);
    assert_eq!(within(endpoint.fetch()).await.unwrap().status, 200);
    assert_eq!((*asked.lock().unwrap(), script.asked().len()), (1, 1));
    let refused = within(endpoint.fetch()).await.unwrap_err().to_string();
    assert!(refused.contains("refuses the connection"), "{refused}");
    assert_eq!((*asked.lock().unwrap(), script.asked().len()), (2, 1));
}

/// Invariant: A connection is made to the addresses that were looked at, or not at all, however a name changes its addresses.
#[tokio::test]
async fn a_redirect_to_a_name_that_changes_its_address_leads_nowhere_else() {
    let inside = Script::start_at("127.0.0.2", serves).await;
    let port = inside.address.port();
    let location = format!("Location: http://rebinding.example:{port}/mcp");
    let script = Script::start(move |_| response("302 Found", &[&location, "Content-Length: 0"], "")).await;
    // A redirect of this machine may lead to this machine alone.
    let elsewhere = ["93.184.215.14", "10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1"];
    for (number, answer) in elsewhere.into_iter().enumerate() {
        let (resolver, asked) = changing(vec![answer, "127.0.0.2"]);
        let endpoint = at(&script.url()).resolver(resolver);
        let words = within(endpoint.fetch()).await.unwrap_err().to_string();
        assert!(words.contains("it leads"), "{answer}: {words}");
        assert_eq!((*asked.lock().unwrap(), inside.asked().len()), (1, number), "{answer}");
        // Each connection is looked at for itself.
        assert_eq!(within(endpoint.fetch()).await.unwrap().status, 200, "{answer}");
        assert_eq!(*asked.lock().unwrap(), 2, "{answer}");
    }
}

#[test]
fn urls_that_no_server_can_have_are_refused() {
    for (url, words) in [
        ("file:///etc/passwd", "http:// or https://"),
        ("unix:/run/x.sock", "http:// or https://"),
        ("http://user:geheim@host/", "Authorization"),
        ("http://[fe80::1%1]/", "no URL"),
        ("host/mcp", "no URL"),
        ("http://", "no URL"),
    ] {
        let error = Endpoint::new(url).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("geheim"), "{url}: {error}");
    }
    for (name, value) in
        [("Host", "a"), ("Mcp-Session-Id", "a"), ("a b", "c"), ("A", "b\r\nC: d"), ("Mcp-Param-X", "y")]
    {
        assert!(at("http://host/").header(name, value).is_err(), "{name}");
    }
}

#[tokio::test]
async fn faults_say_what_to_do() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let words = failure(&at(&format!("http://{address}/mcp"))).await;
    assert!(words.contains("refuses the connection: is the server running"), "{words}");
    let words = failure(&at("http://no-such-host.invalid/mcp")).await;
    assert!(words.contains("no-such-host.invalid is not known"), "{words}");
    // A server without TLS.
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        // Not closed before the client has read it.
        _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let endpoint = at(&format!("https://{address}/mcp")).trust(certificate.cert.pem().as_bytes()).unwrap();
    let words = failure(&endpoint).await;
    assert!(words.contains("does this port speak TLS?"), "{words}");
}

#[tokio::test]
async fn a_proxy_is_asked_for_what_is_not_of_this_machine() {
    let proxy = Script::start(|asked| match asked.verb.as_str() {
        "CONNECT" => response("403 Forbidden", &["Content-Length: 0"], ""),
        _ => serves(asked),
    })
    .await;
    let endpoint = Endpoint::new("http://server.example/mcp").unwrap();
    let endpoint = endpoint.proxy(format!("http://user:word@{}", proxy.address));
    let connection = within(open(&endpoint, &opening(None))).await.unwrap();
    drop(connection);
    let asked = proxy.asked().remove(0);
    assert_eq!(asked.target, "http://server.example/mcp");
    assert_eq!(asked.header("proxy-authorization"), Some("Basic dXNlcjp3b3Jk"));
    // A secure connection goes through a tunnel, which this proxy does not dig.
    let endpoint =
        Endpoint::new("https://server.example/mcp").unwrap().proxy(format!("http://{}", proxy.address));
    let words = failure(&endpoint).await;
    assert!(words.contains("does not connect to server.example:443"), "{words}");
    assert_eq!(proxy.asked().last().unwrap().verb, "CONNECT");
    // What runs here is reached directly.
    let here = Script::start(serves).await;
    let endpoint = Endpoint::new(&here.url()).unwrap().proxy("http://127.0.0.1:1");
    within(open(&endpoint, &opening(None))).await.unwrap();
}

#[tokio::test]
async fn tls_is_spoken_with_whom_is_trusted_and_with_nobody_else() {
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
    let script = Script::start(serves).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, behind) = (listener.local_addr().unwrap(), script.address);
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
    let url = format!("https://localhost:{}/mcp", address.port());
    let trusting = at(&url).trust(certified.cert.pem().as_bytes()).unwrap();
    let connection = within(open(&trusting, &opening(None))).await.unwrap();
    assert_eq!(text(&within(call(&connection, "echo", json!({})).outcome()).await), "x");
    // Another one is trusted here.
    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let words = failure(&at(&url).trust(other.cert.pem().as_bytes()).unwrap()).await;
    assert!(words.contains("no secure connection to localhost"), "{words}");
    // The certificate is good for no other name.
    let words =
        failure(&at(&format!("https://{address}/mcp")).trust(certified.cert.pem().as_bytes()).unwrap()).await;
    assert!(words.contains("no secure connection to 127.0.0.1"), "{words}");
    // Nor is it asked for where all are accepted.
    let any = at(&format!("https://{address}/mcp")).dangerously_accept_any_certificate();
    let connection = within(open(&any, &opening(None))).await.unwrap();
    assert_eq!(text(&within(call(&connection, "echo", json!({})).outcome()).await), "x");
}

/// The exchanges that were observed.
#[derive(Default)]
struct Exchanges(Mutex<Vec<(String, Option<u16>)>>);

impl MessageObserver for Exchanges {
    fn sent(&self, _: &[u8]) {}

    fn received(&self, _: &[u8]) {}

    fn http(&self, exchange: &HttpExchange<'_>) {
        let request = format!("{} {}", exchange.method, exchange.url);
        self.0.lock().unwrap().push((request, exchange.status));
    }
}

#[tokio::test]
async fn an_observer_sees_every_http_request_with_its_status_and_without_its_query() {
    let server = Script::start(serves).await;
    let exchanges = Arc::new(Exchanges::default());
    let options = opening(None).tap(Some(exchanges.clone()));
    let endpoint = at(&format!("{}?token=secret", server.url()));
    let connection = within(open(&endpoint, &options)).await.unwrap();
    within(call(&connection, "echo", json!({})).outcome()).await;
    let request = format!("POST {}", server.url());
    let seen = exchanges.0.lock().unwrap().clone();
    assert_eq!(seen, [(request.clone(), Some(200)), (request, Some(200))]);
    within(open(&at("http://127.0.0.1:1/mcp"), &options)).await.unwrap_err();
    let last = exchanges.0.lock().unwrap().last().cloned();
    assert_eq!(last, Some(("POST http://127.0.0.1:1/mcp".to_owned(), None)));
}
