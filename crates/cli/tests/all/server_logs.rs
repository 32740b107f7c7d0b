//! `anyport logs`: the standard error, the log messages and the connections of the servers of a running gateway.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{Ended, Program, anyport, folder, to_the_end, until};

/// A legacy server that writes to its standard error when it starts and when it is called, and logs each call.
const SERVER: &str = r#"
printf 'key: %s\n\033[33mwarming up\033[0m\033]0;title\007\n' "$KEY" >&2
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
calls=0
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"logging":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *tools/list*) answer "$id" '{"tools":[{"name":"work","inputSchema":{"type":"object"}},{"name":"end","inputSchema":{"type":"object"}}]}' ;;
    *'"name":"work"'*)
      calls=$((calls + 1))
      echo "call $calls" >&2
      printf '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"warning","logger":"db","data":"slow %s"}}\n' "$calls"
      answer "$id" '{"content":[]}' ;;
    *'"name":"end"'*) exit 3 ;;
    *'"id":'*'"method":'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
  esac
done
"#;

fn ran(home: &Path, arguments: &[&str]) -> Ended {
    let mut command = anyport(home);
    command.env("HOME", home.join("user")).args(arguments);
    to_the_end(command)
}

fn gateway(home: &Path, options: &[&str]) -> Program {
    let text = "[upstreams.files]\ncommand = [\"sh\", \"server.sh\"]\nenv = { KEY = \"env:SECRET_OF_TEST\" }\n\
                [upstreams.other]\ncommand = [\"sh\", \"server.sh\"]\n";
    fs::write(home.join("anyport.toml"), text).unwrap();
    fs::write(home.join("server.sh"), SERVER).unwrap();
    let mut command = anyport(home);
    command.env("SECRET_OF_TEST", "not-for-everybody").args(["serve", "--port", "0"]).args(options);
    let mut gateway = Program::start(command);
    gateway.server();
    gateway
}

/// The texts of the entries of `kind`.
fn texts(home: &Path, name: &str, kind: &str) -> Vec<String> {
    let logs = ran(home, &["logs", name, "--json"]).stdout;
    let entries = logs.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_kind = entries.filter(|entry| entry["kind"] == kind);
    of_kind.map(|entry| entry["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_a_server_writes_logs_and_how_its_connections_end_is_shown_without_secrets() {
    let home = folder(&[]);
    let home = home.path();
    let _gateway = gateway(home, &[]);
    assert_eq!(ran(home, &["call", "files", "work"]).code, Some(0));
    until(|| texts(home, "files", "message").into(), |texts| texts == &serde_json::json!(["slow 1"]));
    until(
        || texts(home, "files", "stderr").into(),
        |texts| {
            let expected = ["key: <hidden>", "\u{1b}[33mwarming up\u{1b}[0m\u{1b}]0;title\u{7}", "call 1"];
            texts == &serde_json::json!(expected)
        },
    );
    assert_eq!(texts(home, "files", "event"), ["connected: 2025-06-18 (legacy), sh 1"]);
    let shown = ran(home, &["logs", "files"]).stdout;
    for part in ["  key: <hidden>\n", "Z  * connected: ", "  [warning] db: slow 1\n", "warming up"] {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
    assert!(!shown.contains(['\u{1b}', '\u{7}']) && !shown.contains("not-for-everybody"), "{shown:?}");
    assert_eq!(ran(home, &["call", "files", "end"]).code, Some(4));
    let events =
        until(|| texts(home, "files", "event").into(), |events| events.as_array().unwrap().len() > 1);
    assert!(events[1].as_str().unwrap().starts_with("lost: the process ended (exit status: 3"), "{events}");
    assert_eq!(ran(home, &["restart", "files"]).code, Some(0));
    assert_eq!(texts(home, "files", "event").last().unwrap(), "restarted");
    let newest = ran(home, &["logs", "files", "-n", "1"]).stdout;
    assert!(newest.lines().count() == 1 && newest.contains("* restarted"), "{newest}");
    let unknown = ran(home, &["logs", "fils"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("did you mean files?"), "{}", unknown.stderr);
}

#[test]
fn a_log_is_followed_until_its_gateway_ends() {
    let home = folder(&[]);
    let home = home.path();
    let none = ran(home, &["logs", "-f"]);
    assert!(none.stderr.contains("no gateway is running"), "{}", none.stderr);
    let mut gateway = gateway(home, &[]);
    let mut command = anyport(home);
    command.args(["logs", "-f"]);
    let mut follower = Program::start(command);
    for name in ["files", "other"] {
        assert_eq!(ran(home, &["call", name, "work"]).code, Some(0));
        // The names stand in front.
        follower.output_line(|line| line.starts_with(name) && line.ends_with("  call 1"));
    }
    gateway.kill();
    assert_eq!(follower.wait().code(), Some(4));
    assert!(follower.stderr().contains("the gateway has ended"));
}

#[test]
fn a_log_has_a_size_and_its_oldest_entries_make_room() {
    let home = folder(&[]);
    let home = home.path();
    let _gateway = gateway(home, &["--limit", "server_log=1000"]);
    for _ in 0..10 {
        assert_eq!(ran(home, &["call", "files", "work"]).code, Some(0));
    }
    let lines = || ran(home, &["logs", "files"]).stdout;
    let last = until(|| lines().into(), |lines| lines.as_str().unwrap().contains("call 10"));
    assert!(!last.as_str().unwrap().contains("warming up"), "{last}");
}
