//! `anyport serve` over HTTP, as someone meets it who types it: banner, flags, mistakes, and who may call.

use crate::support::{
    Ended, Program, anyport, documents, folder, http::Server, initialize, modern, serve_to_the_end, standard,
    to_the_end,
};
use serde_json::{Value, json};

/// Titles by path, as `list_docs` tells them.
fn titles(server: &Server) -> Vec<(String, String)> {
    let answer = server.post(&modern(1, "tools/call", json!({"name": "list_docs", "arguments": {}})), &[]);
    let listing = answer.json()["result"]["structuredContent"]["documents"].clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (listing.as_array().into_iter().flatten())
        .map(|document| (text(&document["path"]), text(&document["title"])))
        .collect()
}

fn paths(server: &Server) -> Vec<String> {
    titles(server).into_iter().map(|(path, _)| path).collect()
}

/// What a method lists.
fn listed(server: &Server, method: &str, what: &str) -> Vec<Value> {
    let answer = server.post(&modern(1, method, json!({})), &[]).json();
    answer["result"][what].as_array().cloned().unwrap_or_default()
}

/// The names of the tools.
fn tools(server: &Server) -> Vec<String> {
    let names = listed(server, "tools/list", "tools").into_iter();
    names.map(|tool| tool["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_tools_that_are_offered_can_be_chosen() {
    let documents = documents();
    let folder = documents.to_str().unwrap();
    let all = ["get_stdlib", "search_docs", "list_docs", "get_doc", "health_check"];
    assert_eq!(tools(&Program::serve(&["--port", "0", "--docs", folder]).server()), all);
    for chosen in [&["--tools", "get_doc,search_docs"][..], &["--tools", "search_docs", "--tools", "get_doc"]]
    {
        let arguments = [&["--port", "0", "--docs", folder], chosen].concat();
        assert_eq!(tools(&Program::serve(&arguments).server()), ["search_docs", "get_doc"]);
    }
    // A choice holds for Anyport's own documentation, too.
    assert_eq!(tools(&Program::serve(&["--port", "0", "--tools", "get_stdlib"]).server()), ["get_stdlib"]);
}

#[test]
fn the_banner_says_what_is_served_where_and_what_to_paste() {
    let documents = documents();
    let mut program = Program::serve(&["--port", "0", "--docs", documents.to_str().unwrap()]);
    let (banner, json) = program.banner();
    assert!(banner.contains(&format!("serves 3 documents from {}", documents.display())), "{banner}");
    for revision in ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"] {
        assert!(banner.contains(revision), "{banner}");
    }
    let url = json["mcpServers"]["anyport"]["url"].as_str().unwrap();
    assert!(banner.contains(&format!("http       {url}\n")), "{banner}");
    assert_eq!(json["mcpServers"]["anyport"]["type"], "http");
    assert_eq!(paths(&Server::at(url)).len(), 3);
}

#[test]
fn a_client_that_starts_what_the_banner_says_gets_the_same_server() {
    let home = folder(&[("docs/a.md", "# A"), ("docs/b.txt", "# B")]);
    let mut command = anyport(home.path());
    command.args([
        "serve",
        "--stdio",
        "--ext",
        "txt",
        "--name",
        "notes",
        "--tools",
        "search_docs,get_doc",
        "--era",
        "legacy",
        "--timeout",
        "7",
    ]);
    let mut program = Program::start(command);
    let (banner, json) = program.banner();
    assert!(banner.contains("serves 2 documents from docs\n"), "{banner}");
    assert!(banner.contains("standard input and output"), "{banner}");
    let entry = &json["mcpServers"]["notes"];
    assert_eq!(entry["command"], env!("CARGO_BIN_EXE_anyport"));

    let elsewhere = folder(&[]);
    let mut command = anyport(elsewhere.path());
    command.args(entry["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap()));
    let mut again = Program::start(command);
    let (banner, same) = again.banner();
    assert!(banner.contains("serves 2 documents"), "{banner}");
    assert_eq!(json, same);
}

#[test]
fn without_a_folder_docs_beside_is_served_else_our_own_documentation() {
    let home = folder(&[("docs/only.md", "# Only"), ("other.md", "# Other")]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]);
    let mut program = Program::start(command);
    assert_eq!(paths(&program.server()), ["only.md"]);

    let mut program = Program::serve(&["--port", "0"]);
    let server = program.server();
    assert!(program.banner().0.contains("from Anyport's own documentation"));
    let ours = titles(&server);
    assert!(ours.contains(&("serve.md".to_owned(), "The serve command".to_owned())), "{ours:?}");
    // It has no standards, and is about no language or domain.
    assert_eq!(tools(&server), ["search_docs", "list_docs", "get_doc", "health_check"]);
    for tool in listed(&server, "tools/list", "tools") {
        let arguments = &tool["inputSchema"]["properties"];
        assert!(arguments.get("language").is_none() && arguments.get("domain").is_none(), "{tool}");
    }
    assert_eq!(listed(&server, "prompts/list", "prompts"), Vec::<Value>::new());
}

#[test]
fn of_several_folders_the_first_wins_however_they_are_named() {
    let (first, second) = (
        folder(&[("a.md", "# First")]),
        folder(&[("a.md", "# Second"), ("b.md", "# Other"), ("c.rst", "# Third")]),
    );
    let expected = [("a.md", "First"), ("b.md", "Other"), ("c.rst", "Third")]
        .map(|(path, title)| (path.to_owned(), title.to_owned()));
    let (one, two) = (first.path().to_str().unwrap(), second.path().to_str().unwrap());
    let mut program = Program::serve(&["--port", "0", "--docs", one, "--docs", two, "--ext", ".RST"]);
    assert_eq!(titles(&program.server()), expected);
    program.error_line(|line| line.starts_with('{'));

    let home = folder(&[("docs/not-this.md", "")]);
    let mut command = anyport(home.path());
    let both = std::env::join_paths([first.path(), second.path()]).unwrap();
    command.args(["serve", "--port", "0"]).env("ANYPORT_DOCS", both).env("ANYPORT_EXT", "rst,adoc");
    let mut program = Program::start(command);
    assert_eq!(titles(&program.server()), expected);
}

#[test]
fn what_cannot_be_read_is_told_with_file_and_line() {
    let home = folder(&[
        ("docs/bad.md", "---\ntitle: Bad\ntags: {\n---\n# Text\n"),
        ("docs/latin.md", ""),
        ("docs/good.md", "# Good"),
    ]);
    std::fs::write(home.path().join("docs/latin.md"), b"one\ntwo\n\xe9t\xe9\n").unwrap();
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]);
    let mut program = Program::start(command);
    let server = program.server();
    let (said, _) = program.banner();
    assert!(said.contains("docs/bad.md:3: front matter: "), "{said}");
    assert!(said.contains("docs/latin.md:3: skipped: not UTF-8"), "{said}");
    assert!(!said.contains("good.md"), "{said}");
    assert_eq!(paths(&server), ["bad.md", "good.md"]);
}

