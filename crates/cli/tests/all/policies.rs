//! `[[policy]]` of a gateway.
//!
//! Invariant: The rules of a policy hold for every revision and transport, for the plain interface, virtual servers and tool search.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    Program, anyport, documents, folder, http::Server, initialize, legacy, modern, serve_gateway, to_the_end,
    until,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Who lists documents needs a scope; another tool is hidden from all.
const RULES: &str = r#"
[[policy]]
name = "listers"
when = 'tool.own_name == "list_docs" && !("docs:list" in principal.permissions)'
effect = "deny"
reason = "listing needs docs:list"
[[policy]]
when = 'upstream == "book" && tool.own_name == "get_document"'
effect = "hide"
"#;

fn token(home: &Path, scopes: &[&str]) -> String {
    let mut command = anyport(home);
    command.args(["token", "ada", "--secret", "env:JWT_SECRET"]).env("JWT_SECRET", SECRET);
    scopes.iter().for_each(|scope| _ = command.args(["--scope", scope]));
    let ended = to_the_end(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.trim().to_owned()
}

/// The answer of a modern endpoint: its status, and the message.
fn ask(server: &Server, path: &str, method: &str, params: &Value, token: &str) -> (u16, Value) {
    let message = modern(1, method, params.clone());
    let bearer = format!("Bearer {token}");
    let mut headers = vec![
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", method),
        ("Authorization", &bearer),
    ];
    headers.extend(params["name"].as_str().map(|name| ("Mcp-Name", name)));
    let answer = server.ask("POST", path, &headers, &message.to_string());
    (answer.status, answer.json())
}

fn tools(list: &Value) -> Vec<&str> {
    list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[test]
fn rules_hold_over_http_for_endpoints_virtual_servers_and_the_plain_interface() {
    let text = format!(
        "[auth]\nsecret = {{ from = \"env:JWT_SECRET\" }}\n[knowledge.book]\ndocs = [{:?}]\n\
         [servers.books]\ninclude = [\"book_*\"]\n{RULES}",
        documents()
    );
    let home = folder(&[("anyport.toml", &text)]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]).env("JWT_SECRET", SECRET);
    let mut program = Program::start(command);
    let server = program.server();
    let (may, may_not) = (token(home.path(), &["docs:list"]), token(home.path(), &["other"]));
    let call = json!({"name": "book_list_docs", "arguments": {}});
    for path in ["/mcp", "/s/books/mcp"] {
        let (status, refused) = ask(&server, path, "tools/call", &call, &may_not);
        assert_eq!(
            refused["error"]["data"],
            json!({"rule": "listers", "reason": "forbidden"}),
            "{path} {refused}"
        );
        assert!(refused["error"]["message"].as_str().unwrap().ends_with("listing needs docs:list"));
        assert_eq!(status, 200, "{path}: the refusal is a JSON-RPC error");
        assert!(ask(&server, path, "tools/call", &call, &may).1["result"].is_object());
        let (_, list) = ask(&server, path, "tools/list", &json!({}), &may_not);
        assert!(!tools(&list).contains(&"book_list_docs") && !tools(&list).is_empty(), "{list}");
        let (_, list) = ask(&server, path, "tools/list", &json!({}), &may);
        assert!(tools(&list).contains(&"book_list_docs") && !tools(&list).contains(&"book_get_document"));
        let hidden =
            ask(&server, path, "tools/call", &json!({"name": "book_get_document", "arguments": {}}), &may).1;
        assert_eq!(
            (&hidden["error"]["code"], &hidden["error"]["data"]["reason"]),
            (&json!(-32602), &json!("unknown_tool"))
        );
    }
    // The plain interface.
    let plain = |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
        let answer = server.ask("POST", "/mcp/call", &headers, r#"{"method":"book_list_docs"}"#);
        answer.json()["error"]["code"].as_i64()
    };
    assert_eq!((plain(&may_not), plain(&may)), (Some(-32003), None));
}

#[test]
fn rules_hold_in_sessions_of_every_revision() {
    let hides = "[[policy]]\nwhen = 'tool.own_name == \"list_docs\" && revision < \"2025-06-18\"'\neffect = \"hide\"\n\
                 [[policy]]\nwhen = 'tool.own_name == \"get_document\" && principal.id != \"local\"'\neffect = \"deny\"\n";
    let home = folder(&[("anyport.toml", &format!("[knowledge.book]\ndocs = [{:?}]\n{hides}", documents()))]);
    for (version, is_hidden) in
        [("2024-11-05", true), ("2025-03-26", true), ("2025-06-18", false), ("2025-11-25", false)]
    {
        let mut command = anyport(home.path());
        command.args(["serve", "--stdio"]);
        let mut program = Program::start(command);
        program.call(&initialize(0, version));
        program.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        let list = program.call(&legacy(1, "tools/list", json!({})));
        assert_eq!(tools(&list).contains(&"book_list_docs"), !is_hidden, "{version}: {list}");
        let call = program.call(&legacy(2, "tools/call", json!({"name": "book_list_docs", "arguments": {}})));
        assert_eq!(call["error"]["code"] == -32602, is_hidden, "{version}: {call}");
    }
}

#[test]
fn a_rule_sees_the_address_of_the_client_behind_a_trusted_proxy() {
    let rule = "[[policy]]\nwhen = '!inNetwork(address, \"10.0.0.0/8\")'\neffect = \"deny\"\n";
    for (settings, is_trusted) in [("[gateway]\ntrusted_proxies = [\"127.0.0.0/8\"]\n", true), ("", false)] {
        let text = format!("{settings}[knowledge.book]\ndocs = [{:?}]\n{rule}", documents());
        let (_home, _gateway, server) = serve_gateway(&text);
        let is_allowed = |address: &str| {
            let headers = [("X-Forwarded-For", address), ("Content-Type", "application/json")];
            let answer = server.ask("POST", "/mcp/call", &headers, r#"{"method":"book_list_docs"}"#);
            answer.json().get("result").is_some()
        };
        assert_eq!((is_allowed("10.1.2.3"), is_allowed("192.0.2.1")), (is_trusted, false));
    }
}

#[test]
fn a_user_confirms_a_call() {
    let rule = "[[policy]]\nwhen = 'tool.own_name == \"list_docs\"'\neffect = \"ask\"\n";
    let home = folder(&[("anyport.toml", &format!("[knowledge.book]\ndocs = [{:?}]\n{rule}", documents()))]);
    let mut command = anyport(home.path());
    command.args(["serve", "--stdio"]);
    let mut program = Program::start(command);
    let mut hello = initialize(0, "2025-06-18");
    hello["params"]["capabilities"] = json!({"elicitation": {}});
    program.call(&hello);
    program.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    for (action, is_called) in [("accept", true), ("decline", false)] {
        let call = legacy(action, "tools/call", json!({"name": "book_list_docs", "arguments": {}}));
        program.send(&call);
        let question = program.receive();
        assert_eq!(question["method"], "elicitation/create", "{question}");
        let message = question["params"]["message"].as_str().unwrap();
        assert!(message.contains("may the tool book_list_docs be called with {}?"), "{message}");
        program.send(
            &json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": action, "content": {}}}),
        );
        let answer = program.receive();
        assert_eq!(answer.get("result").is_some(), is_called, "{answer}");
    }
}

#[test]
fn a_fault_of_a_condition_is_shown_with_its_place() {
    for (condition, says) in [
        ("tol.name == \"x\"", "at its character 1: there is no variable \"tol\"; did you mean \"tool\"?"),
        ("tool.name ==", "is wrong"),
        ("tool.name.matches(arguments.x)", "must be a literal text"),
    ] {
        let text = format!(
            "[knowledge.book]\ndocs = [{:?}]\n[[policy]]\nwhen = 'true'\neffect = \"deny\"\n\n[[policy]]\nname = \"second\"\nwhen = '{condition}'\neffect = \"deny\"\n",
            documents()
        );
        let home = folder(&[("anyport.toml", &text)]);
        for arguments in [&["config", "check"][..], &["serve", "--port", "0"]] {
            let mut command = anyport(home.path());
            command.args(arguments);
            let ended = to_the_end(command);
            assert_eq!(ended.code, Some(2), "{ended:?}");
            let fault = &ended.stderr;
            assert!(
                fault.contains(says) && fault.contains("the condition of second") && fault.contains(":9:"),
                "{fault}"
            );
        }
    }
}

/// Invariant: A condition that compares with what no call has is warned of, with its place, wherever the file is read.
#[test]
fn a_condition_that_no_call_fulfils_is_warned_of() {
    let rule = |when: &str| format!("[[policy]]\nname = \"typo\"\nwhen = '{when}'\neffect = \"deny\"\n");
    let text = |rules: &str| {
        format!(
            "[upstreams.files]\ncommand = \"files\"\ndisabled = true\ntools = {{ read = {{ name = \"open\" }} }}\n\
             [upstreams.mail]\ncommand = \"mail\"\ndisabled = true\nprefix = \"post\"\n\
             [knowledge.book]\ndocs = [{:?}]\n{rules}",
            documents()
        )
    };
    let check = |rules: &str| {
        let home = folder(&[("anyport.toml", &text(rules))]);
        let mut command = anyport(home.path());
        command.args(["config", "check"]);
        let ended = to_the_end(command);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stderr
    };
    let home = folder(&[("anyport.toml", &text(&rule("upstream == \"flies\"")))]);
    let mut command = anyport(home.path());
    command.args(["config", "check", "--json"]);
    let ended = to_the_end(command);
    let checked: Value = serde_json::from_str(&ended.stdout).unwrap();
    let warnings: Vec<&str> =
        checked["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(matches!(warnings[..], [one] if ended.stderr == format!("warning: {one}\n")), "{ended:?}");
    for (when, says) in [
        ("upstream == \"flies\"", "at its character 1: upstream is never \"flies\"; did you mean \"files\"?"),
        ("tool.name == \"read_file\"", "tool.name is never \"read_file\": the names of a server"),
        ("true && tool.name in [\"mail_send\"]", "at its character 23: tool.name is never \"mail_send\""),
        ("prompt.name == \"open\"", "prompt.name is never \"open\""),
        ("method == \"tools/list\"", "lists are filtered by the rules for what they list"),
        ("principal.is_anonymous == \"false\"", "it is true or false"),
    ] {
        let said = check(&rule(when));
        assert!(said.contains("warning: ") && said.contains("anyport.toml:13:"), "{said}");
        assert!(said.contains("the condition of typo, ") && said.contains(says), "{when}: {said}");
    }
    for when in [
        "upstream in [\"files\", \"mail\", \"book\"]",
        "tool.name in [\"files_read\", \"open\", \"post_send\", \"book_list_docs\"] || tool.own_name == \"read\"",
        "tool.name == \"a_name_that_is_so_long_that_it_may_have_been_shortened_0123abcd\"",
    ] {
        assert_eq!(check(&rule(when)), "", "{when}");
    }
    assert_eq!(
        check(
            "[health]\ntool = true\n[[policy]]\nwhen = 'tool.name == \"health_check\"'\neffect = \"deny\"\n"
        ),
        ""
    );
    // The start and a changed file say so as well.
    let home = folder(&[("anyport.toml", &text(&rule("upstream == \"flies\"")))]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]);
    let mut gateway = Program::start(command);
    gateway.error_line(|line| line.contains("did you mean \"files\""));
    gateway.server();
    fs::write(home.path().join("anyport.toml"), text(&rule("upstream == \"mial\""))).unwrap();
    gateway.error_line(|line| line.contains("did you mean \"mail\""));
}

#[test]
fn a_changed_policy_holds_at_once_and_a_wrong_one_changes_nothing() {
    let text = |rules: &str| format!("[knowledge.book]\ndocs = [{:?}]\n{rules}", documents());
    let (home, mut gateway, server) = serve_gateway(&text(""));
    let names = || {
        let list = server.post(&modern(1, "tools/list", json!({})), &[]).json();
        json!(tools(&list).contains(&"book_list_docs"))
    };
    assert_eq!(names(), true);
    let hide = "[[policy]]\nwhen = 'tool.own_name == \"list_docs\"'\neffect = \"hide\"\n";
    fs::write(home.path().join("anyport.toml"), text(hide)).unwrap();
    until(names, |is_there| *is_there == false);
    fs::write(home.path().join("anyport.toml"), text("[[policy]]\nwhen = 'tol'\neffect = \"hide\"\n"))
        .unwrap();
    gateway.error_line(|line| line.contains("nothing was changed"));
    assert_eq!(names(), false);
    fs::write(home.path().join("anyport.toml"), text("")).unwrap();
    until(names, |is_there| *is_there == true);
}
