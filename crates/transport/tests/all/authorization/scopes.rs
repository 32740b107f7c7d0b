//! Callers whose credential lacks a scope.

use anyport_protocol::Revision;
use serde_json::{Value, json};

use super::{config, metadata_of, verifier::Scripted};
use crate::common::{
    Server,
    client::{Response, Verb, call, post},
};

fn challenges(response: &Response) -> Vec<&str> {
    let of = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("www-authenticate");
    response.headers.iter().filter(of).map(|(_, value)| value.as_str()).collect()
}

fn lacks(scopes: &str, path: &str) -> Vec<String> {
    let metadata = metadata_of(path);
    let error = r#"error="insufficient_scope", error_description="the credential lacks a scope""#;
    vec![
        format!("Bearer {error}, scope=\"{scopes}\", {metadata}"),
        format!("DPoP scope=\"{scopes}\", {metadata}, algs=\"ES256 EdDSA\""),
    ]
}

fn need(scopes: &[&str]) -> Verb {
    call(7, "need", json!({"scopes": scopes}))
}

/// A session of this revision, whose requests `Verb`s of the token are.
async fn session(server: &Server, revision: Revision, token: &str) -> impl Fn(Value) -> Verb {
    let begin = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": revision.as_str(), "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let bearer = format!("Bearer {token}");
    let opened = server.ask(&post(begin.to_string()).add("Authorization", &bearer)).await;
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    move |message| {
        let verb = post(message.to_string()).add("Mcp-Session-Id", &id).add("Authorization", &bearer);
        verb.add("MCP-Protocol-Version", revision.as_str())
    }
}

fn need_in_session(id: u64, scopes: &[&str]) -> Value {
    let params = json!({"name": "need", "arguments": {"scopes": scopes}});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}

#[tokio::test]
async fn a_modern_call_is_told_every_scope_that_it_needs() {
    let server = Server::start(config(&Scripted::default())).await;
    let refused = server.ask(&need(&["write", "read"]).add("Authorization", "Bearer read")).await;
    assert_eq!(
        (refused.status, challenges(&refused)),
        (403, lacks("write read", "/mcp").iter().map(|text| &**text).collect())
    );
    let body = json!({"jsonrpc": "2.0", "id": 7, "error": {
        "code": 40300,
        "message": "this needs the scope write read, which the credential lacks",
        "data": {"scopes": ["write", "read"], "reason": "insufficient_scope"},
    }});
    assert_eq!(refused.json(), body);
    for token in ["good", "read+files"] {
        let bearer = format!("Bearer {token}");
        let answer = server.ask(&need(&["read"]).add("Authorization", &bearer)).await;
        assert_eq!((answer.status, challenges(&answer)), (200, vec![]), "{answer:?}");
    }
}

#[tokio::test]
async fn a_legacy_call_is_told_its_own_scopes_as_well() {
    let server = Server::start(config(&Scripted::default())).await;
    for revision in Revision::ALL.iter().copied().filter(|revision| revision.has_sessions()) {
        let send = session(&server, revision, "read+files").await;
        let refused = server.ask(&send(need_in_session(2, &["write"]))).await;
        assert_eq!(challenges(&refused), lacks("write read files", "/mcp"), "{revision:?}");
        assert_eq!((refused.status, refused.code()), (403, Some(40300)));
        // A batch has one status, whatever its members are.
        if revision == Revision::V2025_03_26 {
            let batch = json!([need_in_session(3, &["write"]), need_in_session(4, &["read"])]);
            let answer = server.ask(&send(batch)).await;
            assert_eq!((answer.status, challenges(&answer)), (200, vec![]));
            let answers = answer.json();
            let codes: Vec<_> =
                answers.as_array().unwrap().iter().map(|one| one["error"]["code"].as_i64()).collect();
            assert!(codes.contains(&Some(40300)) && codes.contains(&None), "{answers}");
        }
    }
}

#[tokio::test]
async fn the_rest_interface_has_codes_of_its_own() {
    let server = Server::start(config(&Scripted::default())).await;
    let need = r#"{"method":"need","params":{"scopes":["write"]},"id":1}"#;
    let verb =
        |body: &str| Verb { target: "/mcp/call".into(), ..post(body) }.add("Authorization", "Bearer read");
    let refused = server.ask(&verb(need)).await;
    assert_eq!((refused.status, refused.code()), (403, Some(-32403)), "{refused:?}");
    assert_eq!(challenges(&refused), lacks("write", "/mcp"));
    assert_eq!(refused.json()["error"]["data"]["scopes"], json!(["write"]));
    let several = server.ask(&verb(&format!("[{need}]"))).await;
    assert_eq!((several.status, several.json()[0]["error"]["code"].as_i64()), (200, Some(-32403)));
}

#[tokio::test]
async fn every_request_to_an_endpoint_needs_the_scopes_of_that_endpoint() {
    let server = Server::start(config(&Scripted::default())).await;
    let at = |verb: Verb, token: &str| {
        let verb = Verb { target: verb.target.replace("/mcp", "/s/files/mcp"), ..verb };
        verb.add("Authorization", &format!("Bearer {token}"))
    };
    let legacy = post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    let tools = Verb::new("GET", "/mcp/tools").add("MCP-Protocol-Version", "2026-07-28");
    for (verb, code, scopes) in [
        (call(1, "echo", json!({})), 40300, "files"),
        // A client of an older revision asks for the scopes of the challenge alone.
        (legacy, 40300, "files read"),
        (tools, -32403, "files"),
    ] {
        let refused = server.ask(&at(verb.clone(), "read")).await;
        assert_eq!((refused.status, refused.code()), (403, Some(code)), "{refused:?}");
        assert_eq!(challenges(&refused), lacks(scopes, "/s/files/mcp"), "{verb:?}");
        for token in ["files", "read+files", "good"] {
            let let_in = server.ask(&at(verb.clone(), token)).await;
            assert!(!matches!(let_in.status, 401 | 403), "{let_in:?}");
        }
    }
    // Without a credential the challenge names them, too.
    let verb = Verb { target: "/s/files/mcp".into(), ..post("{}") };
    let asked = server.ask(&verb).await;
    assert_eq!(challenges(&asked)[0], format!("Bearer scope=\"files\", {}", metadata_of("/s/files/mcp")));
    // What is needed by the endpoint and by the tool is named at once.
    let both = server.ask(&at(call(7, "need", json!({"scopes": ["write"]})), "files")).await;
    assert_eq!(challenges(&both), lacks("files write", "/s/files/mcp"));
}

#[tokio::test]
async fn refresh_tokens_are_no_scope_of_a_resource() {
    let server = Server::start(config(&Scripted::default())).await;
    let send = session(&server, Revision::V2025_11_25, "offline_access").await;
    let refused = server.ask(&send(need_in_session(2, &["write"]))).await;
    assert_eq!(challenges(&refused), lacks("write", "/mcp"));
}

/// A session belongs to its principal, and each of its requests comes with a token of its own.
#[tokio::test]
async fn a_session_goes_on_with_another_token_of_its_principal_and_with_no_other_principal() {
    let server = Server::start(config(&Scripted::default())).await;
    let send = session(&server, Revision::V2025_11_25, "none").await;
    let call = || send(need_in_session(2, &["read"]));
    assert_eq!(server.ask(&call()).await.status, 403);
    assert_eq!(server.ask(&call().set("Authorization", "Bearer read")).await.status, 200);
    assert_eq!(server.ask(&call()).await.status, 403, "nothing of the other token stays");
    assert_eq!(server.ask(&call().set("Authorization", "Bearer eve")).await.status, 404);
}
