//! Documents that change while the program serves them.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::support::{Program, anyport, folder, http::Server, modern};
use serde_json::json;

/// How long a change may take to be seen before a test fails; the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// What `get_doc` answers.
fn document(server: &Server, path: &str) -> Option<String> {
    let arguments = json!({"name": "get_doc", "arguments": {"path": path}});
    let answer = server.post(&modern(1, "tools/call", arguments), &[]).json();
    answer["result"]["structuredContent"]["content"].as_str().map(str::to_owned)
}

#[track_caller]
fn becomes(server: &Server, path: &str, expected: Option<&str>) {
    let begun = Instant::now();
    loop {
        let found = document(server, path);
        if found.as_deref() == expected {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{path} is {found:?} and not {expected:?}");
    }
}

#[test]
fn what_is_changed_is_served_changed() {
    let docs = folder(&[("a.md", "apple")]);
    let (_program, server) = Program::http(&["--docs", docs.path().to_str().unwrap(), "--cache"]);
    becomes(&server, "a.md", Some("apple"));
    fs::write(docs.path().join("a.md"), "apricot").unwrap();
    becomes(&server, "a.md", Some("apricot"));
    fs::create_dir(docs.path().join("new")).unwrap();
    fs::write(docs.path().join("new/b.md"), "banana").unwrap();
    becomes(&server, "new/b.md", Some("banana"));
    fs::remove_file(docs.path().join("a.md")).unwrap();
    becomes(&server, "a.md", None);
}

#[test]
fn limits_of_documents_are_set_by_name_and_told() {
    let docs = folder(&[("a.md", "apple"), ("b.md", "banana split"), ("c.md", "cherry")]);
    let docs = docs.path().to_str().unwrap();
    let limits = ["max_documents=2", "max_document_bytes=6", "max_held_bytes=1"];
    let limits = limits.iter().flat_map(|limit| ["--limit", limit]);
    let arguments: Vec<&str> = ["--port", "0", "--docs", docs].into_iter().chain(limits).collect();
    let mut program = Program::serve(&arguments);
    let server = program.server();
    let (said, _) = program.banner();
    assert!(said.contains("more than 2 documents (max_documents)"), "{said}");
    assert!(said.contains("b.md: skipped: larger than 6 bytes (max_document_bytes)"), "{said}");
    becomes(&server, "a.md", Some("apple"));
    assert_eq!((document(&server, "b.md"), document(&server, "c.md")), (None, None));
}

/// Invariant: The leftovers of a killed program are not read.
#[test]
fn what_a_killed_program_left_is_removed_and_not_read() {
    let home = folder(&[("docs/a.md", "apple")]);
    let start = || {
        let mut command = anyport(home.path());
        command.args(["serve", "--port", "0", "--state-dir", "state"]);
        let mut program = Program::start(command);
        let server = program.server();
        (program, server)
    };
    let indexes = || -> Vec<_> {
        let entries = fs::read_dir(home.path().join("state/index")).unwrap();
        entries
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.path())
            .collect()
    };
    let (mut killed, _) = start();
    let left = indexes();
    assert_eq!(left.len(), 1);
    killed.kill();
    assert_eq!(indexes(), left);
    fs::write(home.path().join("docs/a.md"), "apricot").unwrap();
    let (_program, server) = start();
    becomes(&server, "a.md", Some("apricot"));
    assert!(indexes().len() == 1 && indexes() != left);
}

#[cfg(unix)]
#[test]
fn a_program_that_is_stopped_leaves_no_index() {
    let home = folder(&[("docs/a.md", "apple")]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0", "--state-dir", "state"]);
    let mut program = Program::start(command);
    let server = program.server();
    becomes(&server, "a.md", Some("apple"));
    let id = program.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    program.wait();
    let entries = fs::read_dir(home.path().join("state/index")).unwrap();
    let left: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lock"]);
}
