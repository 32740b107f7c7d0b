//! The everyday commands, as people type them, against real servers of both eras.

#![cfg(unix)]

use crate::support::{
    Ended, anyport, documents, folder,
    scripted::{Scripted, document, modern, result},
    to_the_end,
};
use serde_json::{Value, json};

const ERAS: [&str; 2] = ["2026-07-28", "2025-06-18"];

/// Runs `anyport WORDS --revision REVISION -- anyport serve --stdio` over the documents that every client is tested with.
fn run(words: &[&str], revision: &str) -> Ended {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(words).args([
        "--revision",
        revision,
        "--",
        env!("CARGO_BIN_EXE_anyport"),
        "serve",
        "--stdio",
    ]);
    command.args(["--docs", documents().to_str().unwrap()]);
    to_the_end(command)
}

fn parsed(ended: &Ended) -> Value {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// Runs `anyport WORDS`.
fn bare(words: &[&str]) -> Ended {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(words).env("HOME", home.path()).env_remove("XDG_CONFIG_HOME");
    to_the_end(command)
}

#[test]
fn a_strict_inspection_fails_if_there_is_a_warning() {
    let good = run(&["inspect", "--strict"], ERAS[0]);
    assert_eq!(good.code, Some(0), "{good:?}");
    let server = Scripted::start(|asked| match asked.body["method"].as_str() {
        Some("tools/list") => {
            let schema = json!({"type": "object", "properties": {"a": {"type": ["string", "null"], "format": "uint8"}}});
            let tools =
                ["one", "two"].map(|name| json!({"name": name, "description": "d", "inputSchema": schema}));
            let kept = json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "private", "tools": tools});
            result(asked, &kept)
        }
        _ => modern(asked),
    });
    let url = server.url();
    let lax = bare(&["inspect", &url]);
    assert_eq!(lax.code, Some(0), "{lax:?}");
    assert!(lax.stdout.contains("warning: 2 times a value that may be null"), "{lax:?}");
    let strict = bare(&["inspect", &url, "--strict", "--json"]);
    assert_eq!(strict.code, Some(1), "{strict:?}");
    let found: Value = serde_json::from_str(&strict.stdout).unwrap();
    let codes: Vec<_> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["nullable-union", "format-unknown", "nullable-union", "format-unknown"]);
    assert_eq!(found["findings"][0]["of"], "the tool one");
}

#[test]
fn one_tool_is_shown_with_a_line_that_calls_it() {
    for revision in ERAS {
        let shown = run(&["tools", "search_docs"], revision);
        assert_eq!(shown.code, Some(0), "{shown:?}");
        let lines: Vec<&str> = shown.stdout.lines().collect();
        assert_eq!(lines[0], "search_docs");
        let limit =
            lines.iter().find(|line| line.starts_with("limit?")).unwrap_or_else(|| panic!("{shown:?}"));
        assert!(limit.contains("integer") && limit.contains("1 to "), "{limit}");
        let call = lines.last().unwrap().trim();
        assert!(call.starts_with("anyport call search_docs query=... -- "), "{call}");
        assert!(call.contains("serve --stdio --docs"), "{call}");
        assert_eq!(parsed(&run(&["tools", "search_docs", "--json"], revision))["name"], "search_docs");
        let none = run(&["tools", "search_dosc"], revision);
        assert_eq!(none.code, Some(2), "{none:?}");
        assert!(none.stderr.contains("did you mean search_docs?"), "{none:?}");
    }
}

