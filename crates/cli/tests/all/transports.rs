//! `anyport serve --transport`: every transport of the program, alone and together.

#![cfg(unix)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    process::Command,
};

use crate::support::{
    PATIENCE, Program, anyport, documents, folder, http::Server, modern, serve_to_the_end, to_the_end,
};
use serde_json::{Value, json};

/// Starts `anyport serve` in `home` over the documents that every client is tested with.
fn start(home: &Path, arguments: &[&str]) -> Program {
    let mut command = anyport(home);
    command.args(["serve", "--port", "0", "--docs", documents().to_str().unwrap()]).args(arguments);
    command.env("XDG_RUNTIME_DIR", home.join("run"));
    Program::start(command)
}

fn list(id: u32) -> Value {
    modern(id, "tools/call", json!({"name": "list_docs", "arguments": {}}))
}

fn count(answer: &Value) -> usize {
    answer["result"]["structuredContent"]["documents"].as_array().unwrap_or_else(|| panic!("{answer}")).len()
}

/// Asks on a Unix socket.
fn ask_unix(path: &Path, message: &Value) -> Value {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    writeln!(stream, "{message}").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

/// The place that the banner names behind `word`.
fn place(banner: &str, word: &str) -> Option<String> {
    let line = banner.lines().find(|line| line.trim_start().starts_with(&format!("{word} ")))?;
    line.trim_start().strip_prefix(word).map(|rest| rest.trim().to_owned())
}

#[test]
fn a_unix_socket_stands_in_the_runtime_folder_and_is_its_users_alone() {
    let home = folder(&[]);
    let mut program = start(home.path(), &["--transport", "unix"]);
    let (banner, json) = program.banner();
    let path = home.path().join("run/anyport/anyport.sock");
    assert_eq!(place(&banner, "unix").as_deref(), path.to_str(), "{banner}");
    assert_eq!(place(&banner, "http"), None, "{banner}");
    let connect = format!("UNIX-CONNECT:{}", path.display());
    assert_eq!(json["mcpServers"]["anyport"], json!({"command": "socat", "args": ["STDIO", connect]}));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(count(&ask_unix(&path, &list(1))), 3);
    // The same socket again is a mistake that is explained.
    let mut again = anyport(home.path());
    again.args(["serve", "--transport", "unix", "--unix-path", path.to_str().unwrap()]);
    let ended = to_the_end(again);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("is in use") && ended.stderr.contains("--unix-path"), "{}", ended.stderr);
    assert_eq!(count(&ask_unix(&path, &list(2))), 3);
    let kill = Command::new("kill").arg(program.id().to_string()).status().unwrap();
    assert!(kill.success());
    assert!(program.wait().success());
    assert!(!path.exists());
}

#[test]
fn what_is_no_socket_is_left_where_it_is() {
    let home = folder(&[("precious", "text")]);
    let mut command = anyport(home.path());
    command.args(["serve", "--transport", "unix", "--unix-path", "precious"]);
    let ended = to_the_end(command);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("is no socket"), "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(home.path().join("precious")).unwrap(), "text");
}

#[test]
fn a_websocket_is_opened_where_the_banner_says() {
    let home = folder(&[]);
    let mut program = start(home.path(), &["--transport", "websocket"]);
    let (banner, json) = program.banner();
    let url = place(&banner, "websocket").unwrap();
    let address = url.strip_prefix("ws://").and_then(|rest| rest.strip_suffix("/ws")).unwrap();
    let handshake = |origin: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{origin}\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        String::from_utf8(head.to_vec()).unwrap()
    };
    assert_eq!(handshake(""), "HTTP/1.1 101");
    assert_eq!(handshake("Origin: http://evil.example\r\n"), "HTTP/1.1 403");
    // Streamable HTTP stands on the same listener, and is what the client is told.
    let server = Server::at(json["mcpServers"]["anyport"]["url"].as_str().unwrap());
    assert_eq!(count(&server.post(&list(1), &[]).json()), 3);
}

