//! What a person sees on a terminal while a command waits, and what of it remains.

use std::process::Command;

use tempfile::TempDir;

use crate::support::{
    anyport, folder,
    scripted::{Scripted, modern},
    terminal::Terminal,
    to_the_end,
};

/// A legacy server with one tool. It says something on standard error, and takes `START` seconds to answer the first request
/// and `CALL` seconds for a call.
const SLOW: &str = r#"
printf '\033[33mwarming up\033[0m\n' >&2
sleep "$START"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *tools/list*) answer "$id" '{"tools":[{"name":"hang","inputSchema":{"type":"object"}}]}' ;;
    *tools/call*) printf 'step one\rstep two' >&2; sleep "$CALL"; answer "$id" '{"content":[{"type":"text","text":"done at last"}]}' ;;
  esac
done
"#;

#[test]
fn what_a_file_of_vs_code_asks_for_is_asked_once_and_a_password_is_not_shown() {
    let remote = Scripted::start(modern);
    let text = serde_json::json!({
        "inputs": [
            {"id": "key", "type": "promptString", "description": "The API key", "password": true},
            {"id": "size", "type": "pickString", "options": ["small", {"label": "Large", "value": "l4rge"}]},
        ],
        "servers": {"a": {"url": remote.url(), "headers": {"X-Key": "${input:key}", "X-Size": "${input:size}-${input:key}"}}},
    });
    let home = folder(&[("mcp.json", &text.to_string())]);
    let serve = || {
        let mut command = anyport(home.path());
        command.args(["serve", "--port", "0", "--config", "mcp.json"]);
        command
    };
    // Without a terminal, the error names the variable.
    let ended = to_the_end(serve());
    assert!(ended.code == Some(2) && ended.stderr.contains("set ANYPORT_INPUT_KEY"), "{}", ended.stderr);
    let mut terminal = Terminal::start(serve(), 100);
    terminal.until("The API key:");
    terminal.press("s3cret-key\r");
    terminal.until("Large");
    terminal.press("\u{1b}[B\r");
    let screen = terminal.until("  http ");
    assert!(!screen.contains("s3cret-key"), "{screen}");
    let url = screen.lines().find(|line| line.starts_with("  http ")).unwrap();
    let server = crate::support::http::Server::at(url.split_whitespace().last().unwrap());
    let listed = server.post(&crate::support::modern(1, "tools/list", serde_json::json!({})), &[]).json();
    assert_eq!(listed["result"]["tools"][0]["name"], "a_look", "{listed}");
    let sent: String = remote.asked().iter().map(|asked| asked.headers.clone()).collect();
    assert!(sent.contains("x-key: s3cret-key") && sent.contains("x-size: l4rge-s3cret-key"), "{sent}");
}

#[test]
fn a_command_asks_for_what_the_file_of_its_server_asks_for_and_without_a_terminal_says_what_to_do() {
    let remote = Scripted::start(modern);
    let text = serde_json::json!({
        "inputs": [{"id": "key", "type": "promptString", "description": "The API key", "password": true}],
        "servers": {"a": {"url": remote.url(), "headers": {"X-Key": "${input:key}"}}},
    });
    let upstream =
        format!("[upstreams.b]\nurl = {:?}\nheaders = {{ X-Key = \"${{input:key}}\" }}\n", remote.url());
    let home = folder(&[("mcp.json", &text.to_string()), ("anyport.toml", &upstream)]);
    for (server, asks) in [("mcp.json#a", "The API key:"), ("b", "key:")] {
        let tools = || {
            let mut command = anyport(home.path());
            command.args(["tools", server]);
            command
        };
        let ended = to_the_end(tools());
        assert_eq!(ended.code, Some(2), "{server}: {}", ended.stderr);
        for part in ["${input:key}", "set ANYPORT_INPUT_KEY in the environment", "run this in a terminal"] {
            assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
        }
        let mut terminal = Terminal::start(tools(), 100);
        terminal.until(asks);
        terminal.press("s3cret-key\r");
        let screen = terminal.until("look");
        assert!(!screen.contains("s3cret-key"), "{screen}");
        assert_eq!(terminal.end().0, Some(0), "{server}");
    }
    let sent: String = remote.asked().iter().map(|asked| asked.headers.clone()).collect();
    assert!(sent.contains("x-key: s3cret-key"), "{sent}");
}

/// A command line that ends with the slow server.
fn slow(words: &[&str], start: &str, call: &str) -> (TempDir, Command) {
    let home = folder(&[("slow.sh", SLOW)]);
    let mut command = anyport(home.path());
    let environment = [format!("START={start}"), format!("CALL={call}")];
    command.args(words).arg("-e").arg(&environment[0]).arg("-e").arg(&environment[1]);
    command.args(["--", "sh", "slow.sh"]);
    (home, command)
}

#[test]
fn a_terminal_shows_what_is_waited_for_and_nothing_of_it_remains() {
    let (_home, command) = slow(&["call", "hang"], "2.5", "2.5");
    let terminal = Terminal::start(command, 80);
    terminal.until("starting sh … 1 s  warming up");
    terminal.until("starting sh … 2 s  warming up");
    terminal.until("calling hang … 1 s  step two");
    let (code, screen, written) = terminal.end();
    assert_eq!((code, screen.as_str()), (Some(0), "done at last"), "{written:?}");
    assert!(written.contains("\r\u{1b}[Kdone at last"), "erased before the answer: {written:?}");
}

