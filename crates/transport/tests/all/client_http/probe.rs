//! The steps of a connection, one by one.
//!
//! Invariant: `anyport doctor` reports a fault at its step, with advice.

use anyport_transport::client::{
    ConnectError,
    http::{Endpoint, Fault, Probe},
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    ours::{open, opening},
    script::{Script, response},
};
use crate::common::within;

fn at(url: &str) -> Endpoint {
    Endpoint::new(url).unwrap().without_proxy()
}

#[tokio::test]
async fn each_step_is_gone_by_itself_and_names_its_fault() {
    let script = Script::start(|_| String::new()).await;
    let plain = at(&script.url());
    let way = Probe::new(&plain).unwrap();
    assert_eq!(within(way.resolve()).await.unwrap(), [script.address.ip()]);
    let reached = within(way.connect()).await.unwrap();
    assert_eq!(reached.address(), Some(script.address));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = at(&format!("http://{closed}/mcp"));
    let gone = within(Probe::new(&closed).unwrap().connect()).await.err().unwrap();
    assert!(matches!(gone, Fault::Refused { .. }), "{gone}");
    let nowhere = at("http://no-such-name.invalid/mcp");
    let unknown = within(Probe::new(&nowhere).unwrap().resolve()).await.unwrap_err();
    assert!(matches!(unknown, Fault::Name { .. }), "{unknown}");
    let private = at("http://127.0.0.1/mcp").public_only();
    let private = within(Probe::new(&private).unwrap().resolve()).await.unwrap_err();
    assert!(matches!(private, Fault::Private { .. }), "{private}");
}

#[tokio::test]
async fn what_speaks_no_tls_is_told_from_who_does_whatever_the_url_says() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = at(&format!("http://{}/mcp", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        _ = stream.write_all(response("400 Bad Request", &["Content-Length: 0"], "").as_bytes()).await;
        // Not closed before the client has read it.
        _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let way = Probe::new(&endpoint).unwrap();
    let fault = within(within(way.connect()).await.unwrap().secure()).await.unwrap_err();
    assert!(fault.to_string().contains("does this port speak TLS?"), "{fault}");
}

#[tokio::test]
async fn a_document_about_a_server_is_fetched_as_it_is() {
    let script = Script::start(|asked| match asked.target.as_str() {
        "/a" => response("200 OK", &["Content-Type: application/json", "Content-Length: 2"], "{}"),
        "/long" => response("200 OK", &["Content-Length: 70000"], &"x".repeat(70_000)),
        _ => response("404 Not Found", &["Content-Length: 0"], ""),
    })
    .await;
    let url = |path: &str| at(&format!("http://{}{path}", script.address));
    let found = within(url("/a").fetch()).await.unwrap();
    assert_eq!((found.status, &*found.body), (200, &b"{}"[..]));
    assert_eq!(found.content_type.as_deref(), Some("application/json"));
    assert_eq!(within(url("/b").fetch()).await.unwrap().status, 404);
    assert_eq!(within(url("/long").fetch()).await.unwrap().body.len(), 0);
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so_and_no_secret_of_the_url_with_it() {
    let script = Script::start(|_| {
        let challenge = "WWW-Authenticate: Bearer error=\"insufficient_scope\"";
        response("403 Forbidden", &[challenge, "Content-Length: 2"], "no")
    })
    .await;
    let endpoint = at(&format!("{}?key=secret", script.url()));
    let error = within(open(&endpoint, &opening(None))).await.unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    let ConnectError::Forbidden { challenge, words, .. } = error else { panic!("{error}") };
    assert!(challenge.unwrap().contains("insufficient_scope"));
    assert!(words.contains("403 Forbidden") && words.ends_with("it says: no"), "{words}");
}
