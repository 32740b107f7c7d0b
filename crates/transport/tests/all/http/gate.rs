//! Host, Origin, browsers and tokens: who may speak (2026-07-28, streamable-http §Security & Endpoint).

use std::net::SocketAddr;

use anyport_transport::http::{Authentication, Config, Listener, Refused, Route, Token};
use serde_json::json;

#[cfg(feature = "http2")]
use crate::common::http2;
use crate::common::{
    Server,
    client::{Connection, Response, Verb, call, post},
    within,
};

fn echo() -> Verb {
    call(1, "echo", json!({"text": "hi"}))
}

/// The answer to `verb` over HTTP/1.1. Over HTTP/2, if it can be said there, the answer is the same.
async fn ask(server: &Server, verb: &Verb) -> Response {
    let answer = server.ask(verb).await;
    #[cfg(feature = "http2")]
    if http2::carries(verb) {
        let second = http2::ask(server.address, verb).await;
        assert_eq!(http2::said(&answer), http2::said(&second), "{verb:?}");
    }
    answer
}

/// What each method answers once it is let in. None of these has a session.
const METHODS: [(&str, u16); 4] = [("POST", 200), ("GET", 400), ("DELETE", 400), ("OPTIONS", 405)];

fn as_method(verb: &Verb, method: &str) -> Verb {
    if method == "POST" {
        return verb.clone();
    }
    // The other methods are those of older revisions.
    Verb { method: method.into(), body: Vec::new(), ..verb.clone() }.without("MCP-Protocol-Version")
}

#[tokio::test]
async fn every_method_checks_host_and_origin_by_themselves() {
    let config = Config::default()
        .allow_hosts(vec!["mcp.example.com".parse().unwrap()])
        .allow_origins(vec!["https://app.example.com".parse().unwrap()]);
    let server = Server::start(config).await;
    let port = server.address.port();
    let (own, other) = (format!("http://localhost:{port}"), format!("http://127.0.0.1:{}", port ^ 1));
    let (six, address) = (format!("http://[::1]:{port}"), format!("127.0.0.1:{port}"));
    let suffixed = format!("http://localhost:{port}.evil.example");
    let hosts = [
        ("localhost", true),
        (&address, true),
        ("[::1]", true),
        ("mcp.example.com", true),
        ("evil.example", false),
        ("localhost.evil.example", false),
        ("evil@localhost", false),
        ("localhost.", false),
        ("#@localhost", false),
        ("localhost, evil.example", false),
        ("[::1", false),
        ("", false),
    ];
    let origins: [(Option<&str>, bool); 9] = [
        (None, true),
        (Some(&own), true),
        (Some(&six), true),
        (Some("https://app.example.com"), true),
        (Some(&other), false),
        (Some(&suffixed), false),
        (Some("http://evil.example"), false),
        (Some("null"), false),
        (Some("https://user@app.example.com"), false),
    ];
    for (method, let_in) in METHODS {
        for (host, good_host) in hosts {
            for (origin, good_origin) in origins {
                let verb = as_method(&echo(), method).set("Host", host);
                let verb = origin.map_or(verb.clone(), |origin| verb.set("Origin", origin));
                let answer = ask(&server, &verb).await;
                let expected = match (good_host, good_origin) {
                    (false, _) => 421,
                    (_, false) => 403,
                    _ => let_in,
                };
                assert_eq!(answer.status, expected, "{method} {host:?} {origin:?}: {answer:?}");
                shared_with(&answer, origin.filter(|_| good_host && good_origin));
            }
        }
    }
}

/// The answer may be read by pages of `origin`, and of no other.
fn shared_with(answer: &Response, origin: Option<&str>) {
    assert_eq!(answer.header("access-control-allow-origin"), origin, "{answer:?}");
    let exposed = answer.header("access-control-expose-headers");
    assert_eq!(exposed.is_some_and(|exposed| exposed.contains("Mcp-Session-Id")), origin.is_some());
    assert!(answer.headers.iter().all(|(_, value)| value != "*"), "{answer:?}");
}

