//! Clients that may leave out headers, where the operator says so.
//!
//! Invariant: A client's claimed name changes nothing except the headers that it may omit, and only if it was
//! configured.

use anyport_transport::http::{Compat, Config, KnownClient};
use serde_json::json;

use crate::common::{
    Server,
    client::{Verb, call, meta, modern, post},
};

fn echo() -> Verb {
    call(7, "echo", json!({"text": "hi"}))
}

/// The headers that 2026-07-28 requires.
const REQUIRED: [&str; 3] = ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"];

fn vscode(verb: Verb) -> Verb {
    verb.set("User-Agent", "Visual Studio Code/1.115.0")
}

/// A request of a client that says who it is in the body alone, with no header that the revision requires.
fn by_client_info(name: &str) -> Verb {
    let mut meta = meta();
    meta["io.modelcontextprotocol/clientInfo"] = json!({"name": name, "version": "1"});
    let params = json!({"name": "echo", "arguments": {"text": "hi"}, "_meta": meta});
    post(json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}).to_string())
}

async fn lenient() -> (Server, Compat) {
    let compat = Compat::new([KnownClient::VsCode]);
    (Server::start(Config::default().compat(compat.clone())).await, compat)
}

#[tokio::test]
async fn without_it_a_missing_header_is_refused_from_everyone() {
    let server = Server::start(Config::default()).await;
    for name in REQUIRED {
        let answer = server.ask(&vscode(echo().without(name))).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "{name}: {answer:?}");
    }
    let answer = server.ask(&by_client_info("Visual Studio Code")).await;
    assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "{answer:?}");
}

#[tokio::test]
async fn with_it_a_known_client_may_leave_out_headers() {
    let (server, compat) = lenient().await;
    for name in REQUIRED {
        let answer = server.ask(&vscode(echo().without(name))).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert!(answer.text().contains("hi"), "{answer:?}");
    }
    assert_eq!(server.ask(&by_client_info("Visual Studio Code")).await.status, 200);
    assert_eq!(compat.forgiven(KnownClient::VsCode), 4);
    assert_eq!(server.ask(&vscode(echo())).await.status, 200);
    assert_eq!(compat.forgiven(KnownClient::VsCode), 4, "nothing was missing");
}

#[tokio::test]
async fn what_contradicts_the_body_is_refused_all_the_same() {
    let (server, compat) = lenient().await;
    let contradictions = [
        ("another method", echo().set("Mcp-Method", "tools/list").without("Mcp-Name")),
        ("the method of the probe before", echo().set("Mcp-Method", "server/discover")),
        ("another name", echo().set("Mcp-Name", "delete_all").without("Mcp-Method")),
        ("another revision", echo().set("MCP-Protocol-Version", "2025-11-25").without("Mcp-Method")),
        ("twice", echo().add("Mcp-Method", "tools/call").without("Mcp-Name")),
        ("empty", echo().set("Mcp-Name", "")),
        ("no Base64", echo().set("Mcp-Name", "=?base64?!?=")),
        ("not ASCII", echo().set("Mcp-Method", "tööls/call")),
    ];
    for (what, verb) in contradictions {
        let answer = server.ask(&vscode(verb)).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "{what}: {answer:?}");
    }
    assert_eq!(compat.forgiven(KnownClient::VsCode), 0);
}

#[tokio::test]
async fn other_clients_are_refused_all_the_same() {
    let (server, compat) = lenient().await;
    let others = [
        ("nobody", echo().without("Mcp-Method")),
        ("someone else", echo().without("Mcp-Method").set("User-Agent", "node")),
        ("who mentions it", echo().without("Mcp-Method").set("User-Agent", "x (Visual Studio Code/1)")),
        ("who is known, but was not chosen", by_client_info("github-copilot-developer")),
        ("who is not known", by_client_info("Visual Studio Codex")),
    ];
    for (who, verb) in others {
        let answer = server.ask(&verb).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "{who}: {answer:?}");
    }
    assert_eq!(compat.forgiven(KnownClient::VsCode), 0);
}

#[tokio::test]
async fn every_other_check_stands() {
    let (server, compat) = lenient().await;
    let bare = |verb: Verb| vscode(REQUIRED.into_iter().fold(verb, Verb::without));
    for (what, verb, status, code) in [
        ("another page's", bare(echo()).add("Origin", "http://evil.example.com"), 403, Some(-32600)),
        ("another host's", bare(echo()).set("Host", "evil.example.com"), 421, Some(-32600)),
        ("plain text", bare(echo()).set("Content-Type", "text/plain"), 415, Some(-32600)),
        ("no JSON", bare(post("{")), 400, Some(-32700)),
        ("an unknown method", bare(modern(1, "no/such", "{}")), 404, Some(-32601)),
        ("a method of older revisions", bare(modern(1, "ping", "{}")), 404, Some(-32601)),
    ] {
        let answer = server.ask(&verb).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{what}: {answer:?}");
    }
    let mut meta = meta();
    meta["io.modelcontextprotocol/protocolVersion"] = "2099-01-01".into();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}});
    let answer = server.ask(&bare(post(body.to_string()))).await;
    assert_eq!((answer.status, answer.code()), (400, Some(-32022)), "{answer:?}");
    // Of these, the last three left out headers and passed that one check.
    assert_eq!(compat.forgiven(KnownClient::VsCode), 3);
    server.canary().await;
}
