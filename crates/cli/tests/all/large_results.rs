//! Results over `max_result_tokens`, through a gateway with clients of both eras.

use serde_json::{Value, json};

use crate::support::{
    Program, anyport, folder,
    http::Server,
    initialize, legacy, modern,
    scripted::{self, Asked, Scripted, result},
};

/// A server whose tool answers a long text.
fn talkative(asked: &Asked) -> Option<String> {
    match asked.body["method"].as_str() {
        Some("tools/call") => result(
            asked,
            &json!({"resultType": "complete", "content": [{"type": "text", "text": "words ".repeat(2_000)}]}),
        ),
        _ => scripted::modern(asked),
    }
}

fn call(server: &Server, name: &str) -> Value {
    let message = modern(1, "tools/call", json!({"name": name, "arguments": {}}));
    server.post(&message, &[]).json()["result"].clone()
}

#[test]
fn each_upstream_has_its_own_limit_and_way() {
    let remote = Scripted::start(talkative);
    let upstream = |name: &str, more: &str| format!("[upstreams.{name}]\nurl = {:?}\n{more}\n", remote.url());
    let text = "[gateway]\nmax_result_tokens = 500\non_large_result = \"refuse\"\n".to_owned()
        + &upstream("plain", "")
        + &upstream("cut", "on_large_result = \"truncate\"")
        + &upstream("spilled", "on_large_result = \"spill\"\nmax_result_tokens = 300")
        + &upstream("free", "max_result_tokens = 0");
    let home = folder(&[("anyport.toml", &text)]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]);
    let mut gateway = Program::start(command);
    let server = gateway.server();

    let whole = "words ".repeat(2_000);
    assert_eq!(call(&server, "free_look")["content"][0]["text"], whole);
    let refused = call(&server, "plain_look");
    assert_eq!((&refused["isError"], refused["content"].as_array().unwrap().len()), (&json!(true), 1));
    let cut = call(&server, "cut_look");
    let kept = cut["content"][0]["text"].as_str().unwrap();
    assert!(whole.starts_with(kept) && (1_000..2_000).contains(&kept.len()), "{cut}");
    assert!(cut["content"][1]["text"].as_str().unwrap().contains("to 500 (max_result_tokens)"), "{cut}");

    let spilled = call(&server, "spilled_look");
    let link = spilled["content"].as_array().unwrap().last().unwrap();
    assert_eq!(link["type"], "resource_link", "{spilled}");
    let read = server.post(&modern(2, "resources/read", json!({"uri": link["uri"]})), &[]).json();
    assert_eq!(read["result"]["contents"][0]["text"], whole, "{read}");

    // A client that knows no links, and another one.
    let session = |revision: &str| {
        server.post(&initialize(1, revision), &[]).header("mcp-session-id").unwrap().to_owned()
    };
    let (own, other) = (session("2025-03-26"), session("2025-06-18"));
    let message = legacy(2, "tools/call", json!({"name": "spilled_look", "arguments": {}}));
    let spilled = server.post(&message, &[("Mcp-Session-Id", &own)]).json();
    let link = spilled["result"]["content"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(link["type"], "text", "{spilled}");
    let text = link["text"].as_str().unwrap();
    let uri = text.split(['<', '>']).nth(1).unwrap_or_else(|| panic!("{text}"));
    let read = legacy(3, "resources/read", json!({"uri": uri}));
    let whole_again = server.post(&read, &[("Mcp-Session-Id", &own)]).json();
    assert_eq!(whole_again["result"]["contents"][0]["text"], whole, "{whole_again}");
    let refused = server.post(&read, &[("Mcp-Session-Id", &other)]).json();
    assert!(refused["error"]["code"].is_i64(), "{refused}");
}
