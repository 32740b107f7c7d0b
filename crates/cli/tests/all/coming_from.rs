//! What `docs/coming-from.md` says of other servers' flags, variables, paths and containers is true of ours.

use crate::support::{Program, anyport, documents, folder, modern, to_the_end};
use serde_json::json;

const PAGE: &str = include_str!("../../../../docs/coming-from.md");

/// The rows of the table under `heading`, without its head.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    let rows: Vec<Vec<_>> = rows.skip(1).map(|row| row.split('|').map(str::trim).collect()).collect();
    assert!(rows.len() > 2, "{heading}");
    rows
}

/// The first text of `cell` that stands in backticks.
fn code(cell: &'static str) -> &'static str {
    cell.split('`').nth(1).unwrap_or_else(|| panic!("no code in {cell}"))
}

/// Runs it to where it does not find its documents: what it was told is right.
fn is_understood(arguments: &str, environment: &[(&str, &str)]) {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["serve", "--docs", "nowhere"]).args(arguments.split_whitespace());
    command.envs(environment.iter().copied()).env("TOKEN", "b4c1d0a7e29f5386");
    let ended = to_the_end(command);
    assert!(
        ended.code == Some(1) && ended.stderr.contains("nowhere"),
        "{arguments} {environment:?}: {ended:?}"
    );
}

#[test]
fn every_flag_is_known_here() {
    let mut same = 0;
    for row in rows("Flags") {
        is_understood(code(row[1]), &[]);
        same += usize::from(row[0] == row[1]);
    }
    assert!(same >= 9, "only {same} flags are the same");
    for row in rows("Logs").iter().skip(1) {
        is_understood(code(row[1]), &[]);
    }
}

#[test]
fn every_variable_is_known_here_and_is_that_of_a_flag() {
    for row in rows("Variables") {
        let (there, here) = (code(row[0]), code(row[1]));
        assert_eq!(here, format!("ANYPORT_{there}"));
        let (name, value) = here.split_once('=').unwrap();
        is_understood("", &[(name, value)]);
        let home = folder(&[]);
        let mut command = anyport(home.path());
        command.args(["serve", "--docs", "nowhere"]).env(name, " ");
        assert_eq!(to_the_end(command).code, Some(2), "{name} is not read");
    }
}

#[test]
fn what_is_said_to_be_the_default_is_it() {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["serve", "--help"]);
    let help = to_the_end(command).stdout;
    for (flag, default) in
        [("host", "127.0.0.1"), ("port", "3020"), ("log-level", "warn"), ("max-connections", "1024")]
    {
        let (_, about) = help.split_once(&format!("--{flag} <")).unwrap();
        let (_, told) = about.split_once("[default: ").unwrap();
        assert_eq!(told.split(']').next(), Some(default), "{flag}");
    }
    // It has one for documents and another for servers of a file.
    let (_, about) = help.split_once("--timeout <").unwrap();
    assert!(about.split("--").next().unwrap().contains("30 unless given"), "{about}");
}

#[test]
fn every_path_is_served_by_what_it_says() {
    for transports in ["http", "http,sse", "http,websocket", "http,sse,websocket"] {
        let (_program, server) = Program::http(&["--transport", transports]);
        for row in rows("Paths") {
            let (method, path) = code(row[0]).split_once(' ').unwrap();
            let status: u16 = row[2].parse().unwrap();
            let needed = row[1].split('`').nth(1);
            let served = needed.is_none_or(|needed| transports.contains(needed));
            let got = match (method, path) {
                ("POST", "/mcp") => server.post(&modern(1, "tools/list", json!({})), &[]).status,
                ("POST", _) => {
                    let call = json!({"method": "list_docs", "id": 1}).to_string();
                    server.ask(method, path, &[("Content-Type", "application/json")], &call).status
                }
                (_, path) if path.ends_with("ws") => {
                    let handshake = [
                        ("Connection", "Upgrade"),
                        ("Upgrade", "websocket"),
                        ("Sec-WebSocket-Version", "13"),
                        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                    ];
                    server.send(method, path, &handshake, "").head().0
                }
                (_, path) if path.ends_with("sse") || path == "/mcp" => {
                    server.send(method, path, &[("Accept", "text/event-stream")], "").head().0
                }
                _ => server.get(path, &[]).status,
            };
            if served {
                assert_eq!(got, status, "{method} {path} with {transports}");
            } else {
                assert!(got >= 400, "{method} {path} with {transports}: {got}");
            }
        }
    }
}

#[test]
fn the_container_starts_and_is_healthy() {
    let command = PAGE.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    let words: Vec<String> = serde_json::from_str(command).unwrap();
    let home = folder(&[("token", "b4c1d0a7e29f5386")]);
    let mut command = anyport(home.path());
    command.args(words[1..].iter().map(|word| match word.as_str() {
        "/docs" => documents().to_str().unwrap().to_owned(),
        "3020" => "0".to_owned(),
        word => word.to_owned(),
    }));
    let variables = PAGE.lines().filter_map(|line| line.strip_prefix("      - ANYPORT_")?.split_once('='));
    let variables: Vec<_> = variables.collect();
    assert_eq!(variables.len(), 6);
    for (name, value) in variables {
        command.env(format!("ANYPORT_{name}"), value.replace("/run/secrets/", ""));
    }
    let mut program = Program::start(command);
    let notice = program.error_line(|line| line.contains("To connect a client"));
    let notice: serde_json::Value = serde_json::from_str(&notice).unwrap();
    let place = notice["message"].as_str().unwrap().lines().find(|line| line.starts_with("  http ")).unwrap();
    let server = crate::support::http::Server::at(place.split_whitespace().last().unwrap());
    assert_eq!(server.get("/health", &[]).status, 200);
    let list = modern(1, "tools/list", json!({}));
    assert_eq!(server.post(&list, &[]).status, 401);
    for host in ["localhost:3020", "mcp-server:3020"] {
        let headers = [("Authorization", "Bearer b4c1d0a7e29f5386"), ("Host", host)];
        assert_eq!(server.post(&list, &headers).status, 200, "{host}");
    }
}

#[test]
fn every_command_of_the_side_by_side_table_exists_with_its_options() {
    let rows = rows("Side by side");
    assert_eq!(rows.len(), 20);
    let home = folder(&[]);
    for row in rows {
        let ours = row[1].split('`').skip(1).step_by(2);
        for line in ours {
            let own = line.split(" -- ").next().unwrap();
            let words: Vec<&str> = own.split_whitespace().collect();
            assert_eq!(words[0], "anyport", "{line}");
            let mut command = anyport(home.path());
            command.args([words[1], "--help"]);
            let ended = to_the_end(command);
            assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
            for option in words.iter().filter(|word| word.starts_with("--")) {
                assert!(
                    ended.stdout.contains(&format!("{option} "))
                        || ended.stdout.contains(&format!("{option}\n")),
                    "{line}"
                );
            }
        }
    }
}
