//! What commands write with `--json` is what the tables of `docs/cli.md` say: no member more, none less, each of its type.
//!
//! Invariant: The JSON output of the commands, failures included, is what the book says.

#![cfg(unix)]

use crate::support::{
    Ended, anyport, documents, folder,
    scripted::{Scripted, modern, result},
    to_the_end,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A member as a row of a table names it: `steps[].help`, or `content[].*` for whatever else is there.
#[derive(Debug)]
struct Member {
    path: Vec<String>,
    optional: bool,
    types: Vec<String>,
}

/// The members that the page says the answer under `heading` has.
fn documented(heading: &str) -> Vec<Member> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mark = format!("\n### {heading}\n");
    let (_, after) = page.split_once(&mark).unwrap_or_else(|| panic!("the page lacks {heading}"));
    let section = after.split("\n## ").next().unwrap().split("\n### ").next().unwrap();
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?;
        let (name, optional) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
        let path = name.replace("[]", ".[]").split('.').map(str::to_owned).collect();
        let types = cells.next()?.trim_end_matches([' ', '|']).split(" or ").map(str::to_owned).collect();
        Some(Member { path, optional, types })
    };
    let members: Vec<Member> = section.lines().filter_map(row).collect();
    assert!(!members.is_empty(), "nothing is said of {heading}");
    members
}

/// Holds `value` against the members whose path begins with `at`.
fn hold(value: &Value, at: &[String], members: &[Member]) {
    let below: Vec<&Member> =
        members.iter().filter(|member| member.path.starts_with(at) && member.path.len() > at.len()).collect();
    if below.is_empty() {
        return;
    }
    let inner = |name: &str| at.iter().cloned().chain([name.to_owned()]).collect::<Vec<_>>();
    match value {
        Value::Array(entries) => entries.iter().for_each(|entry| hold(entry, &inner("[]"), members)),
        Value::Object(object) => {
            let anything = below.iter().any(|member| member.path[at.len()] == "*");
            for (name, value) in object {
                let path = inner(name);
                match below.iter().find(|member| member.path == path) {
                    Some(member) => fits(value, member),
                    // An object that is told only by what is in it.
                    None if below.iter().any(|member| member.path.starts_with(&path)) => {}
                    None => assert!(anything, "{path:?} is not documented: {value}"),
                }
                hold(value, &path, members);
            }
            for member in below.iter().filter(|member| !member.optional && member.path[at.len()] != "*") {
                assert!(
                    object.contains_key(&member.path[at.len()]),
                    "{:?} is missing: {object:?}",
                    member.path
                );
            }
        }
        Value::Null => {}
        other => panic!("{at:?} should have members: {other}"),
    }
}

fn fits(value: &Value, member: &Member) {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    assert!(member.types.iter().any(|one| one == found || one == "any"), "{member:?}, not {value}");
}

/// Runs `anyport WORDS --json` and holds what it writes against the section `heading`.
fn check(heading: &str, words: &[&str], code: i32) -> Value {
    let ended = run(words);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(code), ""), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    let value: Value = serde_json::from_str(&ended.stdout).unwrap();
    hold(&value, &[], &documented(heading));
    value
}

fn run(words: &[&str]) -> Ended {
    run_at(&folder(&[]), words)
}

fn run_at(home: &TempDir, words: &[&str]) -> Ended {
    let mut command = anyport(home.path());
    command.args(words).env("HOME", home.path());
    to_the_end(command)
}

