//! Whatever is said to a server: each request is answered, by its id and in the words of the revision, and the dialogue
//! goes on. What is JSON comes through as it was.
//!
//! Invariant: Whatever arrives on a socket, the response is valid or the connection is closed, and the next
//! caller is served.

use anyport::Revision;
use anyport_testing::{Lost, generators};
use anyport_tests::matrix::{Cell, Transport, everywhere};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Value, json};

/// So many values of a strategy, the same ones every time.
fn some<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[tokio::test]
async fn any_object_goes_through_a_tool_and_back() {
    let objects = some(&generators::object(), 100);
    everywhere(async |cell| {
        for object in objects.iter().take(some_of(cell, objects.len())) {
            let result = cell.tool("echo", object.clone().into()).await?.outcome?;
            assert_eq!(result["structuredContent"], Value::Object(object.clone()));
        }
        Ok(())
    })
    .await;
}

/// All of them on the protocol's own transports, a quarter on the others, which read with the same code: time is dear.
fn some_of(cell: &Cell, all: usize) -> usize {
    if matches!(cell.transport, Transport::Stdio | Transport::Http) { all } else { all / 4 }
}

/// Whether a message must be answered: it has an id and a method, both of the right type.
fn is_request(message: &Value) -> bool {
    let id = &message["id"];
    message["jsonrpc"] == "2.0"
        && message["method"].is_string()
        && (id.is_string() || id.is_i64() || id.is_u64())
        && message.get("result").is_none()
        && message.get("error").is_none()
        && message.get("params").is_none_or(Value::is_object)
}

/// What may not be sent here, since it is answered by no message, or by several.
fn is_unidentifiable(message: &Value) -> bool {
    matches!(message["method"].as_str(), Some("subscriptions/listen" | "notifications/cancelled"))
        || message.is_array()
}

/// Says `message`, and checks what comes back.
async fn say(cell: &mut Cell, message: &Value) -> Result<(), Lost> {
    if !is_request(message) && !cell.http {
        // Nothing may come back, so something else is asked: by its answer, this one was read.
        cell.wire.tell(&message.to_string())?;
        assert_eq!(
            cell.tool("greet", json!({"name": "Ada"})).await?.text(),
            "Hello, Ada!",
            "after {message}"
        );
        return Ok(());
    }
    let (status, answer) = cell.wire.raw(&message.to_string()).await?;
    assert_eq!(status.is_some(), cell.http);
    assert!(status.is_none_or(|status| (200..500).contains(&status)), "{status:?} to {message}");
    if is_request(message) {
        let answer = answer.unwrap_or_else(|| panic!("no answer to {message}"));
        assert_eq!(answer["id"], message["id"], "{answer} to {message}");
        assert!(answer.get("result").is_some() != answer.get("error").is_some(), "{answer}");
        assert_ne!(answer["error"]["code"], -32603, "{answer} to {message}");
    }
    Ok(())
}

#[tokio::test]
async fn any_message_is_borne() {
    let messages = some(&generators::message(), 400);
    everywhere(async |cell| {
        let some = messages.iter().take(some_of(cell, messages.len()));
        for message in some.filter(|message| !is_unidentifiable(message)) {
            say(cell, &with_meta(message, cell.revision)).await?;
        }
        assert_eq!(cell.tool("greet", json!({"name": "Ada"})).await?.text(), "Hello, Ada!");
        Ok(())
    })
    .await;
}

/// A modern request says what every one of them must say. One that does not is no modern request, and on a channel that
/// serves all revisions it is answered in the words of an older one.
fn with_meta(message: &Value, revision: Revision) -> Value {
    let mut message = message.clone();
    if revision.is_stateless() && is_request(&message) {
        message["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": revision.as_str(),
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    message
}
