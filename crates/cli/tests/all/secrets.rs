//! What was given to reach a server is shown nowhere: not in errors, not in logs, not in recordings, even where the server
//! repeats it.
//!
//! Invariant: What was given to reach a server appears in no error, log or recording, even if the server
//! repeats it.

#![cfg(unix)]

use crate::support::{
    Ended, Program, anyport, folder,
    scripted::{Asked, Scripted, document, modern, response},
    to_the_end,
};
use serde_json::json;

const TOKEN: &str = "a-token-that-nobody-may-see";
const KEY: &str = "a-key-that-nobody-may-see";
const QUERY: &str = "a-part-of-the-url-that-nobody-may-see";

/// Runs `anyport WORDS`, with the token in a variable and the key in another.
fn run(words: &[&str]) -> Ended {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(words).env("HOME", home.path()).env("TOKEN", TOKEN).env("KEY", KEY);
    to_the_end(command)
}

fn hides(text: &str) {
    for secret in [TOKEN, KEY, QUERY] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

/// All headers and the path, as a careless server repeats them.
fn repeated(asked: &Asked) -> String {
    format!("{} {}", asked.path, asked.headers.replace("\r\n", " "))
}

#[test]
fn what_a_server_repeats_of_its_headers_is_hidden_at_every_verbosity() {
    let careless = |asked: &Asked| {
        let said = repeated(asked);
        match asked.body["method"].as_str() {
            Some("tools/call") => document(&json!({"jsonrpc": "2.0", "id": asked.body["id"],
                "error": {"code": -32603, "message": said, "data": {"headers": said}}})),
            _ => modern(asked),
        }
    };
    let server = Scripted::start(careless);
    let rude = Scripted::start(|asked| response("500 Oh no", &[], &repeated(asked)));
    let home = folder(&[]);
    let file = home.path().join("session");
    for verbosity in ["--quiet", "-v", "-vv", "-vvv", "--json"] {
        for (at, code) in [(server.address, 1), (rude.address, 4)] {
            let url = format!("http://{at}/mcp?key={QUERY}&a=b");
            let given =
                ["--bearer", "env:TOKEN", "--header", "X-Key: ${KEY}", "--record", file.to_str().unwrap()];
            let ended = run(&[&["call", &*url, "look", verbosity], &given[..]].concat());
            assert_eq!(ended.code, Some(code), "{ended:?}");
            hides(&ended.stderr);
            hides(&ended.stdout);
            // It was repeated, and is hidden.
            assert!(verbosity != "--json" || ended.stderr.contains("<hidden>"), "{ended:?}");
            hides(&std::fs::read_to_string(&file).unwrap());
        }
    }
    // It was sent.
    assert!(server.asked().iter().all(|asked| asked.headers.contains(TOKEN) && asked.headers.contains(KEY)));
}

#[test]
fn what_a_program_repeats_of_its_variables_is_hidden_in_errors() {
    let given = format!("SECRET={KEY}");
    for verbosity in ["--quiet", "-vv", "--json"] {
        let words = ["tools", verbosity, "-e", &given, "--", "sh", "-c", "echo \"key $SECRET\" >&2; exit 1"];
        let ended = run(&words);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(ended.stderr.contains("key <hidden>"), "{ended:?}");
        hides(&ended.stderr);
    }
}

#[test]
fn a_bridge_logs_no_secret() {
    let rude = Scripted::start(|asked| response("500 Oh no", &[], &repeated(asked)));
    let home = folder(&[]);
    let log = home.path().join("log");
    let mut command = anyport(home.path());
    let url = format!("http://{}/mcp?key={QUERY}", rude.address);
    command.args(["bridge", "--stdio", &url, "--bearer", "env:TOKEN", "--header", "X-Key: ${KEY}"]);
    command.args(["--log-level", "trace", "--log-file", log.to_str().unwrap()]);
    command.env("TOKEN", TOKEN).env("KEY", KEY);
    let mut program = Program::start(command);
    let answer = program.call(&crate::support::modern(1, "tools/list", json!({})));
    assert!(answer["error"].is_object(), "{answer}");
    program.close_input();
    program.wait();
    hides(&program.stderr());
    hides(&std::fs::read_to_string(log).unwrap());
}

#[test]
fn what_is_wrong_with_a_secret_is_told_without_it() {
    let check = |words: &[&str], code: i32| {
        let ended = run(words);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        hides(&ended.stderr);
    };
    let url = "http://127.0.0.1:9/mcp";
    check(&["tools", url, "--bearer", TOKEN], 2);
    check(&["tools", url, "--header", TOKEN], 2);
    check(&["tools", url, "--header", &format!("X-Key: {KEY}\u{7f}")], 2);
    check(&["tools", "-e", KEY, "--", "x"], 2);
    check(&["tools", &format!("http://me:{TOKEN}@127.0.0.1:9/mcp")], 2);
    check(&["tools", &format!("http://127.0.0.1:9/mcp?key={QUERY}")], 4);
    check(&["tools", &format!("http://me:a/{TOKEN}@127.0.0.1:9/mcp")], 2);
    check(&["tools", &format!("ws://127.0.0.1:99999/?key={QUERY}")], 2);
    check(&["tools", &format!("gopher://127.0.0.1/?key={QUERY}")], 2);
}
