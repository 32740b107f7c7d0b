//! What the book tells its readers to type works: every command is run as it stands there, on a port of the system's
//! choice and with folders of ours.
//!
//! Invariant: The book is true: its code compiles and runs, its commands work, its options and links exist,
//! and its tables match the code.

#![cfg(unix)]

use std::{collections::BTreeSet, fs, path::Path, time::Instant};

use crate::support::{PATIENCE, Program, anyport, folder, http::Server, serve_to_the_end, to_the_end};
use anyport_store::SqliteStore;
use serde_json::Value;

/// Every page with its text.
fn pages() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = |path: &Path| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap())
    };
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    // The folder of decisions stands beside the pages.
    let mut pages: Vec<_> = paths.filter(|path| path.is_file()).map(|path| page(&path)).collect();
    pages.sort();
    pages
}

/// The lines of `text` that stand in blocks of `language`.
fn lines<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let mut inside = None;
    let mut lines = Vec::new();
    for line in text.lines() {
        if let Some(fence) = line.strip_prefix("```") {
            inside = if inside.is_none() { Some(fence) } else { None };
        } else if inside == Some(language) {
            lines.push(line);
        }
    }
    lines
}

/// The words of a command, as a shell reads them: quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for letter in line.chars() {
        match (letter, quote) {
            ('"' | '\'', None) => quote = Some(letter),
            (_, Some(open)) if letter == open => quote = None,
            (' ', None) => words.push(String::new()),
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    assert_eq!(quote, None, "a quote is open: {line}");
    words.retain(|word| !word.is_empty());
    words
}

/// Runs `anyport serve` with `arguments` until it says that it serves.
fn serves(arguments: &[String], environment: &[(&str, &str)]) {
    let home = folder(&[]);
    let mut arguments = arguments.to_vec();
    let stdio = arguments.iter().any(|argument| argument == "--stdio");
    for index in 0..arguments.len() {
        match arguments[index].as_str() {
            "--docs" => {
                let documents = home.path().join(arguments[index + 1].trim_start_matches('/'));
                fs::create_dir_all(&documents).unwrap();
                fs::write(documents.join("a.md"), "# A").unwrap();
                arguments[index + 1] = documents.to_str().unwrap().to_owned();
            }
            "--port" => arguments[index + 1] = "0".to_owned(),
            _ => {}
        }
    }
    if !stdio && !arguments.iter().any(|argument| argument == "--port") {
        arguments.extend(["--port".to_owned(), "0".to_owned()]);
    }
    let mut command = anyport(home.path());
    command.arg("serve").args(&arguments).env("XDG_RUNTIME_DIR", home.path().join("run"));
    command.envs(environment.iter().copied());
    let mut program = Program::start(command);
    let (banner, json) = program.banner();
    assert!(json["mcpServers"].is_object(), "{banner}");
    if stdio {
        program.close_input();
        assert!(program.wait().success());
    }
}

/// Runs a command that asks `anyport serve`, to its end.
fn asks(arguments: &[String]) {
    let home = folder(&[("guides/testing.md", "# Testing\n\nTest first.")]);
    let program = env!("CARGO_BIN_EXE_anyport");
    let words = arguments.iter().map(|word| if word == "anyport" { program } else { word });
    let mut command = anyport(home.path());
    command.args(words);
    let ended = to_the_end(command);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    assert!(!ended.stdout.is_empty(), "{arguments:?}: {ended:?}");
}

/// Runs a command on a store that is there, to its end.
fn looks_after_a_store(arguments: &[String]) {
    let home = folder(&[]);
    let store =
        SqliteStore::new(home.path().join("state/anyport/store"), &[], anyport_store::Options::default());
    tokio::runtime::Runtime::new().unwrap().block_on(store.open()).unwrap();
    let mut command = anyport(home.path());
    command.args(arguments);
    let ended = to_the_end(command);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
}

#[test]
fn every_command_of_the_book_works() {
    let mut seen = 0;
    for (page, text) in pages() {
        for line in lines(&text, "console") {
            let words = words(line);
            let start = words.iter().take_while(|word| word.contains('=')).count();
            let environment: Vec<_> =
                words[..start].iter().map(|word| word.split_once('=').unwrap()).collect();
            match words[start..].iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["anyport", "serve", ..] => serves(&words[start + 2..], &environment),
                ["anyport", "tools" | "call" | "resources" | "inspect" | "doctor", ..] => {
                    asks(&words[start + 1..])
                }
                ["anyport", "store", ..] => looks_after_a_store(&words[start + 1..]),
                // Those are all run below.
                ["curl", ..] => {}
                ["cargo", "install", "--path", path] => {
                    let manifest =
                        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).join("Cargo.toml");
                    assert!(manifest.is_file(), "docs/{page}: {line}");
                }
                ["cargo", "new", _] => {}
                _ => panic!("docs/{page}: nothing checks {line:?}"),
            }
            seen += 1;
        }
    }
    assert!(seen > 5, "the book has only {seen} commands");
}

