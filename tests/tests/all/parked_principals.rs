//! A call that waits for its caller, between two callers with tokens of their own: over HTTP, to a process that is a legacy
//! server.
//!
//! Invariant: A late retry, a retry of another caller, and a retry at another server or bridge each get their
//! own reason.

use anyport::{Revision, http};
use anyport_testing::{Answer, Wire};
use anyport_tests::{
    cross_transport::{Way, bridge},
    site::{self, Site},
};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cross_transport");

/// Of two callers.
const NAMES: [&str; 2] = ["alice", "mallory"];

async fn client(site: &Site, name: &str) -> Wire {
    let remote = site.remote().bearer(&format!("secret-of-{name}"));
    let link = site.link(site::Way::Http, &remote).await.unwrap();
    let mut wire = Wire::over(link).declaring(json!({"elicitation": {}, "sampling": {}}));
    wire.open(Revision::NEWEST).await.unwrap();
    wire
}

/// Calls a tool that asks for a form, and returns what a retry has.
async fn asked(wire: &mut Wire) -> Value {
    let call = json!({"name": "greet", "arguments": {}});
    let required = wire.call("tools/call", call.clone()).await.unwrap().outcome.unwrap();
    assert_eq!(required["resultType"], "input_required", "{required}");
    let keys = required["inputRequests"].as_object().unwrap().keys();
    let answers: serde_json::Map<_, _> =
        keys.map(|key| (key.clone(), json!({"action": "accept", "content": {"name": "Ada"}}))).collect();
    let mut retry = call;
    retry["inputResponses"] = answers.into();
    retry["requestState"] = required["requestState"].clone();
    retry
}

fn refusal(answer: Answer) -> Value {
    let refused = answer.outcome.unwrap_err();
    json!({"code": refused.code, "message": refused.message, "data": refused.data})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_call_is_its_callers_alone() {
    for revision in [Revision::V2025_06_18, Revision::NEWEST_LEGACY] {
        let behind = Way::Stdio.server(revision, PROGRAM).await.unwrap();
        let tokens = NAMES.map(|name| http::Token::new(name, &format!("secret-of-{name}")));
        let authentication = http::Authentication::Tokens(tokens.into());
        let config = http::Config::default().authentication(authentication);
        let site = Site::listen(bridge(behind.target.clone()).unwrap(), config).await.unwrap();
        let (mut alice, mut mallory) = (client(&site, "alice").await, client(&site, "mallory").await);
        let retry = asked(&mut alice).await;
        let told = json!({
            "code": -32602,
            "message": "the requestState was given to another caller; call greet again without requestState",
            "data": {"reason": "foreign"},
        });
        let others = mallory.call("tools/call", retry.clone()).await.unwrap();
        assert_eq!(refusal(others), told, "{revision}");
        // Nothing of it reached the server, and the one whose it is goes on.
        let own = alice.call("tools/call", retry).await.unwrap();
        assert!(own.text() == "Hello, Ada!", "{revision}: {own:?}");
    }
}
