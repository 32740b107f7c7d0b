//! What the program says, and where: on standard error and in a file, for people and for programs.
//!
//! Invariant: No call waits for log output, no client text ends a log line, and no secret is in a log.

use std::{fs, io, path::Path, process::Stdio, time::Instant};

use crate::support::{
    PATIENCE, Program, anyport, documents, folder, legacy, modern, serve_to_the_end, standard,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A log file, in a folder of its own.
fn file() -> (TempDir, String) {
    let folder = folder(&[]);
    let path = folder.path().join("anyport.log").to_str().unwrap().to_owned();
    (folder, path)
}

fn json_lines(text: &str) -> Vec<Value> {
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    text.lines().map(line).collect()
}

#[test]
fn every_line_for_programs_is_an_object_the_banner_and_the_last_words_too() {
    let (_folder, path) = file();
    let mut program = Program::stdio(&["--log-format", "json", "--log-level", "debug", "--log-file", &path]);
    program.call(&modern(1, "tools/call", standard()));
    program.close_input();
    assert_eq!(program.wait().code(), Some(0));
    let said = json_lines(&program.stderr());
    for line in &said {
        let time = line["time"].as_str().unwrap();
        assert!(time.len() == 27 && time.ends_with('Z') && time.contains('T'), "{line}");
        for member in ["level", "target", "message"] {
            assert!(line[member].is_string(), "{line}");
        }
    }
    assert!(said.iter().any(|line| line["message"].as_str().unwrap().contains("To connect a client")));
    let answered = said.iter().find(|line| line["message"] == "answered").unwrap();
    assert_eq!(answered["level"], "debug");
    assert!(answered["fields"]["bytes"].is_u64(), "{answered}");
    let span = &answered["spans"][0];
    assert_eq!(span["name"], "call");
    assert_eq!(
        (&span["fields"]["method"], &span["fields"]["name"]),
        (&json!("tools/call"), &json!("get_stdlib"))
    );
    assert_eq!(span["fields"]["principal"], "local");
    // The file has the same lines. What several threads say at once may stand in another order there.
    let sorted = |lines: &[Value]| {
        let mut lines: Vec<_> = lines.iter().map(Value::to_string).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&json_lines(&fs::read_to_string(path).unwrap())), sorted(&said));

    let failed = serve_to_the_end(&["--log-format", "JSON", "--docs", "nowhere"]);
    let last = json_lines(&failed.stderr).pop().unwrap();
    assert!(last["message"].as_str().unwrap().starts_with("error: "), "{last}");
}

