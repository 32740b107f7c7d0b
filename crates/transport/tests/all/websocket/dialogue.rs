//! What is said on a WebSocket.

use futures_util::SinkExt as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{Client, call, initialize, initialized, request, start};
use crate::common::client::meta;

#[tokio::test]
async fn both_eras_are_served_on_one_connection() {
    let server = start().await;
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut client = Client::open(&server).await;
        client.say(&call(1, "echo", json!({"text": "modern"}))).await;
        assert_eq!(client.hear().await["result"]["resultType"], "complete");
        client.say(&initialize(version)).await;
        assert_eq!(client.hear().await["result"]["protocolVersion"], version);
        client.say(&initialized()).await;
        client.say(&request(2, "tools/call", json!({"name": "echo", "arguments": {"text": version}}))).await;
        let result = &client.hear().await["result"];
        assert_eq!(*result, json!({"content": [{"type": "text", "text": version}]}));
    }
}

#[tokio::test]
async fn a_legacy_client_is_asked_and_told_of_changes() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    client.say(&initialize("2025-06-18")).await;
    client.hear().await;
    client.say(&initialized()).await;
    server.fake.until(|counts| counts.listening == 1).await;
    server.fake.tools_changed();
    assert_eq!(client.hear().await["method"], "notifications/tools/list_changed");
    client.say(&request(2, "tools/call", json!({"name": "ask"}))).await;
    let question = client.hear().await;
    assert_eq!(question["method"], "roots/list");
    client.say(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}})).await;
    assert_eq!(client.hear().await["result"]["content"][0]["text"], r#"{"roots":[]}"#);
}

#[tokio::test]
async fn faults_in_messages_are_answered_and_the_connection_goes_on() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    for (text, code) in [("{", -32700), ("", -32700), ("[]", -32600), (r#"{"id":1}"#, -32600)] {
        client.0.send(Message::text(text)).await.unwrap();
        assert_eq!(client.hear().await["error"]["code"], code, "{text:?}");
    }
    client.say(&call(1, "echo", json!({"text": "x"}))).await;
    assert_eq!(client.hear().await["id"], 1);
}

#[tokio::test]
async fn large_messages_go_both_ways_whatever_stands_in_them() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    // Three bytes a letter, so that fragments end within one.
    for letters in [10, 21_000, 22_000, 500_000] {
        let text = "日".repeat(letters);
        client.say(&call(1, "echo", json!({"text": text}))).await;
        assert_eq!(client.hear().await["result"]["content"][0]["text"].as_str(), Some(&*text));
    }
}

#[tokio::test]
async fn clients_do_not_hear_each_other() {
    let server = start().await;
    let (mut one, mut two) = (Client::open(&server).await, Client::open(&server).await);
    one.say(&call(7, "wait", json!({}))).await;
    server.fake.until(|counts| counts.running == 1).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    two.say(&cancel).await;
    two.say(&call(7, "echo", json!({"text": "two"}))).await;
    assert_eq!(two.hear().await["result"]["content"][0]["text"], "two");
    server.fake.release(1);
    assert_eq!(one.hear().await["result"]["content"][0]["text"], "waited");
}

#[tokio::test]
async fn who_closes_hears_so_and_its_calls_are_cancelled() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    client.say(&call(1, "wait", json!({}))).await;
    server.fake.until(|counts| counts.running == 1).await;
    client.0.close(None).await.unwrap();
    server.fake.until(|counts| counts.cancelled == 1).await;
    while let Some(message) = super::within(futures_util::StreamExt::next(&mut client.0)).await {
        assert!(matches!(message, Ok(Message::Close(_))), "{message:?}");
    }
}

#[tokio::test]
async fn who_vanishes_cancels_its_calls() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    client.say(&call(1, "wait", json!({}))).await;
    server.fake.until(|counts| counts.running == 1).await;
    drop(client);
    server.fake.until(|counts| counts.cancelled == 1).await;
}

#[tokio::test]
async fn a_stop_ends_streams_lets_calls_finish_and_says_that_it_goes_away() {
    let mut server = start().await;
    let mut client = Client::open(&server).await;
    let listen = json!({"notifications": {"toolsListChanged": true}, "_meta": meta()});
    client.say(&request("l", "subscriptions/listen", listen)).await;
    assert_eq!(client.hear().await["method"], "notifications/subscriptions/acknowledged");
    client.say(&call(1, "wait", json!({}))).await;
    server.fake.until(|counts| counts.running == 1).await;
    let mut idle = Client::open(&server).await;
    idle.say(&call(1, "echo", json!({"text": "x"}))).await;
    idle.hear().await;
    server.stop();
    assert_eq!(idle.closed().await, (1001, "the server stops".into()));
    assert_eq!(client.hear().await["method"], "notifications/cancelled");
    assert_eq!(client.hear().await["id"], "l");
    server.fake.release(1);
    assert_eq!(client.hear().await["id"], 1);
    assert_eq!(client.closed().await.0, 1001);
    drop((client, idle));
    server.stopped().await;
}
