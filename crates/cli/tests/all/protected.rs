//! `[auth]` of a gateway, and the options that say the same: who may call, with which scopes.
//!
//! Invariant: A gateway that says in `[auth]` who may call lets nobody else in, and requires the scopes of its endpoints, servers
//! and tools.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    Program, anyport, documents, folder,
    http::{Answer, Server},
    modern,
    scripted::{self, Scripted},
    to_the_end, until,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A token of `anyport token` for ada.
fn token(home: &Path, scopes: &[&str]) -> String {
    token_for(home, scopes, &[])
}

fn token_for(home: &Path, scopes: &[&str], more: &[&str]) -> String {
    let mut command = anyport(home);
    command.args(["token", "ada", "--secret", "env:JWT_SECRET"]).env("JWT_SECRET", SECRET);
    for scope in scopes {
        command.args(["--scope", scope]);
    }
    let ended = to_the_end({
        command.args(more);
        command
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.trim().to_owned()
}

/// Calls a tool at `path` with a token, or without one.
fn call(server: &Server, path: &str, tool: &str, token: Option<&str>) -> Answer {
    let message = modern(1, "tools/call", json!({"name": tool, "arguments": {}}));
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", tool),
    ];
    headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
    server.ask("POST", path, &headers, &message.to_string())
}

fn status(server: &Server, path: &str, tool: &str, token: Option<&str>) -> (u16, Option<i64>) {
    let answer = call(server, path, tool, token);
    (answer.status, answer.json()["error"]["code"].as_i64())
}

/// Starts a gateway with the secret in its environment.
fn started(text: &str) -> (tempfile::TempDir, Program) {
    let home = folder(&[("anyport.toml", text)]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]).env("JWT_SECRET", SECRET);
    let program = Program::start(command);
    (home, program)
}

/// What `anyport status --json` says.
fn status_of(home: &Path) -> String {
    let mut command = anyport(home);
    command.args(["status", "--json"]);
    to_the_end(command).stdout
}

/// Where the gateway listens, whatever URL it shows to clients.
fn address(home: &Path) -> Server {
    let said = status_of(home).replace(' ', "");
    let address = said.split("\"address\":\"").nth(1).and_then(|rest| rest.split('"').next());
    Server { authority: address.unwrap_or_else(|| panic!("{said}")).to_owned(), path: "/mcp".to_owned() }
}

#[test]
fn a_gateway_requires_the_scopes_of_its_endpoints_servers_and_tools() {
    let remote = Scripted::start(scripted::modern);
    let text = format!(
        "[gateway]\npublic_url = \"https://mcp.example\"\n\
         [auth]\nrequire = [\"mcp\"]\nsecret = {{ from = \"env:JWT_SECRET\" }}\n\
         [auth.issuers.company]\nissuer = \"https://login.example\"\n\
         [upstreams.far]\nurl = {:?}\nprefix = \"\"\nrequire = [\"far\"]\n\
         [upstreams.far.tools.look]\nrequire = [\"far:look\"]\n\
         [knowledge.book]\ndocs = [{:?}]\n\
         [servers.books]\ninclude = [\"book_*\"]\nrequire = [\"books\"]\n",
        remote.url(),
        documents()
    );
    let (home, mut gateway) = started(&text);
    gateway.error_line(|line| line.contains("https://mcp.example/mcp"));
    let server = address(home.path());
    let token = |scopes: &[&str]| token(home.path(), scopes);
    let metadata = "resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource/mcp\"";

    let none = call(&server, "/mcp", "look", None);
    assert_eq!((none.status, none.json()["error"]["code"].as_i64()), (401, Some(40100)));
    assert_eq!(none.header("www-authenticate"), Some(&*format!("Bearer scope=\"mcp\", {metadata}")));
    assert_eq!(status(&server, "/mcp", "look", Some("a.b.c")), (401, Some(40100)));
    assert_eq!(status(&server, "/mcp", "look", Some(&token(&["far"]))), (403, Some(40300)));
    let lacks = call(&server, "/mcp", "look", Some(&token(&["mcp", "far"])));
    let challenge = lacks.header("www-authenticate").unwrap();
    assert!(lacks.status == 403 && challenge.contains("scope=\"mcp far far:look\""), "{challenge}");
    let all = token(&["mcp", "far", "far:look"]);
    assert_eq!(status(&server, "/mcp", "look", Some(&all)), (200, None));
    assert_eq!(status(&server, "/mcp", "book_list_docs", Some(&token(&["mcp"]))), (200, None));

    let books = "/s/books/mcp";
    assert_eq!(status(&server, books, "book_list_docs", Some(&token(&["mcp"]))), (403, Some(40300)));
    assert_eq!(status(&server, books, "book_list_docs", Some(&token(&["mcp", "books"]))), (200, None));

    // A token for one endpoint is none for another.
    let scopes = ["mcp", "books"];
    let for_books = token_for(home.path(), &scopes, &["--audience", "https://mcp.example/s/books/mcp"]);
    assert_eq!(status(&server, books, "book_list_docs", Some(&for_books)), (200, None));
    assert_eq!(status(&server, "/mcp", "book_list_docs", Some(&for_books)), (401, Some(40100)));

    for (path, resource) in [("", "/mcp"), ("/mcp", "/mcp"), ("/s/books/mcp", "/s/books/mcp")] {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        let document = server.ask("GET", &path, &[("Origin", "https://any.example")], "");
        let document: Value = document.json();
        assert_eq!(document["resource"], format!("https://mcp.example{resource}"));
        assert_eq!(document["authorization_servers"], json!(["https://login.example"]));
        assert_eq!(document["scopes_supported"], json!(["mcp"]));
    }
    // The host and the origin of the public URL are allowed.
    let named = [("Host", "mcp.example"), ("Origin", "https://mcp.example")];
    assert_eq!(server.ask("GET", "/mcp/tools", &named, "").status, 401);
}