/// `WORDS --json --revision REVISION -- anyport serve --stdio` over the documents that every client is tested with.
fn over_documents(words: &[&str], revision: &str) -> Vec<String> {
    let docs = documents();
    let serve = ["--", env!("CARGO_BIN_EXE_anyport"), "serve", "--stdio", "--docs", docs.to_str().unwrap()];
    let all = [words, &["--json", "--revision", revision], &serve].concat();
    all.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_answer_has_the_shape_that_is_documented_in_both_eras() {
    for revision in ["2026-07-28", "2025-06-18"] {
        let check = |heading: &str, words: &[&str]| {
            let words = over_documents(words, revision);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            check(heading, &words, 0)
        };
        check("anyport tools --json", &["tools"]);
        check("anyport tools TOOL --json", &["tools", "search_docs"]);
        check("anyport call --json", &["call", "search_docs", "query=the"]);
        let resources = check("anyport resources --json", &["resources"]);
        check("anyport read --json", &["read", resources["resources"][0]["uri"].as_str().unwrap()]);
        check("anyport prompts --json", &["prompts"]);
        check(
            "anyport prompt --json",
            &["prompt", "apply_standard", "language=python", "domain=testing", "code=x"],
        );
        check("anyport inspect --json", &["inspect"]);
        check("anyport doctor --json", &["doctor"]);
        let home = folder(&[]);
        let file = home.path().join("session");
        let file = file.to_str().unwrap();
        check("anyport tools --json", &["tools", "--record", file]);
        check("anyport replay --json", &["replay", file]);
    }
}

#[test]
fn a_tool_that_failed_is_an_answer() {
    let server = Scripted::start(|asked| match asked.body["method"].as_str() {
        Some("tools/call") => result(
            asked,
            &json!({"resultType": "complete", "isError": true, "structuredContent": {"a": 1},
                "content": [{"type": "text", "text": "no"}]}),
        ),
        _ => modern(asked),
    });
    let answer = check("anyport call --json", &["call", "--json", &server.url(), "look"], 5);
    assert_eq!(answer["isError"], true);
}

#[test]
fn configured_servers_have_the_shape_that_is_documented() {
    let server = Scripted::start(modern);
    let file = json!({"mcpServers": {
        "up": {"url": server.url()},
        "down": {"command": "no-such-program-anywhere"},
        "off": {"command": "x", "disabled": true},
    }});
    let home = folder(&[(".cursor/mcp.json", &file.to_string()), (".gemini/settings.json", "{")]);
    let ended = run_at(&home, &["servers", "--check", "--json"]);
    let value: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    hold(&value, &[], &documented("anyport servers --json"));
    let found = |name: &str| value["servers"].as_array().unwrap().iter().find(|one| one["name"] == name);
    let status = |name: &str| found(name).unwrap()["check"]["status"].clone();
    assert_eq!(["up", "down", "off"].map(status), ["ok", "failed", "skipped"], "{value}");
    assert_eq!(value["broken"][0]["client"], "Gemini CLI", "{value}");
}

#[test]
fn what_a_server_does_not_have_is_an_empty_list() {
    let server = Scripted::start(modern);
    let url = server.url();
    assert_eq!(check("anyport prompts --json", &["prompts", "--json", &url], 0), json!({"prompts": []}));
    let none = json!({"resources": [], "resourceTemplates": []});
    assert_eq!(check("anyport resources --json", &["resources", "--json", &url], 0), none);
    let told = run(&["prompts", &url]);
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), "the server has no prompts\n"), "{told:?}");
}

/// Runs `anyport WORDS`, which fails, and holds the failure against what is documented of failures.
fn failure(words: &[&str], kind: &str, code: i32, message: &str) -> Value {
    let ended = run(words);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:?}");
    let last = ended.stderr.lines().last().unwrap();
    let value: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{ended:?}"));
    hold(&value, &[], &documented("Failures"));
    let error = &value["error"];
    assert_eq!((&error["kind"], &error["exit"]), (&kind.into(), &code.into()), "{value}");
    assert!(error["message"].as_str().unwrap().contains(message), "{value}");
    value
}

#[test]
fn every_failure_is_one_line_of_json_with_its_exit_code() {
    failure(
        &["tools", "--json", "--", "no-such-program-anywhere"],
        "unreachable",
        4,
        "no-such-program-anywhere",
    );
    failure(&["tools", "--json"], "usage", 2, "no server was given");
    let slip = failure(&["tools", "--json", "--tiemout", "3"], "usage", 2, "there is no option --tiemout");
    assert!(slip["error"]["help"].as_str().unwrap().contains("--timeout"), "{slip}");
    failure(&["call", "--json", "http://127.0.0.1:9/mcp"], "usage", 2, "no TOOL was named");
    let server = Scripted::start(modern);
    let url = server.url();
    let unknown = failure(&["call", "--json", &url, "lok"], "usage", 2, "no tool lok");
    assert_eq!(unknown["error"]["help"], "did you mean look?");
    failure(&["read", "--json", &url, "a:b"], "failed", 1, "no such method");
    for (status, words) in
        [("401 Unauthorized", "wants to know who calls"), ("403 Forbidden", "does not allow this")]
    {
        let refuses = Scripted::start(move |_| crate::support::scripted::response(status, &[], ""));
        failure(&["tools", "--json", &refuses.url()], "auth", 3, words);
    }
    // What stands after -- is told to another program.
    let other = run(&["tools", "--tiemout", "3", "--", "x", "--json"]);
    assert!(other.stderr.starts_with("error: "), "{other:?}");
}

#[test]
fn a_page_of_the_web_or_a_wrong_path_is_no_server() {
    for (status, kind) in
        [("200 OK", "Content-Type: text/html"), ("404 Not Found", "Content-Type: text/html")]
    {
        let page = Scripted::start(move |_| crate::support::scripted::response(status, &[kind], "<html>"));
        let found = failure(&["tools", "--json", &page.url()], "unreachable", 4, "");
        assert!(found["error"]["help"].as_str().unwrap().contains("anyport doctor"), "{found}");
    }
}

#[test]
fn a_resource_that_is_not_there_is_told_with_those_that_are_near() {
    for revision in ["2026-07-28", "2025-06-18"] {
        let words = over_documents(&["resources"], revision);
        let listed: Value =
            serde_json::from_str(&run(&words.iter().map(String::as_str).collect::<Vec<_>>()).stdout).unwrap();
        let uri = listed["resources"][0]["uri"].as_str().unwrap();
        let words = over_documents(&["read", &uri[..uri.len() - 1]], revision);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let found = failure(&words, "failed", 1, "");
        assert!(found["error"]["help"].as_str().unwrap().contains(uri), "{found}");
    }
}