#[test]
fn tools_are_found_by_words() {
    let revision = ERAS[0];
    let all = run(&["tools", "-q"], revision).stdout;
    let found = run(&["tools", "-q", "--grep", "SEARCH query"], revision);
    assert!(found.stdout.contains("search_docs\n") && found.stdout.len() < all.len(), "{found:?}");
    let none = run(&["tools", "--grep", "elephants"], revision);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{none:?}");
    assert!(none.stderr.contains("tools has all of these words"), "{none:?}");
    let both = run(&["tools", "search_docs", "--grep", "search"], revision);
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[test]
fn arguments_are_checked_before_they_are_sent() {
    for revision in ERAS {
        let ended = run(&["call", "search_docs", "query=x", "limit:=1000000"], revision);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(
            ended.stderr.contains("do not fit the tool's schema: limit: 1000000 is greater than"),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("--unchecked sends them as they are"), "{ended:?}");
        // The server refuses it likewise.
        let sent = run(&["call", "search_docs", "query=x", "limit:=1000000", "--unchecked"], revision);
        assert!(matches!(sent.code, Some(1 | 2 | 5)) && !sent.stderr.contains("do not fit"), "{sent:?}");
    }
}

#[test]
fn one_answer_is_shown_and_both_if_wanted() {
    let server = Scripted::start(|asked| match asked.body["method"].as_str() {
        Some("tools/call") => {
            let text = json!([{"type": "text", "text": "two"}]);
            let both = json!({"resultType": "complete", "content": text, "structuredContent": {"result": 2}});
            result(asked, &both)
        }
        _ => modern(asked),
    });
    let url = server.url();
    assert_eq!(bare(&["call", &url, "look"]).stdout, "two\n");
    assert_eq!(bare(&["call", &url, "look", "--all"]).stdout, "two\n2\n");
    assert_eq!(parsed(&bare(&["call", &url, "look", "--json"]))["structuredContent"]["result"], 2);
}

#[test]
fn lists_are_shown_to_people_and_to_programs_in_both_eras() {
    for revision in ERAS {
        let tools = run(&["tools"], revision);
        assert_eq!(tools.code, Some(0), "{tools:?}");
        assert!(tools.stdout.contains("search_docs("), "{tools:?}");
        let names = run(&["tools", "-q"], revision).stdout;
        let listed = parsed(&run(&["tools", "--json"], revision));
        let listed: Vec<&str> =
            listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names.lines().collect::<Vec<_>>(), listed);
        let resources = parsed(&run(&["resources", "--json"], revision));
        assert!(resources["resources"][0]["uri"].as_str().unwrap().starts_with("docs:///"), "{resources}");
        assert!(!parsed(&run(&["prompts", "--json"], revision))["prompts"].as_array().unwrap().is_empty());
    }
}

#[test]
fn a_tool_is_called_and_a_resource_read_in_both_eras() {
    for revision in ERAS {
        let result = parsed(&run(&["call", "search_docs", "query=the", "limit=1", "--json"], revision));
        assert!(result["content"][0]["text"].is_string(), "{result}");
        let resources = parsed(&run(&["resources", "--json"], revision));
        let uri = resources["resources"][0]["uri"].as_str().unwrap();
        let read = run(&["read", uri], revision);
        assert_eq!(read.code, Some(0), "{read:?}");
        let value = parsed(&run(&["read", uri, "--json"], revision));
        let text = value["contents"][0]["text"].as_str().unwrap();
        assert_eq!(read.stdout.trim_end(), text.replace("\r\n", "\n").trim_end());
    }
}

#[test]
fn inspecting_tells_revision_era_and_counts() {
    for (revision, era) in ERAS.into_iter().zip(["modern", "legacy"]) {
        let found = parsed(&run(&["inspect", "--json"], revision));
        assert_eq!((&found["revision"], &found["era"]), (&revision.into(), &era.into()));
        assert!(found["counts"]["tools"].as_u64().unwrap() > 0, "{found}");
        assert_eq!(found["warnings"], Value::Array(Vec::new()));
        let shown = run(&["inspect"], revision);
        assert!(shown.stdout.contains(&format!("{revision} ({era})")), "{shown:?}");
    }
}

#[test]
fn slips_end_with_2_and_say_what_was_meant() {
    let check = |words: &[&str], problem: &str, help: &str| {
        let ended = run(words, ERAS[0]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(problem) && ended.stderr.contains(help), "{ended:?}");
    };
    check(&["call", "serch_docs"], "the server has no tool serch_docs", "did you mean search_docs");
    check(&["call", "search_docs"], "the argument query is missing", "search_docs(query: string");
    check(&["call", "search_docs", "qery=a"], "search_docs takes no argument qery", "did you mean query?");
    check(
        &["call", "search_docs", "query=a", "limit=few"],
        "limit: a whole number was expected",
        "search_docs(",
    );
    check(&["call"], "no TOOL was named", "TOOL -- COMMAND");
    let nobody = bare(&["tools"]);
    assert_eq!(nobody.code, Some(2));
    assert!(nobody.stderr.contains("no server was given"), "{nobody:?}");
}

