//! `cache` of an upstream.
//!
//! Invariant: A kept answer of a server is given to its caller alone, in every revision of clients and era of the server.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    Program, anyport, documents, folder, http::Server, initialize, legacy, modern, serve_gateway, to_the_end,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An upstream of documents, of the given name.
fn upstream(name: &str, keys: &str) -> String {
    let (program, documents) = (env!("CARGO_BIN_EXE_anyport"), documents());
    format!(
        "[upstreams.{name}]\ncommand = [{program:?}, \"serve\", \"--stdio\", \"--docs\", {documents:?}]\n{keys}\n"
    )
}

/// The state of the servers of the gateway in `home`.
fn servers(home: &Path) -> Value {
    let mut command = anyport(home);
    command.args(["status", "--json"]);
    let ended = to_the_end(command);
    let status: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    status["gateways"][0]["servers"].clone()
}

#[test]
fn answers_are_kept_in_every_revision_and_of_servers_of_both_eras() {
    for server in ["2024-11-05", "2025-11-25", "2026-07-28"] {
        let text = upstream("docs", &format!("revision = \"{server}\"\ncache = true"));
        let home = folder(&[("anyport.toml", &text)]);
        for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
            let mut command = anyport(home.path());
            command.args(["serve", "--stdio"]);
            let mut program = Program::start(command);
            let is_modern = version == "2026-07-28";
            if !is_modern {
                program.call(&initialize(0, version));
                program.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
            }
            let make = if is_modern { modern } else { legacy };
            let mut call = |id: u64, name: &str, arguments: Value| {
                program.call(&make(id, "tools/call", json!({"name": name, "arguments": arguments})))
            };
            let first = call(1, "docs_list_docs", json!({}));
            assert!(first["result"].is_object(), "{first}");
            assert_eq!(call(2, "docs_list_docs", json!({}))["result"], first["result"]);
            call(3, "docs_get_stdlib", json!({"language": "python", "domain": "testing"}));
            let docs = &servers(home.path())[0];
            assert_eq!(
                (&docs["calls"], &docs["cached"]),
                (&json!(2), &json!(1)),
                "{server} {version}: {docs}"
            );
        }
    }
}

#[test]
fn the_configuration_of_the_book_does_what_the_page_says() {
    let page = include_str!("../../../../docs/caching.md");
    let block = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let (program, documents) = (env!("CARGO_BIN_EXE_anyport"), documents());
    let text = block.replace("\"anyport\"", &format!("{program:?}"));
    let text = text.replace("\"--docs\", \"docs\"", &format!("\"--docs\", {documents:?}"));
    let (home, _gateway, server) = serve_gateway(&text);
    for name in ["docs_list_docs", "guides_list_docs", "guides_get_stdlib"] {
        let arguments = match name {
            "guides_get_stdlib" => json!({"language": "python", "domain": "testing"}),
            _ => json!({}),
        };
        let first = server.call(name, &arguments);
        assert!(first.is_object() && server.call(name, &arguments) == first, "{name}: {first}");
    }
    let counts = |at: usize| {
        let server = &servers(home.path())[at];
        (server["calls"].as_u64().unwrap(), server["cached"].as_u64().unwrap())
    };
    // `list_docs` of the second is not cached.
    assert_eq!((counts(0), counts(1)), ((1, 1), (3, 1)));
    let mut command = anyport(home.path());
    command.arg("status");
    let shown = to_the_end(command).stdout;
    assert!(shown.contains("guides: 1 further calls were answered from the cache"), "{shown}");
    for (text, said) in
        [("cache = 5", "true, false or a table"), ("cache = { tool = { a = 1 } }", "true, false or a table")]
    {
        fs::write(home.path().join("anyport.toml"), upstream("docs", text)).unwrap();
        let mut command = anyport(home.path());
        command.args(["config", "check"]);
        let ended = to_the_end(command);
        assert!(ended.code != Some(0) && format!("{ended:?}").contains(said), "{text}: {ended:?}");
    }
}

/// Calls `name` with a token, and returns the status.
fn ask(server: &Server, name: &str, token: &str) -> u16 {
    let message = modern(1, "tools/call", json!({"name": name, "arguments": {}}));
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", name),
        ("Authorization", &bearer),
    ];
    server.ask("POST", "/mcp", &headers, &message.to_string()).status
}

/// Invariant: A kept answer of a server is given to its caller alone, in every revision of clients and era of the server.
#[test]
fn no_answer_crosses_callers_over_http() {
    let text = format!(
        "[auth]\nsecret = {{ from = \"env:JWT_SECRET\" }}\n[audit]\nmode = \"required\"\n{}",
        upstream("docs", "cache = true")
    );
    let home = folder(&[("anyport.toml", &text)]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]).env("JWT_SECRET", SECRET);
    let mut gateway = Program::start(command);
    let server = gateway.server();
    let token = |name: &str, scopes: &[&str]| {
        let mut command = anyport(home.path());
        command.args(["token", name, "--secret", "env:JWT_SECRET"]).env("JWT_SECRET", SECRET);
        scopes.iter().for_each(|scope| _ = command.args(["--scope", scope]));
        to_the_end(command).stdout.trim().to_owned()
    };
    let callers = [token("ada", &[]), token("bob", &[]), token("ada", &["more"])];
    for _ in 0..2 {
        callers.iter().for_each(|token| assert_eq!(ask(&server, "docs_list_docs", token), 200));
    }
    let docs = &servers(home.path())[0];
    assert_eq!((&docs["calls"], &docs["cached"]), (&json!(3), &json!(3)), "{docs}");
    let mut command = anyport(home.path());
    command.args(["audit", "--json", "--tool", "docs_list_docs"]);
    let ended = to_the_end(command);
    let records = ended.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let cached = records.filter(|record| record["cached"] == true && record["upstream"] == "docs");
    assert_eq!(cached.count(), 3, "{ended:?}");
}
