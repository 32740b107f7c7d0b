//! `anyport serve --stdio`, as a client meets it that starts the program itself.

use std::{collections::BTreeSet, fs, io, process::Stdio};

use crate::support::{Program, anyport, folder, initialize, legacy, modern, standard};
use serde_json::{Value, json};

/// Longer than any test waits for the end: what is over by then was neither waited for nor cut.
const DRAIN: [&str; 2] = ["--limit", "drain=120"];

fn initialized() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
}

fn listen(id: &str) -> Value {
    modern(id, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}))
}

#[track_caller]
fn is_the_standard(answer: &Value) {
    assert_eq!(answer["result"]["structuredContent"]["title"], "Python Testing Standards", "{answer}");
}

#[test]
fn at_the_end_of_input_everything_is_answered_and_the_code_is_0() {
    let mut program = Program::stdio(&[]);
    for id in 0..50 {
        program.send(&modern(id, "tools/call", standard()));
    }
    // The last line has no end: it is a message all the same.
    program.write(modern(50, "tools/list", json!({})).to_string().as_bytes());
    program.close_input();
    let answered: BTreeSet<u64> = (0..51).map(|_| program.receive()["id"].as_u64().unwrap()).collect();
    assert_eq!(answered, (0..51).collect());
    assert_eq!(program.rest_of_output(), "");
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn with_nothing_to_read_it_ends_with_0() {
    let mut program = Program::stdio(&[]);
    program.close_input();
    assert_eq!(program.wait().code(), Some(0));
    assert_eq!(program.rest_of_output(), "");
}

#[test]
fn a_closed_output_ends_it_with_0() {
    let home = folder(&[]);
    let (reader, writer) = io::pipe().unwrap();
    let mut command = anyport(home.path());
    command.args(["serve", "--stdio"]).stdout(writer).stderr(Stdio::piped());
    let mut program = Program::start_as_is(command);
    drop(reader);
    // The input stays open: it is the answer that finds nobody.
    program.send(&modern(1, "tools/list", json!({})));
    assert_eq!(program.wait().code(), Some(0));
    let said = program.stderr();
    assert!(!said.contains("panicked") && !said.contains("error"), "{said}");
}

#[test]
fn standard_error_that_nobody_reads_disturbs_nothing() {
    let home = folder(&[]);
    let (reader, writer) = io::pipe().unwrap();
    let mut command = anyport(home.path());
    command.args(["serve", "--stdio", "--log-level", "trace"]).stdout(Stdio::piped()).stderr(writer);
    drop(reader);
    let mut program = Program::start_as_is(command);
    for id in 0..3 {
        assert!(program.call(&modern(id, "tools/list", json!({})))["result"].is_object());
    }
    program.close_input();
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn nothing_but_messages_is_written_however_much_is_logged() {
    let mut program = Program::stdio(&["--log-level", "trace"]);
    program.send(&modern(1, "tools/call", standard()));
    program.write(b"nonsense\n");
    program.send(&modern(2, "tools/call", json!({"name": "no_such_tool"})));
    program.send(&initialize(3, "2024-11-05"));
    program.close_input();
    for _ in 0..4 {
        program.receive();
    }
    assert_eq!(program.rest_of_output(), "");
    assert!(program.stderr().contains("DEBUG"), "nothing was logged");
}

#[test]
fn whatever_a_line_is_the_next_one_is_answered() {
    let mut program = Program::stdio(&[]);
    let deep = "[".repeat(100_000);
    let long = format!("\"{}\"", "x".repeat(5 << 20));
    for (garbage, code) in [
        (&b"nonsense"[..], -32700),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":", -32700),
        (b"\xff\xfe\x00", -32700),
        (b"42", -32600),
        (b"{}", -32600),
        (b"[]", -32600),
        (b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}", -32600),
        (deep.as_bytes(), -32600),
        (long.as_bytes(), -32600),
    ] {
        program.write(garbage);
        program.write(b"\n\r\n\n");
        let shown = String::from_utf8_lossy(&garbage[..garbage.len().min(60)]).into_owned();
        assert_eq!(program.receive()["error"]["code"], code, "{shown}");
        is_the_standard(&program.call(&modern("next", "tools/call", standard())));
    }
    program.close_input();
    assert_eq!(program.wait().code(), Some(0));
    assert_eq!(program.rest_of_output(), "");
}

#[test]
fn two_hundred_calls_at_once_are_all_answered() {
    let mut program = Program::stdio(&[]);
    let calls: String = (0..200).map(|id| format!("{}\n", modern(id, "tools/call", standard()))).collect();
    program.write(calls.as_bytes());
    let mut answered = BTreeSet::new();
    for _ in 0..200 {
        let answer = program.receive();
        is_the_standard(&answer);
        assert!(answered.insert(answer["id"].as_u64().unwrap()), "answered twice: {answer}");
    }
    assert_eq!(answered, (0..200).collect());
}

#[test]
fn both_eras_are_spoken_in_one_process() {
    let mut program = Program::stdio(&[]);
    is_the_standard(&program.call(&modern("m1", "tools/call", standard())));
    let opened = program.call(&initialize("l1", "2025-06-18"));
    assert_eq!(opened["result"]["protocolVersion"], "2025-06-18");
    program.send(&initialized());
    for round in 0..3 {
        let new = program.call(&modern(format!("m{round}"), "tools/call", standard()));
        is_the_standard(&new);
        assert_eq!(new["result"]["resultType"], "complete");
        let old = program.call(&legacy(format!("l{round}"), "tools/call", standard()));
        is_the_standard(&old);
        assert_eq!(old["result"].get("resultType"), None, "{old}");
    }
    let discovered = program.call(&modern("m", "server/discover", json!({})));
    assert_eq!(discovered["result"]["supportedVersions"][0], "2026-07-28", "{discovered}");
}

#[test]
fn after_a_crash_a_new_start_serves_with_the_same_key() {
    let home = folder(&[("docs/a.md", "# A")]);
    let start = || {
        let mut command = anyport(home.path());
        command.args(["serve", "--stdio"]);
        Program::start(command)
    };
    let mut program = start();
    assert!(program.call(&modern(1, "tools/list", json!({})))["result"].is_object());
    let key = fs::read(home.path().join("state/anyport/seal.key")).unwrap();
    for id in 0..100 {
        program.send(&modern(id, "tools/call", json!({"name": "list_docs"})));
    }
    program.kill();

    let mut program = start();
    let read = program.call(&modern(1, "resources/read", json!({"uri": "docs:///a.md"})));
    assert_eq!(read["result"]["contents"][0]["text"], "# A");
    assert_eq!(fs::read(home.path().join("state/anyport/seal.key")).unwrap(), key);
}

#[test]
fn a_listen_stream_does_not_hold_up_the_end_of_input() {
    let mut program = Program::stdio(&DRAIN);
    program.send(&listen("stream"));
    assert_eq!(program.receive()["method"], "notifications/subscriptions/acknowledged");
    program.close_input();
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn nothing_more_is_sent_for_a_request_that_was_cancelled() {
    let mut program = Program::stdio(&[]);
    program.send(&listen("stream"));
    assert_eq!(program.receive()["method"], "notifications/subscriptions/acknowledged");
    let cancelled = |id: &str| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    program.send(&cancelled("stream"));
    program.send(&cancelled("unknown"));
    // Neither message of the stream's end comes before this, nor before the end.
    is_the_standard(&program.call(&modern(1, "tools/call", standard())));
    program.close_input();
    assert_eq!(program.rest_of_output(), "");
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn both_transports_at_once_answer_the_same_and_end_together() {
    let mut program = Program::stdio(&[&DRAIN[..], &["--transport", "http", "--port", "0"]].concat());
    let server = program.server();
    for request in [
        modern(1, "tools/call", standard()),
        modern(2, "tools/list", json!({})),
        modern(3, "resources/list", json!({})),
        modern(4, "resources/read", json!({"uri": "docs:///guides/release%20checklist.md"})),
        modern(5, "tools/call", json!({"name": "no_such_tool"})),
        modern(6, "resources/read", json!({"uri": "docs:///missing.md"})),
    ] {
        assert_eq!(program.call(&request), server.post(&request, &[]).json());
    }
    let mut stream = server.open(&listen("stream"));
    assert_eq!(stream.head().0, 200);
    assert_eq!(stream.event().unwrap()["method"], "notifications/subscriptions/acknowledged");

    program.close_input();
    assert_eq!(stream.event().unwrap()["method"], "notifications/cancelled");
    assert_eq!(stream.event().unwrap()["id"], "stream");
    assert_eq!(stream.event(), None);
    assert_eq!(program.wait().code(), Some(0));
    assert!(std::net::TcpStream::connect(&server.authority).is_err());
}

#[test]
fn where_http_alone_is_served_the_end_of_input_means_nothing() {
    let (mut program, server) = Program::http(&[]);
    program.close_input();
    for _ in 0..20 {
        assert_eq!(server.get("/health", &[]).status, 200);
    }
}