#[test]
fn a_websocket_is_a_target_of_every_command() {
    let home = folder(&[]);
    let mut served = start(home.path(), &["--transport", "websocket"]);
    let (banner, _) = served.banner();
    let url = place(&banner, "websocket").unwrap();
    let run = |words: &[&str]| {
        let mut command = anyport(home.path());
        command.args(words);
        to_the_end(command)
    };
    for revision in ["2026-07-28", "2025-11-25", "2024-11-05"] {
        let called = run(&["call", &url, "list_docs", "--revision", revision, "--json"]);
        assert_eq!(called.code, Some(0), "{revision}: {called:?}");
        assert!(called.stdout.contains("documents"), "{revision}: {called:?}");
    }
    // In a file, too; and behind another program of ours.
    let file = home.path().join("mcp.json");
    std::fs::write(&file, json!({"mcpServers": {"far": {"type": "ws", "url": url}}}).to_string()).unwrap();
    let named = format!("{}#far", file.display());
    assert!(run(&["tools", &named]).stdout.contains("list_docs("));
    let mut bridge = anyport(home.path());
    bridge.args(["bridge", "--stdio", &url]);
    let mut bridge = Program::start(bridge);
    assert_eq!(count(&bridge.call(&list(1))), 3);
    bridge.close_input();
    assert!(bridge.wait().success());
    // What is no WebSocket says so.
    let elsewhere = run(&["tools", &url.replace("/ws", "/health")]);
    assert_eq!(elsewhere.code, Some(4), "{elsewhere:?}");
    assert!(elsewhere.stderr.contains("opens no WebSocket"), "{elsewhere:?}");
    let nobody = run(&["tools", "ws://127.0.0.1:1/ws"]);
    assert_eq!(nobody.code, Some(4), "{nobody:?}");
    assert_eq!(run(&["tools", "wss://me:word@host/ws"]).code, Some(2));
}

#[test]
fn the_old_stream_is_served_where_the_banner_says_and_only_if_asked_for() {
    let home = folder(&[]);
    let open = |arguments: &[&str]| {
        let mut program = start(home.path(), arguments);
        let (banner, json) = program.banner();
        let url = json["mcpServers"]["anyport"]["url"].as_str().unwrap().to_owned();
        let address =
            url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/mcp")).unwrap().to_owned();
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /sse HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n").unwrap();
        let mut head = String::new();
        BufReader::new(stream).read_line(&mut head).unwrap();
        (head, place(&banner, "sse"))
    };
    let (head, place) = open(&["--transport", "sse"]);
    assert!(head.contains("200") && place.unwrap().ends_with("/sse"), "{head}");
    let (head, place) = open(&["--transport", "http"]);
    assert!(head.contains("404") && place.is_none(), "{head}");
}

#[test]
fn all_at_once_and_the_end_of_standard_input_ends_all() {
    let home = folder(&[]);
    let mut program = start(
        home.path(),
        &["--transport", "stdio,http,sse", "--transport", "WebSocket", "--transport", "unix"],
    );
    let (banner, _) = program.banner();
    for word in ["http", "sse", "websocket", "unix", "stdio"] {
        assert!(place(&banner, word).is_some(), "{word}: {banner}");
    }
    let path = home.path().join("run/anyport/anyport.sock");
    assert_eq!(count(&ask_unix(&path, &list(1))), 3);
    program.close_input();
    assert!(program.wait().success());
    assert!(!path.exists());
}

#[test]
fn combinations_without_sense_are_explained() {
    for (arguments, told) in [
        (&["--unix-path", "x.sock"][..], "--transport unix"),
        (&["--transport", "sse", "--era", "modern"], "--era modern"),
        (&["--transport", "carrier-pigeon"], "websocket"),
    ] {
        let ended = serve_to_the_end(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(told), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn what_does_nothing_without_http_is_told() {
    let home = folder(&[("token", "secret")]);
    let mut program = start(home.path(), &["--transport", "unix", "--auth-token", "file:token"]);
    program.error_line(|line| line.contains("--auth-token is for HTTP"));
}

#[test]
fn limits_hold_on_every_transport() {
    let home = folder(&[]);
    let mut program = start(
        home.path(),
        &["--transport", "unix", "--limit", "max_message_bytes=1000,connection_idle=3600"],
    );
    program.banner();
    let path = home.path().join("run/anyport/anyport.sock");
    let mut message = list(1);
    message["params"]["arguments"]["x"] = "x".repeat(1000).into();
    let refused = ask_unix(&path, &message);
    assert!(refused["error"]["message"].as_str().unwrap().contains("max_message_bytes"), "{refused}");
}

#[test]
fn a_place_for_the_socket_that_cannot_be_made_is_told_with_what_to_do() {
    let home = folder(&[("run/anyport", "no folder")]);
    let mut program = start(home.path(), &["--transport", "unix"]);
    program.error_line(|line| line.contains("run/anyport for the Unix socket"));
    program.error_line(|line| line.contains("--unix-path"));
}