#[test]
fn options_accept_tokens_and_keys_of_ones_own() {
    let home = folder(&[("docs/a.md", "# A")]);
    let state = home.path().join("state").display().to_string();
    let mut command = anyport(home.path());
    command.args(["key", "create", "robot", "--scope", "data:read", "--state-dir", &state]);
    let made = to_the_end(command);
    let key =
        made.stdout.split_whitespace().find(|word| word.len() > 40).unwrap_or_else(|| panic!("{made:?}"));
    let mut command = anyport(home.path());
    command.args(["serve", "docs", "--port", "0", "--state-dir", &state]).env("JWT_SECRET", SECRET);
    command.args(["--auth-keys", "--auth-secret", "env:JWT_SECRET", "--auth-require", "data:read"]);
    let mut program = Program::start(command);
    let server = program.server();
    assert_eq!(status(&server, "/mcp", "list_docs", None), (401, Some(40100)));
    assert_eq!(status(&server, "/mcp", "list_docs", Some(&format!("{key}x"))), (401, Some(40100)));
    assert_eq!(status(&server, "/mcp", "list_docs", Some(key)), (200, None));
    assert_eq!(status(&server, "/mcp", "list_docs", Some(&token(home.path(), &["data:read"]))), (200, None));
    assert_eq!(
        status(&server, "/mcp", "list_docs", Some(&token(home.path(), &["data"]))),
        (403, Some(40300))
    );
    // The REST interface has the codes of its own.
    let refused = server.ask("GET", "/mcp/tools", &[], "");
    assert_eq!((refused.status, refused.json()["error"]["code"].as_i64()), (401, Some(-32401)));
    assert_eq!(server.ask("GET", "/health", &[], "").status, 200);
}

#[test]
fn any_of_them_counts_as_authentication_beyond_loopback() {
    let home = folder(&[("docs/a.md", "# A")]);
    let run = |arguments: &[&str]| {
        let mut command = anyport(home.path());
        command
            .args(["serve", "docs", "--port", "0", "--host", "0.0.0.0"])
            .args(arguments)
            .env("JWT_SECRET", SECRET);
        command
    };
    let refused = to_the_end(run(&[]));
    assert!(refused.code == Some(2) && refused.stderr.contains("--auth-issuer"), "{refused:?}");
    let mut served = Program::start(run(&["--auth-secret", "env:JWT_SECRET"]));
    let server = served.server();
    let local = Server { authority: server.authority.replace("0.0.0.0", "127.0.0.1"), ..server };
    assert_eq!(status(&local, "/mcp", "list_docs", None), (401, Some(40100)));
}

#[test]
fn options_that_contradict_each_other_or_say_too_little_are_refused() {
    let home = folder(&[("docs/a.md", "# A")]);
    for (arguments, words) in [
        (&["--auth-token", "env:JWT_SECRET", "--auth-keys"][..], "contradict"),
        (&["--dangerously-allow-anonymous", "--auth-keys"], "contradict"),
        (&["--auth-require", "a"], "none are accepted"),
        (&["--auth-issuer", "http://login.example"], "must begin with https://"),
        (
            &["--auth-issuer", "https://login.example", "--host", "10.0.0.1"],
            "--public-url, or --auth-audience",
        ),
        (&["--auth-secret", "env:SHORT_SECRET"], "shorter than 16 characters"),
        (&["--auth-secret", "env:WEAK_SECRET"], "32 random ones"),
    ] {
        let mut command = anyport(home.path());
        command.args(["serve", "docs", "--port", "0"]).args(arguments);
        command.envs([
            ("JWT_SECRET", SECRET),
            ("SHORT_SECRET", "short"),
            ("WEAK_SECRET", "sixteen-letters-"),
        ]);
        let ended = to_the_end(command);
        assert!(ended.code == Some(2) && ended.stderr.contains(words), "{arguments:?} {ended:?}");
    }
}