/// The lines that call curl, each with the JSON that the page says comes back, if it does.
fn requests(text: &str) -> Vec<(&str, Option<&str>)> {
    let mut requests: Vec<(&str, Option<&str>)> = Vec::new();
    // Whether what comes next can be an answer to the last of them.
    let (mut inside, mut answered) = (None, false);
    for line in text.lines() {
        match (line.strip_prefix("```"), inside) {
            (Some(fence), None) => inside = Some(fence),
            (Some(_), Some(_)) => inside = None,
            (None, Some("console")) if line.starts_with("curl ") => {
                requests.push((line, None));
                answered = false;
            }
            (None, Some("json")) if !answered => {
                if let Some((_, answer)) = requests.last_mut() {
                    *answer = Some(line);
                }
                answered = true;
            }
            (None, None) if !line.is_empty() => answered = true,
            _ => {}
        }
    }
    requests
}

/// Whether all that `shown` says is in `answer` as well. Entries of lists may stand among others.
fn says(answer: &Value, shown: &Value) -> bool {
    match (answer, shown) {
        (Value::Object(answer), Value::Object(shown)) => {
            shown.iter().all(|(name, shown)| answer.get(name).is_some_and(|answer| says(answer, shown)))
        }
        (Value::Array(answer), Value::Array(shown)) => {
            shown.iter().all(|shown| answer.iter().any(|answer| says(answer, shown)))
        }
        _ => answer == shown,
    }
}

#[test]
fn every_request_of_the_book_is_answered_as_it_says() {
    let home = folder(&[("python/testing.md", "# Testing\n\nTest first.")]);
    let mut command = anyport(home.path());
    command.arg("serve").args(["--port", "0", "--docs"]).arg(home.path());
    let mut program = Program::start(command);
    let (banner, _) = program.banner();
    let place = banner.lines().find(|line| line.starts_with("  http ")).unwrap();
    let server = Server::at(place.split_whitespace().last().unwrap());
    let mut answers = 0;
    for (page, text) in pages() {
        for (line, expected) in requests(&text) {
            let (mut url, mut body, mut headers) = (None, None, Vec::new());
            let mut words = words(line).into_iter().skip(1);
            while let Some(word) = words.next() {
                match word.as_str() {
                    "-d" => body = words.next(),
                    "-H" => headers.push(words.next().unwrap()),
                    _ => url = Some(word),
                }
            }
            let url = url.unwrap();
            let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
            assert_eq!(authority, "127.0.0.1:3020", "docs/{page}: {line}");
            let headers: Vec<_> = headers.iter().map(|header| header.split_once(": ").unwrap()).collect();
            let method = if body.is_some() { "POST" } else { "GET" };
            let body = body.unwrap_or_default();
            let ask = || server.ask(method, &format!("/{path}"), &headers, &body);
            assert_eq!(ask().status, 200, "docs/{page}: {line}");
            if let Some(expected) = expected {
                let expected: Value = serde_json::from_str(expected).unwrap();
                // The document may still be on its way into the index.
                let deadline = Instant::now() + PATIENCE;
                while !says(&ask().json(), &expected) {
                    assert!(Instant::now() < deadline, "docs/{page}: {line}\n{}", ask().body);
                }
                answers += 1;
            }
        }
    }
    assert!(answers >= 4, "the book shows only {answers} answers");
}

#[test]
fn every_configuration_that_starts_the_program_works() {
    let mut seen = 0;
    for (page, text) in pages() {
        for line in lines(&text, "json") {
            let json: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("docs/{page}: {error}: {line}"));
            for server in json["mcpServers"].as_object().into_iter().flat_map(|servers| servers.values()) {
                if server["command"] != "anyport" {
                    continue;
                }
                let arguments: Vec<String> = serde_json::from_value(server["args"].clone()).unwrap();
                assert_eq!(arguments[0], "serve");
                serves(&arguments[1..], &[]);
                seen += 1;
            }
        }
    }
    assert!(seen > 0);
}

#[test]
fn every_flag_that_the_book_names_exists() {
    let home = folder(&[]);
    let mut help = serve_to_the_end(&["--help"]).stdout;
    let commands = [
        "bridge",
        "tools",
        "call",
        "read",
        "prompt",
        "inspect",
        "doctor",
        "replay",
        "completions",
        "servers",
        "add",
        "get",
        "remove",
        "import",
        "install",
        "config",
        "login",
        "logout",
        "accounts",
        #[cfg(unix)]
        "logs",
        #[cfg(unix)]
        "tap",
    ];
    let commands = commands.map(|name| vec![name]).into_iter();
    for words in commands.chain([
        vec!["store", "check"],
        vec!["store", "restore"],
        vec!["key", "create"],
        vec!["token"],
        vec!["health"],
        vec!["audit"],
        vec!["audit", "verify"],
        vec!["audit", "export"],
    ]) {
        let mut command = anyport(home.path());
        command.args(words).arg("--help");
        help += &to_the_end(command).stdout;
    }
    let known: BTreeSet<&str> = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
    let mut named = 0;
    for (page, text) in pages() {
        // What other programs can be told stands in the page about them.
        for (_, code) in
            text.split('`').enumerate().filter(|(index, _)| index % 2 == 1 && page != "clients.md")
        {
            let flag = code.split([' ', '=']).next().unwrap_or_default();
            if flag.starts_with("--") && flag.len() > 2 {
                assert!(known.contains(flag), "docs/{page}: anyport knows no {flag}");
                named += 1;
            }
        }
    }
    assert!(named > 20, "the book names only {named} flags");
}
