//! New work is refused before memory or file descriptors run out, what runs goes on, and operators see why.

#![cfg(unix)]

use std::{
    io::{BufReader, Read as _, Write as _},
    net::TcpStream,
    process::Command,
};

use serde_json::{Value, json};

use crate::support::{
    Program, anyport, documents, folder,
    http::{Connection, Server},
    legacy, modern, until,
};

/// The file descriptors that the server may have.
const DESCRIPTORS: usize = 128;

/// `anyport serve` over HTTP with so few file descriptors that clients can use them up.
fn with_few_descriptors(percent: &str) -> (tempfile::TempDir, Program, Server) {
    serve_under(&format!("ulimit -n {DESCRIPTORS}"), percent)
}

/// `anyport serve` over HTTP within the limit that a line of the shell sets.
fn serve_under(limit: &str, percent: &str) -> (tempfile::TempDir, Program, Server) {
    let home = folder(&[]);
    let program = anyport(home.path());
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limit} && exec \"$0\" \"$@\"")]);
    command.arg(program.get_program()).args(["serve", "--port", "0", "--docs"]).arg(documents());
    command.args(["--limit", &format!("max_descriptors_percent={percent}")]);
    command.current_dir(home.path());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut program = Program::start(command);
    let server = program.server();
    (home, program, server)
}

fn list() -> Value {
    modern(1, "tools/list", json!({}))
}

/// Sends a call on an open connection, and reads the answer.
fn call_on(connection: &mut Connection, server: &Server) -> Value {
    let body = list().to_string();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\nContent-Length: {}\r\n\r\n",
        server.path,
        server.authority,
        body.len()
    );
    connection.0.get_mut().write_all((head + &body).as_bytes()).unwrap();
    let (status, head) = connection.head();
    assert_eq!(status, 200, "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    connection.0.read_exact(&mut body).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Sends a request on a connection of its own. `null` if the connection is closed before the answer is read.
fn try_ask(server: &Server, method: &str, path: &str, body: &str) -> Value {
    let mut stream = TcpStream::connect(&server.authority).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        server.authority,
        body.len()
    );
    let mut answer = String::new();
    if stream.write_all(head.as_bytes()).is_err() || stream.read_to_string(&mut answer).is_err() {
        return Value::Null;
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let retry_after = head.to_lowercase().contains("\r\nretry-after: 1");
    let status = head.get(9..12).and_then(|status| status.parse::<u16>().ok());
    json!({"status": status, "retry_after": retry_after, "text": body, "body": serde_json::from_str::<Value>(body).ok()})
}

/// A call on a connection of its own.
fn ask_anew(server: &Server) -> Value {
    try_ask(server, "POST", &server.path, &list().to_string())
}

#[test]
fn idle_clients_by_the_thousand_leave_descriptors_to_open_connections_and_to_health() {
    let (_home, _program, server) = with_few_descriptors("90");
    let mut open = Connection(BufReader::new(server.connect()));
    let tools = call_on(&mut open, &server);
    assert!(tools["result"]["tools"].is_array(), "{tools}");
    // The first take all there is; the others are turned away.
    let mut idle: Vec<_> = (0..DESCRIPTORS).map(|_| server.connect()).collect();
    for _ in 0..2_000 {
        drop(server.connect());
    }
    for _ in 0..20 {
        assert_eq!(call_on(&mut open, &server), tools, "an open connection goes on");
    }
    // One more of them takes what became free.
    let mut crowded = |method: &str, path: &str, body: &str| {
        idle.push(server.connect());
        try_ask(&server, method, path, body)
    };
    let call = list().to_string();
    let is_refused = |answer: &Value| answer["body"].to_string().contains("max_descriptors_percent");
    let refused = until(|| crowded("POST", &server.path, &call), is_refused);
    assert_eq!((&refused["status"], &refused["retry_after"]), (&json!(503), &json!(true)), "{refused}");
    let error = &refused["body"]["error"];
    assert_eq!((&error["code"], &error["data"]["reason"]), (&json!(-32603), &json!("overloaded")));
    // Health is there on a new connection, and says why.
    let is_known = |seen: &Value| seen["status"] == 200 && is_refused(seen);
    let seen = until(|| crowded("GET", "/health", ""), is_known);
    assert_eq!(seen["body"]["status"], "degraded", "{seen}");
    assert_eq!(seen["body"]["pools"]["file_descriptors"]["max"], DESCRIPTORS, "{seen}");
    let numbers = until(|| crowded("GET", "/metrics", ""), |seen| seen["status"] == 200);
    let numbers = numbers["text"].as_str().unwrap();
    assert!(!numbers.contains("{limit=\"max_descriptors_percent\"} 0"), "{numbers}");
    // Clients that leave make room.
    drop(idle);
    until(|| ask_anew(&server), |answer| answer["status"] == 200);
}

#[test]
fn a_listener_without_any_descriptor_turns_clients_away_and_recovers() {
    // Nothing is kept for what runs, so that accepting fails.
    let (_home, _program, server) = with_few_descriptors("100");
    let mut open = Connection(BufReader::new(server.connect()));
    let tools = call_on(&mut open, &server);
    let idle: Vec<_> = (0..2 * DESCRIPTORS).map(|_| server.connect()).collect();
    let refused = until(|| ask_anew(&server), |answer| answer["status"] == 503);
    assert_eq!(refused["body"]["error"]["data"]["reason"], "overloaded", "{refused}");
    assert_eq!(call_on(&mut open, &server), tools);
    drop(idle);
    until(|| ask_anew(&server), |answer| answer["status"] == 200);
}

/// A library that looks at processes raises the soft limit of open files to the hard one. What the user has set holds.
#[cfg(target_os = "linux")]
#[test]
fn the_soft_limit_of_open_files_stays_as_it_was_set() {
    let (_home, program, server) = serve_under(&format!("ulimit -Sn {DESCRIPTORS}"), "90");
    let soft_and_hard = || {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.id())).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        let [soft, hard] = [0, 1].map(|place| line.split_whitespace().nth(place).unwrap().to_owned());
        (soft, hard)
    };
    let before = soft_and_hard();
    assert_eq!(before.0, DESCRIPTORS.to_string());
    assert_ne!(before.0, before.1, "there is something that it could be raised to");
    // Whatever looks at the machine, at the memory, and at open files.
    let health = until(
        || server.get("/health", &[]).json(),
        |seen| seen["pools"]["file_descriptors"]["max"].is_number() && seen["system"].is_object(),
    );
    assert_eq!(health["pools"]["file_descriptors"]["max"], DESCRIPTORS, "{health}");
    assert_eq!(server.get("/metrics", &[]).status, 200);
    assert_eq!(server.post(&list(), &[]).status, 200);
    assert_eq!(soft_and_hard(), before);
    // And so does what is refused beyond it.
    let idle: Vec<_> = (0..DESCRIPTORS).map(|_| server.connect()).collect();
    until(|| ask_anew(&server), |answer| answer["status"] == 503);
    assert_eq!(soft_and_hard(), before);
    drop(idle);
}