#[test]
fn what_is_waited_for_is_cut_to_the_terminal_and_erased_at_an_error() {
    let (_home, command) = slow(&["call", "hang", "--timeout", "1.5"], "0", "9");
    let terminal = Terminal::errors(command, 26);
    terminal.until("calling hang … 1 s  step…");
    let (code, screen, written) = terminal.end();
    assert_ne!(code, Some(0), "{written:?}");
    assert!(screen.starts_with("error: ") && !screen.contains("calling hang …"), "{screen}");
}

#[test]
fn nothing_is_shown_where_standard_error_is_no_terminal_or_results_alone_are_wanted() {
    let (_home, command) = slow(&["call", "hang"], "0", "1.5");
    let ended = to_the_end(command);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("done at last\n", ""));
    let (_home, command) = slow(&["call", "hang", "-q"], "0", "1.5");
    let (code, screen, _) = Terminal::errors(command, 80).end();
    assert_eq!((code, screen.as_str()), (Some(0), ""));
    let (_home, mut command) = slow(&["call", "hang"], "0", "1.5");
    command.env("COLUMNS", "80");
    let (code, screen, written) = Terminal::errors(command, 80).end();
    assert_eq!((code, screen.as_str()), (Some(0), ""));
    assert!(written.contains("calling hang … 1 s"), "{written:?}");
}

#[test]
fn every_message_is_a_line_with_its_time_at_the_second_v() {
    let (_home, command) = slow(&["call", "hang", "-vv"], "0", "0");
    let ended = to_the_end(command);
    assert_eq!(ended.stdout, "done at last\n", "{ended:?}");
    for line in ["-> initialize (id ", "-> tools/call hang (id ", "<- tools/call hang (id ", "): result, "] {
        assert!(ended.stderr.contains(line), "{line}: {}", ended.stderr);
    }
    let (_home, command) = slow(&["call", "hang", "-v"], "0", "0");
    assert!(!to_the_end(command).stderr.contains("-> "));
}

#[test]
fn a_recording_to_a_dash_is_on_standard_error() {
    let (_home, command) = slow(&["call", "hang", "--record", "-"], "0", "0");
    let ended = to_the_end(command);
    assert_eq!(ended.stdout, "done at last\n");
    let lines: Vec<serde_json::Value> =
        ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["sent"]["method"] == "tools/call"), "{lines:?}");
    assert!(lines.iter().any(|line| line["received"]["result"]["content"].is_array()), "{lines:?}");
}

#[test]
fn a_narrow_terminal_shows_every_uri_and_name_whole_and_wraps_signatures() {
    let home = folder(&[("docs/a/long/way/to/a/document/with/a/long/name.md", "# A title of some length")]);
    let run = |words: &[&str]| {
        let mut command = anyport(home.path());
        command.args(words).args(["--", env!("CARGO_BIN_EXE_anyport"), "serve", "docs", "--stdio"]);
        let (code, screen, _) = Terminal::start(command, 44).end();
        assert_eq!(code, Some(0), "{screen}");
        screen
    };
    let resources = run(&["resources"]).replace('\n', "");
    assert!(resources.contains("a/long/way/to/a/document/with/a/long/name.md"), "{resources}");
    assert!(resources.contains("A title of some length"), "{resources}");
    let tools = run(&["tools"]);
    let (_, search) = tools.split_once("search_docs(query: string,\n        ").unwrap();
    assert!(search.contains("limit?: integer"), "{tools}");
    assert!(tools.lines().all(|line| line.chars().count() <= 44), "{tools}");
}

#[test]
fn requests_over_http_are_shown_with_their_status_and_time() {
    let server = Scripted::start(modern);
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["call", &server.url(), "look", "-vv"]);
    let ended = to_the_end(command);
    assert_eq!(ended.stdout, "seen\n", "{ended:?}");
    let post = format!("HTTP POST {}: 200, ", server.url());
    assert_eq!(ended.stderr.matches(&post).count(), 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("<- tools/call look (id "), "{}", ended.stderr);
}

#[test]
fn a_certificate_that_nobody_trusts_is_accepted_only_on_demand_and_with_a_warning() {
    let certified = rcgen::generate_simple_self_signed(vec!["elsewhere.example".into()]).unwrap();
    let server = Scripted::secure(&certified, modern);
    let url = server.url().replace("http:", "https:");
    let home = folder(&[]);
    let run = |words: &[&str]| {
        let mut command = anyport(home.path());
        command.args(words);
        to_the_end(command)
    };
    let refused = run(&["call", &url, "look"]);
    assert!(refused.code == Some(4) && server.asked().is_empty(), "{refused:?}");
    for quiet in [&["--insecure"][..], &["--insecure", "-q"]] {
        let accepted = run(&[&["call", &url, "look", "-H", "X-Test: yes"], quiet].concat());
        assert_eq!((accepted.code, accepted.stdout.as_str()), (Some(0), "seen\n"), "{accepted:?}");
        let warning = format!("warning: --insecure: the certificate of {url} is not checked");
        assert!(accepted.stderr.starts_with(&warning), "{accepted:?}");
    }
    assert!(server.asked().iter().all(|asked| asked.headers.contains("x-test: yes")));
    let diagnosed = run(&["doctor", &url, "--insecure"]);
    assert_eq!(diagnosed.code, Some(0), "{diagnosed:?}");
    assert!(diagnosed.stdout.contains("the certificate is not checked"), "{diagnosed:?}");
    let command = run(&["tools", "--insecure", "--", "sh"]);
    assert!(command.code == Some(2) && command.stderr.contains("--insecure is for a URL"), "{command:?}");
}
