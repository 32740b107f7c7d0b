//! JSON-RPC on standard input of a program that was not told to serve it.
//!
//! Invariant: Standard input that belongs to another program stays unread, and does not keep the program from
//! ending.

#![cfg(unix)]

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    process::{Command, Stdio},
    time::Instant,
};

use crate::support::{PATIENCE, Program, anyport, documents, folder, initialize, legacy, modern, standard};
use serde_json::json;

fn stop(program: &mut Program) {
    let kill = Command::new("kill").args(["-TERM", &program.id().to_string()]).status();
    assert!(kill.unwrap().success());
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn a_client_that_forgot_the_flag_is_answered_and_told() {
    for transport in ["http", "sse", "websocket"] {
        let (mut program, server) = Program::http(&["--transport", transport]);
        let question = modern(1, "tools/call", standard());
        let begun = Instant::now();
        while server.post(&question, &[]).json()["result"]["structuredContent"]["found"] != true {
            assert!(begun.elapsed() < PATIENCE, "the documents are not read");
        }
        assert_eq!(program.call(&question), server.post(&question, &[]).json());
        program.error_line(|line| line.starts_with("note: MCP comes on standard input"));
        program.call(&initialize(2, "2025-06-18"));
        program.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        assert!(program.call(&legacy(3, "tools/list", json!({})))["result"]["tools"].is_array());
        // What is no message is answered as it would be with the flag.
        program.write(b"nonsense\n");
        assert_eq!(program.receive()["error"]["code"], -32700);
        program.close_input();
        // The rest goes on.
        for _ in 0..20 {
            assert_eq!(server.get("/health", &[]).status, 200);
        }
        stop(&mut program);
        assert_eq!(program.rest_of_output(), "");
    }
}

#[test]
fn beside_a_unix_socket_it_is_answered_too() {
    let home = folder(&[]);
    let socket = home.path().join("socket");
    let documents = documents();
    let arguments = ["--transport", "unix", "--unix-path", socket.to_str().unwrap()];
    let mut program = Program::serve(&[&arguments[..], &["--docs", documents.to_str().unwrap()]].concat());
    assert!(program.call(&modern(1, "tools/list", json!({})))["result"]["tools"].is_array());
    program.close_input();
    assert!(std::os::unix::net::UnixStream::connect(socket).is_ok());
    stop(&mut program);
}

#[test]
fn other_text_is_left_to_whom_it_is_for() {
    for (text, rest) in [
        ("first\nsecond\n", "irst\nsecond\n"),
        (
            "{\"a\":1}\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n",
        ),
    ] {
        let (mut reader, mut writer) = io::pipe().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        let log = folder(&[]);
        let path = log.path().join("log");
        let mut command = with_input(reader.try_clone().unwrap().into());
        command.args(["--log-level", "debug", "--log-file", path.to_str().unwrap()]);
        let mut program = Program::start_with_its_input(command);
        program.server();
        let begun = Instant::now();
        while !std::fs::read_to_string(&path).unwrap().contains("is left alone") {
            assert!(begun.elapsed() < PATIENCE, "it still reads");
        }
        drop(writer);
        let mut left = String::new();
        reader.read_to_string(&mut left).unwrap();
        assert_eq!(left, rest);
        stop(&mut program);
        assert_eq!(program.rest_of_output(), "");
    }
}

/// The program over HTTP, with this as its input.
fn with_input(input: Stdio) -> Command {
    // It is not needed: the documentation is served.
    let mut command = anyport(&std::env::temp_dir());
    command.args(["serve", "--port", "0"]).stdin(input);
    command
}

#[test]
fn files_and_the_like_are_not_read() {
    let folder = folder(&[("messages", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n")]);
    let file = File::open(folder.path().join("messages")).unwrap();
    for input in [file.try_clone().unwrap().into(), Stdio::null()] {
        let mut program = Program::start_with_its_input(with_input(input));
        let server = program.server();
        for _ in 0..20 {
            assert_eq!(server.get("/health", &[]).status, 200);
        }
        stop(&mut program);
        assert_eq!(program.rest_of_output(), "");
    }
    // Its place in the file is where it was.
    let mut text = String::new();
    (&file).read_to_string(&mut text).unwrap();
    assert!(text.starts_with("{\"jsonrpc\""));
}

#[test]
fn an_input_that_says_nothing_keeps_nothing_from_ending() {
    let (mut program, _server) = Program::http(&[]);
    // It is open, and a thread waits for it.
    stop(&mut program);
    // In the middle of a line, and of a dialogue, as well.
    let (mut program, _server) = Program::http(&[]);
    program.write(b"{\"jsonrpc\"");
    stop(&mut program);
    let (mut program, _server) = Program::http(&[]);
    program.call(&modern(1, "tools/list", json!({})));
    stop(&mut program);
}

#[test]
fn a_socket_is_as_good_as_a_pipe() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let theirs: std::os::fd::OwnedFd = theirs.into();
    let mut program = Program::start_with_its_input(with_input(theirs.into()));
    (&ours).write_all(format!("{}\n", modern(1, "tools/list", json!({}))).as_bytes()).unwrap();
    assert_eq!(program.receive()["id"], 1);
    stop(&mut program);
}