#[test]
fn a_log_file_is_its_owners_and_says_what_people_are_told() {
    let (_folder, path) = file();
    let documents = documents();
    let mut program =
        Program::stdio(&["--log-file", &path, "--log-level", "debug", "--docs", documents.to_str().unwrap()]);
    program.call(&modern(1, "tools/call", standard()));
    program.close_input();
    assert_eq!(program.wait().code(), Some(0));
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.lines().all(|line| line.starts_with("20") && line[..28].trim_end().ends_with('Z')),
        "{text}"
    );
    assert!(text.contains("INFO anyport: anyport ") && text.contains("stdio      standard input"), "{text}");
    assert!(text.contains("answered bytes="), "{text}");
    // On standard error the banner stands as it is.
    assert!(program.stderr().contains("\n  stdio      standard input and output\n"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_full_log_file_makes_room_and_no_line_is_cut() {
    let (folder, path) = file();
    let limits = ["--limit", "log_file_bytes=3000", "--limit", "log_files=2"];
    let arguments = ["--log-format", "json", "--log-level", "debug", "--log-file", &path];
    let mut program = Program::stdio(&[&limits[..], &arguments].concat());
    for id in 0..200 {
        program.call(&modern(id, "tools/call", standard()));
    }
    program.close_input();
    assert_eq!(program.wait().code(), Some(0));
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["anyport.log", "anyport.log.1", "anyport.log.2"]);
    for name in names {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        assert!((1..=3000).contains(&text.len()), "{}", text.len());
        assert!(!json_lines(&text).is_empty());
    }
}

#[test]
fn what_a_client_writes_ends_no_line_and_moves_no_cursor() {
    let (_folder, path) = file();
    let mut program = Program::stdio(&["--log-level", "trace", "--log-file", &path]);
    let evil = "x\n2026-01-01T00:00:00Z  INFO forged\r\u{1b}[2J\u{9b}31m\u{202e}\u{7}";
    for request in [
        modern(1, evil, json!({})),
        modern(2, "tools/call", json!({"name": evil})),
        modern(3, "tools/call", json!({"name": "x".repeat(100_000)})),
        legacy(
            4,
            "initialize",
            json!({"protocolVersion": evil, "capabilities": {}, "clientInfo": {"name": evil, "version": evil}}),
        ),
    ] {
        program.call(&request);
    }
    program.close_input();
    assert_eq!(program.wait().code(), Some(0));
    let logged = fs::read_to_string(&path).unwrap();
    assert!(logged.contains("forged"), "what is called is logged");
    for text in [logged, program.stderr()] {
        let forbidden =
            |character: char| (character.is_control() && character != '\n') || character == '\u{202e}';
        assert!(!text.contains(forbidden), "{text:?}");
        assert!(
            !text.lines().any(|line| line.contains("INFO forged") && line.starts_with("2026-01-01")),
            "{text}"
        );
        assert!(text.lines().all(|line| line.len() < 20_000));
    }
}

#[test]
fn no_secret_and_nothing_that_was_asked_or_answered_is_logged() {
    let (_folder, path) = file();
    let home = folder(&[("docs/a.md", "# A\n\nanswer-5512\n"), ("token", "token-7781-of-the-owner")]);
    let mut command = anyport(home.path());
    command.args([
        "serve",
        "--port",
        "0",
        "--auth-token",
        "file:token",
        "--log-level",
        "trace",
        "--log-file",
        &path,
    ]);
    let mut program = Program::start(command);
    let server = program.server();
    let call = modern(
        1,
        "tools/call",
        json!({"name": "get_doc", "arguments": {"path": "a.md", "section": "asked-4410"}}),
    );
    let read = modern(2, "tools/call", json!({"name": "get_doc", "arguments": {"path": "a.md"}}));
    let with = |token: &str| vec![("Authorization", format!("Bearer {token}"))];
    for headers in [with("token-7781-of-the-owner"), with("guess-3390-of-a-thief"), Vec::new()] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for request in [&call, &read] {
            server.post(request, &headers);
        }
    }
    let owner = [("Authorization", "Bearer token-7781-of-the-owner")];
    let begun = Instant::now();
    while !server.post(&read, &owner).body.contains("answer-5512") {
        assert!(begun.elapsed() < PATIENCE, "the document is not read");
    }
    // What was said before this is written before it.
    server.post(&modern(3, "tools/call", json!({"name": "last_of_all"})), &owner);
    while !fs::read_to_string(&path).unwrap().contains("last_of_all") {
        assert!(begun.elapsed() < PATIENCE, "it is not logged");
    }
    program.kill();
    let logged = fs::read_to_string(&path).unwrap() + &program.stderr();
    assert!(logged.contains("get_doc"), "calls are logged");
    for secret in ["token-7781", "of-the-owner", "guess-3390", "of-a-thief", "asked-4410", "answer-5512"] {
        assert!(!logged.contains(secret), "{secret} is in {logged}");
    }
}

#[test]
fn nobody_has_to_read_what_is_logged() {
    let documents = documents();
    let home = folder(&[]);
    let (_unread, errors) = io::pipe().unwrap();
    let mut command = anyport(home.path());
    command.args(["serve", "--stdio", "--log-level", "trace", "--docs", documents.to_str().unwrap()]);
    command.stdout(Stdio::piped()).stderr(errors);
    let mut program = Program::start_as_is(command);
    // Many times what a pipe holds.
    for id in 0..3_000 {
        program.send(&modern(id, "tools/call", json!({"name": "no_such_tool"})));
        program.receive();
    }
    program.close_input();
    assert_eq!(program.wait().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_log_file_that_is_deleted_comes_back_and_the_last_words_are_in_it() {
    let (folder, path) = file();
    let mut program =
        Program::stdio(&["--transport", "http", "--port", "0", "--log-file", &path, "--log-level", "debug"]);
    program.server();
    program.call(&modern(1, "tools/list", json!({})));
    fs::remove_file(&path).unwrap();
    program.call(&modern(2, "tools/list", json!({})));
    let kill = std::process::Command::new("kill").args(["-INT", &program.id().to_string()]).status();
    assert!(kill.unwrap().success());
    program.wait();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("answered") && text.contains("stopping; running calls may finish"), "{text}");
    assert!(Path::new(&path).starts_with(folder.path()));
}

#[test]
fn a_log_file_that_cannot_be_written_is_told_before_anything_is_served() {
    for (path, why) in [("no/such/folder/log", "No such file"), (".", "not a regular file")] {
        let ended = serve_to_the_end(&["--log-file", path]);
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.stderr.contains("cannot write the log file") && ended.stderr.contains("--log-file"),
            "{ended:?}"
        );
        assert!(cfg!(windows) || ended.stderr.contains(why), "{ended:?}");
    }
}
