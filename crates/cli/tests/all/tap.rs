//! `anyport tap`: the calls of a running gateway as they happen, and their messages on both sides of the bridge.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
};

use serde_json::{Value, json};

use crate::support::{Program, anyport, folder, http::Server, modern};

/// A legacy server with a tool that works, and one that fails.
const SERVER: &str = r#"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *tools/list*) answer "$id" '{"tools":[{"name":"work","inputSchema":{"type":"object"}},{"name":"fail","inputSchema":{"type":"object"}}]}' ;;
    *'"name":"work"'*) answer "$id" "{\"content\":[{\"type\":\"text\",\"text\":\"done with $KEY\"}]}" ;;
    *'"id":'*'"method":'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"not today, %s"}}\n' "$id" "$KEY" ;;
  esac
done
"#;

fn gateway(home: &Path, options: &[&str]) -> (Program, Server) {
    let text = "[upstreams.files]\ncommand = [\"sh\", \"server.sh\"]\nenv = { KEY = \"env:SECRET_OF_TEST\" }\n\
                [upstreams.other]\ncommand = [\"sh\", \"server.sh\"]\n";
    fs::write(home.join("anyport.toml"), text).unwrap();
    fs::write(home.join("server.sh"), SERVER).unwrap();
    let mut command = anyport(home);
    command.env("SECRET_OF_TEST", "not-for-everybody").args(["serve", "--port", "0"]).args(options);
    let mut gateway = Program::start(command);
    let server = gateway.server();
    // Its lists are read.
    server.post(&modern(1, "tools/list", json!({})), &[]).json();
    (gateway, server)
}

fn tap(home: &Path, arguments: &[&str]) -> Program {
    let mut command = anyport(home);
    command.arg("tap").args(arguments);
    let mut tap = Program::start(command);
    tap.error_line(|line| line.contains("watching"));
    tap
}

fn call(server: &Server, tool: &str, arguments: &Value) -> Value {
    server.post(&modern(5, "tools/call", json!({"name": tool, "arguments": arguments})), &[]).json()
}

/// The next event of `tap` that fits.
fn event(tap: &mut Program, fits: impl Fn(&Value) -> bool) -> Value {
    let line = tap.output_line(|line| fits(&serde_json::from_str(line).unwrap()));
    serde_json::from_str(&line).unwrap()
}

#[test]
fn both_wire_forms_of_a_call_are_shown_without_secrets() {
    let home = folder(&[]);
    let (_gateway, server) = gateway(home.path(), &[]);
    let mut tap = tap(home.path(), &["files", "--wire", "--method", "tools/call", "--json"]);
    // Another server, another method.
    call(&server, "other_work", &json!({}));
    server.post(&modern(4, "tools/list", json!({})), &[]).json();
    call(&server, "files_work", &json!({"password": "p4ssw0rd", "path": "a"}));
    let got = event(&mut tap, |event| event["end"] == "client");
    assert_eq!(
        (&got["direction"], &got["message"]["params"]["name"]),
        (&json!("received"), &json!("files_work"))
    );
    assert_eq!(got["message"]["params"]["arguments"], json!({"password": "<hidden>", "path": "a"}));
    let number = got["call"].clone();
    assert!(number.is_u64(), "{got}");
    let passed = event(&mut tap, |event| event["end"] == "server");
    assert_eq!(
        (&passed["call"], &passed["direction"], &passed["server"]),
        (&number, &json!("sent"), &json!("files"))
    );
    // The server speaks an older revision, and knows its tool by another name.
    assert_eq!(passed["message"]["params"]["name"], "work");
    assert!(!passed["message"].to_string().contains("io.modelcontextprotocol/protocolVersion"), "{passed}");
    let answered = event(&mut tap, |event| event["end"] == "server");
    assert_eq!((&answered["call"], &answered["direction"]), (&number, &json!("received")));
    assert_eq!(answered["message"]["result"]["content"][0]["text"], "done with <hidden>");
    assert!(answered["message"]["result"].get("resultType").is_none(), "{answered}");
    let ended = event(&mut tap, |event| event["type"] == "call");
    let expected = json!({"call": number, "client": "test 1", "revision": "2026-07-28", "server": "files", "method": "tools/call",
        "name": "work", "outcome": "ok"});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(ended[key], *value, "{key} of {ended}");
    }
    assert!(ended["ms"].as_f64().unwrap() > 0.0 && ended["bytes_out"].as_u64().unwrap() > 20, "{ended}");
    let sent = event(&mut tap, |event| event["end"] == "client");
    assert_eq!(
        (&sent["call"], &sent["direction"], &sent["message"]["id"]),
        (&number, &json!("sent"), &json!(5))
    );
    assert_eq!(sent["message"]["result"]["resultType"], "complete");
}

