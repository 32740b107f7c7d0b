//! `forward_headers` of a gateway: keys that clients bring for one server behind it.

use std::thread;

use serde_json::{Value, json};

use crate::support::{
    anyport, folder,
    http::Server,
    initialize, legacy, modern,
    scripted::{self, Asked, Scripted},
    serve_gateway, to_the_end,
};

/// The key in which a request came, or "none".
fn key(asked: &Asked) -> String {
    let header = asked.headers.lines().find_map(|line| line.strip_prefix("authorization: "));
    header.unwrap_or("none").to_owned()
}

/// A server of 2026-07-28 whose tool has the name of the key, and says it.
fn of_the_key(asked: &Asked) -> Option<String> {
    match asked.body["method"].as_str().unwrap_or_default() {
        "tools/list" => scripted::result(
            asked,
            &json!({
                "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
                "tools": [{"name": format!("of_{}", key(asked)), "inputSchema": {"type": "object"}}],
            }),
        ),
        "tools/call" => said(asked, &key(asked)),
        _ => scripted::modern(asked),
    }
}

/// A server of 2025-11-25, which names its sessions by the key of their first request.
fn of_the_session(asked: &Asked) -> Option<String> {
    let session = asked.headers.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
    let id = &asked.body["id"];
    match asked.body["method"].as_str().unwrap_or_default() {
        "initialize" => {
            let result = json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}});
            let body = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
            let session = format!("Mcp-Session-Id: session-of-{}", key(asked));
            scripted::response("200 OK", &["Content-Type: application/json", &session], &body)
        }
        "tools/list" => {
            scripted::result(asked, &json!({"tools": [{"name": "look", "inputSchema": {"type": "object"}}]}))
        }
        "tools/call" => said(asked, &format!("{} in {}", key(asked), session.unwrap_or("no session"))),
        "notifications/initialized" => scripted::response("202 Accepted", &[], ""),
        "server/discover" => scripted::document(
            &json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no such method"}}),
        ),
        _ => scripted::response("405 Method Not Allowed", &[], ""),
    }
}

fn said(asked: &Asked, text: &str) -> Option<String> {
    scripted::result(asked, &json!({"resultType": "complete", "content": [{"type": "text", "text": text}]}))
}

fn headers(key: Option<&str>) -> Vec<(&'static str, &str)> {
    key.map(|key| ("X-Jira-Token", key)).into_iter().collect()
}

/// What a tool says to a client with a key.
fn called(server: &Server, tool: &str, key: Option<&str>) -> Value {
    let message = modern(1, "tools/call", json!({"name": tool, "arguments": {}}));
    let answer = server.post(&message, &headers(key)).json();
    answer["result"]["content"][0]["text"].clone()
}

/// Invariant: A key that a client brings reaches the upstream that it is for, in its own calls and in no others, and no caller with
/// another key shares a session or a list with it.
#[test]
fn each_client_reaches_the_server_with_its_own_key() {
    let (modern_server, legacy_server) = (Scripted::start(of_the_key), Scripted::start(of_the_session));
    let other = Scripted::start(scripted::modern);
    let forward = "forward_headers = { \"X-Jira-Token\" = \"Authorization\" }";
    let text = format!(
        "[upstreams.jira]\nurl = {:?}\n{forward}\n[upstreams.old]\nurl = {:?}\n{forward}\n[upstreams.other]\nurl = {:?}\n",
        modern_server.url(),
        legacy_server.url(),
        other.url()
    );
    let (_home, mut gateway, server) = serve_gateway(&text);
    let callers = [Some("key-a"), Some("key-b"), None];
    thread::scope(|scope| {
        for key in callers {
            let server = &server;
            scope.spawn(move || {
                let name = key.unwrap_or("none");
                for _ in 0..5 {
                    assert_eq!(called(server, &format!("jira_of_{name}"), key), name);
                    assert_eq!(called(server, "old_look", key), format!("{name} in session-of-{name}"));
                    assert_eq!(called(server, "other_look", key), "seen");
                }
                let listed = server.post(&modern(1, "tools/list", json!({})), &headers(key)).json();
                let tools = listed["result"]["tools"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|tool| tool["name"].as_str().unwrap());
                let expected = [format!("jira_of_{name}"), "old_look".into(), "other_look".into()];
                assert_eq!(tools.collect::<Vec<_>>(), expected);
            });
        }
    });
    // A session may send another key with each request.
    let opened = server.post(&initialize(1, "2025-11-25"), &headers(Some("key-a")));
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    for key in callers {
        let message = legacy(2, "tools/call", json!({"name": "old_look", "arguments": {}}));
        let mut sent = headers(key);
        sent.push(("Mcp-Session-Id", &session));
        let answer = server.post(&message, &sent).json();
        let name = key.unwrap_or("none");
        assert_eq!(
            answer["result"]["content"][0]["text"],
            format!("{name} in session-of-{name}"),
            "{answer}"
        );
    }
    // Which key was meant is not guessed.
    let twice = [("X-Jira-Token", "key-a"), ("X-Jira-Token", "key-b")];
    for (wrong, says) in
        [(&twice[..], "comes more than once"), (&[("X-Jira-Token", "schlüssel")], "visible ASCII")]
    {
        let refused = server.post(&modern(3, "tools/list", json!({})), wrong);
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(
            refused.status == 400 && message.contains("x-jira-token") && message.contains(says),
            "{message}"
        );
        assert!(!message.contains("key-a"), "{message}");
    }
    let all: String = other.asked().iter().map(|asked| asked.headers.clone()).collect();
    assert!(!all.contains("key-"), "{all}");
    gateway.kill();
    let said = gateway.stderr();
    assert!(!said.contains("key-a") && !said.contains("key-b"), "{said}");
}

#[test]
fn the_token_of_the_gateway_itself_is_not_passed_on() {
    for (forward, arguments, part) in [
        (
            "Authorization = \"X-Key\"",
            &["--auth-token", "env:TOKEN"][..],
            "the token of this gateway (--auth-token)",
        ),
        ("X-Key = \"Mcp-Session-Id\"", &[], "a header of the protocol itself"),
    ] {
        let text =
            format!("[upstreams.a]\nurl = \"http://127.0.0.1:1/mcp\"\nforward_headers = {{ {forward} }}\n");
        let home = folder(&[("anyport.toml", &text)]);
        let mut command = anyport(home.path());
        command.args(["serve", "--port", "0"]).args(arguments).env("TOKEN", "s3cret-token-of-ours");
        let ended = to_the_end(command);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(part) && !ended.stderr.contains("s3cret"), "{}", ended.stderr);
    }
}