#[tokio::test]
async fn a_request_without_one_host_goes_nowhere() {
    let server = Server::start(Config::default()).await;
    for verb in [echo().without("Host"), echo().add("Host", "localhost"), echo().add("Host", "evil.example")]
    {
        assert_eq!(ask(&server, &verb).await.status, 400, "{verb:?}");
    }
    // The request line may name a host as well, and it is the one that counts.
    let absolute = |target: &str| Verb { target: target.into(), ..echo() };
    assert_eq!(ask(&server, &absolute("http://evil.example/mcp")).await.status, 421);
    assert_eq!(ask(&server, &absolute("http://localhost/mcp")).await.status, 200);
    let two_origins = echo().add("Origin", "http://evil.example").add("Origin", "http://localhost");
    assert_eq!(ask(&server, &two_origins).await.status, 403);
}

#[tokio::test]
async fn a_page_that_may_call_is_told_what_it_may_send() {
    let config = Config::default().allow_origins(vec!["https://app.example.com".parse().unwrap()]);
    let server = Server::start(config).await;
    let asked =
        "content-type, Mcp-Method,mcp-param-region, Mcp-Session-Id, authorization, last-event-id, x-evil";
    let preflight = Verb::new("OPTIONS", "/mcp")
        .add("Origin", "https://app.example.com")
        .add("Access-Control-Request-Method", "POST")
        .add("Access-Control-Request-Headers", asked);
    let answer = ask(&server, &preflight).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0), "{answer:?}");
    shared_with(&answer, Some("https://app.example.com"));
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("content-type, Mcp-Method, mcp-param-region, Mcp-Session-Id, authorization, last-event-id")
    );
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST, DELETE"));
    assert_eq!(answer.header("vary"), Some("Origin"));
    let foreign = preflight.clone().set("Origin", "https://evil.example");
    assert_eq!(ask(&server, &foreign).await.status, 403);
    // No page asks.
    assert_eq!(ask(&server, &preflight.clone().without("Origin")).await.status, 405);
}

