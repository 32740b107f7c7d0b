//! `--cache`: answers that are kept for as long as the documents stay as they are.
//!
//! Invariant: After the cache is cleared, no older answer is stored or returned.

use std::{fs, path::Path, time::Instant};

use crate::support::{PATIENCE, Program, folder, modern, standard};
use serde_json::{Value, json};

const KEPT: &str = "layers::cache: kept";

/// How many answers the log says were kept ones.
fn kept(log: &Path) -> usize {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().filter(|line| line.contains(KEPT)).count()
}

/// A program that keeps answers if `arguments` say so, and its log.
fn start(arguments: &[&str]) -> (Program, tempfile::TempDir) {
    let log = folder(&[]);
    let path = log.path().join("log");
    let common = ["--log-level", "debug", "--log-file", path.to_str().unwrap()];
    (Program::stdio(&[&common, arguments].concat()), log)
}

/// Calls until one of the answers was a kept one, and returns it with the first one.
fn until_kept(program: &mut Program, log: &Path, params: &Value) -> (Value, Value) {
    let before = kept(log);
    let begun = Instant::now();
    let first = program.call(&modern(1, "tools/call", params.clone()));
    loop {
        let answer = program.call(&modern(1, "tools/call", params.clone()));
        if kept(log) > before {
            return (first, answer);
        }
        assert!(begun.elapsed() < PATIENCE, "nothing is kept");
    }
}

#[test]
fn answers_are_kept_if_that_is_wanted() {
    for arguments in [&["--cache"][..], &["--cache", "60"]] {
        let (mut program, log) = start(arguments);
        // What came first may have come before the documents were read.
        until_kept(&mut program, &log.path().join("log"), &standard());
        let (first, second) = until_kept(&mut program, &log.path().join("log"), &standard());
        assert_eq!(first, second);
        assert_eq!(first["result"]["structuredContent"]["title"], "Python Testing Standards");
    }
    for arguments in [&[][..], &["--cache", "0"]] {
        let (mut program, log) = start(arguments);
        for _ in 0..20 {
            program.call(&modern(1, "tools/call", standard()));
        }
        program.close_input();
        program.wait();
        assert_eq!(kept(&log.path().join("log")), 0);
    }
}

#[test]
fn what_is_wrong_and_how_the_server_is_are_asked_anew_each_time() {
    let (mut program, log) = start(&["--cache"]);
    let log = log.path().join("log");
    until_kept(&mut program, &log, &standard());
    for _ in 0..3 {
        program.call(&modern(1, "tools/call", json!({"name": "get_doc", "arguments": {"path": 7}})));
        program.call(&modern(2, "tools/call", json!({"name": "no_such_tool"})));
        // What it says is true at this moment only.
        let health = program.call(&modern(3, "tools/call", json!({"name": "health_check"})));
        assert!(health["result"]["structuredContent"].is_object(), "{health}");
    }
    program.close_input();
    program.wait();
    let text = fs::read_to_string(&log).unwrap();
    // Lines are written some time after the answers that they tell of, so they are not counted, but read.
    let lines: Vec<_> = text.lines().filter(|line| line.contains(KEPT)).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line.contains("get_stdlib")), "{lines:#?}");
}

#[test]
fn what_was_kept_is_forgotten_when_a_document_changes_and_new_answers_are_kept_again() {
    let docs = folder(&[("a.md", "apple"), ("b.md", "banana")]);
    let (mut program, log) = start(&["--cache", "--docs", docs.path().to_str().unwrap()]);
    let log = log.path().join("log");
    let asked = json!({"name": "get_doc", "arguments": {"path": "a.md"}});
    let content = |answer: &Value| answer["result"]["structuredContent"]["content"].clone();
    for text in ["apricot", "avocado"] {
        until_kept(&mut program, &log, &asked);
        fs::write(docs.path().join("a.md"), text).unwrap();
        let begun = Instant::now();
        // Far sooner than after the 300 s for which an answer is kept.
        while content(&program.call(&modern(1, "tools/call", asked.clone()))) != *text {
            assert!(begun.elapsed() < PATIENCE, "it does not become {text}");
        }
        let (first, second) = until_kept(&mut program, &log, &asked);
        assert_eq!((content(&first), content(&second)), (json!(text), json!(text)));
    }
}

#[test]
fn plain_calls_and_those_of_mcp_are_kept_alike() {
    let log = folder(&[]);
    let path = log.path().join("log");
    let (_program, server) =
        Program::http(&["--cache", "--log-level", "debug", "--log-file", path.to_str().unwrap()]);
    let call =
        json!({"method": "get_stdlib", "params": {"domain": "testing", "language": "python"}, "id": 1});
    let plain = || {
        let json = [("Content-Type", "application/json")];
        server.ask("POST", "/mcp/call", &json, &call.to_string()).json()
    };
    let begun = Instant::now();
    // Nothing is kept before the documents are read, so what comes after a kept answer is all of them.
    while kept(&path) == 0 {
        plain();
        assert!(begun.elapsed() < PATIENCE, "nothing is kept");
    }
    let first = plain();
    assert_eq!(first["result"]["found"], true, "{first}");
    let answer = server.post(&modern(1, "tools/call", standard()), &[]).json();
    assert_eq!(answer["result"]["structuredContent"], first["result"]);
}
