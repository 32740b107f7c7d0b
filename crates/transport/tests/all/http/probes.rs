//! What scanners and attackers send to a front: requests that two parsers read differently, and requests with a host, an origin or
//! a type of content that are not allowed.

use anyport_transport::http::Config;
use serde_json::json;

use crate::common::{
    Server,
    client::{Connection, call},
    within,
};

/// What a second request, hidden in the first one, would be answered with.
const HIDDEN: &str = "smuggled";

/// A head with these lines, and what stands behind it.
fn request(line: &str, lines: &[&str], body: &str) -> Vec<u8> {
    let lines: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
    format!("{line}\r\n{lines}\r\n{body}").into_bytes()
}

/// A POST with these lines beside the usual ones.
fn post(lines: &[&str], body: &str) -> Vec<u8> {
    request("POST /mcp HTTP/1.1", &[&["Host: localhost", TYPE, ACCEPT], lines].concat(), body)
}

const TYPE: &str = "Content-Type: application/json";
const ACCEPT: &str = "Accept: application/json, text/event-stream";
const CHUNKS: &str = "2\r\n{}\r\n0\r\n\r\n";

/// Requests whose end, or whose fields, two parsers could see at different places.
fn ambiguous() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |name: String, bytes: Vec<u8>| all.push((name, bytes));
    for value in [
        "+2",
        "-2",
        "0x2",
        "2.0",
        "1e1",
        "2 2",
        "2;",
        "2;x=1",
        "two",
        "",
        "\u{b}2",
        "2\u{b}",
        "\u{ff12}",
        "\"2\"",
        "2,",
        ",2",
        "2, 3",
        "18446744073709551616",
        "99999999999999999999999",
        "0b10",
        "2\u{0}",
        "=2",
        "2_0",
        "NaN",
    ] {
        add(format!("Content-Length: {value:?}"), post(&[&format!("Content-Length: {value}")], "{}"));
    }
    for lines in [
        &["Content-Length: 2", "Content-Length: 3"][..],
        &["Content-Length: 3", "Content-Length: 2"],
        &["Content-Length: 0", "content-length: 2"],
        &["Content-Length: 2", "Content-Length: x"],
        &["Content-Length : 2"],
        &["Content-Length\t: 2"],
        &[" Content-Length: 2"],
        &["Content-Length:\r\n 2"],
        &["X: y\r\n Content-Length: 2"],
    ] {
        add(format!("{lines:?}"), post(lines, "{}"));
    }
    for coding in [
        "gzip",
        "identity",
        "cow",
        "xchunked",
        "chunkedx",
        "chunked, gzip",
        "gzip, chunked",
        "chunked, chunked",
        "identity, chunked",
        "chunked;x=1",
        ",chunked",
        "chunked,",
        "\"chunked\"",
        "'chunked'",
        "chunk ed",
        "\u{b}chunked",
        "chunked\u{b}",
        "chunked\u{0}",
        "",
        "chu\u{212a}ed",
        "x chunked",
    ] {
        add(
            format!("Transfer-Encoding: {coding:?}"),
            post(&[&format!("Transfer-Encoding: {coding}")], CHUNKS),
        );
    }
    for lines in [
        &["Transfer-Encoding : chunked"][..],
        &["Transfer-Encoding\t: chunked"],
        &[" Transfer-Encoding: chunked"],
        &["X: y\r\n Transfer-Encoding: chunked"],
        &["Transfer-Encoding:\r\n chunked"],
        &["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        &["Transfer-Encoding: identity", "Transfer-Encoding: chunked"],
        &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        &["Transfer-Encoding: gzip", "Content-Length: 2"],
        &["Content-Length: 2", "Transfer-Encoding: chunked"],
        &["Transfer-Encoding: chunked", "Content-Length: 2"],
        &["Content-Length: 0", "Transfer-Encoding: chunked"],
        &["Transfer-Encoding: chunked", "Content-Length: 999"],
        &["X\u{0}: y", "Content-Length: 2"],
        &["X: y\u{0}z", "Content-Length: 2"],
        &["X: y\rContent-Length: 9", "Content-Length: 2"],
        &["X y: z", "Content-Length: 2"],
        &[": z", "Content-Length: 2"],
        &["X(y): z", "Content-Length: 2"],
        &["no colon", "Content-Length: 2"],
        &["X\u{e9}: z", "Content-Length: 2"],
    ] {
        add(format!("{lines:?}"), post(lines, CHUNKS));
    }
    let chunked = |body: &str| post(&["Transfer-Encoding: chunked"], body);
    for body in [
        "0x2\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "\r\n{}\r\n0\r\n\r\n",
        "g\r\n{}\r\n0\r\n\r\n",
        "2\r{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "2\r\n{}xx0\r\n\r\n",
        "2\r\n{}\r\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "10000000000000002\r\n{}\r\n0\r\n\r\n",
        "2;a\rb\r\n{}\r\n0\r\n\r\n",
        "2 3\r\n{}\r\n0\r\n\r\n",
        "\u{0}2\r\n{}\r\n0\r\n\r\n",
        "2\u{b}\r\n{}\r\n0\r\n\r\n",
    ] {
        add(format!("chunks {body:?}"), chunked(body));
    }
    let length = &["Host: localhost", TYPE, ACCEPT, "Content-Length: 2"];
    for line in [
        "POST  /mcp HTTP/1.1",
        "POST /mcp  HTTP/1.1",
        "POST\t/mcp\tHTTP/1.1",
        " POST /mcp HTTP/1.1",
        "POST /mcp HTTP/1.2x",
        "POST /mcp HTTP/9.9",
        "POST /mcp HTTP/2.0",
        "POST /mcp http/1.1",
        "POST /mcp HTTP/1.1 x",
        "POST /mcp",
        "POST /m cp HTTP/1.1",
        "POST /mcp\u{0} HTTP/1.1",
        "POST /mcp\u{b} HTTP/1.1",
        "PO ST /mcp HTTP/1.1",
        "PO\u{0}ST /mcp HTTP/1.1",
        "(POST) /mcp HTTP/1.1",
    ] {
        add(format!("{line:?}"), request(line, length, "{}"));
    }
    all
}