/// What a page may read of each path of a listener, and which pages may ask for it: the same everywhere.
///
/// Invariant: Each route checks Host and Origin, and no page reads what its origin may not.
#[tokio::test]
async fn every_route_checks_host_and_origin() {
    let health = |_| async { http::Response::new("fine".into()) };
    let config = Config::default()
        .allow_origins(vec!["https://app.example.com".parse().unwrap()])
        .rest(true)
        .sse(true)
        .routes(vec![
            Route::new(http::Method::GET, "/open", health).open(),
            Route::new(http::Method::GET, "/guarded", health),
        ]);
    let server = Server::start(config).await;
    let own = format!("http://localhost:{}", server.address.port());
    let call = || Verb { target: "/mcp/call".into(), ..post(r#"{"method":"echo","params":{"text":"x"}}"#) };
    let routes = [
        echo(),
        call(),
        Verb::new("GET", "/mcp/tools"),
        Verb::new("GET", "/health"),
        Verb::new("GET", "/health/live"),
        Verb::new("GET", "/health/ready"),
        Verb::new("GET", "/open"),
        Verb::new("GET", "/guarded"),
        Verb::new("POST", "/open"),
        Verb { target: "/messages?sessionId=nobodys".into(), ..post("{}") },
        Verb::new("GET", "/nowhere"),
    ];
    for verb in routes {
        let path = &verb.target;
        let let_in = ask(&server, &verb).await.status;
        assert!(![403, 421].contains(&let_in), "{path}: {let_in}");
        for (origin, is_good) in [
            (own.as_str(), true),
            ("https://app.example.com", true),
            ("https://evil.example", false),
            ("null", false),
        ] {
            let of_page = verb.clone().add("Origin", origin);
            let answer = ask(&server, &of_page).await;
            assert_eq!(answer.status, if is_good { let_in } else { 403 }, "{path} {origin}: {answer:?}");
            shared_with(&answer, is_good.then_some(origin));
            assert_eq!(ask(&server, &of_page.set("Host", "evil.example")).await.status, 421, "{path}");
            let preflight = Verb::new("OPTIONS", path)
                .add("Origin", origin)
                .add("Access-Control-Request-Method", &verb.method);
            let answer = ask(&server, &preflight).await;
            assert_eq!(answer.status == 403, !is_good, "{path} {origin}: {answer:?}");
            shared_with(&answer, is_good.then_some(origin));
        }
    }
    // Of this one the stream has no end, and nobody who may not begins it.
    let stream = Verb::new("GET", "/sse").add("Accept", "text/event-stream");
    assert_eq!(ask(&server, &stream.clone().add("Origin", "https://evil.example")).await.status, 403);
    assert_eq!(ask(&server, &stream.set("Host", "evil.example")).await.status, 421);
}

fn guarded() -> Config {
    let tokens = vec![Token::new("alice", "sesame"), Token::new("bob", "mellon")];
    let health = |_| async { http::Response::new("fine".into()) };
    Config::default().authentication(Authentication::Tokens(tokens)).routes(vec![
        Route::new(http::Method::GET, "/health", health).open(),
        Route::new(http::Method::GET, "/metrics", health),
    ])
}

#[tokio::test]
async fn a_token_says_who_calls() {
    let server = Server::start(guarded()).await;
    let who = call(1, "who", json!({})).add("Mcp-Param-Region", "us-west1");
    for (header, name) in [
        ("Bearer sesame", "name:alice"),
        ("Bearer mellon", "name:bob"),
        ("bearer sesame", "name:alice"),
        ("BEARER  sesame", "name:alice"),
    ] {
        let answer = ask(&server, &who.clone().set("Authorization", header)).await;
        assert_eq!(answer.status, 200, "{header}: {answer:?}");
        assert_eq!(answer.json()["result"]["content"][0]["text"], format!("{name} us-west1"), "{header}");
    }
}

#[tokio::test]
async fn without_a_token_nothing_but_the_way_in_is_told() {
    let server = Server::start(guarded()).await;
    let with = |header: &str| echo().set("Authorization", header);
    for verb in [
        echo(),
        with("Bearer wrong"),
        with("Bearer "),
        with("Bearer"),
        with("Bearer sesam"),
        with("Bearer sesamee"),
        with("Bearer Sesame"),
        with("Bearersesame"),
        with("Basic sesame"),
        with("sesame"),
        with("Bearer sesame").add("Authorization", "Bearer sesame"),
        with("Bearer sesame").add("Authorization", "Bearer wrong"),
        Verb { target: "/mcp?access_token=sesame".into(), ..echo() },
    ] {
        let tokens = verb.headers.iter().filter(|(name, _)| name == "Authorization").count();
        // RFC 6750 §3.1: more than one, or one in the query, is a bad request.
        let status = if tokens > 1 || verb.target.contains('?') { 400 } else { 401 };
        for (method, _) in METHODS {
            let answer = ask(&server, &as_method(&verb, method)).await;
            assert_eq!(answer.status, status, "{verb:?}: {answer:?}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{answer:?}");
            assert!(!answer.text().contains("sesame"), "{answer:?}");
        }
    }
    // Before the body is looked at, and before what else may be wrong with it.
    assert_eq!(ask(&server, &echo().without("Content-Type").body("{")).await.status, 401);
}

#[tokio::test]
async fn a_page_reads_why_it_was_refused_and_asks_before_it_has_a_token() {
    let server = Server::start(guarded()).await;
    let origin = format!("http://localhost:{}", server.address.port());
    let answer = ask(&server, &echo().add("Origin", &origin)).await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("access-control-expose-headers").unwrap().contains("WWW-Authenticate"));
    shared_with(&answer, Some(&origin));
    let preflight =
        Verb::new("OPTIONS", "/mcp").add("Origin", &origin).add("Access-Control-Request-Method", "POST");
    assert_eq!(ask(&server, &preflight).await.status, 204);
}

#[tokio::test]
async fn routes_beside_the_endpoint_stand_behind_the_same_gate() {
    let server = Server::start(guarded()).await;
    let get = |path: &str| Verb::new("GET", path);
    let health = ask(&server, &get("/health")).await;
    assert_eq!((health.status, health.text()), (200, "fine"));
    assert_eq!(ask(&server, &get("/health").set("Host", "evil.example")).await.status, 421);
    assert_eq!(ask(&server, &get("/health").add("Origin", "null")).await.status, 403);
    assert_eq!(ask(&server, &get("/metrics")).await.status, 401);
    assert_eq!(ask(&server, &get("/metrics").add("Authorization", "Bearer sesame")).await.status, 200);
    let wrong = ask(&server, &Verb::new("POST", "/health")).await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET")));
    assert_eq!(ask(&server, &get("/nothing")).await.status, 404);
}

#[tokio::test]
async fn nobody_listens_to_other_machines_without_asking_who_calls() {
    let everywhere: SocketAddr = ([0, 0, 0, 0], 0).into();
    let refused = Listener::bind(everywhere, Config::default(), false).await.unwrap_err();
    assert!(matches!(refused, Refused::Open(address) if address == everywhere), "{refused}");
    assert!(Listener::bind(everywhere, Config::default(), true).await.is_ok());
    assert!(Listener::bind(everywhere, guarded(), false).await.is_ok());
    // Tokens of which there are none let nobody in.
    let none = Config::default().authentication(Authentication::Tokens(Vec::new()));
    let server = Server::start(none).await;
    assert_eq!(ask(&server, &echo().add("Authorization", "Bearer ")).await.status, 401);
    let taken = Listener::bind(server.address, Config::default(), false).await.unwrap_err();
    assert!(matches!(taken, Refused::Bind { .. }), "{taken}");
}

/// A request in raw bytes, with these lines in its head.
fn raw(lines: &[&str], body: &str) -> Vec<u8> {
    let lines: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
    let head = "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
    format!("{head}{lines}\r\n{body}").into_bytes()
}

/// RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host
/// header field and to any request message that contains more than one Host header field line".
#[tokio::test]
async fn a_request_has_exactly_one_host() {
    let server = Server::start(Config::default()).await;
    for hosts in
        [&[][..], &["Host: localhost", "Host: localhost"], &["Host: localhost", "host: evil.example"]]
    {
        let lines = [hosts, &["Content-Length: 2"]].concat();
        let mut connection = Connection::open(server.address).await;
        connection.send(&raw(&lines, "{}")).await;
        let answer = connection.response().await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32600)), "{hosts:?}: {answer:?}");
        assert!(answer.text().contains("exactly one Host"), "{hosts:?}: {answer:?}");
    }
}