/// What `anyport config check` says of a file.
fn checked(text: &str) -> (Option<i32>, String) {
    let home = folder(&[("anyport.toml", text)]);
    let mut command = anyport(home.path());
    command.args(["config", "check"]).envs([("JWT_SECRET", SECRET), ("INTROSPECTION_SECRET", SECRET)]);
    let ended = to_the_end(command);
    (ended.code, ended.stderr + &ended.stdout)
}

#[test]
fn faults_of_the_section_are_shown_at_their_place() {
    for (text, line, words) in [
        ("[auth]\nrequire = [\"a\"]\n", 1, "nobody could present a credential"),
        ("[auth]\nkeys = true\nrequire = [\"a b\"]\n", 3, "is no scope"),
        ("[auth.issuers.a]\nissuer = \"http://login.example\"\n", 2, "must begin with https://"),
        (
            "[auth.issuers.a]\nissuer = \"https://login.example\"\n",
            1,
            "set `public_url` of [gateway], or `audiences`",
        ),
        ("[auth.issuers.a]\naudiences = [\"x\"]\n", 1, "it has no `issuer`"),
        ("[auth]\nsecret = {}\n", 2, "it has no `from`"),
        (
            "[auth.issuers.a]\nissuer = \"https://login.example\"\naudiences = [\"x\"]\nalgorithms = [\"HS256\"]\n",
            4,
            "is none of ES256",
        ),
        (
            "[auth.issuers.a]\nissuer = \"https://a.example\"\naudiences = [\"x\"]\nuntyped = false\n\
             introspection = { url = \"https://a.example/i\", client_id = \"c\", client_secret = \"env:S\" }\n",
            5,
            "`types` and `untyped` are not for it",
        ),
        (
            "[auth.issuers.a]\nissuer = \"https://a.example\"\naudiences = [\"x\"]\n\
             introspection = { url = \"https://a.example/i\", client_id = \"c\", client_secret = \"env:S\" }\n\
             [auth.issuers.b]\nissuer = \"https://b.example\"\naudiences = [\"x\"]\n\
             introspection = { url = \"https://b.example/i\", client_id = \"c\", client_secret = \"env:S\" }\n",
            8,
            "`a` has one already",
        ),
        ("[auth]\nkeyz = true\n", 2, "there is no key `keyz` here"),
        ("[servers.a]\nrequire = [\"\\\"\"]\n", 2, "is no scope"),
        (
            "[upstreams.a]\nurl = \"https://x.example\"\n[upstreams.a.tools.b]\nrequire = [\"\"]\n",
            4,
            "is no scope",
        ),
        (
            "[upstreams.x]\nurl = \"https://x.example\"\n[auth]\nsecret = { from = \"env:NOWHERE_AT_ALL\" }\n",
            4,
            "NOWHERE_AT_ALL",
        ),
        (
            "[upstreams.x]\nurl = \"https://x.example\"\n[auth.issuers.a]\nissuer = \"https://a.example\"\naudiences = [\"x\"]\n\
             introspection = { url = \"https://a.example/i\", client_id = \"c\", client_secret = \"env:NOWHERE_AT_ALL\" }\n",
            6,
            "NOWHERE_AT_ALL",
        ),
    ] {
        let (code, said) = checked(text);
        assert!(code != Some(0) && said.contains(words), "{text} {said}");
        assert!(said.contains(&format!("anyport.toml:{line}:")), "{text} {said}");
    }
}

/// Who may call does not change under a running gateway: the file is read again, and the rest waits for a restart.
#[test]
fn a_changed_section_takes_a_restart() {
    let docs = documents();
    let text = |keys| {
        let auth = format!("[auth]\nkeys = {keys}\nsecret = {{ from = \"env:JWT_SECRET\" }}\n");
        format!("{auth}[knowledge.book]\ndocs = [{docs:?}]\n")
    };
    let (home, mut gateway) = started(&text(false));
    let server = gateway.server();
    let mut written = 0;
    let said = || {
        // The gateway may not have looked at the file yet when it says that it serves.
        written += 1;
        fs::write(home.path().join("anyport.toml"), format!("{}# {written}\n", text(true))).unwrap();
        json!(status_of(home.path()).split_whitespace().collect::<String>())
    };
    until(said, |said| said.as_str().is_some_and(|said| said.contains("\"needs_restart\":[\"auth\"]")));
    assert_eq!(status(&server, "/mcp", "x", None), (401, Some(40100)));
}

/// Every configuration of the book's page is one that is accepted.
#[test]
fn each_configuration_of_the_page_is_accepted() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protecting.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 5, "{}", blocks.len());
    for block in blocks {
        let block = match block.contains("[upstreams.") {
            true => block.to_owned(),
            false => format!("{block}\n[knowledge.book]\ndocs = [\".\"]\n"),
        };
        let (code, said) = checked(&block);
        assert_eq!(code, Some(0), "{block}\n{said}");
    }
}