/// Whole requests with a status that refuses them.
fn refused() -> Vec<(String, Vec<u8>, &'static [u16])> {
    let mut all = Vec::new();
    let with = |host: &[&str], more: &[&str]| {
        request(
            "POST /mcp HTTP/1.1",
            &[host, &["Connection: close", "Content-Length: 2"], more].concat(),
            "{}",
        )
    };
    for host in [
        "evil.example",
        "localhost.evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "169.254.169.254",
        "[::ffff:a9fe:a9fe]",
        "0x7f000001.example",
        "localhost@evil.example",
        "evil.example#localhost",
        "evil.example/localhost",
        "localhost evil.example",
        "localhost,evil.example",
        "",
        "localhost:evil",
        "localhost:99999",
        "[::1",
        "xn--lcalhost-f1a",
        "l\u{f6}calhost",
        "%6cocalhost",
        "localhost%00.evil.example",
    ] {
        let bytes = with(&[&format!("Host: {host}")], &[TYPE, ACCEPT]);
        all.push((format!("Host: {host:?}"), bytes, &[400, 421][..]));
    }
    for hosts in
        [&[][..], &["Host: localhost", "Host: localhost"], &["Host: localhost", "Host: evil.example"]]
    {
        all.push((format!("{hosts:?}"), with(hosts, &[TYPE, ACCEPT]), &[400, 421]));
    }
    for (line, host) in [
        ("POST http://evil.example/mcp HTTP/1.1", "Host: localhost"),
        ("POST http://localhost/mcp HTTP/1.1", "Host: evil.example"),
        ("POST evil.example:80 HTTP/1.1", "Host: localhost"),
        ("POST mcp HTTP/1.1", "Host: localhost"),
        ("POST * HTTP/1.1", "Host: localhost"),
        ("POST //evil.example/mcp HTTP/1.1", "Host: localhost"),
        ("POST /mcp/../mcp HTTP/1.1", "Host: localhost"),
        ("POST /%6dcp HTTP/1.1", "Host: localhost"),
        ("POST /mcp%00 HTTP/1.1", "Host: localhost"),
        ("POST /mcp/ HTTP/1.1", "Host: localhost"),
        ("POST /MCP HTTP/1.1", "Host: localhost"),
        ("POST /mcp;x HTTP/1.1", "Host: localhost"),
        ("POST /mcp\\ HTTP/1.1", "Host: localhost"),
    ] {
        let bytes = request(line, &[host, TYPE, ACCEPT, "Connection: close", "Content-Length: 2"], "{}");
        all.push((format!("{line} {host}"), bytes, &[400, 404, 421]));
    }
    for origin in [
        "http://evil.example",
        "https://localhost.evil.example",
        "http://localhost@evil.example",
        "null",
        "file://",
        "http://169.254.169.254",
        "http://evil.example#localhost",
        "http://[::ffff:1.2.3.4]",
        "javascript:alert(1)",
        "*",
        "http://localhost:1, http://evil.example",
        "localhost.evil.example",
        "http://xn--lcalhost-f1a",
    ] {
        let bytes = with(&["Host: localhost"], &[TYPE, ACCEPT, &format!("Origin: {origin}")]);
        all.push((format!("Origin: {origin:?}"), bytes, &[400, 403]));
    }
    let origins = ["Origin: http://localhost", "Origin: http://evil.example"];
    all.push((
        "two origins".into(),
        with(&["Host: localhost"], &[&[TYPE, ACCEPT], &origins[..]].concat()),
        &[400, 403],
    ));
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonx",
        "application/json/x",
        "text/json",
        "application/xml",
        "application/json, text/plain",
        "",
        "json",
    ] {
        let bytes = with(&["Host: localhost"], &[ACCEPT, &format!("Content-Type: {kind}")]);
        all.push((format!("Content-Type: {kind:?}"), bytes, &[400, 415]));
    }
    all.push(("no content type".into(), with(&["Host: localhost"], &[ACCEPT]), &[400, 415]));
    let kinds = [ACCEPT, TYPE, "Content-Type: text/plain"];
    all.push(("two content types".into(), with(&["Host: localhost"], &kinds), &[400, 415]));
    for coding in ["gzip", "br", "deflate", "identity, gzip"] {
        let bytes = with(&["Host: localhost"], &[TYPE, ACCEPT, &format!("Content-Encoding: {coding}")]);
        all.push((format!("Content-Encoding: {coding:?}"), bytes, &[400, 415]));
    }
    for method in ["PUT", "PATCH", "TRACE", "PROPFIND", "HEAD", "SEARCH", "post"] {
        let lines = ["Host: localhost", TYPE, ACCEPT, "Connection: close", "Content-Length: 2"];
        all.push((
            method.into(),
            request(&format!("{method} /mcp HTTP/1.1"), &lines, "{}"),
            &[400, 405, 501],
        ));
    }
    all
}