#[test]
fn a_server_that_is_not_there_ends_with_4() {
    let program = bare(&["tools", "--", "no-such-program-anywhere"]);
    assert_eq!(program.code, Some(4), "{program:?}");
    assert!(program.stderr.contains("no-such-program-anywhere"), "{program:?}");
    let socket = bare(&["tools", "unix:/no/such.sock"]);
    assert_eq!(socket.code, Some(4), "{socket:?}");
    let silent = bare(&["tools", "--", "false"]);
    assert_eq!(silent.code, Some(4), "{silent:?}");
}

#[test]
fn a_server_is_found_by_its_name_in_an_mcp_json() {
    let home = folder(&[]);
    let entry = serde_json::json!({"mcpServers": {"guides": {
        "command": env!("CARGO_BIN_EXE_anyport"), "args": ["serve", "--stdio", "--docs", "${DOCS}"]}}});
    std::fs::write(home.path().join(".mcp.json"), entry.to_string()).unwrap();
    let mut command = anyport(home.path());
    command.args(["tools", "-q", "guides"]).env("DOCS", documents()).env("HOME", home.path().join("me"));
    let ended = to_the_end(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("search_docs\n"), "{ended:?}");
}

#[test]
fn a_session_is_recorded_for_its_owner() {
    let home = folder(&[]);
    let file = home.path().join("session");
    let ended = run(&["tools", "-q", "--record", file.to_str().unwrap()], ERAS[1]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let recorded = std::fs::read_to_string(&file).unwrap();
    assert!(
        recorded.lines().any(|line| line.contains("\"sent\"") && line.contains("tools/list")),
        "{recorded}"
    );
    assert!(recorded.lines().any(|line| line.contains("\"received\"")), "{recorded}");
}

#[test]
fn a_recording_is_played_against_a_server_of_the_other_era() {
    let home = folder(&[]);
    let file = home.path().join("session");
    let file = file.to_str().unwrap();
    assert_eq!(run(&["resources", "-q", "--record", file], ERAS[1]).code, Some(0));
    let played = run(&["replay", file], ERAS[0]);
    assert_eq!(played.code, Some(0), "{played:?}");
    assert!(played.stdout.contains("same  resources/list\n"), "{played:?}");
    let recorded = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, recorded.replace("docs:///", "docs:///elsewhere/")).unwrap();
    let played = run(&["replay", file], ERAS[0]);
    assert_eq!(played.code, Some(1), "{played:?}");
    assert!(played.stdout.contains("result.resources[0].uri is"), "{played:?}");
}

#[test]
fn a_command_asks_for_nothing_that_it_does_not_need() {
    let server = Scripted::start(modern);
    assert_eq!(bare(&["tools", &server.url()]).code, Some(0));
    let asked: Vec<Value> = server.asked().into_iter().map(|mut asked| asked.body["method"].take()).collect();
    assert_eq!(asked, ["server/discover", "tools/list"]);
}

#[test]
fn a_server_that_does_not_end_by_itself_is_not_waited_for() {
    // It goes on after its input has ended, as programs with timers do, and ends when it is told to. Two seconds is what a
    // connection that lives longer would give it: it would note that it was given more than one.
    let home = folder(&[]);
    let noted = home.path().join("waited");
    let program = r#"while read -r line; do
        case "$line" in
        *'"server/discover"'*) echo '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}' ;;
        *'"initialize"'*) echo '{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},
            "serverInfo":{"name":"s","version":"1"}}}' | tr -d '\n'; echo ;;
        *'"tools/list"'*) echo '{"jsonrpc":"2.0","id":3,"result":{"tools":[]}}' ;;
        esac
    done; sleep 1.5; echo > "$0"; exec sleep 100"#;
    let ended = bare(&["tools", "-q", "--", "sh", "-c", program, noted.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!noted.exists(), "it was waited for");
}