/// RFC 9112 §6.1: whoever reads another coding than the last one finds another end of the request.
#[tokio::test]
async fn a_request_with_another_transfer_coding_is_refused_and_its_connection_closed() {
    let server = Server::start(Config::default()).await;
    let body = "2\r\n{}\r\n0\r\n\r\n";
    for codings in [
        &["Transfer-Encoding: gzip"][..],
        &["Transfer-Encoding: identity"],
        &["Transfer-Encoding: gzip, chunked"],
        &["Transfer-Encoding: chunked, chunked"],
        &["Transfer-Encoding: chunked, gzip"],
        &["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
        &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        &["Transfer-Encoding: chunked;x=1"],
        &["Transfer-Encoding: ,chunked"],
        &["Transfer-Encoding: xchunked"],
        &["Transfer-Encoding:"],
    ] {
        let lines = [&["Host: localhost"], codings].concat();
        let mut connection = Connection::open(server.address).await;
        // A second request, as somebody who reads the body otherwise would smuggle it in.
        let both = [raw(&lines, body), raw(&["Host: localhost", "Content-Length: 2"], "{}")].concat();
        connection.send(&both).await;
        let text = String::from_utf8(within(connection.closed()).await).unwrap();
        assert!(text.starts_with("HTTP/1.1 400 "), "{codings:?}: {text}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{codings:?}: {text}");
    }
    let mut connection = Connection::open(server.address).await;
    connection.send(&raw(&["Host: localhost", "Transfer-Encoding: Chunked"], body)).await;
    let answer = connection.response().await;
    assert!(
        answer.text().contains("jsonrpc") && answer.header("connection").is_none(),
        "it was read: {answer:?}"
    );
}
