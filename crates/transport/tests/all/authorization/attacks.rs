//! Every attack on every route.

use std::net::SocketAddr;

use anyport_protocol::Revision;
use serde_json::{Value, json};

use super::{config, metadata_of, verifier::Scripted};
use crate::common::{
    Server,
    client::{Connection, Head, Response, Verb, call, post},
};

/// A request to a route that needs a credential, and the endpoint whose metadata its challenge names.
struct Target {
    verb: Verb,
    endpoint: &'static str,
    is_rest: bool,
}

/// Every route, with what clients of each revision send there.
fn targets() -> Vec<Target> {
    let mut targets = Vec::new();
    for endpoint in ["/mcp", "/s/open/mcp"] {
        let mut add = |verb: Verb, is_rest| targets.push(Target { verb, endpoint, is_rest });
        let at = |verb: Verb| Verb { target: endpoint.into(), ..verb };
        add(at(call(1, "echo", json!({"text": "x"}))), false);
        for revision in Revision::ALL.iter().filter(|revision| revision.has_sessions()) {
            let version = revision.as_str();
            let begin = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
            add(at(post(begin.to_string())), false);
            let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
            let named = |verb: Verb| at(verb).add("MCP-Protocol-Version", version).add("Mcp-Session-Id", "x");
            add(named(post(ping)), false);
            add(named(post(format!("[{ping}]"))), false);
            add(named(Verb::new("GET", "").add("Accept", "text/event-stream")), false);
            add(named(Verb::new("DELETE", "")), false);
        }
        add(Verb { target: format!("{endpoint}/call"), ..post(r#"{"method":"echo"}"#) }, true);
        add(Verb { target: format!("{endpoint}/call"), ..post(r#"[{"method":"echo"}]"#) }, true);
        add(Verb::new("GET", &format!("{endpoint}/tools")), true);
        add(Verb::new("GET", &format!("{endpoint}/sse")).add("Accept", "text/event-stream"), false);
        add(Verb { target: format!("{endpoint}/messages"), ..post("{}") }, false);
    }
    let handshake = Verb::new("GET", "/ws")
        .add("Connection", "Upgrade")
        .add("Upgrade", "websocket")
        .add("Sec-WebSocket-Version", "13")
        .add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    for verb in [handshake.clone(), Verb { target: "/mcp/ws".into(), ..handshake }, Verb::new("GET", "/mine")]
    {
        targets.push(Target { verb, endpoint: "/mcp", is_rest: false });
    }
    targets
}

/// What is sent as a credential.
#[derive(Clone, Copy)]
enum Sent {
    Headers(&'static [&'static str]),
    Query(&'static str),
    HeaderAndQuery(&'static str, &'static str),
}

/// How it is refused: the status, the codes of MCP and of the REST interface, the error of the Bearer challenge and that of the
/// DPoP challenge.
struct Expected {
    status: u16,
    codes: (i64, i64),
    bearer: Option<&'static str>,
    dpop: Option<&'static str>,
}

const NOT_OURS: &str = r#"error="invalid_token", error_description="not 'ours'""#;
const NO_TOKEN: &str =
    r#"error="invalid_token", error_description="the token has characters that no token has""#;

fn attacks() -> Vec<(Sent, Expected)> {
    use Sent::{HeaderAndQuery, Headers, Query};
    let unauthenticated = |bearer, dpop| Expected { status: 401, codes: (40100, -32401), bearer, dpop };
    let malformed = |words: &'static str| Expected {
        status: 400,
        codes: (-32600, -32600),
        bearer: Some(words),
        dpop: None,
    };
    let query = r#"error="invalid_request", error_description="an access token in the query of the URL is not accepted: it would be seen by others; send it in the header Authorization""#;
    let twice =
        r#"error="invalid_request", error_description="the header Authorization is there more than once""#;
    let expired = r#"error="invalid_token", error_description="the token has expired""#;
    let mut attacks = Vec::new();
    for nothing in
        [&[][..], &["Basic YTpi"], &["Bearer"], &["Bearer  "], &["DPoP"], &["good"], &["Bearergood"]]
    {
        attacks.push((Headers(nothing), unauthenticated(None, None)));
    }
    for bad in ["Bearer bad", "bearer bad", "Bearer   bad", "Bearer bound", "Bearer nonce"] {
        attacks.push((Headers(Box::leak(Box::new([bad]))), unauthenticated(Some(NOT_OURS), None)));
    }
    for odd in [
        "Bearer a b",
        "Bearer a,b",
        "Bearer \"good\"",
        "Bearer good, Bearer good",
        "Bearer =",
        "Bearer good;x",
    ] {
        attacks.push((Headers(Box::leak(Box::new([odd]))), unauthenticated(Some(NO_TOKEN), None)));
    }
    attacks.push((Headers(&["Bearer ended"]), unauthenticated(Some(expired), None)));
    attacks.push((Headers(&["DPoP good"]), unauthenticated(None, Some(NOT_OURS))));
    let proof = r#"error="invalid_dpop_proof", error_description="of another key""#;
    attacks.push((Headers(&["DPoP unproven"]), unauthenticated(None, Some(proof))));
    let nonce = r#"error="use_dpop_nonce", error_description="the proof must have the nonce of the header DPoP-Nonce""#;
    attacks.push((Headers(&["DPoP nonce"]), unauthenticated(None, Some(nonce))));
    attacks.push((Headers(&["Bearer good", "Bearer good"]), malformed(twice)));
    attacks.push((Headers(&["Bearer good", "DPoP bound"]), malformed(twice)));
    for name in ["access_token=good", "a=b&access_token=", "access%5Ftoken=good", "access_token"] {
        attacks.push((Query(name), malformed(query)));
        attacks.push((HeaderAndQuery("Bearer good", name), malformed(query)));
    }
    let down = Expected { status: 503, codes: (-32603, -32603), bearer: None, dpop: None };
    attacks.push((Headers(&["Bearer down"]), down));
    attacks
}

fn attacked(verb: &Verb, sent: Sent) -> Verb {
    let mut verb = verb.clone();
    let (headers, query): (&[&str], _) = match &sent {
        Sent::Headers(headers) => (headers, None),
        Sent::Query(query) => (&[], Some(query)),
        Sent::HeaderAndQuery(header, query) => (std::slice::from_ref(header), Some(query)),
    };
    if let Some(query) = query {
        verb.target = format!("{}?{query}", verb.target);
    }
    headers.iter().fold(verb, |verb, header| verb.add("Authorization", header))
}

/// The challenges of a response, in their order.
fn challenges(head: &Head) -> Vec<String> {
    let of = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("www-authenticate");
    head.headers.iter().filter(of).map(|(_, value)| value.clone()).collect()
}

/// Over HTTP/1.1, and over HTTP/2.
async fn check(address: SocketAddr, target: &Target, sent: Sent, expected: &Expected) {
    let verb = attacked(&target.verb, sent);
    let mut connection = Connection::open(address).await;
    connection.send(&verb.bytes()).await;
    check_refusal(&connection.response().await, target, &verb, expected);
    #[cfg(feature = "http2")]
    check_refusal(&crate::common::http2::ask(address, &verb).await, target, &verb, expected);
}

fn check_refusal(response: &Response, target: &Target, verb: &Verb, expected: &Expected) {
    assert_eq!(response.status, expected.status, "{verb:?} {response:?}");
    let code = if target.is_rest { expected.codes.1 } else { expected.codes.0 };
    let body: Value = response.json();
    assert_eq!(body["error"]["code"], code, "{verb:?}");
    assert!(!response.text().contains("good"), "no part of a token is repeated: {verb:?}");
    let head = Head { status: response.status, headers: response.headers.clone() };
    check_protection(&head, verb);
    if expected.status == 503 {
        assert_eq!((head.header("retry-after"), challenges(&head)), (Some("2"), vec![]), "{verb:?}");
        return;
    }
    let metadata = metadata_of(target.endpoint);
    let challenge = |scheme: &str, error: Option<&str>, more: &str| match error {
        Some(error) => format!("{scheme} {error}, {metadata}{more}"),
        None => format!("{scheme} {metadata}{more}"),
    };
    let expected_challenges = vec![
        challenge("Bearer", expected.bearer, ""),
        challenge("DPoP", expected.dpop, ", algs=\"ES256 EdDSA\""),
    ];
    assert_eq!(challenges(&head), expected_challenges, "{verb:?}");
    let asks_nonce = expected.dpop.is_some_and(|error| error.contains("use_dpop_nonce"));
    assert_eq!(head.header("dpop-nonce"), asks_nonce.then_some("n-0nce"), "{verb:?}");
}

/// Every response is for its caller alone, and nothing but what it says that it is.
fn check_protection(head: &Head, verb: &Verb) {
    assert_eq!(head.header("x-content-type-options"), Some("nosniff"), "{verb:?}");
    let caching = head.header("cache-control").unwrap_or_default();
    assert!(caching.split(", ").any(|directive| directive == "no-store"), "{verb:?} {caching}");
}

/// Invariant: No route lets a request without a valid credential in, and no cache keeps a response.
#[tokio::test]
async fn every_attack_is_refused_alike_on_every_route_and_in_every_revision() {
    let server = Server::start(config(&Scripted::default())).await;
    for target in targets() {
        for (sent, expected) in attacks() {
            check(server.address, &target, sent, &expected).await;
        }
    }
}

#[tokio::test]
async fn every_route_lets_a_valid_credential_in() {
    let server = Server::start(config(&Scripted::default())).await;
    for target in targets() {
        for header in ["Bearer good", "bEARER  good", "Bearer later", "DPoP bound", "dpop bound"] {
            let verb = target.verb.clone().add("Authorization", header);
            let head = Connection::open(server.address).await.begin(&verb).await;
            // A session `x` does not exist, and `{}` is no message.
            assert!(matches!(head.status, 101 | 200 | 400 | 404), "{verb:?} {head:?}");
            check_protection(&head, &verb);
            let without = Connection::open(server.address).await.begin(&target.verb).await.status;
            assert_eq!(without, 401, "{verb:?}");
        }
    }
}

/// The credential is checked before the body is read: a client without one learns of that while it sends.
#[tokio::test]
async fn no_body_is_read_of_a_request_without_a_credential() {
    let server = Server::start(config(&Scripted::default())).await;
    let mut connection = server.connect().await;
    let verb = post("").add("Content-Length", "1000000").add("Authorization", "Bearer bad");
    connection.send(&Verb { length: false, ..verb }.head()).await;
    assert_eq!(connection.response().await.status, 401);
}

/// Over HTTP/1.1, and over HTTP/2.
async fn statuses(address: SocketAddr, verb: &Verb) -> Vec<u16> {
    let mut connection = Connection::open(address).await;
    let first = connection.begin(verb).await.status;
    #[cfg(feature = "http2")]
    return vec![first, crate::common::http2::ask(address, verb).await.status];
    #[cfg(not(feature = "http2"))]
    vec![first]
}

/// Invariant: On every route, in every revision and version of HTTP, a request for another host or of a page of another origin is refused, before
/// its credential is looked at.
#[tokio::test]
async fn hosts_and_origins_are_refused_on_every_route_before_a_credential_is_looked_at() {
    let verifier = Scripted::default();
    let server = Server::start(config(&verifier)).await;
    for target in targets() {
        let verb = target.verb.clone().add("Authorization", "Bearer good");
        for host in ["evil.example", "localhost.evil.example", "localhost.", "mcp.example.evil.example"] {
            for status in statuses(server.address, &verb.clone().set("Host", host)).await {
                assert_eq!(status, 421, "{host} {verb:?}");
            }
        }
        for origin in
            ["https://evil.example", "null", "http://localhost.evil.example", "https://u@mcp.example"]
        {
            for status in statuses(server.address, &verb.clone().add("Origin", origin)).await {
                assert_eq!(status, 403, "{origin} {verb:?}");
            }
        }
    }
    assert_eq!(verifier.verified(), 0);
    // The host and the origin of the public URL are allowed.
    let verb = call(1, "echo", json!({})).add("Authorization", "Bearer good");
    let public = verb.set("Host", "mcp.example").add("Origin", "https://mcp.example");
    assert_eq!(server.ask(&public).await.status, 200);
}

#[tokio::test]
async fn a_credential_is_verified_for_the_resource_of_its_endpoint() {
    let verifier = Scripted::default();
    let server = Server::start(config(&verifier)).await;
    for path in ["/mcp", "/mcp/tools", "/mine", "/s/open/mcp", "/s/open/mcp/tools", "/s/files/mcp"] {
        let verb = Verb::new("GET", path).set("Host", "mcp.example").add("Authorization", "Bearer good");
        server.ask(&verb.add("MCP-Protocol-Version", "2026-07-28")).await;
    }
    let [base, open, files] =
        ["mcp", "s/open/mcp", "s/files/mcp"].map(|path| format!("https://mcp.example/base/{path}"));
    assert_eq!(verifier.resources(), [&base, &base, &base, &open, &open, &files].map(String::clone));
}