#[test]
fn servers_are_reached_over_http_in_both_eras() {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0", "--docs", documents().to_str().unwrap()]);
    let mut program = crate::support::Program::start(command);
    let line = program.error_line(|line| line.starts_with("  http "));
    let url = line.split_whitespace().last().unwrap();
    for revision in ERAS {
        let found = parsed(&bare(&["inspect", "--json", "--revision", revision, url]));
        assert_eq!((&found["revision"], &found["transport"]), (&revision.into(), &"http".into()));
        let called = bare(&["call", url, "search_docs", "query=the", "limit=1", "--revision", revision]);
        assert_eq!(called.code, Some(0), "{called:?}");
    }
}

#[test]
fn a_server_that_wants_a_token_ends_with_3_and_is_reached_with_it() {
    const TOKEN: &str = "a-token-of-more-than-sixteen-characters";
    let home = folder(&[("token", TOKEN)]);
    let place = format!("file:{}", home.path().join("token").display());
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0", "--auth-token", &place, "--docs", documents().to_str().unwrap()]);
    let mut program = crate::support::Program::start(command);
    let line = program.error_line(|line| line.starts_with("  http "));
    let url = line.split_whitespace().last().unwrap();
    let refused = bare(&["tools", url]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("--bearer env:NAME"), "{refused:?}");
    let reached = bare(&["tools", url, "--bearer", &place]);
    assert_eq!(reached.code, Some(0), "{reached:?}");
    let literal = bare(&["tools", url, "--bearer", TOKEN]);
    assert_eq!(literal.code, Some(2), "{literal:?}");
    assert!(!literal.stderr.contains(TOKEN), "{literal:?}");
}

#[test]
fn colours_are_written_only_where_they_are_wanted() {
    let plain = run(&["tools"], ERAS[0]);
    assert!(!plain.stdout.contains('\u{1b}'), "{plain:?}");
    let always = run(&["tools", "--color", "always"], ERAS[0]);
    assert!(always.stdout.contains("\u{1b}[1m"), "{always:?}");
}

/// A server of 2025-11-25 that asks for roots some time after it is initialized, and answers everything else meanwhile.
const ASKS_LATE: &str = r#"
root=none
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
while read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case "$line" in
    *'"id":"roots"'*) root=${line#*file://}; root=${root%%\"*} ;;
    *notifications/initialized*) (sleep 0.1; printf '{"jsonrpc":"2.0","id":"roots","method":"roots/list"}\n') & ;;
    *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"ping"'*) answer "$id" '{}' ;;
    *'"tools/list"'*) answer "$id" '{"tools":[{"name":"where","inputSchema":{"type":"object"}}]}' ;;
    *'"tools/call"'*) answer "$id" '{"content":[{"type":"text","text":"'"$root"'"}]}' ;;
  esac
done
"#;

#[test]
fn a_server_that_takes_its_time_to_ask_for_roots_has_them_before_it_is_called() {
    let home = folder(&[]);
    let root = home.path().canonicalize().unwrap();
    let mut command = anyport(home.path());
    command.args(["call", "where", "--json", "--root"]).arg(&root).args(["--", "sh", "-c", ASKS_LATE]);
    let said = parsed(&to_the_end(command));
    assert_eq!(said["content"][0]["text"], root.to_str().unwrap());
}

#[test]
fn a_tool_that_can_ask_in_another_revision_alone_fails_with_the_option_for_it() {
    for (code, words) in [
        (None, "elicitation via server-initiated requests is unavailable on 2026-07-28 connections."),
        (
            Some(-32600),
            "Cannot send 'elicitation/create': this transport context has no back-channel for server-initiated requests.",
        ),
    ] {
        let server = Scripted::start(move |asked| match (asked.body["method"].as_str(), code) {
            (Some("tools/call"), None) => {
                let content = json!([{"type": "text", "text": words}]);
                result(asked, &json!({"resultType": "complete", "content": content, "isError": true}))
            }
            (Some("tools/call"), Some(code)) => {
                let error = json!({"code": code, "message": words});
                document(&json!({"jsonrpc": "2.0", "id": asked.body["id"], "error": error}))
            }
            _ => modern(asked),
        });
        let ended = bare(&["call", &format!("http://{}/mcp", server.address), "look"]);
        assert!(ended.stderr.contains("--revision 2025-11-25"), "{ended:?}");
    }
}
