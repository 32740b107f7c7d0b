//! Being told to stop: what is open is ended as the protocol says, and the exit code is 0.
//!
//! Invariant: An interrupted command cancels its call, and ends its server as it does at any other time.

#![cfg(unix)]

use std::{
    io::{Read as _, Write as _},
    process::Command,
};

use crate::support::{Program, initialize, legacy, modern};
use serde_json::{Value, json};

/// Longer than any test waits for the end: what is over by then was neither waited for nor cut.
const DRAIN: [&str; 2] = ["--limit", "drain=120"];

const SIGNALS: [&str; 2] = ["-TERM", "-INT"];

fn signal(program: &Program, signal: &str) {
    let status = Command::new("kill").args([signal, &program.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn listen() -> Value {
    modern("stream", "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}))
}

/// Whether whoever runs the tests has SIGHUP ignored, as `nohup` does: then nothing that is started here ever sees one.
#[cfg(target_os = "linux")]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & 1 == 1
}

#[cfg(target_os = "linux")]
#[test]
fn when_the_terminal_is_closed_the_server_that_was_started_ends_too() {
    if hangup_is_ignored() {
        return;
    }
    let home = crate::support::folder(&[]);
    let mut command = crate::support::anyport(home.path());
    // It heeds neither its input nor anything that it can ignore.
    let script = "trap '' HUP TERM; echo $$ > pid.new; mv pid.new pid; while :; do sleep 0.1; done";
    command.args(["tools", "--", "sh", "-c", script]);
    let mut program = Program::start(command);
    let pid = home.path().join("pid");
    let started = || std::fs::read_to_string(&pid).unwrap_or_default();
    crate::support::until(|| json!(started()), |pid| pid != "");
    signal(&program, "-HUP");
    assert_eq!(program.wait().code(), Some(129));
    let runs = || Command::new("kill").args(["-0", started().trim()]).output().unwrap().status.success();
    crate::support::until(|| json!(runs()), |runs| runs == false);
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_started_to_outlive_its_terminal_does() {
    let home = crate::support::folder(&[("docs/a.md", "# A")]);
    let mut command = Command::new("sh");
    let script = format!("trap '' HUP; exec {} serve --docs docs --port 0", env!("CARGO_BIN_EXE_anyport"));
    command.args(["-c", &script]).current_dir(home.path()).env("XDG_STATE_HOME", home.path().join("state"));
    let mut program = Program::start(command);
    let server = program.server();
    signal(&program, "-HUP");
    assert_eq!(server.get("/health", &[]).status, 200);
    signal(&program, "-TERM");
    program.error_line(|line| line.starts_with("stopping"));
    assert_eq!(program.wait().code(), Some(0));
}

/// The end of a listen stream, in the order that the specification gives.
#[track_caller]
fn is_the_end(cancelled: &Value, result: &Value) {
    assert_eq!(cancelled["method"], "notifications/cancelled", "{cancelled}");
    assert_eq!(cancelled["params"]["requestId"], "stream", "{cancelled}");
    assert_eq!(
        (&result["id"], &result["result"]["resultType"]),
        (&json!("stream"), &json!("complete")),
        "{result}"
    );
}

#[test]
fn over_http_streams_are_ended_and_idle_connections_closed() {
    for name in SIGNALS {
        let (mut program, server) = Program::http(&DRAIN);
        let mut stream = server.open(&listen());
        assert_eq!(stream.head().0, 200);
        assert_eq!(stream.event().unwrap()["method"], "notifications/subscriptions/acknowledged");
        // A connection that has been used and may be used again.
        let mut idle = server.send("GET", "/health", &[("Accept", "text/plain")], "");
        assert_eq!(idle.head().0, 200);
        let mut body = [0; 2];
        idle.0.read_exact(&mut body).unwrap();

        signal(&program, name);
        is_the_end(&stream.event().unwrap(), &stream.event().unwrap());
        assert_eq!(stream.event(), None, "the stream goes on");
        assert_eq!(idle.0.read(&mut body).unwrap(), 0, "the idle connection stays open");
        assert_eq!(program.wait().code(), Some(0), "{name}");
        assert!(std::net::TcpStream::connect(&server.authority).is_err());
    }
}

#[test]
fn a_connection_that_never_said_anything_does_not_hold_up_the_end() {
    let (mut program, server) = Program::http(&DRAIN);
    let _silent = server.connect();
    // Answered after the silent one was accepted.
    assert_eq!(server.get("/health", &[]).status, 200);
    signal(&program, "-TERM");
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn a_legacy_session_and_its_stream_are_ended() {
    let (mut program, server) = Program::http(&DRAIN);
    let opened = server.post(&initialize(1, "2025-11-25"), &[]);
    let session = opened.header("mcp-session-id").unwrap();
    let version = ("MCP-Protocol-Version", "2025-11-25");
    let headers = [("Mcp-Session-Id", session), version];
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(server.post(&ready, &headers).status, 202);
    assert_eq!(server.post(&legacy(2, "tools/list", json!({})), &headers).status, 200);
    let accept = ("Accept", "text/event-stream");
    let mut stream = server.send("GET", &server.path, &[headers[0], version, accept], "");
    assert_eq!(stream.head().0, 200);

    signal(&program, "-TERM");
    while stream.event().is_some() {}
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn on_standard_input_and_output_streams_are_ended() {
    for name in SIGNALS {
        let mut program = Program::stdio(&DRAIN);
        program.send(&listen());
        assert_eq!(program.receive()["method"], "notifications/subscriptions/acknowledged");
        signal(&program, name);
        is_the_end(&program.receive(), &program.receive());
        assert_eq!(program.rest_of_output(), "");
        assert_eq!(program.wait().code(), Some(0), "{name}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once_and_the_code_tells_which() {
    for (name, code) in [("-TERM", 143), ("-INT", 130)] {
        let folder = crate::support::folder(&[]);
        let log = folder.path().join("log");
        let (mut program, server) =
            Program::http(&[&DRAIN[..], &["--log-file", log.to_str().unwrap()]].concat());
        // Half a request, which the program waits for.
        let mut half = server.connect();
        let head =
            format!("POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n", server.authority);
        half.write_all(format!("{head}Content-Length: 100\r\n\r\n{{").as_bytes()).unwrap();
        assert_eq!(server.get("/health", &[]).status, 200);
        signal(&program, name);
        program.error_line(|line| line.starts_with("stopping"));
        signal(&program, name);
        assert_eq!(program.wait().code(), Some(code));
        // What was said before is written all the same.
        let logged = std::fs::read_to_string(log).unwrap();
        assert!(logged.contains("INFO anyport: stopping; running calls may finish"), "{logged}");
    }
}
