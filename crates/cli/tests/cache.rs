//! `--cache`: answers that are kept for as long as the documents stay as they are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::{fs, path::Path, time::Instant};

use serde_json::{Value, json};
use support::{PATIENCE, Program, folder, modern, standard};

/// How many answers the log says were kept ones.
fn kept(log: &Path) -> usize {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().filter(|line| line.contains("layer::cache: kept")).count()
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
fn what_is_wrong_is_asked_anew_each_time() {
    let (mut program, log) = start(&["--cache"]);
    let log = log.path().join("log");
    until_kept(&mut program, &log, &standard());
    let before = kept(&log);
    for _ in 0..3 {
        program.call(&modern(1, "tools/call", json!({"name": "get_doc", "arguments": {"path": 7}})));
        program.call(&modern(2, "tools/call", json!({"name": "no_such_tool"})));
    }
    program.close_input();
    program.wait();
    assert_eq!(kept(&log), before);
}