/// Invariant: A request that two parsers could read differently is refused, and what is hidden in it is not carried out.
#[tokio::test]
async fn every_probe_is_refused_and_smuggles_nothing() {
    let server = Server::start(Config::default()).await;
    let (ambiguous, refused) = (ambiguous(), refused());
    assert!(ambiguous.len() + refused.len() >= 120, "{} and {}", ambiguous.len(), refused.len());
    let mut faults = Vec::new();
    for (name, bytes) in ambiguous {
        let hidden = call(1, "echo", json!({"text": HIDDEN})).bytes();
        let said = sent(&server, &[bytes, hidden].concat()).await;
        let is_refused = said.is_empty() || said.starts_with("HTTP/1.1 4") || said.starts_with("HTTP/1.1 5");
        if !is_refused || said.matches("HTTP/1.1 ").count() > 1 || said.contains(HIDDEN) {
            faults.push(format!("{name}\n  {said:?}"));
        }
    }
    for (name, bytes, statuses) in refused {
        let said = sent(&server, &bytes).await;
        let status = said.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        if !status.is_some_and(|status: u16| statuses.contains(&status)) {
            faults.push(format!("{name}\n  {said:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    server.canary().await;
}

/// What a server answers to `bytes` until it closes the connection.
async fn sent(server: &Server, bytes: &[u8]) -> String {
    let mut connection = Connection::open(server.address).await;
    connection.send(bytes).await;
    String::from_utf8_lossy(&within(connection.closed()).await).into_owned()
}
