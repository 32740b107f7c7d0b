//! How often calls of a gateway may be made.
//!
//! Invariant: A rate of a caller, an address, a server or a tool holds for every revision and transport.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    Program, anyport, documents, folder, http::Server, initialize, legacy, modern, serve_gateway, until,
};

const CALL: &str = r#"{"method":"book_list_docs"}"#;

/// The code, the status and `Retry-After` of a call by the plain interface.
fn plain(server: &Server, body: &str, address: &str) -> (Option<i64>, u16, Option<String>) {
    let headers = [("X-Forwarded-For", address), ("Content-Type", "application/json")];
    let answer = server.ask("POST", "/mcp/call", &headers, body);
    let retry_after = answer.header("retry-after").map(str::to_owned);
    (answer.json()["error"]["code"].as_i64(), answer.status, retry_after)
}

fn modern_call(server: &Server, name: &str) -> (u16, Option<String>, Value) {
    let message = modern(1, "tools/call", json!({"name": name, "arguments": {}}));
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", name),
    ];
    let answer = server.ask("POST", "/mcp", &headers, &message.to_string());
    (answer.status, answer.header("retry-after").map(str::to_owned), answer.json())
}

fn file(more: &str) -> String {
    format!("[knowledge.book]\ndocs = [{:?}]\n{more}", documents())
}

#[test]
fn a_caller_is_told_over_http_when_to_come_back() {
    let (_home, _gateway, server) = serve_gateway(&file("[limits.principal]\ncalls_per_hour = 2\n"));
    for _ in 0..2 {
        assert!(modern_call(&server, "book_list_docs").2["result"].is_object());
    }
    let (status, retry_after, refused) = modern_call(&server, "book_list_docs");
    let error = &refused["error"];
    assert_eq!(
        (status, &error["code"], &error["data"]["reason"]),
        (429, &json!(42900), &json!("rate_limited"))
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("this caller makes more than 2 calls an hour (principal.calls_per_hour)"),
        "{message}"
    );
    let seconds: u64 = retry_after.unwrap().parse().unwrap();
    let millis = error["data"]["retryAfterMs"].as_u64().unwrap();
    assert!((1_700..=1_800).contains(&seconds) && millis.div_ceil(1_000) == seconds, "{seconds} {millis}");
    let (code, status, retry_after) = plain(&server, CALL, "192.0.2.1");
    assert_eq!((code, status, retry_after.is_some()), (Some(-32004), 429, true), "it is the same caller");
}

#[test]
fn a_rate_holds_in_sessions_of_every_revision() {
    let home = folder(&[("anyport.toml", &file("[limits.tool]\ncalls_per_day = 1\n"))]);
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
        let mut command = anyport(home.path());
        command.args(["serve", "--stdio"]);
        let mut program = Program::start(command);
        let is_modern = version == "2026-07-28";
        if !is_modern {
            program.call(&initialize(0, version));
            program.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        }
        let mut call = |id: u64, name: &str| {
            let params = json!({"name": name, "arguments": {}});
            let make = if is_modern { modern } else { legacy };
            program.call(&make(id, "tools/call", params))
        };
        assert!(call(1, "book_list_docs")["result"].is_object(), "{version}");
        let refused = call(2, "book_list_docs");
        assert_eq!(refused["error"]["code"], 42900, "{version}: {refused}");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains("the tool list_docs of book takes no more than 1 call a day"), "{message}");
        assert!(message.contains("(tool.calls_per_day)"), "{message}");
        let other = call(3, "book_list_languages");
        assert_ne!(other["error"]["code"], 42900, "{version}: another tool has its own rate: {other}");
    }
}

#[test]
fn an_address_and_a_server_have_rates() {
    let more = "[gateway]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[limits.address]\ncalls_per_hour = 2\n[limits.upstream]\ncalls_per_hour = 5\n";
    let (_home, _gateway, server) = serve_gateway(&file(more));
    let code = |address: &str| plain(&server, CALL, address).0;
    assert_eq!([code("192.0.2.1"), code("192.0.2.1"), code("192.0.2.1")], [None, None, Some(-32004)]);
    // An IPv6 network is one address.
    assert_eq!([code("2001:db8::1"), code("2001:db8::2"), code("2001:db8::3")], [None, None, Some(-32004)]);
    // The server has one call left for all.
    assert_eq!([code("192.0.2.2"), code("192.0.2.3")], [None, Some(-32004)]);
}

#[test]
fn counts_outlive_a_reload_and_new_rates_hold_at_once() {
    let text = |hour: u32| {
        file(&format!("[limits.principal]\ncalls_per_hour = 1\n[limits.upstream]\ncalls_per_hour = {hour}\n"))
    };
    let (home, mut gateway, server) = serve_gateway(&text(100));
    let code = || plain(&server, CALL, "192.0.2.1").0;
    assert_eq!([code(), code()], [None, Some(-32004)]);
    fs::write(home.path().join("anyport.toml"), text(200)).unwrap();
    gateway.error_line(|line| line.contains("how often calls may be made has changed"));
    assert_eq!(code(), Some(-32004), "what was called is remembered");
    fs::write(home.path().join("anyport.toml"), file("[limits.principal]\ncalls_per_hour = 50\n")).unwrap();
    until(|| json!(code().is_none()), |is_free| is_free == true);
}

#[test]
fn a_wrong_rate_is_an_error_with_its_place() {
    for (more, said) in [
        ("[limits.principal]\ncalls_per_minute = 0\n", "4 | calls_per_minute = 0"),
        ("[limits.tool]\nburst = 3\n", "it says how many calls may come at once"),
        ("[limits.user]\ncalls_per_minute = 1\n", "it is a table, and must be"),
        ("[limits.tool]\nper_minute = 3\n", "there is no key `per_minute` here"),
    ] {
        let home = folder(&[("anyport.toml", &file(more))]);
        let mut command = anyport(home.path());
        command.args(["serve", "--port", "0"]);
        let ended = crate::support::to_the_end(command);
        assert!(ended.code == Some(2) && ended.stderr.contains(said), "{more}\n{ended:?}");
    }
}
