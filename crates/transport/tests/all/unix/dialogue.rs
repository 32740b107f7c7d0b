//! What is said on a connection.

use std::time::Duration;

use anyport_transport::unix::{Config, Limits};
use serde_json::json;

use super::{Server, call, initialize, initialized, request};
use crate::common::client::meta;

#[tokio::test]
async fn both_eras_are_served_on_one_connection() {
    let server = Server::start(Config::default()).await;
    let mut client = server.connect().await;
    client.say(&call(1, "echo", json!({"text": "modern"}))).await;
    assert_eq!(client.hear().await["result"]["resultType"], "complete");
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut client = server.connect().await;
        client.say(&initialize(version)).await;
        assert_eq!(client.hear().await["result"]["protocolVersion"], version);
        client.say(&initialized()).await;
        client.say(&request(2, "tools/call", json!({"name": "echo", "arguments": {"text": version}}))).await;
        let result = &client.hear().await["result"];
        assert_eq!(*result, json!({"content": [{"type": "text", "text": version}]}));
        client.say(&call(3, "echo", json!({"text": "again"}))).await;
        assert_eq!(client.hear().await["result"]["resultType"], "complete");
    }
}

#[tokio::test]
async fn a_client_is_the_local_one() {
    let server = Server::start(Config::default()).await;
    let mut client = server.connect().await;
    client.say(&call(1, "who", json!({}))).await;
    assert_eq!(client.hear().await["result"]["content"][0]["text"], "local ");
}

#[tokio::test]
async fn a_legacy_client_is_asked_and_answers() {
    let server = Server::start(Config::default()).await;
    let mut client = server.connect().await;
    client.say(&initialize("2025-06-18")).await;
    client.hear().await;
    client.say(&initialized()).await;
    client.say(&request(2, "tools/call", json!({"name": "ask"}))).await;
    // The question may come behind the stream of changes that `initialized` opened, never before it is asked.
    let question = client.hear().await;
    assert_eq!(question["method"], "roots/list");
    client.say(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}})).await;
    assert_eq!(client.hear().await["result"]["content"][0]["text"], r#"{"roots":[]}"#);
}

#[tokio::test]
async fn clients_do_not_hear_each_other() {
    let server = Server::start(Config::default()).await;
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    one.say(&call(7, "wait", json!({}))).await;
    server.fake.until(|counts| counts.running == 1).await;
    // The same id, and a cancellation of it.
    two.say(&call(7, "echo", json!({"text": "two"}))).await;
    assert_eq!(two.hear().await["result"]["content"][0]["text"], "two");
    let params = json!({"requestId": 7});
    two.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})).await;
    two.say(&call(8, "echo", json!({"text": "two"}))).await;
    two.hear().await;
    server.fake.release(1);
    assert_eq!(one.hear().await["result"]["content"][0]["text"], "waited");
}

#[tokio::test]
async fn who_ends_its_side_still_hears_its_answers() {
    let server = Server::start(Config::default()).await;
    let mut client = server.connect().await;
    client.say(&call(1, "wait", json!({}))).await;
    server.fake.until(|counts| counts.running == 1).await;
    client.end().await;
    server.fake.release(1);
    assert_eq!(client.hear().await["id"], 1);
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn a_last_line_without_an_end_is_a_message() {
    let server = Server::start(Config::default()).await;
    let mut client = server.connect().await;
    client.send(call(1, "echo", json!({"text": "x"})).to_string().as_bytes()).await;
    client.end().await;
    assert_eq!(client.hear().await["id"], 1);
}

#[tokio::test]
async fn who_goes_away_cancels_its_calls_silent_ones_too() {
    // Longer than a test waits.
    let limits = Limits::default().drain(Duration::from_secs(100));
    let server = Server::limited(limits).await;
    let mut client = server.connect().await;
    client.say(&call(1, "say", json!({"count": 100_000, "bytes": 1000}))).await;
    server.fake.until(|counts| counts.said > 0).await;
    drop(client);
    server.fake.until(|counts| counts.cancelled == 1).await;
    let mut client = server.connect().await;
    client.say(&call(1, "wait", json!({}))).await;
    server.fake.until(|counts| counts.running == 1).await;
    drop(client);
    server.fake.until(|counts| counts.cancelled == 2).await;
    server.canary().await;
}

#[tokio::test]
async fn a_stop_ends_streams_lets_calls_finish_and_closes() {
    let mut server = Server::start(Config::default()).await;
    let mut client = server.connect().await;
    let listen = json!({"notifications": {"toolsListChanged": true}, "_meta": meta()});
    client.say(&request("l", "subscriptions/listen", listen)).await;
    assert_eq!(client.hear().await["method"], "notifications/subscriptions/acknowledged");
    client.say(&call(1, "wait", json!({}))).await;
    server.fake.until(|counts| counts.running == 1).await;
    server.stop();
    assert_eq!(client.hear().await["method"], "notifications/cancelled");
    assert_eq!(client.hear().await["id"], "l");
    server.fake.release(1);
    assert_eq!(client.hear().await["id"], 1);
    assert_eq!(client.next().await, None);
    server.stopped().await;
}