#[test]
fn too_little_memory_refuses_calls_streams_and_sessions_and_health_says_so() {
    // Every process uses more than this, and so does every machine.
    for (limit, name) in
        [("max_memory_bytes=1000000", "max_memory_bytes"), ("max_memory_percent=1", "max_memory_percent")]
    {
        let (_program, server) = Program::http(&["--limit", limit]);
        let refused = || {
            let answer = server.post(&list(), &[]);
            json!({"status": answer.status, "retry": answer.header("retry-after"), "body": answer.json()})
        };
        let seen = until(refused, |seen| seen["status"] == 503);
        assert_eq!((&seen["retry"], &seen["body"]["id"]), (&json!("1"), &json!(1)), "{seen}");
        let error = &seen["body"]["error"];
        assert_eq!((&error["code"], &error["data"]["reason"]), (&json!(-32603), &json!("overloaded")));
        assert!(error["message"].as_str().unwrap().contains(name), "{error}");
        let initialize = legacy(
            1,
            "initialize",
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}),
        );
        let listen = modern(1, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
        let large = modern(
            1,
            "tools/call",
            json!({"name": "search_docs", "arguments": {"query": "x".repeat(100_000)}}),
        );
        for message in [initialize, listen, large] {
            let answer = server.post(&message, &[]);
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{message}");
            assert!(answer.body.contains(name), "{answer:?}");
        }
        let called = server.ask(
            "POST",
            "/mcp/call",
            &[("Content-Type", "application/json")],
            r#"{"method": "list_docs"}"#,
        );
        assert_eq!((called.status, called.body.contains(name)), (503, true), "{called:?}");
        let health = server.get("/health", &[]);
        assert_eq!((health.status, &health.json()["status"]), (200, &json!("degraded")));
        assert!(health.json()["reasons"].to_string().contains(name), "{health:?}");
        assert_eq!(server.get("/health/ready", &[]).status, 200, "it answers what runs");
        let counted = server.get("/metrics", &[]).body;
        assert!(!counted.contains(&format!("{{limit=\"{name}\"}} 0")), "{counted}");
    }
}

#[test]
fn too_little_memory_refuses_calls_on_standard_input_as_well() {
    let mut program = Program::stdio(&["--limit", "max_memory_bytes=1000000"]);
    let answer = until(|| program.call(&list()), |answer| answer["error"].is_object());
    assert_eq!(answer["error"]["data"]["reason"], "overloaded", "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("max_memory_bytes"), "{answer}");
}
