//! Ctrl-C in the middle of a command: the server hears of it, and a program that was started ends as at any other time.
//!
//! Invariant: An interrupted command cancels its call, and ends its server as it does at any other time.

#![cfg(unix)]

use std::process::Command;

use crate::support::{
    Program, anyport, folder,
    scripted::{Scripted, response, result},
    until,
};
use serde_json::json;

fn interrupt(program: &Program) {
    assert!(Command::new("kill").args(["-INT", &program.id().to_string()]).status().unwrap().success());
}

/// A server of 2025-11-25 that never answers a call, and needs a moment to put its things in order.
const SERVER: &str = r#"
trap "" TERM
answer() { printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$1" "$2"; }
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *server/discover*) answer "$id" '"error":{"code":-32601,"message":"no"}' ;;
    *'"initialize"'*) answer "$id" '"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *tools/list*) answer "$id" '"result":{"tools":[{"name":"wait","inputSchema":{"type":"object"}}]}' ;;
    *tools/call*) echo called > called ;;
    *notifications/cancelled*) echo cancelled > cancelled ;;
  esac
done
sleep 0.1
echo orderly > ended
"#;

#[test]
fn a_program_that_was_started_hears_of_it_and_ends_in_order() {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["call", "wait", "--", "sh", "-c", SERVER]);
    let mut program = Program::start(command);
    let is_there = |file: &str| home.path().join(file).exists();
    until(|| json!(is_there("called")), |called| called == true);
    interrupt(&program);
    assert_eq!(program.wait().code(), Some(130));
    assert!(is_there("cancelled"), "{}", program.stderr());
    assert!(is_there("ended"), "it was killed before it was done");
}

#[test]
fn a_server_over_http_hears_that_nobody_waits() {
    let server = Scripted::start(|asked| match (asked.verb.as_str(), asked.body["method"].as_str()) {
        ("POST", Some("server/discover")) => response("400 Bad Request", &[], "what?"),
        ("POST", Some("initialize")) => result(
            asked,
            &json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                "serverInfo": {"name": "scripted", "version": "1"}}),
        ),
        ("POST", Some("tools/list")) => {
            result(asked, &json!({"tools": [{"name": "wait", "inputSchema": {"type": "object"}}]}))
        }
        ("POST", Some("tools/call")) => None,
        ("POST", _) => response("202 Accepted", &[], ""),
        _ => response("405 Method Not Allowed", &[], ""),
    });
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["call", &server.url(), "wait"]);
    let mut program = Program::start(command);
    let heard = |method: &str| server.asked().iter().any(|asked| asked.body["method"] == method);
    until(|| json!(heard("tools/call")), |called| called == true);
    interrupt(&program);
    assert_eq!(program.wait().code(), Some(130));
    assert!(heard("notifications/cancelled"), "{:?}", server.asked());
}