#[test]
fn calls_are_chosen_and_shown_on_a_line_each() {
    let home = folder(&[]);
    let (mut gateway, server) = gateway(home.path(), &[]);
    let mut all = tap(home.path(), &[]);
    let mut errors = tap(home.path(), &["--errors", "--wire"]);
    let mut one = tap(home.path(), &["--tool", "fail"]);
    call(&server, "files_work", &json!({}));
    call(&server, "other_fail", &json!({}));
    let line = all.output_line(|line| line.contains("tools/call"));
    assert!(line.contains("  test 1 (2026-07-28)  files  tools/call work  ok  "), "{line}");
    all.output_line(|line| line.contains("  other  tools/call fail  error: "));
    // Its messages come before it, once it is known that it has failed.
    errors.output_line(|line| line.contains("client -> gateway") && line.contains("other_fail"));
    errors.output_line(|line| line.contains("gateway -> other (connection ") && line.contains("\"fail\""));
    errors.output_line(|line| line.contains("not today") && line.contains("tools/call fail  error"));
    let line = one.output_line(|_| true);
    assert!(line.contains("  other  tools/call fail  "), "{line}");
    gateway.kill();
    assert_eq!(all.wait().code(), Some(4));
    let mut unknown = anyport(home.path());
    unknown.args(["tap", "files"]);
    assert!(crate::support::to_the_end(unknown).stderr.contains("no gateway is running"));
}

#[test]
fn an_error_of_a_server_shows_no_secret_to_a_command_that_goes_through_the_gateway() {
    let home = folder(&[]);
    let (_gateway, _server) = gateway(home.path(), &[]);
    let mut command = anyport(home.path());
    command.current_dir(home.path()).args(["call", "files", "fail"]);
    let ended = crate::support::to_the_end(command);
    assert!(ended.stderr.contains("not today, <hidden>"), "{ended:?}");
    assert!(!format!("{ended:?}").contains("not-for-everybody"), "{ended:?}");
}

/// Invariant: A command that watches a gateway and does not read never holds up a call.
#[test]
fn who_does_not_read_misses_events_and_holds_up_no_call() {
    let home = folder(&[]);
    let (gateway, server) =
        gateway(home.path(), &["--limit", "tap_events=2", "--limit", "tap_message=60000"]);
    let socket = home.path().join(format!("state/anyport/gateways/{}.sock", gateway.id()));
    let token = std::fs::read_to_string(socket.with_extension("token")).unwrap();
    let mut stream = BufReader::new(UnixStream::connect(socket).unwrap());
    let request = json!({"token": token, "command": "tap", "names": [], "errors": false, "wire": true});
    stream.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert_eq!(line, "{\"ok\":true}\n");
    for size in [50_000, 70_000] {
        for _ in 0..15 {
            let answer = call(&server, "files_work", &json!({"text": "x".repeat(size)}));
            assert_eq!(answer["result"]["content"][0]["text"], "done with not-for-everybody");
        }
    }
    let mut missed = 0;
    let is_over = |event: &Value| event["bytes"].as_u64() > Some(60_000) && event["message"].is_null();
    // What is too large to be shown comes last.
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        missed += event["missed"].as_u64().unwrap_or(0);
        if missed > 0 && is_over(&event) {
            return;
        }
        if missed > 0 {
            call(&server, "files_work", &json!({"text": "x".repeat(70_000)}));
        }
    }
}
