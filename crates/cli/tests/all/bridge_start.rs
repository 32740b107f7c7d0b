//! The start of `anyport bridge`: what its banner says of the server, which may be away, refuse or be slow.

use std::{net::TcpListener, time::Instant};

use serde_json::json;

use crate::support::{
    PATIENCE, Program, anyport, folder, modern,
    scripted::{self, Scripted, response},
};

/// Starts a bridge to `server`, reads its banner, and has it answer a request. Returns the banner.
fn banner(server: &[&str]) -> String {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["bridge", "--port", "0"]).args(server);
    let mut program = Program::start(command);
    let (said, _) = program.banner();
    let line = said.lines().find(|line| line.starts_with("  http ")).unwrap().to_owned();
    let endpoint = crate::support::http::Server::at(line.split_whitespace().last().unwrap());
    // Whatever the server does, the bridge stays up.
    assert_eq!(endpoint.get("/health", &[]).status, 200, "{said}");
    program.close_input();
    assert_eq!(endpoint.get("/health", &[]).status, 200, "{said}");
    program.kill();
    said
}

/// Whether all of `parts` stand in `text`.
#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn a_server_that_answers_is_ready_in_the_banner() {
    let server = Scripted::start(scripted::modern);
    has(&banner(&[&server.url()]), &["over http, ready, in revision 2026-07-28"]);
}

#[test]
fn a_legacy_server_is_not_initialized_before_a_client_comes() {
    // As servers do that have one session: a request without one is refused.
    let server = Scripted::start(|_| {
        let error = json!({"code": -32000, "message": "Bad Request: no valid session"});
        let body = json!({"jsonrpc": "2.0", "id": null, "error": error});
        response("400 Bad Request", &["Content-Type: application/json"], &body.to_string())
    });
    has(&banner(&[&server.url()]), &["over http, answering; the first call negotiates the revision"]);
    for asked in server.asked() {
        assert_ne!(asked.body["method"], "initialize");
    }
}

#[test]
fn a_program_is_not_started_before_a_client_comes() {
    let home = folder(&[]);
    let started = home.path().join("started");
    let program = format!("touch '{}'", started.display());
    has(&banner(&["--", "sh", "-c", &program]), &["connected at the first call"]);
    assert!(!started.exists());
    has(&banner(&["--", "/nowhere/to/be/found"]), &["the server cannot be started", "/nowhere/to/be/found"]);
}

#[test]
fn the_banner_says_why_a_server_over_http_cannot_be_reached() {
    for (status, why) in [("401 Unauthorized", "401"), ("403 Forbidden", "403"), ("404 Not Found", "404")] {
        let server = Scripted::start(move |_| response(status, &[], ""));
        let said = banner(&[&server.url()]);
        has(&said, &["not connected\n  problem    ", why, "calls try again; the bridge stays up"]);
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = banner(&[&format!("http://{free}/mcp")]);
    has(&said, &["not connected\n  problem    ", "refuses the connection", "is the server running"]);
}

#[test]
fn a_server_that_is_slow_delays_the_banner_for_two_seconds_and_no_client() {
    let server = Scripted::start(|asked| {
        // The check of its health does not wait for it.
        asked.body["method"].is_null().then(|| response("404 Not Found", &[], "")).flatten()
    });
    let begun = Instant::now();
    has(&banner(&[&server.url()]), &["over http, still connecting: it has not answered for 2 s"]);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

#[test]
fn a_bridge_on_standard_streams_does_not_try_its_server_first() {
    let server = Scripted::start(scripted::modern);
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["bridge", "--stdio", &server.url()]);
    let mut program = Program::start(command);
    program.error_line(|line| line.ends_with("over http, connected at the first call"));
    assert!(server.asked().is_empty());
    let answer = program.call(&modern(1, "server/discover", json!({})));
    assert!(answer["result"]["supportedVersions"].is_array(), "{answer}");
}