#[test]
fn a_folder_without_documents_is_served_and_remarked_on() {
    let home = folder(&[("docs/readme.txt", "no Markdown")]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]);
    let mut program = Program::start(command);
    let server = program.server();
    let (said, _) = program.banner();
    assert!(said.contains("no documents in docs") && said.contains("--ext"), "{said}");
    assert!(paths(&server).is_empty());
}

/// It ended with `code`, and said each of `words`; a usage error never looks like a crash.
#[track_caller]
fn check(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert_eq!(ended.stdout, "", "{ended:?}");
    assert!(ended.stderr.starts_with("error: ") && !ended.stderr.contains("panicked"), "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "no {word:?} in {ended:?}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_names_what_is_wrong() {
    for (arguments, words) in [
        (&["--prot", "1"][..], &["--prot", "--port"][..]),
        (&["--port", "99999"], &["99999", "--port"]),
        (&["--port", "http"], &["--port"]),
        (&["--tools", "search"], &["--tools", "search_docs, list_docs, get_doc"]),
        (&["--host", "example.com"], &["--host", "IP address"]),
        (&["--transport", "carrier-pigeon"], &["--transport", "stdio, http"]),
        (&["--era", "middle"], &["--era", "modern"]),
        (&["--timeout", "0"], &["--timeout"]),
        (&["--timeout", "18446744073709551615"], &["--timeout"]),
        (&["--max-connections", "0"], &["--max-connections"]),
        (&["--log-level", "loud"], &["--log-level", "trace"]),
        (&["--name", " "], &["--name"]),
        (&["--docs", ""], &["--docs"]),
        (&["--allow-host", "a/b"], &["--allow-host", "NAME:PORT"]),
        (&["--compat", "emacs"], &["emacs", "vscode, copilot"]),
        (&["--allow-origin", "example.com"], &["--allow-origin", "https://"]),
        (&["--public-url", "mcp.example.com"], &["--public-url", "https://"]),
        (&["--public-url", "https://a.example/?q=1"], &["--public-url"]),
    ] {
        check(&serve_to_the_end(arguments), 2, words);
    }
}

#[test]
fn what_cannot_start_ends_with_1_and_says_what_to_do() {
    let (_holder, server) = Program::http(&[]);
    let port = server.authority.rsplit(':').next().unwrap();
    check(&serve_to_the_end(&["--port", port]), 1, &[&format!("port {port} is in use"), "--port"]);
    let both = ["--transport", "stdio", "--transport", "http", "--port", port];
    check(&serve_to_the_end(&both), 1, &[&format!("port {port} is in use")]);
    // A word is a folder.
    check(&serve_to_the_end(&["extra"]), 1, &["cannot read the folder extra", "name a folder that exists"]);
    check(&serve_to_the_end(&["--docs", "missing"]), 1, &["missing", "help: create it"]);
    let file = documents().join("rust/errors.md");
    check(&serve_to_the_end(&["--docs", file.to_str().unwrap()]), 1, &["errors.md", "help: name the folder"]);
    // An address for documentation (RFC 5737), which no machine has.
    let open = ["--host", "192.0.2.1", "--dangerously-allow-anonymous"];
    check(&serve_to_the_end(&open), 1, &["192.0.2.1", "help: "]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_listed_ends_with_1() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = folder(&[("docs/a.md", "")]);
    let docs = home.path().join("docs");
    std::fs::set_permissions(&docs, std::fs::Permissions::from_mode(0o000)).unwrap();
    // The system's administrator may list everything, and then there is nothing to refuse.
    let refused = std::fs::read_dir(&docs).is_err();
    let mut command = anyport(home.path());
    command.args(["serve", "--stdio"]);
    let ended = to_the_end(command);
    std::fs::set_permissions(&docs, std::fs::Permissions::from_mode(0o700)).unwrap();
    if refused {
        check(&ended, 1, &["docs", "help: allow the user"]);
    } else {
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

#[test]
fn beyond_loopback_it_starts_only_with_a_token_or_the_dangerous_word() {
    for host in ["0.0.0.0", "::", "192.0.2.1"] {
        let ended = serve_to_the_end(&["--host", host, "--port", "0"]);
        check(&ended, 2, &["--auth-token", "--dangerously-allow-anonymous"]);
    }
    let mut program = Program::serve(&["--host", "0.0.0.0", "--port", "0", "--dangerously-allow-anonymous"]);
    let (banner, json) = program.banner();
    assert!(banner.contains("WARNING    anyone who can reach 0.0.0.0:"), "{banner}");
    assert!(banner.contains("--allow-host"), "{banner}");
    // What the banner tells to paste works.
    let server = Server::at(json["mcpServers"]["anyport"]["url"].as_str().unwrap());
    assert!(!paths(&server).is_empty());
    assert_eq!(server.get("/health", &[("Host", "192.0.2.7")]).status, 421);
}

const TOKEN: &str = "correct-horse-battery-staple";

#[test]
fn a_token_in_the_wrong_place_is_refused_and_not_repeated() {
    for given in [TOKEN, "env:", "file:", "ENV:NAME"] {
        let ended = serve_to_the_end(&["--auth-token", given]);
        check(&ended, 2, &["--auth-token", "env:NAME", "file:PATH"]);
        assert!(!ended.stderr.contains(TOKEN), "{ended:?}");
    }
    let home = folder(&[("short", "hunter2\n"), ("two", "a token of several words"), ("ok", TOKEN)]);
    let run = |arguments: &[&str]| {
        let mut command = anyport(home.path());
        command.arg("serve").args(arguments).env("ANYPORT_AUTH_TOKEN", TOKEN);
        to_the_end(command)
    };
    let ended = run(&[]);
    check(&ended, 2, &["ANYPORT_AUTH_TOKEN"]);
    assert!(!ended.stderr.contains(TOKEN), "{ended:?}");
    let help = run(&["--help"]);
    assert!(help.code == Some(0) && !help.stdout.contains(TOKEN), "{help:?}");

    check(&run(&["--auth-token", "env:NOT_SET_ANYWHERE"]), 2, &["env:NOT_SET_ANYWHERE", "help: "]);
    check(&run(&["--auth-token", "file:missing"]), 2, &["file:missing", "help: "]);
    let short = run(&["--auth-token", "file:short"]);
    check(&short, 2, &["file:short", "16 characters", "help: "]);
    assert!(!short.stderr.contains("hunter2"), "{short:?}");
    check(&run(&["--auth-token", "file:two"]), 2, &["file:two", "one word"]);
    let both = run(&["--auth-token", "file:ok", "--dangerously-allow-anonymous"]);
    check(&both, 2, &["--auth-token", "--dangerously-allow-anonymous"]);
}

#[test]
fn where_clients_can_sign_in_their_configuration_has_no_header() {
    let home = folder(&[("docs/a.md", "# A")]);
    let mut command = anyport(home.path());
    command.args(["serve", "docs", "--port", "0", "--auth-issuer", "https://login.example"]);
    command.args(["--auth-audience", "api://docs"]);
    let mut program = Program::start(command);
    let (_, json) = program.banner();
    let entry = json["mcpServers"]["anyport"].as_object().unwrap();
    // A header that is there keeps clients from signing in.
    assert!(entry.contains_key("url") && !entry.contains_key("headers"), "{json}");
}

#[test]
fn with_a_token_only_its_bearer_is_served() {
    let home = folder(&[("token", &format!("  {TOKEN}\n"))]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0", "--auth-token", "file:token"]);
    let mut program = Program::start(command);
    let server = program.server();
    let (banner, json) = program.banner();
    assert!(!banner.contains(TOKEN), "{banner}");
    assert_eq!(json["mcpServers"]["anyport"]["headers"]["Authorization"], "Bearer YOUR_TOKEN");

    for message in [modern(1, "tools/call", standard()), initialize(1, "2025-11-25")] {
        for wrong in [&[][..], &[("Authorization", "Bearer wrong")], &[("Authorization", TOKEN)]] {
            let answer = server.post(&message, wrong);
            assert_eq!(answer.status, 401, "{answer:?}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{answer:?}");
        }
        let answer = server.post(&message, &[("Authorization", &format!("Bearer {TOKEN}"))]);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(server.get("/health", &[]).status, 200, "needs no token");
}

#[test]
fn health_tells_that_it_runs() {
    let (_program, server) = Program::http(&[]);
    let answer = server.get("/health", &[]);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let seen = answer.json();
    assert_eq!((&seen["interface"], &seen["protocol"]), (&json!("http"), &json!("mcp")));
    assert!(seen["status"] == "healthy" || seen["status"] == "degraded", "{seen}");
    let lost = server.get("/", &[]);
    assert!(lost.status == 404 && lost.body.contains("/mcp"), "{lost:?}");
}

#[test]
fn a_refused_host_or_origin_is_told_the_flag_that_allows_it() {
    let refused = |server: &Server, header: (&str, &str), status: u16, flag: &str| {
        for answer in
            [server.get("/health", &[header]), server.post(&modern(1, "tools/list", json!({})), &[header])]
        {
            assert_eq!(answer.status, status, "{answer:?}");
            assert!(answer.body.contains(flag), "{answer:?}");
        }
    };
    let (_program, server) = Program::http(&[]);
    refused(&server, ("Host", "rebound.example"), 421, "--allow-host");
    refused(&server, ("Origin", "https://page.example"), 403, "--allow-origin");

    let allowing = [
        "--allow-host",
        "rebound.example",
        "--allow-origin",
        "https://page.example",
        "--allow-host",
        "b.example:1",
    ];
    let (_program, server) = Program::http(&allowing);
    let both = [("Host", "rebound.example"), ("Origin", "https://page.example")];
    assert_eq!(server.post(&modern(1, "tools/list", json!({})), &both).status, 200);
    assert_eq!(server.get("/health", &[("Host", "b.example:1")]).status, 200);
    refused(&server, ("Host", "b.example:2"), 421, "--allow-host");
}

#[test]
fn a_public_url_stands_in_the_banner_and_is_allowed() {
    for (given, endpoint, origin) in [
        ("https://mcp.example.com:443/", "https://mcp.example.com/mcp", "https://mcp.example.com"),
        (
            "http://mcp.example.com:8080/a/mcp",
            "http://mcp.example.com:8080/a/mcp",
            "http://mcp.example.com:8080",
        ),
    ] {
        let mut program = Program::serve(&["--port", "0", "--public-url", given]);
        let listening = program.error_line(|line| line.contains("listening on "));
        let address = listening.trim_start().strip_prefix("listening on ").unwrap();
        let server = Server::at(&format!("http://{address}/mcp"));
        let (_, json) = program.banner();
        assert_eq!(json["mcpServers"]["anyport"]["url"], endpoint);
        let host = origin.split_once("://").unwrap().1;
        let answer = server.post(&modern(1, "tools/list", json!({})), &[("Host", host), ("Origin", origin)]);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[test]
fn one_era_alone_can_be_served() {
    let (mut program, server) = Program::http(&["--era", "modern"]);
    assert!(!program.banner().0.contains("2025-11-25"));
    assert_eq!(server.post(&modern(1, "tools/call", standard()), &[]).status, 200);
    let refused = server.post(&initialize(1, "2025-11-25"), &[]);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("2026-07-28"), "{refused:?}");
    assert_eq!(server.get("/mcp", &[]).status, 405);

    let (mut program, server) = Program::http(&["--era", "legacy"]);
    assert!(!program.banner().0.contains("2026-07-28"));
    let opened = server.post(&initialize(1, "2025-06-18"), &[]);
    assert_eq!(opened.json()["result"]["protocolVersion"], "2025-06-18");
    let refused = server.post(&modern(1, "tools/list", json!({})), &[]);
    assert!(refused.status == 400 && refused.json()["error"].is_object(), "{refused:?}");
}

#[test]
fn any_limit_can_be_set_by_its_name() {
    let (_program, server) = Program::http(&["--limit", "max_message_bytes=300", "--limit", "max_depth=3"]);
    let large = server.post(&modern(1, "tools/call", json!({"name": "x".repeat(300)})), &[]);
    assert!(large.status == 413 && large.body.contains("max_message_bytes"), "{large:?}");
    let deep = server.post(&json!([[[[1]]]]), &[]);
    assert!(deep.status == 400 && deep.body.contains("max_depth"), "{deep:?}");
    let unknown = serve_to_the_end(&["--limit", "max_depths=3"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("did you mean max_depth?"), "{}", unknown.stderr);
}

#[test]
fn limits_of_the_server_can_be_set_as_well() {
    let (_program, server) = Program::http(&["--limit", "page_size=1"]);
    let page = server.post(&modern(1, "tools/list", json!({})), &[]).json();
    assert_eq!(page["result"]["tools"].as_array().map(Vec::len), Some(1), "{page}");
    assert!(page["result"]["nextCursor"].is_string(), "{page}");
    let (_program, server) = Program::http(&["--limit", "max_subscription_bytes=1"]);
    let listen = json!({"notifications": {"resourceSubscriptions": ["docs:///a.md"]}});
    let refused = server.post(&modern(1, "subscriptions/listen", listen), &[]);
    assert!(refused.status == 503 && refused.body.contains("max_subscription_bytes"), "{refused:?}");
}

#[test]
fn help_shows_examples_first_and_fits_a_screen() {
    let mut command = anyport(std::path::Path::new("."));
    command.args(["serve", "-h"]);
    let help = to_the_end(command).stdout;
    assert!(help.lines().count() <= 45, "{help}");
    assert!(help.find("Examples:") < help.find("--docs <DIR>"), "{help}");
    let all = serve_to_the_end(&["--help"]).stdout;
    for flag in ["--public-url", "--allow-origin", "--era", "--max-connections", "--state-dir", "ANYPORT_"] {
        assert!(all.contains(flag), "{flag}: {all}");
    }
}
